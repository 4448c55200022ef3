"""What an assertion or a score reads of a missing output: in each form of JMESPath, beside values that are there."""

from collections.abc import Iterator
from typing import Any

import jmespath
import pytest
from jmespath import ast

from noxcli.sandbox.scenario import input_node
from tests.conftest import Noxcli, write_rows
from tests.rawserver import json_answer

OUTPUT: dict[str, Any] = {"Map": {}, "Null": None, "List": []}
# What NAME stands for: an output that the run lacks, and what it has.
MISSING, THERE = "Nope", ("Map.none", "Null", "List")
# Each way to read a value, and nothing else.
FORMS = {
    "field": "output.NAME",
    "field of a field": "output.NAME.x",
    "name in quotes": 'output.NAME."x y"',
    "parentheses": "(output).NAME",
    "current": "@.output.NAME",
    "index": "output.NAME[0]",
    "index from the end": "output.NAME[-1].x",
    "slice": "output.NAME[0:2]",
    "projection": "output.NAME[*].x",
    "projection of values": "output.NAME.*",
    "flatten": "output.NAME[]",
    "filter": "output.NAME[?x]",
    "pipe": "output | NAME",
    "pipe of the whole": "@ | output.NAME | x",
    "list": "output.[NAME]",
    "list of lists": "output.[[NAME], @]",
    "list of the whole": "[output.NAME]",
    "object": "output.{a: NAME}",
    "object of the whole": "{a: output.NAME, b: ok} | a",
    "object in between": "{a: output} | a.NAME",
    "outputs in a list": "[output] | [0].NAME",
    "outputs in a projection": "[output][*].NAME",
    "outputs flattened": "[output][].NAME",
}
# What computes with a value: no guard around it decides.
COMPUTED = {
    "function": "to_string(output.NAME)",
    "function of a list": "to_string(output.[NAME])",
    "default of a function": "not_null(output.NAME, 'd')",
    "expression of a function": "map(&NAME, [output])",
    "comparison": "output.NAME == output.NAME",
    "comparison in a list": "output.[NAME] == `[null]`",
    "right side of and": "ok && output.NAME",
    "right side of or": "!ok || output.NAME",
    "condition of a filter": "[output][?NAME]",
}
GUARDED = {"({}) == null": True, "null != ({})": False, "!({})": True, "type({}) == 'null'": True}
GUARDED |= {"({}) || ok": True, "!(({}) && ok)": True}
UNHARMED = "!contains(to_string({}), 'bad')"  # true of null
LACKS = "can't be applied: there is no output 'Nope'"


def found(noxcli: Noxcli, plays: Any, asked: dict[str, str]) -> dict[str, tuple[bool, str]]:
    """Return whether each assertion holds, and what is told of it, by its name."""
    argv = [f"--assert={text}" for text in asked.values()]
    document = noxcli("run", plays(output=OUTPUT), "--no-check", "--json", *argv).json
    assertions = document["assertions"]
    return {
        name: (told["holds"], told["message"] or "")
        for name, told in zip(asked, assertions, strict=True)
    }


def of(value: str, forms: dict[str, str], around: str) -> dict[str, str]:
    return {name: around.format(form.replace("NAME", value)) for name, form in forms.items()}


def in_braces(around: str) -> str:
    return around.replace("{}", "(X)")


def types_in(part: Any) -> Iterator[str]:
    """Yield the type of each node of a parsed expression."""
    if isinstance(part, dict):
        yield part["type"]
        for child in part["children"]:
            yield from types_in(child)


def test_each_node_of_jmespath_is_in_a_form() -> None:
    forms = [*(FORMS | COMPUTED).values(), *(text.format("output.NAME") for text in GUARDED)]
    seen = {each for form in forms for each in types_in(jmespath.compile(form).parsed)}
    makers = [getattr(ast, name) for name in vars(ast) if not name.startswith("_")]
    known = {make(*[[]] * make.__code__.co_argcount)["type"] for make in makers}
    assert known - seen == set()


def test_each_reading_of_a_missing_output_is_told(noxcli: Noxcli, plays: Any) -> None:
    for around in (UNHARMED, "length(not_null({}, `[]`)) == `0`"):
        told = found(noxcli, plays, of(MISSING, FORMS | COMPUTED, around))
        wrong = {name for name, (holds, why) in told.items() if holds or LACKS not in why}
        assert not wrong, in_braces(around)


@pytest.mark.parametrize("value", THERE)
def test_each_reading_of_what_is_there_counts(noxcli: Noxcli, plays: Any, value: str) -> None:
    told = found(noxcli, plays, of(value, FORMS | COMPUTED, UNHARMED))
    assert [name for name, (holds, _) in told.items() if not holds] == []


@pytest.mark.parametrize("around", GUARDED, ids=in_braces)
def test_a_guard_decides_about_each_reading(noxcli: Noxcli, plays: Any, around: str) -> None:
    told = found(noxcli, plays, of(MISSING, FORMS, around))
    held = {name: holds for name, (holds, _) in told.items()}
    assert held == dict.fromkeys(FORMS, GUARDED[around])
    told = found(noxcli, plays, of(MISSING, COMPUTED, around))
    wrong = {name for name, (holds, why) in told.items() if holds or LACKS not in why}
    assert not wrong


def test_a_run_without_outputs_lacks_each(noxcli: Noxcli) -> None:
    ended = {"id": "r", "workflow_id": "w", "status": "completed", "output": None}
    asked = of(MISSING, {"field": FORMS["field"], "pipe": FORMS["pipe"]}, UNHARMED)
    argv = [f"--assert={text}" for text in asked.values()]
    result, _ = noxcli.against([json_answer(ended)], "wait", "w/r", "--json", *argv)
    told = [each["message"] for each in result.json["assertions"]]
    assert ["can't be applied: there are no outputs" in why for why in told] == [True] * 2


def test_a_score_of_a_missing_output_is_no_number(noxcli: Noxcli, plays: Any) -> None:
    """The first row has each output that is named; the second lacks one."""

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        return OUTPUT | ({MISSING: []} if inputs["Q"] == "whole" else {})

    workflow = plays(nodes=[input_node("Q")], output=output)
    rows = write_rows("whole", "part")
    assert noxcli("batch", workflow, rows, "--max-parallel", "1").code == 0

    def scored(form: str, *values: str) -> list[bool]:
        forms = ", ".join(form.replace("NAME", value) for value in values)
        expression = f"length(to_string([{forms}]))"
        lines = noxcli("results", f"{rows}.batch", "--score", expression).lines
        return [line["score"] is not None for line in lines]

    for name, form in (FORMS | COMPUTED).items():
        assert scored(form, MISSING) == [True, False], name
        assert scored(form, *THERE) == [True, True], name
