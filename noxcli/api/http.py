"""Requests to one server: the key, redirects, time limits and connection settings."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urljoin, urlsplit

import requests

from noxcli.api.failures import BROKEN, cause_of, failure_of, never_connected, request_id_of, unavailable
from noxcli.api.session import Body, Key, new_session
from noxcli.config import Settings, is_loopback, same_origin
from noxcli.errors import Refused, Unavailable
from noxcli.within import run_within

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 5
# None keeps requests from taking one out of the environment.
NO_PROXY: dict[str, Any] = {"http": None, "https": None, "all": None}
JSON_LIMIT = 256 * 1024 * 1024
PARSED_PER_SECOND = 20_000_000  # bytes of JSON, many small values


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as the log may show it: no headers, no bodies, no query values."""

    method: str
    path: str
    outcome: str
    seconds: float
    request_id: str | None = None
    cause: str | None = None  # why there was no answer


class Readable(Protocol):
    """What can be uploaded: an open file, or whatever else knows its own length."""

    def read(self, size: int = ..., /) -> bytes: ...


class Http:
    """A connection to one server; safe to use from several threads, one request each."""

    def __init__(
        self,
        settings: Settings,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        observe: Callable[[Exchange], None] | None = None,
        mask: Callable[[str], str] = str,
    ) -> None:
        self.settings = settings
        self._mask = mask
        self._connect_timeout = connect_timeout
        self._observe = observe
        self._session = new_session()

    def close(self) -> None:
        self._session.close()

    def get_json(self, path: str, params: Mapping[str, Any] | None = None, *, within: float | None = None) -> Any:
        """Return the JSON of a GET; `within` bounds the whole exchange in seconds.

        Raises a NoxError by status; Unavailable for a broken connection or an answer that is not JSON.
        """
        if within is None:
            return self._json(self.send("GET", path, params=params))
        end = time.monotonic() + within

        def read() -> Any:
            return self._json(self.send("GET", path, params=params, read_timeout=within), end)

        return run_within(within, read)

    def post_json(
        self,
        path: str,
        body: Body | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> Any:
        """Return the JSON that a POST is answered with. It is sent once.

        With `fresh` it goes over a new connection: on a kept one that the server has just closed, the error would
        look like a lost answer. Raises as `get_json`; `sent` of an Unavailable tells whether the body went out.
        """
        return self._json(self.send("POST", path, body=body, headers=headers, fresh=fresh))

    def upload(self, path: str, name: str, content: Readable, content_type: str) -> Any:
        """Return the JSON that a multipart POST of one part named `file` is answered with; the file is streamed."""
        from requests_toolbelt.multipart.encoder import MultipartEncoder  # only this call needs it

        body = MultipartEncoder({"file": (name, content, content_type)})
        return self._json(self.send("POST", path, body=body, headers={"Content-Type": body.content_type}))

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Body | Any = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float = READ_TIMEOUT,
        fresh: bool = False,
    ) -> requests.Response:
        """Return a successful answer with its body unread; every other ending is a NoxError."""
        url = self.settings.url + path
        session = new_session() if fresh else self._session
        for _ in range(MOST_REDIRECTS + 1):
            keyed = same_origin(url, self.settings.url)
            response = self._exchange(session, method, url, params, body, headers, read_timeout, keyed=keyed)
            if response.status_code not in REDIRECTS or not response.headers.get("Location"):
                break
            response.close()
            url, params = self._redirect_target(method, response), None
        else:
            raise Refused(f"{urlsplit(url).netloc} redirects in circles", "check the base URL")
        if not 200 <= response.status_code < 300:
            failure = failure_of(response, keyed=keyed, mask=self._mask)
            failure.forget(self.settings.key)
            raise failure
        return response

    def ask(self, path: str) -> requests.Response:
        """Return the answer to a GET whatever its status, redirects not followed, its body unread."""
        url = self.settings.url + path
        return self._exchange(self._session, "GET", url, None, None, None, READ_TIMEOUT, keyed=True)

    def _exchange(
        self,
        session: requests.Session,
        method: str,
        url: str,
        params: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str] | None,
        read_timeout: float,
        *,
        keyed: bool,
    ) -> requests.Response:
        began = time.monotonic()
        outcome, request_id, cause = "no answer", None, None
        try:
            response = session.request(
                method,
                url,
                params=params,
                data=body,
                headers=headers,
                auth=Key(self.settings.key if keyed else None),
                proxies=NO_PROXY if is_loopback(urlsplit(url).hostname or "") else None,
                timeout=(min(self._connect_timeout, read_timeout), read_timeout),
                stream=True,
                allow_redirects=False,
            )
            outcome, request_id = str(response.status_code), request_id_of(response)
            if request_id is not None:
                request_id = request_id.replace(self.settings.key, "[key]")
        except BROKEN as error:
            cause = cause_of(error)
            raise unavailable(error, url, sent=_may_have_left(body, error)) from error
        else:
            return response
        finally:
            if self._observe is not None:
                took = time.monotonic() - began
                self._observe(Exchange(method, urlsplit(url).path, outcome, took, request_id, cause))

    def _redirect_target(self, method: str, response: requests.Response) -> str:
        try:
            target = urljoin(response.url, response.headers["Location"])
            parts = urlsplit(target)
            _ = parts.port  # which may be no port at all
        except ValueError:
            raise Refused(f"{urlsplit(response.url).netloc} redirects to no usable address") from None
        if method != "GET":
            raise Refused(f"{method} was redirected to {parts.netloc}", "set the base URL to where the API really is")
        plain = parts.scheme == "http" and not is_loopback(parts.hostname or "")
        if parts.scheme not in {"http", "https"} or (plain and urlsplit(self.settings.url).scheme == "https"):
            raise Refused(f"a redirect to {parts.scheme}://{parts.netloc} is not followed", "check the base URL")
        return target

    def _json(self, response: requests.Response, end: float = float("inf")) -> Any:
        try:
            with response:
                text = read_at_most(response, JSON_LIMIT)
        except BROKEN as error:
            raise unavailable(error, response.url) from error
        # Parsing can't be cut short, and holds up every thread meanwhile.
        if time.monotonic() + len(text) / PARSED_PER_SECOND > end:
            raise Unavailable("the answer came too late")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            host = urlsplit(response.url).netloc
            raise Unavailable(
                f"{host} answered {response.status_code} with something that is not JSON",
                "is the base URL that of the API?",
                http_status=response.status_code,
                request_id=request_id_of(response),
            ) from None


def read_at_most(response: requests.Response, limit: int) -> bytes:
    """Return the decoded body.

    Raises Unavailable for one that is longer than `limit` bytes.
    """
    body = cast(bytes, response.raw.read(limit + 1, decode_content=True))
    if len(body) > limit:
        raise Unavailable(f"an answer of more than {limit >> 20} MiB was cut off")
    return body


def _may_have_left(body: Any, error: BaseException) -> bool:
    """True where the server may have seen the whole request."""
    return body.touched if isinstance(body, Body) else not never_connected(error)
