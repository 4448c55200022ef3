"""The journal of a batch: it may be torn, truncated or full, and never causes a second run."""

import itertools
import json
import os
import shlex
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.batch.doubts import look_for
from noxcli.batch.journal import FINISHED, NEW, Header, Journal, JournalTrouble, Past, Pending, lines_of
from noxcli.batch.plan import RowResult
from noxcli.batch.report import Joined
from noxcli.batch.rows import Row
from noxcli.errors import ConfigProblem, ExitCode, UsageProblem
from noxcli.models import Run
from noxcli.runs.likeness import Comparison, Likeness
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from noxcli.timing import Clock
from tests.conftest import Noxcli
from tests.process import NOXCLI, environment, forked
from tests.texts import any_text

ROWS = 6


@pytest.fixture
def whole(noxcli: Noxcli, plays: Any) -> tuple[str, bytes]:
    """A workflow, and the journal of a completed batch."""
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
    with Journal(tmp_path, Clock()), pytest.raises(UsageProblem, match="another batch is running"):
        Journal(tmp_path, Clock())


def test_only_a_confirmed_verdict_is_final(tmp_path: Path) -> None:
    run = Run("r", "w", "completed")
    with Journal(tmp_path, Clock()) as journal:
        for number, confirmed in ((1, True), (2, False)):
            journal.intend(number, None, 0, Likeness("d"), None)
            journal.started(number, None, run)
            result = {"run": {"id": "r", "confirmed": confirmed}, "error": None}
            told = RowResult(Row(number, number, 0), result, ExitCode.OK)
            journal.told([told])
        past = journal.past()
    assert past.finished == 1
    assert isinstance(past.pending[2], Pending)


def test_a_full_disk_starts_nothing_more_and_loses_nothing(sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(100)])
    Path("rows.jsonl").write_text("".join(f'{{"Q": "{number}"}}\n' for number in range(1, 101)))
    command = shlex.join([*NOXCLI, "batch", workflow, "rows.jsonl"])
    # A limit on the size of files is what a shell has that comes closest to a full disk.
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 8; exec {command} | cat"],
        env={**environment(sandbox.url), "PYTHONDONTWRITEBYTECODE": "1"},  # its cache would be truncated as well
        capture_output=True,
        text=True,
        check=False,
    )
    assert "can't write the journal rows.jsonl.batch/batch.jsonl" in full.stderr or "half a line" in full.stderr
    assert "Traceback" not in full.stderr
    before = Counter(run.input["Q"] for run in sandbox.runs(workflow))
    assert 5 < before.total() < 100
    rest = subprocess.run(
        [*forked(), "batch", workflow, "rows.jsonl", "--resume", "--adopt"],
        env=environment(sandbox.url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert rest.returncode == 0, rest.stderr
    runs = Counter(run.input["Q"] for run in sandbox.runs(workflow))
    assert runs == Counter(str(number) for number in range(1, 101))


# A journal that somebody else wrote.


TIME = "2026-01-01T00:00:00.000+00:00"
HEAD = {"batch": "x", "workflow_id": "w", "host": "h", "source": "s", "shard": "1/1", "rows": 3, "digest": "d"}
LINES: list[dict[str, Any]] = [
    {**HEAD, "at": TIME},
    {"row": 1, "step": "intent", "id": None, "row_digest": "ab", "input_digest": "x", "at": TIME},
    {"row": 1, "step": "started", "id": None, "run_id": "r", "workflow_id": "w", "created_at": TIME, "at": TIME},
    {"row": 1, "step": "finished", "id": None, "run_id": "r", "status": "completed", "exit_code": 0, "at": TIME},
    {"row": 2, "step": "left", "id": None, "run_id": None, "status": None, "exit_code": 75, "at": TIME},
    {"step": "end", "rows": 3, "at": TIME},
]
strange = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    any_text(max_size=9),
    st.lists(st.integers(), max_size=2),
    st.sampled_from([10**12, 10**30, -1, 0, 1e999, "9" * 5000, "2026-01-01T00:00:00", "../../x", {}, [[]], "f" * 17]),
)
changed = st.tuples(
    st.sampled_from(range(len(LINES))), st.sampled_from([*HEAD, *LINES[1], *LINES[2], *LINES[3]]), strange
)


@given(st.lists(changed, max_size=8))
def test_a_journal_that_says_anything_breaks_no_reader(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str, Any]]
) -> None:
    directory = tmp_path_factory.getbasetemp() / "batch-of-anybody"
    directory.mkdir(exist_ok=True)
    lines = [*LINES, *({**LINES[which], name: value} for which, name, value in changes)]
    (directory / "batch.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with Journal(directory, Clock()) as journal:
        past = journal.past()
        assert len(past.states) <= 1 << 26
        if past.pending:
            look_for(NoRuns(), "w", journal.path, [*past.pending.values()], Comparison())
    with suppress(UsageProblem, ConfigProblem):
        joined = Joined.read([directory])
        for row in itertools.islice(joined.reports(), 100):
            list(row.cases("w", joined.asserted))


class NoRuns:
    """A server without runs."""

    def list_runs(self, workflow_id: str | None = None) -> list[Run]:
        assert workflow_id is not None
        return []


@pytest.mark.parametrize(
    "line",
    [
        b'{"row": 1e999, "step": "intent"}',
        b'{"row": 1000000000000, "step": "withdrawn"}',
        b'{"step": "end", "rows": 1000000000000}',
        b'{"row": true, "step": "withdrawn"}',
        json.dumps({**LINES[1], "at": "2026-01-01T00:00:00"}).encode(),
        json.dumps({**LINES[1], "row_digest": "zz"}).encode(),
        b'{"row": 1, "step": "started", "run_id": ["r"], "created_at": null}',
        b"[" * 100_000,
        b"\0" * 100_000,
    ],
)
def test_a_line_that_no_version_writes_is_left_out(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(b'{"step": "later", "row": 1}\n' + line + b'\n{"row": 2, "step": "withdrawn"}\n')
    assert [kept["step"] for _, kept in lines_of(path)] == ["later", "withdrawn"]


def test_a_line_without_end_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.batch.journal.LONGEST_LINE", 1000)
    path = tmp_path / "batch.jsonl"
    whole = b'{"row": 2, "step": "withdrawn"}\n'
    path.write_bytes(b"x" * 10_000 + whole + whole)
    assert [(offset, kept["row"]) for offset, kept in lines_of(path)] == [(10_000 + len(whole), 2)]
    with Journal(tmp_path, Clock()) as journal, pytest.raises(JournalTrouble, match="would have"):
        journal.intend(1, "x" * 2000, 0, Likeness("d"), None)
    with Journal(tmp_path, Clock()) as journal, pytest.raises(JournalTrouble, match=r"at most \d+ rows"):
        journal.intend(10**9, None, 0, Likeness("d"), None)
