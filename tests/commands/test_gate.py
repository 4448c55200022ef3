"""`noxcli gate`: two versions over one table, in one journal, repeated until decided, with one exit code."""

import json
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from junitparser import JUnitXml

from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import JournalState
from noxcli.compare.significance import loss_seen
from noxcli.gate.answers import GateAnswers
from noxcli.models import Run
from noxcli.rows.columns import Row
from noxcli.sandbox.faults import Hold, LostAnswer
from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step, node_fails
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, write_rows
from tests.process import ended_by, running, until

BASE, NEW = (f"{digit * 8}-2222-4333-8444-555555555555" for digit in "ab")
GOOD = ("--assert", "output.A == 'good'")
ENDS: Mapping[str, Sequence[Step]] = {
    "f": [*node_fails("W", "no ink"), State("failed")],
    "s": [State("stopped")],
}
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOST_IN_FLIGHT = 8  # by default of --max-parallel
ONE_RUN = r"runs with the same input: [0-9a-f-]{36} \(\w+\)\n"


def nodes(word: str) -> list[Any]:
    return [input_node("Q"), input_node("P", default=word), output_node("A")]


@pytest.fixture
def answers(plays: Any) -> Callable[..., str]:
    """Adds a workflow whose answers in the versions `base` and `new` depend on the turn, the last one for ever.

    They are g(ood), b(ad), f(ailed) or s(topped).
    """

    def add(
        turns: Mapping[str, Sequence[str]],
        started: Callable[..., object] = dict,
        takes: float = 0,
        **more: Any,
    ) -> str:
        def letter(inputs: dict[str, Any]) -> str:
            of_version: str = turns[inputs["Q"]][inputs["P"] == "new"]
            return of_version[min(inputs["$turn"], len(of_version)) - 1]

        def script(inputs: dict[str, Any]) -> Iterable[Step]:
            started(inputs)
            return [Sleep(takes), *ENDS.get(letter(inputs), ())]

        given = {
            "nodes": nodes("base"),
            "script": script,
            "output": lambda inputs: {"A": {"g": "good", "b": "bad"}.get(letter(inputs), "")},
            "versions": [
                Version("base", "", nodes("base"), id=BASE),
                Version("new", "", nodes("new"), id=NEW),
            ],
        }
        return str(plays(**{**given, **more}))

    return add


def table(questions: Iterable[str]) -> str:
    return write_rows(*({"$id": f"id-{each}", "Q": each} for each in questions))


def gate(noxcli: Noxcli, workflow: str, rows: str, *argv: str, **more: Any) -> Result:
    return noxcli("gate", workflow, rows, "--base", "base", "--new", "new", *GOOD, *argv, **more)


def classes(text: str) -> list[list[str]]:
    return [line.split("\t")[:2] for line in text.splitlines()]


def test_only_what_chance_hardly_does_stays_broken(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    turns = {
        "same": ("g", "g"),
        "worse": ("g", "b"),
        "luck": ("g", "bg"),
        "rare": ("gbgggbgggbggg", "bbgggbgggbggg"),
    }
    workflow, rows = answers(turns), table(turns)
    result = gate(noxcli, workflow, rows)
    assert result.code == 11, result.err
    assert classes(result.text) == [
        *(["broken", "id-worse"], ["varies", "id-luck"], ["varies", "id-rare"])
    ]
    assert "re-run: BASE passed 12 of 12, NEW passed 0 of 16" in result.text.splitlines()[0]
    assert "re-run: NEW passed 4 of 4" in result.text.splitlines()[1]
    paid = len(sandbox.runs(workflow))
    assert "noxcli: 1 row is broken, 2 vary (" in result.err
    assert f"({paid} runs): id-worse" in result.err
    again = gate(
        noxcli, workflow, rows, "--json", "--markdown", "comment.md", "--report", "report.html"
    )
    assert (again.code, len(sandbox.runs(workflow))) == (11, paid), "all answers are stored"
    places = (again.err, Path("comment.md").read_text(), Path("report.html").read_text())
    assert ["2 vary" in text for text in places] == [True] * 3
    assert "noxcli gate failed: 1 broken, 2 vary, 1 same</h3>" in places[1]
    document = again.json["gate"]
    assert (document["runs"], document["rounds"], document["suspects"]["broken"]) == (paid, 1, 1)
    broken = next(row for row in again.json["rows"] if row["class"] == "broken")
    assert broken["suspect"] == {
        "verdict": "broken",
        "asked": {"base": 12, "new": 16},
        "good": {"base": 12, "new": 0},
    }


def test_both_versions_are_asked_together(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {str(number): ("g", "g") for number in range(6)}
    workflow = answers(turns)
    assert gate(noxcli, workflow, table(turns), "--max-parallel", "1").code == 0
    asked = [(run.input["Q"], run.input.get("P")) for run in sandbox.runs(workflow)]
    assert [question for question, _ in asked] == [str(number) for number in range(6) for _ in "ab"]


def test_worse_as_a_whole_names_no_row(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any, tmp_path: Path
) -> None:
    turns = {str(number): ("g", "b" if number < 9 else "g") for number in range(12)}
    workflow, report = answers(turns), tmp_path / "junit.xml"
    pages = ("--markdown", "c.md", "--report", "c.html")
    result = gate(noxcli, workflow, table(turns), "--junit", str(report), *pages)
    assert (result.code, len(sandbox.runs(workflow))) == (11, 24)
    worse = "NEW is worse as a whole: 9 answers broke and 0 were fixed in 1 round"
    assert f"noxcli: {worse}; no row alone is confirmed\n" in result.err
    comment = Path("c.md").read_text()
    assert "<h3>noxcli gate failed: NEW is worse as a whole, 9 unclear, 3 same</h3>" in comment
    in_brief = comment.partition("<details>")[0]
    for number in range(3):
        assert f"<b><code>id-{number}</code></b> <code>{number}</code> <code>--assert" in in_brief
    assert "id-3" not in in_brief
    assert in_brief.count("<p>NEW <code>A</code>") == 3
    assert '<span class="bad">NEW is worse as a whole</span>' in Path("c.html").read_text()
    (suite,) = JUnitXml.fromfile(str(report))
    (whole,) = [case for case in suite if case.name == "NEW as a whole"]
    assert whole.result[0].message == worse
    assert suite.failures == 1, "a row that was not re-run is no failure of its own"
    assert classes(result.text) == [["unclear", f"id-{number}"] for number in range(9)]


def test_a_difference_that_may_be_chance_is_asked_again(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    turns = {str(number): ("g", "bg") if number < 2 else ("g", "g") for number in range(6)}
    workflow = answers(turns)
    result = gate(noxcli, workflow, table(turns))
    assert result.code == 0, result.err
    assert len(sandbox.runs(workflow)) == 5 * 12 + 8
    assert "not decided after 5 rounds: 2 answers broke and 0 were fixed; green" in result.err
    assert classes(result.text) == [["varies", "id-0"], ["varies", "id-1"]]
    assert "NEW new: 4 of 6 rows passed (93.3% over all rounds)" in result.err
    document = gate(
        noxcli, workflow, table(turns), "--json", "--score", "length(output.A)", "--by", "Q"
    ).json
    [new] = [each["new"] for each in document["groups"] if each["value"] == "1"]
    assert (new["rows"], new["passed"], new["pass_rate"], new["score"]) == (1, 0, 0.8, 3.8), (
        "3 for bad, 4 for good"
    )
    assert (document["score"]["new"], document["new"]["score"]) == pytest.approx((4 - 2 / 30,) * 2)


def test_a_larger_budget_decides_what_is_open(noxcli: Noxcli, answers: Any) -> None:
    suspects = {
        f"{number:02}": ("g", "b" + "bbgg" + "bbbb" + "bbgg" + "gggg") for number in range(11)
    }
    turns = {**suspects, **{f"fixed {number}": ("b", "g") for number in range(3)}}
    workflow, rows = answers(turns), table(turns)
    result = gate(noxcli, workflow, rows, "--max-runs", "328")
    assert result.code == 11, result.err
    assert (
        "noxcli: 10 rows vary, 1 is not confirmed (312 runs): id-10; --max-runs 356 decides them\n"
        in result.err
    )
    assert "broken\tid-10\tnot confirmed; re-run: NEW passed 2 of 4; --assert" in result.text
    decided = gate(noxcli, workflow, rows, "--max-runs", "356")
    assert (decided.code, "seemed broken: 11 rows vary" in decided.err) == (0, True), decided.err


def test_a_repeat_decides_what_the_server_left_open(noxcli: Noxcli, answers: Any) -> None:
    turns = {"open": ("g", "b" + "s" * 64 + "g"), "fine": ("g", "g")}
    workflow, rows = answers(turns), table(turns)
    result = gate(noxcli, workflow, rows)
    why = "1 row is not confirmed (80 runs): id-open; the server gave too few answers to decide; repeat the command to"
    assert (result.code, why in result.err) == (11, True), result.err
    assert gate(noxcli, workflow, rows).code == 0


def test_no_try_is_sent_beyond_the_most_runs(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    """Ten rows seem broken, and none of them gets another answer; as many seem fixed."""
    turns = {f"open-{number}": ("g", "bs") for number in range(10)}
    turns |= {f"fixed-{number}": ("bg", "g") for number in range(10)}
    workflow, rows = answers(turns), table(turns)
    result = gate(noxcli, workflow, rows, "--max-runs", "340")
    assert (result.code, len(sandbox.runs(workflow))) == (11, 340), result.err
    assert "10 rows are not confirmed (340 runs)" in result.err


def test_a_row_that_failed_in_base_is_asked_there_too(noxcli: Noxcli, answers: Any) -> None:
    turns = {"once": ("fg", "b"), "ever": ("f", "b"), "both": ("f", "f"), "fine": ("g", "g")}
    result = gate(noxcli, answers(turns), table(turns))
    assert result.code == 11
    assert ["broken", "id-once"] in classes(result.text)
    assert ["new", "id-ever"] in classes(result.text)
    turns.pop("once")
    result = gate(noxcli, answers(turns), table(turns), "--fresh")
    assert result.code == 8, result.err
    assert (
        "of 3 rows, 1 has no answer to judge: id-ever; repeat the command to retry, or add --all"
        in result.err
    )
    assert gate(noxcli, answers(turns), table(turns), "--allow-missing").code == 0


def test_a_row_that_passes_when_asked_again_could_break(noxcli: Noxcli, answers: Any) -> None:
    turns = {"again": ("fg", "bg"), "never": ("b", "b"), "fine": ("g", "g")}
    result = gate(noxcli, answers(turns), table(turns), "--json")
    assert result.json["gate"]["suspects"]["varies"] == 1, result.err
    assert "1 row passes in neither version, and could not break" in result.err


def test_an_answer_without_a_result_is_asked_once_more(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    turns = {"once": ("g", "sg"), "ever": ("g", "s"), "fine": ("g", "g")}
    workflow, rows = answers(turns), table(turns)
    result = gate(noxcli, workflow, rows)
    assert (result.code, len(sandbox.runs(workflow))) == (8, 8), result.err
    assert classes(result.text) == [["missing", "id-ever"]]
    assert gate(noxcli, workflow, rows).code == 8
    assert len(sandbox.runs(workflow)) == 9, "the next call asks it once more"
    answers({**turns, "ever": ("g", "g")})
    assert gate(noxcli, workflow, rows).code == 0


def test_rows_without_an_answer_are_named_where_none_has_one(noxcli: Noxcli, answers: Any) -> None:
    turns = {"one": ("g", "s"), "two": ("s", "g")}
    workflow, rows = answers(turns), table(turns)
    result = gate(noxcli, workflow, rows)
    assert (result.code, "of 2 rows, 2 have no answer to judge: id-two, id-one;" in result.err) == (
        8,
        True,
    ), result.err
    result = gate(noxcli, workflow, rows, "--allow-missing")
    assert (result.code, "noxcli results" in result.err) == (2, False), result.err


def test_a_late_answer_of_base_is_as_good_as_any(noxcli: Noxcli, answers: Any) -> None:
    turns = {"late": ("sssg", "g"), "fine": ("g", "g")}
    workflow, rows = answers(turns), table(turns)
    assert [gate(noxcli, workflow, rows).code for _ in range(2)] == [8, 8]
    result = gate(noxcli, workflow, rows)
    assert (result.code, "re-run" in result.err) == (0, False), result.err


def test_first_runs_that_all_fail_alike_end_it(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    turns = {str(number): ("f", "f") for number in range(22)}
    result = gate(noxcli, workflow := answers(turns), table(turns), "--max-parallel", "1", "--json")
    assert (result.code, result.json["retry_safe"], len(sandbox.runs(workflow))) == (
        1,
        False,
        39,
    ), result.err
    assert "stopped starting rows: the first 20 failed the same way" in result.err
    assert "--max-failures" not in result.err
    assert "continue with: noxcli gate" in result.err


def test_a_page_with_a_limit_names_the_command(
    noxcli: Noxcli, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.reports.html.comparison_page.MAX_ROWS", 10)
    turns = {"one": ("g", "bg"), "two": ("bg", "g")}
    assert gate(noxcli, answers(turns), table(turns), "--report", "c.html").code == 0
    assert (
        "2 more rows are not on this page; noxcli gate lists them all."
        in Path("c.html").read_text()
    )


def test_a_paused_run_is_not_paid_at_each_call(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    answered = Event()

    def script(inputs: dict[str, Any]) -> Iterator[Step]:
        if inputs["Q"] == "waits" and inputs["P"] == "new":
            yield State("awaiting_human_feedback")
            while not answered.is_set():
                yield Sleep(100)

    turns = {"waits": ("g", "g"), "fine": ("g", "g")}
    workflow, rows = answers(turns, script=script), table(turns)
    for _ in range(3):
        result = gate(noxcli, workflow, rows)
        assert (result.code, len(sandbox.runs(workflow))) == (8, 5), result.err
    answered.set()
    until(lambda: sandbox.runs(workflow)[-1].status == "completed")
    assert gate(noxcli, workflow, rows).code == 0, "somebody has answered it"
    assert len(sandbox.runs(workflow)) == 5


@pytest.mark.parametrize(
    "kills",
    [4, pytest.param(20, marks=pytest.mark.wide), pytest.param(300, marks=pytest.mark.nightly)],
)
def test_kills_at_random_moments_change_no_verdict(
    sandbox: Sandbox, env: dict[str, str], noxcli: Noxcli, answers: Any, kills: int
) -> None:
    turns = {"worse": "gb", "fails": "gf", "failed": "fb", "both": "ff", "fixed": "bg"} | {
        f"r{n}": "gg" for n in "012345678"
    }
    workflow, rows = answers(turns, takes=50), table(turns)
    undisturbed = gate(noxcli, workflow, rows, "--json", "--output-dir", "undisturbed")
    assert undisturbed.code == 11, undisturbed.err
    paid, chance = len(sandbox.runs(workflow)), random.Random(kills)
    argv = ["gate", workflow, rows, "--base", "base", "--new", "new", *GOOD, "--json"]
    for _ in range(kills):
        with running(*argv, env=env) as process:
            try:
                process.wait(timeout=chance.uniform(0.3, 2.5))
            except subprocess.TimeoutExpired:
                ended_by(process, chance.choice(SIGNALS))
    time.sleep(0.2)  # until the last runs have ended
    killed = noxcli(*argv)
    ended = [run for run in sandbox.runs(workflow)[paid:] if run.status in ("completed", "failed")]
    assert killed.code == undisturbed.code, killed.err
    assert [killed.json[key] for key in ("classes", "reason")] == [
        undisturbed.json["classes"],
        undisturbed.json["reason"].replace(
            f"({paid} runs)", f"({killed.json['gate']['runs']} runs)"
        ),
    ]
    steps = Counter(
        json.loads(line).get("step")
        for line in Path(f"{rows}.gate/batch.jsonl").read_text().splitlines()
    )
    doubts = steps["sent"] - steps["started"]
    assert len(ended) <= paid + doubts, "no answer is paid twice but for a start in doubt"
    assert doubts <= kills * MOST_IN_FLIGHT
    lines = Path(f"{rows}.gate/results.jsonl").read_text().splitlines()
    numbers = [json.loads(line)["row"] for line in lines]
    assert len(numbers) == len({*numbers})


def test_runs_stopped_after_kills_are_no_tries_of_a_call(
    noxcli: Noxcli, sandbox: Sandbox, env: dict[str, str], answers: Any
) -> None:
    stops = [Event(), Event()]
    waiting: list[dict[str, Any]] = []

    def script(inputs: dict[str, Any]) -> Iterator[Step]:
        if inputs["Q"] == "waits" and inputs["P"] == "new" and len(waiting) < len(stops):
            waiting.append(inputs)
            stop = stops[len(waiting) - 1]
            while not stop.is_set():
                yield Sleep(50)
            yield State("stopped")

    turns = {"waits": ("g", "g"), "fine": ("g", "g")}
    workflow, rows = answers(turns, script=script), table(turns)
    # One run at a time, so that the kill leaves no start in doubt.
    argv = ["gate", workflow, rows, "--base", "base", "--new", "new", *GOOD, "--max-parallel", "1"]
    journal = Path(f"{rows}.gate/batch.jsonl")
    for begun, stop in enumerate(stops, start=1):
        with running(*argv, env=env) as process:
            until(lambda: len(waiting) == begun)  # noqa: B023 - within this turn
            until(lambda: [run.status for run in sandbox.runs(workflow)].count("running") == 1)
            [left] = [run for run in sandbox.runs(workflow) if run.status == "running"]
            until(lambda: left.id in journal.read_text())  # noqa: B023 - within this turn
            ended_by(process, signal.SIGKILL)
        stop.set()
        until(lambda: left.status == "stopped")  # noqa: B023 - within this turn
    result = gate(noxcli, workflow, rows)
    assert result.code == 0, result.err


@pytest.mark.parametrize(("run", "count"), [({"id": "r"}, 1), ({"id": "another"}, 2), (None, 2)])
def test_a_run_that_an_earlier_call_started_counts_once(
    tmp_path: Path, run: dict[str, str] | None, count: int
) -> None:
    row, result = Row(1, 1, 0), {"exit_code": 0, "retry_safe": False, "run": run, "error": None}
    with Journal(tmp_path, Clock()) as journal:
        journal.begin(
            BatchHeader("w", None, "h", "s", "1/1", {}, [], None, gate={}), JournalState()
        )
        journal.note_sent(row, "digest", None)
        journal.note_started(row, Run("r", "w", "running"))
        earlier = JournalState.read(journal.path)
    answers = GateAnswers()
    answers.remember(earlier)
    answers.count({"row": 1, "side": "base", "place": 1, "id": None, "result": result})
    assert answers.runs == {(1, 0, 1): count}


def test_runs_that_were_stopped_by_a_killed_gate_count(
    sandbox: Sandbox, env: dict[str, str], noxcli: Noxcli, answers: Any
) -> None:
    turns = {str(number): ("g", "g") for number in range(4)}
    # A stop takes so long that the kill comes before its end.
    workflow = answers(turns, script=[Sleep(2000)], switches={"stop_seconds": 1000.0})
    rows = table(turns)
    argv = ["gate", workflow, rows, "--base", "base", "--new", "new", *GOOD]
    with running(*argv, env=env) as process:
        until(lambda: len(sandbox.runs(workflow)) == 8)
        process.send_signal(signal.SIGTERM)
        until(lambda: any(asked.path.endswith("/stop") for asked in sandbox.requests))
        ended_by(process, signal.SIGKILL)
    until(lambda: all(run.ended for run in sandbox.runs(workflow)))
    result = gate(noxcli, workflow, rows, "--json")
    assert result.code == 0, result.err
    assert result.json["gate"]["runs"] == len(sandbox.runs(workflow)) > 8


def test_a_signal_ends_it_and_the_same_line_continues(
    sandbox: Sandbox, env: dict[str, str], noxcli: Noxcli, answers: Any
) -> None:
    turns = {str(number): ("g", "g") for number in range(8)}
    workflow, rows = answers(turns, script=[Sleep(300)]), table(turns)
    argv = ["gate", workflow, rows, "--base", "base", "--new", "new", *GOOD, "--json"]
    with running(*argv, env=env) as process:
        until(lambda: len(sandbox.runs(workflow)) >= 4)
        out, err = ended_by(process, signal.SIGTERM)
    assert process.returncode == 143
    assert json.loads(out)["retry_safe"] is False
    assert b"continue with: noxcli gate " in err
    assert gate(noxcli, workflow, rows).code == 0


def test_neither_a_file_nor_a_long_name_is_a_version(noxcli: Noxcli, answers: Any) -> None:
    Path("review.nx").write_text("")
    save, none = (
        "; save the file as one: noxcli import review.nx --mode",
        "has no version with the id or name 'vvv",
    )
    for new, said in (("review.nx", save), ("v" * 300, none)):
        result = noxcli("gate", answers({}), table(["one"]), "--base", "base", "--new", new, *GOOD)
        assert (result.code, said in result.err) == (5, True), result.err


def test_a_timeout_names_each_run_once(noxcli: Noxcli, answers: Any) -> None:
    turns = {"one": ("g", "g")}
    noxcli.clock = Clock()
    result = gate(noxcli, answers(turns, script=[Sleep(10**9)]), table(turns), "--timeout", "3s")
    assert (result.code, result.err.count("may still be running")) == (124, 1), result.err


def test_a_later_call_out_of_time_has_started_runs(noxcli: Noxcli, answers: Any) -> None:
    faults = {"workflow": [Hold(300, repeat=True)]}
    workflow, rows = (
        answers({"one": ("g", "g")}, script=[Sleep(10**9)], faults=faults),
        table(["one"]),
    )
    noxcli.clock = Clock()
    assert gate(noxcli, workflow, rows, "--row-timeout", "0.1s").code == 8
    # Half of it is over once the definitions were read, or else all of it.
    late = gate(noxcli, workflow, rows, "--timeout", "1s", "--json")
    assert (late.code, late.json["retry_safe"]) == (124, False), late.err
    assert "nothing was started" not in late.err


def test_a_start_without_an_answer_is_asked_once_more(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    turns = {"one": ("g", "g"), "two": ("g", "g")}
    workflow, rows = answers(turns, faults={"start": [LostAnswer()]}), table(turns)
    result = gate(noxcli, workflow, rows)
    assert result.code == 0, result.err
    assert len(sandbox.runs(workflow)) == 5
    assert re.search(
        f"warning: a start of row [12] in (BASE|NEW) has no known outcome, .* {ONE_RUN}", result.err
    )
    assert gate(noxcli, workflow, rows, "--json").json["gate"]["runs"] == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"rows": ["one", "two", "three"]},
            "rows differ from the gate that began in rows.jsonl.gate; start over with --fresh",
        ),
        ({"argv": ["--limit", "1"]}, "rows differ from the gate that began"),
        ({"argv": ["P=x"]}, "'P' "),
        ({"argv": ["--new-input", "P=x"]}, "NEW's 'P' differs"),
        (
            {"argv": ["--new", BASE, "--new-input", "P=x"]},
            "NEW's definition ('P') and NEW's 'P' differ from",
        ),
    ],
)
def test_another_gate_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any, change: dict[str, list[str]], said: str
) -> None:
    turns = dict.fromkeys(("one", "two", "three"), ("g", "g"))
    workflow, rows = answers(turns), table(["one", "two"])
    assert gate(noxcli, workflow, rows).code == 0
    paid = len(sandbox.runs(workflow))
    rows = table(change.get("rows", ["one", "two"]))
    result = gate(noxcli, workflow, rows, *change.get("argv", ()))
    assert (result.code, len(sandbox.runs(workflow))) == (2, paid), result.err
    assert said in result.err
    assert "--fresh" in result.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["--base", "base", *GOOD],
            "NEW is missing; add --new VERSION or --new-file FILE, or give --new-input",
        ),
        (["--base", "base", "--new", BASE, *GOOD], "BASE and NEW do not differ"),
        (["--base", "base", "--new-input", "P=x", "P=x", *GOOD], "BASE and NEW do not differ"),
        (
            ["--base", "base", "--new-input", "Q=x", *GOOD],
            "--new-input names 'Q', which is a column",
        ),
        (["--base", "base", "--new", "new"], "a gate without a check can't fail"),
        (
            ["--base", "base", "--new", "new", "--assert", "output.B == 'x'"],
            "output.B, but BASE has no such output",
        ),
        (
            ["--base", "base", "--new", "new", "--score", "output.B"],
            "--score names output.B, but BASE has no such",
        ),
        (
            ["--base", "base", "--new", "new", *GOOD, "--by", "team"],
            "--by names 'team', but no row has such a column",
        ),
        (
            ["--base", "base", "--new", "new", "--max-runs", "303", *GOOD],
            "303 is too few for 2 rows; write 304",
        ),
    ],
)
def test_what_could_not_decide_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any, argv: list[str], said: str
) -> None:
    workflow, rows = answers({"one": ("g", "g")}), table(["one", "two"])
    result = noxcli("gate", workflow, rows, *argv)
    assert (result.code, sandbox.runs(workflow), result.err.count("\n")) == (2, [], 1), result.err
    assert said in result.err
    assert not Path(f"{rows}.gate").exists()


def test_an_output_that_new_lacks_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    renamed = [*nodes("new")[:2], output_node("B")]
    versions = [Version("base", "", nodes("base"), id=BASE), Version("new", "", renamed, id=NEW)]
    result = gate(
        noxcli, workflow := answers({"one": ("g", "g")}, versions=versions), table(["one"])
    )
    assert (result.code, sandbox.runs(workflow)) == (2, []), result.err
    assert "--assert names output.A, but NEW has no such output" in result.err


def test_an_input_of_new_alone_is_what_differs(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=nodes("x"), output=lambda inputs: {"A": "bad" if inputs["P"] == "sharp" else "good"},
                     versions=[Version("base", "", nodes("x"), id=BASE)])  # fmt: skip
    rows = table(["one", "two"])
    result = noxcli(
        "gate",
        workflow,
        rows,
        "P=mild",
        "--base",
        "base",
        "--new-input",
        "P=sharp",
        *GOOD,
        "--json",
    )
    assert (result.code, result.json["compared"]["constants"]) == (11, ["P"])
    assert result.json["classes"]["broken"] == 2
    assert {run.input["P"] for run in sandbox.runs(workflow)} == {"mild", "sharp"}


def test_a_score_that_falls_everywhere_is_worse(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    losses = {str(number): loss for number, loss in enumerate([1, 2, 0, 1, 1, 3, 1, 2, 0, 1])}

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"A": 7 - losses[inputs["Q"]] * (inputs["P"] == "new")}

    versions = [
        Version("base", "", nodes("base"), id=BASE),
        Version("new", "", nodes("new"), id=NEW),
    ]
    workflow = plays(nodes=nodes("base"), output=output, versions=versions)
    argv = [
        "gate",
        workflow,
        table(losses),
        "--base",
        "base",
        "--new",
        "new",
        "--score",
        "output.A",
        "--by",
        "Q",
    ]
    result = noxcli(*argv, "--json")
    assert result.code == 11
    assert "NEW is worse as a whole: the score fell by 1.2 in 1 round" in result.err
    document = result.json
    assert (document["score"]["new"], document["gate"]["looks"][0]["score"]) == (
        5.8,
        pytest.approx(-1.2),
    )
    assert len(document["groups"]) == 10
    assert noxcli(*argv).code == 11
    assert len(sandbox.runs(workflow)) == 20, "all answers are stored"


def test_a_round_without_both_scores_counts_in_neither_mean(noxcli: Noxcli, answers: Any) -> None:
    turns = {str(number): ("gfg", "bgg") if number < 5 else ("bg", "g") for number in range(8)}
    line = ("gate", answers(turns), table(turns), "--base", "base", "--new", "new", "--json")
    document = noxcli(*line, "--score", "length(output.A)").json
    assert [len(document["gate"]["looks"]), document["gate"]["looks"][-1]["score"]] == [
        5,
        pytest.approx(-2 / 35),
    ]
    by_rows = (5 * -1 / 4 + 3 * 1 / 5) / 8
    assert document["score"]["new"] - document["score"]["base"] == pytest.approx(by_rows)
    assert document["base"]["pass_rate"] == 35 / 40
    other = noxcli(*line, "--assert", "output.A != 'x'").json
    assert (other["gate"]["rounds"], other["base"]["pass_rate"]) == (1, 1.0), (
        "what it would not have asked for"
    )


def test_a_green_is_worth_what_its_checks_can_see(noxcli: Noxcli, answers: Any) -> None:
    turns = {str(number): ("gb", "gb") for number in range(8)}
    expects = [
        {"$id": row, "Q": row, **({"$expect": "good"} if row < "2" else {})} for row in turns
    ]
    line = ("--base", "base", "--new", "new", "--json")
    result = noxcli("gate", answers(turns), write_rows(*expects), *line)
    assert (result.code, result.json["gate"]["loss_seen"]) == (0, loss_seen(2, 1.0, 5)), result.err
    assert loss_seen(2, 1.0, 5) != loss_seen(8, 1.0, 5)


def test_no_row_that_passes_is_a_mistake(noxcli: Noxcli, answers: Any) -> None:
    turns = {"one": ("b", "b"), "two": ("b", "b")}
    result = gate(noxcli, answers(turns), table(turns), "--json")
    assert (result.code, result.json["exit_code"]) == (2, 2)
    assert "no row passes in either version (4 runs), so none could break" in result.err


def test_other_checks_judge_the_same_answers(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    turns = {"one": ("g", "b"), "two": ("g", "g")}
    workflow, rows = answers(turns), table(turns)
    assert gate(noxcli, workflow, rows).code == 11
    paid = len(sandbox.runs(workflow))
    result = noxcli(
        "gate",
        workflow,
        rows,
        "--base",
        "base",
        "--new",
        "new",
        "--assert",
        "length(output.A) > `1`",
    )
    assert (result.code, len(sandbox.runs(workflow))) == (0, paid)
    assert "chosen after answers were seen" in result.err
    assert "chosen after answers were seen" not in gate(noxcli, workflow, rows).err


def test_a_row_without_its_input_starts_nothing(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    workflow = answers({"a": ("g", "g")})
    rows = write_rows({"$id": "1", "Q": "a"}, {"$id": "2", "R": "a"})
    result = gate(noxcli, workflow, rows)
    assert (result.code, result.out, sandbox.runs(workflow)) == (2, b"", []), result.err
    assert "row 2 (line 2)" in result.err
    assert not Path("rows.jsonl.gate").exists()


def test_a_dry_run_starts_nothing(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    workflow, rows = answers({"one": ("g", "g")}), table(["one", "two"])
    result = gate(noxcli, workflow, rows, "--dry-run", "--markdown", "comment.md")
    assert (result.code, sandbox.runs(workflow)) == (0, [])
    assert json.loads(result.text) == {"rows": 2, "least_runs": 4, "most_runs": 324, "started": 0}
    comment = Path("comment.md").read_text()
    assert "<h3>noxcli gate not judged: nothing was compared</h3>" in comment
    assert "<p>Nothing was started.</p>" in comment


def test_a_changed_version_is_refused_for_good(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    turns = {"one": ("g", "g")}

    def changed(_: object) -> None:
        answers(
            turns,
            versions=[
                Version("base", "", nodes("base"), id=BASE),
                Version("new", "", nodes("x"), id=NEW),
            ],
        )

    workflow, rows = answers(turns, changed), table(turns)
    for _ in range(2):
        result = gate(noxcli, workflow, rows, "--json")
        assert (result.code, result.json["retry_safe"]) == (2, False), result.err
        assert "noxcli: NEW's definition ('P') differs from the gate that began" in result.err
    assert len(sandbox.runs(workflow)) <= 2, "the second call starts none"


def test_once_it_has_started_nothing_is_safe(noxcli: Noxcli, answers: Any) -> None:
    turns = {"one": ("g", "g")}
    workflow, rows = answers(turns), table(turns)
    assert gate(noxcli, workflow, rows).code == 0
    noxcli.clock = Clock()
    away = {"NOXUS_BACKEND_URL": "http://127.0.0.1:9"}
    lost = gate(noxcli, workflow, rows, "--json", "--retry-for", "0", environ=away)
    assert (lost.code, lost.json["retry_safe"]) == (6, False), lost.err


def test_results_and_batch_know_a_gate(noxcli: Noxcli, answers: Any) -> None:
    turns = {"one": ("g", "g"), "two": ("g", "g")}
    workflow, rows = answers(turns), table(turns)
    assert gate(noxcli, workflow, rows).code == 0
    result = noxcli("results", f"{rows}.gate")
    assert (result.code, len(result.lines)) == (0, 4), result.err
    found = [(line["row"], line["id"], line["side"], line["place"]) for line in result.lines]
    assert found == [
        (row, own_id, side, 1)
        for row, own_id in ((1, "id-one"), (2, "id-two"))
        for side in ("base", "new")
    ]
    for argv in (["results", f"{rows}.gate", *GOOD], ["compare", f"{rows}.gate", f"{rows}.gate"]):
        refused = noxcli(*argv)
        assert (refused.code, "noxcli gate" in refused.err) == (2, True), refused.err
    assert "noxcli: --assert is not for" in noxcli("results", f"{rows}.gate", *GOOD).err
    batch = noxcli("batch", workflow, rows, "--output-dir", f"{rows}.gate", "--resume")
    assert (batch.code, "has a gate" in batch.err) == (2, True), batch.err
    assert noxcli("batch", workflow, rows).code == 0
    other = gate(noxcli, workflow, rows, "--output-dir", f"{rows}.batch")
    assert (other.code, "has a batch" in other.err) == (2, True), other.err


def test_the_page_has_each_answer_of_a_row_that_was_re_run(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any
) -> None:
    turns = {"same": ("g", "g"), "worse": ("g", "b")}
    workflow = answers(turns)
    result = gate(noxcli, workflow, table(turns), "--report", "page.html")
    assert result.code == 11
    page = Path("page.html").read_text()
    assert "BASE: 12 further answers" in page
    assert "NEW: 16 further answers" in page
    of_row = [run for run in sandbox.runs(workflow) if run.input["Q"] == "worse"]
    assert len(of_row) == 30
    assert [run.id for run in of_row if run.id not in page] == []
    assert "place 21, " in page
    assert "The search covers what is on this page" in page
