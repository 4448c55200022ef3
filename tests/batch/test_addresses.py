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

NAME = "localhost"


@pytest.fixture
def behind_a_dead_address(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[str]:
    """The sandbox by a name, whose first address takes no connection; IPv6 would be refused where there is none."""
    port = int(sandbox.url.rpartition(":")[2])
    resolve = socket.getaddrinfo
    with socket.socket() as dead, socket.socket() as one, socket.socket() as other, socket.socket() as third:
        dead.bind(("127.0.0.2", port))
        dead.listen(0)
        for waiting in (one, other, third):
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", port))

        def found(host: Any, *rest: Any, **more: Any) -> Any:
            if host != NAME:
                return resolve(host, *rest, **more)
            return [*resolve("127.0.0.2", *rest, **more), *resolve("127.0.0.1", *rest, **more)]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        transport.ANSWERED.clear()
        yield f"http://{NAME}:{port}"
    transport.ANSWERED.clear()


@pytest.mark.long(10)
def test_a_dead_address_costs_seconds_once(noxcli: Noxcli, workflow: str, behind_a_dead_address: str) -> None:
    noxcli.clock = Clock()
    noxcli.environ["NOXUS_BACKEND_URL"] = behind_a_dead_address
    began = time.monotonic()
    result = noxcli("run", workflow, "Q=a", "--json")
    assert (result.code, time.monotonic() - began < 4) == (0, True), result.err
    transport.ANSWERED.clear()
    began = time.monotonic()
    result = noxcli("batch", workflow, write_rows(*map(str, range(12))))
    assert (result.code, time.monotonic() - began < 5) == (0, True), result.err


def test_a_refused_address_costs_nothing(noxcli: Noxcli, workflow: str, sandbox: Sandbox, monkeypatch: Any) -> None:
    resolve = socket.getaddrinfo

    def found(host: Any, *rest: Any, **more: Any) -> Any:
        both = ("127.0.0.9", "127.0.0.1") if host == NAME else (host,)
        return [each for address in both for each in resolve(address, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    noxcli.environ["NOXUS_BACKEND_URL"] = sandbox.url.replace("127.0.0.1", NAME)
    assert noxcli("run", workflow, "Q=a", "--json").code == 0
