"""How connections are made, and how urllib3 and http.client are set up for the promises about answers and starts."""

import os
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote
from urllib.request import getproxies

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import (
    DEFAULT_CA_BUNDLE_PATH,
    default_headers,
    get_environ_proxies,
    select_proxy,
)
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.fields import RequestField
from urllib3.filepost import choose_boundary
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import create_urllib3_context

from noxcli import __version__
from noxcli.api.body import AT_ONCE, AnswerLimit
from noxcli.errors import ConfigProblem, UsageProblem
from noxcli.files import reason_of
from noxcli.models import Attempt
from noxcli.urls import Url, is_loopback

BUNDLES = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)  # the first one that is set counts, as in requests
MAX_KEPT = 32  # idle connections to one server
HEADERS = {**default_headers(), "User-Agent": f"noxcli/{__version__}", "Accept": "application/json"}
SWITCHING_PROTOCOLS = 101
LATE = 0.05  # seconds that a read may outlast its limit
EACH_ADDRESS = 3.0  # seconds to connect to one address of a host while others remain
ANSWERED: dict[str, str] = {}  # the address of each host that answered last
FRAMING = (
    "Transfer-Encoding",
    "Content-Length",
)  # the libraries read one that is folded in different ways


class Body(bytes):
    """The body of a request with an effect, and its attempt, in which the connection notes that sending begins."""

    attempt: Attempt


class FileBody:
    """A multipart body of one file (RFC 7578), read as it is sent; `len` is the number of remaining bytes.

    `sent` is called with each piece. requests announces `len` as the length, and urllib3 sends what `read` returns.
    """

    def __init__(
        self, name: str, content: Any, size: int, content_type: str, sent: Callable[[], None]
    ) -> None:
        boundary, part = choose_boundary(), RequestField("file", b"", filename=name)
        part.make_multipart(content_type=content_type)
        head = f"--{boundary}\r\n{part.render_headers()}".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.len = len(head) + size + len(tail)
        self._parts = deque(
            [(BytesIO(head), len(head)), (content, size), (BytesIO(tail), len(tail))]
        )
        self._sent = sent

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; empty at the end. Raises UsageProblem if the file became shorter."""
        while self._parts:
            part, rest = self._parts.popleft()
            if not rest:
                continue
            try:
                piece: bytes = part.read(rest if size < 0 else min(size, rest))
            except OSError as error:
                raise UsageProblem(f"it can't be read to its end: {reason_of(error)}") from None
            if not piece:
                raise UsageProblem(
                    "it became shorter while it was read", "retry once nothing is writing to it"
                )
            self._parts.appendleft((part, rest - len(piece)))
            self.len -= len(piece)
            self._sent()
            return piece
        return b""


class Slot:
    """The turn of one request: when it left, and its answer, which its sender notes."""

    answer: requests.Response | None = None

    def __init__(self, at: float) -> None:
        self.at = at


class Exchange(threading.local):
    """The request that this thread has in flight."""

    limit: AnswerLimit
    starts = False  # a run: on a kept connection that the server has just closed, its answer would look lost


EXCHANGE = Exchange()


class ReadsInTime(RawIOBase):
    """What a socket receives: no read outlasts the limit of the answer, which the bytes of a head do not extend."""

    in_body = False

    def __init__(self, sock: Any, reads: Any) -> None:
        self._sock, self._reads, self._limit = sock, reads, EXCHANGE.limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        within = self._limit.for_a_read()
        if not within <= self._sock.gettimeout() < within + LATE:
            self._sock.settimeout(within)  # a system call
        count: int = self._reads.readinto(buffer)
        self._limit.received(count if self.in_body else 0)
        return count

    def close(self) -> None:
        self._reads.close()
        super().close()


class FinalResponse(HTTPResponse):
    """The answer after all interim ones (RFC 9110, 15.2): http.client skips 100, and takes 102 and 103 for it."""

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._reads = ReadsInTime(sock, self.fp.detach())
        self.fp = BufferedReader(self._reads, AT_ONCE)

    def begin(self, **options: Any) -> None:
        while True:
            super().begin(**options)
            if not 100 <= self.status < 200 or self.status == SWITCHING_PROTOCOLS:
                break
            self.headers = self.msg = cast(Any, None)  # so that http.client reads the next head
        self._reads.in_body = True
        self.will_close |= EXCHANGE.starts
        del self.headers[
            "Set-Cookie"
        ]  # nothing here wants cookies, and http.cookiejar warns of odd ones on stderr
        if any("\n" in value for name in FRAMING for value in self.headers.get_all(name, [])):
            raise HTTPException(
                "a header that is folded over two lines hides where the answer ends"
            )
        for name in [name for name, value in self.headers.items() if "\n" in value]:
            self.headers.replace_header(
                name, " ".join(self.headers[name].split())
            )  # older urllib3 leaves it folded
        lengths = ",".join(self.headers.get_all("Content-Length", [])).split(",")
        if (
            len({length.strip() for length in lengths}) > 1
        ):  # urllib3 notices it too late to close the connection
            raise HTTPException("the headers give several lengths")


class NotingConnection(urllib3.connection.HTTPConnection):
    """Notes that a start may have been sent, after the connection is made and before its first byte is sent."""

    response_class = FinalResponse

    def _new_conn(self) -> socket.socket:
        """Connect to the host's addresses in turn, the one that answered last first: one alone may be dead.

        Raises ConfigProblem for a name of this machine that leads to another one, which must not get the key.
        """
        host, limit = self._dns_host, self.timeout
        try:
            found = socket.getaddrinfo(
                host.strip("[]"), self.port, allowed_gai_family(), socket.SOCK_STREAM
            )
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        addresses = [*dict.fromkeys(socket.getnameinfo(each[4], numeric)[0] for each in found)]
        foreign = [address for address in addresses if not is_loopback(address)]
        if foreign and is_loopback(self.host) and self.proxy is None:
            what = f"{self.host} resolves to {foreign[0]}, which is not this machine"
            raise ConfigProblem(what, "write the address itself, or correct /etc/hosts")
        addresses.sort(key=lambda address: address != ANSWERED.get(host))
        try:
            for address in addresses[:-1]:
                self._dns_host, self.timeout = address, min(EACH_ADDRESS, limit or EACH_ADDRESS)
                with suppress(NewConnectionError, ConnectTimeoutError):
                    return self._connected(host)
            self._dns_host, self.timeout = addresses[-1], limit
            return self._connected(host)
        finally:
            self._dns_host, self.timeout = host, limit

    def _connected(self, host: str) -> socket.socket:
        connected, ANSWERED[host] = super()._new_conn(), self._dns_host
        return connected

    def request(self, method: str, url: str, body: Any = None, *args: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        if isinstance(body, Body):
            body.attempt.mark_sending()
        super().request(method, url, body, *args, **options)


class TlsConnection(NotingConnection, urllib3.connection.HTTPSConnection):
    """https, where only close_notify ends a body that has no other end: ssl would hide that it is missing."""

    def connect(self) -> None:
        if (
            self.proxy is None or self.proxy.scheme == "http"
        ):  # else requests names the certificates for both
            self.ssl_context, self.ca_certs, self.ca_cert_dir = trust(), None, None
        super().connect()
        # What SSLContext.wrap_socket takes as an option, in a call of urllib3.
        self.sock.suppress_ragged_eofs = False  # type: ignore[union-attr]


class Adapter(HTTPAdapter):
    """Makes our own connections, also to a proxy. A session would read the bodies of redirects, and resend the key."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = TlsConnection if pool.scheme == "https" else NotingConnection
        return pool


def proxy_passwords() -> Iterator[str]:
    """Yield the passwords in the settings of proxies, as they are set and as they are sent."""
    for proxy in getproxies().values():
        user, found, password = proxy.rpartition("@")[0].rpartition("//")[2].partition(":")
        if found:
            yield from (
                password,
                unquote(password),
                f"{user}:{password}",
                unquote(f"{user}:{password}"),
            )


def proxy_for(url: Url) -> str | None:
    """Return the proxy that the environment or the system sets for an address; none for this machine."""
    return None if is_loopback(url.host) else select_proxy(str(url), get_environ_proxies(str(url)))


def proxy_variable(scheme: str) -> str:
    """Return what sets the proxy for addresses of this scheme."""
    names = (name for each in (f"{scheme}_proxy", "all_proxy") for name in (each, each.upper()))
    return next(
        (name for name in names if os.environ.get(name)), "the proxy in the system's settings"
    )


def bundle_variable() -> str | None:
    """Return the variable that names the certificates to trust."""
    return next((name for name in BUNDLES if os.environ.get(name)), None)


def trust() -> ssl.SSLContext:
    """Return what checks certificates. Raises ConfigProblem if it can't be read from where the environment says."""
    variable = bundle_variable()
    return _read_bundle(variable, os.environ[variable] if variable else DEFAULT_CA_BUNDLE_PATH)


@lru_cache  # it takes longer than all else before a start
def _read_bundle(variable: str | None, path: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    try:
        context.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
    except (OSError, ValueError) as error:
        reason = "it has no certificate" if isinstance(error, ssl.SSLError) else reason_of(error)
        raise ConfigProblem(
            f"can't read {path}, which {variable} names: {reason}", f"correct or unset {variable}"
        ) from None
    return context
