"""Batches on a server that is sick: it is asked with reads, and few starts are spent on finding out."""

import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, write_rows
from tests.faults.gateway import NGINX_502, START, Forward, Gateway, Meddle, line_of
from tests.rawserver import Request, json_answer

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
