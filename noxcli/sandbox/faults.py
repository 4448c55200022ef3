"""The faults between a client and the API, as data; a scenario lists them per kind of request."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

KINDS: dict[str, str] = {
    "start": "start a run",
    "sync": "start a run and wait for it in the same request",
    "events": "open an event stream",
    "record": "read a run through its workflow",
    "lookup": "read a run by its id alone",
    "stop": "stop a run",
    "data": "read the data of a run",
    "list": "list runs or workflows",
    "workflow": "read a workflow's definition",
    "file": "ask the API for a file",
    "storage": "download a file from the other origin that a redirect leads to",
    "upload": "upload a file",
    "me": "read the record of the API key",
    "import": "import a bundle",
    "save": "save a version of a workflow",
}
"""Kinds of request, each with its purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request, or with all from there on if it repeats."""

    repeat: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Answer(Fault):
    """Another answer instead of the real one: HTML from a text, JSON from anything else."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LostAnswer(Fault):
    """The request takes effect, but its answer is lost.

    The connection drops (`drop`) or stays open (`hold`).
    """

    how: Literal["drop", "hold"] = "drop"


@dataclass(frozen=True, slots=True)
class Hold(Fault):
    """The real answer, this many seconds late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop(Fault):
    """The connection is dropped without an answer, and the request takes no effect."""


@dataclass(frozen=True, slots=True)
class Cut(Fault):
    """An event stream breaks after some events of its own connection.

    `clean` ends it as if it were complete, `torn` in the middle of a frame, `abort` without the
    last chunk. `silent` keeps it open without events, with the keep-alives of the switches.
    `parting` is sent as it is before that.
    """

    after: int = 0
    how: Literal["clean", "torn", "abort", "silent"] = "clean"
    parting: str = ""


@dataclass(frozen=True, slots=True)
class CutBody(Fault):
    """A download breaks after this many bytes of its own connection, below its announced length."""

    after_bytes: int


FaultPlan = Mapping[str, Sequence[Fault]]

RATE_LIMITED = Answer(429, {"detail": "Rate limit exceeded"}, {"Retry-After": "1"})
BAD_GATEWAY = Answer(
    502, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
)
NO_EVENTS = Answer(501, {"detail": "Event streaming is not available"}, repeat=True)


class FaultQueue:
    """Faults per kind of request, used up in order."""

    def __init__(self, faults: FaultPlan) -> None:
        for kind in faults:
            if kind not in KINDS:
                raise ValueError(f"no request is of kind {kind!r}; there are: {', '.join(KINDS)}")
        self._left: dict[str, deque[Fault]] = {kind: deque(some) for kind, some in faults.items()}

    def take(self, kind: str) -> Fault | None:
        """The next fault of that kind; one that repeats is never used up."""
        left = self._left.get(kind)
        if not left:
            return None
        if left[0].repeat:
            return left[0]
        return left.popleft()
