"""Error answers in FastAPI's style: `detail` is a text, or a list for failed validation."""

from collections.abc import Mapping, Sequence
from typing import Any


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, detail: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


class Invalid(ApiError):
    """422 with the place, a message and a type."""

    def __init__(self, loc: Sequence[str | int], msg: str, type: str) -> None:
        super().__init__(422, [{"loc": list(loc), "msg": msg, "type": type}])
