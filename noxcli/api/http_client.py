"""Requests to one server: the key, redirects, time limits and connection settings."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import requests

from noxcli.api.body import AnswerLimit, pieces_of, require_framing
from noxcli.api.error_mapping import (
    BROKEN,
    cause_of,
    facts_of,
    failure_of,
    is_of_json,
    is_page,
    never_connected,
    parse_date,
    read_error,
    unavailable,
)
from noxcli.api.proxies import proxy_for, proxy_passwords
from noxcli.api.transport import (
    ANSWERED,
    EXCHANGE,
    HEADERS,
    MAX_KEPT,
    Adapter,
    Body,
    Slot,
    addresses_of,
    bundle_variable,
)
from noxcli.codec import TooMuch, decode_json
from noxcli.config.settings import Settings
from noxcli.errors import (
    ConfigProblem,
    NoxError,
    RequestRejected,
    Unavailable,
    Unreadable,
)
from noxcli.masking import HIDDEN_KEY, Mask
from noxcli.retry import Pause
from noxcli.timing import show_seconds
from noxcli.urls import Url, follow, is_loopback, shown_url, to_url

if TYPE_CHECKING:
    from noxcli.api.rate_limit import RateLimiter

# Seconds. noxus-sdk 0.6.0, client.py, waits for each answer this long: one to a start is lost
# otherwise, while the run exists.
CONNECT_TIMEOUT = 10.0
ANSWER_TIMEOUT = 120.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# These alone say that the server did not act on the request (RFC 9110, 15.4.8).
NOTHING_TAKEN = frozenset({307, 308})
MAX_REDIRECTS = 5
KEY_REJECTED = 401
# Seen in a public client, 2025-11: the API below the address of the web app, which is not the API
# itself.
WEB_APP = "app.noxus.ai"
WEB_APP_API = "/api/backend"
# TypeError is what they raise for a proxy with a user and without a host, and with PySocks for one
# of SOCKS.
ODD_PROXY = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, TypeError)
CORRECT_PROXY = (
    "correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY in the environment; noxcli uses no SOCKS proxies"
)
ASK_KEY_EVERY = 60.0  # seconds between two calls of the command that prints the key
JSON_LIMIT = 64 * 1024 * 1024  # bytes, unpacked; as values they take several times as many
# A list or an object takes as much as a few other values, a text as two. In all, they take up to
# 1 GB.
WEIGHT_OF_A_CONTAINER = 4
MAX_WEIGHT = 16_000_000
PARSED_PER_SECOND = 1_000_000  # of this weight, and printed
WEIGHED_AT_ONCE = 1024 * 1024  # bytes


class Http:
    """A connection to one server; thread-safe, one request per thread."""

    def __init__(  # noqa: PLR0913 - what a caller may set, each by name with a default
        self,
        settings: Settings,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        answer_timeout: float = ANSWER_TIMEOUT,
        log: Callable[[str], None] = lambda _: None,
        warn: Callable[[str], None] = lambda _: None,
        waiting: Callable[[Pause | None], None] = lambda _: None,
        mask: Mask | None = None,
    ) -> None:
        """`log` gets a line about each request, without headers, bodies and query values; `warn`
        one about a list that can't be read to its end, or a cache in between. `waiting` gets
        a wait for an answer, in each slice of it, and None at its end.
        """
        self.settings = settings
        self._home = to_url(settings.url)
        self._proxy = proxy_for(self._home)  # read once: that takes a tenth of a request
        self.mask = mask or Mask(key=settings.key)
        self.mask.learn(proxy_passwords())  # a proxy's page may quote them
        # With the moment when we learned it: our own clock may jump.
        self._server_time: tuple[datetime, float] | None = None
        self.pace: RateLimiter | None = None  # for a command with many requests
        # The API has answered: what comes in another form is from something before it.
        self.saw_json = False
        # The first answer was a web page: the same error for every request.
        self._not_api: ConfigProblem | None = None
        self._connect_timeout = connect_timeout
        self._key_lock = threading.Lock()
        self._key_was_accepted = False
        self._key_asked_at = float("-inf")
        self.answer_timeout = answer_timeout  # of requests with an effect
        self._log = log
        self.warn = warn
        self.waiting = waiting
        self._met_cache = False
        self.adapter = Adapter(pool_maxsize=MAX_KEPT)
        self.starting = Adapter(pool_maxsize=MAX_KEPT)

    def shown(self) -> str:
        """Return the server for messages, with the address that accepted a connection last."""
        host = self._home.netloc
        address = ANSWERED.get(self._home.host)
        if self._proxy is not None:
            return f"{host} through the proxy {shown_url(self._proxy)}"
        if address is None or address in host:
            return host
        return f"{host} ({address})"

    def server_now(self) -> datetime | None:
        """Return the server's time by its last Date header: up to a second and the way back late.

        None before the first answer with a time.
        """
        if self._server_time is None:
            return None
        moment, at = self._server_time
        return moment + timedelta(seconds=time.monotonic() - at)

    def addresses(self) -> list[str]:
        """Look up the server's addresses; none where a proxy does that, or there is no answer."""
        if self._proxy is not None:
            return []
        try:
            return addresses_of(self._home.host, None)
        except OSError:
            return []

    def require_answer(self, address: str, limit: AnswerLimit) -> None:
        """Raise Unavailable unless this address of the server gives an answer, of any kind."""
        host = self._home.host
        ANSWERED[host] = address  # it is the first to connect to
        self.adapter.close()
        url = to_url(f"{self.settings.url}/v1/admin/me")
        self.exchange("GET", url, limit, None, HEADERS).close()
        if ANSWERED[host] != address:
            raise Unavailable(f"no connection to {address}")

    def forget_address(self) -> None:
        """Connect to the server's addresses in their own order again."""
        ANSWERED.pop(self._home.host, None)

    def read_json(
        self, method: str, path: str, limit: AnswerLimit, *, largest: int = JSON_LIMIT, **parts: Any
    ) -> Any:
        """Return the JSON of the answer to a request with the `parts` that `send` takes.

        `largest` limits the answer in bytes. Raises a NoxError by status; Unavailable for a broken
        connection or an answer that is not JSON.
        """
        response = self.send(method, path, limit=limit, **parts)
        content = self._read_body(response, limit, largest)
        try:
            answer = decode_json(content)
        except ValueError as error:
            what = f"{urlsplit(response.url).netloc} answered {response.status_code} with"
            facts = facts_of(response)
            if isinstance(error, TooMuch):
                raise Unreadable(f"{what} {error}", **facts) from None
            what = f"{what} something that is not JSON"
            raise Unavailable(what, "is it the base URL of the API?", **facts) from None
        self.saw_json = True
        self._key_was_accepted = True
        self._warn_of_a_cache(response)
        return answer

    def _warn_of_a_cache(self, response: requests.Response) -> None:
        """Warn once of an answer that was not made for this request."""
        age = response.headers.get("Age", "").strip()
        if self._met_cache or not age.strip("0"):
            return
        self._met_cache = True
        what = f"a cache before {self._home.netloc} gave an answer that was {age[:20]} s old"
        self.warn(f"{what}: it may be out of date")

    def read(self, method: str, path: str, limit: AnswerLimit, **parts: Any) -> bytes:
        """Return the body of a successful answer. Raises as `read_json`."""
        return self._read_body(self.send(method, path, limit=limit, **parts), limit, JSON_LIMIT)

    def _read_body(self, response: requests.Response, limit: AnswerLimit, largest: int) -> bytes:
        body = bytearray()
        try:
            with response:
                for piece in pieces_of(response):
                    body += piece
                    if len(body) > largest:
                        raise Unreadable(f"the answer is larger than {largest >> 20} MiB")
            self._require_parsable(body, limit)
        except BROKEN as error:
            raise unavailable(error, response.url, self.mask) from error
        return bytes(body)

    @staticmethod
    def _require_parsable(body: bytearray, limit: AnswerLimit) -> None:
        """Raise Unavailable for JSON whose values fill the memory, or take too long to parse.

        Parsing can't be interrupted, and blocks all threads in the meantime.
        """
        most = min(MAX_WEIGHT, limit.remaining() * PARSED_PER_SECOND)
        if _weight_of(body) <= most:
            return
        weight = _weight_outside_texts(body)
        if weight > MAX_WEIGHT:
            raise Unreadable("the answer has too many values for the memory")
        if weight > most:
            raise Unavailable("the answer came too late to parse it")

    def send(  # noqa: PLR0913 - the parts of a request, each by name with a default
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Body | Any = None,
        headers: Mapping[str, str] | None = None,
        limit: AnswerLimit,
        elsewhere: bool = False,
    ) -> requests.Response:
        """Return a successful answer with its body unread; any other outcome is a NoxError.

        With `elsewhere`, a redirect may lead to another origin, which never gets the key. `sent` of
        an Unavailable says whether it may have been sent.
        """
        if self._not_api is not None:
            raise self._not_api
        query = f"?{urlencode(params)}" if params else ""
        url = to_url(f"{self.settings.url}{path}{query}")
        headers = {**HEADERS, **(headers or {})}
        starts = isinstance(body, Body)
        for _ in range(MAX_REDIRECTS + 1):
            used = self.settings.key
            response = self.exchange(method, url, limit, body, headers)
            if self._has_other_key(response, used, url, body):
                response.close()
                limit.restart()
                response = self.exchange(method, url, limit, body, headers)
            if response.status_code not in REDIRECTS or not response.headers.get("Location"):
                break
            url = self._redirect_target(method, url, response, body, elsewhere=elsewhere)
            if isinstance(body, Body):
                body.attempt.may_be_sent = False
            if elsewhere or starts:
                # Of a file, it is for silence; a start that has no time for its answer is in doubt.
                limit.restart()
        else:
            what = f"{url.netloc} redirects in circles"
            raise RequestRejected(what, "check the base URL", **facts_of(response))
        ours = url.origin == self._home.origin
        if ours and not elsewhere:  # a file may be a web page
            self._require_api(response, starts=starts)
        if not 200 <= response.status_code < 300:
            raise self._failure_of(response, ours=ours, elsewhere=elsewhere)
        require_framing(response, part="Range" in headers)
        return response

    def _has_other_key(
        self, response: requests.Response, used: str, url: Url, body: Body | Any
    ) -> bool:
        """True if the key was rejected and has been replaced: the request may be sent once more.

        Raises Unavailable instead for a request with an effect: its sender decides.
        """
        if response.status_code != KEY_REJECTED or not is_of_json(response):
            return False
        if url.origin != self._home.origin or not isinstance(body, Body | None):
            return False
        if isinstance(body, Body):
            body.attempt.may_be_sent = False  # a request without access has no effect
        if not self._replace_key(used):
            return False
        if isinstance(body, Body):
            response.close()
            raise Unavailable(f"{url.netloc} rejected the key, which was replaced", sent=False)
        return True

    def _replace_key(self, rejected: str) -> bool:
        """Return whether there is another key than the rejected one, which was accepted before.

        The command that prints the key is asked, at most once a minute.
        """
        read_anew = self.settings.read_anew
        if read_anew is None or not self._key_was_accepted:
            return False
        with self._key_lock:
            if self.settings.key != rejected:
                return True  # another thread was faster
            now = time.monotonic()
            if now < self._key_asked_at + ASK_KEY_EVERY:
                return False
            self._key_asked_at = now
            try:
                key = read_anew()
            except NoxError as error:
                self.warn(f"{error.message}; the key was rejected (401)")
                return False
            if key == rejected:
                return False
            self.mask.learn([key], HIDDEN_KEY)
            self.settings = replace(self.settings, key=key)
        self.warn(f"the key was rejected (401); {self.settings.key_from} gave another one")
        return True

    def _failure_of(self, response: requests.Response, *, ours: bool, elsewhere: bool) -> NoxError:
        """Return the error for an unsuccessful answer, which may be the first in JSON."""
        answer = read_error(response, self.mask)
        saw_json = self.saw_json and not elsewhere
        if ours and answer.is_json:
            self.saw_json = True
        return failure_of(response, answer, self.settings, ours=ours, saw_json=saw_json)

    def _require_api(self, response: requests.Response, *, starts: bool) -> None:
        """Raise ConfigProblem if the first answer is a web page: the API is somewhere else.

        Later, and with other statuses, it is the page of a gateway. A page that says that it is a
        success may come from something that `starts` a run.
        """
        if self.saw_json or not is_page(response):
            return
        status = response.status_code
        succeeds = 200 <= status < 300
        if status not in {404, 405} and (starts or not succeeds):
            return
        response.close()
        hint = "is it the base URL of the API?"
        if self._home.host == WEB_APP and not self._home.target.startswith(WEB_APP_API):
            hint = f"set the base URL to https://{WEB_APP}{WEB_APP_API}"
        what = f"{self._home.netloc} answered {status} with a web page, not the API"
        if self._not_api is None:
            self._not_api = ConfigProblem(what, hint, **facts_of(response))
        raise self._not_api

    def exchange(
        self, method: str, url: Url, limit: AnswerLimit, body: Any, headers: Mapping[str, str]
    ) -> requests.Response:
        """Return the answer to one request, once it has a slot; its body is unread."""
        began = time.monotonic()
        turn: AbstractContextManager[Slot] = nullcontext(Slot(began))
        starts = isinstance(body, Body)
        ours = url.origin == self._home.origin
        proxy = self._proxy
        if ours:
            headers = {**headers, "X-API-Key": self.settings.key}
        else:
            proxy = proxy_for(url)
        if self.pace is not None and ours:
            turn = self.pace.slot(method, url.target.partition("?")[0], limit.until)
        with turn as slot, self._watched(method, url, body, slot):
            if slot.at > began:
                limit.postpone(slot.at - began)
            each = limit.for_a_read()
            EXCHANGE.limit = limit
            EXCHANGE.starts = starts
            # In parts: there are no cookies, hooks or passwords to look for.
            request = requests.PreparedRequest()
            request.prepare_method(method)
            request.url = str(url)
            request.prepare_headers(headers)
            request.prepare_body(body, None)
            adapter = self.starting if starts else self.adapter
            response = adapter.send(
                request,
                timeout=(min(self._connect_timeout, each), each),
                proxies={"all": proxy} if proxy else None,
                verify=os.environ.get(bundle_variable() or "", True),
                stream=True,
            )
            slot.answer = response
        return response

    @contextmanager
    def _watched(self, method: str, url: Url, body: Any, slot: Slot) -> Iterator[None]:
        """Log a request and its answer, and raise what the libraries raise as ours."""
        outcome = "no answer"
        known_as = ""
        try:
            yield
            assert slot.answer is not None
            if url.origin == self._home.origin:
                date = parse_date(slot.answer.headers.get("Date"))
                if date is not None:
                    self._server_time = (date, time.monotonic())
            outcome = str(slot.answer.status_code)
            request_id = facts_of(slot.answer)["request_id"]
            if request_id:
                known_as = f" (request id {request_id})"
        except ODD_PROXY:  # the address itself has been read
            proxy = proxy_for(url)
            if proxy is None:
                raise
            raise ConfigProblem(
                f"the proxy {shown_url(proxy)!r} can't be used", CORRECT_PROXY
            ) from None
        except BROKEN as error:
            outcome = f"no answer: {cause_of(error, self.mask)}"
            if isinstance(body, Body):
                sent = body.attempt.may_be_sent
            else:
                sent = not never_connected(error)
            failure = unavailable(error, str(url), self.mask, sent=sent, saw_json=self.saw_json)
            waited = time.monotonic() - slot.at
            if isinstance(body, Body) and sent and waited >= self.answer_timeout:
                failure.message += f" after {show_seconds(self.answer_timeout)} (answer_timeout)"
            raise failure from error
        finally:
            took = (time.monotonic() - slot.at) * 1000
            self._log(f"{method} {url.target.partition('?')[0]} {outcome} {took:.0f} ms{known_as}")

    def _redirect_target(
        self, method: str, url: Url, response: requests.Response, body: Any, *, elsewhere: bool
    ) -> Url:
        """Close the answer; return where a GET, or what may be sent again, is to be sent now.

        Raises RequestRejected for any other target.
        """
        response.close()
        facts = facts_of(response)
        try:
            target = follow(url, response.headers["Location"])
        except ValueError:
            raise RequestRejected(
                f"{url.netloc} redirects to an address that cannot be used", **facts
            ) from None
        if target.origin == self._home.origin:
            again = response.status_code in NOTHING_TAKEN and isinstance(body, Body | None)
            may_follow = again or method == "GET"
        else:  # as a file may, and over plain http only if that is how we got here
            plain = target.scheme == "http" and not is_loopback(target.host)
            may_follow = elsewhere and not (plain and self._home.scheme == "https")
        if not may_follow:
            # A secret may contain a slash.
            there = f"{target.scheme}://{self.mask.torn(target.netloc)}"
            hint = "set the base URL to the API's own address"
            raise RequestRejected(f"{method} was redirected to {there}", hint, **facts)
        return target


def _weight_of(body: bytes | bytearray) -> int:
    """Return how many values JSON has at most, by what they take."""
    containers = body.count(b"[") + body.count(b"{")
    texts = body.count(b'"') // 2
    return body.count(b",") + texts + WEIGHT_OF_A_CONTAINER * containers


def _weight_outside_texts(body: bytes | bytearray) -> int:
    """Return the same without what is in texts, which costs nothing."""
    # Each remaining quote opens or closes a text.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    weight = 0
    in_text = False
    # In windows: the pieces of the whole would fill the memory.
    for start in range(0, len(plain), WEIGHED_AT_ONCE):
        pieces = plain[start : start + WEIGHED_AT_ONCE].split(b'"')
        quotes = len(pieces) - 1
        first = 1 if in_text else 0
        outside = b"".join(pieces[first::2])
        weight += _weight_of(outside) + quotes // 2
        if quotes % 2:
            in_text = not in_text
    return weight
