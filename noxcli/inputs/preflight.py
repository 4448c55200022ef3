"""The check of inputs against a workflow's definition: all mistakes, before anything starts."""

import re
import shlex
from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from noxcli.codec import to_json
from noxcli.errors import CommandLine, Hint, UsageProblem, WrongInputs, nearest, suggestion
from noxcli.inputs.definition import KINDS, InputNode, keys_of, meant_by
from noxcli.inputs.parse import Inputs, item_start, parse_json
from noxcli.inputs.uploads import Upload
from noxcli.masking import HIDDEN

DECIMAL_COMMA = r"\s*[+-]?[\d.]*\d,\d+\s*"
MAX_READ = 40  # characters of a value in a message


@dataclass(slots=True, eq=False, repr=False)
class Checked:
    """Inputs that can be sent; `notes` report conversions, `warnings` possible surprises.

    `columns` are of a table.
    """

    inputs: Inputs
    columns: Container[str] = ()
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)  # in cells that are no values


def line_to_inputs(workflow: str, version_id: str | None = None) -> CommandLine:
    """Return the command that shows the inputs of a workflow, or of one of its versions."""
    if version_id is None:
        return CommandLine("inputs", workflow)
    return CommandLine("inputs", workflow, "--version-id", version_id)


def validate_inputs(
    inputs: Inputs, nodes: Sequence[InputNode], shown_by: CommandLine, columns: Container[str] = ()
) -> Checked:
    """Return the inputs with texts converted to the declared types.

    Raises WrongInputs, naming every mistake; `shown_by` is the command that shows the inputs.
    """
    checked = Checked(inputs, columns)
    given, problems = _meant(inputs.values, nodes, checked)
    values = dict(inputs.values)
    for node_id, keys in given.items():
        node = next(node for node in nodes if node.id == node_id)
        if len(keys) > 1:
            problems.append(f"{' and '.join(map(repr, keys))} are the same input")
        for key in keys:
            values[key] = _fitting(key, values[key], node, checked, problems)
        if node.fixed:
            checked.warnings.append(
                f"{keys[0]!r} is fixed by the workflow; your value is sent, and may have no effect"
            )
    if checked.notes:  # something was converted, as in few rows of a batch
        checked.inputs = replace(inputs, values=values)
    mistyped = {_near(key, nodes) for key in values if not meant_by(key, nodes)}
    problems += _missing(nodes, given, values, mistyped)
    if not problems:
        return checked
    what = "; ".join(problems)
    if len(problems) > 1:
        what = f"{len(problems)} mistakes in the inputs: {what}"
    wrong = WrongInputs(what, Hint("see: ", shown_by))
    if checked.found:
        wrong.found = f" ({', '.join(checked.found)})"
    raise wrong


def _meant(
    values: Mapping[str, Any], nodes: Sequence[InputNode], checked: Checked
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the keys of each input, by its id, and the problems of the other keys."""
    given: dict[str, list[str]] = {}
    problems = []
    unlabeled = any(node.label is None for node in nodes)
    for key in values:
        meant = meant_by(key, nodes)
        if len(meant) > 1 and meant[0].label == key:
            ids = ", ".join(node.id for node in meant)
            problems.append(f"{len(meant)} inputs are labeled {key!r}, use their ids: {ids}")
        elif meant:
            given.setdefault(meant[0].id, []).append(key)
        elif unlabeled:
            # The docs have "input" and "Input 1" for such an input; other names are unknown.
            near = _near(key, nodes)
            hint = f", {suggestion(near, quoted=True)}" if near else ""
            checked.warnings.append(
                f"{key!r} is not checked, since the workflow has inputs without labels{hint}"
            )
        else:
            known = ", ".join(map(repr, keys_of(nodes))) or "none"
            hint = suggestion(_near(key, nodes), f"the workflow takes {known}", quoted=True)
            problems.append(f"unknown input {key!r}, {hint}")
    return given, problems


def _near(key: str, nodes: Sequence[InputNode]) -> str | None:
    known = list(keys_of(nodes))
    for node in nodes:
        known += node.addresses
    return nearest(key, known)


def _missing(
    nodes: Sequence[InputNode],
    given: Mapping[str, Sequence[str]],
    values: Mapping[str, Any],
    mistyped: Set[str | None],
) -> list[str]:
    """Return the problems of required inputs: missing, or an empty text, which the docs reject.

    Those among `mistyped` were given under a mistyped key, which is a problem already.
    """
    meant: set[str] = set().union(*given.values())
    labels = [node.label for node in nodes]
    ambiguous = {key for key in values if labels.count(key) > 1}
    # A key that nothing has may mean any input without a label.
    is_guessed = bool(values.keys() - meant - ambiguous)
    problems = []
    for key, node in keys_of(nodes).items():
        if not node.required or node.label in ambiguous:
            continue
        if node.id in given:
            texts = [values[each] for each in given[node.id]]
            if node.kind in {None, "text"} and "" in texts:
                problems.append(f"the required input {key!r} is missing: its text is empty")
            continue
        may_be_given = is_guessed and node.label is None
        if not may_be_given and key not in mistyped:
            problems.append(f"the required input {key!r} is missing")
    return problems


def _fitting(key: str, value: Any, node: InputNode, checked: Checked, problems: list[str]) -> Any:
    kind = node.kind
    inputs = checked.inputs
    if kind is None or fits(value, kind):
        return value
    if key in inputs.texts and kind != "file":
        parsed = _read_as(kind, value)
        if parsed is not None:
            shown = HIDDEN if key in inputs.secret else to_json(parsed)
            checked.notes.append(
                f"{key!r} takes {KINDS[kind].words}: its text is sent as {key}:={shown}"
            )
            return parsed
    shown = HIDDEN if key in inputs.secret | inputs.veiled else value
    problems.append(f"{key!r} takes {_taken(key, shown, kind, checked)}")
    return value


def _read_as(kind: str, text: str) -> Any:
    """Return the value of this kind that a text has as JSON, None if it has none."""
    if kind == "bool":
        text = text.lower()
    try:
        value = parse_json(text, "")
    except UsageProblem:
        return None
    if kind == "int" and isinstance(value, float):
        return None  # a point in a whole number may part thousands: 1.000 is not 1
    return value if fits(value, kind) else None


def _taken(key: str, value: Any, kind: str, checked: Checked) -> str:
    """Return what the input takes, with how to write it.

    A cell that can't be read is noted apart.
    """
    words = KINDS[kind].words
    in_column = key in checked.columns
    if kind == "file" and in_column:
        return f"{words} (--column {shlex.quote(item_start(key, kind))})"
    example = key + KINDS[kind].example
    if kind == "number" and re.fullmatch(DECIMAL_COMMA, str(value)):
        words = f"{words} with a decimal point, such as 3.5"
        example = f"{value!r} is a text"
    if in_column and isinstance(value, str):
        checked.found.append(f"{value[:MAX_READ]!r} is a text")
        return words
    return f"{words} ({example})"


def fits(value: Any, kind: str) -> bool:
    """True if the value may be meant for an input of this kind; null may mean no value."""
    if value is None:
        return True
    match kind:
        case "int":
            return _is_number(value) and value % 1 == 0
        case "number":
            return _is_number(value)
        case "file":
            if isinstance(value, dict):
                return isinstance(value.get("uri"), str)
            return isinstance(value, Upload)
        case _:
            return isinstance(value, type(KINDS[kind].sample))


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
