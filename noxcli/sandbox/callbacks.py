"""Callbacks: the POST of an ended run to its `callback_url`, on loopback only."""

import asyncio
import ipaddress
import logging
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from noxcli.sandbox.documents import encoded
from noxcli.sandbox.errors import Invalid

_log = logging.getLogger("noxcli.sandbox")
_SECONDS = 5.0


def checked(url: Any) -> str | None:
    """The address, or the API's documented 422 for anything but an http(s) URL."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except (ValueError, AttributeError, TypeError):
        valid = False
    if not valid:
        raise Invalid(["body", "callback_url"], "Input should be a valid URL", "url_parsing")
    return str(url)


async def deliver(url: str, body: dict[str, Any]) -> str:
    """Post once and return the result. Nothing ever leaves this machine."""
    if not _is_loopback(urlsplit(url).hostname or ""):
        _log.warning("callback not sent: the sandbox posts to loopback addresses only")
        return "skipped"
    try:
        return str(await asyncio.to_thread(_post, url, encoded(body)))
    except OSError as error:
        _log.warning("callback not delivered: %s", error)
        return "failed"


class _NoRedirect(HTTPRedirectHandler):
    """A redirect could lead off this machine."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, body: bytes) -> int:
    # A proxy from the environment must not see requests to this machine.
    opener = build_opener(ProxyHandler({}), _NoRedirect())
    request = Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310 - checked: http(s)
    with opener.open(request, timeout=_SECONDS) as answer:
        return int(answer.status)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
