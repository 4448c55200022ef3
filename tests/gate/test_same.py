"""--allow-same: sides that do not differ run BASE once, and nothing can be worse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from noxcli.sandbox.scenario import Scenario, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import State, Step
from tests.conftest import Noxcli, Result, write_rows

GOOD = ("--assert", "output.A == 'good'", "--allow-same")


def nodes(word: str) -> list[Any]:
    return [input_node("Q"), input_node("P", default=word), output_node("A")]


@pytest.fixture
def answering(plays: Any) -> Callable[..., str]:
    """Adds a workflow with one version, which answers each question with itself."""

    def add(**more: Any) -> str:
        return str(
            plays(
                nodes=nodes("base"),
                output=lambda inputs: {"A": inputs["Q"]},
                versions=[Version("base", "", nodes("base")), Version("new", "", nodes("new"))],
                **more,
            )
        )

    return add


def gate(noxcli: Noxcli, workflow: str, *argv: str, new: str = "base") -> Result:
    return noxcli("gate", workflow, "rows.jsonl", "--base", "base", "--new", new, *GOOD, *argv)


def test_rows_that_fail_are_listed_and_nothing_is_red(
    noxcli: Noxcli, sandbox: Sandbox, answering: Any
) -> None:
    workflow = answering()
    write_rows("good", "bad", "worse")
    files = ("--report", "page.html", "--markdown", "comment.md", "--junit", "j.xml")
    result = gate(noxcli, workflow, *files)
    assert result.code == 0, result.err
    rows = [line.split("\t") for line in result.text.splitlines()]
    assert [row[:2] for row in rows] == [["fails", "2"], ["fails", "3"]]
    assert '"bad"' in rows[0][2]
    assert "BASE and NEW do not differ, so nothing can be worse" in result.err
    assert "2 fail, 1 same" in result.err
    assert len(sandbox.runs(workflow)) == 3, "each row once"
    for name in ("page.html", "comment.md"):
        assert "nothing can be worse" in Path(name).read_text(), name
    comment = Path("comment.md").read_text()
    assert "so nothing is worse: read the rows that fail" in comment
    in_brief = comment.partition("<details>")[0]
    assert "<p><b><code>2</code></b> <code>bad</code> <code>" in in_brief
    assert "<p>BASE <code>A</code> <code>bad</code></p>" in in_brief
    assert "→" not in Path("page.html").read_text().partition("</h1>")[0]
    assert JUnitXml.fromfile("j.xml").failures == 0
    again = gate(noxcli, workflow, "--json")
    assert (again.code, len(sandbox.runs(workflow))) == (0, 3)
    assert again.json["classes"]["fails"] == 2


@pytest.mark.parametrize(("rows", "code"), [(["bad", "worse"], 2), (["good", "good"], 0)])
def test_no_row_that_passes_is_a_mistake(
    noxcli: Noxcli, answering: Any, rows: list[str], code: int
) -> None:
    write_rows(*rows)
    result = gate(noxcli, answering())
    assert (result.code, "no row passes (2 runs)" in result.err) == (code, code == 2), result.err


def test_a_row_without_an_answer_is_not_judged(noxcli: Noxcli, answering: Any) -> None:
    def script(inputs: dict[str, Any]) -> list[Step]:
        return [State("stopped")] if inputs["Q"] == "stopped" else []

    write_rows("good", "stopped")
    workflow = answering(script=script)
    result = gate(noxcli, workflow)
    assert (result.code, result.text.split("\t")[0]) == (8, "missing"), result.err
    assert gate(noxcli, workflow, "--allow-missing").code == 0


def test_sides_that_differ_are_a_gate_as_always(
    noxcli: Noxcli, sandbox: Sandbox, answering: Any
) -> None:
    workflow = answering()
    write_rows("good", "bad")
    result = gate(noxcli, workflow, new="new")
    assert (result.code, len(sandbox.runs(workflow))) == (0, 4), result.err


def test_a_dry_run_counts_each_row_once(noxcli: Noxcli, answering: Any) -> None:
    write_rows("good", "bad", "worse")
    result = gate(noxcli, answering(), "--dry-run", "--max-runs", "5")
    assert (result.code, result.json["least_runs"], result.json["most_runs"]) == (0, 3, 5)


def test_each_answer_is_judged_once(noxcli: Noxcli, sandbox: Sandbox, answering: Any) -> None:
    workflow = answering()
    second = sandbox.add(
        Scenario(
            "a judge",
            nodes=[input_node("A"), output_node("Verdict")],
            output=lambda inputs: {"Verdict": inputs["A"]},
        )
    )
    write_rows("good", "bad")
    sides = ("--base", "base", "--new", "base", "--allow-same", "--judge", second)
    asked = ("--assert", "judge.Verdict == 'good'")
    result = noxcli("gate", workflow, "rows.jsonl", *sides, *asked)
    assert (result.code, result.text.split("\t")[:2]) == (0, ["fails", "2"]), result.err
    assert (len(sandbox.runs(workflow)), len(sandbox.runs(second))) == (2, 2)
