"""What ran is what was asked: the version that the record of each run names, beside that of its side."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from noxcli.sandbox.faults import RATE_LIMITED, Answer
from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, write_rows

BASE, NEW = (f"{digit * 8}-2222-4333-8444-555555555555" for digit in "ab")


def gate(noxcli: Noxcli, workflow: str, *argv: str) -> Result:
    sides = ("--base", "base", "--new", "new", "--assert", "output.A == 'good'")
    return noxcli("gate", workflow, "rows.jsonl", *sides, *argv)


@pytest.fixture
def recording(plays: Any, sandbox: Sandbox) -> Callable[..., str]:
    """Adds a workflow whose records name other versions for some questions than were asked."""

    def add(named: Callable[[str, str], str | None]) -> str:
        def output(inputs: dict[str, Any]) -> dict[str, Any]:
            asked = BASE if inputs["P"] == "base" else NEW
            for run in sandbox.runs(made[0]):
                if run.input["Q"] == inputs["Q"] and run.body["workflow_version_id"] == asked:
                    run.body["workflow_version_id"] = named(inputs["Q"], asked)
            return {"A": "good"}

        def nodes(word: str) -> list[Any]:
            return [input_node("Q"), input_node("P", default=word), output_node("A")]

        versions = [
            Version("base", "", nodes("base"), id=BASE),
            Version("new", "", nodes("new"), id=NEW),
        ]
        made.append(plays(nodes=nodes("base"), output=output, versions=versions))
        return made[0]

    made: list[str] = []
    return add


def test_runs_of_another_version_end_the_gate(
    noxcli: Noxcli, sandbox: Sandbox, recording: Any
) -> None:
    workflow = recording(lambda *_: BASE)
    write_rows(*(f"question {number}" for number in range(40)))
    argv = ("--max-parallel", "2", "--allow-missing", "--junit", "j.xml")
    result = gate(noxcli, workflow, *argv)
    assert (result.code, result.text) == (8, "")
    said = f"runs of NEW are of another version: their records name {BASE}, not {NEW}"
    assert f"noxcli: nothing is judged: 5 {said}" in result.err
    paid = len(sandbox.runs(workflow))
    assert paid < 20
    assert JUnitXml.fromfile("j.xml").errors > 0
    again = gate(noxcli, workflow, *argv)
    assert (again.code, said in again.err) == (8, True)
    assert len(sandbox.runs(workflow)) == paid, "they are not asked again"


def test_one_answer_of_another_version_is_no_answer(
    noxcli: Noxcli, sandbox: Sandbox, recording: Any
) -> None:
    workflow = recording(lambda question, asked: BASE if question == "odd" else asked)
    write_rows("odd", "even", "more")
    result = gate(noxcli, workflow, "--json", "--report", "page.html")
    assert result.code == 8, result.err
    assert len(sandbox.runs(workflow)) == 6, "it is not asked again"
    (row,) = result.json["rows"]
    assert row["class"] == "missing"
    assert f"its record names version {BASE}, not {NEW}" in row["what"]
    assert result.json["gate"]["other_versions"] == {"base": 0, "new": 1}
    named = [result.json[side]["record_version_ids"] for side in ("base", "new")]
    assert named == [[BASE], [BASE, NEW]]
    page = Path("page.html").read_text()
    assert "its records name this version" in page
    assert f"its records name 2 versions: {BASE}, {NEW}" in page
    allowed = gate(noxcli, workflow, "--allow-missing")
    assert (allowed.code, len(sandbox.runs(workflow))) == (0, 6)
    assert f"1 answer of NEW not judged: the record names version {BASE}" in allowed.err


def test_a_record_without_a_version_proves_nothing(
    noxcli: Noxcli, sandbox: Sandbox, recording: Any
) -> None:
    workflow = recording(lambda *_: None)
    write_rows("one", "two")
    result = gate(noxcli, workflow, "--json")
    assert (result.code, len(sandbox.runs(workflow))) == (0, 4), result.err
    assert result.json["new"]["record_version_ids"] == []
    assert result.json["gate"]["other_versions"] == {"base": 0, "new": 0}


def test_a_secret_that_new_gets_as_text_is_compared(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    nodes = [input_node("Q"), input_node("P", default=""), output_node("A")]
    workflow = plays(
        nodes=nodes, output={"A": "good"}, versions=[Version("base", "", nodes, id=BASE)]
    )
    write_rows("one", "two")
    asks = ("--base", "base", "--assert", "output.A == 'good'", "--new-input", "P=plain")
    secret = ("--secret", "P=HIDDEN")
    result = noxcli(
        "gate", workflow, "rows.jsonl", *asks, *secret, environ={"HIDDEN": "a-long-secret"}
    )
    assert (result.code, len(sandbox.runs(workflow))) == (0, 4), result.err


def with_faults_at_the_end(plays: Any, faults: list[Any]) -> str:
    """Return a workflow whose versions can't be read once its runs have ended."""

    def nodes(word: str) -> list[Any]:
        return [input_node("Q"), input_node("P", default=word), output_node("A")]

    scenario: dict[str, Any] = {
        "nodes": nodes("base"),
        "versions": [Version(word, "", nodes(word)) for word in ("base", "new")],
    }

    def output(_: dict[str, Any]) -> dict[str, Any]:
        plays(**scenario, output={"A": "good"}, faults={"workflow": faults})
        return {"A": "good"}

    return str(plays(**scenario, output=output))


@pytest.mark.parametrize(
    "faults", [[RATE_LIMITED], [Answer(503)], [Answer(502)] * 8], ids=["429", "503", "outage"]
)
def test_the_last_look_waits_as_the_first(noxcli: Noxcli, plays: Any, faults: list[Any]) -> None:
    write_rows("one")
    result = gate(noxcli, with_faults_at_the_end(plays, faults))
    assert (result.code, "1 same" in result.err) == (0, True), result.err


def test_versions_that_stay_unreadable_are_not_judged(noxcli: Noxcli, plays: Any) -> None:
    write_rows("one")
    workflow = with_faults_at_the_end(plays, [Answer(503, repeat=True)])
    result = gate(noxcli, workflow, "--junit", "j.xml", "--json")
    assert (result.code, result.json["retry_safe"]) == (6, False), result.err
    assert "continue with: noxcli gate" in result.err
    assert JUnitXml.fromfile("j.xml").errors > 0
