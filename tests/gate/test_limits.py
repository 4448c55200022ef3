"""What a gate is told to watch for: directions of scores, --never, undecided gates, and lost answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State
from tests.conftest import Noxcli, Result, write_rows

Add = Callable[..., str]
ROWS = 10


@pytest.fixture
def costing(plays: Any) -> Add:
    """Adds a workflow with an answer and a cost, by a function of the version's word and the question."""

    def add(found: Callable[[str, int], tuple[str, float]], **more: Any) -> str:
        def nodes(word: str) -> list[Any]:
            return [
                input_node("Q"),
                input_node("P", default=word),
                output_node("Answer"),
                output_node("Cost"),
            ]

        def output(inputs: dict[str, Any]) -> dict[str, Any]:
            answer, cost = found(inputs.get("P", "base"), int(inputs["Q"]))
            return {"Answer": answer, "Cost": cost}

        versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
        given = {"nodes": nodes("base"), "output": output, "versions": versions}
        return str(plays(**{**given, **more}))

    return add


def gate(
    noxcli: Noxcli,
    workflow: str,
    *argv: str,
    rows: int = ROWS,
    environ: dict[str, str] | None = None,
    **more: Any,
) -> Result:
    table = write_rows(*({"$id": f"id-{row}", "Q": str(row), **more} for row in range(rows)))
    sides = ("--base", "base", "--new", "new")
    return noxcli("gate", workflow, table, *sides, *argv, environ=environ)


def test_a_cost_that_rises_is_worse_if_lower_is_better(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda word, _: ("good", 3 if word == "new" else 1))
    cost = ("--score", "output.Cost")
    result = gate(noxcli, workflow, *cost, "--lower-is-better", "--json")
    assert result.code == 11, result.err
    assert "the score rose by 2" in result.err
    assert result.json["gate"]["looks"][0]["score"] == 2
    result = gate(noxcli, workflow, *cost, "--fresh")
    assert result.code == 0, result.err


def test_reports_of_a_job_that_ran_out_of_time_say_what_to_do(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda *_: ("good", 1), script=[Sleep(10_000)])
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": "summary.md",
        "GITHUB_OUTPUT": "outputs",
        "GITHUB_REPOSITORY": "noxcli/review",
        "GITHUB_RUN_ID": "1",
    }
    line = ("--assert", "complete", "--timeout", "1500ms", "--report", "page.html")
    result = gate(noxcli, workflow, *line, environ=job)
    assert result.code == 124, result.err
    assert "continue with: noxcli gate" in result.err
    texts = [Path(name).read_text() for name in ("page.html", "summary.md")]
    texts += [line for line in result.err.splitlines() if line.startswith("::error ")]
    assert len(texts) == 3
    assert [text for text in texts if "continue with: " in text] == []
    for text in texts[:2]:
        assert "Re-run the job: it continues where this one ended." in text
    assert "\n124\n" in Path("outputs").read_text()


def test_lower_is_better_needs_a_score(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda *_: ("good", 1))
    result = gate(noxcli, workflow, "--assert", "complete", "--lower-is-better")
    assert (result.code, "needs --score" in result.err) == (2, True), result.err


@pytest.mark.parametrize(
    ("never", "said"),
    [
        ("contains(output.Answer, 'fool')", "holds"),
        ("length(output.Cost) > `3`", "can't be applied"),
    ],
)
def test_one_answer_that_must_never_be_is_red(
    noxcli: Noxcli, sandbox: Sandbox, costing: Add, never: str, said: str
) -> None:
    def found(word: str, question: int) -> tuple[str, Any]:
        is_it = word == "new" and question == 4
        return ("you fool" if is_it else "good", 1 if is_it else "cheap"[:2])

    workflow = costing(found)
    result = gate(noxcli, workflow, "--assert", "complete", "--never", never, "--junit", "j.xml")
    assert result.code == 11, result.err
    assert "--never holds in 1 row (20 runs): id-4" in result.err
    [line] = [line for line in result.text.splitlines() if line.startswith("broken")]
    assert (line.split("\t")[1], said in line) == ("id-4", True)
    assert len(sandbox.runs(workflow)) == 2 * ROWS
    assert 'failures="1"' in Path("j.xml").read_text()


def test_never_alone_is_no_check_and_sees_no_judge(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda *_: ("good", 1))
    result = gate(noxcli, workflow, "--never", "output.Cost > `3`")
    assert (result.code, "a gate without a check" in result.err) == (2, True), result.err
    never = ("--assert", "complete", "--never", "judge.Score < `3`")
    result = gate(noxcli, workflow, *never)
    assert (result.code, "names nothing of the result" in result.err) == (2, True), result.err


def test_never_holds_in_a_gate_of_one_version(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda _, question: ("you fool" if question == 4 else "good", 1))
    never = ("--assert", "complete", "--never", "contains(output.Answer, 'fool')")
    table = write_rows(*({"Q": str(row)} for row in range(ROWS)))
    sides = ("--base", "base", "--new", "base", "--allow-same")
    result = noxcli("gate", workflow, table, *sides, *never)
    assert (result.code, "--never holds in 1 row" in result.err) == (11, True), result.err


def test_a_gate_that_ends_undecided_fails_if_asked(noxcli: Noxcli, costing: Add) -> None:
    seen: dict[int, int] = {}

    def found(word: str, question: int) -> tuple[str, float]:
        if word == "new":
            seen[question] = seen.get(question, 0) + 1
        is_bad = word == "new" and question < 2 and seen[question] == 1
        return "bad" if is_bad else "good", 1

    workflow = costing(found)
    good = ("--assert", "output.Answer == 'good'")
    undecided = ("--fail-on", "undecided", "--junit", "j.xml")
    result = gate(noxcli, workflow, *good, *undecided, rows=6)
    assert result.code == 11, result.err
    assert 'failures="1"' in Path("j.xml").read_text()
    assert "not decided after 5 rounds: 2 answers broke" in result.err
    assert "--fail-on undecided" in result.err
    assert gate(noxcli, workflow, *good, rows=6).code == 0


def test_runs_without_a_result_are_counted_by_side(noxcli: Noxcli, costing: Add) -> None:
    lost: set[tuple[str, str]] = set()

    def script(inputs: dict[str, Any]) -> list[State]:
        key = (inputs.get("P", "base"), inputs["Q"])
        if key in lost or key[0] == "base":
            return []
        lost.add(key)
        return [State("stopped")]

    workflow = costing(lambda *_: ("good", 1), script=script)
    result = gate(noxcli, workflow, "--assert", "output.Answer == 'good'", "--json")
    assert result.code == 0, result.err
    assert "runs without a result: 0 in BASE and 10 in NEW" in result.err
    assert result.json["gate"]["lost"] == {"base": 0, "new": 10}


def test_a_lost_start_counts_as_a_lost_answer(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda *_: ("good", 1), faults={"start": [LostAnswer()]})
    result = gate(noxcli, workflow, "--assert", "output.Answer == 'good'", "--json")
    assert sum(result.json["gate"]["lost"].values()) == 1


def test_rows_that_pass_in_neither_version_are_counted(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda _, question: ("good" if question < 7 else "bad", 1))
    result = gate(noxcli, workflow, "--assert", "output.Answer == 'good'", "--json")
    assert result.code == 0, result.err
    assert "3 rows pass in neither version, and could not break" in result.err
    assert result.json["gate"]["neither"] == 3


def test_a_row_without_a_pair_adds_nothing_to_the_worth(noxcli: Noxcli, costing: Add) -> None:
    def script(inputs: dict[str, Any]) -> list[State]:
        is_lost = inputs.get("P") == "new" and int(inputs["Q"]) >= 2
        return [State("stopped")] if is_lost else []

    workflow = costing(lambda *_: ("good", 1), script=script)
    good = ("--assert", "output.Answer == 'good'", "--allow-missing", "--json")
    result = gate(noxcli, workflow, *good, rows=12)
    assert result.code == 0, result.err
    assert result.json["gate"]["loss_seen"] is None
    assert "no loss everywhere could be seen" in result.err


def test_a_row_that_can_not_fail_adds_nothing_to_the_worth(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda *_: ("good", 1))
    contains = ("--assert", "contains(output.Answer, row.wanted)", "--keep", "wanted", "--json")
    seen = []
    for checked in (60, 2):
        rows = []
        for row in range(60):
            rows.append({"Q": str(row), "wanted": "good" if row < checked else ""})
        sides = ("--base", "base", "--new", "new", "--fresh")
        result = noxcli("gate", workflow, write_rows(*rows), *sides, *contains)
        assert result.code == 0, result.err
        seen.append(result.json["gate"]["loss_seen"])
    assert seen == [pytest.approx(0.048, abs=0.001), None]
    assert "no loss everywhere could be seen" in result.err


def test_a_score_says_which_fall_it_would_have_seen(noxcli: Noxcli, costing: Add) -> None:
    workflow = costing(lambda word, question: ("good", question + (word == "new") * (question % 3)))
    result = gate(noxcli, workflow, "--score", "output.Cost", "--json")
    assert result.code == 0, result.err
    assert "a fall of the score by 0." in result.err
    assert "one row that turned" not in result.err, "no row has a check"
    assert 0.3 < result.json["gate"]["fall_seen"] < 0.7
