"""The journal of a batch: what may be torn, cut or full, and never leads to a second run."""

import json
import os
import shlex
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from noxcli.batch.journal import FINISHED, NEW, Header, Journal, Past, Pending
from noxcli.errors import ExitCode, UsageProblem
from noxcli.likeness import Likeness
from noxcli.models import Run
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from noxcli.timing import Clock
from tests.conftest import Noxcli
from tests.process import NOXCLI, environment

ROWS = 6


@pytest.fixture
def whole(noxcli: Noxcli, plays: Any) -> tuple[str, bytes]:
    """A workflow, and the journal of a batch that went through."""
    workflow = plays(nodes=[input_node("Q")])
    rows = [json.dumps({"Q": str(number)}) for number in range(1, ROWS + 1)]
    Path("rows.jsonl").write_text("\n".join(rows))
    assert noxcli("batch", workflow, "rows.jsonl", "--max-parallel", "3").code == 0
    return workflow, Path("rows.jsonl.batch/batch.jsonl").read_bytes()


def told_in(content: bytes, step: str) -> set[int]:
    lines = [line for line in content.split(b"\n")[:-1] if line]
    return {line["row"] for line in map(json.loads, lines) if line.get("step") == step}


def test_cut_at_every_byte_no_row_that_may_have_run_counts_as_new(whole: tuple[str, bytes], tmp_path: Path) -> None:
    _, content = whole
    (tmp_path / "batch.jsonl").write_bytes(content)
    rows = set(range(1, ROWS + 1))
    with Journal(tmp_path, Clock()) as journal:
        for cut in range(len(content), -1, -1):
            os.truncate(journal.path, cut)
            past, kept = journal.past(), content[:cut]
            assert {row for row in rows if past.state(row) == FINISHED} == told_in(kept, "finished")
            assert {row for row in rows if past.state(row) == NEW} == rows - told_in(kept, "intent")


@pytest.mark.parametrize("share", [0.35, 0.5, 0.65, 0.8, 0.93])
def test_resume_after_a_cut_repeats_nothing(
    noxcli: Noxcli, sandbox: Sandbox, whole: tuple[str, bytes], share: float
) -> None:
    workflow, content = whole
    kept = content[: int(len(content) * share)]
    Path("rows.jsonl.batch/batch.jsonl").write_bytes(kept)
    result = noxcli("batch", workflow, "rows.jsonl", "--resume")
    assert result.code in {0, 7}
    runs = Counter(run.input["Q"] for run in sandbox.runs(workflow))
    for row in told_in(kept, "intent"):
        assert runs[str(row)] == 1
    assert {line["row"] for line in result.lines} == set(range(1, ROWS + 1)) - told_in(kept, "finished")


def test_what_is_added_behind_a_torn_line_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "batch.jsonl").write_bytes(b'{"batch":"x"}\n{"row":1,"step":"int')
    with Journal(tmp_path, Clock()) as journal:
        journal.begin(Header("w", "h", "s", "1/1", 3, "d"))
        journal.intend(2, None, 0xAB, Likeness("digest"), None)
    past = Past()
    with Journal(tmp_path, Clock()) as journal:
        past = journal.past()
    assert past.header == Header("w", "h", "s", "1/1", 3, "d")
    assert (past.state(1), past.digest(2), list(past.pending)) == (NEW, 0xAB, [2])


def test_a_journal_that_is_in_use_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, Clock()), pytest.raises(UsageProblem, match="another batch is at work"):
        Journal(tmp_path, Clock())


def test_only_a_confirmed_verdict_is_final(tmp_path: Path) -> None:
    run = Run("r", "w", "completed")
    with Journal(tmp_path, Clock()) as journal:
        for number, confirmed in ((1, True), (2, False)):
            journal.intend(number, None, 0, Likeness("d"), None)
            journal.started(number, None, run)
            result = {"run": {"id": "r", "confirmed": confirmed}, "error": None}
            journal.ended(number, None, result, ExitCode.OK)
        past = journal.past()
    assert past.finished == 1
    assert isinstance(past.pending[2], Pending)


def test_a_full_disk_starts_nothing_more_and_loses_nothing(sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(100)])
    Path("rows.jsonl").write_text("".join(f'{{"Q": "{number}"}}\n' for number in range(1, 101)))
    command = shlex.join([*NOXCLI, "batch", workflow, "rows.jsonl"])
    # A limit on the size of files is what a shell has nearest to a disk that fills up.
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 8; exec {command} | cat"],
        env={**environment(sandbox.url), "PYTHONDONTWRITEBYTECODE": "1"},  # its cache would be cut as well
        capture_output=True,
        text=True,
        check=False,
    )
    assert "can't write the journal rows.jsonl.batch/batch.jsonl" in full.stderr or "half a line" in full.stderr
    assert "Traceback" not in full.stderr
    before = Counter(run.input["Q"] for run in sandbox.runs(workflow))
    assert 5 < before.total() < 100
    rest = subprocess.run(
        [*NOXCLI, "batch", workflow, "rows.jsonl", "--resume", "--adopt"],
        env=environment(sandbox.url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert rest.returncode == 0, rest.stderr
    runs = Counter(run.input["Q"] for run in sandbox.runs(workflow))
    assert runs == Counter(str(number) for number in range(1, 101))
