"""`gate --judge`: answers that are judged by the runs of a second workflow."""

import json
import re
import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import Scenario, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step
from tests.conftest import Noxcli, Result, write_rows
from tests.process import ended_by, running, until

MOST_IN_FLIGHT = 8  # by default of --max-parallel
GOOD = ("--assert", "judge.Verdict == 'good'")
Add = Callable[..., str]


def nodes(word: str, *more: Any) -> list[Any]:
    return [input_node("Q"), input_node("P", default=word), output_node("Answer"), *more]


@pytest.fixture
def judged(plays: Any) -> Add:
    """Adds a workflow that answers with its version's word and the question."""

    def add(**more: Any) -> str:
        def output(inputs: dict[str, Any]) -> dict[str, str]:
            return {"Answer": f"{inputs.get('P', 'base')}: {inputs['Q']}"}

        versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
        given = {"nodes": nodes("base"), "output": output, "versions": versions}
        return str(plays(**{**given, **more}))

    return add


@pytest.fixture
def judge(sandbox: Sandbox, request: pytest.FixtureRequest) -> Add:
    """Adds a judge: the letters say what it does with an answer that has the word, g(ood), b(ad) or f(ails).

    The last letter is for all further judgements of that answer.
    """

    def add(letters: Mapping[str, str], **more: Any) -> str:
        def letter(inputs: dict[str, Any]) -> str:
            for word, each in letters.items():
                if word in inputs["Answer"]:
                    return each[min(inputs["$turn"], len(each)) - 1]
            return "g"

        def script(inputs: dict[str, Any]) -> Sequence[Step]:
            return [State("failed")] if letter(inputs) == "f" else []

        def output(inputs: dict[str, Any]) -> dict[str, Any]:
            is_good = letter(inputs) == "g"
            return {"Verdict": "good" if is_good else "bad", "Score": 5 if is_good else 1}

        given = {
            "nodes": [input_node("Answer"), output_node("Verdict"), output_node("Score")],
            "script": script,
            "output": output,
        }
        return sandbox.add(Scenario(f"{request.node.name} judge", **{**given, **more}))

    return add


def gate(
    noxcli: Noxcli, workflow: str, judge: str, *argv: str, rows: int = 3, **more: Any
) -> Result:
    table = write_rows(*({"$id": f"id-{row}", "Q": f"question {row}."} for row in range(rows)))
    sides = ("--base", "base", "--new", "new", "--judge", judge)
    return noxcli("gate", workflow, table, *sides, *(argv or GOOD), **more)


def test_an_unchanged_judgement_is_green(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({})
    result = gate(noxcli, workflow, second)
    assert result.code == 0, result.err
    assert (len(sandbox.runs(workflow)), len(sandbox.runs(second))) == (6, 6)


def test_a_row_whose_answer_the_judge_rejects_is_broken(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({"new: question 1": "b"})
    result = gate(noxcli, workflow, second)
    assert result.code == 11, result.err
    assert result.text.startswith("broken\tid-1\t")
    assert len(sandbox.runs(workflow)) == len(sandbox.runs(second)) == 6 + 4 + 24
    again = gate(noxcli, workflow, second)
    assert again.code == 11
    assert len(sandbox.runs(workflow)) == len(sandbox.runs(second)) == 6 + 4 + 24


def test_a_score_of_the_judge_that_falls_is_worse(noxcli: Noxcli, judged: Add, judge: Add) -> None:
    workflow, second = judged(), judge({"new": "b"})
    result = gate(noxcli, workflow, second, "--score", "judge.Score", rows=10)
    assert result.code == 11, result.err
    assert "the score fell by 4" in result.err


def test_a_failed_judgement_is_asked_again_and_no_answer(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({"new: question 1": "fg"})
    result = gate(noxcli, workflow, second)
    assert result.code == 0, result.err
    assert (len(sandbox.runs(workflow)), len(sandbox.runs(second))) == (6, 7)


def test_an_answer_that_is_never_judged_has_no_result(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({"new: question 1": "f"})
    result = gate(noxcli, workflow, second)
    assert result.code == 8, result.err
    assert "id-1" in result.err
    assert "it was not judged" in result.text
    assert (len(sandbox.runs(workflow)), len(sandbox.runs(second))) == (6, 7)


class Recorder(socketserver.ThreadingTCPServer):
    """Passes connections on to a server, and keeps what clients send."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.sent: list[bytearray] = []
        self._port = port
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        kept = bytearray()
        self.sent.append(kept)
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            back = threading.Thread(target=_pass_on, args=(server, request), daemon=True)
            back.start()
            _pass_on(request, server, kept)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket, kept: bytearray | None = None) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            if kept is not None:
                kept += piece
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def test_a_judge_is_sent_the_same_bytes_for_both_sides(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    def same(inputs: dict[str, Any]) -> dict[str, str]:
        return {"Answer": f"the answer to {inputs['Q']}"}

    workflow, second = judged(output=same), judge({})
    with Recorder(int(sandbox.url.rpartition(":")[2])) as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        noxcli.environ["NOXUS_BACKEND_URL"] = f"http://127.0.0.1:{recorder.server_address[1]}"
        assert gate(noxcli, workflow, second).code == 0
        recorder.shutdown()
    requests = []
    for connection in recorder.sent:
        requests += re.split(rb"(?=(?:GET|POST) /)", bytes(connection))
    starts = sorted(
        each for each in requests if each.startswith(f"POST /v1/workflows/{second}/runs".encode())
    )
    assert len(starts) == 6
    assert starts[::2] == starts[1::2]
    known = [workflow, "base", "id-", *(run.id for run in sandbox.runs(workflow))]
    of_judge = b"".join(each for each in requests if second.encode() in each)
    assert [word for word in known if word.encode() in of_judge] == []


def test_a_judge_gets_what_judge_input_finds(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    more = [input_node("Answer"), input_node("Question"), output_node("Verdict")]
    workflow, second = judged(), judge({}, nodes=more, output={"Verdict": "good"})
    result = gate(noxcli, workflow, second, *GOOD, "--judge-input", "Question=upper(row.Q)")
    assert result.code == 0, result.err
    inputs = [run.input for run in sandbox.runs(second)]
    assert {"Answer": "new: question 1.", "Question": "QUESTION 1."} in inputs


def test_a_long_answer_is_judged_as_a_whole(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow = judged(output={"Answer": "x" * 40_000 + "end"})
    second = judge({})
    for directory in ([], ["--output-dir", "answers"]):
        assert gate(noxcli, workflow, second, *GOOD, *directory, rows=1).code == 0
    assert {len(run.input["Answer"]) for run in sandbox.runs(second)} == {40_003}


def test_a_judgement_starts_before_further_answers(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({})
    assert gate(noxcli, workflow, second, *GOOD, "--max-parallel", "1").code == 0
    starts = [request.path for request in sandbox.requests if request.method == "POST"]
    assert [second in path for path in starts] == [False, True] * 6


def test_a_dead_judge_is_noticed_after_twenty(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({"question": "f"})
    result = gate(noxcli, workflow, second, rows=100)
    assert result.code == 1, result.err
    assert "the first 20 judgements failed the same way" in result.err
    assert len(sandbox.runs(second)) < 40
    assert len(sandbox.runs(workflow)) < 60


def test_judgements_are_counted_apart(noxcli: Noxcli, judged: Add, judge: Add) -> None:
    workflow, second = judged(), judge({})
    plan = gate(noxcli, workflow, second, *GOOD, "--dry-run").json
    assert plan == {
        "rows": 3,
        "least_runs": 6,
        "most_runs": 336,
        "started": 0,
        "least_judgements": 6,
        "most_judgements": 336,
        "judgements_started": 0,
    }
    document = gate(noxcli, workflow, second, *GOOD, "--json").json
    assert (document["gate"]["runs"], document["gate"]["judge"]["runs"]) == (6, 6)


def test_a_lost_start_of_the_judge_is_named_and_repeated(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({}, faults={"start": [LostAnswer()]})
    result = gate(noxcli, workflow, second)
    assert result.code == 0, result.err
    assert "in the judge of" in result.err
    assert (len(sandbox.runs(workflow)), len(sandbox.runs(second))) == (6, 7)


def _is_due(sandbox: Sandbox, workflow: str, runs: int, process: subprocess.Popen[bytes]) -> bool:
    return len(sandbox.runs(workflow)) >= runs or process.poll() is not None


def test_a_killed_gate_continues_without_a_run_too_many(
    noxcli: Noxcli, sandbox: Sandbox, env: dict[str, str], judged: Add, judge: Add
) -> None:
    rows = [f"question {row}." for row in range(20)]
    table = write_rows(*({"$id": row, "Q": row} for row in rows))
    workflow = judged(script=[Sleep(1)])
    second = judge({"new: question 1.": "b"}, script=lambda _: [Sleep(1)])
    line = ["gate", workflow, table, "--base", "base", "--new", "new", "--judge", second, *GOOD]
    for most in (5, 15, 25, 35, 45):
        with running(*line, env=env) as process:
            until(partial(_is_due, sandbox, second, most, process))
            ended_by(process, signal.SIGKILL)
    result = noxcli(*line, "--json")
    assert result.code == 11, result.err
    lost = 5 * MOST_IN_FLIGHT
    assert 68 <= len(sandbox.runs(workflow)) <= 68 + lost
    assert 68 <= len(sandbox.runs(second)) <= 68 + lost
    gates = result.json["gate"]
    # A start that was in the journal when the kill came may not have been sent.
    assert len(sandbox.runs(workflow)) <= gates["runs"] <= len(sandbox.runs(workflow)) + 5
    assert len(sandbox.runs(second)) <= gates["judge"]["runs"] <= len(sandbox.runs(second)) + 5


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--judge-input", "Other=output.Answer"], "'Other', which is not an input of"),
        (["--judge-input", "Answer=run.id"], "names 'run', which a judge does not see"),
        (["--judge-input", "Answer=row"], "reads all of the row"),
        (["--judge-input", "Answer=output.Text"], "BASE has no such output"),
        (["--judge-input", "Answer=row.gone"], "no row has such a column"),
        (["--judge-input", "Answer"], "is not KEY=EXPR"),
        (["--assert", "judge.Grade == 'good'"], "names judge.Grade"),
        (["--score", "judge.Grade"], "names judge.Grade"),
        (["--score", "length(judge.Grade)"], "names judge.Grade"),
        (["--judge-input", "Answer=row.P", "--new-input", "P=x"], "sets for one side alone"),
        (["--judge-input", "Answer=row.P", "--secret", "P=HIDDEN"], "is a secret"),
    ],
)
def test_what_can_not_be_judged_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add, argv: list[str], said: str
) -> None:
    workflow, second = judged(), judge({})
    result = gate(noxcli, workflow, second, *GOOD, *argv, environ={"HIDDEN": "a-secret-value"})
    assert (result.code, said in result.err) == (2, True), result.err
    assert sandbox.runs(workflow) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"nodes": [input_node("Text"), output_node("Verdict")]}, "needs the input 'Text'"),
        ({"nodes": [input_node("Answer", type="file"), output_node("Verdict")]}, "takes a file"),
    ],
)
def test_a_judge_that_can_not_get_its_inputs_is_refused(
    noxcli: Noxcli, judged: Add, judge: Add, more: dict[str, Any], said: str
) -> None:
    result = gate(noxcli, judged(), judge({}, **more))
    assert (result.code, said in result.err) == (2, True), result.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--secret", "P=HIDDEN"], "reads row.P, which is a secret"),
        (["--new-input", "P=x"], "reads row.P, which --new-input sets for one side alone"),
        (["P=x", "--new-input", "P=y"], "which --new-input sets for one side alone"),
    ],
)
def test_what_a_judge_must_not_see_is_refused_by_name_too(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add, argv: list[str], said: str
) -> None:
    more = [input_node("Answer"), input_node("P", default="none"), output_node("Verdict")]
    workflow, second = judged(), judge({}, nodes=more)
    hidden = {"HIDDEN": "a-secret-value"}
    result = gate(noxcli, workflow, second, *GOOD, *argv, environ=hidden)
    assert (result.code, said in result.err) == (2, True), result.err
    assert sandbox.runs(workflow) == []
    named = ("--judge-input", "P=row.Q")
    assert gate(noxcli, workflow, second, *GOOD, *argv, *named, environ=hidden).code == 0
    assert {run.input["P"][:8] for run in sandbox.runs(second)} == {"question"}


def test_a_judge_has_the_version_that_is_named(noxcli: Noxcli, judged: Add, judge: Add) -> None:
    strict = [input_node("Answer"), input_node("T", default="strict"), output_node("Verdict")]

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        is_bad = inputs.get("T") == "strict" and "new: question 1" in inputs["Answer"]
        return {"Verdict": "bad" if is_bad else "good"}

    versions = [Version("strict", "", strict)]
    workflow, second = judged(), judge({}, output=output, versions=versions)
    assert gate(noxcli, workflow, second).code == 0
    result = gate(noxcli, workflow, second, *GOOD, "--judge-version", "strict")
    assert (result.code, "the judge's definition ('Score' and 'T')" in result.err) == (2, True), (
        result.err
    )
    result = gate(noxcli, workflow, second, *GOOD, "--judge-version", "strict", "--fresh")
    assert (result.code, result.text[:11]) == (11, "broken\tid-1"), result.err
    result = gate(noxcli, workflow, second, *GOOD, "--judge-version", "lenient", "--fresh")
    told = "noxcli: the workflow's list has no version with the id or name 'lenient'\n"
    assert (result.code, result.err) == (5, told)


def test_a_check_must_read_the_judge(noxcli: Noxcli, judged: Add, judge: Add) -> None:
    result = gate(noxcli, judged(), judge({}), "--assert", "output.Answer != 'x'")
    assert (result.code, "no check reads what the judge says" in result.err) == (2, True), (
        result.err
    )
    workflow = judged()
    result = gate(noxcli, workflow, workflow)
    assert (result.code, "is the workflow that is judged" in result.err) == (2, True), result.err


def test_options_of_a_judge_need_one(noxcli: Noxcli, judged: Add) -> None:
    table = write_rows("one")
    line = ("gate", judged(), table, "--base", "base", "--new", "new", "--assert", "complete")
    for option in (("--judge-version", "v1"), ("--judge-input", "A=output.Answer")):
        result = noxcli(*line, *option)
        assert (result.code, "needs --judge" in result.err) == (2, True), result.err


def test_another_judge_is_another_gate(noxcli: Noxcli, judged: Add, judge: Add) -> None:
    workflow, second = judged(), judge({})
    assert gate(noxcli, workflow, second).code == 0
    inputs = ("--judge-input", "Answer=upper(output.Answer)")
    result = gate(noxcli, workflow, second, *GOOD, *inputs)
    assert (result.code, "the judge's 'Answer'" in result.err) == (2, True), result.err
    other = [
        input_node("Answer"),
        output_node("Verdict"),
        output_node("Score"),
        input_node("T", default="x"),
    ]
    judge({}, nodes=other)
    result = gate(noxcli, workflow, second)
    assert (result.code, "the judge's definition ('T')" in result.err) == (2, True), result.err
    assert gate(noxcli, workflow, second, *GOOD, "--fresh").code == 0


@pytest.mark.parametrize(
    ("edit", "unreadable"),
    [
        (lambda judge: [judge], "workflow_id"),
        (lambda judge: {**judge, "later": 1}, ""),
        (lambda judge: {**judge, "version_id": [1]}, "version_id"),
        (lambda judge: {**judge, "definition": {}}, "definition"),
        (lambda judge: {**judge, "inputs": None}, "inputs"),
        (lambda judge: {"workflow_id": judge["workflow_id"]}, "version_id"),
    ],
)
def test_what_a_header_says_of_the_judge_is_read_or_refused(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add, edit: Any, unreadable: str
) -> None:
    workflow, second = judged(), judge({})
    assert gate(noxcli, workflow, second).code == 0
    paid = len(sandbox.runs(workflow))
    journal = Path("rows.jsonl.gate", "batch.jsonl")
    first, rest = journal.read_text().split("\n", 1)
    header = json.loads(first)
    header["gate"]["judge"] = edit(header["gate"]["judge"])
    journal.write_text(f"{json.dumps(header)}\n{rest}")
    result = gate(noxcli, workflow, second)
    if unreadable:
        said = f"its {unreadable} can't be read; start over with --fresh"
        assert (result.code, said in result.err) == (2, True), result.err
    else:
        assert result.code == 0, result.err
    assert len(sandbox.runs(workflow)) == paid


def test_a_column_that_the_judge_reads_is_a_part_of_the_question(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    more = [input_node("Answer"), input_node("wanted"), output_node("Verdict")]
    workflow, second = judged(), judge({}, nodes=more, output={"Verdict": "good"})
    line = ("--base", "base", "--new", "new", "--judge", second, *GOOD, "--keep", "wanted")
    for wanted, code in (("a", 0), ("b", 2)):
        table = write_rows({"$id": "one", "Q": "x", "wanted": wanted})
        result = noxcli("gate", workflow, table, *line)
        assert result.code == code, result.err
    assert "row.wanted" in result.err
    assert [run.input["wanted"] for run in sandbox.runs(second)] == ["a", "a"]


def test_reports_have_answer_judgement_and_both_runs(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({"new: question 1": "b"})
    line = (*GOOD, "--score", "judge.Score", "--json", "--report", "report.html")
    result = gate(noxcli, workflow, second, *line)
    assert result.code == 11, result.err
    broken = result.json["rows"][0]
    judgement = broken["judgements"]["new"][0]
    assert (judgement["output"], judgement["score"]) == ({"Verdict": "bad", "Score": 1}, 1)
    runs = {run.id: run.input for run in sandbox.runs(second)}
    assert runs[judgement["run"]] == {"Answer": "new: question 1."}
    page = Path("report.html").read_text()
    for text in ("NEW: judged", judgement["run"], broken["runs"]["new"][0], "score 1"):
        assert text in page
    found = gate(
        noxcli, workflow, second, *line, "--query", "rows[0].judgements.new[0].output.Verdict"
    )
    assert found.text == "bad\n"


def test_one_version_is_judged_once(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({"question 1": "b"})
    table = write_rows(*({"Q": f"question {row}."} for row in range(3)))
    sides = ("--base", "base", "--new", "base", "--allow-same", "--judge", second)
    result = noxcli("gate", workflow, table, *sides, *GOOD)
    assert (result.code, len(sandbox.runs(workflow)), len(sandbox.runs(second))) == (0, 3, 3)
    assert "judge.Verdict" in result.text, "the row that fails is listed"


def test_results_of_a_gate_have_its_judgements(noxcli: Noxcli, judged: Add, judge: Add) -> None:
    assert gate(noxcli, judged(), judge({})).code == 0
    result = noxcli("results", "rows.jsonl.gate")
    assert result.code == 0, result.err
    sides = [json.loads(line)["side"] for line in result.text.splitlines()]
    assert sorted(sides) == sorted(["base", "new", "judge_of_base", "judge_of_new"] * 3)


def test_a_judge_that_changes_while_it_judges_decides_nothing(
    noxcli: Noxcli, judged: Add, judge: Add
) -> None:
    other = [input_node("Answer"), output_node("Verdict"), output_node("Score")]
    changed = [*other, input_node("T", default="x")]

    def script(inputs: dict[str, Any]) -> Sequence[Step]:
        if "new: question 2" in inputs["Answer"]:
            judge({}, nodes=changed)
        return []

    workflow = judged()
    second = judge({}, nodes=other, script=script)
    result = gate(noxcli, workflow, second)
    assert (result.code, "the judge's definition ('T')" in result.err) == (2, True), result.err


def test_query_finds_what_the_judge_says_of_an_answer(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    workflow, second = judged(), judge({"new: question 1": "f", "new": "b"})
    assert gate(noxcli, workflow, second, rows=2).code == 11
    query = "place == `1` && judge && [side, id, judge.Verdict, judge_run]"
    result = noxcli("results", "rows.jsonl.gate", "--query", query)
    assert result.code == 0, result.err
    found = [json.loads(line) for line in result.out.splitlines()]
    told = [each[:3] for each in found if each]
    assert told == [
        ["base", "id-0", "good"],
        ["new", "id-0", "bad"],
        ["base", "id-1", "good"],
    ]
    runs = {run.id for run in sandbox.runs(second)}
    assert {each[3] for each in found if each} <= runs


def test_an_answer_lost_once_is_judged_twice_if_need_be(
    noxcli: Noxcli, sandbox: Sandbox, judged: Add, judge: Add
) -> None:
    def script(inputs: dict[str, Any]) -> Sequence[Step]:
        is_lost = inputs["Q"] == "question 1." and inputs["P"] == "new" and inputs["$turn"] == 1
        return [State("stopped")] if is_lost else []

    workflow, second = judged(script=script), judge({"new: question 1": "fg"})
    result = gate(noxcli, workflow, second)
    assert result.code == 0, result.err
    assert (len(sandbox.runs(workflow)), len(sandbox.runs(second))) == (7, 7)
