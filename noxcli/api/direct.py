"""Plain requests sent directly over a server's connections, without the work that requests repeats for each."""

import re
from collections.abc import Mapping
from typing import Any

import requests
import urllib3

from noxcli.api.session import Body, Session, proxy_for
from noxcli.urls import Url, is_loopback

# None keeps requests from reading one from the environment.
NO_PROXY: dict[str, Any] = {"http": None, "https": None, "all": None}
NO_RETRIES = urllib3.Retry(False, redirect=False)  # what urllib3 creates from False for each request
# A path that needs no change: nothing in it would be quoted or removed by a library.
PLAIN_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")


class DirectResponse(requests.Response):
    """An answer without the cookies and the history that requests creates for each."""

    def __init__(self, raw: Any, url: str) -> None:
        self.raw, self.url = raw, url
        self.status_code, self.reason = raw.status, raw.reason
        self.headers = raw.headers
        self._content_consumed = False

    def close(self) -> None:
        """Release the connection: after a complete answer it is back in the pool, otherwise it can't be kept."""
        self.raw.close()


class Direct:
    """Sends over the connections of a session; thread-safe."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._headers: dict[str, Any] = dict(session.headers)
        self._pools: dict[tuple[str, str, int], Any] = {}

    def close(self) -> None:
        """Close the connections."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def may_send(self, url: Url, params: object, body: object) -> bool:
        """True for a request that needs none of the extra work of requests."""
        return params is None and isinstance(body, Body | None) and PLAIN_PATH.fullmatch(url.target) is not None

    def send(
        self, method: str, url: Url, *, body: Body | None, headers: Mapping[str, str], timeout: tuple[float, float]
    ) -> requests.Response:
        """Return the answer, its body unread, a redirect not followed. Raises what requests and urllib3 raise."""
        pool = self._pools.get(url.origin)
        if pool is None:
            pool = self._pools[url.origin] = self._pool_of(url)
        forwarded = pool.proxy is not None and url.scheme == "http"
        sent = {**self._headers, **headers}
        if method == "POST":
            sent["Content-Length"] = str(len(body or b""))
        raw = pool.urlopen(
            method,
            str(url) if forwarded else url.target,
            body=body,
            headers=sent,
            timeout=urllib3.Timeout(*timeout),
            retries=NO_RETRIES,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        return DirectResponse(raw, str(url))

    def _pool_of(self, url: Url) -> Any:
        """Return the connections to a server, with the proxy and the certificates that requests chooses.

        Raises ConfigProblem for an odd proxy.
        """
        proxy_for(url)
        request = requests.Request("GET", str(url)).prepare()
        proxies = dict(NO_PROXY) if is_loopback(url.host) else {}
        chosen = self._session.merge_environment_settings(str(url), proxies, True, None, None)
        adapter: Any = self._session.get_adapter(str(url))
        pool = adapter.get_connection_with_tls_context(request, chosen["verify"], chosen["proxies"], None)
        adapter.cert_verify(pool, str(url), chosen["verify"], None)
        return pool
