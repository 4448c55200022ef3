"""Scenarios from TOML files; docs/reference/scenarios.md has the format."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from noxcli.sandbox import faults
from noxcli.sandbox.json_toml import read_toml, typed
from noxcli.sandbox.rehearsed import PROMPT, Case, Noise, Rehearsal, Variant
from noxcli.sandbox.scenario import (
    File,
    Node,
    Scenario,
    Version,
    fixed_input,
    input_node,
    output_node,
)
from noxcli.sandbox.steps import Emit, Raw, Sleep, State, Step, node_runs
from noxcli.sandbox.switches import Switches, with_overrides

FAULTS: dict[str, type[faults.Fault]] = {
    "answer": faults.Answer,
    "lost-answer": faults.LostAnswer,
    "hold": faults.Hold,
    "drop": faults.Drop,
    "cut": faults.Cut,
    "cut-body": faults.CutBody,
}
# The keys of each table, with the types of their values.
SCENARIO = {
    "name": str,
    "description": str,
    "status": str,
    "inputs": list,
    "nodes": list,
    "script": list,
    "output": dict,
    "faults": dict,
    "switches": dict,
    "flow_version": Literal["v1", "v2"],
    "versions": list,
    "cases": list,
    "seed": int,
    "bad": float,
    "bad_output": dict,
    "missing": float,
}
VERSION = {
    "name": str,
    "prompt": str,
    "output": dict,
    "bad": float,
    "bad_output": dict,
    "missing": float,
}
CASE = {"when": dict, "output": dict}
INPUT = {"label": str, "type": str, "default": Any, "fixed": Any}
STEP = {
    "node": str,
    "content": Any,
    "status": str,
    "pieces": list,
    "seconds": float,
    "sleep": float,
    "state": str,
    "type": str,
    "data": Any,
}
FILE = {"$file": str, "text": str, "content_type": str, "size": int}


def load_scenarios(path: Path | str) -> list[Scenario]:
    """All scenarios of a file; ValueError says where the file is wrong and how to fix it."""
    path = Path(path)
    document = read_toml(path)
    tables = document.get("scenario")
    if not isinstance(tables, list) or set(document) != {"scenario"}:
        raise ValueError(
            f"{path}: at the top: only [[scenario]] tables are known; begin each with [[scenario]]"
        )
    return [
        _scenario(f"{path}: scenario {number}", table) for number, table in enumerate(tables, 1)
    ]


def _scenario(place: str, table: Any) -> Scenario:
    given = _checked(place, table, SCENARIO, "name")
    place = f"{place} ({given['name']})"
    steps: list[Step] = []
    for at, each in enumerate(given.get("script", []), 1):
        steps += _steps(f"{place}, step {at}", each)
    output = {}
    for label, value in given.get("output", {}).items():
        output[label] = _value(f"{place}, output {label}", value)
    inputs = []
    for at, each in enumerate(given.get("inputs", []), 1):
        inputs.append(_input(f"{place}, input {at}", each))
    switches = given.get("switches", {})
    try:
        with_overrides(Switches(), switches)
    except ValueError as error:
        raise ValueError(f"{place}: switches: {error}; correct or remove that line") from None

    rehearsal = _rehearsal(place, given, output)
    may_miss = any(each.noise.missing for each in rehearsal.variants) or rehearsal.noise.missing

    def filled_script(inputs: Mapping[str, Any]) -> list[Step]:
        filled = [_filled(step, inputs) for step in steps]
        return [*filled, State("stopped")] if rehearsal.is_missing(inputs) else filled

    names = [str(name) for name in given.get("nodes", [])]
    names += [step.node for step in steps if isinstance(step, Emit)]
    work = [Node(name) for name in dict.fromkeys(names) if name not in output]
    outputs = [output_node(label) for label in output]
    whole = [*inputs, *work, *outputs]
    versions = []
    for each in rehearsal.variants:
        versions.append(Version(each.name, "", [*whole, fixed_input(PROMPT, each.prompt)]))
    return Scenario(
        given["name"],
        given.get("description", ""),
        nodes=versions[0].nodes if versions else whole,
        script=filled_script if steps or may_miss else None,
        status=given.get("status", "completed"),
        output=rehearsal.output_of,
        versions=versions,
        faults=_fault_lists(place, given.get("faults", {})),
        switches=switches,
        flow_version=given.get("flow_version", "v1"),
    )


def _rehearsal(place: str, given: Mapping[str, Any], output: Mapping[str, Any]) -> Rehearsal:
    noise = _noise(place, given, Noise(), output)
    cases = []
    for at, table in enumerate(given.get("cases", []), 1):
        where = f"{place}, case {at}"
        case = _checked(where, table, CASE, "when", "output")
        cases.append(Case(case["when"], _values(where, case["output"], output)))
    variants = []
    for at, table in enumerate(given.get("versions", []), 1):
        where = f"{place}, version {at}"
        version = _checked(where, table, VERSION, "name", "prompt")
        own = _values(where, version.get("output", {}), output)
        variants.append(
            Variant(version["name"], version["prompt"], own, _noise(where, version, noise, output))
        )
    return Rehearsal(output, noise, cases, variants, given.get("seed", 0), _filled)


def _noise(
    place: str, given: Mapping[str, Any], common: Noise, outputs: Mapping[str, Any]
) -> Noise:
    bad_output = common.bad_output
    if "bad_output" in given:
        bad_output = _values(place, given["bad_output"], outputs)
    return Noise(given.get("bad", common.bad), bad_output, given.get("missing", common.missing))


def _values(place: str, table: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a table; ValueError for one that the scenario does not have."""
    for label in table:
        if label not in outputs:
            raise ValueError(f"{place}: the scenario has no output {label!r}; add it to its output")
    return {label: _value(f"{place}, output {label}", value) for label, value in table.items()}


def _input(place: str, table: Any) -> Node:
    given = _checked(place, table, INPUT, "label")
    label = given["label"]
    type = given.get("type", "str")
    if "fixed" in given:
        return fixed_input(label, given["fixed"], type=type)
    return input_node(label, type=type, default=given.get("default"))


def _steps(place: str, table: Any) -> list[Step]:
    match _checked(place, table, STEP):
        case {"sleep": seconds}:
            return [Sleep(seconds)]
        case {"state": status}:
            return [State(status)]
        case {"type": type, **others}:
            return [Raw(type, others.get("data"))]
        case {"node": node, **others} if "content" in others or "status" in others:
            return [Emit(node, others.get("content"), others.get("status", "running"))]
        case {"node": node, **others}:
            return node_runs(node, others.get("pieces", []), others.get("seconds", 0.0))
    raise ValueError(f"{place}: 'node' is missing; add it")


def _value(place: str, value: Any) -> Any:
    match value:
        case list():
            return [_value(place, each) for each in value]
        case {"$repeat": _}:
            given = _checked(place, value, {"$repeat": str, "times": int}, "times")
            return given["$repeat"] * given["times"]
        case {"$file": _}:
            given = _checked(place, value, FILE)
            content = given.get("text", "").encode()
            content_type = given.get("content_type", "application/octet-stream")
            return File(given["$file"], content, content_type, given.get("size"))
        case dict():
            return {key: _value(place, each) for key, each in value.items()}
    return value


def _fault_lists(place: str, table: Any) -> dict[str, list[faults.Fault]]:
    given = _checked(f"{place}, faults", table, dict.fromkeys(faults.KINDS, list))
    lists: dict[str, list[faults.Fault]] = {}
    for kind, tables in given.items():
        lists[kind] = []
        for at, each in enumerate(tables, 1):
            lists[kind].append(_fault(f"{place}, {kind} fault {at}", each))
    return lists


def _fault(place: str, table: Any) -> faults.Fault:
    name = str(table.get("fault")) if isinstance(table, dict) else ""
    kind = FAULTS.get(name)
    if kind is None:
        raise ValueError(
            f"{place}: the kind of fault is missing or unknown; "
            f"set fault to one of {', '.join(FAULTS)}"
        )
    required = []
    for each in fields(kind):
        if each.default is MISSING and each.default_factory is MISSING:
            required.append(each.name)
    given = _checked(place, table, {"fault": str, **get_type_hints(kind)}, *required)
    del given["fault"]
    return kind(**given)


def _checked(place: str, table: Any, types: Mapping[str, Any], *required: str) -> dict[str, Any]:
    """The table with its values in these types; ValueError for another type or set of keys."""
    if not isinstance(table, dict):
        raise ValueError(
            f"{place}: a table is expected, not {table!r}; write it as {{ key = value }}"
        )
    for key in table:
        if key not in types:
            raise ValueError(f"{place}: {key!r} is not known here; use {', '.join(sorted(types))}")
    for key in required:
        if key not in table:
            raise ValueError(f"{place}: {key!r} is missing; add it")
    try:
        return {key: typed(repr(key), value, types[key]) for key, value in table.items()}
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _filled(value: Any, inputs: Mapping[str, Any]) -> Any:
    """The value or step with `{{Label}}` replaced everywhere by the run's input of that label."""
    match value:
        case str():
            for label, given in inputs.items():
                value = value.replace("{{" + label + "}}", str(given))
            return value
        case list():
            return [_filled(each, inputs) for each in value]
        case dict():
            return {key: _filled(each, inputs) for key, each in value.items()}
        case Emit():
            return replace(value, content=_filled(value.content, inputs))
    return value
