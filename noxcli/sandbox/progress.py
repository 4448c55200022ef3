"""The progress of a run, node by node: `progress_details`, the percentage, words for a status."""

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
        """The `progress_details` object; what is in per_node_progress and run_logs is a guess."""
        executed: list[str] = []
        remaining: list[str] = []
        running: list[str] = []
        skipped: list[str] = []
        for node_id in self._order:
            match self.statuses.get(node_id):
                case None:
                    remaining.append(node_id)
                case "completed":
                    executed.append(node_id)
                case "failed":
                    if switches.failed_nodes == "executed":
                        executed.append(node_id)
                case "skipped":
                    skipped.append(node_id)
                case _:
                    running.append(node_id)
        return {
            "executed_nodes": executed,
            "remaining_nodes": remaining,
            "running_nodes": running,
            "skipped_nodes": skipped,
            "error_handler_nodes": [],
            "per_node_progress": self._per_node(switches),
            "per_edge_progress": {},
            "subflow_executions": {},
            "run_logs": self._run_logs(switches),
        }

    def _per_node(self, switches: Switches) -> dict[str, Any]:
        if switches.node_progress == "none":
            return {}
        nodes = {}
        for node_id, status in self.statuses.items():
            word = node_word(status, switches)
            nodes[node_id] = {"name": self._names[node_id], "status": word}
        return nodes

    def _run_logs(self, switches: Switches) -> dict[str, list[Any]]:
        logs: dict[str, list[Any]] = {}
        for node_id, entries in self.logs.items():
            logs[node_id] = list(entries)
            if switches.run_logs == "lines":
                logs[node_id] = [f"ERROR {entry['message']}" for entry in entries]
        return logs


def node_word(status: str, switches: Switches) -> str:
    """A node's status in the words of this server; any unusual status stays."""
    if switches.node_words == "upper":
        return status.upper()
    return _NODE_WORDS.get(switches.node_words, {}).get(status, status)


def run_word(status: str, switches: Switches) -> str:
    """A run's status in the words of this server."""
    return _RUN_WORDS.get(switches.run_words, {}).get(status, status)
