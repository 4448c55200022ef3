"""Batches on a server that is sick: it is asked with reads, and few starts are spent on finding out."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from noxcli.checks.batch_summary import LastStarts
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, write_rows
from tests.faults.gateway import NGINX_502, RECORD, START, Forward, Gateway, Meddle, line_of
from tests.rawserver import Request, answer, json_answer

DEFINITION = re.compile(r"GET /v1/workflows/[^/?]+$")
FAST = ("--poll-interval", "50ms", "--retry-for", "2s")


class Nth:
    """Answers every nth request of a kind with 502."""

    def __init__(
        self, every: int, kind: re.Pattern[str] = START, also: re.Pattern[str] | None = None
    ) -> None:
        self._every, self._kind, self._also = every, kind, also
        self._lock, self._seen = threading.Lock(), 0
        self.failed = False

    def __call__(self, request: Request, _: Forward) -> bytes | None:
        line = line_of(request)
        if self._also is not None and self.failed and self._also.match(line):
            return NGINX_502
        if not self._kind.match(line):
            return None
        with self._lock:
            self._seen += 1
            fails = self._seen % self._every == 0
            self.failed |= fails
        return NGINX_502 if fails else None


@pytest.fixture
def through(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> Callable[..., tuple[Result, list[str]]]:
    """Runs so many rows through such a gateway; returns the outcome and the requests that the gateway saw."""

    def run(meddle: Meddle, rows: int, *options: str) -> tuple[Result, list[str]]:
        file = write_rows(*map(str, range(rows)))
        with Gateway(sandbox.url, meddle) as gateway:
            environ = {"NOXUS_BACKEND_URL": gateway.url}
            return noxcli(
                "batch", workflow, file, *FAST, *options, environ=environ
            ), gateway.requests

    return run


def test_a_half_dead_server_costs_few_rows(through: Any, sandbox: Sandbox, workflow: str) -> None:
    result, _ = through(
        Nth(2, re.compile(r"POST|GET /v1/workflows/[^/?]+$")), 60, "--max-parallel", "8"
    )
    counts = Counter(result.codes.values())
    assert (result.code, 1 <= counts[7] <= 5 + 3) == (7, True), (counts, result.err)
    assert counts.keys() <= {0, 7}
    assert "noxcli: stopped starting rows: " in result.err
    assert "continue with: noxcli batch" in result.err
    assert len(sandbox.runs(workflow)) == counts[0]


def test_each_start_follows_a_read_until_one_is_answered(
    through: Any, sandbox: Sandbox, workflow: str
) -> None:
    result, requests = through(Nth(12), 60, "--max-parallel", "16")
    counts = Counter(result.codes.values())
    assert (result.code, counts) == (7, Counter({0: 55, 7: 5})), result.err
    assert sum(DEFINITION.match(line) is not None for line in requests) >= 3 * 4, (
        "the last one is followed by no other"
    )
    assert len(sandbox.runs(workflow)) == 55


def test_no_start_is_sent_while_one_is_tested(through: Any) -> None:
    result, requests = through(Nth(1), 20, "--max-parallel", "1")
    begun = [line for line in requests if START.match(line) or DEFINITION.match(line)]
    kinds = ["start" if START.match(line) else "read" for line in begun]
    assert kinds[kinds.index("start") :][:9] == [
        "start",
        *["read"] * 3,
        "start",
        *["read"] * 3,
        "start",
    ]
    assert (result.code, kinds.count("start")) == (7, 5)
    assert (
        "stopped starting rows: 5 of the last 5 starts are in doubt (--max-failures 0 starts them"
        in result.err
    )


def test_after_a_foreign_answer_each_start_follows_a_read(through: Any) -> None:
    """The server answers each start as if it had begun a run of another workflow."""
    other = {"id": str(uuid4()), "workflow_id": str(uuid4()), "status": "queued"}

    def mix_up(request: Request, _: Forward) -> bytes | None:
        return json_answer(other) if START.match(line_of(request)) else None

    result, requests = through(mix_up, 20, "--max-parallel", "1")
    begun = [line for line in requests if START.match(line) or DEFINITION.match(line)]
    kinds = ["start" if START.match(line) else "read" for line in begun]
    first = kinds.index("start")
    assert kinds[first : first + 6] == ["start", *["read"] * 3, "start", "read"]
    assert (result.code, kinds.count("start")) == (7, 5)


def test_without_an_answered_read_no_more_rows_start(
    through: Any, sandbox: Sandbox, workflow: str
) -> None:
    result, _ = through(Nth(10, also=DEFINITION), 40, "--max-parallel", "2")
    assert (result.code, Counter(result.codes.values())[7]) == (7, 1), result.err
    assert "stopped starting rows: a start was not answered, and then not 3 reads" in result.err
    assert len(sandbox.runs(workflow)) == Counter(result.codes.values())[0] < 13


class Outages:
    """Loses the answers to starts that are in flight together, each time once so many are."""

    def __init__(self, first_starts: list[int], in_flight: int) -> None:
        self._lost = {first + at for first in first_starts for at in range(in_flight)}
        self._barrier = threading.Barrier(in_flight)
        self._lock = threading.Lock()
        self._seen = 0

    def __call__(self, request: Request, forward: Forward) -> bytes | None:
        if not START.match(line_of(request)):
            return None
        with self._lock:
            self._seen += 1
            is_lost = self._seen in self._lost
        if not is_lost:
            return None
        forward()
        self._barrier.wait(10)
        return NGINX_502


def test_an_outage_that_loses_many_starts_counts_once(
    through: Any, sandbox: Sandbox, workflow: str
) -> None:
    result, _ = through(Outages([30, 50, 70, 90], 5), 120, "--max-parallel", "16")
    assert (result.code, Counter(result.codes.values())) == (7, Counter({0: 100, 7: 20}))
    assert "stopped starting rows" not in result.err
    assert len(sandbox.runs(workflow)) == 120


@pytest.mark.parametrize(("good", "most"), [(0, 3 + 4), (60, 16 + 4)])
def test_a_server_that_loses_each_answer_ends_a_batch(through: Any, good: int, most: int) -> None:
    seen: list[Request] = []

    def lose(request: Request, forward: Forward) -> bytes | None:
        if not START.match(line_of(request)):
            return None
        seen.append(request)
        if len(seen) <= good:
            return None
        forward()
        return NGINX_502

    result, _ = through(lose, 200, "--max-parallel", "32")
    counts = Counter(result.codes.values())
    assert (result.code, counts[0]) == (7, good)
    assert 5 <= counts[7] <= most
    assert f"stopped starting rows: {counts[7]} of the last" in result.err


# Each `A` is a start that was answered, each `L` one that was lost, with the moments when it was
# sent and when its loss was noticed.
@pytest.mark.parametrize(
    ("starts", "ends"),
    [
        ("L0:9 L1:9 L2:9 L3:9 L4:9", False),  # sent before the first loss was noticed
        ("L0:1 L2:3 L4:5 L6:7", False),
        ("L0:1 L2:3 L4:5 L6:7 L8:9", True),  # each was sent after the last loss
        ("L0:9 L1:9 L10:11 L12:13 L14:15", False),
        ("L0:9 L1:9 L10:11 L12:13 L14:15 L16:17", True),  # within one outage
        ("L0:1 A0 L2:3 A0 L4:5 A0 L6:7 A0 L8:9", True),  # the answers are from before
        ("L0:9 A10 L1:30 L2:30 L11:20 L12:20 L13:20 A21 L22:30 L23:30 A31", False),
        ("L0:1 A2 L3:4 A5 L6:7 A8 L9:10 A11 L12:13", True),  # five outages
        ("L0:1 A2 L3:4 A5 L6:7 A8 L9:10" + " A20" * 97 + " L30:31", False),  # long ago
    ],
)
def test_what_was_lost_together_counts_once(starts: str, ends: bool) -> None:
    last = LastStarts()
    for start in starts.split():
        sent_at, _, noticed_at = start[1:].partition(":")
        if start[0] == "A":
            last.answered(float(sent_at))
        else:
            last.lost(float(sent_at), float(noticed_at))
    assert (last.doubts is not None) == ends


@pytest.mark.parametrize("status", [429, 503])
def test_a_requested_pause_is_waited_for_and_reported(through: Any, status: int) -> None:
    """Retry-After is longer than --retry-for, while runs are running."""
    asked: list[float] = []

    def pause(request: Request, _: Forward) -> bytes | None:
        if not RECORD.match(line_of(request)):
            return None
        asked.append(time.monotonic())
        if time.monotonic() < asked[0] + 5:
            return answer(status, Retry_After="5")
        return None

    result, _ = through(pause, 4)
    assert (result.code, Counter(result.codes.values())) == (0, Counter({0: 4})), result.err
    told = rf"\d\d:\d\d:\d\d the server answers {status}: waiting since \d\d:\d\d:\d\d, until "
    lines = [line for line in result.err.splitlines() if re.match(told, line)]
    assert [line.endswith(" (Retry-After)") for line in lines] == [True]
