"""What `inspect` and `report` read of a run.

Its record, its events if it failed, and the data of its nodes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from noxcli.cli.follow import explain_failure, progress_of
from noxcli.cli.session import Session
from noxcli.errors import NoxError
from noxcli.masking import HIDDEN
from noxcli.models import Finished, Run
from noxcli.runs.node_data import NodeData, data_by_node
from noxcli.runs.progress import Node, Progress

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Inside:
    """What is known about the nodes of a run.

    `data` is the server's, unchanged; `inputs` are without known secrets.
    """

    run: Run
    progress: Progress
    nodes: list[dict[str, Any]]
    data: Any
    inputs: dict[str, Any] | None


def inspect_run(noxus: Session, text: str) -> Inside:
    """Return what the record, the events of a failed run, and the run's data show.

    `text` is its name.
    """
    context = noxus.context
    context.outcome.looked_for()

    def read(what: str, call: Callable[["NoxusApi"], T]) -> T | None:
        try:
            # The table needs neither.
            return noxus.keep_trying(call, lambda error, _: error.concerns_all)
        except NoxError as error:
            context.terminal.warn(f"{what} can't be read: {error.message}")
            return None

    run = noxus.read_run(text, noxus.retries())
    if run.status == "failed":
        progress = explain_failure(noxus, run)
    else:
        workflow = run.workflow if run.workflow and run.workflow.nodes else None
        workflow = workflow or read(
            "nodes are shown by their ids, since the workflow",
            lambda api: api.get_workflow(run.workflow_id),
        )
        progress = progress_of(noxus, run, workflow)
        progress.apply_one(Finished(run))
    data = read("the run's data", lambda api: api.get_run_data(run.id))
    entry = context.history.find_entry(run.id, context.base_url)
    hidden = (entry and entry.secret_inputs) or ()
    recorded = run.input if isinstance(run.input, dict) else None
    inputs = recorded and {
        key: HIDDEN if key in hidden else value for key, value in recorded.items()
    }
    known = data_by_node(data, progress.nodes.keys())
    nodes = [_entry(node, known.get(node.id, NodeData())) for node in progress.nodes.values()]
    return Inside(run, progress, nodes, data, inputs)


def _entry(node: Node, data: NodeData) -> dict[str, Any]:
    """Return what is known about a node."""
    return {
        "id": node.id,
        "name": node.name,
        "type": data.text("type"),
        "status": node.status,
        "started_at": data.started_at,
        "duration_s": data.duration_s,
        "error": node.error,
        "input_bytes": data.bytes_of("inputs"),
        "output_bytes": data.bytes_of("outputs"),
    }
