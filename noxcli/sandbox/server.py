"""A sandbox in a thread of this process, on its own port."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any, Self

import uvicorn

from noxcli.sandbox.app import build
from noxcli.sandbox.entry import Received
from noxcli.sandbox.faults import FaultPlan
from noxcli.sandbox.run import Run
from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.switches import Switches
from noxcli.sandbox.workspace import KEY, Workspace

HOST = "127.0.0.1"
_BACKLOG = 1024
_START_SECONDS = 10.0


class Sandbox:
    """The simulated API, running between enter and exit.

    with Sandbox(speed=50) as sandbox:
        workflow_id = sandbox.add(Scenario("one", output={"Answer": "42"}))
        ...requests to sandbox.url with the header X-API-Key: sandbox.key
    """

    def __init__(
        self,
        scenarios: Iterable[Scenario] = (),
        *,
        key: str = KEY,
        speed: float = 1.0,
        switches: Switches | None = None,
        faults: FaultPlan | None = None,
        port: int = 0,
    ) -> None:
        self._workspace = Workspace(key=key, speed=speed, switches=switches, faults=faults)
        self.key = key
        self.limited_key = self._workspace.limited_key
        self.scenarios = list(scenarios)
        for scenario in self.scenarios:
            self._workspace.add(scenario)
        self._connections: set[Any] = set()
        self._port = port
        self._thread = threading.Thread(target=self._serve, name="noxcli-sandbox", daemon=True)

    def __enter__(self) -> Self:
        # Bound here and passed on: no other process can take the port in between.
        self._listener = listening(self._port)
        self._port = self._listener.getsockname()[1]
        self._server = uvicorn.Server(self._config())
        self._server.server_state.connections = self._connections
        self._thread.start()
        give_up_at = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > give_up_at:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.002)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://{HOST}:{self._port}"

    @property
    def other_url(self) -> str:
        """The same server as another origin: where the switches may redirect downloads to."""
        return f"http://localhost:{self._port}"

    @property
    def requests(self) -> list[Received]:
        """Every request so far, in order of arrival."""
        return list(self._workspace.requests)

    def add(self, scenario: Scenario) -> str:
        """Serve one more scenario, or a new version of one; returns the workflow's id."""
        return self._workspace.add(scenario)

    def runs(self, workflow_id: str) -> list[Run]:
        """The runs of a workflow, oldest first."""
        return list(self._workspace.workflow(workflow_id).runs)

    def reset(self, scenarios: Iterable[Scenario]) -> None:
        """Forget everything, reset all faults, and serve these scenarios."""
        asyncio.run_coroutine_threadsafe(self._workspace.reset(scenarios), self._loop).result()

    def break_connections(self) -> None:
        """Cut every open connection."""
        self._loop.call_soon_threadsafe(self._break_all)

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            build(self._workspace, self._connections),
            http="h11",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,  # a client's address must stay that of the connection
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )

    def _break_all(self) -> None:
        for connection in list(self._connections):
            connection.transport.abort()

    def _serve(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        await self._ending.wait()
        # Open streams would keep uvicorn waiting for its whole grace period.
        await self._workspace.close()
        self._server.should_exit = True
        self._break_all()
        await serving
        # Some may have come in just before uvicorn stopped listening.
        self._break_all()
        await asyncio.sleep(0)


def listening(port: int) -> socket.socket:
    """A socket that listens on loopback; 0 is any free port."""
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it, every answer
    # takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
