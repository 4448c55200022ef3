"""Results on their way out: few are written one by one, many together, and none before it is on disk."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from noxcli.batch.result_writer import FLUSHES_APART, ResultWriter
from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import JournalState
from noxcli.batchdir.results_file import ResultsFile, RowResult
from noxcli.checks.batch_summary import BatchSummary
from noxcli.checks.row_checker import RowChecker
from noxcli.errors import ExitCode
from noxcli.masking import Mask
from noxcli.rows.columns import Row
from noxcli.timing import Clock

RESULT = {
    "schema": "noxcli.result/1",
    "ok": True,
    "exit_code": 0,
    "retry_safe": False,
    "run": {"id": "r", "workflow_id": "w", "status": "completed", "duration_s": 1.0, "confirmed": True},
    "output": {},
    "files": [],
    "error": None,
}


def result(number: int) -> RowResult:
    return RowResult(Row(number, number, 0), RESULT, ExitCode.OK, {}, {})


HEADER = BatchHeader("w", None, "h", "s", "1/1", {}, [], None)


@dataclass
class Batch:
    """The parts of a batch that know its results; what it prints is noted."""

    directory: Path
    journal: Journal
    results: ResultsFile
    printed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.summary = BatchSummary()
        checker = RowChecker((), None, Mask())
        self.output = ResultWriter(HEADER, self.journal, self.results, checker, self.summary, self._write, str)

    def _write(self, text: str) -> None:
        rows = [json.loads(line)["row"] for line in text.splitlines()]
        assert set(rows) <= set(self.kept), "first on disk"
        self.printed += rows

    @property
    def kept(self) -> list[int]:
        return [json.loads(line)["row"] for line in (self.directory / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def batch(tmp_path: Path) -> Iterator[Callable[..., Batch]]:
    with Journal(tmp_path, Clock()) as journal:
        journal.begin(HEADER, JournalState())
        results = ResultsFile(journal.place)
        yield lambda: Batch(tmp_path, journal, results)
        results.close()


def test_the_first_line_is_printed_at_once_later_ones_together(batch: Callable[..., Batch]) -> None:
    this = batch()
    this.output.report(result(1))
    this.output.flush_due()
    assert this.printed == [1]
    for number in (2, 3):
        this.output.report(result(number))
        this.output.flush_due()
    assert this.printed == [1]
    assert 0 < this.output.until_due(1.0) <= FLUSHES_APART
    time.sleep(FLUSHES_APART)
    this.output.flush_due()
    assert this.printed == [1, 2, 3]
    assert (JournalState.read(this.journal.path).count_finished(), this.summary.done) == (3, 3)
    assert this.output.until_due(1.0) == 1.0


@pytest.mark.parametrize(
    ("summary", "without", "seconds", "told"),
    [
        (BatchSummary(), (0, 0), 2.0, (None, "0 of 0 rows", "2.0s so far")),
        (
            BatchSummary(total=120, codes=Counter({0: 10, 1: 2})),
            (8, 0),
            4.0,
            (0.1, "12 of 120 rows, 8 running, 2 not completed", "3.0 rows/s, 36.0s left"),
        ),
        (
            BatchSummary(total=20, before=Counter({0: 4}), codes=Counter({0: 1})),
            (0, 1),
            60.0,
            (0.25, "5 of 20 rows, 1 in doubt", "1.0 rows/min, 15m00s left"),
        ),
    ],
)
def test_a_line_tells_rows_rate_and_time_left(
    summary: BatchSummary, without: tuple[int, int], seconds: float, told: tuple[float | None, str, str]
) -> None:
    assert summary.how_far(*without, "", seconds) == told
    assert summary.how_far(*without, "slow", seconds)[1] == f"{told[1]}, slow"
