"""Answers that ordinary responses cannot give: dropped, silent, or streamed until the connection breaks."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
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
    """Raised by a body to break the connection at that point."""


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


class Stream(Response):
    """A body that is sent piece by piece and stops when the client leaves."""

    def __init__(
        self,
        body: AsyncGenerator[bytes, None],
        *,
        status: int = 200,
        content_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(None, status, {**(headers or {}), "content-type": content_type})
        # Without a length, the body is sent in chunks.
        if headers is None or "content-length" not in headers:
            del self.headers["content-length"]
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sender = asyncio.create_task(self._send_body(send))
        watcher = asyncio.create_task(_departure(receive))
        await asyncio.wait({sender, watcher}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sender, watcher):
            task.cancel()
        await asyncio.gather(sender, watcher, return_exceptions=True)

    async def _send_body(self, send: Send) -> None:
        # uvicorn closes the connection where a body does not come to its end.
        with suppress(Break):
            async with aclosing(self._body) as body:
                async for piece in body:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    # Once the client is gone, sending never waits, so the other task could not report it.
                    await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _departure(receive: Receive) -> None:
    """Wait until the client is gone, and discard what it still sends."""
    while (await receive())["type"] != "http.disconnect":
        pass
