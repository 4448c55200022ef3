"""One terminal with several writers: other noxcli processes, pipelines that end on it, and our own stdout."""

import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pyte
import pytest

from noxcli.sandbox.scenario import Node
from noxcli.sandbox.steps import Emit, Sleep, node_runs
from tests.process import IN_SHELL, NOXCLI, Seen, forked, needs, on_terminal, watched

PICTURE = b"\x1b[?7l"  # what each drawing begins with
CHILD, FORKED = IN_SHELL, *forked()


def scrolled(seen: Seen, columns: int = 80, rows: int = 24) -> list[str]:
    """Return all lines of the terminal, including those above the window."""
    screen = pyte.HistoryScreen(columns, rows, history=10_000)
    pyte.ByteStream(screen).feed(bytes(seen.raw))
    past = ["".join(row[column].data for column in range(columns)).rstrip() for row in screen.history.top]
    return [line for line in [*past, *(line.rstrip() for line in screen.display)] if line]


@pytest.mark.long(6)
def test_of_several_on_one_terminal_one_draws(env: dict[str, str], plays: Any) -> None:
    workflow = plays(  # so long that the last has begun before the first ends
        nodes=[Node("Write")], script=node_runs("Write", ["some ", "words"], seconds=4000), output={"A": "the answer"}
    )
    each = shlex.quote(f"{FORKED} run {workflow}; echo {{}} ended with $?")
    line = f"printf '%s\\n' 1 2 3 4 | xargs -P 4 -I {{}} sh -c {each}"
    seen = watched(["sh", "-c", line], env)
    lines = scrolled(seen)
    assert lines.count("the answer") == 4, lines
    assert sorted(line for line in lines if "ended with" in line) == [f"{n} ended with 0" for n in range(1, 5)]
    assert sum(line.startswith("started run ") for line in lines) == 4, lines
    logs = [line for line in lines if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert len([line for line in logs if re.search(r"Write +completed", line)]) == 3, lines
    assert not [line for line in lines if "%" in line], "nothing of the picture is left"


def test_a_death_leaves_the_terminal_to_the_next(env: dict[str, str], plays: Any) -> None:
    workflow = plays(script=[Emit("Write", "hello"), Sleep(600_000)])
    quick = plays(script=node_runs("Write", ["bye"], seconds=100), output={"A": "x"})
    line = f"{CHILD} run {workflow} & sleep 3; kill -9 $!; wait; {CHILD} run {quick}"
    seen = watched(["sh", "-c", line], env)
    assert seen.raw.count(b"\x1b[?25l") == 2, "each began to draw"


def test_ctrl_z_lets_another_draw(env: dict[str, str], plays: Any) -> None:
    forever = plays(script=[Emit("Write", "hello"), Sleep(600_000)])
    with on_terminal([*NOXCLI, "run", forever], env) as seen:
        seen.wait_for(b"hello")
        os.kill(seen.process.pid, signal.SIGTSTP)
        _, status = os.waitpid(seen.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        before = len(seen.raw)
        with Path(seen.name).open("wb") as theirs:
            subprocess.run(
                [*NOXCLI, "run", plays(script=node_runs("Write", seconds=300), output={"A": "x"})],
                stdout=subprocess.DEVNULL,
                stderr=theirs,
                env=env,
                check=True,
            )
        assert PICTURE in seen.raw[before:]
        seen.process.send_signal(signal.SIGCONT)
        seen.process.send_signal(signal.SIGINT)


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
        assert all(json.loads(line) for line in lines) if "ndjson" in pipeline else lines == ["one two"]


def test_jq_on_the_same_terminal_gets_all_of_it(env: dict[str, str], plays: Any) -> None:
    needs("jq")
    workflow = plays(script=node_runs("Write", ["one ", "two"], seconds=300), output={"A": "x"})
    seen = watched(["sh", "-c", f"{FORKED} run {workflow} --format ndjson | jq -c .type"], env)
    lines = scrolled(seen)
    assert (lines[0][:12], lines[1], lines[-1]) == ("started run ", '"noxcli.started"', '"noxcli.result"')


@pytest.mark.parametrize("pipeline", ["--query @", "| cat", "| jq -c"])
def test_results_of_a_batch_are_whole_lines_beside_its_bar(
    env: dict[str, str], plays: Any, tmp_path: Path, pipeline: str
) -> None:
    if "jq" in pipeline:
        needs("jq")
    workflow = plays(script=node_runs("Write", ["one"], seconds=400), output={"A": "x"})
    (tmp_path / "rows.jsonl").write_text("{}\n" * 6)
    line = f"{FORKED} batch {workflow} rows.jsonl --max-parallel 2 --poll-interval 0.2 {pipeline}"
    seen = watched(["sh", "-c", line], env, columns=3000)
    lines = scrolled(seen, 3000)
    rows = [json.loads(line)["row"] for line in lines if line.startswith("{")]
    assert sorted(rows) == [1, 2, 3, 4, 5, 6]
    assert next(line for line in lines if line[0] != "{").startswith("6 rows in "), lines
    assert (PICTURE in seen.raw) is (pipeline == "--query @")
