"""Scenarios from TOML files; docs/reference/scenarios.md has the format."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from noxcli.sandbox import faults
from noxcli.sandbox.documents import read_toml
from noxcli.sandbox.replay import load_replay
from noxcli.sandbox.scenario import File, Node, Scenario, fixed_input, input_node, output_node
from noxcli.sandbox.steps import Emit, Raw, Sleep, State, Step, node_runs
from noxcli.sandbox.switches import Switches, with_overrides

__all__ = ["load_replay", "load_scenarios"]

FAULTS: dict[str, type[Any]] = {
    "answer": faults.Answer,
    "lost-answer": faults.LostAnswer,
    "hold": faults.Hold,
    "drop": faults.Drop,
    "cut": faults.Cut,
    "wrong-type": faults.WrongType,
    "cut-body": faults.CutBody,
}
KEYS = {
    "name", "description", "status", "inputs", "nodes", "script", "output", "faults", "switches", "flow_version",
}  # fmt: skip
INPUT_KEYS = {"label", "type", "default", "fixed"}
STEP_KEYS = {"node", "content", "status", "pieces", "seconds", "sleep", "state", "type", "data"}


def load_scenarios(path: Path | str) -> list[Scenario]:
    """All scenarios of a file; ValueError says where the file is wrong and how to fix it."""
    path = Path(path)
    document = read_toml(path)
    tables = document.get("scenario")
    if not isinstance(tables, list) or set(document) != {"scenario"}:
        raise ValueError(f"{path}: at the top: only [[scenario]] tables are known; begin each with [[scenario]]")
    scenarios = []
    for number, table in enumerate(tables, 1):
        place = _Place(f"{path}: scenario {number}")
        try:
            scenarios.append(_scenario(place, table))
        except (TypeError, AttributeError) as error:
            raise place.wrong(f"a value of another kind: {error}", "compare it with the reference") from None
    return scenarios


class _Place(str):
    """The current position in a file, for messages."""

    __slots__ = ()

    def wrong(self, what: str, mend: str) -> ValueError:
        return ValueError(f"{self}: {what}; {mend}")

    def at(self, name: str) -> "_Place":
        return _Place(f"{self}, {name}")


def _scenario(place: _Place, table: Any) -> Scenario:
    _known(place, table, KEYS)
    name = _field(place, table, "name", str)
    place = _Place(f"{place} ({name})")
    script = enumerate(table.get("script", []), 1)
    steps = [step for at, each in script for step in _steps(place.at(f"step {at}"), each)]
    output = {label: _value(place.at(f"output {label}"), value) for label, value in table.get("output", {}).items()}
    mentioned = dict.fromkeys(step.node for step in steps if isinstance(step, Emit))
    nodes = [_input(place.at(f"input {at}"), each) for at, each in enumerate(table.get("inputs", []), 1)]
    try:
        with_overrides(Switches(), table.get("switches", {}))
    except ValueError as error:
        raise place.wrong(f"switches: {error}", "correct or remove that line") from None
    return Scenario(
        name,
        table.get("description", ""),
        nodes=[
            *nodes,
            *(Node(each) for each in dict.fromkeys([*table.get("nodes", []), *mentioned]) if each not in output),
            *(output_node(label) for label in output),
        ],
        script=(lambda inputs: [_filled_step(step, inputs) for step in steps]) if steps else None,
        status=table.get("status", "completed"),
        output=lambda inputs: {label: _filled(value, inputs) for label, value in output.items()},
        faults=_fault_lists(place, table.get("faults", {})),
        switches=table.get("switches", {}),
        flow_version=table.get("flow_version", "v1"),
    )


def _input(place: _Place, table: Any) -> Node:
    _known(place, table, INPUT_KEYS)
    label = _field(place, table, "label", str)
    if "fixed" in table:
        return fixed_input(label, table["fixed"], type=table.get("type", "str"))
    return input_node(label, type=table.get("type", "str"), default=table.get("default"))


def _steps(place: _Place, table: Any) -> list[Step]:
    _known(place, table, STEP_KEYS)
    if "sleep" in table:
        return [Sleep(_field(place, table, "sleep", int, float))]
    if "state" in table:
        return [State(_field(place, table, "state", str))]
    if "type" in table:
        return [Raw(_field(place, table, "type", str), table.get("data"))]
    node = _field(place, table, "node", str)
    if "content" in table or "status" in table:
        return [Emit(node, table.get("content"), table.get("status", "running"))]
    return node_runs(node, table.get("pieces", []), table.get("seconds", 0.0))


def _value(place: _Place, value: Any) -> Any:
    if isinstance(value, list):
        return [_value(place, each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$repeat" in value:
        return _field(place, value, "$repeat", str) * _field(place, value, "times", int)
    if "$file" in value:
        _known(place, value, {"$file", "text", "content_type", "size"})
        content_type = value.get("content_type", "application/octet-stream")
        return File(value["$file"], value.get("text", "").encode(), content_type, value.get("size"))
    return {key: _value(place, each) for key, each in value.items()}


def _fault_lists(place: _Place, table: Mapping[str, Any]) -> dict[Any, list[faults.Fault]]:
    for kind in table:
        if kind not in faults.KINDS:
            raise place.wrong(f"faults: no request is of kind {kind!r}", f"use one of {', '.join(faults.KINDS)}")
    return {
        kind: [_fault(place.at(f"{kind} fault {at}"), each) for at, each in enumerate(some, 1)]
        for kind, some in table.items()
    }


def _fault(place: _Place, table: Any) -> faults.Fault:
    kind = FAULTS.get(table.get("fault", "") if isinstance(table, dict) else "")
    if kind is None:
        raise place.wrong("the kind of fault is missing or unknown", f"set fault to one of {', '.join(FAULTS)}")
    _known(place, table, {"fault", *(each.name for each in fields(kind))})
    _require_fields(place, table, kind)
    _require_choices(place, table, kind)
    fault: faults.Fault = kind(**{key: value for key, value in table.items() if key != "fault"})
    return fault


def _require_fields(place: _Place, table: dict[str, Any], kind: type[Any]) -> None:
    for each in fields(kind):
        if each.default is MISSING and each.default_factory is MISSING and each.name not in table:
            raise place.wrong(f"{each.name!r} is missing", "add it")


def _require_choices(place: _Place, table: dict[str, Any], kind: type[Any]) -> None:
    """Raise ValueError for a value that is not one of those that a `Literal` lists."""
    for name, hint in get_type_hints(kind).items():
        if get_origin(hint) is Literal and name in table and table[name] not in get_args(hint):
            choices = ", ".join(map(repr, get_args(hint)))
            raise place.wrong(f"{name!r} cannot be {table[name]!r}", f"use one of {choices}")


def _known(place: _Place, table: Any, names: set[str]) -> None:
    if not isinstance(table, dict):
        raise place.wrong(f"a table is expected, not {table!r}", "write it as { key = value }")
    unknown = sorted(set(table) - names)
    if unknown:
        raise place.wrong(f"{unknown[0]!r} is not known here", f"use {', '.join(sorted(names))}")


def _field(place: _Place, table: dict[str, Any], name: str, *types: type) -> Any:
    value = table.get(name)
    if not isinstance(value, types) or isinstance(value, bool):
        expected = " or ".join(each.__name__ for each in types)
        raise place.wrong(f"{name!r} is missing or not of type {expected}", f"set {name}")
    return value


def _filled(value: Any, inputs: Mapping[str, Any]) -> Any:
    """The value with `{{Label}}` replaced everywhere by the run's input of that label."""
    if isinstance(value, str):
        for label, given in inputs.items():
            value = value.replace("{{" + label + "}}", str(given))
        return value
    if isinstance(value, list):
        return [_filled(each, inputs) for each in value]
    if isinstance(value, dict):
        return {key: _filled(each, inputs) for key, each in value.items()}
    return value


def _filled_step(step: Step, inputs: Mapping[str, Any]) -> Step:
    """The step with its content filled in."""
    if isinstance(step, Emit):
        return Emit(step.node, _filled(step.content, inputs), step.status)
    return step
