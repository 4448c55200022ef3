"""The steps of a run's script, as data, and functions that keep scripts short."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any


@dataclass(frozen=True, slots=True)
class Emit:
    """A `content` event: a node changes its status, or streams text.

    A change of status is followed (or, when the node starts, preceded) by the matching `state`
    event.
    """

    node: str
    content: Any = None
    status: str = "running"


@dataclass(frozen=True, slots=True)
class State:
    """A `state` event; with `status` the whole run takes that status first, known word or not."""

    status: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """An event exactly as given, for undocumented shapes and for replayed runs."""

    type: str
    data: Any
    redis_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Time that passes, in seconds at speed 1."""

    seconds: float


Step = Emit | State | Raw | Sleep
Script = Sequence[Step] | Callable[[dict[str, Any]], Iterable[Step]]


def node_runs(node: str, pieces: Sequence[Any] = (), seconds: float = 0.0) -> list[Step]:
    """A node starts, streams its pieces evenly over the seconds, and completes."""
    steps: list[Step] = [Emit(node)]
    if not pieces and seconds:
        steps.append(Sleep(seconds))
    for piece in pieces:
        if seconds:
            steps.append(Sleep(seconds / len(pieces)))
        steps.append(Emit(node, piece))
    return [*steps, Emit(node, status="completed")]


def node_fails(node: str, reason: str, seconds: float = 0.0) -> list[Step]:
    """A node starts and, after a while, fails with a readable reason."""
    return [*node_runs(node, seconds=seconds)[:-1], Emit(node, reason, status="failed")]


def node_skipped(node: str) -> list[Step]:
    """A node that a branch skipped."""
    return [Emit(node, status="skipped")]


def alongside(*timelines: Sequence[Step]) -> list[Step]:
    """Several timelines as one, each keeping its own pace: nodes that run in parallel."""
    timed: list[tuple[float, Step]] = []
    for timeline in timelines:
        at = 0.0
        for step in timeline:
            if isinstance(step, Sleep):
                at += step.seconds
            else:
                timed.append((at, step))
    steps: list[Step] = []
    now = 0.0
    for at, step in sorted(timed, key=itemgetter(0)):
        if at > now:
            steps.append(Sleep(at - now))
            now = at
        steps.append(step)
    return steps


def words(text: str, count: int = 1) -> list[str]:
    """A text split into pieces of some words each, without loss, as a model streams it."""
    parts = text.split(" ")
    last = parts.pop()
    spaced = [f"{part} " for part in parts]
    spaced.append(last)
    return ["".join(spaced[at : at + count]) for at in range(0, len(spaced), count)]
