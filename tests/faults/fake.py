"""A server for the follower without sockets: connections and reads as data, on a clock that only waiting moves."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from noxcli.api import NoxusApi
from noxcli.errors import NoxError, StreamClosed, Unavailable
from noxcli.models import Run, RunEvent
from noxcli.timing import Clock

RUN = Run("run-1", "workflow-1", "running")
IDLE_TURNS = 10_000  # reads in a row without any time in between: a busy loop


class KeepAlive:
    """Bytes that are not an event."""


Said = Sequence[RunEvent] | NoxError | KeepAlive
Connection = Sequence[tuple[float, Said]]  # each after that many seconds; then silence
Read = Run | NoxError


class FakeClock(Clock):
    """Time passes only during a wait."""

    def __init__(self) -> None:
        self.time = 0.0
        self.turns = 0

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.pass_to(self.time + seconds)

    def pass_to(self, time: float) -> None:
        self.turns = 0 if time > self.time else self.turns + 1
        assert self.turns < IDLE_TURNS, "busy waiting"
        self.time = max(self.time, time)


class FakeFeed:
    """One connection; it counts silence from its opening, as the real one does. `log` gets what it sends."""

    def __init__(
        self,
        clock: FakeClock,
        connection: Connection,
        log: list[RunEvent],
        again: Sequence[RunEvent],
    ) -> None:
        self._clock, self._log = clock, log
        self._heard = at = clock.time
        self._turns: deque[tuple[float, Said]] = deque()
        for pause, said in connection:
            at += pause
            self._turns.append((at, said))
        self.closed = False
        refused = isinstance(connection[0][1], NoxError) if connection else False
        self.opened = not refused or isinstance(connection[0][1], StreamClosed)
        if self.opened and again:
            self._turns.appendleft((clock.time, again))

    def next_events(self, seconds: float) -> Sequence[RunEvent]:
        assert not self.closed, "a feed was read after it was closed"
        assert 0 <= seconds <= 1, "whoever shows the updates gets a turn every second"
        end = self._clock.time + seconds
        while self._turns and self._turns[0][0] <= end:
            at, said = self._turns.popleft()
            self._clock.pass_to(at)
            if isinstance(said, NoxError):
                raise said
            self._heard = self._clock.time
            if not isinstance(said, KeepAlive):
                self._log += [event for event in said if event.redis_id and event not in self._log]
                return said
        self._clock.pass_to(end)
        return []

    def silent_for(self) -> float:
        return self._clock.time - self._heard

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeServer:
    """Gives one connection to each opening and one answer to each read; the last ones forever.

    A connection begins with what earlier ones sent after its position, unless the server forgets that. `record` may be
    a function of the time instead. `hang` is how long a read takes that fails.
    """

    connections: Sequence[Connection] = ((),)
    record: Sequence[Read] | Callable[[float], Read] = (RUN,)
    hang: float = 0.0
    forgets: bool = False
    patient_for: float = 0.0
    clock: FakeClock = field(default_factory=FakeClock)
    openings: list[tuple[float, str | None]] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    feeds: list[FakeFeed] = field(default_factory=list)
    sent: list[RunEvent] = field(default_factory=list)

    def open_events(self, run_id: str, cursor: str | None = None) -> FakeFeed:
        assert run_id == RUN.id
        assert all(feed.closed for feed in self.feeds), "two connections at once"
        connection = self.connections[min(len(self.openings), len(self.connections) - 1)]
        self.openings.append((self.clock.time, cursor))
        self.feeds.append(FakeFeed(self.clock, connection, self.sent, self._again(cursor)))
        return self.feeds[-1]

    def _again(self, cursor: str | None) -> list[RunEvent]:
        """Return what is sent after a position once more."""
        known = [event.redis_id for event in self.sent]
        begin = known.index(cursor) + 1 if cursor in known else 0
        return [] if self.forgets else self.sent[begin:]

    def within(self, seconds: float) -> "FakeServer":
        assert 0 < seconds <= 30
        self.patient_for = seconds
        return self

    def get_run(self, workflow_id: str, run_id: str) -> Run:
        assert (workflow_id, run_id) == (RUN.workflow_id, RUN.id)
        self.reads.append(self.clock.time)
        if self.hang:
            self.clock.sleep(min(self.hang, self.patient_for))
            if self.hang > self.patient_for:
                raise Unavailable("no answer")
        if callable(self.record):
            read = self.record(self.clock.time)
        else:
            read = self.record[min(len(self.reads), len(self.record)) - 1]
        if isinstance(read, NoxError):
            raise read
        return read


def as_api(fake: object) -> NoxusApi:
    """Return a fake that has the part of the API which is asked for."""
    return cast(NoxusApi, fake)


def now(status: str, **fields: object) -> Run:
    """The record with that status."""
    return replace(RUN, status=status, **fields)  # type: ignore[arg-type]  # fields of Run, by name


def ends_at(seconds: float, status: str = "completed") -> Callable[[float], Run]:
    """A record that is final from that moment on."""
    return lambda time: now(status) if time >= seconds else RUN


def piece(number: int, *, position: bool = True) -> RunEvent:
    return RunEvent(
        "content", {"id": "A", "content": f"piece {number}"}, f"{number}-0" if position else None
    )


def pieces(count: int, start: int = 0) -> list[RunEvent]:
    return [piece(number) for number in range(start, start + count)]


def state(number: int, status: str = "running", **more: object) -> RunEvent:
    return RunEvent("state", {"status": status, **more}, f"{number}-0")


def end(number: int, status: str = "completed") -> RunEvent:
    return RunEvent("content", {"id": "A", "workflow_status": status}, f"{number}-0")


def every(seconds: float, said: Said, times: int = 1000) -> Iterator[tuple[float, Said]]:
    """The same thing again and again."""
    return ((seconds, said) for _ in range(times))
