"""Results on their way out: few are written one by one, many together, and none before it is on disk."""

import json
import time
from collections import Counter
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


def test_the_first_line_is_printed_at_once_later_ones_together(tmp_path: Path) -> None:
    printed: list[int] = []

    def write(text: str) -> None:
        kept = (tmp_path / "results.jsonl").read_text().splitlines()
        assert {*text.splitlines()} <= {*kept}, "first on disk"
        printed.extend(json.loads(line)["row"] for line in text.splitlines())

    with Journal(tmp_path, Clock()) as journal:
        journal.begin(HEADER, JournalState())
        checker, results = RowChecker((), None, Mask()), ResultsFile(journal.place)
        output = ResultWriter(HEADER, journal, results, checker, BatchSummary(), write, str)
        for number, seen in ((1, [1]), (2, [1]), (3, [1])):
            output.report(result(number))
            output.flush_due()
            assert printed == seen
        assert 0 < output.until_due(1.0) <= FLUSHES_APART
        time.sleep(FLUSHES_APART)
        output.flush_due()
        assert printed == [1, 2, 3]
        assert (JournalState.read(journal.path).count_finished(), output.summary.done) == (3, 3)
        assert output.until_due(1.0) == 1.0
        results.close()


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
