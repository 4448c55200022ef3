"""The formats of stdout, and what all renderers share. The pictures of a run are in the modules of this room."""

from enum import StrEnum
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

    def __exit__(self, *_: object) -> None:
        pass
