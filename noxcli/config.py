"""Where to connect and with which key: flag, environment, default, in that order."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from noxcli.errors import ConfigProblem, Unauthorized

# noxus-sdk 0.6.0, client.py: the default host and both names.
DEFAULT_URL = "https://backend.noxus.ai"
URL_VARIABLES = ("NOXCLI_BASE_URL", "NOXUS_BACKEND_URL")
KEY_VARIABLES = ("NOXCLI_API_KEY", "NOXUS_API_KEY")
KEY_FILE_VARIABLE = "NOXCLI_API_KEY_FILE"
CREDENTIALS = re.compile(r"//.*@")


@dataclass(frozen=True, slots=True)
class Settings:
    """A server and the key for it. The key is kept out of `repr`, so that no log shows it by accident."""

    url: str
    key: str = field(repr=False)


def load_settings(
    base_url: str | None = None,
    api_key_file: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings in force.

    Raises ConfigProblem for a URL that can't be used, Unauthorized where there is no usable key.
    """
    url = base_url or next((environ[name] for name in URL_VARIABLES if environ.get(name)), DEFAULT_URL)
    return Settings(check_url(url, allow_http=environ.get("NOXCLI_ALLOW_HTTP") == "1"), load_key(api_key_file, environ))


def check_url(url: str, *, allow_http: bool = False) -> str:
    """Return the URL without a closing slash.

    Raises ConfigProblem unless it is https, or http to loopback (or where the user allows it).
    """
    text = url.strip()
    shown = repr(CREDENTIALS.sub("//", text))  # a password must not end up in a log
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except (ValueError, UnicodeError):
        host = None
    if (
        not host
        or parts.scheme not in {"http", "https"}
        or any(mark.isspace() or not mark.isprintable() for mark in text)
    ):
        raise ConfigProblem(f"the base URL {shown} is no http(s) address", f"write it like {DEFAULT_URL}")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ConfigProblem("the base URL carries a user, a query or a fragment", "give scheme, host and path only")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ConfigProblem(
            f"the key is not sent over plain http to {host}",
            "use https, or set NOXCLI_ALLOW_HTTP=1 for a server inside your network",
        )
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    """True for addresses of this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def load_key(api_key_file: str | None, environ: Mapping[str, str]) -> str:
    """Return the API key. Its form is not checked: the docs show more than one.

    Raises Unauthorized where there is none or it can't be sent in a header.
    """
    named = api_key_file or environ.get(KEY_FILE_VARIABLE)
    if named:
        try:
            key, source = Path(named).expanduser().read_text(encoding="utf-8-sig"), f"the key file {named}"
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise Unauthorized(f"can't read the key file {named}: {reason}", "check --api-key-file") from None
    else:
        source = next((name for name in KEY_VARIABLES if name in environ), "")
        key = environ.get(source, "")
    key = key.strip()
    if not key:
        what = f"{source} is empty" if source else "no API key"
        raise Unauthorized(what, "set NOXUS_API_KEY or give --api-key-file FILE")
    if not key.isascii() or not key.isprintable():
        raise Unauthorized(f"{source} holds a line break or another character that no key has", "check what was pasted")
    return key
