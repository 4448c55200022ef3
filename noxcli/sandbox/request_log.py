"""The record of the newest requests, and the id of every answer."""

import time
import uuid
from collections import deque
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_REQUESTS = 50_000
_BODY_KEPT = 4 * 1024  # bytes of each


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


class RequestLog:
    """Gives each answer a request id and keeps a record of each request, in order of arrival."""

    def __init__(self, app: ASGIApp, requests: deque[Received]) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = Received(scope["method"], _path(scope), _headers(scope))
        self._requests.append(received)

        async def receive_noted() -> Message:
            message = await receive()
            body: bytes = message.get("body", b"")
            received.body_bytes += len(body)
            received.body += body[: _BODY_KEPT - len(received.body)]
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
