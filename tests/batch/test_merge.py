"""`noxcli results`: one report from many journals, and `--junit` from one."""

import json
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from noxcli.checks.merge import MergedBatch
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import input_node
from noxcli.signals import SIGNALS, Interrupted
from tests.conftest import Noxcli, write_rows


@pytest.fixture(autouse=True)
def _rows() -> None:
    write_rows(
        *({"$id": f"id {text}", "Q": text} for text in ["a", "b", "bad", "d", "e", "f", "g"])
    )


def run_shard(noxcli: Noxcli, workflow: str, index: int) -> bytes:
    return noxcli(
        "batch", workflow, "rows.jsonl", "--shard", f"{index}/3", "--output-dir", f"s{index}"
    ).out


def run_shards(noxcli: Noxcli, workflow: str, *indexes: int) -> list[str]:
    for index in indexes:
        run_shard(noxcli, workflow, index)
    return [f"s{index}" for index in indexes]


def test_shards_join_to_one_report_in_order(noxcli: Noxcli, workflow: str) -> None:
    printed = [run_shard(noxcli, workflow, index) for index in (3, 1, 2)]
    result = noxcli("results", "s3", "s1", "s2", "--junit", "report.xml")
    assert result.code == 1
    assert sorted(result.out.splitlines()) == sorted(b"".join(printed).splitlines())
    assert [(line["row"], line["id"], line["result"]["exit_code"]) for line in result.lines][
        :3
    ] == [
        (1, "id a", 0),
        (2, "id b", 0),
        (3, "id bad", 1),
    ]
    assert [line["row"] for line in result.lines] == [1, 2, 3, 4, 5, 6, 7]
    assert "1 of 7 rows did not complete" in result.err
    suite = ElementTree.parse("report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("7", "1", "0")
    assert [case.get("name") for case in suite.iter("testcase")][2] == "row 3 (id bad)"


def test_a_missing_shard_is_named_and_its_rows_are_missing(noxcli: Noxcli, workflow: str) -> None:
    result = noxcli("results", *run_shards(noxcli, workflow, 1, 3))
    assert result.code == 1
    assert "missing the journals of shards 2/3" in result.err
    missing = [line for line in result.lines if line["result"]["exit_code"] == 8]
    assert [(line["row"], line["result"]["retry_safe"]) for line in missing] == [
        (4, False),
    ]
    assert missing[0]["result"]["error"]["message"] == "the journal of shard 2/3 is not here"


def test_rows_that_were_never_started_are_told(noxcli: Noxcli, plays: Any) -> None:
    refusing = plays(nodes=[input_node("Q")], faults={"start": [Answer(401, {}, repeat=True)]})
    noxcli("batch", refusing, "rows.jsonl", "--max-parallel", "1")
    result = noxcli("results", "rows.jsonl.batch")
    assert (result.code, [line["result"]["exit_code"] for line in result.lines]) == (
        4,
        [4, 8, 8, 8, 8, 8, 8],
    )
    assert [line["result"]["retry_safe"] for line in result.lines] == [True] * 7


def test_a_signal_ends_the_reading_of_rows_without_a_result(
    noxcli: Noxcli, workflow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MergedBatch.read([Path(run_shards(noxcli, workflow, 1)[0])]).open_to_read() as read:
        read(2)  # its facts come from the journal, which is read once
        monkeypatch.setattr(SIGNALS, "_taken", False)
        monkeypatch.setattr(SIGNALS, "first", signal.SIGTERM)
        with pytest.raises(Interrupted):
            read(2)


def test_rows_with_runs_in_two_directories_are_double(noxcli: Noxcli, workflow: str) -> None:
    noxcli("batch", workflow, "rows.jsonl", "--output-dir", "one")
    noxcli("batch", workflow, "rows.jsonl", "--output-dir", "two")
    result = noxcli("results", "one", "two")
    assert result.code == 2
    runs = [
        {
            line["row"]: line["result"]["run"]["id"]
            for line in map(json.loads, path.read_text().splitlines())
        }
        for path in (Path("one/results.jsonl"), Path("two/results.jsonl"))
    ]
    assert [line["result"]["exit_code"] for line in result.lines] == [2] * 7
    told = {line["row"]: line["result"]["error"]["message"] for line in result.lines}
    assert told == {
        row: f"it has several runs: {runs[0][row]}, {runs[1][row]}" for row in range(1, 8)
    }
    assert "it has several runs: " in result.err
    assert "was a shard given twice?" in result.err


def test_a_directory_given_twice_is_one(noxcli: Noxcli, workflow: str) -> None:
    noxcli("batch", workflow, "rows.jsonl", "--output-dir", "one")
    assert noxcli("results", "one", "./one").code == 1


def test_what_was_cut_off_is_told_as_such(noxcli: Noxcli, workflow: str) -> None:
    noxcli("batch", workflow, "rows.jsonl", "--output-dir", "one")
    journal = Path("one/batch.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"row":1,' not in line or '"sent"' in line]
    kept = [line for line in kept if '"row":2,' not in line or '"finished"' not in line]
    journal.write_text("".join(kept) + '{"row":7,"step":"fin')
    told = {line["row"]: line["result"] for line in noxcli("results", "one").lines}
    said = {
        row: (each["exit_code"], (each["error"] or {}).get("message")) for row, each in told.items()
    }
    assert said[1] == (7, "the batch was interrupted while starting it")
    assert said[2] == (8, "it was started, and its result is not known here yet")
    assert [told[row]["retry_safe"] for row in (1, 2)] == [False, False]
    assert told[2]["run"]["id"]
    assert said[7] == (0, None)


def test_an_edited_shard_hides_no_start_of_another(noxcli: Noxcli, workflow: str) -> None:
    shards = run_shards(noxcli, workflow, 1, 2, 3)
    journal = Path("s1/batch.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"batch"' in line or '"sent"' in line))
    Path("s1/results.jsonl").unlink()
    moved = [
        {"row": line["row"], "step": "moved", "from": line["row"], "id": line["id"]}
        for line in map(json.loads, Path("s2/batch.jsonl").read_text().splitlines())
        if line.get("step") == "sent"
    ]
    with Path("s2/batch.jsonl").open("a") as file:
        file.writelines(
            f"{json.dumps(line, separators=(',', ':'))}\n"
            for line in [*moved, {"step": "renumbered"}]
        )
    Path("rows.jsonl").unlink()
    starts = noxcli("results", *shards).lines
    doubtful = [line for line in starts if line["result"]["exit_code"] == 7]
    found = [(line["row"], line["id"], line["input"]) for line in doubtful]
    assert found == [(5, "id e", {"Q": "e"}), (6, "id f", {"Q": "f"}), (7, "id g", {"Q": "g"})]


def test_journals_of_different_batches_do_not_join(noxcli: Noxcli, workflow: str) -> None:
    run_shards(noxcli, workflow, 1)
    write_rows("other")
    noxcli("batch", workflow, "rows.jsonl", "--shard", "2/3", "--output-dir", "s2")
    result = noxcli("results", "s1", "s2")
    assert (result.code, result.text) == (2, "")
    assert "s1 and s2 are not from one batch: the number of rows differs" in result.err


def test_a_directory_without_a_batch_is_refused(noxcli: Noxcli) -> None:
    Path("empty").mkdir()
    told = "can't read the journal empty/batch.jsonl: no such file or directory; give the --output-dir of a batch"
    assert told in noxcli("results", "empty").err
    Path("empty/batch.jsonl").write_text('{"step":"answered"}\n')
    result = noxcli("results", "empty")
    assert (result.code, "empty contains no batch" in result.err) == (2, True)
    Path("empty/batch.jsonl").write_text("junk\n")
    result = noxcli("results", "empty")
    assert (result.code, "line 1 of the journal empty/batch.jsonl is not one" in result.err) == (
        2,
        True,
    )
