"""A gate that is continued: its header, its messages, and test cases for each code but 0."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import State
from tests.conftest import Noxcli, Result, write_rows
from tests.process import NOXCLI, environment

GATE = "rows.jsonl.gate"


def gate(noxcli: Noxcli, workflow: str, *argv: str, good: str = "good") -> Result:
    sides = ("--base", "base", "--new", "new", "--assert", f"output.A == '{good}'")
    return noxcli("gate", workflow, "rows.jsonl", *sides, *argv)


@pytest.fixture
def workflow(plays: Any) -> str:
    def nodes(word: str) -> list[Any]:
        return [input_node("Q"), input_node("P", default=word), output_node("A")]

    versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
    write_rows("one", "two")
    return str(plays(nodes=nodes("base"), output={"A": "good"}, versions=versions))


def edit_header(edit: Any) -> None:
    path = Path(GATE, "batch.jsonl")
    first, rest = path.read_text().split("\n", 1)
    header = json.loads(first)
    edit(header)
    path.write_text(f"{json.dumps(header)}\n{rest}")


def test_unknown_fields_of_a_header_are_read_over(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    assert gate(noxcli, workflow).code == 0
    edit_header(lambda header: header.update(later="x"))
    edit_header(lambda header: header["gate"].update(later={"x": 1}))
    again = gate(noxcli, workflow)
    assert (again.code, len(sandbox.runs(workflow))) == (0, 4), again.err
    assert noxcli("results", GATE).code == 0


@pytest.mark.parametrize("value", [None, 7, "gone"])
@pytest.mark.parametrize("name", ["constants", "version_name"])
def test_a_header_that_lacks_something_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, name: str, value: Any
) -> None:
    assert gate(noxcli, workflow).code == 0

    def edit(header: dict[str, Any]) -> None:
        del header["gate"][name]
        if value != "gone":
            header["gate"][name] = value

    edit_header(edit)
    result = gate(noxcli, workflow)
    assert (result.code, len(sandbox.runs(workflow))) == (2, 4)
    assert f"its {name} can't be read; start over with --fresh" in result.err


def test_a_mistake_after_runs_does_not_say_that_none_started(noxcli: Noxcli, workflow: str) -> None:
    assert gate(noxcli, workflow).code == 0
    result = gate(noxcli, workflow, "Unknown=x")
    assert (result.code, "nothing was started" in result.err) == (2, False), result.err
    first = gate(noxcli, workflow, "Unknown=x", "--output-dir", "other")
    assert (first.code, "nothing was started" in first.err) == (2, True), first.err


@pytest.mark.parametrize("option", [[], ["--resume"]])
def test_a_batch_in_the_directory_of_a_gate_is_told_of_it(
    noxcli: Noxcli, workflow: str, option: list[str]
) -> None:
    assert gate(noxcli, workflow).code == 0
    result = noxcli("batch", workflow, "rows.jsonl", "--output-dir", GATE, *option)
    assert (result.code, "has a gate, not of this command" in result.err) == (2, True)
    assert "continue it with noxcli gate, or choose another --output-dir" in result.err
    batch = noxcli("batch", workflow, "rows.jsonl", "--output-dir", "other")
    assert batch.code == 0
    result = gate(noxcli, workflow, "--output-dir", "other")
    assert (result.code, "other has a batch, not of this command" in result.err) == (2, True)


def test_a_gate_without_a_pass_has_a_test_case_that_says_so(noxcli: Noxcli, workflow: str) -> None:
    result = gate(noxcli, workflow, "--junit", "j.xml", good="better")
    assert (result.code, "no row passes in either version (4 runs)" in result.err) == (2, True)
    (suite,) = JUnitXml.fromfile("j.xml")
    cases = {case.name: [entry.message for entry in case.result] for case in suite}
    assert [name for name, found in cases.items() if found] == ["exit code 2"]
    assert "no row passes in either version" in cases["exit code 2"][0]
    assert (suite.tests, suite.errors, suite.failures) == (4, 1, 0)


def test_a_gate_without_answers_says_how_many_runs_it_cost(noxcli: Noxcli, plays: Any) -> None:
    nodes = [input_node("Q"), output_node("A")]
    versions = [
        Version("base", "", nodes),
        Version("new", "", [*nodes, input_node("P", default="x")]),
    ]
    workflow = plays(
        nodes=nodes, output={"A": "x"}, script=lambda _: [State("stopped")], versions=versions
    )
    write_rows("one")
    result = gate(noxcli, workflow, "--allow-missing", "--junit", "j.xml")
    assert result.code == 2
    assert "(4 runs), but no row has an answer on both sides" in result.err
    assert JUnitXml.fromfile("j.xml").errors == 1


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("results", "rows.jsonl.batch", "--min-pass", "90%"), 11),
        (("batch", "qa", "rows.jsonl", "--resume", "--min-pass", "90%"), 11),
    ],
)
def test_test_cases_of_no_rows_say_why_the_code_is_not_0(
    noxcli: Noxcli, argv: tuple[str, ...], code: int
) -> None:
    Path("rows.jsonl").write_text("")
    noxcli("batch", "qa", "rows.jsonl")
    result = noxcli(*argv, "--junit", "j.xml")
    assert result.code == code, result.err
    report = JUnitXml.fromfile("j.xml")
    assert (report.failures + report.errors) > 0


def test_test_cases_say_that_stdout_was_not_written(sandbox: Sandbox) -> None:
    write_rows({"Question": "x"})
    line = [*NOXCLI, "batch", "qa", "rows.jsonl", "--junit", "j.xml"]
    with Path("/dev/full").open("wb") as full:
        env = environment(sandbox.url, sandbox.key)
        code = subprocess.run(line, stdout=full, env=env, check=False).returncode
    assert code == 9
    assert JUnitXml.fromfile("j.xml").errors == 1


def test_another_attempt_without_its_directory_starts_over(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    sides = ("--base", "base", "--new", "new", "--assert", "output.A == 'good'")
    files = ("--json", "--report", "page.html", "--markdown", "comment.md")
    argv = ("gate", workflow, "rows.jsonl", *sides, *files)
    second = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": "2"}
    result = noxcli(*argv, environ=second)
    assert (result.code, len(sandbox.runs(workflow))) == (0, 4), result.err
    said = f"attempt 2 of the job found no gate in {GATE}, and started over"
    texts = [result.err, *result.json["notes"]]
    texts += [Path(name).read_text() for name in ("page.html", "comment.md")]
    assert len([text for text in texts if said in text]) == 4
    again = noxcli(*argv, environ=second)
    assert (again.code, said in again.err) == (0, False), "that attempt has its own now"


def test_each_gate_of_gitlab_says_that_it_began_anew(noxcli: Noxcli, workflow: str) -> None:
    """GitLab does not say which job is a retry."""
    sides = ("--base", "base", "--new", "new", "--assert", "output.A == 'good'")
    argv = ("gate", workflow, "rows.jsonl", *sides, "--markdown", "comment.md")
    job = {"CI_JOB_URL": "https://gitlab.example.com/noxcli/review/-/jobs/1"}
    said = f"no earlier answers were in {GATE}: the gate started over"
    assert noxcli(*argv, environ=job).code == 0
    assert said in Path("comment.md").read_text()
    assert noxcli(*argv, environ=job).code == 0
    assert said not in Path("comment.md").read_text()
