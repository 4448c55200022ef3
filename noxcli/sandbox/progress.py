"""The progress of a run, node by node: the source of `progress_details` and the percentage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from noxcli.sandbox import wording
from noxcli.sandbox.scenario import Node
from noxcli.sandbox.switches import Switches

DONE = ("completed", "failed", "skipped")


@dataclass(slots=True)
class Turn:
    """One execution of a node."""

    began: datetime
    ended: datetime | None = None


class Progress:
    """The status of every node of one run."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._order = [node.id for node in nodes]
        self._names = {node.id: node.name for node in nodes}
        self.statuses: dict[str, str] = {}
        self.turns: dict[str, list[Turn]] = {}
        self.logs: dict[str, list[dict[str, Any]]] = {}

    def note(self, node_id: str, status: str) -> bool:
        """Set a node's status; true if it changed."""
        if self.statuses.get(node_id) == status:
            return False
        if node_id not in self._names:
            self._order.append(node_id)
            self._names[node_id] = node_id
        self.statuses[node_id] = status
        now, turns = datetime.now(UTC), self.turns.setdefault(node_id, [])
        if status != "skipped" and (not turns or turns[-1].ended):
            turns.append(Turn(now))
        if status in DONE and turns:
            turns[-1].ended = now
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
        executed = ("completed", "failed") if switches.failed_nodes == "executed" else ("completed",)

        def having(*wanted: str) -> list[str]:
            return [node_id for node_id in self._order if self.statuses.get(node_id) in wanted]

        return {
            "executed_nodes": having(*executed),
            "remaining_nodes": [node_id for node_id in self._order if node_id not in self.statuses],
            "running_nodes": [
                node_id for node_id in self._order if self.statuses.get(node_id, "completed") not in DONE
            ],
            "skipped_nodes": having("skipped"),
            "error_handler_nodes": [],
            "per_node_progress": wording.node_progress(self.statuses, self._names, switches),
            "per_edge_progress": {},
            "subflow_executions": {},
            "run_logs": wording.run_logs(self.logs, switches),
        }
