"""Scenario files whose answers differ by version, input and chance, as a gate sees them."""

import re
from pathlib import Path

import pytest

from noxcli.sandbox.scenario_file import load_scenarios
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "scenarios.md"
TWO = re.findall(r"```toml\n(\[\[scenario\]\].*?)```", PAGE.read_text(), re.DOTALL)[1]


def serve(sandbox: Sandbox, text: str) -> list[str]:
    path = Path("mine.toml")
    path.write_text(text)
    return [sandbox.add(scenario) for scenario in load_scenarios(path)]


def table(rows: int) -> str:
    return write_rows(*({"Question": f"question {row}"} for row in range(rows)))


def test_a_gate_with_a_judge_can_be_rehearsed(noxcli: Noxcli, sandbox: Sandbox) -> None:
    support, grade = serve(sandbox, TWO)
    sides = ("--base", "base", "--new", "new", "--judge", "grade", "--score", "judge.Score")
    result = noxcli("gate", support, table(30), *sides, "--json")
    assert result.code == 11, result.err
    assert "the score fell by" in result.err
    answers = [run.output for run in sandbox.runs(support)]
    assert 0 < len(answers) == len(sandbox.runs(grade))


def test_the_same_seed_has_the_same_answers(noxcli: Noxcli, sandbox: Sandbox) -> None:
    outputs = []
    for seed in (1, 1, 2):
        support, _ = serve(sandbox, TWO.replace("bad = 0.05", f"seed = {seed}\nbad = 0.5"))
        query = ("--query", "result.output.Answer", "--fresh")
        result = noxcli("batch", support, table(20), "--version-id", "base", *query)
        outputs.append(sorted(result.text.splitlines()))
        sandbox.reset([])
    assert outputs[0] == outputs[1] != outputs[2]
    assert 3 < outputs[0].count("I do not know.") < 17


def test_answers_are_missing_at_a_rate(noxcli: Noxcli, sandbox: Sandbox) -> None:
    support, _ = serve(sandbox, TWO.replace("bad = 0.05", "missing = 0.5\nbad = 0.05"))
    result = noxcli("batch", support, table(20), "--max-failures", "0")
    stopped = [run for run in sandbox.runs(support) if run.status == "stopped"]
    assert (result.code, 3 < len(stopped) < 17) == (3, True), result.err


def test_an_output_that_a_scenario_lacks_is_named(sandbox: Sandbox) -> None:
    text = TWO.replace("bad_output = { Score = 3 }", "bad_output = { Grade = 3 }")
    with pytest.raises(ValueError, match="no output 'Grade'"):
        serve(sandbox, text)


def test_a_version_that_is_created_runs_and_imports_can_fail(
    noxcli: Noxcli, sandbox: Sandbox
) -> None:
    faults = '[scenario.faults]\nimport = [{ fault = "answer", status = 503 }]\n\n[[scenario]]'
    first, rest = TWO.split("\n[[scenario]]")
    support, _ = serve(sandbox, f"{first}\n{faults}{rest}")
    bundle = noxcli("export", support, "-o", "support.nx")
    assert bundle.code == 0, bundle.err
    text = (
        Path("support.nx").read_text().replace("Answer in one sentence.", "Answer politely. Now.")
    )
    Path("support.nx").write_text(text)
    failed = noxcli("import", "support.nx", "--mode", "version", "--apply", "--retry-for", "0")
    assert failed.code != 0
    line = ("import", "support.nx", "--mode", "version", "--apply", "--query", "created[0].id")
    version = noxcli(*line).text.strip()
    query = ("--version-id", version, "--query", "result.output.Answer", "--max-failures", "0")
    result = noxcli("batch", support, table(30), *query)
    assert result.text.count("I do not know.") > 4, "as bad as the version with that prompt"
