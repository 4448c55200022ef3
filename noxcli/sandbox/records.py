"""The forms of a run in the API: with and without input and output, and in parts."""

from datetime import datetime
from typing import Any

from noxcli.sandbox.definition import GROUP_ID, workflow_record
from noxcli.sandbox.progress import node_word, run_word
from noxcli.sandbox.run import Run
from noxcli.sandbox.values import keyed, keyed_input


def stamp(moment: datetime | None, form: str) -> str | None:
    """A time in ISO 8601, with `Z`, with an offset, or with neither."""
    if moment is None:
        return None
    text = moment.isoformat(timespec="microseconds")
    match form:
        case "z":
            return text.replace("+00:00", "Z")
        case "naive":
            return text.removesuffix("+00:00")
    return text


def output(run: Run, *, use_ids: bool = False) -> dict[str, Any] | None:
    """A run's output under labels or ids; before the end it is empty or null."""
    if run.status != "completed":
        return _early(run)
    form = "node_id" if use_ids else run.switches.output_keys
    return keyed(run.output, form, run.switches.duplicate_labels)


def _early(run: Run) -> dict[str, Any] | None:
    return None if run.switches.early_output == "null" else {}


def full(run: Run, *, use_ids: bool = False) -> dict[str, Any]:
    """A run with input and output. Noxus docs: Get run by id and workflow."""
    return {
        "id": run.id,
        "group_id": GROUP_ID,
        "workflow_id": run.workflow.scenario.id,
        "workflow_version_id": run.body.get("workflow_version_id"),
        "node_ids": run.body.get("node_ids"),
        "single_node_id": run.body.get("single_node_id"),
        "status": run_word(run.status, run.switches),
        "progress": 100 if run.status == "completed" else run.progress.percent,
        "progress_details": run.progress.details(run.switches),
        "input": keyed_input(run.input, run.graph, run.switches),
        "output": output(run, use_ids=use_ids),
        "created_at": stamp(run.created_at, run.switches.timestamps),
        "finished_at": stamp(run.finished_at, run.switches.timestamps),
    }


def read(run: Run, *, output_only: bool, use_ids: bool) -> Any:
    """The answer to a read of the record, which may be out of date for some reads."""
    record = full(run, use_ids=use_ids)
    if run.ended and run.stale_reads > 0:
        run.stale_reads -= 1
        early = _early(run)
        record |= {"status": "running", "progress": 99, "output": early, "finished_at": None}
    elif run.status == "completed" and run.late_output_reads > 0:
        run.late_output_reads -= 1
        record["output"] = _early(run)
    if output_only:
        return {key: record[key] for key in ("id", "output", "status")}
    return record


def without_io(run: Run) -> dict[str, Any]:
    """A run without its output, with its workflow. Noxus docs: Get run by id."""
    record = full(run)
    for key in ("progress_details", "single_node_id"):
        del record[key]
    match run.switches.look_up_output:
        case "absent":
            del record["output"]
        case "null":
            record["output"] = None
        case "empty":
            record["output"] = {}
    return {
        **record,
        "definitions": None,
        "source": "api",
        "workflow": workflow_record(run.workflow, None),
    }


def data(run: Run) -> dict[str, Any]:
    """Inputs, outputs and errors per node. The shape is a guess: no source shows one."""
    entries = {node.id: node_io(run, node.id) for node in run.graph.nodes}
    nodes: Any = entries
    if run.switches.run_data != "by_id":
        nodes = list(entries.values())
    return {"run_id": run.id, "status": run_word(run.status, run.switches), "nodes": nodes}


def node_io(run: Run, node_id: str) -> dict[str, Any]:
    """The inputs and outputs of a node. The shape is a guess."""
    node = next(node for node in run.graph.nodes if node.id == node_id)
    values = {other.id: value for other, value in run.output}
    error = None
    if run.failure is not None and run.says("data"):
        failed_node, reason = run.failure
        if failed_node == node_id:
            error = reason
    return {
        "id": node.id,
        "name": node.name,
        "type": node.type,
        "status": node_word(run.progress.statuses.get(node.id, "pending"), run.switches),
        "inputs": {"input": run.values.get(node.label)} if node.is_input else {},
        "outputs": {"output": values[node.id]} if node.id in values else {},
        "error": error,
        **_times(run, node_id),
    }


def _times(run: Run, node_id: str) -> dict[str, Any]:
    began = run.progress.began.get(node_id)
    if began is None or not run.switches.node_times:
        return {}
    ended = run.progress.ended.get(node_id)
    form = run.switches.timestamps
    return {"iteration": 1, "started_at": stamp(began, form), "finished_at": stamp(ended, form)}
