"""One terminal with several writers: pipelines that end on it, and our own stdout."""

import json
from pathlib import Path
from typing import Any

import pyte
import pytest

from noxcli.sandbox.steps import node_runs
from tests.process import IN_SHELL, Seen, forked, needs, watched

PICTURE = b"\x1b[?7l"  # what each drawing begins with
CHILD, FORKED = IN_SHELL, *forked()


def scrolled(seen: Seen, columns: int = 80, rows: int = 24) -> list[str]:
    """Return all lines of the terminal, including those above the window."""
    screen = pyte.HistoryScreen(columns, rows, history=10_000)
    pyte.ByteStream(screen).feed(bytes(seen.raw))
    past = [
        "".join(row[column].data for column in range(columns)).rstrip()
        for row in screen.history.top
    ]
    return [line for line in [*past, *(line.rstrip() for line in screen.display)] if line]


@pytest.mark.parametrize(
    ("pipeline", "drawn"),
    [
        ("--format ndjson > out", True),
        ("--format ndjson > /dev/null", True),
        ("--format ndjson | cat > out", False),
        ("--format ndjson | cat", False),
        ("--format content | cat", False),
        ("--format ndjson | tee out", False),
        ("--format ndjson", False),
        ("--json | cat", True),
    ],
)
def test_a_picture_and_events_never_meet_on_a_terminal(
    env: dict[str, str], plays: Any, pipeline: str, drawn: bool
) -> None:
    workflow = plays(script=node_runs("Write", ["one ", "two"], seconds=300), output={"A": "x"})
    seen = watched(["sh", "-c", f"{FORKED} run {workflow} {pipeline}"], env)
    assert (PICTURE in seen.raw) is drawn
    if pipeline.endswith(("| cat", "tee out")) and not drawn:
        lines = scrolled(seen, 5000)[1:]
        assert (
            all(json.loads(line) for line in lines)
            if "ndjson" in pipeline
            else lines == ["one two"]
        )


def test_jq_on_the_same_terminal_gets_all_of_it(env: dict[str, str], plays: Any) -> None:
    needs("jq")
    workflow = plays(script=node_runs("Write", ["one ", "two"], seconds=300), output={"A": "x"})
    seen = watched(["sh", "-c", f"{FORKED} run {workflow} --format ndjson | jq -c .type"], env)
    lines = scrolled(seen)
    assert (lines[0][:12], lines[1], lines[-1]) == (
        "started run ",
        '"noxcli.started"',
        '"noxcli.result"',
    )


@pytest.mark.parametrize("pipeline", ["--query @", "| cat", "| jq -c"])
def test_results_of_a_batch_are_whole_lines_beside_its_bar(
    env: dict[str, str], plays: Any, tmp_path: Path, pipeline: str
) -> None:
    if "jq" in pipeline:
        needs("jq")
    workflow = plays(script=node_runs("Write", ["one"], seconds=400), output={"A": "x"})
    (tmp_path / "rows.jsonl").write_text("{}\n" * 4)
    line = f"{FORKED} batch {workflow} rows.jsonl --max-parallel 2 --poll-interval 0.2 {pipeline}"
    seen = watched(["sh", "-c", line], env, columns=3000)
    lines = scrolled(seen, 3000)
    rows = [json.loads(line)["row"] for line in lines if line.startswith("{")]
    assert sorted(rows) == [1, 2, 3, 4]
    assert next(line for line in lines if line[0] != "{").startswith("4 rows in "), lines
    assert (PICTURE in seen.raw) is (pipeline == "--query @")
