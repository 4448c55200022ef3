"""The progress of a run, node by node: `progress_details`, the percentage, and the words for a status."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from noxcli.sandbox.scenario import Node
from noxcli.sandbox.switches import Switches

DONE = ("completed", "failed", "skipped")
_NODE_WORDS = {
    "synonym": {
        "running": "started",
        "completed": "succeeded",
        "failed": "errored",
        "skipped": "cancelled",
    },
    "foreign": {
        "running": "busy",
        "completed": "through",
        "failed": "broken",
        "skipped": "passed over",
    },
}
_RUN_WORDS = {
    "synonym": {"completed": "success", "failed": "error", "stopped": "cancelled"},
    "foreign": {"completed": "through", "failed": "broken", "stopped": "called off"},
}


class Progress:
    """The status of every node of one run."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._order = [node.id for node in nodes]
        self._names = {node.id: node.name for node in nodes}
        self.statuses: dict[str, str] = {}
        self.began: dict[str, datetime] = {}
        self.ended: dict[str, datetime] = {}
        self.logs: dict[str, list[dict[str, Any]]] = {}

    def note(self, node_id: str, status: str) -> bool:
        """Set a node's status; true if it changed."""
        if self.statuses.get(node_id) == status:
            return False
        if node_id not in self._names:
            self._order.append(node_id)
            self._names[node_id] = node_id
        self.statuses[node_id] = status
        if status != "skipped":
            self.began.setdefault(node_id, datetime.now(UTC))
            if status in DONE:
                self.ended[node_id] = datetime.now(UTC)
        return True

    def log(self, node_id: str, message: str) -> None:
        """Keep a message for the node's run log."""
        self.logs.setdefault(node_id, []).append({"level": "error", "message": message})

    @property
    def percent(self) -> int:
        """Below 100 until the run ends."""
        done = sum(status in DONE for status in self.statuses.values())
        return min(99, 100 * done // max(1, len(self._order)))

    def unfinished(self) -> list[str]:
        """Nodes that neither ended nor were skipped, in order."""
        return [node_id for node_id in self._order if self.statuses.get(node_id) not in DONE]

    def details(self, switches: Switches) -> dict[str, Any]:
        """The `progress_details` object. The values under per_node_progress and run_logs are a guess."""
        executed = (
            ("completed", "failed") if switches.failed_nodes == "executed" else ("completed",)
        )

        def having(*wanted: str) -> list[str]:
            return [node_id for node_id in self._order if self.statuses.get(node_id) in wanted]

        return {
            "executed_nodes": having(*executed),
            "remaining_nodes": [node_id for node_id in self._order if node_id not in self.statuses],
            "running_nodes": [
                node_id
                for node_id in self._order
                if self.statuses.get(node_id, "completed") not in DONE
            ],
            "skipped_nodes": having("skipped"),
            "error_handler_nodes": [],
            "per_node_progress": {
                node_id: {"name": self._names[node_id], "status": node_word(status, switches)}
                for node_id, status in self.statuses.items()
                if switches.node_progress == "status"
            },
            "per_edge_progress": {},
            "subflow_executions": {},
            "run_logs": {
                node_id: [
                    f"ERROR {each['message']}" if switches.run_logs == "lines" else each
                    for each in entries
                ]
                for node_id, entries in self.logs.items()
            },
        }


def node_word(status: str, switches: Switches) -> str:
    """A node's status in the words of this server; any unusual status stays."""
    if switches.node_words == "upper":
        return status.upper()
    return _NODE_WORDS.get(switches.node_words, {}).get(status, status)


def run_word(status: str, switches: Switches) -> str:
    """A run's status in the words of this server."""
    return _RUN_WORDS.get(switches.run_words, {}).get(status, status)
