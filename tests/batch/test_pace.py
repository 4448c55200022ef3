"""The gate that all requests of a batch pass, and batches against servers with request limits."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noxcli.batch.allowance import FIRST_ROOM
from noxcli.batch.calls import Calls, Going
from noxcli.batch.journal import JOURNAL_NAME
from noxcli.batch.pace import FAILURES_IN_A_ROW, Closed, Pace
from noxcli.batch.rows import Row
from noxcli.errors import NotFound, Unavailable
from noxcli.models import Run
from noxcli.sandbox.faults import Hold, LostAnswer
from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.switches import Switches
from noxcli.timing import Clock
from tests.conftest import Noxcli


class Server:
    """Counts its requests, and rejects those within a second of too many others."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.taken: list[float] = []
        self.refused = 0
        self.lock = threading.Lock()

    def ask(self) -> int:
        now = time.monotonic()
        with self.lock:
            if self.limit is not None and sum(at > now - 1 for at in self.taken) >= self.limit:
                self.refused += 1
                raise Unavailable("429", http_status=429, retry_after=0.2)
            self.taken.append(now)
            return len(self.taken)


def ask_from_many(pace: Pace, ask: Callable[[], Any], threads: int, seconds: float) -> None:
    end = time.monotonic() + seconds

    def go_on() -> None:
        while time.monotonic() < end:
            with suppress(Unavailable, Closed):
                pace.send(ask, lambda: time.monotonic() < end)

    workers = [threading.Thread(target=go_on) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_a_limit_is_found_and_kept_to() -> None:
    server, pace = Server(limit=20), Pace(seed=1)
    ask_from_many(pace, server.ask, threads=16, seconds=3)
    # 16 may be in transit when the first is rejected; after that, one exceeds the limit now and then.
    assert server.refused < 16 + 10, server.refused
    assert len(server.taken) > 0.5 * 20 * 3, len(server.taken)


def test_without_a_limit_nothing_is_held() -> None:
    server, pace = Server(), Pace()
    for _ in range(1000):
        pace.send(server.ask)
    assert pace.rate is None
    assert server.taken[-1] - server.taken[0] < 1


def test_retry_after_is_waited_for_by_everybody() -> None:
    pace, sent = Pace(seed=1), []

    def refuse() -> None:
        raise Unavailable("slow down", http_status=429, retry_after=0.5)

    with pytest.raises(Unavailable):
        pace.send(refuse)
    refused_at = time.monotonic()
    ask_from_many(pace, lambda: sent.append(time.monotonic()), threads=4, seconds=0.9)
    assert sent[0] - refused_at >= 0.49


def test_after_an_outage_one_goes_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.batch.allowance.LONG_DELAY", 0.05)
    pace, lock, up = Pace(seed=1), threading.Lock(), threading.Event()
    asked, on_the_way, most = [0], [0], [0]
    known = FAILURES_IN_A_ROW + FIRST_ROOM  # those in flight when it is seen to be an outage

    def ask() -> None:
        with lock:
            asked[0] += 1
            on_the_way[0] += 1
            number = asked[0]
            if number > known:
                most[0] = max(most[0], on_the_way[0])
        time.sleep(0.02)
        with lock:
            on_the_way[0] -= 1
        if number == known + 4:
            up.set()
        raise Unavailable("refused", sent=False)

    def go_on() -> None:
        while not up.is_set():
            with suppress(Unavailable, Closed):
                pace.send(ask, lambda: not up.is_set())

    workers = [threading.Thread(target=go_on) for _ in range(32)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (asked[0], most[0]) == (known + 4, 1), "while it is down, one at a time finds out"


def test_one_broken_answer_is_bad_luck_and_five_are_an_outage() -> None:
    pace = Pace(seed=1)

    def broken() -> None:
        raise Unavailable("reset")

    rates = []
    for _ in range(5):
        with pytest.raises(Unavailable):
            pace.send(broken)
        rates.append(pace.rate)
    assert rates[:4] == [None] * 4
    assert rates[4] is not None


def test_an_answer_that_is_a_refusal_by_content_is_an_answer() -> None:
    pace = Pace()

    def missing() -> None:
        raise NotFound("no")

    with pytest.raises(NotFound):
        pace.send(missing)
    assert (pace.rate, pace.silent_for) == (None, 0.0)


def test_a_closed_gate_lets_nobody_through() -> None:
    pace, called = Pace(), []
    pace.close()
    with pytest.raises(Closed):
        pace.send(lambda: called.append(1))
    with pytest.raises(Closed):
        Pace().send(lambda: called.append(1), lambda: False)
    assert not called


def write_rows(count: int) -> str:
    Path("rows.jsonl").write_text("".join(f"{json.dumps({'Q': str(n)})}\n" for n in range(count)))
    return "rows.jsonl"


def inputs_of(server: Sandbox, workflow: str) -> list[int]:
    return sorted(int(run.input["Q"]) for run in server.runs(workflow))


def rows_in_doubt(directory: Path) -> set[int]:
    """Return the rows whose start was sent, but not answered, by the journal."""
    steps = [json.loads(line) for line in (directory / JOURNAL_NAME).read_text().splitlines()]
    last = {step["row"]: step["step"] for step in steps if "row" in step}
    return {row for row, step in last.items() if step == "intent"}


@pytest.fixture
def own(noxcli: Noxcli) -> Callable[..., Any]:
    """A server with its own switches."""

    def make(**switches: Any) -> Sandbox:
        server = Sandbox([Scenario("echo", nodes=[input_node("Q")])], speed=1000, switches=Switches(**switches))
        noxcli.clock = Clock()
        return server

    return make


@pytest.mark.long(4)
def test_a_server_with_a_limit_gets_every_row_once(noxcli: Noxcli, own: Any) -> None:
    with own(rate_limit=40) as server:
        workflow = server.add(Scenario("echo", nodes=[input_node("Q")]))
        result = noxcli("batch", workflow, write_rows(50), environ={"NOXUS_BACKEND_URL": server.url})
        assert result.code == 0, result.err
        assert inputs_of(server, workflow) == list(range(50))


@pytest.mark.long(4)
def test_lost_answers_are_doubts_and_are_settled(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    faults = [LostAnswer() if n % 20 == 7 else Hold(0) for n in range(100)]
    workflow = plays(nodes=[input_node("Q")], faults={"start": faults})
    left = noxcli("batch", workflow, write_rows(100))
    assert left.code == 7
    assert sum(line["result"]["exit_code"] == 7 for line in left.lines) == 5
    adopted = noxcli("batch", workflow, "rows.jsonl", "--resume", "--adopt")
    assert adopted.code == 0, adopted.err
    assert inputs_of(sandbox, workflow) == list(range(100))


@pytest.mark.long(12)
def test_a_server_that_goes_away_for_a_while_gets_every_row_once(noxcli: Noxcli, own: Any) -> None:
    with own() as server:
        workflow = server.add(Scenario("echo", nodes=[input_node("Q")], script=[]))
        port, runs = int(server.url.rpartition(":")[2]), []
        results: list[Any] = []
        noxcli.clock = Clock()
        rows = write_rows(80)
        batch = threading.Thread(
            target=lambda: results.append(
                noxcli("batch", workflow, rows, "--adopt", environ={"NOXUS_BACKEND_URL": server.url})
            )
        )
        batch.start()
        while len(server.runs(workflow)) < 40:
            time.sleep(0.01)
    runs += inputs_of(server, workflow)
    time.sleep(1)
    assert results == [], "it waits"
    in_doubt = rows_in_doubt(Path(f"{rows}.batch"))
    with Sandbox([Scenario("echo", nodes=[input_node("Q")])], speed=1000, port=port) as back:
        batch.join(60)
        runs += inputs_of(back, workflow)
    # The new server does not know the runs of the old one: a start whose answer was lost with it is not found there.
    twice = {number + 1 for number, count in Counter(runs).items() if count > 1}
    assert (set(runs), twice - in_doubt) == (set(range(80)), set())
    result = results[0]
    told = [line["row"] for line in result.lines]
    assert sorted(told) == list(range(1, 81))


def test_few_are_on_their_way_until_answers_come() -> None:
    pace, on_the_way, most, lock = Pace(), [0], [0], threading.Lock()

    def ask() -> None:
        with lock:
            on_the_way[0] += 1
            most[0] = max(most[0], on_the_way[0])
        time.sleep(0.01)
        with lock:
            on_the_way[0] -= 1

    ask_from_many(pace, ask, threads=32, seconds=0.06)
    assert most[0] <= 6
    ask_from_many(pace, ask, threads=32, seconds=1.5)
    assert most[0] > 20


def test_the_last_request_that_is_left_is_as_good_as_a_refusal() -> None:
    server, pace, refused = Server(limit=20), Pace(seed=1), []

    def ask() -> None:
        try:
            server.ask()
        except Unavailable:
            refused.append(1)
            raise
        now = time.monotonic()
        pace.note_left(20 - sum(at > now - 1 for at in server.taken), 1.0)

    ask_from_many(pace, ask, threads=16, seconds=3)
    assert len(refused) <= 3
    assert len(server.taken) > 0.7 * 20 * 3


@pytest.mark.long(14)
def test_a_limit_is_returned_to_quickly_and_met_seldom() -> None:
    server, pace = Server(limit=20), Pace(seed=1)
    ask_from_many(pace, server.ask, threads=32, seconds=10)
    assert server.refused <= 0.06 * len(server.taken), (server.refused, len(server.taken))
    assert len(server.taken) >= 0.8 * 20 * 10, len(server.taken)


@pytest.mark.long(12)
def test_a_burst_over_two_windows_is_not_taken_for_the_limit() -> None:
    """A slow start may get the requests of two windows in its first second; each refusal then costs a second's wait."""
    counted: Counter[int] = Counter()  # requests by window
    lock, began = threading.Lock(), time.monotonic()

    def ask() -> None:
        passed = time.monotonic() - began
        with lock:
            counted[int(passed)] += 1
            if counted[int(passed)] > (30 if passed < 0.5 else 20):
                raise Unavailable("429", http_status=429, retry_after=1.0)

    pace = Pace(seed=1)
    ask_from_many(pace, ask, threads=32, seconds=10)
    assert pace.rate is not None
    assert 15 < pace.rate < 22, pace.rate


def test_the_wait_for_its_turn_is_not_counted_as_a_part_of_the_run() -> None:
    pace, row = Pace(seed=1), Row(1, 1, 0)
    going = Going(row, Run("r", "w", "running"), time.monotonic())

    class Api:
        def get_run(self, workflow_id: str, run_id: str, *, within: float | None = None) -> Run:
            assert within is None
            return Run(run_id, workflow_id, "running")

    def refuse() -> None:
        raise Unavailable("slow down", http_status=429, retry_after=0.5)

    with pytest.raises(Unavailable):
        pace.send(refuse)
    Calls(cast(Any, Api()), cast(Any, SimpleNamespace(workflow_id="w")), cast(Any, None), pace, lambda: True).look(
        going
    )
    assert 0.4 < going.held < 5
