"""Each event once and in order, across dropped connections; and whether events are missing."""

from array import array
from collections.abc import Sequence
from enum import StrEnum

from noxcli.models import OF_A_RUN, Gap, RunEvent, Update

RECENT = 10_000  # positions: what comes again on one connection does so soon
LEAP = "the server did not send the last event again; events may be missing before the next one"


class Continuity(StrEnum):
    """How complete the events are."""

    PROVEN = "proven"  # read from the start of a run started here, and each resumption overlapped
    ASSUMED = "assumed"  # no gap is known
    BROKEN = "broken"  # a gap is known
    NONE = "none"  # no stream was used


class EventDeduplicator:
    """Decides which events are new, by their positions alone.

    A position (`redisId`) is opaque: compared for equality, never ordered; an empty one is none.

    A resumption asks from the last position but one, so that the last event has to come again: a
    server that has forgotten a position continues with the oldest event that it has, and does not
    say so.
    """

    def __init__(self, positions: Sequence[str] = (), *, from_start: bool = False) -> None:
        """`positions` are the last one or two that another reader has shown, the last one last.

        `from_start` is true if this command has started the run.
        """
        self.from_cursor = bool(positions)  # what is before it is not wanted
        self.gaps = 0
        self.came = 0  # events on this connection
        self.fresh = 0  # those of them that were new
        self.accepted = 0  # new events on all connections
        self.cursor: str | None = None  # the last position
        self._before: str | None = None  # the one before it; None is the start of the run
        if positions:
            self.cursor = positions[-1]
            self._before = positions[0]
        self._shown = array("q", [hash(position) for position in positions])
        # All that were shown before this connection, until one is new; then some.
        self._known: set[int] = set()
        # What has to come again on this connection before anything new.
        self._awaited: str | None = None
        self._to_come = 0.0  # positions, until something can be resumed
        self._is_used = False
        self._is_proven = from_start

    @property
    def label(self) -> Continuity:
        """What is known about the completeness of the events."""
        if self.gaps:
            return Continuity.BROKEN
        if not self._is_used:
            return Continuity.NONE
        if self._is_proven:
            return Continuity.PROVEN
        return Continuity.ASSUMED

    @property
    def can_resume(self) -> bool:
        """False if the server rejected the position to ask from, or an event without one came."""
        return self._to_come <= 0

    def rejected(self) -> None:
        """The server does not know the position."""
        self._to_come = float("inf")

    def opened(self) -> str | None:
        """Begin a connection; return the position to send, None for the start of the run."""
        self.came = 0
        self.fresh = 0
        self._known = set(self._shown)
        self._awaited = self.cursor
        if self.cursor == self._before:
            self._awaited = None  # nothing was shown since the position that is sent
        return self._before

    def accept(self, events: Sequence[RunEvent]) -> list[Update]:
        """Return the new ones, in order, with a Gap before the first that may not be the next."""
        self._is_used = True
        updates: list[Update] = []
        for event in events:
            if not event.redis_id and event.type not in OF_A_RUN:
                # Such as a keep-alive, which no replay repeats. Within a replay, one is as old as
                # what is around it.
                if self._awaited is None:
                    updates.append(event)
                continue
            self.came += 1
            if event.redis_id and hash(event.redis_id) in self._known:
                if self._awaited is None:
                    self._is_proven = False  # outside of a replay, it may also be another event
                elif event.redis_id == self._awaited:
                    self._awaited = None
                continue
            if self._awaited is not None:
                updates.append(self.gap(LEAP))
                self._awaited = None
            self._note(event.redis_id)
            updates.append(event)
        return updates

    def _note(self, position: str | None) -> None:
        """Note the position of a new event."""
        self.fresh += 1
        self.accepted += 1
        if position:
            if len(self._known) >= RECENT:
                self._known.clear()
            self._known.add(hash(position))
            self._shown.append(hash(position))
            self._before = self.cursor
            self.cursor = position
            self._to_come -= 1
        else:
            self._to_come = max(self._to_come, 2)
            self._is_proven = False

    def ended_unannounced(self) -> None:
        """The stream is over, but nothing showed that it was read to its end."""
        self._is_proven = False

    def gap(self, reason: str) -> Gap:
        """Return a gap: from now on, events are known to be missing."""
        self.gaps += 1
        return Gap(reason)
