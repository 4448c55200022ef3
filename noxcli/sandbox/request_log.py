"""The record of every request, and the id of every answer."""

import time
import uuid
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_REQUESTS = 50_000
MOST_NOTED = 64 * 1024 * 1024  # bytes of headers and bodies, of all requests together
_BODY_KEPT = 64 * 1024


@dataclass(slots=True)
class Received:
    """A request that reached the sandbox; `status` stays None if no answer was sent."""

    method: str
    path: str
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)
    status: int | None = None
    body: bytes = b""
    body_bytes: int = 0


class Requests(list[Received]):
    """The requests so far, in order of arrival; the oldest are dropped if they take too much memory."""

    def __init__(self) -> None:
        super().__init__()
        self._noted = 0

    def note(self, received: Received) -> None:
        """Add a request that has just begun."""
        self.append(received)
        self.grown(len(received.path) + sum(len(name) + len(value) for name, value in received.headers.items()))

    def grown(self, size: int) -> None:
        """Count a request's bytes, and make room for them."""
        self._noted += size
        if len(self) > MOST_REQUESTS or self._noted > MOST_NOTED:
            # Half of them at once: one by one, each removal would move all others. Their size is only estimated.
            del self[: max(1, len(self) // 2)]
            self._noted //= 2

    def clear(self) -> None:
        super().clear()
        self._noted = 0


class RequestLog:
    """Gives each answer a request id and keeps a record of each request, in order of arrival."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = Received(scope["method"], _path(scope), _headers(scope))
        self._requests.note(received)

        async def receive_noted() -> Message:
            message = await receive()
            body: bytes = message.get("body", b"")
            received.body_bytes += len(body)
            kept = body[: _BODY_KEPT - len(received.body)]
            received.body += kept
            self._requests.grown(len(kept))
            return message

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                received.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", uuid.uuid4().hex.encode())]
            await send(message)

        await self._app(scope, receive_noted, send_noted)


def _path(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    path: str = scope["raw_path"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
