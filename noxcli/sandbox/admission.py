"""The checks of every request before its endpoint: key, permission, rate limit, faults."""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from secrets import compare_digest
from time import monotonic

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from noxcli.sandbox.answers import Dropped, Silence, answer
from noxcli.sandbox.faults import Answer, Drop, Fault, Hold, LostAnswer
from noxcli.sandbox.request import ApiRequest
from noxcli.sandbox.switches import Switches

Endpoint = Callable[[ApiRequest], Awaitable[Response]]


def guarded(
    kind: str, endpoint: Endpoint, *, running: bool = False, open_to_all: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint behind the checks. `running` requires the permission `flows_run`."""

    async def guard(given: Request) -> Response:
        request = ApiRequest(given.scope, given.receive)
        workspace = request.workspace
        if not open_to_all:
            authenticate(request, running=running)
        limit: RateLimit = request.app.state.limit
        limit.check(workspace.switches, kind)
        owner = request.owner
        fault = workspace.faults.take(kind)
        if fault is None and owner is not None:
            fault = owner.faults.take(kind)
        if fault is None and kind == "import":
            fault = _fault_of_import(request)
        return await _through(fault, endpoint, request)

    return guard


def _fault_of_import(request: ApiRequest) -> Fault | None:
    """The first fault that a workflow has for imports: their path names no workflow."""
    for workflow in request.workspace.workflows.values():
        fault = workflow.faults.take("import")
        if fault is not None:
            return fault
    return None


def authenticate(request: ApiRequest, *, running: bool) -> None:
    """401 without the right key; 403 where the key may not run flows."""
    workspace = request.workspace
    key = request.headers.get("x-api-key", "").encode()
    limited = compare_digest(key, workspace.limited_key.encode())
    if not limited and not compare_digest(key, workspace.key.encode()):
        raise HTTPException(int(request.switches.key_refusal), "Invalid or missing API key")
    if limited and running:
        raise HTTPException(403, "API key lacks permission: flows_run")


class RateLimit:
    """A limit of requests per second, for the whole server."""

    def __init__(self) -> None:
        self._served: deque[float] = deque()  # moments of the last second
        self._left = 0.0  # requests, of this window or in the bucket
        self._since = 0.0

    def check(self, switches: Switches, kind: str) -> None:
        """Count a request, or reject it with 429."""
        rate = switches.rate_limit
        if not rate or (switches.rate_limit_counts == "starts" and kind != "start"):
            return
        now = monotonic()
        while self._served and self._served[0] <= now - 1:
            self._served.popleft()
        if switches.rate_limit_window == "bucket":
            refilled = self._left + (now - self._since) * rate
            self._left = min(rate, refilled)
            self._since = now
        elif now >= self._since + 1:
            self._left = rate
            self._since = now
        if switches.rate_limit_window == "sliding":
            is_full = len(self._served) >= rate
        else:
            is_full = self._left < 1
        if is_full:
            raise HTTPException(429, "Rate limit exceeded", _retry_after(switches))
        self._served.append(now)
        self._left -= 1


def _retry_after(switches: Switches) -> dict[str, str]:
    if switches.retry_after == "none":
        return {}
    seconds = switches.retry_after_seconds
    if switches.retry_after == "seconds":
        return {"Retry-After": str(seconds)}
    # A date has whole seconds only; rounded down, the client would retry too early.
    when = datetime.now(UTC) + timedelta(seconds=seconds + 1)
    return {"Retry-After": format_datetime(when, usegmt=True)}


async def _through(fault: Fault | None, endpoint: Endpoint, request: ApiRequest) -> Response:
    match fault:
        case Answer():
            body = fault.body
            if body is None:
                body = {"detail": HTTPStatus(fault.status).phrase}
            return answer(fault.status, body, fault.headers)
        case Drop():
            return Dropped()
        case Hold():
            await request.workspace.pause(fault.seconds)
        case LostAnswer():
            await endpoint(request)
            if fault.how == "drop":
                return Dropped()
            return Silence()
        case _:
            request.fault = fault
    return await endpoint(request)
