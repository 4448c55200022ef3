"""Hosts with several addresses, of which one is dead."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from noxcli.api import transport
from noxcli.sandbox.server import Sandbox
from noxcli.timing import Clock
from tests.conftest import Noxcli, write_rows
from tests.rawserver import full_queue

NAME = "localhost"


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let the name have these addresses, in this order; IPv6 would be refused where there is none."""
    resolve = socket.getaddrinfo

    def found(host: Any, *rest: Any, **more: Any) -> Any:
        return [
            each
            for one in (addresses if host == NAME else (host,))
            for each in resolve(one, *rest, **more)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.fixture
def behind_a_dead_address(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[str]:
    """The sandbox by a name, whose first address takes no connection."""
    port = int(sandbox.url.rpartition(":")[2])
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    transport.ANSWERED.clear()
    with full_queue(("127.0.0.2", port)):
        yield f"http://{NAME}:{port}"
    transport.ANSWERED.clear()


@pytest.mark.long(10)
def test_a_dead_address_costs_seconds_once(
    noxcli: Noxcli, workflow: str, behind_a_dead_address: str
) -> None:
    noxcli.clock = Clock()
    noxcli.environ["NOXUS_BACKEND_URL"] = behind_a_dead_address
    for argv in (
        ("run", workflow, "Q=a", "--json"),
        ("batch", workflow, write_rows(*map(str, range(12)))),
    ):
        transport.ANSWERED.clear()
        began = time.monotonic()
        result = noxcli(*argv)
        assert (result.code, time.monotonic() - began < 6) == (0, True), (
            result.err
        )  # twice would be 6


def test_a_refused_address_costs_nothing(
    noxcli: Noxcli, workflow: str, sandbox: Sandbox, monkeypatch: Any
) -> None:
    resolve_to(monkeypatch, "127.0.0.9", "127.0.0.1")
    noxcli.environ["NOXUS_BACKEND_URL"] = sandbox.url.replace("127.0.0.1", NAME)
    assert noxcli("run", workflow, "Q=a", "--json").code == 0
