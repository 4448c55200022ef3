"""Requests that skip the library's extra work: on the wire they are the same, and connections are kept."""

import time
from contextlib import suppress
from typing import Any

import pytest

from noxcli.api import NoxusApi
from noxcli.api.direct import PLAIN_PATH
from noxcli.api.session import MOST_KEPT
from noxcli.config.settings import Settings
from noxcli.errors import NoxError
from tests.process import HUNG
from tests.rawserver import RawServer, Request, Turn, json_answer, raw_server

RECORD = {"id": "r", "workflow_id": "w", "status": "running"}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def stays_open(request: Request) -> Turn:
    return STREAM if request.target.endswith("/events") else json_answer(RECORD)


def connect(server: RawServer) -> NoxusApi:
    return NoxusApi(Settings(server.url, "noxus_do-not-tell"))


@pytest.mark.parametrize("odd", ["w w", "w%", "ü", "w+"])
def test_what_needs_quoting_and_what_does_not_go_out_alike(odd: str) -> None:
    """An odd id is left to the library: except for the path, both ways must send the same."""
    with raw_server(json_answer(RECORD)) as server, connect(server) as api:
        for workflow_id in ("w", odd):
            api.create_run(workflow_id, {"Q": "x"})
            api.get_run(workflow_id, "r")
            api.stop_run("r")
    plain, quoted = server.requests[:3], server.requests[3:]
    assert [one.target for one in plain] == ["/v1/workflows/w/runs", "/v1/workflows/w/runs/r", "/v1/runs/r/stop"]
    for one, other in zip(plain, quoted, strict=True):
        assert (one.method, one.headers, one.body) == (other.method, other.headers, other.body)
    assert plain[0].headers["content-length"] == str(len(plain[0].body))


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/v1/runs/00000000-0000-4000-8000-00000000000a", True),
        ("/v1/runs/a.b", True),
        ("/v1/runs/..", False),
        ("/v1/../runs", False),
        ("/v1/./runs", False),
        ("/v1//runs", False),
        ("/v1/runs?size=1", False),
        ("/v1/runs/%41", False),
        ("", False),
    ],
)
def test_only_a_path_that_no_library_would_change_is_plain(path: str, plain: bool) -> None:
    assert (PLAIN_PATH.fullmatch(path) is not None) is plain


def test_a_start_goes_over_a_connection_of_its_own_which_the_next_request_uses() -> None:
    with raw_server(by_request=stays_open) as server, connect(server) as api:
        api.get_run("w", "r")
        for _ in range(3):
            api.create_run("w", {"Q": "x"})
            api.get_run("w", "r")
    assert [(one.method, one.connection) for one in server.requests] == [
        *[("GET", 1)],
        *[("POST", 2), ("GET", 2)],
        *[("POST", 3), ("GET", 3)],
        *[("POST", 4), ("GET", 4)],
    ]


def test_a_start_never_goes_over_a_connection_that_the_server_may_have_closed() -> None:
    def closes_unannounced(peer: Any) -> None:
        peer.sendall(json_answer(RECORD))

    with raw_server(closes_unannounced) as server, connect(server) as api:
        for _ in range(20):
            with suppress(NoxError):
                api.get_run("w", "r")
            api.create_run("w", {"Q": "x"})
    posts = [one.connection for one in server.requests if one.method == "POST"]
    assert len(posts) == 20
    assert all([one.connection for one in server.requests].count(post) == 1 for post in posts)


def test_of_many_connections_the_longest_idle_are_closed() -> None:
    with raw_server(json_answer(RECORD)) as server, connect(server) as api:
        for _ in range(MOST_KEPT + 8):
            api.create_run("w", {"Q": "x"})
        api.get_run("w", "r")
        assert server.requests[-1].connection == MOST_KEPT + 8
        assert open_still(server, MOST_KEPT) == MOST_KEPT


def open_still(server: RawServer, most: int) -> int:
    """Return how many of the server's connections are open, once the number is stable."""
    end = time.monotonic() + HUNG
    while (count := sum(peer.fileno() >= 0 for peer in server._open)) > most and time.monotonic() < end:
        time.sleep(0.01)
    return count


def test_the_end_closes_all_connections() -> None:
    with raw_server(json_answer(RECORD)) as server:
        with connect(server) as api:
            for _ in range(3):
                api.create_run("w", {"Q": "x"})
        assert open_still(server, 0) == 0
