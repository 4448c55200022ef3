"""The journal of a batch: it may be torn, truncated or full, and never causes a second run."""

import fcntl
import itertools
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noxcli.batch.reconcile import find_candidates_of_batch
from noxcli.batch.result_writer import FLUSHES_APART, ResultWriter
from noxcli.batchdir.append_file import JournalTrouble
from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import FINISHED, NEW, SENT, STARTED, JournalState, Move
from noxcli.batchdir.results_file import ResultsFile, RowResult
from noxcli.checks.batch_summary import BatchSummary
from noxcli.checks.merge import MergedBatch
from noxcli.checks.row_checker import RowChecker
from noxcli.errors import (
    ConfigProblem,
    ExitCode,
    NoxError,
    RequestRejected,
    Unavailable,
    UsageProblem,
)
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.reports.junit import cases_of_row
from noxcli.rows.columns import Row
from noxcli.runs.start import InputDigests
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from noxcli.timing import Clock
from tests.batch.test_reconcile import Listed
from tests.conftest import Noxcli, Turning, asked, write_rows
from tests.faults.fake import as_api
from tests.process import NOXCLI, environment, in_bash
from tests.texts import any_text

ROWS = 4


@pytest.fixture
def whole(noxcli: Noxcli, plays: Any) -> tuple[str, bytes]:
    """A workflow, and the journal of a completed batch."""
    workflow = plays(nodes=[input_node("Q")])
    write_rows(*map(str, range(1, ROWS + 1)))
    assert noxcli("batch", workflow, "rows.jsonl", "--max-parallel", "3").code == 0
    return workflow, Path("rows.jsonl.batch/batch.jsonl").read_bytes()


def told_in(content: bytes, step: str) -> set[int]:
    lines = [line for line in content.split(b"\n")[:-1] if line]
    return {line["row"] for line in map(json.loads, lines) if line.get("step") == step}


def test_cut_at_any_byte_no_row_that_may_have_run_is_new(
    whole: tuple[str, bytes], tmp_path: Path
) -> None:
    _, content = whole
    (tmp_path / "batch.jsonl").write_bytes(content)
    rows = set(range(1, ROWS + 1))
    with Journal(tmp_path, Clock()) as journal:
        for cut in range(len(content), -1, -1):
            os.truncate(journal.path, cut)
            journaled, kept = JournalState.read(journal.path), content[:cut]
            assert {row for row in rows if journaled.state(row) == FINISHED} == told_in(
                kept, "finished"
            )
            assert {row for row in rows if journaled.state(row) == NEW} == rows - told_in(
                kept, "sent"
            )


@pytest.mark.parametrize("share", [0.35, 0.5, 0.65, 0.8, 0.93])
def test_resume_after_a_cut_repeats_nothing(
    noxcli: Noxcli, sandbox: Sandbox, whole: tuple[str, bytes], share: float
) -> None:
    workflow, content = whole
    kept = content[: int(len(content) * share)]
    Path("rows.jsonl.batch/batch.jsonl").write_bytes(kept)
    results = Path("rows.jsonl.batch/results.jsonl")
    lines = [
        line
        for line in results.read_text().splitlines()
        if json.loads(line)["row"] in told_in(kept, "sent")
    ]
    results.write_text("".join(f"{line}\n" for line in lines))
    result = noxcli("batch", workflow, "rows.jsonl", "--resume")
    assert result.code in {0, 7}
    runs = asked(sandbox, workflow)
    for row in told_in(kept, "sent"):
        assert runs[str(row)] == 1
    assert {line["row"] for line in result.lines} == set(range(1, ROWS + 1)) - told_in(
        kept, "finished"
    )


HEADER = BatchHeader("w", None, "h", "s", "1/1", {}, [], None, 3, "d")


def row(number: int, digest: int = 0) -> Row:
    return Row(number, number, digest)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal that has begun."""
    with Journal(tmp_path, Clock()) as journal:
        journal.begin(HEADER, JournalState())
        yield journal


def test_a_torn_line_is_moved_aside(tmp_path: Path) -> None:
    with Journal(tmp_path, Clock()) as journal:
        journal.begin(HEADER, JournalState())
    path = tmp_path / "batch.jsonl"
    torn = '{"row":1,"step":"int'
    for _ in range(2):
        path.write_text(path.read_text() + torn)
        with Journal(tmp_path, Clock()) as journal:
            journal.note_sent(row(2, 0xAB), "digest", None)
            journaled = JournalState.read(journal.path)
    assert journaled.header == HEADER
    assert (
        journaled.state(1),
        journaled.digests[2],
        journaled.state(2),
        list(journaled.pending),
    ) == (
        NEW,
        0xAB,
        SENT,
        [2],
    )
    assert (tmp_path / "batch.jsonl.torn").read_text() == f"{torn}\n" * 2


@pytest.mark.parametrize(
    ("error", "discarded"),
    [(Unavailable("busy", sent=False), True), (RequestRejected("no"), False)],
)
def test_a_journal_of_rejected_starts_is_kept(
    journal: Journal, error: NoxError, *, discarded: bool
) -> None:
    journal.note_sent(row(1), "digest", None)
    journal.withdraw(row(1), error)
    assert journal.discard() == discarded
    assert journal.path.exists() != discarded


def test_rows_get_new_numbers_all_at_once(journal: Journal) -> None:
    for number in (1, 2, 3):
        journal.note_sent(row(number, number), "digest", None)
    journal.note_stopping([(row(2), Run("r", "w", "running"))])
    size = journal.path.stat().st_size
    before = JournalState.read(journal.path)
    journal.begin(HEADER, before, [Move(2, 1, None), Move(5, 2, "new"), Move(1, 3, None)])
    journaled = JournalState.read(journal.path)
    assert [journaled.state(number) for number in range(1, 7)] == [SENT, SENT, NEW, NEW, SENT, NEW]
    assert (list(journaled.digests[1:6]), journaled.stopping) == ([3, 1, 0, 0, 2], {5})
    assert journaled.has_id(5, "new")
    assert {number: pending.number for number, pending in journaled.pending.items()} == {
        1: 1,
        2: 2,
        5: 5,
    }
    content = journal.path.read_bytes()
    cuts = [place for place in range(size, len(content)) if content[place - 1 : place] == b"\n"]
    for cut in cuts:
        journal.path.write_bytes(content[:cut])
        journaled = JournalState.read(journal.path)
        assert [journaled.state(number) for number in (1, 2, 3)] == [SENT, SENT, SENT], (
            "not before the last line"
        )


def test_new_numbers_whose_writer_was_killed_are_void(journal: Journal) -> None:
    for number in (1, 2):
        journal.note_sent(row(number, number), "digest", None)
    journal.begin(HEADER, JournalState.read(journal.path), [Move(4, 1, None), Move(5, 2, None)])
    content = journal.path.read_text().splitlines(keepends=True)
    journal.path.write_text(
        "".join(content[:-1])
    )  # without the last line: they were never in force
    journal.note_sent(row(3, 3), "digest", None)
    journal.begin(HEADER, JournalState.read(journal.path), [Move(4, 3, None)])
    journaled = JournalState.read(journal.path)
    assert [journaled.state(number) for number in range(1, 6)] == [SENT, SENT, NEW, SENT, NEW]


def ended(number: int, *, confirmed: bool = True) -> RowResult:
    run = {"id": f"r{number}", "confirmed": confirmed}
    result = {
        "exit_code": 0,
        "retry_safe": False,
        "run": run,
        "output": {},
        "files": [],
        "error": None,
    }
    return RowResult(row(number), result, ExitCode.OK, {}, {})


def finish(journal: Journal, number: int, *, confirmed: bool = True) -> None:
    """Write the journal of a row that has its result."""
    journal.note_sent(row(number), "d", None)
    journal.note_started(row(number), Run(f"r{number}", "w", "completed"))
    journal.note_ended([ended(number, confirmed=confirmed)])


def test_a_choice_whose_writer_was_killed_is_void(journal: Journal) -> None:
    for number in (1, 2):
        finish(journal, number)
    journal.choose([(1, None)])
    content = journal.path.read_text().splitlines(keepends=True)
    journal.path.write_text("".join(content[:-1]))  # without the last line
    finish(journal, 3)
    journal.choose([(2, None)])
    journaled = JournalState.read(journal.path)
    assert [journaled.state(number) for number in (1, 2, 3)] == [FINISHED, NEW, FINISHED]


def test_the_first_and_the_last_run_are_a_batchs_own(journal: Journal) -> None:
    for number in (1, 2, 3):
        finish(journal, number)
    assert JournalState.read(journal.path).own_runs(journal.path) == ["r1", "r3"]


def test_a_batch_that_began_before_the_lock_is_not_begun_again(tmp_path: Path) -> None:
    late = Journal(tmp_path / "out", Clock())
    with Journal(tmp_path / "out", Clock()) as early:
        early.begin(HEADER, JournalState())
    with pytest.raises(Unavailable, match="another batch has begun in "):
        late.begin(HEADER, JournalState())


def test_a_journal_that_was_moved_before_its_lock_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another call with --fresh, which has begun a journal of its own by now."""
    lock, path = fcntl.flock, tmp_path / "batch.jsonl"

    def wait_and_lock(file: int, how: int) -> None:
        path.rename(tmp_path / "moved")
        path.write_text("new\n")
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", wait_and_lock)
    with pytest.raises(Unavailable, match="another batch is ending in"):
        Journal(tmp_path, Clock()).create()
    assert ((tmp_path / "moved").read_text(), path.read_text()) == ("", "new\n")


def test_what_must_survive_a_power_cut_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes, flush = Counter[int](), os.fsync

    def count(file: int) -> None:
        flush(file)
        flushes[os.fstat(file).st_ino] += 1

    monkeypatch.setattr(os, "fsync", count)
    with Journal(tmp_path, Clock()) as journal:
        steps: list[Callable[[], object]] = [
            lambda: journal.begin(HEADER, JournalState()),
            lambda: journal.note_sent(row(1), "d", None),
            lambda: journal.note_stopping([(row(1), Run("r", "w", "running"))]),
            lambda: journal.begin(HEADER, JournalState(), [Move(2, 1, None)]),
            lambda: journal.choose([(1, None)]),
            journal.note_rerun_done,
        ]
        for done, step in enumerate(steps, 1):
            step()
            assert flushes[journal.path.stat().st_ino] == done
    with journal.path.open("a") as torn:
        torn.write('{"row":')
    Journal(tmp_path, Clock()).close()
    assert flushes[(tmp_path / "batch.jsonl.torn").stat().st_ino] == 1, (
        "before it is gone from the journal"
    )


def test_only_a_confirmed_verdict_is_final(journal: Journal) -> None:
    finish(journal, 1)
    finish(journal, 2, confirmed=False)
    journaled = JournalState.read(journal.path)
    assert journaled.count_finished() == 1
    assert list(journaled.pending) == [2]


def test_the_first_line_is_printed_at_once_later_ones_together(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.batch.result_writer.time", clock := Turning())
    printed: list[int] = []

    def write(text: str) -> None:
        kept = (journal.path.parent / "results.jsonl").read_text().splitlines()
        assert {*text.splitlines()} <= {*kept}, "first on disk"
        printed.extend(json.loads(line)["row"] for line in text.splitlines())

    with closing(ResultsFile(journal.place)) as results:
        output = ResultWriter(
            HEADER, journal, results, RowChecker((), None, Mask()), BatchSummary(), write
        )
        for number in (1, 2, 3):
            output.report(ended(number))
            output.flush_due()
            assert printed == [1]
        assert 0 < output.until_due(1.0) <= FLUSHES_APART
        clock.now_is += FLUSHES_APART
        output.flush_due()
        assert printed == [1, 2, 3]
        assert (JournalState.read(journal.path).count_finished(), output.summary.done) == (3, 3)
        assert output.until_due(1.0) == 1.0


def test_a_full_disk_starts_nothing_more_and_loses_nothing(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(100)])
    write_rows(*map(str, range(1, 101)))
    command = shlex.join([*NOXCLI, "batch", workflow, "rows.jsonl"])
    # A limit on the size of files is what a shell has that comes closest to a full disk.
    env = {
        **environment(sandbox.url),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # its cache would be truncated as well
    full = in_bash(f"ulimit -f 8; exec {command} | cat", env)
    # Both files grow by much the same for each row, and what is told is what the last one met.
    assert re.search(
        r"can't write the (journal rows.jsonl.batch/batch|results rows.jsonl.batch/results)\.jsonl",
        full.stderr,
    )
    assert "Traceback" not in full.stderr
    before = asked(sandbox, workflow)
    assert 5 < before.total() < 100
    rest = noxcli("batch", workflow, "rows.jsonl", "--resume")
    assert rest.code == 0, rest.err
    runs = asked(sandbox, workflow)
    assert runs == Counter(str(number) for number in range(1, 101))


# A journal that somebody else wrote.


TIME = "2026-01-01T00:00:00.000+00:00"
WITHDRAWN = b'{"row": 1, "id": null, "step": "withdrawn", "exit_code": 75}\n'
HEAD = {"batch": "noxcli.batch/2", **asdict(HEADER)}
LINES: list[dict[str, Any]] = [
    {**HEAD, "at": TIME},
    {
        "row": 1,
        "step": "sent",
        "id": None,
        "row_digest": "ab",
        "unconverted": "ab",
        "input_digest": "x",
        "server_at": TIME,
        "at": TIME,
    },
    {
        "row": 1,
        "step": "started",
        "id": None,
        "run_id": "r",
        "workflow_id": "w",
        "created_at": TIME,
        "at": TIME,
    },
    {
        "row": 1,
        "step": "finished",
        "id": None,
        "run_id": "r",
        "status": "completed",
        "exit_code": 0,
        "message": None,
    },
    {
        "row": 2,
        "step": "left",
        "id": None,
        "run_id": None,
        "status": None,
        "exit_code": 75,
        "message": None,
    },
]
strange = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    any_text(max_size=9),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(
        [
            10**12,
            10**30,
            -1,
            0,
            1e999,
            "9" * 5000,
            "2026-01-01T00:00:00",
            "../../x",
            {},
            [[]],
            "f" * 17,
        ]
    ),
)
changed = st.tuples(
    st.sampled_from(range(len(LINES))),
    st.sampled_from([*HEAD, *(name for line in LINES for name in line)]),
    strange,
)


@example([(0, "repeat", 0)])
@example([(0, "columns", [0])])
@given(st.lists(changed, max_size=8))
def test_a_journal_that_says_anything_breaks_no_reader(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str, Any]]
) -> None:
    directory = tmp_path_factory.getbasetemp() / "batch-of-anybody"
    directory.mkdir(exist_ok=True)
    lines = [*LINES, *({**LINES[which], name: value} for which, name, value in changes)]
    (directory / "batch.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with suppress(UsageProblem), Journal(directory, Clock()) as journal:
        journaled = JournalState.read(journal.path)
        assert len(journaled.states) <= 1 << 26
        find_candidates_of_batch(
            as_api(Listed([])), "w", InputDigests(), journaled.doubtful, lambda _: False, 5.0
        )
    with suppress(UsageProblem, ConfigProblem):
        joined = MergedBatch.read([directory])
        for line in itertools.islice(joined.lines(RowChecker((), None, Mask())), 100):
            list(cases_of_row(line, "w", ()))


@pytest.mark.parametrize(
    "line",
    [
        b'{"row": 1e999, "id": null, "step": "withdrawn", "exit_code": 75}',
        b'{"row": 1, "id": null, "step": "withdrawn"}',
        b'{"row": 1, "id": null, "step": "withdrawn", "exit_code": -1}',
        b'{"row": 1, "step": ["withdrawn"]}',
        b'{"row": 1000000000000, "id": null, "step": "withdrawn", "exit_code": 75}',
        b'{"row": true, "id": null, "step": "withdrawn", "exit_code": 75}',
        b'{"row": 0, "id": null, "step": "withdrawn", "exit_code": 75}',
        b'{"row": 1, "step": "later"}',
        b'{"row": 1, "step": "withdrawn", "exit_code": 75}',
        json.dumps({**LINES[1], "server_at": None, "at": "yesterday"}).encode(),
        json.dumps({**LINES[1], "row_digest": "zz"}).encode(),
        b'{"row": 1, "step": "started", "id": null, "run_id": ["r"], "created_at": null}',
        b"[" * 100_000,
        b"\0" * 100_000,
    ],
)
def test_a_line_that_is_not_understood_is_refused_and_kept(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(WITHDRAWN + line + b"\n" + WITHDRAWN)
    before = path.read_bytes()
    with (
        Journal(tmp_path, Clock()) as journal,
        pytest.raises(UsageProblem, match=r"line 2 of the journal .* is not one"),
    ):
        JournalState.read(journal.path)
    assert path.read_bytes() == before


def test_a_journal_in_another_form_of_json_is_read(tmp_path: Path) -> None:
    """As `jq -S` writes it."""
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(f"{json.dumps(line, sort_keys=True)}\n" for line in LINES))
    assert JournalState.read(path).count_finished() == 1


def test_a_journal_of_a_newer_noxcli_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_text(json.dumps({**HEAD, "batch": "noxcli.batch/3", "more": 1}) + "\n")
    with pytest.raises(UsageProblem, match="a newer noxcli wrote"):
        JournalState.read(path)


def test_a_directory_of_an_earlier_edition_is_refused(noxcli: Noxcli, workflow: str) -> None:
    file, path = write_rows("a"), Path("rows.jsonl.batch/batch.jsonl")
    assert noxcli("batch", workflow, file).code == 0
    path.write_text(path.read_text().replace("noxcli.batch/2", "noxcli.batch/1", 1))
    for command in (("batch", workflow, file, "--resume"), ("results", "rows.jsonl.batch")):
        result = noxcli(*command)
        assert (result.code, "has a batch of an earlier noxcli; add --fresh" in result.err) == (
            2,
            True,
        ), result.err
    assert noxcli("batch", workflow, file, "--fresh").code == 0


def test_a_line_without_end_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.batchdir.journal_state.MAX_LINE", 1000)
    monkeypatch.setattr("noxcli.batchdir.journal.MAX_LINE", 1000)
    path = tmp_path / "batch.jsonl"
    path.write_bytes(b"x" * 10_000 + WITHDRAWN)
    with pytest.raises(UsageProblem, match="line 1 of the journal"):
        JournalState.read(path)
    path.unlink()
    with Journal(tmp_path, Clock()) as journal:
        journal.begin(HEADER, JournalState())
        with pytest.raises(JournalTrouble, match="would have"):
            journal.note_sent(Row(1, 1, 0, "x" * 2000), "d", None)
        with pytest.raises(JournalTrouble, match=r"at most \d+ rows"):
            journal.note_sent(row(10**9), "d", None)


def test_a_run_is_known_whose_start_the_disk_did_not_record(journal: Journal) -> None:
    """Of a row that is `sent`, the line that says how it was left names the run."""
    row, run = Row(1, 1, 7), {"id": "r", "status": "running", "confirmed": True}
    result = {"run": run, "error": {"message": "still running"}, "retry_safe": False}
    journal.note_sent(row, "d", None)
    journal.note_ended([RowResult(row, result, ExitCode.TIMED_OUT, {}, {})])
    journaled = JournalState.read(journal.path)
    assert (journaled.state(1), journaled.running_runs, journaled.doubtful) == (STARTED, ["r"], [])
