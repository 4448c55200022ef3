"""A batch whose stdout accepts no more lines: `--resume` prints finished but unprinted rows, and none runs twice."""

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Hold
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli, asked, write_rows
from tests.process import NOXCLI, environment, forked, in_bash

ROWS = 12
JOURNAL = Path("rows.jsonl.batch/batch.jsonl")


@pytest.fixture
def workflow(plays: Any) -> str:
    """Each row takes time, starts are answered late, and a result is a few kilobytes."""
    write_rows(*map(str, range(1, ROWS + 1)))
    return str(
        plays(
            nodes=[input_node("Q")],
            script=lambda inputs: [Sleep(50 * (int(inputs["Q"]) % 4))],
            output=lambda inputs: {"A": inputs["Q"] * 3000},
            faults={"start": [Hold(100)] * ROWS},
        )
    )


def steps() -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for line in map(json.loads, JOURNAL.read_text().splitlines()):
        found.setdefault(line.get("step", "header"), set()).add(line.get("row"))
    return found


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ("NOXCLI >/dev/full", 9),
        ("NOXCLI >&-", 9),
        ("NOXCLI | head -1 >/dev/null", 141),
        ("NOXCLI | true", 141),
        (
            "(ulimit -f 16; exec NOXCLI) > results.jsonl",
            9,
        ),  # 1,024 bytes each: like a disk that fills up meanwhile
    ],
)
def test_resume_prints_the_rows_that_stdout_did_not_take(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, rest: str, code: int
) -> None:
    program = NOXCLI if "ulimit" in rest else forked()  # a limit is for the process itself
    command = rest.replace("NOXCLI", f"{shlex.join(program)} batch {workflow} rows.jsonl --quiet")
    first = in_bash(f"{command}; exit ${{PIPESTATUS[0]}}", environment(sandbox.url))
    assert (first.returncode, len(first.stderr.splitlines())) == (code, 1), first.stderr
    assert "--resume" in first.stderr
    before = steps()
    assert before["sent"] <= before["started"] | before.get("withdrawn", set()), (
        "a start was left in doubt"
    )
    printed = before.get("finished", set())
    assert len(printed) < ROWS
    unprinted = [run.id for run in sandbox.runs(workflow) if int(run.input["Q"]) not in printed]
    assert [first.stderr.count(run) for run in unprinted] == [1] * len(unprinted), (
        "each is named, once"
    )
    if Path("results.jsonl").exists():
        *whole, _ = Path("results.jsonl").read_text().split("\n")
        assert {json.loads(line)["row"] for line in whole} == printed
        assert printed
    second = noxcli("batch", workflow, "rows.jsonl", "--resume")
    assert second.code == 0, second.err
    assert Counter([*printed, *(line["row"] for line in second.lines)]) == Counter(
        range(1, ROWS + 1)
    )
    assert asked(sandbox, workflow) == Counter(map(str, range(1, ROWS + 1)))
