"""What every request passes first: its record, the refusal of web pages, the form of paths."""

import re
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from noxcli.sandbox.answers import Json
from noxcli.sandbox.switches import Switches

BELOW = "/api/backend"
_WEB_APP = (
    "<!doctype html><html><head><title>Noxus</title></head><body><div id='app'></div></body></html>"
)
# Any port: a relay or a forwarded port on this machine has its own. A page whose own name points
# here by DNS still sends that name.
_THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


class PathFilter:
    """Answers what must not reach the API.

    The switches may put the API below another path, or require a slash at the end of each path.
    """

    def __init__(self, app: ASGIApp, switches: Switches) -> None:
        self._app = app
        self._switches = switches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        answer = _refusal(scope) or self._elsewhere(path)
        if answer is not None:
            await answer(scope, receive, send)
            return
        if self._switches.web_app != "none":
            path = path.removeprefix(BELOW)
        if self._switches.trailing_slash:
            path = path.removesuffix("/")
        await self._app({**scope, "path": path}, receive, send)

    def _elsewhere(self, path: str) -> Response | None:
        if self._switches.web_app != "none" and not path.startswith(BELOW):
            return HTMLResponse(_WEB_APP, int(self._switches.web_app))
        if self._switches.trailing_slash and not path.endswith("/"):
            return RedirectResponse(f"{path}/", 307)
        return None


def _refusal(scope: Scope) -> Json | None:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not _THIS_MACHINE.fullmatch(hosts[0]):
        return Json({"detail": "The sandbox answers to localhost, 127.0.0.1 and [::1] only"}, 421)
    origins = {value.decode("latin-1").lower() for name, value in headers if name == b"origin"}
    if origins - {f"http://{hosts[0].lower()}"}:
        return Json({"detail": "The sandbox answers no page of another site"}, 403)
    return None


MAX_REQUESTS = 50_000


@dataclass(slots=True)
class Received:
    """A request that reached the sandbox; `status` stays None if no answer was sent."""

    method: str
    path: str
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)
    status: int | None = None


class RequestLog:
    """Gives each answer a request id and keeps a record of each request, in order of arrival."""

    def __init__(self, app: ASGIApp, requests: deque[Received]) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = Received(scope["method"], _path(scope), _headers(scope))
        self._requests.append(received)

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                received.status = message["status"]
                request_id = (b"x-request-id", uuid.uuid4().hex.encode())
                message["headers"] = [*message["headers"], request_id]
            await send(message)

        await self._app(scope, receive, send_noted)


def _path(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    path: str = scope["raw_path"].decode("latin-1")
    if query:
        return f"{path}?{query}"
    return path


def _headers(scope: Scope) -> dict[str, str]:
    headers = {}
    for name, value in scope["headers"]:
        headers[name.decode("latin-1").lower()] = value.decode("latin-1")
    return headers
