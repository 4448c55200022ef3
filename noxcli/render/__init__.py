"""What stdout carries. The pictures of a run are in the modules of this room."""

from enum import StrEnum


class Format(StrEnum):
    """What stdout carries."""

    TEXT = "text"
    CONTENT = "content"
    JSON = "json"
    NDJSON = "ndjson"
