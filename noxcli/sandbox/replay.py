"""A run recorded as NDJSON, served again at its own pace.

Each line is an object with `seq`, `ts`, `run_id`, `type`, `data`, `redis_id` and `is_terminal`.
Lines with a type that begins with `noxcli.` are the recorder's own; the last one, `noxcli.result`,
has the output and the verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from noxcli.sandbox.json_toml import decoded
from noxcli.sandbox.scenario import Node, Scenario
from noxcli.sandbox.steps import Raw, Sleep, Step

_RESULT = "noxcli.result"


@dataclass(frozen=True, slots=True)
class _Line:
    at: float  # seconds
    event: Raw


def load_replays(paths: Sequence[Path]) -> list[Scenario]:
    """The recorded runs as scenarios; of several of one workflow, only the first has its id."""
    replays: dict[str, Scenario] = {}
    ids: set[str] = set()
    for path in paths:
        replay = load_replay(path)
        if replay.name in replays:
            raise ValueError(f"two recordings are named {replay.name!r}; rename {path}")
        if replay.workflow_id in ids:
            replay = replace(replay, workflow_id="")
        replays[replay.name] = replay
        ids.add(replay.workflow_id)
    return list(replays.values())


def load_replay(path: Path | str) -> Scenario:
    """The recorded run as a scenario, under its own workflow id and under the file's name."""
    path = Path(path)
    try:
        texts = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8: {error}; record the run with --format ndjson"
        ) from None
    lines: list[_Line] = []
    result: Any = None
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        line = _line(f"{path}: line {number}", text)
        if not line.event.type.startswith("noxcli."):
            lines.append(line)
        elif line.event.type == _RESULT:
            result = line.event.data
    if not isinstance(result, dict):
        raise ValueError(
            f"{path}: no {_RESULT} line: the recording is not complete; record the run again"
        )
    run = result.get("run") or {}
    output = result.get("output")
    return Scenario(
        path.stem,
        f"A recorded run, {len(lines)} events.",
        nodes=_nodes(result, lines),
        script=_script(lines),
        status=str(run.get("status") or "completed"),
        output=output if isinstance(output, dict) else {},
        workflow_id=str(run.get("workflow_id") or "").lower(),
    )


def _line(place: str, text: str) -> _Line:
    try:
        line = decoded(text)
        at = datetime.fromisoformat(line["ts"]).timestamp()
        return _Line(at, Raw(str(line["type"]), line["data"], line["redis_id"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{place}: not a recorded event ({error}); remove it, or record the run again"
        ) from None


def _script(lines: Sequence[_Line]) -> list[Step]:
    steps: list[Step] = []
    before = lines[0].at if lines else 0.0
    for line in lines:
        if line.at > before:
            steps.append(Sleep(line.at - before))
        before = line.at
        steps.append(line.event)
    return steps


def _nodes(result: dict[str, Any], lines: Sequence[_Line]) -> list[Node]:
    """The nodes that the recording knows by name, and those that only its events mention."""
    names: dict[str, str] = {}
    for node in result.get("nodes") or []:
        if isinstance(node, dict) and isinstance(node.get("id"), str):
            names[node["id"]] = str(node.get("name") or node["id"])
    for line in lines:
        data = line.event.data
        if line.event.type != "content" or not isinstance(data, dict):
            continue
        if isinstance(data.get("id"), str):
            names.setdefault(data["id"], data["id"])
    return [Node(name, id=node_id) for node_id, name in names.items()]
