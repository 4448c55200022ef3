"""The formats of stdout, and what all renderers share. The pictures of a run are in the modules of this room."""

from collections.abc import Callable
from enum import StrEnum
from typing import Self

# How far a task is: the share that is done, if known; what is done in words, and how fast.
Facts = tuple[float | None, str, str]
HowFar = Callable[[float], Facts]  # from the seconds since the task's beginning


class Format(StrEnum):
    """The content of stdout."""

    TEXT = "text"
    CONTENT = "content"
    JSON = "json"
    NDJSON = "ndjson"


class BaseRenderer:
    """A renderer without set-up and clean-up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
