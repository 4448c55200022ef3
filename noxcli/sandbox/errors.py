"""Error answers in FastAPI's style, where `detail` is a text or a list, and in other forms."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from noxcli.sandbox.switches import Switches


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


def error_body(status: int, detail: Any, switches: Switches) -> Any:
    """What an error says: an object for JSON, a text for HTML, None for nothing at all."""
    told = detail if isinstance(detail, str) else ", ".join(f"{_place(each)}: {each['msg']}" for each in detail)
    match switches.error_body:
        case "list":
            return {"detail": [{"loc": [], "msg": detail, "type": "error"}] if isinstance(detail, str) else detail}
        case "message" | "error":
            return {switches.error_body: told}
        case "html":
            return f"<html><head><title>{status} {HTTPStatus(status).phrase}</title></head><body>{told}</body></html>"
        case "empty":
            return None
    return {"detail": detail}


def _place(problem: Mapping[str, Any]) -> str:
    return ".".join(map(str, problem["loc"]))
