"""The target that needs a network: malformed answers of a server, read by the real client.

Every address that the client connects to leads to one of two listeners on loopback: its own server, or, for every other
address, one that must never see the key.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3

from noxcli.api import NoxusApi
from noxcli.config.settings import Settings
from noxcli.errors import NoxError
from tests.rawserver import RawServer

KEY = "fuzz-key-that-nothing-else-contains"
LIMIT = 0.5  # seconds


def answering() -> RawServer:
    """Start a server that closes each connection after its answer."""
    server = RawServer([], socket.create_server(("127.0.0.1", 0), backlog=64))
    threading.Thread(target=server.accept, daemon=True).start()
    return server


def answers(server: RawServer, data: bytes) -> None:
    """Let the server answer with these bytes, and forget what it was sent."""
    server.turns, server.requests = [lambda peer: peer.sendall(data)], []


HOME, ELSEWHERE = answering(), answering()


@contextmanager
def only_here() -> Iterator[None]:
    """Make every connection lead to our server, or to the one that stands for all others."""

    def connect(address: tuple[str, int], *_args: Any, **_kwargs: Any) -> socket.socket:
        own = address[0].strip("[]") == "127.0.0.1" and address[1] == HOME.port
        return socket.create_connection(("127.0.0.1", HOME.port if own else ELSEWHERE.port), LIMIT)

    theirs = urllib3.util.connection.create_connection
    urllib3.util.connection.create_connection = connect
    try:
        yield
    finally:
        urllib3.util.connection.create_connection = theirs


def answer(data: bytes) -> None:
    """An answer of any bytes is a value or one of our errors; the key goes only to its own server."""
    kind = data[0] % 4 if data else 0
    answers(HOME, data[1:])
    answers(ELSEWHERE, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    with only_here(), NoxusApi(Settings(f"http://127.0.0.1:{HOME.port}", KEY)) as api, suppress(NoxError):
        match kind:
            case 0:
                api.within(LIMIT).get_run("w", "r")
            case 1:
                with api.within(LIMIT).download("f") as download:
                    for _ in download.pieces():
                        pass
            case 2:
                api.create_run("w", {})
            case _:
                feed = api.open_events("r")
                with suppress(NoxError):
                    while feed.next_events(LIMIT):
                        pass
                feed.close()
    assert KEY not in repr(ELSEWHERE.requests)
