"""One sandbox for all tests of a process, clean for each; behaviors differ by scenario."""

from collections.abc import Iterator

import pytest

from noxcli.sandbox.server import Sandbox

from .api import Api


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox(speed=100) as sandbox:
        yield sandbox


@pytest.fixture
def api(running: Sandbox) -> Iterator[Api]:
    running.reset(())
    api = Api(running)
    yield api
    api.session.close()
