"""Which answer, and which exception of the libraries, is which of our errors."""

import json
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, IncompleteRead
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

from noxcli.api.body import AnswerLimit, pieces_of
from noxcli.api.proxies import has_credentials, proxy_for, proxy_variable
from noxcli.api.transport import bundle_variable
from noxcli.codec import decode_json
from noxcli.config.settings import Settings
from noxcli.errors import (
    CommandLine,
    ConnectionRejected,
    Hint,
    NotFound,
    NoxError,
    ProxyUnreachable,
    Refusal,
    RequestRejected,
    Unauthorized,
    Unavailable,
    facts_about,
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
# What OpenSSL says of a first answer that is not TLS, in its versions (urllib3 looks for the same,
# in connection.py).
NOT_TLS = (
    "wrong version number",
    "wrong_version_number",
    "unknown protocol",
    "record layer failure",
)
CONNECT_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")  # as http.client says it
# Where Python's source saw it, which tells users nothing.
IN_OPENSSL = re.compile(r" *\(_ssl\.c:\d+\)")
# Errors of a broken connection: requests wraps them while connecting, read1() raises urllib3's own.
# An odd number in a head or a chunk size surfaces as the error of int(), or of its result.
LIBRARIES = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException)
BROKEN = (*LIBRARIES, OSError, ValueError, OverflowError)
# What int() says of nothing: the connection ended where a chunk's size should be.
NO_CHUNK_SIZE = "invalid literal for int() with base 16: b''"
ERROR_BODY_LIMIT = 64 * 1024
ERROR_BODY_SECONDS = 10.0
MAX_DETAIL = 300
MAX_CHAIN = 20  # exceptions, each the reason of the one before
NO_SUCH_HOST = "the host name is unknown"
UNKNOWN_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
REASONS = ("detail", "msg", "message", "error")  # where an error, or a part of it, has its reason
NOT_THE_API = (
    "this was not the API, which answers in JSON: "
    "is a gateway being restarted, or a firewall in between?"
)
WITHOUT_AN_ID = frozenset({"workflows", "runs", "workflows/import", "admin/me"})
# noxus-sdk 0.6.0, errors.py: where it reads the request id.
REQUEST_ID_HEADERS = ("x-request-id", "x-noxus-request-id")


# Where Noxus has been seen to answer: noxus-sdk 0.6.0 and the docs; noxus-lab 0.14.0; a public
# client, 2025-11.
ADDRESSES = (
    "https://backend.noxus.ai",
    "https://api.app.noxus.ai",
    "https://app.noxus.ai/api/backend",
)


def facts_of(response: requests.Response) -> dict[str, Any]:
    """Return the details for an error about an answer: its status, and the request's id."""
    request_id = None
    for name in REQUEST_ID_HEADERS:
        request_id = request_id or response.headers.get(name)
    return {"http_status": response.status_code, "request_id": request_id or None}


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


class ErrorBody(NamedTuple):
    """The body of an unsuccessful answer: its reason, and whether it is JSON, as the API's are."""

    reason: str
    is_json: bool


def read_error(response: requests.Response, mask: Mask) -> ErrorBody:
    """Read the body of an unsuccessful answer within limits, and close it; `mask` hides secrets."""
    body = b""
    limit = AnswerLimit(ERROR_BODY_SECONDS)
    with suppress(*BROKEN), response:
        for piece in pieces_of(response):
            body += piece
            limit.received(len(piece))
            if len(body) >= ERROR_BODY_LIMIT:
                break
    try:
        decode_json(body)
    except ValueError:
        return ErrorBody(describe(body, mask), is_json=False)
    return ErrorBody(describe(body, mask), is_of_json(response))


def failure_of(
    response: requests.Response, body: ErrorBody, settings: Settings, *, ours: bool, saw_json: bool
) -> NoxError:
    """Return the error for an unsuccessful answer.

    An answer to a request that was sent without `ours`, the key, says nothing about it. `saw_json`:
    the API has answered in JSON, so that a refusal in another form is one of something before it,
    which may pass.
    """
    status = response.status_code
    facts = facts_about(status)
    if facts.refuses_access and saw_json and not body.is_json:
        return not_the_api(_refusal_of(response, body, settings if ours else None))
    if facts.is_repeated:
        return _trouble_of(response, body)
    return _refusal_of(response, body, settings if ours else None, at_first=not saw_json)


def not_the_api(error: NoxError) -> Unavailable:
    """Return the error for a refusal by something before the API."""
    return Unavailable(error.message, NOT_THE_API, **error.facts())


def _what_was_answered(response: requests.Response, body: ErrorBody) -> str:
    what = f"{urlsplit(response.url).netloc} answered {response.status_code}"
    return f"{what}: {body.reason}" if body.reason else what


def _trouble_of(response: requests.Response, body: ErrorBody) -> Unavailable:
    """Return the error for an answer after which the same request may work later."""
    seconds = retry_after_of(response.headers)
    hint = None
    if seconds:
        hint = f"the server asks to wait {show_seconds(seconds)}"
    elif is_page(response) and response.status_code >= 500:
        hint = NOT_THE_API
    what = _what_was_answered(response, body)
    return Unavailable(what, hint, retry_after=seconds, **facts_of(response))


def _refusal_of(
    response: requests.Response,
    body: ErrorBody,
    settings: Settings | None,
    *,
    at_first: bool = False,
) -> NoxError:
    """Return the error for a refusal; `settings` is None if the request had no key."""
    status = response.status_code
    what = _what_was_answered(response, body)
    facts = {
        **facts_of(response),
        "refusal": Refusal.OF_THE_API if body.is_json else Refusal.DOUBTFUL,
    }
    key_from = settings.key_from if settings is not None else None
    proxy = proxy_for(to_url(response.url)) if status == 407 else None
    if proxy is not None:
        variable = proxy_variable(urlsplit(response.url).scheme)
        what = f"the proxy {shown_url(proxy)} answered 407"
        return RequestRejected(what, _way_through(proxy, variable), **facts)
    if status == 401 and key_from is not None:
        hint = f"is the key from {key_from} for this host?"
        if at_first:
            hint += _other_addresses(response)
        return Unauthorized(what, hint, **facts)
    if status == 403 and key_from is not None:
        hint = (
            f"does the key from {key_from} lack a permission (running needs flows_run), "
            "or is it not for this host?"
        )
        if is_page(response):
            hint = (
                "a web page said so, not the API: "
                "does a firewall in front of it block this machine?"
            )
        return Unauthorized(what, hint, **facts)
    if status in {404, 410}:
        return NotFound(what, _way_to_find(response, settings), **facts)
    return RequestRejected(what, **facts)


def _other_addresses(response: requests.Response) -> str:
    host = urlsplit(response.url).netloc
    others = [address for address in ADDRESSES if urlsplit(address).netloc != host]
    return f" Noxus also answers at {', '.join(others)} (set NOXUS_BACKEND_URL)"


def _way_to_find(response: requests.Response, settings: Settings | None) -> str:
    """Return the hint for something that the server does not have."""
    path = urlsplit(response.url).path
    if "/v1/v1/" in path:
        return "drop /v1 from the base URL, noxcli adds it"
    before, _, endpoint = path.partition("/v1/")
    if endpoint in WITHOUT_AN_ID:
        wrong = f"{before} in the base URL" if before else "the base URL"
        return f"check {wrong}: no API answers there"
    hint = "check the id"
    aliases = settings.aliases if settings is not None else {}
    for name, to in aliases.items():
        if to in path.split("/"):
            hint += f" {to!r} of the alias {name!r}"
            break
    if before:
        hint += f", {before} in the base URL,"
    return f"{hint} and the key's workspace"


def unavailable(
    error: BaseException, url: str, mask: Mask, *, sent: bool = True, saw_json: bool = True
) -> Unavailable:
    """Return the error for a connection that failed or broke.

    `saw_json`: the API has answered before, so that a connection that is rejected now may be
    accepted later.
    """
    parts = urlsplit(url)
    chain = list(_inwards(error))
    cause = cause_of(error, mask)
    if not sent:
        rejected = _rejection_of(chain, url, cause, lasts=not saw_json)
        if rejected is not None:
            return rejected
    if _any_is(chain, urllib3.exceptions.NameResolutionError):
        question = "is the network up, and its DNS server?"
        if cause == NO_SUCH_HOST:
            question = "is the base URL right?"
        return Unavailable(f"can't look up {parts.hostname}: {cause}", question, sent=False)
    hint = Hint("is the base URL right, and the network up?")
    if is_loopback(parts.hostname or "") and _any_is(chain, ConnectionRefusedError):
        port = parts.port or PORTS[parts.scheme]
        sandbox = CommandLine("sandbox", "--port", str(port))
        hint = Hint("start a server there, or the sandbox with: ", sandbox)
    return Unavailable(f"no answer from {parts.netloc}: {cause}", hint, sent=sent)


def _rejection_of(
    chain: Sequence[BaseException], url: str, cause: str, *, lasts: bool
) -> Unavailable | None:
    """Return the error for a connection that a proxy or TLS prevented, None for any other."""
    parts = urlsplit(url)
    if _any_is(chain, urllib3.exceptions.ProxyError):
        proxy = proxy_for(to_url(url))
        if proxy is not None:
            return _of_proxy(proxy, parts.scheme, parts.netloc, chain, cause, lasts=lasts)
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            reason = link.verify_message
            what = f"the certificate of {parts.netloc} is not trusted: {reason.lower()}"
            return ConnectionRejected(what, _way_to_trust(reason), sent=False, lasts=lasts)
    said = " ".join(str(link).lower() for link in chain)
    if any(words in said for words in NOT_TLS):
        what = f"{parts.netloc} does not speak TLS"
        hint = f"is it http://{parts.netloc}, or another port?"
        return ConnectionRejected(what, hint, sent=False, lasts=lasts)
    return None


def _of_proxy(
    proxy: str,
    scheme: str,
    host: str,
    chain: Sequence[BaseException],
    cause: str,
    *,
    lasts: bool,
) -> Unavailable:
    """Return the error for a proxy that did not connect."""
    variable = proxy_variable(scheme)
    shown = shown_url(proxy)
    around = f"add {host.partition(':')[0]} to NO_PROXY"
    refused = None
    for link in chain:
        found = CONNECT_REFUSED.search(str(link))
        if found is not None:
            refused = found[1]
            break
    if refused is None:
        what = f"no answer from the proxy {shown}: {cause}"
        hint = f"correct {variable}, or {around}"
        if cause == NO_SUCH_HOST or _any_is(chain, ConnectionRefusedError):
            return ProxyUnreachable(what, hint, sent=False, lasts=lasts)
        return Unavailable(what, hint, sent=False)
    what = f"the proxy {shown} answered {refused} to CONNECT {host}"
    hint = f"ask who runs the proxy for access, or {around}"
    if refused == "407":
        hint = _way_through(proxy, variable)
    if refused.startswith("4"):
        return ConnectionRejected(what, hint, sent=False, lasts=lasts)
    return Unavailable(what, hint, sent=False)


def _way_through(proxy: str, variable: str) -> str:
    """Return the hint for a proxy that wants to know who asks; `variable` sets it."""
    if has_credentials(proxy):
        return f"correct user and password in {variable}; noxcli sends them as Basic alone"
    return f"put user and password into {variable}"


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
    reason = _reason_of_the_system(chain)
    if reason is not None:
        return reason
    if _any_is(chain, urllib3.exceptions.ConnectTimeoutError):
        return "timed out while connecting"
    if _any_is(chain, TimeoutError, urllib3.exceptions.TimeoutError):
        return "timed out while reading"
    last = chain[-1]
    is_odd = isinstance(last, ValueError | OverflowError) and not isinstance(last, LIBRARIES)
    if is_odd and str(last) != NO_CHUNK_SIZE:
        return "the answer is not valid HTTP"
    if is_odd or _any_is(chain, IncompleteRead):
        return "the connection was dropped before the end of the answer"
    text = " ".join(mask.torn(str(last)).split())
    return text or type(last).__name__


def _reason_of_the_system(chain: Sequence[BaseException]) -> str | None:
    """Return what the system says about a connection, if it says anything."""
    for link in chain:
        if isinstance(link, socket.gaierror):
            if link.errno in UNKNOWN_NAME:
                return NO_SUCH_HOST
            return "the resolver does not answer"
    for link in reversed(chain):
        if isinstance(link, OSError) and link.strerror:
            return IN_OPENSSL.sub("", str(link.strerror).lower())
    return None


def _any_is(chain: Iterable[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in chain)


def _inwards(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, then the one that it wraps, and so on."""
    link: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if link is None:
            return
        yield link
        link = _wrapped_by(link)


def _wrapped_by(error: BaseException) -> BaseException | None:
    inner = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    for each in inner:
        if isinstance(each, BaseException):
            return each
    return None


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds an answer asks to wait, in either form; None if it is odd."""
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

    FastAPI puts it in `detail` (text, a list with `loc`, or an object); noxus-sdk 0.6.0 (errors.py)
    also reads `message` and `error`. Gateways answer web pages. `mask` is applied before we
    truncate; the server may have truncated as well.
    """
    mask = mask or Mask()
    text = body.decode("utf-8", "replace").strip()
    try:
        reason = _from_json(decode_json(text))
    except ValueError:
        reason = "a web page" if text.startswith("<") else text
    line = " ".join(mask.torn(reason).split())
    if len(line) > MAX_DETAIL:
        return f"{line[:MAX_DETAIL]}…"
    return line


def _from_json(answer: Any) -> str:
    """Return the reason in a JSON value; one that has none is the reason itself."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return ", ".join(_from_json(each) for each in answer)
    if not isinstance(answer, dict):
        return _as_it_is(answer)
    said = {name: value for name, value in answer.items() if value}
    for name in REASONS:
        if isinstance(said.get(name), str | list | dict):
            return _place_in(said) + _from_json(said[name])
    return _as_it_is(said)


def _as_it_is(answer: Any) -> str:
    return json.dumps(answer, ensure_ascii=False) if answer else ""


def _place_in(said: Mapping[str, Any]) -> str:
    """Return the place in the request that an error is about, if it names one."""
    where = said.get("loc")
    if not isinstance(where, list):
        return ""
    return ".".join(str(each) for each in where) + ": "
