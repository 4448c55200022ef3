"""Batches behind a gateway that answers for the server, on clocks that jump, and rows with odd answers."""

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from noxcli.batch.worker import RowWorker
from noxcli.models import Run
from noxcli.rows.columns import Row
from noxcli.sandbox.faults import Answer, LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, WrongClock, asked, write_rows
from tests.faults.gateway import (
    ENVOY_503,
    NGINX_502,
    NGINX_504,
    RECORD,
    Forward,
    Gateway,
    Meddle,
    line_of,
    loses_starts,
)
from tests.rawserver import Request, answer, json_answer

ROWS = 6
FAST = ("--poll-interval", "50ms", "--max-parallel", "2")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox needs no pause after a gateway's 503."""
    monkeypatch.setattr("noxcli.api.rate_limit.SHORT_DELAY", 0.02)
    monkeypatch.setattr("noxcli.api.rate_limit.LONG_DELAY", 0.02)
    monkeypatch.setattr("noxcli.api.rate_limit.SLOWEST", 50.0)


@pytest.fixture
def rows() -> str:
    return write_rows(*(f"row {number}" for number in range(1, ROWS + 1)))


@pytest.fixture
def through(noxcli: Noxcli, sandbox: Sandbox, workflow: str, rows: str) -> Callable[..., Result]:
    """Runs the batch behind such a gateway."""

    def run(meddle: Meddle, *options: str) -> Result:
        with Gateway(sandbox.url, meddle) as gateway:
            return noxcli(
                "batch", workflow, rows, *FAST, *options, environ={"NOXUS_BACKEND_URL": gateway.url}
            )

    return run


ONCE = Counter(f"row {number}" for number in range(1, ROWS + 1))
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answered", "times"),
    [(ENVOY_503, 1), (ENVOY_503, ROWS), (NGINX_502, 3), (NGINX_504, 3), (CHUNKED, 1)],
    ids=["envoy", "envoy to all", "502", "504", "odd"],
)
def test_resume_takes_the_run_of_a_row_that_was_passed_on(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, rows: str, answered: bytes, times: int
) -> None:
    with Gateway(sandbox.url, loses_starts(times, answered, forwarded=True)) as gateway:
        noxcli.environ["NOXUS_BACKEND_URL"] = gateway.url
        result = noxcli("batch", workflow, rows, *FAST, "--max-failures", "0")
        resumed = noxcli("batch", workflow, rows, *FAST, "--resume")
    assert (result.code, Counter(result.codes.values())) == (
        7,
        Counter({7: times, 0: ROWS - times}),
    )
    assert asked(sandbox, workflow) == ONCE
    doubts = [line["result"] for line in result.lines if line["result"]["exit_code"] == 7]
    assert all(
        len(doubt["error"]["candidates"]) == 1 and not doubt["retry_safe"] for doubt in doubts
    )
    ended = 7 if times == ROWS else 0  # without an answered start, no run shows the batch's version
    assert (resumed.code, Counter(resumed.codes.values())) == (ended, Counter({ended: times}))


@pytest.mark.parametrize("answered", [ENVOY_503, NGINX_502, NGINX_504], ids=["envoy", "502", "504"])
def test_no_list_proves_that_nothing_was_started(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, rows: str, answered: bytes
) -> None:
    with Gateway(sandbox.url, loses_starts(3, answered, forwarded=False)) as gateway:
        noxcli.environ["NOXUS_BACKEND_URL"] = gateway.url
        result = noxcli("batch", workflow, rows, *FAST)
        assert (result.code, Counter(result.codes.values())) == (7, Counter({7: 3, 0: ROWS - 3}))
        again = noxcli("batch", workflow, rows, *FAST, "--resume")
        assert (again.code, Counter(again.codes.values())) == (7, Counter({7: 3})), (
            "nothing is started unasked"
        )
        last = noxcli("batch", workflow, rows, *FAST, "--again", "doubtful")
        assert (last.code, Counter(last.codes.values())) == (0, Counter({0: 3}))
    assert asked(sandbox, workflow) == ONCE


# Clocks.


HOURS = 2 * 3600
JUMPS = [
    pytest.param(timedelta(seconds=each), marks=[pytest.mark.wide] * (abs(each) != HOURS))
    for each in (HOURS, -HOURS, 30, -30, -3000 * 86_400)
]


@pytest.mark.parametrize("then", JUMPS, ids=str)
def test_a_wrong_clock_starts_nothing_twice_and_delays_nothing(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, rows: str, then: timedelta
) -> None:
    workflow = plays(nodes=[input_node("Q")], faults={"start": [LostAnswer(), Answer(504)]})
    noxcli.clock = clock = WrongClock()
    clock.off = then
    left = noxcli("batch", workflow, rows, *FAST)
    assert Counter(left.codes.values()) == Counter({7: 2, 0: ROWS - 2})
    assert len(sandbox.runs(workflow)) == ROWS - 1
    clock.off = timedelta()
    began = time.monotonic()
    resumed = noxcli("batch", workflow, rows, *FAST, "--resume")
    assert (resumed.code, sorted(resumed.codes.values())) == (7, [0, 7]), (
        "one of the two was not started"
    )
    assert time.monotonic() - began < 20, "it would be minutes"
    again = noxcli("batch", workflow, rows, *FAST, "--again", "doubtful")
    assert (again.code, list(again.codes.values())) == (0, [0])
    assert asked(sandbox, workflow) == ONCE


def without_server_times() -> None:
    """Turn the journal into one of a server that sends no Date."""
    journal = Path("rows.jsonl.batch/batch.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    old = [{**line, **({"server_at": None} if "server_at" in line else {})} for line in lines]
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in old))


def test_without_server_times_rows_stay_in_doubt(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, rows: str
) -> None:
    workflow = plays(nodes=[input_node("Q")], faults={"start": [LostAnswer(), Answer(504)]})
    noxcli("batch", workflow, rows, *FAST)
    without_server_times()
    resumed = noxcli("batch", workflow, rows, *FAST, "--resume")
    assert sorted(resumed.codes.values()) == [7, 7]
    assert len(sandbox.runs(workflow)) == ROWS - 1


# Odd answers to one row only.


def only_for(sandbox: Sandbox, workflow: str, text: str, meddle: Meddle) -> Meddle:
    """Change the records of one row's run."""

    def chosen(request: Request, forward: Forward) -> bytes | None:
        if RECORD.match(line_of(request)):
            run_id = request.target.partition("?")[0].rpartition("/")[2]
            if any(run.id == run_id and run.input["Q"] == text for run in sandbox.runs(workflow)):
                return meddle(request, forward)
        return None

    return chosen


def always(with_answer: bytes) -> Meddle:
    return lambda _request, _forward: with_answer


ENDLESS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    + b"9" * 5000
    + b"\r\n\r\n{}"
)
DEEP = answer(200, b"[" * 200_000, content_type="application/json")
HUGE_NUMBER = answer(
    200,
    b'{"id": "x", "status": "running", "progress": ' + b"9" * 400 + b"}",
    content_type="application/json",
)
ODD = {
    "chunk": CHUNKED,
    "length": ENDLESS,
    "deep": DEEP,
    "number": HUGE_NUMBER,
    "other": json_answer([1, 2]),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_answer_costs_its_own_row_alone(
    sandbox: Sandbox, workflow: str, through: Any, odd: bytes
) -> None:
    result = through(only_for(sandbox, workflow, "row 2", always(odd)), "--retry-for", "300ms")
    assert result.codes.keys() == set(range(1, ROWS + 1))
    assert {row for row, code in result.codes.items() if code != 0} <= {2}
    assert asked(sandbox, workflow) == ONCE


@pytest.mark.parametrize(
    ("odd", "code"),
    [(CHUNKED, 6), (DEEP, 9), (json_answer({"detail": "no"}, 405), 6)],
    ids=["chunk", "deep", "405"],
)
def test_a_row_that_can_not_be_read_is_read_again_by_resume(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, rows: str, odd: bytes, code: int
) -> None:
    trouble = [True]
    meddle = only_for(sandbox, workflow, "row 2", lambda _r, _f: odd if trouble else None)
    with Gateway(sandbox.url, meddle) as gateway:
        noxcli.environ["NOXUS_BACKEND_URL"] = gateway.url
        argv = ("batch", workflow, rows, *FAST, "--retry-for", "300ms")
        result = noxcli(*argv)
        assert (result.code, result.codes[2], Counter(result.codes.values())[0]) == (
            code,
            code,
            ROWS - 1,
        )
        lost = next(line["result"] for line in result.lines if line["row"] == 2)
        assert code == 9 or "continue with: noxcli wait" in lost["error"]["hint"]
        again = noxcli(*argv, "--resume")
        assert (again.code, again.codes) == (code, {2: code})
        trouble.clear()
        last = noxcli(*argv, "--resume")
        assert (last.code, last.codes) == (0, {2: 0})
    assert asked(sandbox, workflow) == ONCE


@pytest.mark.parametrize(("error", "code"), [(KeyError("x"), 70), (ValueError("x"), 9)])
def test_an_unforeseen_error_in_one_row_is_that_rows_alone(
    noxcli: Noxcli,
    workflow: str,
    rows: str,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: int,
) -> None:
    delivered = RowWorker.deliver

    def deliver(work: RowWorker, row: Row, run: Run) -> Any:
        if row.number == 2:
            raise error
        return delivered(work, row, run)

    monkeypatch.setattr(RowWorker, "deliver", deliver)
    result = noxcli("batch", workflow, rows, *FAST)
    assert (result.code, result.codes) == (code, {**dict.fromkeys(range(1, ROWS + 1), 0), 2: code})
