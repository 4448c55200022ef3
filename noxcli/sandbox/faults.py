"""What can go wrong between a client and the API, as data. A scenario lists faults per kind of request."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal[
    "start", "sync", "events", "record", "lookup", "stop", "data", "list", "workflow", "file", "storage", "upload", "me"
]
"""Kinds of request: `record` reads a run through its workflow, `lookup` by its id alone, `file` asks the API for
a file and `storage` the other origin that a redirect leads to."""

KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer instead of the true one. Text is served as HTML, anything else as JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class LostAnswer:
    """The request takes effect, but its answer is lost: the connection drops, or nothing is ever said."""

    how: Literal["drop", "hold"] = "drop"
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """The true answer, some seconds late."""

    seconds: float
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection is dropped without an answer, and the request takes no effect."""

    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """An event stream breaks after some events of its own connection.

    clean: ends as if all were said; torn: ends in the middle of a frame; abort: the connection goes down without
    the last chunk; silent: stays open and says nothing more; keepalive: only comments from then on.
    `parting` is sent raw before that, e.g. an `event: error` frame.
    """

    after: int = 0
    how: Literal["clean", "torn", "abort", "silent", "keepalive"] = "clean"
    parting: str = ""
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class WrongType:
    """An event stream answered with 200 but with something that is no event stream."""

    content_type: str = "text/html; charset=utf-8"
    body: str = "<html><body>Please sign in</body></html>"
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class CutBody:
    """A download that breaks after some bytes of its own connection, whatever its length said."""

    after_bytes: int
    repeat: bool = False


Fault = Answer | LostAnswer | Hold | Drop | Cut | WrongType | CutBody
FaultPlan = Mapping[Kind, Sequence[Fault]]

RATE_LIMITED = Answer(429, {"detail": "Rate limit exceeded"}, {"Retry-After": "1"})
BAD_GATEWAY = Answer(502, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
NO_EVENTS = Answer(501, {"detail": "Event streaming is not available"}, repeat=True)


class FaultQueue:
    """Faults per kind of request, used up in order."""

    def __init__(self, faults: FaultPlan) -> None:
        for kind in faults:
            if kind not in KINDS:
                raise ValueError(f"no request is of kind {kind!r}; there are: {', '.join(KINDS)}")
        self._left: dict[str, deque[Fault]] = {kind: deque(some) for kind, some in faults.items()}

    def take(self, kind: str) -> Fault | None:
        """The next fault of that kind; one that repeats stays for ever."""
        left = self._left.get(kind)
        if not left:
            return None
        return left[0] if left[0].repeat else left.popleft()
