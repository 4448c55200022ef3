"""The formats of stdout, and what all renderers share. The pictures of a run are in the modules of this room."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from noxcli.runs.progress import Step

# How far a task is: the share that is done, if known; what is done in words, and how fast.
Facts = tuple[float | None, str, str]
HowFar = Callable[[float], Facts]  # from the seconds since the task's beginning


class Format(StrEnum):
    """The content of stdout."""

    TEXT = "text"
    CONTENT = "content"
    JSON = "json"
    NDJSON = "ndjson"


class Renderer(Protocol):
    """One picture of a run or of a task. A burst is what arrived together; an empty one means that time has passed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, _burst: "Sequence[Step]") -> None:
        return None
