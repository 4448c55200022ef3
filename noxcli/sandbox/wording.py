"""The words for a node's status, the shapes of its progress and logs, and the forms of an error: none is documented."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from noxcli.sandbox.switches import Switches

_WORDS = {
    "synonym": {"running": "started", "completed": "succeeded", "failed": "errored", "skipped": "cancelled"},
    "foreign": {"running": "busy", "completed": "through", "failed": "broken", "skipped": "passed over"},
}
_PERCENT = {"completed": 100, "failed": 100, "skipped": 0}

Log = Sequence[Mapping[str, Any]]


def node_word(status: str, switches: Switches) -> str:
    """A node's status in the words of this server; any unusual status stays."""
    if switches.node_words == "upper":
        return status.upper()
    return _WORDS.get(switches.node_words, {}).get(status, status)


_RUN_WORDS = {
    "synonym": {"completed": "success", "failed": "error", "stopped": "cancelled"},
    "foreign": {"completed": "through", "failed": "broken", "stopped": "called off"},
}


def run_word(status: str, switches: Switches) -> str:
    """A run's status in the words of this server."""
    return _RUN_WORDS.get(switches.run_words, {}).get(status, status)


def node_progress(statuses: Mapping[str, str], names: Mapping[str, str], switches: Switches) -> dict[str, Any]:
    """The object `per_node_progress`."""
    match switches.node_progress:
        case "none":
            return {}
        case "word":
            return {node_id: node_word(status, switches) for node_id, status in statuses.items()}
        case "percent":
            return {node_id: _PERCENT.get(status, 50) for node_id, status in statuses.items()}
    return {
        node_id: {"name": names[node_id], "status": node_word(status, switches)} for node_id, status in statuses.items()
    }


def run_logs(logs: Mapping[str, Log], switches: Switches) -> dict[str, Any]:
    """The object `run_logs`, from the entries of each node."""
    if switches.run_logs == "flat":
        entries = [{"node_id": node_id, **entry} for node_id, log in logs.items() for entry in log]
        return {"entries": entries} if entries else {}
    return {node_id: _log(log, switches) for node_id, log in logs.items()}


def _log(log: Log, switches: Switches) -> Any:
    """The entries of one node."""
    match switches.run_logs:
        case "lines":
            return [_line(entry) for entry in log]
        case "text":
            return "\n".join(map(_line, log))
        case "object":
            return {"error": log[-1]["message"]}
    return list(log)


def error_body(status: int, detail: Any, switches: Switches) -> Any:
    """What an error says: an object for JSON, a text for HTML, None for nothing at all."""
    told = detail if isinstance(detail, str) else ", ".join(f"{_place(each)}: {each['msg']}" for each in detail)
    match switches.error_body:
        case "list":
            return {"detail": [{"loc": [], "msg": detail, "type": "error"}] if isinstance(detail, str) else detail}
        case "message" | "error":
            return {switches.error_body: told}
        case "html":
            return f"<html><head><title>{status} {HTTPStatus(status).phrase}</title></head><body>{told}</body></html>"
        case "empty":
            return None
    return {"detail": detail}


def _line(entry: Mapping[str, Any]) -> str:
    return f"{str(entry['level']).upper()} {entry['message']}"


def _place(problem: Mapping[str, Any]) -> str:
    return ".".join(map(str, problem["loc"]))
