"""A server of raw bytes with one failed run, which gives the reason in as many places as a test wants."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.rawserver import RawServer, Request, Turn, accepting, answer, json_answer

WORKFLOW, RUN = "5a3cfb7d-0000-4000-8000-000000000001", "5a3cfb7d-0000-4000-8000-000000000002"
READ, WRITE = "5a3cfb7d-0000-4000-8000-00000000000a", "5a3cfb7d-0000-4000-8000-00000000000b"
GONE = json_answer({"detail": "Not found"}, 404)
DEFINITION = {
    "nodes": [
        {"id": READ, "type": "TextNode", "name": "Read", "node_config": {}},
        {"id": WRITE, "type": "TextNode", "name": "Write", "node_config": {}},
    ],
    "edges": [{"source": READ, "target": WRITE}],
}


@dataclass
class FailedRun(RawServer):
    """The server's answers: `events` as envelopes or its own turn, `details` of the record, `data` of the run."""

    events: Sequence[Mapping[str, Any]] | Turn = GONE
    details: Mapping[str, Any] = field(default_factory=dict)
    data: Any = GONE
    workflow: Turn = field(default_factory=lambda: json_answer({"id": WORKFLOW, "name": "W", "definition": DEFINITION}))

    def turn_for(self, request: Request) -> Turn:
        path = request.target.partition("?")[0]
        record = {"id": RUN, "workflow_id": WORKFLOW, "status": "failed", "created_at": "2026-01-01T00:00:00Z"}
        known = {
            f"/v1/workflows/{WORKFLOW}": self.workflow,
            f"/v1/workflows/{WORKFLOW}/runs/{RUN}": json_answer({**record, "progress_details": self.details}),
            f"/v1/runs/{RUN}": json_answer(record),
            f"/v1/runs/{RUN}/events": _stream(self.events),
            f"/v1/runs/{RUN}/data": json_answer(self.data) if isinstance(self.data, dict | list) else self.data,
        }
        if request.method == "POST":
            return json_answer({**record, "status": "queued"})
        return known.get(path, GONE)

    def asked(self, end: str) -> int:
        """How many requests had this path."""
        return sum(request.target.partition("?")[0].endswith(end) for request in self.requests)


def _stream(events: Any) -> Turn:
    if not isinstance(events, list | tuple):
        turn: Turn = events
        return turn
    frames = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return answer(200, frames.encode(), Content_Type="text/event-stream", Connection="close")


@contextmanager
def failed_run(**said: Any) -> Iterator[FailedRun]:
    """Run the server in its own thread."""
    with accepting(FailedRun([], socket.create_server(("127.0.0.1", 0)), **said)) as server:
        yield server


def said_by(node: str, status: str, number: int, **more: Any) -> dict[str, Any]:
    """Return a content event."""
    return {"type": "content", "data": {"id": node, "status": status, **more}, "redisId": f"{number}-0"}


def failing_events(reason: str | None) -> list[dict[str, Any]]:
    """Return the events of a run whose second node fails."""
    why = {} if reason is None else {"content": reason}
    return [
        said_by(READ, "running", 1),
        said_by(READ, "completed", 2),
        said_by(WRITE, "running", 3, content="Once upon "),
        said_by(WRITE, "failed", 4, **why),
        said_by(WRITE, "failed", 5, workflow_status="failed"),
    ]
