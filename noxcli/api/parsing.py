"""The conversion of the API's dicts to Run and Workflow, lenient about everything that is not needed."""

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
    _require_id(record, "run")
    if not PLAIN_ID.fullmatch(record["id"]):
        raise Unavailable("the answer is not a run: its id is not a valid one")
    status = record.get("status")
    if not isinstance(status, str):
        raise Unavailable("the answer is not a run: it has no status")
    status = documented(status)
    created, finished = parse_time(record.get("created_at")), parse_time(record.get("finished_at"))
    has_end = (
        finished is not None
        and (created is None or finished >= created)
        and status not in KNOWN_STATUSES
    )
    status = ENDED_AS.get(status.lower(), status) if has_end else status
    details = record.get("progress_details")
    embedded = record.get("workflow")
    return Run(
        id=record["id"],
        workflow_id=_text(record.get("workflow_id")) or workflow_id,
        status=status,
        progress=_number(record.get("progress")),
        created_at=_text(record.get("created_at")),
        finished_at=_text(record.get("finished_at")),
        input=record.get("input", input),
        output=record.get("output"),
        progress_details=details if isinstance(details, dict) else {},
        workflow=workflow_from(embedded)
        if isinstance(embedded, dict) and "id" in embedded
        else None,
        version_id=_text(record.get("workflow_version_id")),
        runs_only_part=bool(record.get("node_ids") or record.get("single_node_id")),
        unknown_end=has_end and status not in KNOWN_STATUSES,
    )


def workflow_from(record: Any) -> Workflow:
    """Return the workflow in an answer (Noxus docs: get-workflow-public).

    Raises Unavailable if the answer has no id.
    """
    _require_id(record, "workflow")
    definition = record.get("definition")
    definition = definition if isinstance(definition, dict) else {}
    return Workflow(
        record["id"],
        _text(record.get("name")) or record["id"],
        node_names(definition),
        definition,
        description=_text(record.get("description")),
        created_at=_text(record.get("created_at")),
        last_updated_at=_text(record.get("last_updated_at")),
        last_run_at=_text(record.get("last_run_at")),
        runs_count=runs if isinstance(runs := _number(record.get("runs_count")), int) else None,
    )


def version_from(record: Any, workflow_id: str) -> Version:
    """Return the version in an item of `GET /v1/workflows/{id}/versions` (noxus-sdk 0.6.0, resources/workflows.py).

    Raises Unavailable if it has no id.
    """
    _require_id(record, "version")
    return Version(
        record["id"],
        _text(record.get("name")),
        workflow_from({"id": workflow_id, "definition": record.get("definition")}),
        created_at=_text(record.get("created_at")),
        description=_text(record.get("description")),
    )


def node_names(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return node ids, in the order of the definition, and their names: a label, or else the name, or the type."""
    nodes, names = definition.get("nodes"), dict[str, str]()
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, dict) and isinstance(node.get("id"), str):
            config = node.get("node_config")
            label = config.get("label") if isinstance(config, dict) else None
            names[node["id"]] = (
                _text(label) or _text(node.get("name")) or _text(node.get("type")) or node["id"]
            )
    return names


def id_of(item: Any) -> str | None:
    """Return the id of a list's item, or None if it has none."""
    return _text(item.get("id")) if isinstance(item, dict) else None


def _require_id(record: Any, what: str) -> None:
    if id_of(record) is None:
        raise Unavailable(f"the answer is not a {what}: it has no id")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int | float | None:
    """Return a usable number; NaN, infinities and 400 digits are not."""
    usable = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -MAX_COUNTED < value < MAX_COUNTED
    )
    return value if usable else None
