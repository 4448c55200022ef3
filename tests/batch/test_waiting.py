"""Many runs that somebody else has started: each end is noticed soon, over few connections, by any signal."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from noxcli.api import NoxusApi
from noxcli.batch.waiting import ManyRuns, WaitSources
from noxcli.config.settings import Settings
from noxcli.errors import Unavailable
from noxcli.models import Run
from noxcli.sandbox.faults import NO_EVENTS, Cut
from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli

NEVER = 600.0  # seconds between two regular reads: an earlier end was noticed by another signal
MOST_CONNECTIONS = 64


@contextmanager
def counted(sandbox: Sandbox) -> Iterator[list[int]]:
    """Yield the numbers of open connections over time."""
    seen, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            seen.append(len(sandbox._connections._open))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def started(sandbox: Sandbox, count: int, seconds: Callable[[int], float], **scenario: Any) -> list[str]:
    """Start that many runs, each with its own duration; return their ids."""
    script = lambda inputs: [Sleep(float(inputs["Q"]))]  # noqa: E731 - a scenario takes a function
    workflow = sandbox.add(Scenario("many", nodes=[input_node("Q")], script=script, output={"A": "x"}, **scenario))
    with NoxusApi(Settings(sandbox.url, sandbox.key)) as api:
        return [api.create_run(workflow, {"Q": str(seconds(number))}).id for number in range(count)]


def kinds(sandbox: Sandbox) -> Counter[str]:
    names = {"events": "events", "runs": "list"}
    paths = [
        request.path.partition("?")[0].rpartition("/")[2] for request in sandbox.requests if request.method == "GET"
    ]
    return Counter(names.get(last, "record") for last in paths)


@pytest.mark.long(20)
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_of_many_runs_each_end_is_told_by_a_stream_or_the_list(order: str) -> None:
    count = 100  # more than the connections that are allowed
    with Sandbox() as sandbox, counted(sandbox) as connections:
        runs = started(
            sandbox, count, lambda number: 3 + 3 * (number * 37 % count) / count, switches={"list_order": order}
        )
        noxcli = Noxcli({"NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key, "TERM": "dumb"})
        began = time.monotonic()
        result = noxcli("wait", *runs, "--poll-interval", f"{NEVER}s")
        took = time.monotonic() - began
        seen = kinds(sandbox)
    assert (result.code, len(result.text.splitlines())) == (0, count)
    assert took < NEVER / 20
    assert max(connections) <= MOST_CONNECTIONS
    assert seen["events"] < count
    assert seen["list"] > 0
    assert seen["record"] <= 4 * count


@pytest.mark.long(8)
def test_where_no_stream_is_given_the_list_tells_of_many_and_few_are_read_in_turn() -> None:
    with Sandbox(speed=1000) as sandbox:
        runs = started(sandbox, 60, lambda number: 1000 + 20 * number, faults={"events": [NO_EVENTS]})
        noxcli = Noxcli({"NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key, "TERM": "dumb"})
        assert noxcli("wait", *runs, "--poll-interval", "1s").code == 0
        seen = kinds(sandbox)
    assert seen["events"] < 60
    assert seen["list"] > 0


@pytest.mark.long(4)
def test_where_nothing_tells_runs_are_read_in_turn(sandbox: Sandbox, noxcli: Noxcli) -> None:
    runs = started(sandbox, 5, lambda number: 1000 + 100 * number, faults={"events": [NO_EVENTS]})
    assert noxcli("wait", *runs, "--poll-interval", "100ms").code == 0
    assert noxcli("wait", *runs, "--no-stream").code == 0


@pytest.mark.long(6)
def test_a_stream_that_breaks_has_the_record_read_and_is_no_end(sandbox: Sandbox, noxcli: Noxcli) -> None:
    runs = started(sandbox, 4, lambda _: 2000, faults={"events": [Cut(1, "abort")] * 4})
    result = noxcli("wait", *runs, "--poll-interval", "500ms")
    assert (result.code, len(result.text.splitlines())) == (0, 4)


@pytest.mark.long(4)
def test_documents_have_the_outputs_of_all(sandbox: Sandbox, noxcli: Noxcli) -> None:
    runs = started(sandbox, 3, lambda number: 500 * number)
    document = json.loads(noxcli("wait", *runs, "--json").text)
    assert [one["run"]["id"] for one in document["results"]] == runs
    assert all(list(one["output"].values()) == ["x"] for one in document["results"])


class Runs:
    """Records and a list that a test sets; a run ends when it is added to those that are over."""

    def __init__(self, count: int) -> None:
        self.ids = [f"r{number}" for number in range(count)]
        self.over: set[str] = set()
        self.said: set[str] = set()  # over, according to the list alone
        self.reads: Counter[int] = Counter()
        self.lists = 0
        self.broken = False

    def look(self, number: int) -> Run:
        self.reads[number] += 1
        return Run(self.ids[number], "w", "completed" if self.ids[number] in self.over else "running")

    def listed(self) -> Iterator[Run]:
        self.lists += 1
        if self.broken:
            raise Unavailable("no list")
        for each in self.ids:
            yield Run(each, "w", "completed" if each in self.over | self.said else "running")

    def waiting(self, poll_interval: float) -> ManyRuns[Run]:
        waiting = ManyRuns(WaitSources(self.look, None, self.listed, lambda run: run.settled), poll_interval)
        for number in range(len(self.ids)):
            waiting.add(number)
        return waiting


def work(waiting: ManyRuns[Run], seconds: float) -> list[int]:
    """Let it work for that long; return the runs that have ended."""
    ended, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        for number, (run, error) in waiting.looks(end - time.monotonic()):
            assert error is None
            assert run is not None
            if run.settled:
                waiting.let_be(number)
                ended.append(number)
            else:
                waiting.go_on(number, run.id)
    return ended


def test_the_list_alone_is_not_believed() -> None:
    runs = Runs(20)
    waiting = runs.waiting(NEVER)
    assert work(waiting, 0.3) == []
    runs.said = {"r3"}
    assert work(waiting, 1.0) == []
    assert runs.reads[3] > 1
    runs.over = {"r3"}
    assert work(waiting, 1.5) == [3]
    waiting.close()


def test_what_the_list_shows_as_going_on_is_read_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.batch.waiting.LISTED_EVERY", 0.05)
    runs = Runs(20)
    waiting = runs.waiting(0.2)
    work(waiting, 1.5)
    waiting.close()
    assert runs.lists > 5
    assert max(runs.reads.values()) <= 4


def test_a_list_that_does_not_help_is_asked_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.batch.waiting.LISTED_EVERY", 0.1)
    runs = Runs(20)
    waiting = runs.waiting(0.3)
    runs.broken = True
    work(waiting, 1.6)
    waiting.close()
    assert 1 <= runs.lists <= 5
    assert min(runs.reads.values()) >= 3


def test_few_runs_are_read_one_by_one() -> None:
    runs = Runs(5)
    waiting = runs.waiting(0.1)
    work(waiting, 0.5)
    waiting.close()
    assert runs.lists == 0
    assert min(runs.reads.values()) >= 2
