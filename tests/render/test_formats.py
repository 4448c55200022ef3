"""The renderers side by side: the same recording, live, plain, as NDJSON and as content."""

import ast
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import noxcli
from noxcli.models import (
    Finished,
    Gap,
    Paused,
    Polled,
    Reconnecting,
    Run,
    RunEvent,
    Started,
    Update,
    Workflow,
)
from noxcli.outputs.values import only_text
from noxcli.render import Renderer
from noxcli.render.events import Content, Ndjson
from noxcli.render.live import Live
from noxcli.render.log import RunLog
from noxcli.render.renderers import play, run_progress
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Progress
from noxcli.timing import Clock
from tests.conftest import Turning

GOLDEN = Path(__file__).parents[1] / "golden"
QUEUED = Run("run-1", "wf-1", "queued", 0, "2026-01-01T00:00:00Z")
RUNNING = Run("run-1", "wf-1", "running", 50, "2026-01-01T00:00:00Z")
DONE = Run(
    "run-1",
    "wf-1",
    "completed",
    100,
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:03Z",
    output={"A": "x"},
)
WORKFLOW = Workflow("wf-1", "Report", {"n1": "Read", "n2": "Write", "n3": "Check"})


def content(node: str, status: str, text: str | None = None, **more: Any) -> RunEvent:
    return RunEvent(
        "content",
        {"id": node, "status": status, **({} if text is None else {"content": text}), **more},
        "1-0",
    )


def state(status: str, **details: list[str]) -> RunEvent:
    return RunEvent("state", {"status": status, "progress_details": details}, None)


RECORDING: list[list[Update]] = [
    [Started(QUEUED)],
    [
        state("running", running_nodes=["n1"], remaining_nodes=["n2", "n3"], executed_nodes=[]),
        content("n1", "completed"),
    ],
    [],
    [content("n2", "running", "Hel"), content("n2", "running", "lo ")],
    [Reconnecting(1, 0.5, "the stream closed before the end of the run")],
    [content("n2", "running", "wörld"), content("n2", "completed")],
    [Gap("the server no longer knows the position"), Paused(RUNNING), Polled(RUNNING)],
    [
        state(
            "running",
            executed_nodes=["n1", "n2"],
            skipped_nodes=["n3"],
            running_nodes=[],
            remaining_nodes=[],
        ),
        content("n2", "completed", workflow_status="completed"),
    ],
    [Finished(DONE)],
]


def two_seconds_in() -> Progress:
    progress = Progress(QUEUED, clock := Turning(), WORKFLOW)
    clock.now_is += 2
    return progress


def terminal() -> Terminal:
    return Terminal(
        io.BytesIO(), io.StringIO(), interactive=True, environ={"TERM": "xterm", "NO_COLOR": "1"}
    )


def written(shown: Terminal) -> str:
    assert isinstance(shown.out, io.BytesIO)
    return shown.out.getvalue().decode()


def said(shown: Terminal) -> str:
    assert isinstance(shown.err, io.StringIO)
    return shown.err.getvalue()


def render(kind: str, recording: Sequence[Sequence[Update]] = RECORDING) -> str:
    shown = terminal()
    progress = two_seconds_in()
    renderers: dict[str, Renderer] = {
        "ndjson": Ndjson(shown),
        "content": Content(shown, only_text),
        "plain": RunLog(shown, progress),
    }
    play(recording, progress, [renderers[kind]])
    return written(shown) if kind in {"ndjson", "content"} else said(shown)


def without_times(text: str) -> str:
    """Remove what differs in every run: times of day."""
    lines = []
    for line in text.splitlines():
        if line.startswith("{"):
            event = json.loads(line)
            assert event.pop("ts").endswith("Z")
            lines.append(json.dumps(event, ensure_ascii=False))
        else:
            lines.append(line[9:] if line[2:3] == ":" else line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", ["plain", "ndjson", "content"])
def test_one_recording_through_each_renderer(kind: str) -> None:
    golden = GOLDEN / f"{kind}.txt"
    shown = without_times(render(kind))
    assert shown == golden.read_text(), (
        f"{golden} is the promise: change it only with a CHANGELOG line"
    )


def test_quiet_leaves_the_warning_that_events_may_be_missing() -> None:
    shown = terminal()
    shown.quiet = True
    progress = two_seconds_in()
    play(RECORDING, progress, [run_progress(shown, progress)])
    assert said(shown) == "noxcli: gap: the server no longer knows the position\n"


def test_the_live_view_draws_ten_times_a_second_at_most() -> None:
    shown = terminal()
    progress = Progress(QUEUED, Clock(), WORKFLOW)
    began = time.monotonic()
    with Live(shown, progress) as live:
        while time.monotonic() - began < 0.25:
            event = content("n2", "running", "word ")
            live.show([(event, progress.apply_one(event))])
        took = time.monotonic() - began
    drawn = said(shown).count("\x1b[?7h")
    assert 1 <= drawn <= 10 * took + 3


def test_only_this_package_compares_formats() -> None:
    """Another format is added to the enum and gets a renderer; all others ask what kind it is."""
    package = Path(noxcli.__file__).parent
    compared = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "Format" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Compare | ast.MatchValue) and "id='Format'" in ast.dump(node)
    ]
    assert {*compared} == {"render/__init__.py"}
