"""The formats of stdout, and what all renderers share. The pictures of a run are in the modules of this room."""

from enum import StrEnum
from types import TracebackType
from typing import Self


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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
