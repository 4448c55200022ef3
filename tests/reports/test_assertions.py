"""`--assert`: what a run's result must be, exit 11 if it is not, and each assertion as a test case."""

from pathlib import Path
from typing import Any

import pytest
from junitparser import Failure, JUnitXml, Skipped

from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli

OUTPUT = {"Answer": "42", "Score": 0.5, "Items": [{"a": 1}, {"a": 2}]}


def test_what_holds_changes_nothing(noxcli: Noxcli, plays: Any) -> None:
    asserts = [
        "output.Answer == '42'",
        "length(output.Items) == `2`",
        "complete && ok",
        "nodes[?status=='failed'] == `[]`",
    ]
    argv = [word for text in asserts for word in ("--assert", text)]
    result = noxcli("run", plays(output=OUTPUT), "--json", *argv)
    assert (result.code, result.json["ok"]) == (0, True)
    told = [(each["name"], each["holds"]) for each in result.json["assertions"]]
    assert told == [(f"--assert {text}", True) for text in asserts]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("output.Score >= `0.8`", "0.5 >= 0.8"),
        ("output.Items[1].a == `1`", "2 == 1"),
        ("length(output.Items) > `5`", "2 > 5"),
        ("output.Answer", 'it is "42" but not true'),
        ("contains(output.Answer, 'x') || !(output.Score == `0.5`)", 'contains("42", "x"), 0.5 == 0.5'),
        ("output.\"No such\" == 'x'", 'null == "x"'),
        ("output.Items[?a > `9`] != `[]`", "[] != []"),
        ("output.No && length(output.No) > `1`", "it is null but not true"),
        ("`false`", "it is false"),
    ],
)
def test_what_does_not_hold_is_told_with_what_was_found(
    noxcli: Noxcli, plays: Any, expression: str, found: str
) -> None:
    result = noxcli("run", plays(output=OUTPUT), "--json", "--quiet", "--no-check", "--assert", expression)
    run = result.json["run"]["id"]
    assert result.code == 11
    assert result.err == f"noxcli: run {run} completed, but --assert {expression} does not hold: {found}\n"
    (told,) = result.json["assertions"]
    assert (told["holds"], told["message"]) == (False, found)
    assert (result.json["error"]["phase"], result.json["output"]["Answer"]) == ("assert", "42")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("length(output.Score) > `1`", "In function length(), invalid type for value"),
        ("contains(output.Answer, output.Nope)", 'contains("42", null)\n'),
    ],
)
def test_an_expression_that_does_not_fit_does_not_hold(noxcli: Noxcli, plays: Any, expression: str, why: str) -> None:
    result = noxcli("run", plays(output=OUTPUT), "--no-check", "--assert", expression)
    assert result.code == 11
    assert f"can't be applied: {why}" in result.err


def test_the_output_is_printed_all_the_same(noxcli: Noxcli, plays: Any) -> None:
    result = noxcli("run", plays(output={"A": "x"}), "--assert", "output.A == 'y'")
    assert (result.code, result.text) == (11, "x\n")


@pytest.mark.parametrize("verb", [["stream"], ["fetch-output"], ["wait"], ["wait", "--timeout", "0"]])
def test_runs_of_others_are_judged_too(noxcli: Noxcli, plays: Any, verb: list[str]) -> None:
    run = noxcli.ended(plays(output={"A": "x"}))
    assert noxcli(*verb, run, "--assert", "output.A == 'x'").code == 0
    result = noxcli(*verb, run, "--assert", "output.A == 'x'", "--assert", "output.A == 'y'")
    assert result.code == 11
    assert result.err.endswith(' does not hold: "x" == "y"\n')


def test_of_several_runs_each_is_judged(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    workflow = plays(output={"A": "x"})
    runs = [noxcli.start(workflow) for _ in range(2)]
    found = noxcli("wait", *runs, "--json", "--assert", f"run.id == '{runs[0]}'", "--junit", str(tmp_path / "j.xml"))
    assert (found.code, [each["exit_code"] for each in found.json["results"]]) == (11, [0, 11])
    (suite,) = JUnitXml.fromfile(str(tmp_path / "j.xml"))
    assert [len(case.result) for case in suite] == [0, 0, 0, 1]


def test_a_failed_run_skips_its_assertions(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    result = noxcli("run", plays(status="failed"), "--assert", "ok", "--junit", str(tmp_path / "j.xml"))
    assert result.code == 1
    (suite,) = JUnitXml.fromfile(str(tmp_path / "j.xml"))
    run, check = suite
    assert (type(run.result[0]), type(check.result[0])) == (Failure, Skipped)
    assert check.name.endswith(": --assert ok")


def test_each_assertion_is_a_case_of_its_own(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    report = tmp_path / "j.xml"
    workflow = plays(output=OUTPUT)
    noxcli("run", workflow, "--assert", "complete", "--assert", "output.Score > `0.8`", "--junit", str(report))
    (suite,) = JUnitXml.fromfile(str(report))
    assert [case.result for case in suite][:2] == [[], []]
    (failure,) = list(suite)[2].result
    assert (suite.tests, suite.failures, suite.errors) == (3, 1, 0)
    assert failure.message == "0.5 > 0.8"


@pytest.mark.parametrize(
    "argv",
    [["--assert", "output."], ["--assert", "ok", "--detach"], ["--assert", "ok", "--dry-run"], ["--assert", "f()"]],
)
def test_a_mistake_is_refused_before_anything_starts(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, argv: list[str]
) -> None:
    workflow = plays(script=[Sleep(60_000)])
    result = noxcli("run", workflow, *argv)
    assert (result.code, sandbox.runs(workflow)) == (2, [])
    assert "--assert" in result.err
