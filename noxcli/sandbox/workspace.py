"""The state of one sandbox: workflows, runs, files, remaining faults, every request."""

import asyncio
import math
import re
import uuid
from collections import deque
from collections.abc import Iterable
from typing import Any

from starlette.exceptions import HTTPException

from noxcli.sandbox.answers import Invalid
from noxcli.sandbox.entry import MAX_REQUESTS, Received
from noxcli.sandbox.faults import FaultPlan, FaultQueue
from noxcli.sandbox.filestore import StoredFile
from noxcli.sandbox.player import play
from noxcli.sandbox.run import Run
from noxcli.sandbox.scenario import File, Scenario
from noxcli.sandbox.switches import Switches
from noxcli.sandbox.values import resolved
from noxcli.sandbox.workflow import Workflow

# Limits on what is kept; the oldest is dropped first.
MAX_RUNS = MAX_FILES = 10_000
MAX_CONTENT = 512 * 1024 * 1024  # bytes, of all files together
# For tests in one process; a sandbox for others gets its own key.
KEY = "sandbox-key"
_LIMITED = "-without-flows-run"
LIMITED_KEY = f"{KEY}{_LIMITED}"


class Workspace:
    """The state behind the API. Only the server's own loop changes runs."""

    def __init__(
        self,
        *,
        key: str = KEY,
        speed: float = 1.0,
        switches: Switches | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        if not key.isascii() or not key.isprintable() or " " in key or not key:
            raise ValueError("a key consists of printable ASCII characters without blanks")
        self.key = key
        self.limited_key = f"{key}{_LIMITED}"
        self.speed = speed
        self.switches = switches or Switches()
        self._fault_source: FaultPlan = faults or {}
        self.faults = FaultQueue(self._fault_source)
        self.workflows: dict[str, Workflow] = {}
        self.runs: dict[str, Run] = {}
        self.files: dict[str, StoredFile] = {}
        self.requests: deque[Received] = deque(maxlen=MAX_REQUESTS)
        self._content = 0  # bytes of all files that are in memory
        self._background: set[asyncio.Task[None]] = set()

    async def pause(self, seconds: float) -> None:
        """Wait, at the sandbox's speed."""
        delay = 0.0
        if not math.isinf(self.speed):
            delay = seconds / self.speed
        await asyncio.sleep(delay)

    def add(self, scenario: Scenario) -> str:
        """Serve a scenario; one of the same id is replaced."""
        self.workflows[scenario.id] = Workflow(scenario, self.switches)
        return scenario.id

    def workflow(self, key: str) -> Workflow:
        """A workflow by id, or by the bare name of its scenario."""
        found = self.workflows.get(key.lower())
        if found is not None:
            return found
        # A copy: tests add workflows from another thread.
        for workflow in list(self.workflows.values()):
            if workflow.scenario.name == key:
                return workflow
        check_uuid(key, ["path", "workflow_id"])
        raise HTTPException(404, "Workflow not found")

    def run(self, run_id: str, workflow: Workflow | None = None) -> Run:
        """A run by id, of a certain workflow if one is named."""
        check_uuid(run_id, ["path", "run_id"])
        run = self.runs.get(run_id.lower())
        if run is None:
            raise HTTPException(404, "Run not found")
        if workflow is not None and run.workflow.scenario.id != workflow.scenario.id:
            raise HTTPException(404, "Run not found")
        return run

    def file(self, file_id: str) -> StoredFile:
        """A stored file by id."""
        check_uuid(file_id, ["path", "file_id"])
        if file_id.lower() not in self.files:
            raise HTTPException(404, "File not found")
        return self.files[file_id.lower()]

    def keep(self, file: File, owner: str = "") -> StoredFile:
        """Store a file; drop the oldest if there are too many."""
        stored = StoredFile(file, owner)
        self.files[stored.id] = stored
        self._content += stored.held
        while len(self.files) > 1 and (len(self.files) > MAX_FILES or self._content > MAX_CONTENT):
            self._content -= self.files.pop(next(iter(self.files))).held
        return stored

    def start(self, workflow: Workflow, body: dict[str, Any]) -> Run:
        """Check the body of a start, create the run and start its player."""
        url = body.get("callback_url")
        # Nothing is posted to it, since no source says what.
        if url is not None and not re.match(r"https?://[^/\s]", str(url)):
            raise Invalid(["body", "callback_url"], "Input should be a valid URL", "url_parsing")
        version_id = body.get("workflow_version_id")
        if version_id is not None:
            check_uuid(version_id, ["body", "workflow_version_id"])
        graph = workflow.graph_of(version_id)
        values = resolved(body["input"], graph, workflow.switches)
        scenario = workflow.scenario
        if scenario.course is not None:
            scenario = scenario.course(version_id, body["input"])
        self._make_room()
        run = Run(workflow, graph, body, values, scenario)
        self.runs[run.id] = run
        workflow.runs.append(run)

        def store(file: File) -> dict[str, Any]:
            return self.keep(file, workflow.scenario.id).value()

        run.task = asyncio.create_task(play(run, self.pause, store))
        return run

    async def stop(self, run: Run) -> None:
        """Stop a run that has not ended."""
        if run.ended:
            return
        if run.switches.stop_seconds:
            task = asyncio.create_task(self._stop_after(run, run.switches.stop_seconds))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        else:
            await self._end_player(run)

    def _make_room(self) -> None:
        """Forget the runs that ended longest ago."""
        while len(self.runs) >= MAX_RUNS:
            oldest = next((run for run in self.runs.values() if run.over.is_set()), None)
            if oldest is None:
                break
            del self.runs[oldest.id]
            oldest.workflow.runs.remove(oldest)

    async def reset(self, scenarios: Iterable[Scenario]) -> None:
        """Forget everything, reset all faults, and serve these scenarios."""
        await self.close()
        for kept in (self.workflows, self.runs, self.files, self.requests):
            kept.clear()
        self._content = 0
        self.faults = FaultQueue(self._fault_source)
        for scenario in scenarios:
            self.add(scenario)

    async def close(self) -> None:
        """End all players."""
        tasks = [run.task for run in self.runs.values() if run.task is not None]
        tasks += self._background
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for run in self.runs.values():
            run.stream = "closed"
            run.log.wake()

    def node_types(self) -> set[str]:
        """The types of all nodes that the workflows use."""
        types: set[str] = set()
        for workflow in list(self.workflows.values()):
            types.update(node.type for node in workflow.graph.nodes)
        return types

    async def _stop_after(self, run: Run, seconds: float) -> None:
        await self.pause(seconds)
        await self._end_player(run)

    async def _end_player(self, run: Run) -> None:
        assert run.task is not None
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)
        if not run.ended:
            run.end_with("stopped")


def check_uuid(text: Any, loc: Iterable[str]) -> None:
    """422 for what is not a UUID, as FastAPI answers for a field of that type."""
    try:
        uuid.UUID(str(text))
    except ValueError:
        raise Invalid(list(loc), "Input should be a valid UUID", "uuid_parsing") from None
