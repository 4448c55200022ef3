"""How far a batch is: in its log, and for other commands while it runs."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, Hold, LostAnswer
from noxcli.sandbox.scenario import Node, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, node_runs
from noxcli.timing import Clock
from tests.conftest import Noxcli
from tests.process import NOXCLI, environment, running, until

DIRECTORY = Path("rows.jsonl.batch")
TIME = r"\d\d:\d\d:\d\d"


def hangs(inputs: dict[str, Any]) -> Any:
    """Run the node `Think`, for ever about `slow`."""
    if inputs["Q"] == "slow":
        return [*node_runs("Think", seconds=60_000), Sleep(60_000)]
    return node_runs("Think", seconds=1)


FLOW: dict[str, Any] = {
    "nodes": [input_node("Q"), Node("Think"), output_node("Answer")],
    "script": hangs,
    "output": {"Answer": "x"},
}


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_rows(*questions: str) -> None:
    rows = [json.dumps({"$id": f"id-{q}", "Q": q}) for q in questions]
    Path("rows.jsonl").write_text("".join(f"{row}\n" for row in rows))


def summary(noxcli: Noxcli) -> Any:
    (found,) = noxcli("results", str(DIRECTORY), "--summary", "--json").json["directories"]
    return found


def test_a_log_has_times_and_names_what_runs_longest(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.render.log.TASK_LINE_EVERY", 0.2)
    monkeypatch.setattr("noxcli.render.log.HEARTBEAT", 0.6)
    noxcli.clock = Clock()
    write_rows("a", "slow", "b")
    result = noxcli("batch", plays(**FLOW), "rows.jsonl", "--timeout", "3s", "--poll-interval=0.1s")
    lines = [line for line in result.err.splitlines() if re.match(TIME, line)]
    minutes = [line for line in lines if "longest: " in line]
    assert len(minutes) >= 2, "also while nothing changes"
    assert re.search(r"2 of 3 rows, 1 running, [\d.]+ rows/\w+, [\dhms.]+ left; ", minutes[-1])
    assert re.search(r"longest: row 2 \(id-slow\) for \d\.\ds in 'Think'$", minutes[-1])


def test_a_summary_beside_a_running_batch(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    write_rows("a", "slow", "b")
    argv = ["batch", plays(**FLOW), "rows.jsonl", "--poll-interval", "0.1s"]
    with running(*argv, env=environment(sandbox.url), program=NOXCLI) as process:
        until(lambda: DIRECTORY.exists() and summary(noxcli)["done"] == 2)
        found = summary(noxcli)
        assert found["held_by"].startswith(f"process {process.pid} on ")
        assert (found["total"], found["running"], found["codes"]) == (3, 1, {"0": 2})
        assert found["rate_per_s"] > 0
        (longest,) = found["longest"]
        assert (longest["row"], longest["id"], longest["node"]) == (2, "id-slow", "Think")
        last = noxcli("stop", "@last")
        assert last.code == 5
        assert "of a batch, @last is the last run once the batch has ended" in last.err
        shown = noxcli("results", str(DIRECTORY), "--summary")
        assert (shown.code, shown.err) == (0, "")
        assert f"{DIRECTORY}: running: process {process.pid} on " in shown.text
        assert "  longest: row 2 (id-slow) for " in shown.text
        rows = noxcli("results", str(DIRECTORY))
        assert (rows.code, rows.codes) == (8, {1: 0, 2: 8, 3: 0})
        assert "row 2 (id-slow): it is running: the batch has not ended yet" in rows.err
        in_flight = noxcli("results", str(DIRECTORY), "--status", "running")
        assert in_flight.codes == {2: 8}, "the row that is running, and no other"
        process.send_signal(signal.SIGKILL)
        process.wait()
    killed = summary(noxcli)
    assert (killed["held_by"], killed["done"], killed["longest"]) == (None, 2, [])
    assert "no batch is running" in noxcli("results", str(DIRECTORY), "--summary").text


def test_a_batch_without_progress_is_counted_by_its_journal(noxcli: Noxcli, plays: Any) -> None:
    write_rows("a", "b")
    assert noxcli("batch", plays(**FLOW), "rows.jsonl").code == 0
    exact = summary(noxcli)
    assert (exact["done"], exact["codes"], exact["running"]) == (2, {"0": 2}, 0)
    progress = DIRECTORY / "progress.json"
    progress.write_text("{")
    assert summary(noxcli) == {**exact, "at": None}
    progress.unlink()
    assert summary(noxcli) == {**exact, "at": None}


def test_no_journal_is_read_beside_the_progress(noxcli: Noxcli, plays: Any) -> None:
    write_rows("a")
    noxcli("batch", plays(**FLOW), "rows.jsonl")
    (DIRECTORY / "batch.jsonl").write_text("x")
    assert summary(noxcli)["done"] == 1
    shown = noxcli("results", str(DIRECTORY), "--summary").text
    assert re.match(rf"{DIRECTORY}: no batch is running, as of [\d.]+m?s ago\n", shown)


@pytest.mark.parametrize("after", ["limit", "loss", "refusal"])
def test_what_a_batch_leaves_open_is_not_done(noxcli: Noxcli, plays: Any, after: str) -> None:
    """The progress and the journal agree, which --resume goes by."""
    write_rows("a", "slow")
    workflow = plays(**FLOW)
    option = ["--poll-interval", "0.1s", "--timeout", "2s"]
    if after == "loss":
        workflow = plays(**FLOW, faults={"start": [Hold(0), LostAnswer()]})
    if after == "refusal":
        workflow = plays(**FLOW, faults={"start": [Hold(0), Answer(422)]})
    assert noxcli("batch", workflow, "rows.jsonl", *option).code != 0
    told = summary(noxcli)
    (DIRECTORY / "progress.json").unlink()
    assert told == {**summary(noxcli), "at": told["at"]}
    assert told["done"] < 2, "the code of the other is not counted"


def test_what_a_gate_has_asked_again_is_not_in_doubt(noxcli: Noxcli, plays: Any) -> None:
    write_rows("a", "b")
    versions = [
        Version(name, "", [input_node("Q"), input_node("P", default=name), output_node("Answer")])
        for name in ("base", "new")
    ]
    lost = {"start": [Hold(0), LostAnswer()]}
    workflow = plays(versions=versions, output={"Answer": "x"}, faults=lost)
    sides = ("--base", "base", "--new", "new", "--assert", "output.Answer == 'x'")
    gate = noxcli("gate", workflow, "rows.jsonl", *sides)
    assert (gate.code, "no known outcome, and is retried" in gate.err) == (0, True)
    (found,) = noxcli("results", "rows.jsonl.gate", "--summary", "--json").json["directories"]
    assert (found["done"], found["codes"], found["in_doubt"]) == (4, {"0": 4}, 0)


def test_several_directories_and_none(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(**FLOW)
    write_rows("a", "b", "c")
    for index in (1, 2):
        noxcli(
            "batch", workflow, "rows.jsonl", "--shard", f"{index}/2", "--output-dir", f"s{index}"
        )
    both = noxcli("results", "s1", "s2", "--summary", "--json").json["directories"]
    assert [each["directory"] for each in both] == ["s1", "s2"]
    missing = noxcli("results", "s3", "--summary")
    assert (missing.code, "can't read the journal" in missing.err) == (2, True)
    assert noxcli("results", "s1", "--json").code == 2


def test_a_gate_is_watched_like_a_batch(noxcli: Noxcli) -> None:
    Path("asked.jsonl").write_text('{"Question": "Where is my invoice?"}\n')
    sides = ["--base", "base", "--new", "new", "--assert", "ok"]
    noxcli("gate", "review", "asked.jsonl", *sides)
    (found,) = noxcli("results", "asked.jsonl.gate", "--summary", "--json").json["directories"]
    assert (found["held_by"], found["codes"]) == (None, {"0": found["total"]})


@pytest.mark.parametrize(
    ("option", "more"), [("--csv", ["out.csv"]), ("--query", ["done"]), ("--all", [])]
)
def test_a_summary_takes_no_option_about_rows(
    noxcli: Noxcli, plays: Any, option: str, more: list[str]
) -> None:
    write_rows("a")
    assert noxcli("batch", plays(**FLOW), "rows.jsonl", "--poll-interval", "0.1s").code == 0
    result = noxcli("results", str(DIRECTORY), "--summary", option, *more)
    assert (result.code, result.out) == (2, b"")
    assert f"{option} is about rows, and --summary prints none" in result.err


def test_a_summary_of_a_gate_counts_its_judgements(noxcli: Noxcli) -> None:
    Path("rows.jsonl").write_text('{"Question": "Where is my invoice?"}\n')
    judged = ["--judge", "grade", "--assert", "judge.Score >= `1`"]
    gate = noxcli("gate", "review", "rows.jsonl", "--base", "base", "--new", "new", *judged)
    assert gate.code == 0
    (found,) = noxcli("results", "rows.jsonl.gate", "--summary", "--json").json["directories"]
    assert (found["total"], found["done"], found["codes"]) == (4, 4, {"0": 4})


def test_a_row_that_a_timeout_left_is_running(noxcli: Noxcli, plays: Any) -> None:
    noxcli.clock = Clock()
    write_rows("a", "slow")
    argv = ["batch", plays(**FLOW), "rows.jsonl", "--timeout", "3s", "--poll-interval", "0.1s"]
    assert noxcli(*argv).code == 124
    found = summary(noxcli)
    assert (found["done"], found["running"], found["codes"]) == (1, 1, {"0": 1})


def test_a_row_that_a_signal_stopped_is_not_done(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    write_rows("a", "slow")
    argv = ["batch", plays(**FLOW), "rows.jsonl", "--poll-interval", "0.1s"]
    with running(*argv, env=environment(sandbox.url), program=NOXCLI) as process:
        until(lambda: DIRECTORY.exists() and summary(noxcli)["done"] == 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    found = summary(noxcli)
    assert (found["done"], found["running"], found["codes"]) == (1, 0, {"0": 1})
