"""Callbacks: the POST of an ended run to its `callback_url`, on loopback only."""

import asyncio
import ipaddress
import logging
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

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
    """Post once and return the result. Nothing ever leaves this machine: no proxy, no redirect, no TLS."""
    if not _is_loopback(urlsplit(url).hostname or ""):
        _log.warning("callback not sent: the sandbox posts to loopback addresses only")
        return "skipped"
    try:
        return str(await asyncio.to_thread(_post, url, encoded(body)))
    except (OSError, HTTPException, ValueError) as error:
        _log.warning("callback not delivered: %s", error)
        return "failed"


def _post(url: str, body: bytes) -> int:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_SECONDS)
    try:
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
