"""How connections are made, and how urllib3 and http.client are set up for our promises."""

import os
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import Any, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, default_headers
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
from noxcli.urls import is_loopback

# The first one that is set counts, as in requests.
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
MAX_KEPT = 32  # idle connections to one server
HEADERS = {**default_headers(), "User-Agent": f"noxcli/{__version__}", "Accept": "application/json"}
SWITCHING_PROTOCOLS = 101
LATE = 0.05  # seconds that a read may outlast its limit
EACH_ADDRESS = 3.0  # seconds to connect to one address of a host while others remain
ANSWERED: dict[str, str] = {}  # the address of each host that answered last
# The libraries read one that is folded in different ways.
FRAMING = ("Transfer-Encoding", "Content-Length")


class Body(bytes):
    """The body of a request with an effect, and its attempt, in which sending is noted."""

    attempt: Attempt


class FileBody:
    """A multipart body of one file (RFC 7578), read as it is sent; `len` bytes remain.

    `sent` is called with each piece. requests announces `len` as the length, and urllib3 sends what
    `read` returns.
    """

    def __init__(
        self, name: str, content: Any, size: int, content_type: str, sent: Callable[[], None]
    ) -> None:
        boundary = choose_boundary()
        part = RequestField("file", b"", filename=name)
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
        """Return the next bytes, at most `size`. Raises UsageProblem if the file became shorter."""
        while self._parts:
            part, rest = self._parts.popleft()
            if not rest:
                continue
            most = rest if size < 0 else min(size, rest)
            try:
                piece: bytes = part.read(most)
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
    # A run: on a kept connection that the server has just closed, its answer would look lost.
    starts = False


EXCHANGE = Exchange()


class ReadsInTime(RawIOBase):
    """What a socket receives: no read outlasts the answer's limit, which a head does not extend."""

    in_body = False

    def __init__(self, sock: Any, reads: Any) -> None:
        self._sock = sock
        self._reads = reads
        self._limit = EXCHANGE.limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        within = self._limit.for_a_read()
        if not within <= self._sock.gettimeout() < within + LATE:
            self._sock.settimeout(within)  # a system call
        count: int = self._reads.readinto(buffer)
        if self.in_body:
            self._limit.received(count)
        else:
            self._limit.received(0)
        return count

    def close(self) -> None:
        self._reads.close()
        super().close()


class FinalResponse(HTTPResponse):
    """The answer after all interim ones (RFC 9110, 15.2): http.client skips 100 alone."""

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
        if EXCHANGE.starts:
            self.will_close = True
        # Nothing here wants cookies, and http.cookiejar warns of odd ones on stderr.
        del self.headers["Set-Cookie"]
        self._require_clear_framing()
        for name, value in list(self.headers.items()):
            if "\n" in value:  # older urllib3 leaves it folded
                self.headers.replace_header(name, " ".join(self.headers[name].split()))

    def _require_clear_framing(self) -> None:
        """Raise HTTPException for headers that the libraries may read in different ways."""
        for name in FRAMING:
            for value in self.headers.get_all(name, []):
                if "\n" in value:
                    what = "a header that is folded over two lines hides where the answer ends"
                    raise HTTPException(what)
        lengths = ",".join(self.headers.get_all("Content-Length", [])).split(",")
        if len({length.strip() for length in lengths}) > 1:
            # urllib3 notices it too late to close the connection.
            raise HTTPException("the headers give several lengths")


def addresses_of(host: str, port: int | None) -> list[str]:
    """Look up a host's addresses, each once. Raises socket.gaierror."""
    name = host.strip("[]")
    found = socket.getaddrinfo(name, port, allowed_gai_family(), socket.SOCK_STREAM)
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    addresses: list[str] = []
    for *_, there in found:
        address = socket.getnameinfo(there, numeric)[0]
        if address not in addresses:
            addresses.append(address)
    return addresses


class NotingConnection(urllib3.connection.HTTPConnection):
    """Notes that a start may have been sent, between the connection and its first byte."""

    response_class = FinalResponse

    def _new_conn(self) -> socket.socket:
        """Connect to the host's addresses in turn, first to the one that answered last.

        Raises ConfigProblem for a name of this machine that leads to another one, which must not
        get the key.
        """
        host = self._dns_host
        limit = self.timeout
        addresses = self._addresses_of(host)
        foreign = [address for address in addresses if not is_loopback(address)]
        if foreign and is_loopback(self.host) and self.proxy is None:
            what = f"{self.host} resolves to {foreign[0]}, which is not this machine"
            raise ConfigProblem(what, "write the address itself, or correct /etc/hosts")
        addresses.sort(key=lambda address: address != ANSWERED.get(host))
        try:
            for address in addresses[:-1]:
                with suppress(NewConnectionError, ConnectTimeoutError):
                    return self._connect_to(address, host, min(EACH_ADDRESS, limit or EACH_ADDRESS))
            return self._connect_to(addresses[-1], host, limit)
        finally:
            self._dns_host = host
            self.timeout = limit

    def _addresses_of(self, host: str) -> list[str]:
        """Look up a host's addresses, each once."""
        try:
            return addresses_of(host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error

    def _connect_to(self, address: str, host: str, within: float | None) -> socket.socket:
        """Connect to one of a host's addresses, and remember that it answered."""
        self._dns_host = address
        self.timeout = within
        connected = super()._new_conn()
        ANSWERED[host] = address
        return connected

    def request(self, method: str, url: str, body: Any = None, *args: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        if isinstance(body, Body):
            body.attempt.mark_sending()
        super().request(method, url, body, *args, **options)


class TlsConnection(NotingConnection, urllib3.connection.HTTPSConnection):
    """https, where only close_notify may end a body: ssl would hide that it is missing."""

    def connect(self) -> None:
        # Of a proxy by https, requests names the certificates for both.
        if self.proxy is None or self.proxy.scheme == "http":
            self.ssl_context = trust()
            self.ca_certs = None
            self.ca_cert_dir = None
        super().connect()
        # What SSLContext.wrap_socket takes as an option, in a call of urllib3.
        self.sock.suppress_ragged_eofs = False  # type: ignore[union-attr]


class Adapter(HTTPAdapter):
    """Makes our own connections, also to a proxy. A session would resend the key to others."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = TlsConnection if pool.scheme == "https" else NotingConnection
        return pool


def bundle_variable() -> str | None:
    """Return the variable that names the certificates to trust."""
    for name in BUNDLES:
        if os.environ.get(name):
            return name
    return None


def trust() -> ssl.SSLContext:
    """Return what checks certificates. Raises ConfigProblem if the file can't be read."""
    variable = bundle_variable()
    if variable is None:
        return _read_bundle(None, DEFAULT_CA_BUNDLE_PATH)
    return _read_bundle(variable, os.environ[variable])


@lru_cache  # it takes longer than all else before a start
def _read_bundle(variable: str | None, path: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    try:
        if Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        reason = "it has no certificate" if isinstance(error, ssl.SSLError) else reason_of(error)
        what = f"can't read {path}, which {variable} names: {reason}"
        raise ConfigProblem(what, f"correct or unset {variable}") from None
    return context
