"""Answers that ordinary responses cannot give: any JSON, none at all, or a body that breaks."""

from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from noxcli.sandbox.documents import encoded


class Json(Response):
    """JSON that also survives text which UTF-8 cannot carry."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encoded(content)


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
