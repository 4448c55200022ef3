"""How a connection is made: its settings, the key on it, and a body that knows whether it went out."""

import io
import socket
from typing import Any, ClassVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from noxcli import __version__


class Body(io.BytesIO):
    """A request body that knows whether any of it was handed to the connection.

    Untouched means that the server cannot have seen a whole request, whatever the connection error says.
    """

    touched = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.touched = True
        return super().read(size)


class Key(AuthBase):
    """Puts the key on a request. Being an auth object, it also keeps requests from looking into .netrc."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key is not None:
            request.headers["X-API-Key"] = self._key
        return request


class Session(requests.Session):
    """A session that leaves redirects alone: requests would read their bodies, and resend the key anywhere."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the name is theirs
        return None


class KeepAliveAdapter(HTTPAdapter):
    """Asks the kernel to notice a dead link, also behind a proxy."""

    # TCP_KEEPIDLE goes by another name on macOS.
    _timers = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
    _options: ClassVar = [
        *urllib3.connection.HTTPConnection.default_socket_options,
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _timers if hasattr(socket, name)),
    ]

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, socket_options=self._options)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, socket_options=self._options)


def new_session() -> requests.Session:
    """Return a session, whose first request opens a new connection."""
    session = Session()
    session.headers["User-Agent"] = f"noxcli/{__version__}"
    session.headers["Accept"] = "application/json"
    for scheme in ("https://", "http://"):
        session.mount(scheme, KeepAliveAdapter(pool_maxsize=32))
    return session
