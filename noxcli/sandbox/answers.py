"""Answers that ordinary responses cannot give: dropped, silent, or streamed until the connection breaks."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from noxcli.sandbox.documents import encoded

Close = Callable[[], None]


class Json(Response):
    """JSON that also survives text which UTF-8 cannot carry."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encoded(content)


class Break(Exception):
    """Raised by a body to break the connection at that point."""


class Dropped(Response):
    """No answer: the connection just closes."""

    def __init__(self, close: Close) -> None:
        super().__init__()
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        self._close()
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
        close: Close,
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
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sender = asyncio.create_task(self._send_body(send, silent=scope["method"] == "HEAD"))
        watcher = asyncio.create_task(_departure(receive))
        await asyncio.wait({sender, watcher}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sender, watcher):
            task.cancel()
        await asyncio.gather(sender, watcher, return_exceptions=True)

    async def _send_body(self, send: Send, *, silent: bool) -> None:
        try:
            if not silent:
                async with aclosing(self._body) as body:
                    async for piece in body:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                        # Once the client is gone, sending never waits, so the other task could not report it.
                        await asyncio.sleep(0)
        except Break:
            self._close()
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _departure(receive: Receive) -> None:
    """Wait until the client is gone, and discard what it still sends."""
    while (await receive())["type"] != "http.disconnect":
        pass


Address = tuple[str, int]


class Connections:
    """Transports by the client's address."""

    def __init__(self) -> None:
        self._open: dict[Address, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's HTTP protocol, which registers each connection here."""
        opened = self._open

        class NotedConnection(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                opened[_address(transport)] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                opened.pop(_address(self.transport), None)

        return NotedConnection

    def close(self, client: Address | None) -> None:
        """Send what is buffered, then close: a reader of a chunked body sees that its end is missing."""
        transport = self._open.get(client) if client else None
        if transport is not None:
            transport.close()

    def close_all(self) -> None:
        """Close everything at once, including open streams."""
        for transport in list(self._open.values()):
            transport.abort()


def _address(transport: asyncio.Transport) -> Address:
    host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
    return str(host), int(port)
