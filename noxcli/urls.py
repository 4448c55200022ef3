"""The only parser of URLs: no check accepts, and no connection uses, a URL that it rejects."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, urljoin

from noxcli.errors import ConfigProblem
from noxcli.value_class import value_class

PORTS = {"http": 80, "https": 443}
CREDENTIALS = r"//.*@"
# Characters that every parser reads alike. Parsers differ most about backslashes, blanks and
# control characters.
AUTHORITY = r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
URL = re.compile(rf"(?P<scheme>[A-Za-z]+)://{AUTHORITY}(?P<target>[/?][!-\[\]-~]*)?")
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
IPV4_NUMBER = re.compile(r"[0-9]+|0[Xx][0-9A-Fa-f]*")
MAX_HOST = 253  # characters
MAX_LABEL = 63  # characters


@value_class(frozen=True, slots=True)
class Url:
    """The parts of an http(s) address.

    `target` is path and query, `port` the port of the connection.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must match before the key is sent."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """Host and port as they are written, the port only if it is not the scheme's own."""
        if self.port == PORTS[self.scheme]:
            return self.host
        return f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"


def to_url(text: str) -> Url:
    """Return the parts of an absolute http(s) URL without credentials and fragment.

    Raises ValueError for anything that another parser may read differently, and for addresses that
    look like names: `127.1`, `0x7f.1`, `2130706433`.
    """
    match = URL.fullmatch(text)
    if match is None or "#" in text or match["scheme"].lower() not in PORTS:
        raise ValueError("not a plain http(s) URL")
    scheme = match["scheme"].lower()
    port = PORTS[scheme]
    if match["port"] is not None:
        port = int(match["port"])
    if port > 0xFFFF:
        raise ValueError("not a valid port")
    return Url(scheme, _host(match["host"]), port, match["target"] or "")


def follow(base: Url, location: str) -> Url:
    """Return the target of a redirect; `location` is the header as received, in Latin-1.

    Raises ValueError as `to_url` does.
    """
    text = ""
    if location.isprintable():
        text = quote(location.partition("#")[0], safe=PRINTABLE, encoding="latin-1")
    if text.startswith("//"):
        return to_url(f"{base.scheme}:{text}")
    if ABSOLUTE.match(text):
        return to_url(text)
    target = to_url(urljoin(str(base), text))
    if not text or target.origin != base.origin:
        raise ValueError("a relative address that leaves its origin")
    return target


def check_url(url: str, *, allow_http: bool = False) -> str:
    """Return the base URL without a trailing slash.

    Raises ConfigProblem unless it is https, or http to loopback or with the user's permission.
    """
    text = url.strip()
    if "@" in text.partition("//")[2].partition("/")[0] or "?" in text or "#" in text:
        raise ConfigProblem(
            "the base URL contains a user, a query or a fragment", "give scheme, host and path only"
        )
    try:
        parts = to_url(text)
    except ValueError:
        hint = "write it like https://host.example"
        if not text.isascii():
            hint += ", in ASCII only (xn--...)"
        raise ConfigProblem(
            f"the base URL {shown_url(text)!r} is not a valid http(s) address", hint
        ) from None
    if parts.scheme == "http" and not (allow_http or is_loopback(parts.host)):
        raise ConfigProblem(
            f"the key is not sent over plain http to {parts.host}",
            "use https, or set NOXCLI_ALLOW_HTTP=1 for a server inside your network",
        )
    return text.rstrip("/")


@lru_cache
def is_loopback(host: str) -> bool:
    """True for the addresses of this machine, and for the name that must lead to one of them."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def shown_url(url: str) -> str:
    """Return the URL without user and password, which must not appear in a log."""
    return re.sub(CREDENTIALS, "//", url)


@lru_cache
def _host(text: str) -> str:
    """Return the host in lower case, an IPv6 address in brackets and its shortest form."""
    if text.startswith("["):
        return f"[{IPv6Address(text[1:-1]).compressed}]"
    labels = text.removesuffix(".").split(".")
    if IPV4_NUMBER.fullmatch(labels[-1]):
        return str(IPv4Address(text))
    if len(text) > MAX_HOST or not all(0 < len(label) <= MAX_LABEL for label in labels):
        raise ValueError("not a valid host name")
    return text.lower()
