"""Answers in the style of FastAPI, and such as no ordinary response is: none, a broken body."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from noxcli.sandbox.json_toml import encoded
from noxcli.sandbox.switches import Switches


class Json(Response):
    """JSON that also survives text which UTF-8 cannot carry."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encoded(content)


def answer(status: int, body: Any, headers: Mapping[str, str] | None) -> Response:
    """JSON, or HTML for a text; for None, no body at all."""
    if body is None:
        return Response(status_code=status, headers=headers)
    if isinstance(body, str):
        return HTMLResponse(body, status, headers)
    return Json(body, status, headers)


class Invalid(HTTPException):
    """422 with the place, a message and a type."""

    def __init__(self, loc: Sequence[str | int], msg: str, type: str) -> None:
        super().__init__(422)
        self.detail: Any = [{"loc": list(loc), "msg": msg, "type": type}]


def error_body(status: int, detail: Any, switches: Switches) -> Any:
    """What an error says: an object for JSON, a text for HTML, None for nothing at all."""
    if isinstance(detail, str):
        told = detail
        problems: Any = [{"loc": [], "msg": detail, "type": "error"}]
    else:
        told = ", ".join(f"{_place(each)}: {each['msg']}" for each in detail)
        problems = detail
    match switches.error_body:
        case "list":
            return {"detail": problems}
        case "message" | "error":
            return {switches.error_body: told}
        case "html":
            title = f"{status} {HTTPStatus(status).phrase}"
            return f"<html><head><title>{title}</title></head><body>{told}</body></html>"
        case "empty":
            return None
    return {"detail": detail}


def _place(problem: Mapping[str, Any]) -> str:
    return ".".join([str(part) for part in problem["loc"]])


class Break(Exception):
    """Raised by a streamed body to break the connection at that point: uvicorn closes it."""


class Dropped(Response):
    """No answer: the connection just closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        for connection in scope["app"].state.connections:
            if connection.client == scope["client"]:
                connection.transport.close()
        await _departure(receive)


class Silence(Response):
    """No answer, and the connection stays open until the client gives up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await _departure(receive)


async def _departure(receive: Receive) -> None:
    """Wait until the client is gone, and discard what it still sends."""
    while (await receive())["type"] != "http.disconnect":
        pass
