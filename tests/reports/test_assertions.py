"""`--assert`: what a run's result must be, exit 11 if it is not, and each assertion as a test case."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from junitparser import Failure, JUnitXml, Skipped

from noxcli.reports.assertions import OF_A_RESULT, check_assertion, parse_assertion
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from noxcli.schemas import schema_named
from tests.conftest import Noxcli

OUTPUT = {
    "Answer": "42",
    "Score": 0.5,
    "Items": [{"a": 1}, {"a": 2}, {"b": "x"}],
    "Fenced": "```json\n{}\n```",
    "Record": '{"name": "Ann"}',
    "Wrapped": {"text": " Yes"},
}


def test_what_holds_changes_nothing(noxcli: Noxcli, plays: Any) -> None:
    asserts = [
        "output.Answer == '42'",
        "length(output.Items) == `3`",
        "length(output.Items[?a > `0`]) == `2`",
        "output.Items[?!(a > `9`)] == output.Items[:2]",
        "output.Record > '3'",
        "output.Items[?b != `1`] && output.Items[?a == 'x'] == `[]`",
        "output | Answer == '42'",
        "output.{a: Answer, o: @}.o.Score < `1`",
        "!output.Nope && output.Nope == null && type(output.Nope) == 'null'",
        "output.Nope.x[0] == null || output.Nope > `5`",
        "output.Wrapped == ' Yes' && output.Wrapped.text == ' Yes'",
        "output.Answer.text == '42'",
        "output.[Wrapped.text, Answer.text] == [output.Wrapped, '42']",
        "output | Wrapped.text == ' Yes'",
        "lower(trim(output.Wrapped)) == 'yes' && upper(output.Wrapped) == ' YES'",
        "matches(output.Answer, '^4[0-9]$') && !matches(output.Answer, '^2')",
        "parse_json(output.Record).name == 'Ann'",
        "complete && ok",
        "nodes[?status=='failed'] == `[]`",
    ]
    argv = [word for text in asserts for word in ("--assert", text)]
    result = noxcli("run", plays(output=OUTPUT), "--json", "--no-check", *argv)
    assert (result.code, result.json["ok"]) == (0, True)
    told = [(each["name"], each["holds"]) for each in result.json["assertions"]]
    assert told == [(f"--assert {text}", True) for text in asserts]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("output.Score >= `0.8`", "0.5 >= 0.8"),
        ("output.Items[1].a == `1`", "2 == 1"),
        ("length(output.Items) > `5`", "3 > 5"),
        ("output.Answer", 'it is "42" but not true'),
        (
            "contains(output.Answer, 'x') || !(output.Score == `0.5`)",
            'contains("42", "x"), 0.5 == 0.5',
        ),
        ("output.Items[?a > `9`] != `[]`", "[] != []"),
        ("output.No && length(output.No) > `1`", "it is null but not true"),
        ("!ok", "it is false"),
        ("!output.Answer", "it is false"),
    ],
)
def test_what_does_not_hold_is_told_with_what_was_found(
    noxcli: Noxcli, plays: Any, expression: str, found: str
) -> None:
    result = noxcli(
        "run", plays(output=OUTPUT), "--json", "--quiet", "--no-check", "--assert", expression
    )
    run = result.json["run"]["id"]
    assert result.code == 11
    assert (
        result.err
        == f"noxcli: run {run} completed, but --assert {expression} does not hold: {found}\n"
    )
    (told,) = result.json["assertions"]
    assert (told["holds"], told["message"]) == (False, found)
    assert (result.json["error"]["phase"], result.json["output"]["Answer"]) == ("assert", "42")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("length(output.Score) > `1`", "In function length(), invalid type for value"),
        ("contains(output.Answer, output.Nope)", "there is no output 'Nope'\n"),
        ("output.Nope != 'bad'", "there is no output 'Nope'\n"),
        ("!(output.Nope[0].x == 'bad')", "there is no output 'Nope'\n"),
        (
            "output.Answer > `5`",
            '"42" > 5 compares neither two numbers nor two texts; use to_number()\n',
        ),
        ("output.Answer >= '100'", '"42" >= "100" compares numbers as texts; use to_number()\n'),
        ("output.Answer != `3`", '"42" != 3 compares a string and a number; use to_number()\n'),
        ("!(output.Answer == `true`)", '"42" == true compares a string and a boolean\n'),
        ("output.Items[0].b != 'x'", 'null != "x" compares a null and a string\n'),
        ("!(output.Items[0].b < `5`)", "null < 5 compares neither two numbers nor two texts\n"),
        (
            "ok && parse_json(output.Fenced)",
            "parse_json() needs a text that is JSON as a whole; this one has a fence (```): ",
        ),
        ("matches(output.Answer, '(')", "'(' is not a valid regular expression: "),
    ],
)
def test_an_expression_that_does_not_fit_does_not_hold(
    noxcli: Noxcli, plays: Any, expression: str, why: str
) -> None:
    result = noxcli("run", plays(output=OUTPUT), "--no-check", "--assert", expression)
    assert result.code == 11
    assert f"can't be applied: {why}" in result.err


EVIL = [
    "(a+)+$",
    "(a|a)*$",
    "(a|aa)+$",
    "(.*a){20}$",
    "(a*)*b",
    "^(([a-z])+.)+[A-Z]$",
    "(x+x+)+y|(a?){25}a{25}b",
]


@pytest.mark.parametrize(
    "expression", [*EVIL[:2], *(pytest.param(each, marks=pytest.mark.wide) for each in EVIL[2:])]
)
def test_a_match_that_takes_too_long_is_ended(expression: str) -> None:
    document = {"output": {"A": "a" * 40 + "!"}}
    began = time.monotonic()
    found = check_assertion(parse_assertion(f"!matches(output.A, '{expression}')"), document)
    assert (found.holds, "matches() took longer than 0.2s" in (found.message or "")) == (
        False,
        True,
    )
    assert time.monotonic() - began < 5, "of a machine that does other things, too"
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


@pytest.mark.parametrize(("text", "expression"), [("a", "a" * 1001), ("a" * 1_000_001, "a")])
def test_a_match_has_limits(text: str, expression: str) -> None:
    asked = {"output": {"A": text, "E": expression}}
    found = check_assertion(parse_assertion("matches(output.A, output.E)"), asked)
    assert (found.holds, "characters, and this one has 1,00" in (found.message or "")) == (
        False,
        True,
    )


def test_what_an_assertion_may_name_is_what_a_result_has() -> None:
    assert {*schema_named("result")["required"], "*"} == OF_A_RESULT


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("`true`", "names nothing of the result, so it checks nothing; name an output"),
        ("row.Question == 'x'", "names nothing of the result"),
        (
            "outptu.Answer == 'x'",
            "names nothing of the result, so it checks nothing; did you mean output?",
        ),
        (
            "output.Answer != forbidden",
            "names 'forbidden', which no result has; a text is 'forbidden', an output is",
        ),
        ("output.Score != false", "names 'false', which no result has; write `false`"),
        ("output.Score != None", "names 'None', which no result has; write `null`"),
        ("contains(output.Answer, Expected)", "names 'Expected', which no result has"),
        ("{a: output.Answer, b: Expected} | a != b", "names 'Expected', which no result has"),
        ("[output.Answer, Expected] | [0] != [1]", "names 'Expected', which no result has"),
        (
            "@ | output.Answer != outptu.Other",
            "names 'outptu', which no result has; did you mean 'output'?",
        ),
        ("output.Answer != row.Expected", "names 'row', which no result has"),
        ("contains(output.Answer, '')", "contains() finds the empty text in every text"),
        ("ok || matches(output.Answer, '')", "matches() finds the empty text in every text"),
        ("toLower(output.Answer) == 'x'", "there is no function toLower(); did you mean lower()?"),
        ("startsWith(output.Answer, 'x')", "did you mean starts_with()?"),
    ],
)
def test_what_checks_nothing_is_refused(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, expression: str, said: str
) -> None:
    workflow = plays(output=OUTPUT)
    result = noxcli("run", workflow, "--no-check", "--assert", expression)
    assert (result.code, sandbox.runs(workflow), result.err.count("\n")) == (2, [], 1)
    assert said in result.err


def test_the_output_is_printed_all_the_same(noxcli: Noxcli, plays: Any) -> None:
    result = noxcli("run", plays(output={"A": "x"}), "--assert", "output.A == 'y'")
    assert (result.code, result.text) == (11, "x\n")


@pytest.mark.parametrize(
    "verb", [["stream"], ["fetch-output"], ["wait"], ["wait", "--timeout", "0"]]
)
def test_runs_of_others_are_judged_too(noxcli: Noxcli, plays: Any, verb: list[str]) -> None:
    run = noxcli.ended(plays(output={"A": "x"}))
    assert noxcli(*verb, run, "--assert", "output.A == 'x'").code == 0
    result = noxcli(*verb, run, "--assert", "output.A == 'x'", "--assert", "output.A == 'y'")
    assert result.code == 11
    assert result.err.endswith(' does not hold: "x" == "y"\n')


def test_of_several_runs_each_is_judged(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    workflow = plays(output={"A": "x"})
    runs = [noxcli.start(workflow) for _ in range(2)]
    found = noxcli(
        "wait",
        *runs,
        "--json",
        "--assert",
        f"run.id == '{runs[0]}'",
        "--junit",
        str(tmp_path / "j.xml"),
    )
    assert (found.code, [each["exit_code"] for each in found.json["results"]]) == (11, [0, 11])
    (suite,) = JUnitXml.fromfile(str(tmp_path / "j.xml"))
    assert [len(case.result) for case in suite] == [0, 0, 0, 1]


def test_a_failed_run_skips_its_assertions(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    result = noxcli(
        "run", plays(status="failed"), "--assert", "ok", "--junit", str(tmp_path / "j.xml")
    )
    assert result.code == 1
    (suite,) = JUnitXml.fromfile(str(tmp_path / "j.xml"))
    run, check = suite
    assert (type(run.result[0]), type(check.result[0])) == (Failure, Skipped)
    assert check.name.endswith(": --assert ok")


def test_each_assertion_is_a_case_of_its_own(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    report = tmp_path / "j.xml"
    workflow = plays(output=OUTPUT)
    noxcli(
        "run",
        workflow,
        "--assert",
        "complete",
        "--assert",
        "output.Score > `0.8`",
        "--junit",
        str(report),
    )
    (suite,) = JUnitXml.fromfile(str(report))
    assert [case.result for case in suite][:2] == [[], []]
    (failure,) = list(suite)[2].result
    assert (suite.tests, suite.failures, suite.errors) == (3, 1, 0)
    assert failure.message == "0.5 > 0.8"


@pytest.mark.parametrize(
    "argv",
    [
        ["--assert", "output."],
        ["--assert", "ok", "--detach"],
        ["--assert", "ok", "--dry-run"],
        ["--assert", "f()"],
    ],
)
def test_a_mistake_is_refused_before_anything_starts(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, argv: list[str]
) -> None:
    workflow = plays(script=[Sleep(60_000)])
    result = noxcli("run", workflow, *argv)
    assert (result.code, sandbox.runs(workflow)) == (2, [])
    assert "--assert" in result.err


@pytest.mark.parametrize(
    "form",
    [
        [],
        ["--json"],
        ["--raw", "Answer"],
        ["--raw", "Short"],
        ["--format", "content"],
        ["--output-dir", "out"],
    ],
)
def test_a_long_text_is_judged_as_a_whole(noxcli: Noxcli, plays: Any, form: list[str]) -> None:
    """However it is delivered: printed, alone among others, as it came, or to a file."""
    workflow = plays(output={"Answer": f"right {'x' * 20_000} end", "Short": "yes"})
    holds = ["--assert", "ends_with(output.Answer, 'end') && output.Short == 'yes'"]
    result = noxcli("run", workflow, *form, *holds)
    assert result.code == 0, result.err
