"""When a batch reads its rows' runs, and how it notices their ends."""

import socket
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from noxcli.batch.bell import Bell
from noxcli.batch.lookout import FIRST_DEAF, SHORTEST, Lookout, Usual
from noxcli.batch.watch import StreamWatch
from noxcli.models import Run
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli


def ended(seconds: float) -> Run:
    return Run(
        "r", "w", "completed", created_at="2026-01-01T00:00:00.000Z", finished_at=f"2026-01-01T00:00:{seconds:06.3f}Z"
    )


def looks(usual: Usual, most: float) -> list[float]:
    moments = [usual.until_next_look(0.0)]
    while moments[-1] < most:
        moments.append(moments[-1] + usual.until_next_look(moments[-1]))
    return moments


def test_runs_that_take_the_same_time_are_looked_at_when_they_end() -> None:
    usual = Usual()
    for _ in range(40):
        usual.note(ended(5.0), measured=5.1)
    assert looks(usual, 5.2)[:2] == [5.0, pytest.approx(5.5)]


def test_runs_that_differ_are_looked_at_as_they_usually_end() -> None:
    usual = Usual()
    for number in range(32):
        usual.note(ended(4.0 + number), measured=4.1 + number)
    moments = looks(usual, 35.0)
    assert moments[0] == 4.0
    assert moments[-1] == 35.0
    assert len(moments) == 7


def test_looks_at_runs_of_unknown_length_are_a_tenth_of_their_time_apart() -> None:
    moments = looks(Usual(), 100.0)
    assert all(later - earlier >= SHORTEST - 1e-9 for earlier, later in pairwise(moments))
    assert all(later - earlier <= max(SHORTEST, 0.1 * earlier) + 1e-9 for earlier, later in pairwise(moments))


def test_clocks_of_whole_seconds_are_not_believed() -> None:
    usual = Usual()
    usual.note(Run("r", "w", "completed", created_at="2026-01-01T00:00:00Z", finished_at="2026-01-01T00:00:03Z"), 2.4)
    assert usual.middle == 2.4


def test_streams_are_opened_for_few_starts_a_second() -> None:
    few, many = Lookout(5.0, max_parallel=8), Lookout(5.0, max_parallel=256)
    assert few.worth_listening(256)
    many.heard.update(range(64))
    assert many.worth_listening(256), "nothing is known yet"
    assert not many.worth_listening(64), "so many are open"
    for lookout in (few, many):
        lookout._usual.note(ended(0.2), 0.21)
    assert few.worth_listening(256)
    assert not many.worth_listening(256)


def test_a_stream_is_opened_long_before_its_run_usually_ends() -> None:
    lookout = Lookout(5.0, max_parallel=8)
    assert lookout.deaf_for == FIRST_DEAF, "nothing is known yet"
    lookout._usual.note(ended(0.2), 0.21)
    assert 0 < lookout.deaf_for < 0.1


@pytest.fixture
def bell() -> Iterator[tuple[Bell, SimpleQueue[int]]]:
    rang: SimpleQueue[int] = SimpleQueue()
    bell = Bell(rang.put)
    yield bell, rang
    bell.close()


class Wire:
    """One end of a socket pair, whose other end the test has."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()

    def fileno(self) -> int:
        return self.here.fileno()

    def may_have_ended(self) -> bool:
        self.here.setblocking(False)
        try:
            return b"end" in self.here.recv(100)
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.here.close()


def test_a_bell_rings_once_for_the_stream_that_ends(bell: Any) -> None:
    (bell, rang), wires = bell, [Wire() for _ in range(3)]
    for number, wire in enumerate(wires):
        bell.hang(number, wire)
    wires[0].there.send(b"news")
    wires[1].there.send(b"end")
    assert rang.get(timeout=5) == 1
    bell.take_down(2)
    wires[0].there.send(b"end")
    assert rang.get(timeout=5) == 0
    with pytest.raises(Empty):
        rang.get(timeout=0.05)
    assert wires[2].here.fileno() == -1
    for wire in wires:
        wire.there.close()


def test_a_stream_that_opens_while_a_batch_ends_is_closed() -> None:
    watch, wires = StreamWatch(Lookout(5.0, 8), lambda _: None, lambda _: None), [Wire() for _ in range(3)]
    watch.hear(watch.opened(0, wires[0]), goes_on=True)
    assert watch.opened(1, wires[1]).line is wires[1]  # nobody takes it
    watch.close()
    assert watch.opened(2, wires[2]).line is None
    assert [wire.here.fileno() for wire in wires] == [-1, -1, -1]
    for wire in wires:
        wire.there.close()


Rows = Callable[[int], str]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.chdir(tmp_path)

    def write(count: int) -> str:
        Path("rows.jsonl").write_text("".join(f'{{"Q": "{number}"}}\n' for number in range(count)))
        return "rows.jsonl"

    return write


def counted(sandbox: Sandbox, last: str, method: str = "GET") -> int:
    return sum(one.path.endswith(last) and one.method == method for one in sandbox.requests)


def test_a_server_without_streams_is_not_asked_again_and_again(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, rows: Rows
) -> None:
    workflow = plays(
        nodes=[input_node("Q")], script=[Sleep(100)], faults={"events": [Answer(404, {"detail": "no"})] * 50}
    )
    result = noxcli("batch", workflow, rows(20), "--max-parallel", "2")
    assert result.code == 0, result.err
    assert sorted(line["row"] for line in result.lines) == list(range(1, 21))
    assert 3 <= counted(sandbox, "/events") <= 4


def test_a_stream_spares_looks(noxcli: Noxcli, sandbox: Sandbox, plays: Any, rows: Rows) -> None:
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(1500)])  # at the sandbox's thousandfold speed
    result = noxcli("batch", workflow, rows(2), "--max-parallel", "1")
    assert result.code == 0, result.err
    for run in sandbox.runs(workflow):
        assert counted(sandbox, f"/runs/{run.id}") <= 2, "one read of an ended record, and one more if it lagged"
    assert counted(sandbox, "/events") == 2


def test_starts_do_not_wait_for_streams(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.batch.lookout.FIRST_DEAF", 30.0)  # however slow the machine is
    workflow = plays(nodes=[input_node("Q")], script=[Sleep(5000)])
    result = noxcli("batch", workflow, rows(24), "--max-parallel", "24")
    assert result.code == 0, result.err
    kinds = [(one.method, one.path.rpartition("/")[2]) for one in sandbox.requests]
    assert kinds.count(("GET", "events")) >= 12
    # A stream is opened while fewer than a quarter of the 24 threads are busy, so 19 starts are over by then.
    assert kinds[: kinds.index(("GET", "events"))].count(("POST", "runs")) >= 19


def test_the_time_until_the_first_read_counts_from_the_start_of_the_run() -> None:
    lookout = Lookout(5.0, max_parallel=256)
    lookout._usual.note(ended(0.2), 0.21)
    for number, ago in enumerate((0.0, 0.15, 1.0)):
        lookout.follow(number, time.monotonic() - ago)
        assert lookout.until_due(5.0) == pytest.approx(max(0.0, 0.2 - ago), abs=0.02)
