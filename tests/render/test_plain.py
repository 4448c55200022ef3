"""The log off a terminal: a line for each change, none of them twice, and a sign of life now and then."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from noxcli.models import Finished, Polled, Reconnecting, Run, RunEvent, Started, Update, Workflow
from noxcli.render.log import RunLog
from noxcli.render.renderers import play
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Progress
from noxcli.sandbox.steps import Emit, Sleep
from tests.conftest import Noxcli, Turning

RUNNING = Run("run-1", "wf-1", "running")
WORKFLOW = Workflow("wf-1", "Report", {"n1": "Read", "n2": "Write it down"})


def log(timed: Sequence[tuple[float, list[Update]]], workflow: Workflow = WORKFLOW) -> list[str]:
    """Return the lines without their times of day."""
    err = io.StringIO()
    clock = Turning()
    progress = Progress(RUNNING, clock, workflow)

    def bursts() -> Any:
        for seconds, burst in timed:
            clock.now_is += seconds
            yield burst

    terminal = Terminal(io.BytesIO(), err)
    play(bursts(), progress, [RunLog(terminal, progress)])
    lines = err.getvalue().splitlines()
    assert all(line[2] == line[5] == ":" and line[8] == " " for line in lines)
    return [line[9:] for line in lines]


@pytest.mark.parametrize("shown", [[], ["-q"], ["--progress", "none"], ["--progress", "plain"]])
@pytest.mark.parametrize(
    ("argv", "warning"),
    [
        (["run", "fixed-inputs", "User Question=a", "System Prompt=b"], "'System Prompt' is fixed"),
        (["batch", "fixed-inputs", "rows.csv", "--fresh"], "'System Prompt' is fixed"),
        (["batch", "fixed-inputs", "rows.csv", "--fresh"], "rows.csv uses semicolons"),
    ],
)
def test_a_warning_is_never_hidden(
    noxcli: Noxcli, shown: list[str], argv: list[str], warning: str
) -> None:
    Path("rows.csv").write_text("User Question;System Prompt\na;b\n")
    result = noxcli(*argv, *shown)
    told = [warning in line for line in result.err.splitlines() if line.startswith("warning: ")]
    assert (result.code, told.count(True)) == (0, 1), result.err


def node(name: str, status: str, text: str | None = None) -> RunEvent:
    return RunEvent("content", {"id": name, "status": status, "content": text})


def test_columns_are_aligned() -> None:
    changes: list[tuple[float, list[Update]]] = [
        (0, [node("n1", "running")]),
        (1, [node("n1", "completed"), node("n2", "running")]),
        (75, [node("n2", "failed", "no [paper]\nleft")]),
    ]
    assert log(changes) == [
        "  Read           running",
        "  Read           completed   1.0s",
        "  Write it down  running",
        "  Write it down  failed     1m15s  no [paper] left",
    ]


def test_a_silent_minute_ends_with_who_is_at_work() -> None:
    quiet: list[tuple[float, list[Update]]] = [(1.0, []) for _ in range(125)]
    assert log(
        [(0, [Started(RUNNING)]), (1, [node("n1", "running")]), *quiet, (1, [Finished(RUNNING)])]
    ) == [
        "run running",
        "  Read           running",
        "run running for 1m01s: 'Read' has been running for 1m00s; waiting: 'Write it down'",
        "run running for 2m01s: 'Read' has been running for 2m00s; waiting: 'Write it down'",
        "run running after 2m07s",
    ]


def test_streamed_text_is_no_sign_of_life_but_a_line_is() -> None:
    talk: list[tuple[float, list[Update]]] = [
        (1.0, [node("n1", "running", "word ")]) for _ in range(59)
    ]
    lines = log(
        [(0, [node("n1", "running")]), *talk, (0, [node("n1", "completed")]), (1, []), (59, [])]
    )
    assert [line for line in lines if "for" in line] == [
        "run running for 1m59s: waiting: 'Write it down'"
    ]


def test_many_nodes_at_work_are_named_in_part() -> None:
    names = {f"n{number}": f"Step {number}" for number in range(500)}
    details = RunEvent(
        "state", {"status": "running", "progress_details": {"running_nodes": list(names)[:100]}}
    )
    last = log([(0, [details]), (60, [])], Workflow("wf-1", "Report", names))[-1]
    assert last.count("has been running") == 10
    assert "; 90 more; waiting: 'Step 100', " in last
    assert last.endswith(", 'Step 109', 390 more")


def test_a_node_that_flips_is_told_once() -> None:
    flips: list[tuple[float, list[Update]]] = [
        (0.1, [node("n1", status)]) for _ in range(1000) for status in ("running", "completed")
    ]
    lines = log([*flips, (0, [Finished(RUNNING)])])
    assert lines[:2] == ["  Read           running", "  Read           completed   0.1s"]
    assert [line.partition(":")[0] for line in lines[2:-1]] == [
        f"run running for {n}m00s" for n in (1, 2, 3)
    ]
    assert lines[-1] == "run running after 3m20s"


def test_a_reconnect_storm_is_told_once() -> None:
    storm: list[tuple[float, list[Update]]] = [
        (0.5, [Reconnecting(number, 0.01 * number, "the stream broke: reset")])
        for number in range(1, 101)
    ]
    assert log([*storm, (0, [Finished(RUNNING)])]) == [
        "the stream broke: reset; retrying in 0.0s",
        "run running after 50.0s",
    ]


def test_a_run_is_told_when_it_changes_but_not_its_past() -> None:
    statuses = ("running", "queued", "reviewing", "reviewing", "running", "running")
    assert log([(0, [Polled(Run("run-1", "wf-1", status)) for status in statuses])]) == [
        "run running",
        "run reviewing (unknown to noxcli, which keeps waiting)",
        "run running",
    ], "queued comes from a replay, or from a replica that lags"


def test_another_reason_is_another_line() -> None:
    failures: list[Update] = [
        node("n1", "failed", "too long"),
        node("n1", "running", "once upon a time "),
        node("n1", "failed", "too short"),
        node("n1", "running"),
    ]
    assert log([(0, failures)]) == [
        "  Read           failed            too long",
        "  Read           running",
        "  Read           failed            too short",
    ]


def test_a_sign_of_life_while_polling(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=[Emit("Write"), Sleep(600_000)], output={"A": "x"})
    result = noxcli("run", workflow, "--no-stream", "--poll-interval", "20s", "--timeout", "3m")
    beats = [line for line in result.err.splitlines() if "run running for " in line]
    assert len(beats) == 2
    assert all("'Write' has been running for " in line for line in beats)
