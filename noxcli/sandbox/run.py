"""One run: its input, its state and events, and the only code that changes its status."""

import asyncio
import json
import math
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

from noxcli.sandbox.json_toml import encoded
from noxcli.sandbox.progress import Progress, node_word, run_word
from noxcli.sandbox.scenario import Node, Scenario
from noxcli.sandbox.workflow import Graph, Workflow


class EventLog:
    """Events as sent, each with a cursor of the form `<ms>-<seq>`."""

    def __init__(self, redis_ids: str) -> None:
        self.payloads: list[bytes] = []
        self.cursors: list[str] = []
        self._redis_ids = redis_ids
        self._last = (0, 0)
        self._grown = asyncio.Event()

    def __len__(self) -> int:
        return len(self.payloads)

    def append(self, type: str, data: Any, cursor: str | None = None) -> None:
        """Add an event and wake the streams that wait for one."""
        if not cursor:
            cursor = self._next_cursor()
        envelope = {"type": type, "data": data}
        if self._redis_ids == "all" or (self._redis_ids == "some" and len(self) % 2 == 0):
            envelope["redisId"] = cursor
        self.cursors.append(cursor)
        self.payloads.append(encoded(envelope))
        self._grown.set()

    def place(self, cursor: str) -> int | None:
        """The position of the event with that cursor, if known."""
        if cursor not in self.cursors:
            return None
        return self.cursors.index(cursor)

    def after(self, cursor: str) -> int:
        """The position after a cursor by order, as Redis finds it; ValueError if malformed."""
        wanted = _numbers(cursor)
        for at, each in enumerate(self.cursors):
            if _numbers(each) > wanted:
                return at
        return len(self)

    def wake(self) -> None:
        """Wake waiting streams: something other than the events changed."""
        self._grown.set()

    async def growth(self, timeout: float) -> None:
        """Wait for a change, or for the timeout. Call it only after reading everything."""
        self._grown.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._grown.wait(), None if math.isinf(timeout) else timeout)

    def _next_cursor(self) -> str:
        now = time.time_ns() // 1_000_000
        moment, number = self._last
        if now > moment:
            self._last = (now, 0)
        else:
            self._last = (moment, number + 1)
        moment, number = self._last
        return f"{moment}-{number}"


def _numbers(cursor: str) -> list[int]:
    return [int(number) for number in cursor.split("-")]


TERMINAL = ("completed", "failed", "stopped")
PAUSED = "awaiting_human_feedback"


class Run:
    """A run of a workflow. Tests read `id`, `status`, `input` and `events`."""

    def __init__(
        self,
        workflow: Workflow,
        graph: Graph,
        body: dict[str, Any],
        values: dict[str, Any],
        course: Scenario,
    ) -> None:
        self.id = str(uuid.uuid4())
        self.workflow = workflow
        self.course = course  # the workflow's scenario, or what a tape says of this input
        self.graph = graph  # of the version that it runs
        self.switches = workflow.switches
        self.input: dict[str, Any] = body["input"]
        self.body = body
        self.values = values
        self.turn = workflow.turn(body.get("workflow_version_id"), self.input)
        self.status = "queued"
        self.created_at = self.now()
        self.finished_at: datetime | None = None
        self.progress = Progress(graph.nodes)
        self.log = EventLog(self.switches.redis_ids)
        self.output: list[tuple[Node, Any]] = []
        self.failure: tuple[str, str] | None = None
        self.stream: Literal["open", "closed", "silent"] = "open"
        self.over = asyncio.Event()
        self.task: asyncio.Task[None] | None = None  # plays it
        self.stale_reads = self.switches.stale_reads
        self.late_output_reads = self.switches.late_output_reads
        self.told_status = ""  # from the latest state event
        self._said: dict[str, str] = {}

    @staticmethod
    def now() -> datetime:
        """The current time, in the form of records."""
        return datetime.now(UTC)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The exact envelopes of all events so far, in order."""
        return [json.loads(payload) for payload in self.log.payloads]

    @property
    def known(self) -> dict[str, Any]:
        """What its script and its output may depend on: the inputs by label, and its turn."""
        return {**self.values, "$turn": self.turn}

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL

    @property
    def closed(self) -> bool:
        """Whether streams close after all events."""
        return self.stream == "closed"

    def says(self, place: str) -> bool:
        """Whether that place has the reason of a failure."""
        return self.switches.failure_detail in ("everywhere", place)

    def emit_state(self, **more: Any) -> None:
        """Append a state event with the run's current state."""
        self.told_status = self.status
        data = {
            "status": run_word(self.status, self.switches),
            "progress_details": self.progress.details(self.switches),
            **more,
        }
        self.log.append("state", None if self.switches.null_data else data)

    def emit_content(self, node_id: str, status: str, content: Any = None, **more: Any) -> None:
        """Append a content event of a node."""
        data: dict[str, Any] = {"id": node_id, "status": node_word(status, self.switches)}
        if content is not None:
            if self.switches.content == "cumulative" and isinstance(content, str):
                content = self._said.get(node_id, "") + content
                self._said[node_id] = content
            data["content"] = content
        self.log.append("content", {**data, **more})

    def end_with(self, status: str) -> None:
        """Set the run's last status, notify the streams, and wake all waiters.

        The record is final before the event that says so: a client that then reads it must get the
        final state.
        """
        self.status = status
        if self.ended:
            self.finished_at = self.now()
        if self.told_status != status:
            self.emit_state()
        announced, _ = self._at_end()
        if announced:
            self._announce(status)
        self.close_stream()

    def close_stream(self) -> None:
        """Decide whether streams close or fall silent, since no more events will follow."""
        _, reaction = self._at_end()
        self.stream = "silent" if reaction == "silent" else "closed"
        self.over.set()
        self.log.wake()

    def _at_end(self) -> tuple[bool, str]:
        """Whether its status is announced as the end of the stream, and how the stream reacts."""
        switches = self.switches
        if self.status in ("completed", "failed"):
            return switches.end_announced_by != "none", switches.after_end
        reaction = "silent"
        if self.status == "stopped":
            reaction = switches.on_stopped
        elif self.status == PAUSED:
            reaction = switches.on_paused
        return reaction == "end", reaction

    def _announce(self, status: str) -> None:
        """Noxus docs: Stream run events: a content event with `workflow_status` ends the stream."""
        if self.switches.end_announced_by == "state":
            self.emit_state(workflow_status=run_word(status, self.switches))
            return
        nodes = self.graph.outputs or self.graph.nodes
        if status == "failed" and self.failure:
            node_id = self.failure[0]
        elif nodes:
            node_id = nodes[-1].id
        else:
            node_id = self.workflow.scenario.id
        node_status = self.progress.statuses.get(node_id, status)
        self.emit_content(node_id, node_status, workflow_status=run_word(status, self.switches))
