"""A run recorded as NDJSON, served again at its own pace.

Each line is an object with `seq`, `ts`, `run_id`, `type`, `data`, `redis_id` and `is_terminal`. Lines with a type that
begins with `noxcli.` are the recorder's own; the last one, `noxcli.result`, has the output and the verdict.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from noxcli.sandbox.documents import decoded
from noxcli.sandbox.scenario import Node, Scenario
from noxcli.sandbox.steps import Raw, Sleep, Step

_OWN = "noxcli."
_RESULT = "noxcli.result"


def load_replay(path: Path | str) -> Scenario:
    """The recorded run as a scenario, under its own workflow id and under the file's name."""
    path = Path(path)
    lines = _lines(path)
    results = [line["data"] for line in lines if line["type"] == _RESULT]
    if not results or not isinstance(results[-1], dict):
        raise ValueError(f"{path}: no {_RESULT} line: the recording is not complete; record the run again")
    result = results[-1]
    run = result.get("run") or {}
    events = [line for line in lines if not line["type"].startswith(_OWN)]
    output = result.get("output")
    return Scenario(
        path.stem,
        f"A recorded run, {len(events)} events.",
        nodes=_nodes(result, events),
        script=_script(path, events),
        status=str(run.get("status") or "completed"),
        output=output if isinstance(output, dict) else {},
        workflow_id=_workflow_id(run.get("workflow_id")),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8: {error}; record the run with --format ndjson") from None
    return [_line(path, number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _line(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        line = decoded(text)
    except ValueError as error:
        raise ValueError(f"{path}: line {number}: not JSON ({error}); remove it, or record the run again") from None
    if not isinstance(line, dict) or not isinstance(line.get("type"), str) or "data" not in line:
        raise ValueError(f"{path}: line {number}: no recorded event (type, data); remove it, or record the run again")
    return line


def _script(path: Path, events: Sequence[dict[str, Any]]) -> list[Step]:
    steps: list[Step] = []
    before: datetime | None = None
    for event in events:
        at = _moment(path, event.get("ts"))
        if before and at and (gap := (at - before).total_seconds()) > 0:
            steps.append(Sleep(gap))
        before = at or before
        steps.append(Raw(event["type"], event["data"], event.get("redis_id")))
    return steps


def _moment(path: Path, text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        raise ValueError(f"{path}: {text!r} is not an ISO 8601 time; correct that ts") from None


def _nodes(result: dict[str, Any], events: Sequence[dict[str, Any]]) -> list[Node]:
    """The nodes that the recording knows by name, and those that only its events mention."""
    named = {
        node["id"]: str(node.get("name") or node["id"])
        for node in result.get("nodes") or []
        if isinstance(node, dict) and isinstance(node.get("id"), str)
    }
    for event in events:
        data = event["data"]
        if event["type"] == "content" and isinstance(data, dict) and isinstance(data.get("id"), str):
            named.setdefault(data["id"], data["id"])
    return [Node(name, id=node_id) for node_id, name in named.items()]


def _workflow_id(text: Any) -> str:
    try:
        return str(uuid.UUID(str(text)))
    except ValueError:
        return ""
