"""Which answer, and which exception of requests and urllib3, is which of our errors, and the reason in its body."""

import json
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from noxcli.api.body import AnswerLimit, pieces_of
from noxcli.api.transport import bundle_variable, proxy_for, proxy_variable
from noxcli.codec import decode_json
from noxcli.config.settings import Settings
from noxcli.errors import (
    REFUSALS,
    ConnectionRejected,
    NotFound,
    NoxError,
    ProxyUnreachable,
    RequestRejected,
    Unauthorized,
    Unavailable,
)
from noxcli.masking import Mask
from noxcli.timing import show_seconds
from noxcli.urls import PORTS, is_loopback, shown_url, to_url

# No connection, so nothing was sent. An unknown name is also a NewConnectionError.
NO_CONNECTION = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
)
# What OpenSSL says of a first answer that is not TLS, in its versions (urllib3 looks for the same, in connection.py).
NOT_TLS = (
    "wrong version number",
    "wrong_version_number",
    "unknown protocol",
    "record layer failure",
)
CONNECT_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")  # as http.client says it
IN_OPENSSL = re.compile(
    r" *\(_ssl\.c:\d+\)"
)  # where Python's source saw it, which tells users nothing
# Errors of a broken connection: requests wraps them while connecting, read1() raises urllib3's own. An odd number in
# a head or a chunk size surfaces as the error of int(), or of its result.
LIBRARIES = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException)
BROKEN = (*LIBRARIES, OSError, ValueError, OverflowError)
# What int() says of nothing: the connection ended where a chunk's size should be.
NO_CHUNK_SIZE = "invalid literal for int() with base 16: b''"
ERROR_BODY_LIMIT, ERROR_BODY_SECONDS = 64 * 1024, 10.0
MAX_DETAIL = 300
NO_SUCH_HOST, PASSWORD = "the host name is unknown", "put user and password into"
UNKNOWN_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
REASONS = ("detail", "msg", "message", "error")  # where an error, or a part of it, has its reason
NOT_THE_API = "this was not the API, which answers in JSON: is a gateway being restarted, or a firewall in between?"
# noxus-sdk 0.6.0, errors.py: where it reads the request id.
REQUEST_ID_HEADERS = ("x-request-id", "x-noxus-request-id")


# Where Noxus has been seen to answer: noxus-sdk 0.6.0 and the docs; noxus-lab 0.14.0; a public client, 2025-11.
ADDRESSES = (
    "https://backend.noxus.ai",
    "https://api.app.noxus.ai",
    "https://app.noxus.ai/api/backend",
)


def facts_of(response: requests.Response) -> dict[str, Any]:
    """Return the details of an answer for an error about it: its status, and the request's id in the server's logs."""
    request_id = next(filter(None, map(response.headers.get, REQUEST_ID_HEADERS)), None)
    return {"http_status": response.status_code, "request_id": request_id}


def answer_type(response: requests.Response) -> str:
    """Return the type in Content-Type, in lower case."""
    kind: str = response.headers.get("Content-Type", "")
    return kind.partition(";")[0].strip().lower()


def is_of_json(response: requests.Response) -> bool:
    """True for an answer that says that it is JSON."""
    kind = answer_type(response)
    return kind == "application/json" or kind.endswith("+json")


def is_page(response: requests.Response) -> bool:
    """True for a web page, which the API never sends."""
    return answer_type(response) in {"text/html", "application/xhtml+xml"}


def failure_of(
    response: requests.Response, mask: Mask, settings: Settings, *, ours: bool, saw_json: bool
) -> NoxError:
    """Return the error for an unsuccessful answer; read its body within the limits, and close it.

    An answer to a request that was sent without our key says nothing about it. `mask` hides secrets in what the answer
    quotes. `saw_json`: the API has answered in JSON, so that a refusal in another form is one of something before it,
    which may pass.
    """
    body, limit = b"", AnswerLimit(ERROR_BODY_SECONDS)
    with suppress(*BROKEN), response:
        for piece in pieces_of(response):
            body += piece
            limit.received(len(piece))
            if len(body) >= ERROR_BODY_LIMIT:
                break
    error = _failure(
        response, describe(body, mask), settings if ours else None, at_first=not saw_json
    )
    error.in_json = False
    with suppress(ValueError):
        decode_json(body)
        error.in_json = is_of_json(response)
    if saw_json and not error.in_json and response.status_code in REFUSALS:
        return not_the_api(error)
    if is_page(response) and response.status_code >= 500:
        error.hint = error.hint or NOT_THE_API
    return error


def not_the_api(error: NoxError) -> Unavailable:
    """Return the error for a refusal by something before the API."""
    return Unavailable(error.message, NOT_THE_API, **error.facts())


def _failure(
    response: requests.Response, reason: str, settings: Settings | None, *, at_first: bool
) -> NoxError:
    status, facts, key_from = (
        response.status_code,
        facts_of(response),
        settings and settings.key_from,
    )
    host = urlsplit(response.url).netloc
    what = f"{host} answered {status}" + (f": {reason}" if reason else "")
    if status == 407 and (proxy := proxy_for(to_url(response.url))) is not None:
        where = proxy_variable(urlsplit(response.url).scheme)
        return RequestRejected(
            f"the proxy {shown_url(proxy)} answered 407", f"{PASSWORD} {where}", **facts
        )
    if status == 401 and key_from is not None:
        others = [address for address in ADDRESSES if urlsplit(address).netloc != host]
        elsewhere = (
            f" Noxus also answers at {', '.join(others)} (set NOXUS_BACKEND_URL)"
            if at_first
            else ""
        )
        return Unauthorized(what, f"is the key from {key_from} for this host?{elsewhere}", **facts)
    if status == 403 and key_from is not None:
        hint = f"does the key from {key_from} lack a permission (running needs flows_run), or is it not for this host?"
        if is_page(response):
            hint = "a web page said so, not the API: does a firewall in front of it block this machine?"
        return Unauthorized(what, hint, **facts)
    if status in {404, 410}:
        path = urlsplit(response.url).path
        doubled, before = "/v1/v1/" in path, path.partition("/v1/")[0]
        aliases = settings.aliases if settings is not None else {}
        alias = next(
            (
                f" {to!r} of the alias {name!r}"
                for name, to in aliases.items()
                if to in path.split("/")
            ),
            "",
        )
        hint = f"check the id{alias}{f', {before} in the base URL,' if before else ''} and the key's workspace"
        hint = "drop /v1 from the base URL, noxcli adds it" if doubled else hint
        return NotFound(what, hint, **facts)
    if status in {408, 429} or status >= 500:
        seconds = retry_after_of(response.headers)
        wait = f"the server asks to wait {show_seconds(seconds)}" if seconds else None
        return Unavailable(what, wait, retry_after=seconds, **facts)
    return RequestRejected(what, **facts)


def unavailable(error: BaseException, url: str, mask: Mask, *, sent: bool = True) -> Unavailable:
    """Return the error for a connection that failed or broke."""
    parts, chain, cause = urlsplit(url), list(_inwards(error)), cause_of(error, mask)
    if (
        not sent
        and _any_is(chain, urllib3.exceptions.ProxyError)
        and (proxy := proxy_for(to_url(url))) is not None
    ):
        return _of_proxy(shown_url(proxy), parts.scheme, parts.netloc, chain, cause)
    rejected = next(
        (link.verify_message for link in chain if isinstance(link, ssl.SSLCertVerificationError)),
        None,
    )
    if not sent and rejected is not None:
        what = f"the certificate of {parts.netloc} is not trusted: {rejected.lower()}"
        return ConnectionRejected(what, _way_to_trust(rejected), sent=False)
    if not sent and any(word in str(link).lower() for link in chain for word in NOT_TLS):
        hint = f"is it http://{parts.netloc}, or another port?"
        return ConnectionRejected(f"{parts.netloc} does not speak TLS", hint, sent=False)
    if _any_is(chain, urllib3.exceptions.NameResolutionError):
        hint = (
            "is the base URL right?"
            if cause == NO_SUCH_HOST
            else "is the network up, and its DNS server?"
        )
        return Unavailable(f"can't look up {parts.hostname}: {cause}", hint, sent=False)
    what, hint = (
        f"no answer from {parts.netloc}: {cause}",
        "is the base URL right, and the network up?",
    )
    if is_loopback(parts.hostname or "") and _any_is(chain, ConnectionRefusedError):
        hint = f"start a server there, or the sandbox with: noxcli sandbox --port {parts.port or PORTS[parts.scheme]}"
    return Unavailable(what, hint, sent=sent)


def _of_proxy(
    proxy: str, scheme: str, host: str, chain: Iterable[BaseException], cause: str
) -> Unavailable:
    """Return the error for a proxy that did not connect."""
    variable, around = proxy_variable(scheme), f"add {host.partition(':')[0]} to NO_PROXY"
    refused = next(
        (found[1] for link in chain if (found := CONNECT_REFUSED.search(str(link)))), None
    )
    if refused is None:
        lasts = cause == NO_SUCH_HOST or _any_is(chain, ConnectionRefusedError)
        kind = ProxyUnreachable if lasts else Unavailable
        return kind(
            f"no answer from the proxy {proxy}: {cause}",
            f"correct {variable}, or {around}",
            sent=False,
        )
    kind = ConnectionRejected if refused.startswith("4") else Unavailable
    hint = (
        f"{PASSWORD} {variable}"
        if refused == "407"
        else f"ask who runs the proxy for access, or {around}"
    )
    return kind(f"the proxy {proxy} answered {refused} to CONNECT {host}", hint, sent=False)


def _way_to_trust(rejected: str) -> str:
    if "expired" in rejected or "not yet valid" in rejected:
        return "is this machine's clock right? Else who runs the server must renew it"
    variable = bundle_variable()
    own = "REQUESTS_CA_BUNDLE" if variable is None else f"the file that {variable} names"
    return f"is the base URL right? A private CA belongs in {own}"


def never_connected(error: BaseException) -> bool:
    """True if there was no connection to send anything over."""
    return _any_is(_inwards(error), *NO_CONNECTION)


def cause_of(error: BaseException, mask: Mask) -> str:
    """Return a short text for a connection error, without the nesting that the libraries add.

    The text may quote the server, and Python may have truncated it.
    """
    chain = list(_inwards(error))
    unresolved = next((link for link in chain if isinstance(link, socket.gaierror)), None)
    if unresolved is not None:
        return NO_SUCH_HOST if unresolved.errno in UNKNOWN_NAME else "the resolver does not answer"
    reason = next(
        (
            str(link.strerror)
            for link in reversed(chain)
            if isinstance(link, OSError) and link.strerror
        ),
        None,
    )
    if reason:
        return IN_OPENSSL.sub("", reason.lower())
    if _any_is(chain, urllib3.exceptions.ConnectTimeoutError):
        return "timed out while connecting"
    if _any_is(chain, TimeoutError, urllib3.exceptions.TimeoutError):
        return "timed out while reading"
    is_odd = isinstance(chain[-1], ValueError | OverflowError) and not isinstance(
        chain[-1], LIBRARIES
    )
    if is_odd and str(chain[-1]) != NO_CHUNK_SIZE:
        return "the answer is not valid HTTP"
    if is_odd or _any_is(chain, IncompleteRead):
        return "the connection was dropped before the end of the answer"
    return " ".join(mask.torn(str(chain[-1])).split()) or type(chain[-1]).__name__


def _any_is(chain: Iterable[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in chain)


def _inwards(error: BaseException) -> Iterator[BaseException]:
    link: object = error
    for _ in range(20):
        if not isinstance(link, BaseException):
            return
        yield link
        inner = (getattr(link, "reason", None), *link.args, link.__cause__, link.__context__)
        link = next(
            (candidate for candidate in inner if isinstance(candidate, BaseException)), None
        )


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds an answer asks to wait, in either form; None for anything odd or negative."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = parse_date(text)
    if until is None:
        return None
    now = parse_date(headers.get("Date")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def parse_date(value: str | None) -> datetime | None:
    """Return the time in an HTTP date, None for anything odd."""
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def describe(body: bytes, mask: Mask | None = None) -> str:
    """Return the reason in an error body, or an empty string if it has none.

    FastAPI puts it in `detail` (text, a list with `loc`, or an object); noxus-sdk 0.6.0 (errors.py) also reads
    `message` and `error`. Gateways answer web pages. `mask` is applied before we truncate; the server may have
    truncated as well.
    """
    mask = mask or Mask()
    text = body.decode("utf-8", "replace").strip()
    try:
        reason = _from_json(decode_json(text))
    except ValueError:
        reason = "a web page" if text.startswith("<") else text
    line = " ".join(mask.torn(reason).split())
    return line if len(line) <= MAX_DETAIL else f"{line[:MAX_DETAIL]}…"


def _from_json(answer: Any) -> str:
    """Return the reason in a JSON value; one that has none is the reason itself."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return ", ".join(map(_from_json, answer))
    if isinstance(answer, dict):
        answer = {name: value for name, value in answer.items() if value}
    named = (answer.get(name) for name in REASONS) if isinstance(answer, dict) else ()
    reason = next((each for each in named if isinstance(each, str | list | dict)), None)
    if reason is None:
        return json.dumps(answer, ensure_ascii=False) if answer else ""
    where = answer.get("loc")
    at = f"{'.'.join(map(str, where))}: " if isinstance(where, list) and where else ""
    return at + _from_json(reason)
