"""The formats of stdout. The pictures of a run are in the modules of this room."""

from enum import StrEnum


class Format(StrEnum):
    """The content of stdout."""

    TEXT = "text"
    CONTENT = "content"
    JSON = "json"
    NDJSON = "ndjson"
