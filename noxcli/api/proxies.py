"""The proxy of an address, in the environment as curl reads it, and the names of its settings."""

import os
import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

from requests.utils import select_proxy

from noxcli.urls import Url, is_loopback

# An entry of NO_PROXY: a name or an address, one of IPv6 in brackets if a port follows.
ENTRY = re.compile(r"(?:\[(?P<v6>[^]]+)\]|(?P<name>[^:]+))(?::(?P<port>\d+))?")


def proxy_passwords() -> Iterator[str]:
    """Yield the passwords in the settings of proxies, as they are set and as they are sent."""
    for proxy in getproxies().values():
        credentials = proxy.rpartition("@")[0].rpartition("//")[2]
        _, found, password = credentials.partition(":")
        if found:
            yield password
            yield unquote(password)
            yield credentials
            yield unquote(credentials)


def proxy_for(url: Url) -> str | None:
    """Return the proxy that the environment or the system sets; none for this machine."""
    if is_loopback(url.host) or _is_excepted(url):
        return None
    return select_proxy(str(url), getproxies())


def _is_excepted(url: Url) -> bool:
    """True if NO_PROXY, or the system's settings, name the host."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    if not listed:
        return bool(proxy_bypass(url.host))
    return any(_names(entry, url) for entry in listed.replace(",", " ").split())


def _names(entry: str, url: Url) -> bool:
    """True if an entry of NO_PROXY is the host, its domain, or its network."""
    if entry == "*":
        return True
    name = entry
    match = ENTRY.fullmatch(entry)
    if match is not None:
        name = match["v6"] or match["name"]
        if match["port"] is not None and int(match["port"]) != url.port:
            return False
    host = url.host.strip("[].")
    try:
        address = ip_address(host)
    except ValueError:
        domain = name.strip(".").lower()
        return f".{host}".endswith(f".{domain}")
    try:
        return address in ip_network(name, strict=False)
    except ValueError:
        return False


def has_credentials(proxy: str) -> bool:
    """True if a user is set for the proxy."""
    return "@" in proxy


def proxy_variable(scheme: str) -> str:
    """Return what sets the proxy for addresses of this scheme."""
    for lower in (f"{scheme}_proxy", "all_proxy"):
        for name in (lower, lower.upper()):
            if os.environ.get(name):
                return name
    return "the proxy in the system's settings"
