"""The conversion of the API's dicts to Run and Workflow, lenient about what is not needed."""

from collections.abc import Mapping
from typing import Any

from noxcli.errors import Unavailable
from noxcli.models import ENDED_AS, KNOWN_STATUSES, PLAIN_ID, Run, Version, Workflow, documented
from noxcli.timing import parse_time

MAX_COUNTED = 10**9  # far beyond every count and every percentage


def run_from(record: Any, workflow_id: str = "", input: Any = None) -> Run:
    """Return the run in an answer (Noxus docs: SimplifiedRun, RunNoIO, RunOutputWithStatus).

    Raises Unavailable if the answer has no plain id or no status: then it is unusable.
    """
    run_id = _require_id(record, "run")
    if not PLAIN_ID.fullmatch(run_id):
        raise Unavailable("the answer is not a run: its id is not a valid one")
    status = record.get("status")
    if not isinstance(status, str):
        raise Unavailable("the answer is not a run: it has no status")
    status = documented(status)
    ended_unknown = status not in KNOWN_STATUSES and _has_end(record)
    if ended_unknown:
        status = ENDED_AS.get(status.lower(), status)
    details = record.get("progress_details")
    embedded = record.get("workflow")
    workflow = None
    if isinstance(embedded, dict) and "id" in embedded:
        workflow = workflow_from(embedded)
    return Run(
        id=run_id,
        workflow_id=_text(record.get("workflow_id")) or workflow_id,
        status=status,
        progress=_number(record.get("progress")),
        created_at=_text(record.get("created_at")),
        finished_at=_text(record.get("finished_at")),
        input=record.get("input", input),
        output=record.get("output"),
        progress_details=details if isinstance(details, dict) else {},
        workflow=workflow,
        version_id=_text(record.get("workflow_version_id")),
        runs_only_part=bool(record.get("node_ids") or record.get("single_node_id")),
        unknown_end=ended_unknown and status not in KNOWN_STATUSES,
    )


def _has_end(record: Mapping[str, Any]) -> bool:
    """True if the record of a run has a time at which it ended, after it began."""
    finished = parse_time(record.get("finished_at"))
    if finished is None:
        return False
    created = parse_time(record.get("created_at"))
    return created is None or finished >= created


def workflow_from(record: Any) -> Workflow:
    """Return the workflow in an answer (Noxus docs: get-workflow-public).

    Raises Unavailable if the answer has no id.
    """
    workflow_id = _require_id(record, "workflow")
    definition = record.get("definition")
    if not isinstance(definition, dict):
        definition = {}
    runs = _number(record.get("runs_count"))
    return Workflow(
        workflow_id,
        _text(record.get("name")) or workflow_id,
        node_names(definition),
        definition,
        description=_text(record.get("description")),
        created_at=_text(record.get("created_at")),
        last_updated_at=_text(record.get("last_updated_at")),
        last_run_at=_text(record.get("last_run_at")),
        runs_count=runs if isinstance(runs, int) else None,
    )


def version_from(record: Any, workflow_id: str) -> Version:
    """Return the version in an item of a list (noxus-sdk 0.6.0, resources/workflows.py).

    Raises Unavailable if it has no id.
    """
    version_id = _require_id(record, "version")
    return Version(
        version_id,
        _text(record.get("name")),
        workflow_from({"id": workflow_id, "definition": record.get("definition")}),
        created_at=_text(record.get("created_at")),
        description=_text(record.get("description")),
    )


def node_names(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return node ids in their order, with their names: a label, or else the name, or the type."""
    nodes = definition.get("nodes")
    names: dict[str, str] = {}
    if not isinstance(nodes, list):
        return names
    for node in nodes:
        if isinstance(node, dict) and isinstance(node.get("id"), str):
            names[node["id"]] = _name_of(node)
    return names


def _name_of(node: Mapping[str, Any]) -> str:
    config = node.get("node_config")
    label = config.get("label") if isinstance(config, dict) else None
    for known in (label, node.get("name"), node.get("type")):
        name = _text(known)
        if name is not None:
            return name
    node_id: str = node["id"]
    return node_id


def id_of(item: Any) -> str | None:
    """Return the id of a list's item, or None if it has none."""
    if not isinstance(item, dict):
        return None
    return _text(item.get("id"))


def _require_id(record: Any, what: str) -> str:
    known = id_of(record)
    if known is None:
        raise Unavailable(f"the answer is not a {what}: it has no id")
    return known


def _text(value: Any) -> str | None:
    if isinstance(value, str) and value:
        return value
    return None


def _number(value: Any) -> int | float | None:
    """Return a usable number; NaN, infinities and 400 digits are not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if -MAX_COUNTED < value < MAX_COUNTED:
        return value
    return None
