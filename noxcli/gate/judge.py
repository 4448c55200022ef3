"""The judge of a gate: a second workflow whose runs judge answers.

It sees an answer and its row alone: neither side, version nor run.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from noxcli.batchdir.header import digests_of
from noxcli.checks.row_checker import row_in
from noxcli.codec import decode_json, to_json
from noxcli.errors import (
    Hint,
    Unfitting,
    UsageProblem,
    WrongInputs,
    nearest,
    suggestion,
)
from noxcli.expressions.query import Query
from noxcli.gate.rules import SIDES, AnswerKey
from noxcli.inputs.definition import InputNode, inputs_of, keys_of, meant_by, outputs_of
from noxcli.inputs.parse import Inputs
from noxcli.inputs.preflight import line_to_inputs, validate_inputs
from noxcli.models import Workflow
from noxcli.reports.failure_groups import ResultLine
from noxcli.reports.row_pair import SIDES as SIDE_NAMES
from noxcli.rows.columns import ID, Row, without_repetition

JUDGE = "--judge"
JUDGE_INPUT = "--judge-input"
SEEN = ("output", "row")  # of an answer, by the judge


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """What the command line says about the judge."""

    workflow: str
    version: str | None
    inputs: Mapping[str, Query]

    @classmethod
    def read(cls, workflow: str | None, version: str | None, given: Sequence[str]) -> Self | None:
        """Return what these options say, None without a judge. Raises UsageProblem."""
        if workflow is None:
            for option, value in ((JUDGE_INPUT, given), ("--judge-version", version)):
                if value:
                    raise UsageProblem(f"{option} needs {JUDGE}", "name the workflow that judges")
            return None
        inputs: dict[str, Query] = {}
        for text in given:
            key, equals, expression = text.partition("=")
            if not (key and equals and expression):
                raise UsageProblem(f"{JUDGE_INPUT} {text!r} is not KEY=EXPR", "write KEY=output.X")
            if key in inputs:
                raise UsageProblem(f"{JUDGE_INPUT} names {key!r} twice", "remove one of them")
            inputs[key] = _parse(expression)
        return cls(workflow, version, inputs)


def _parse(text: str) -> Query:
    query = Query(text, JUDGE_INPUT)
    for name in query.keys_of(""):
        if name not in SEEN:
            raise UsageProblem(
                f"{JUDGE_INPUT} {text!r} names {name!r}, which a judge does not see",
                "name an output, as in output.Answer, or a column, as in row.expected",
            )
        if name == "row" and not query.keys_of("row"):
            raise UsageProblem(
                f"{JUDGE_INPUT} {text!r} reads all of the row", "name a column, as in row.expected"
            )
    return query


@dataclass(frozen=True, slots=True)
class Judge:
    """The judge with its inputs, each by the expression that finds it; `hidden` are columns."""

    workflow: Workflow
    named: str
    inputs: Mapping[str, Query]
    hidden: Collection[str]

    @classmethod
    def matched(
        cls,
        spec: JudgeSpec,
        workflow: Workflow,
        sides: Sequence[Workflow],
        columns: Collection[str],
        hidden: Mapping[str, str],
    ) -> Self:
        """Return the judge, whose inputs are found once for both sides.

        What --judge-input does not name is an output of that name, else a column. `hidden` has the
        columns that it must not see, with the reason. Raises UsageProblem.
        """
        nodes = inputs_of(workflow.definition) or []
        keys = keys_of(nodes)
        inputs: dict[str, Query] = {}
        for given, query in spec.inputs.items():
            inputs[_known_key(given, nodes, spec.workflow)] = query
        outputs = [{*keys_of(outputs_of(side.definition) or ())} for side in sides]
        for key, node in keys.items():
            if key not in inputs and not node.fixed:
                found = _named_alike(key, outputs, columns)
                if found is not None:
                    inputs[key] = _parse(found)
            if key in inputs:
                _require_sendable(key, node, spec.workflow)
                _require_known(inputs[key], outputs, columns)
                _require_seen(key, inputs[key], hidden)
            elif node.required:
                _require_sendable(key, node, spec.workflow)
                raise UsageProblem(
                    f"the judge {spec.workflow} needs the input {key!r}, "
                    "which is neither an output nor a column",
                    f"add {JUDGE_INPUT} '{key}=EXPR'",
                )
        return cls(workflow, spec.workflow, inputs, frozenset(hidden))

    @property
    def outputs(self) -> list[str]:
        """The names of its outputs, as in `judge.Score`."""
        return list(keys_of(outputs_of(self.workflow.definition) or ()))

    @property
    def columns(self) -> list[str]:
        """The columns and inputs of a row that it sees."""
        names = []
        for query in self.inputs.values():
            names += query.keys_of("row")
        return names

    def about(self, workflow: Workflow) -> dict[str, Any]:
        """Return what the header says of the judge, which is this workflow now."""
        definition, nodes = digests_of(workflow.definition)
        return {
            "workflow_id": workflow.id,
            "version_id": workflow.version_id,
            "version_name": workflow.version_name,
            "definition": definition,
            "nodes": nodes,
            "inputs": {key: query.text for key, query in self.inputs.items()},
        }

    def row_for(self, place: Row, line: ResultLine) -> Row:
        """Return the row of a judgement with inputs from the answer's line, or with its problem."""
        seen = {name: value for name, value in row_in(line).items() if name not in self.hidden}
        document = {"output": line["result"]["output"], "row": seen}
        values: dict[str, Any] = {}
        try:
            for key, query in self.inputs.items():
                found = decode_json(to_json(query.of_result(document)))
                if found is not None:
                    values[key] = found
            texts = frozenset(key for key, value in values.items() if isinstance(value, str))
            nodes = inputs_of(self.workflow.definition) or []
            shown_by = line_to_inputs(self.named)
            inputs = validate_inputs(Inputs(values, texts), nodes, shown_by).inputs
        except (Unfitting, WrongInputs) as error:
            return replace(place, problem=f"it can't be judged: {error.message}")
        return replace(place, inputs=inputs)


def place_in(row: Row, key: AnswerKey) -> Row:
    """Return the row for the judgement of this key; its answer's row has the same digest."""
    own_id = key.named(without_repetition(row.id))
    return replace(row, number=key.number, id=own_id, side=key.side, inputs=Inputs(), columns={})


def _known_key(given: str, nodes: Sequence[InputNode], named: str) -> str:
    """Return the key of the judge's input that is meant. Raises UsageProblem."""
    keys = keys_of(nodes)
    meant = meant_by(given, nodes)
    for key, node in keys.items():
        if len(meant) == 1 and node is meant[0]:
            return key
    otherwise = Hint("see: ", line_to_inputs(named))
    hint = suggestion(nearest(given, keys), otherwise, quoted=True)
    raise UsageProblem(f"{JUDGE_INPUT} names {given!r}, which is not an input of {named}", hint)


def _named_alike(
    key: str, outputs: Sequence[Collection[str]], columns: Collection[str]
) -> str | None:
    """Return the expression for an output of this name, else for a column. Raises UsageProblem."""
    having = [key in of_side for of_side in outputs]
    name = to_json(key)
    if all(having):
        return f"output.{name}"
    if any(having):
        lacking = SIDE_NAMES[having.index(False)]
        raise UsageProblem(
            f"the judge's input {key!r} is an output that {lacking} lacks",
            f"add {JUDGE_INPUT} '{key}=EXPR'",
        )
    return f"row.{name}" if key in columns else None


def _require_sendable(key: str, node: InputNode, named: str) -> None:
    if node.kind == "file":
        raise UsageProblem(
            f"the judge {named} takes a file as {key!r}", "use a judge that takes texts"
        )


def _require_known(
    query: Query, outputs: Sequence[Collection[str]], columns: Collection[str]
) -> None:
    for name in query.keys_of("output"):
        for side in SIDES:
            if outputs[side] and name not in outputs[side]:
                hint = suggestion(nearest(name, outputs[side]), quoted=True)
                where = SIDE_NAMES[side]
                raise UsageProblem(
                    f"{JUDGE_INPUT} names output.{name}, but {where} has no such output", hint
                )
    for name in query.keys_of("row"):
        if columns and name != ID and name not in columns:
            hint = suggestion(nearest(name, columns), quoted=True)
            raise UsageProblem(
                f"{JUDGE_INPUT} names row.{name}, but no row has such a column", hint
            )


def _require_seen(key: str, query: Query, hidden: Mapping[str, str]) -> None:
    for name in query.keys_of("row"):
        if name in hidden:
            raise UsageProblem(
                f"the judge's input {key!r} reads row.{name}, which {hidden[name]}",
                f"add {JUDGE_INPUT} '{key}=EXPR' with what it may see",
            )
