"""Kinds of servers: four kinds of positions, and nine ways to go on after a break, as raw bytes over HTTP."""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.conftest import Noxcli, Result
from tests.otherside import RUN, STREAM, WORKFLOW, end, event, record
from tests.rawserver import Request, Turn, answer, raw_server

COUNT = 61  # events, the last of which announces the end
# Of each connection that lives: how many events there are when it opens, and when it breaks. In between, 8 are missed.
CUTS = ((0, 12), (20, 28), (36, 44), (52, COUNT))
KEPT = 5  # events, of a server that forgets
GIVEN_UP = 30  # reads of the record after which the run is over whatever came

# The position of the n-th event on a connection, None for none.
Positions = Callable[[int, int], str | None]
POSITIONS: dict[str, Positions] = {
    "good": lambda n, _: f"{n}-0",
    "none": lambda _n, _: None,
    "some": lambda n, _: None if n % 2 else f"{n}-0",
    "rewritten": lambda n, connection: f"{connection}{n:02}-0",
}


@dataclass(frozen=True)
class Asked:
    """One opening: the place of its position, None without one; how many events there are; whether it is the first."""

    place: int | None
    opened: int
    first: bool

    @property
    def oldest(self) -> int:
        return 0 if self.first else max(0, self.opened - KEPT)


REFUSED, CLOSED = -1, -2


# Where the answer begins, REFUSED for a 410, CLOSED for a stream that closes at once.
BEHAVIORS: dict[str, Callable[[Asked], int]] = {
    "exclusive": lambda asked: 0 if asked.place is None else asked.place + 1,
    "inclusive": lambda asked: asked.place or 0,
    "replay": lambda _: 0,
    "refused": lambda asked: 0 if asked.place is None else REFUSED,
    "live only": lambda asked: 0 if asked.first else asked.opened,
    "trimmed, accepted": lambda asked: max(asked.oldest, -1 if asked.place is None else asked.place + 1),
    "trimmed, refused": lambda asked: (
        asked.oldest if asked.place is None else REFUSED if asked.place + 1 < asked.oldest else asked.place + 1
    ),
    "tail": lambda asked: asked.oldest,
    "closed": lambda asked: 0 if asked.place is None else CLOSED,
}


@dataclass
class Kind:
    """A server of one kind, with one run that is broken three times."""

    positions: str
    behavior: str
    reads: int = 0
    lives: int = 0  # connections that sent something
    ended: bool = False
    sent: dict[str, int] = field(default_factory=dict)  # the place of each position
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def turn(self, request: Request) -> Turn:
        """Return what happens on the connection of a request."""
        if request.method == "POST":
            return record("queued")
        if not request.target.partition("?")[0].endswith("/events"):
            self.reads += 1
            over = self.ended or self.reads > GIVEN_UP
            said = record("completed" if over else "running") if RUN in request.target else answer(404)
            return said.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        with self._lock:
            return self._stream(parse_qs(urlsplit(request.target).query).get("etag", [None])[0])

    def _stream(self, etag: str | None) -> Turn:
        opened, until = CUTS[min(self.lives, len(CUTS) - 1)] if not self.ended else (COUNT, COUNT)
        asked = Asked(None if etag is None else self.sent.get(etag, 0), opened, not self.lives)
        begin = BEHAVIORS[self.behavior](asked)
        if begin == REFUSED:
            return answer(410)
        if begin == CLOSED:
            return lambda peer: peer.sendall(STREAM)
        self.lives += 1
        frames = b"".join(self._frame(place) for place in range(begin, until))
        self.ended = self.ended or until == COUNT

        def send(peer: socket.socket) -> None:
            peer.sendall(STREAM + frames)

        return send

    def _frame(self, place: int) -> bytes:
        position = POSITIONS[self.positions](place, self.lives)
        if position is not None:
            self.sent[position] = place
        if place == COUNT - 1:
            return end(position)
        return event({"id": "A", "status": "running", "content": f"piece {place} "}, position)


@dataclass(frozen=True)
class Seen:
    """What noxcli showed of such a run."""

    lost: int  # events that were not shown
    again: int  # events that were shown once more
    gaps: int
    label: str
    in_order: bool
    result: Result


def play(noxcli: Noxcli, positions: str, behavior: str, *argv: str, environ: Mapping[str, str] | None = None) -> Seen:
    """Run it against a server of that kind, event by event."""
    kind = Kind(positions, behavior)
    with raw_server(by_request=kind.turn) as server:
        result = noxcli(
            *("run", WORKFLOW, "--no-check", "Q=x", "--format", "ndjson", "--retry-for", "60s", *argv),
            environ={**(environ or {}), "NOXUS_BACKEND_URL": server.url, "NOXUS_API_KEY": "key-of-a-kind"},
        )
    shown = [one["data"]["content"] for one in result.events if "content" in one["data"]]
    return _seen(shown, result)


def _seen(shown: Sequence[str], result: Result) -> Seen:
    truth = [f"piece {place} " for place in range(COUNT - 1)]
    lost, again = len(set(truth) - set(shown)), len(shown) - len(set(shown))
    in_order = list(dict.fromkeys(shown)) == [one for one in truth if one in set(shown)]
    label = str(result.lines[-1]["data"]["stream"]["continuity"])
    return Seen(lost, again, result.own.count("gap"), label, in_order, result)
