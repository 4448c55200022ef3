"""`--again red`: the rows that fail the checks are chosen once, and re-run."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, Hold
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step
from tests.conftest import Noxcli, write_rows
from tests.faults.gateway import Forward, Gateway
from tests.process import ended_by, running, until
from tests.rawserver import Request, json_answer

ASKED = ("--assert", "output.A == 'right'")
ROWS = "abcd"


@pytest.fixture
def moody(plays: Any) -> str:
    """A workflow whose first answers to `b` and `c` are wrong, and which fails for `d` the first time."""
    turns: dict[str, int] = {}

    def script(inputs: dict[str, Any]) -> list[Step]:
        turns[inputs["Q"]] = turns.get(inputs["Q"], 0) + 1
        return [State("failed")] if (inputs["Q"], turns[inputs["Q"]]) == ("d", 1) else []

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"A": "wrong" if inputs["Q"] in "bc" and turns[inputs["Q"]] == 1 else "right"}

    return str(plays(nodes=[input_node("Q")], script=script, output=output))


def stored() -> dict[str, Any]:
    lines = [
        json.loads(line) for line in Path("rows.jsonl.batch/results.jsonl").read_text().splitlines()
    ]
    return {
        line["input"]["Q"]: (line["asked"], (line["result"]["output"] or {}).get("A"))
        for line in lines
    }


def test_rows_that_are_not_good_are_asked_again(
    noxcli: Noxcli, sandbox: Sandbox, moody: str
) -> None:
    batch = ("batch", moody, write_rows(*[{"$id": row, "Q": row} for row in ROWS]), *ASKED)
    assert noxcli(*batch).code == 1
    again = noxcli(*batch, "--again", "red")
    assert again.code == 0, again.err
    assert "re-running 3 rows" in again.err
    assert sorted((line["id"], line["asked"]) for line in again.lines) == [
        ("b", 2),
        ("c", 2),
        ("d", 2),
    ]
    assert stored() == {"a": (1, "right"), **dict.fromkeys("bcd", (2, "right"))}
    luck = "warning: 3 rows passed only after a re-run"
    assert luck in again.err
    last = noxcli(*batch, "--again", "red")
    assert (last.code, luck in last.err) == (0, True), last.err
    assert len(sandbox.runs(moody)) == 7, "nothing is red any more"
    asked = noxcli("results", "rows.jsonl.batch", *ASKED)
    assert (
        asked.code,
        luck in asked.err,
        "re-run" in noxcli("results", "rows.jsonl.batch").err,
    ) == (0, True, False)
    shutil.copytree("rows.jsonl.batch", "base")
    noxcli(*batch, "--output-dir", "base", "--fresh", "--max-parallel", "1")
    assert (
        "3 rows of NEW passed only after a re-run"
        in noxcli("compare", "base", "rows.jsonl.batch").err
    )


def test_a_result_that_was_replaced_is_never_shown_again(noxcli: Noxcli, moody: str) -> None:
    """A kill between a line and its row's end leaves the earlier line in the file."""
    file, results = write_rows("b"), Path("rows.jsonl.batch/results.jsonl")
    batch = ("batch", moody, file, *ASKED, "--max-parallel", "1")
    assert noxcli(*batch).code == 11
    earlier = results.read_text()
    write_rows("b", "a")
    assert noxcli(*batch, "--again", "red").code == 0
    assert sorted(stored()) == ["a", "b"]
    assert len(results.read_text().splitlines()) == 2, "each row has one line"
    results.write_text(earlier + results.read_text())
    shown = noxcli("results", "rows.jsonl.batch", *ASKED)
    assert (shown.code, len(shown.lines)) == (0, 2), shown.err
    results.write_text(results.read_text() + earlier)
    assert noxcli("results", "rows.jsonl.batch", *ASKED).code == 0


def test_all_repetitions_of_a_row_are_asked_again(
    noxcli: Noxcli, sandbox: Sandbox, moody: str
) -> None:
    rows = write_rows({"Q": "a"}, {"Q": "b"})
    batch = ("batch", moody, rows, *ASKED, "--repeat", "2", "--max-parallel", "1")
    assert noxcli(*batch).code == 11
    again = noxcli(*batch, "--again", "red")
    assert (again.code, "1 row passed only after a re-run" in again.err) == (0, True), again.err
    assert [run.input["Q"] for run in sandbox.runs(moody)].count("b") == 4
    enough = ("batch", moody, rows, *ASKED, "--repeat", "2", "--pass-each", "1", "--again", "red")
    assert (noxcli(*enough).code, len(sandbox.runs(moody))) == (0, 6)


def test_a_kill_at_any_line_of_the_journal_chooses_nothing_anew(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "wrong"})  # red for good
    batch = ("batch", workflow, write_rows(*[{"$id": row, "Q": row} for row in "ab"]), *ASKED)
    assert noxcli(*batch).code == 11
    directory, whole = Path("rows.jsonl.batch"), Path("whole")
    journal = directory / "batch.jsonl"
    before = len(journal.read_text().splitlines())
    answers = (directory / "results.jsonl").read_text()
    assert noxcli(*batch, "--again", "red").code == 11
    lines = journal.read_text().splitlines(keepends=True)
    steps = [json.loads(line).get("step") for line in lines]
    assert (steps.count("again"), steps.count("chosen"), steps[-1]) == (2, 1, "answered")
    shutil.copytree(directory, whole)
    for kept in range(before, len(lines)):
        shutil.rmtree(directory)
        shutil.copytree(whole, directory)
        journal.write_text("".join(lines[:kept]))
        began, chosen = len(sandbox.runs(workflow)), "chosen" in steps[:kept]
        if not chosen:  # it is on the disk before anything starts
            (directory / "results.jsonl").write_text(answers)
        done = [json.loads(line) for line in lines[before:kept]]
        sent, started = (
            {each["id"] for each in done if each.get("step") == step}
            for step in ("sent", "started")
        )
        # The list has several runs of each input, so that it can't tell which one a row that was only sent has.
        assert noxcli(*batch, "--again", "red").code == (7 if sent - started else 11)
        assert len(sandbox.runs(workflow)) - began == (2 - len(sent) if chosen else 2), steps[:kept]
        assert sent - started or {asked for asked, _ in stored().values()} == {2}


def test_a_choice_that_ended_early_is_gone_on_with(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "wrong"})  # red for good
    batch = ("batch", workflow, write_rows("a", "b"), *ASKED, "--max-parallel", "1")
    for more, runs in (
        ((), "ab"),
        (("--again", "red", "--max-failures", "1"), "aab"),
        (("--again", "red"), "aabb"),
    ):
        assert noxcli(*batch, *more).code == 11
        assert sorted(run.input["Q"] for run in sandbox.runs(workflow)) == [*runs]


def test_a_signal_after_the_last_row_chooses_nothing_anew(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, env: dict[str, str]
) -> None:
    """All rows were asked, but the call did not end: the same line again asks none of them once more."""
    nodes, file = [input_node("Q")], write_rows("a")
    workflow = plays(nodes=nodes, output={"A": "wrong"})
    batch = ("batch", workflow, file, *ASKED)
    assert noxcli(*batch).code == 11
    plays(nodes=nodes, output={"A": "wrong"}, faults={"workflow": [Hold(0), Hold(60_000)]})
    with running(*batch, "--again", "red", env=env) as process:
        until(
            lambda: (
                [request.path for request in sandbox.requests].count(f"/v1/workflows/{workflow}")
                == 4
            )
        )
        ended_by(process, signal.SIGTERM)
    assert (process.returncode, len(sandbox.runs(workflow))) == (143, 1)
    assert (noxcli(*batch, "--again", "red").code, len(sandbox.runs(workflow))) == (11, 1)
    assert (noxcli(*batch, "--again", "red").code, len(sandbox.runs(workflow))) == (11, 2)


def test_a_completed_run_without_its_output_is_not_run_again(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    """Its row is not red: --again red fetches the output, as --resume does."""
    output, gone = {"A": "right" * 5_000}, Answer(404, {"detail": "gone"})
    workflow = plays(nodes=[input_node("Q")], output=output, faults={"file": [gone]})
    batch = ("batch", workflow, write_rows("a"), "--assert", "starts_with(output.A, 'right')")
    assert (noxcli(*batch).code, len(sandbox.runs(workflow))) == (9, 1)
    again = noxcli(*batch, "--again", "red")
    assert (again.code, again.codes, len(sandbox.runs(workflow))) == (0, {1: 0}, 1), again.err


def test_a_row_that_was_never_sent_may_be_removed(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    """The server refuses its file, so that nothing was started."""
    workflow = plays(nodes=[input_node("Q", type="file")], output={"A": "x"})
    rows = [{"$id": name, "Q": name} for name in ("good", "odd")]
    for row in rows:
        Path(row["Q"]).write_text(f"an {row['Q']} text")

    def refuse(request: Request, _: Forward) -> bytes | None:
        return json_answer({}, 400) if b"an odd text" in request.body else None

    with Gateway(sandbox.url, refuse) as gateway:
        noxcli.environ["NOXUS_BACKEND_URL"] = gateway.url
        batch = ("batch", workflow, write_rows(*rows), "--column", "Q@", "--max-parallel", "1")
        assert (noxcli(*batch).code, len(sandbox.runs(workflow))) == (2, 1)
        write_rows(rows[0])
        again = noxcli(*batch, "--again", "edited")
    assert (again.code, len(sandbox.runs(workflow))) == (0, 1), again.err
    everything = noxcli("results", "rows.jsonl.batch", "--all")
    assert (everything.code, everything.codes) == (0, {1: 0}), everything.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dry-run"], "--dry-run can't count what --again red would start"),
        (["--fresh"], "--fresh starts over"),
    ],
)
def test_what_does_not_go_together_is_refused(
    noxcli: Noxcli, moody: str, options: list[str], said: str
) -> None:
    result = noxcli("batch", moody, write_rows("a"), "--again", "red", *options)
    assert (result.code, said in result.err) == (2, True), result.err


def test_edited_rows_alone_are_asked_again(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], output=lambda inputs: {"A": inputs["Q"].upper()})
    rows = [{"$id": row, "Q": row} for row in ROWS]
    batch = ("batch", workflow, write_rows(*rows))
    assert noxcli(*batch).code == 0
    write_rows(rows[0], {"$id": "b", "Q": "bee"}, *rows[2:], {"$id": "e", "Q": "e"})
    assert noxcli(*batch, "--resume").code == 2
    again = noxcli(*batch, "--again", "edited", "--assert", "output.A != ''")
    assert (again.code, sorted((line["id"], line["asked"]) for line in again.lines)) == (
        0,
        [("b", 1), ("e", 1)],
    )
    assert "after a re-run" not in again.err  # its earlier answer was to another question
    assert stored() == {row: (1, row.upper()) for row in "acde"} | {"bee": (1, "BEE")}
    assert (noxcli(*batch, "--again", "edited").code, len(sandbox.runs(workflow))) == (0, 6)
    write_rows(*rows[2:])
    fewer = noxcli(*batch, "--again", "edited")
    assert (fewer.code, len(sandbox.runs(workflow))) == (0, 6), "a shorter table is no difference"


def test_without_ids_an_edited_row_is_another_row(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], output=lambda inputs: {"A": inputs["Q"].upper()})
    batch = ("batch", workflow, write_rows(*"abcd"))
    assert noxcli(*batch).code == 0
    write_rows(*"dcxa")
    edited = noxcli(*batch, "--resume")
    assert (edited.code, [line["row"] for line in edited.lines]) == (0, [3]), edited.err
    assert "1 finished row no longer in rows.jsonl: kept" in edited.err
    assert len(sandbox.runs(workflow)) == 5
    answers = [
        line["result"]["output"]["A"] for line in noxcli("results", "rows.jsonl.batch").lines
    ]
    assert answers == [*"DCXA"]
    assert stored() == {row: (1, row.upper()) for row in "abcdx"}
    write_rows(*"abcd")
    assert (noxcli(*batch, "--resume").code, len(sandbox.runs(workflow))) == (0, 5), "b is back"


def test_an_edited_row_is_named_and_asked_again(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], output=lambda inputs: {"A": inputs["Q"].upper()})
    rows = [{"$id": row, "Q": row} for row in "abc"]
    batch = ("batch", workflow, write_rows(*rows))
    assert noxcli(*batch).code == 0
    before = Path("rows.jsonl.batch/batch.jsonl").read_bytes()
    write_rows(rows[2], {"$id": "b", "Q": "bee"}, rows[0])
    refused = noxcli(*batch, "--resume")
    assert (refused.code, refused.out, len(sandbox.runs(workflow))) == (2, b"", 3)
    assert (
        "1 row of rows.jsonl had another input when it ran: 'b'; restore the file, or re-run it "
        "with --again edited" in refused.err
    )
    assert Path("rows.jsonl.batch/batch.jsonl").read_bytes() == before
    again = noxcli(*batch, "--again", "edited")
    assert (again.code, [(line["row"], line["id"], line["asked"]) for line in again.lines]) == (
        0,
        [(2, "b", 1)],
    ), again.err
    listed = [
        (line["row"], line["id"], line["result"]["output"]["A"])
        for line in noxcli("results", "rows.jsonl.batch").lines
    ]
    assert listed == [(1, "c", "C"), (2, "b", "BEE"), (3, "a", "A")]
    assert len(Path("rows.jsonl.batch/results.jsonl").read_text().splitlines()) == 3
    assert (noxcli(*batch, "--again", "edited").code, len(sandbox.runs(workflow))) == (0, 4)


def test_a_row_that_is_as_it_was_has_its_answer_back(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "x"})
    rows = [{"$id": row, "Q": row} for row in "ab"]
    batch = ("batch", workflow, write_rows(*rows), "--resume")
    assert noxcli(*batch).code == 0
    write_rows(rows[0], {"$id": "b", "Q": "c"})
    assert noxcli(*batch).code == 2
    write_rows(*rows)
    assert (noxcli(*batch).code, len(sandbox.runs(workflow))) == (0, 2)
    assert noxcli("results", "rows.jsonl.batch").code == 0


def test_an_edit_of_a_row_that_may_still_run_is_refused(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], script=lambda _: [Sleep(60_000)])
    rows = [{"$id": row, "Q": row} for row in "ab"]
    batch = ("batch", workflow, write_rows(*rows))
    assert noxcli(*batch, "--timeout", "3").code == 124
    write_rows(rows[0], {"$id": "b", "Q": "c"})
    result = noxcli(*batch, "--again", "edited", "--timeout", "1")
    assert (result.code, "and 'b' may still be running; " in result.err) == (
        2,
        True,
    ), result.err


def test_each_time_that_a_row_is_asked_counts(noxcli: Noxcli, echoes: Any) -> None:
    row = {"$id": "a", "Q": "bad"}
    batch = ("batch", echoes(), write_rows(row))
    asked = [
        noxcli(*batch).lines[0]["asked"],
        noxcli(*batch, "--again", "failed").lines[0]["asked"],
    ]
    write_rows({"$id": "b", "Q": "b"}, row)
    moved = noxcli(*batch, "--again", "failed").lines
    assert (asked, {line["id"]: line["asked"] for line in moved}) == ([1, 2], {"a": 3, "b": 1})
    again = noxcli(*batch, "--again", "failed").lines
    assert [line["asked"] for line in again] == [4]


def test_a_failed_row_that_starts_again_is_counted(noxcli: Noxcli, moody: str) -> None:
    batch = ("batch", moody, write_rows("a", "d"), "--min-pass", "100%")
    luck = "1 row passed only after a re-run"
    assert noxcli(*batch).code == 11
    for options in (["--again", "failed"], ["--resume"]):
        again = noxcli(*batch, *options)
        assert (again.code, luck in again.err) == (0, True), again.err
    assert stored() == {"a": (1, "right"), "d": (2, "right")}
    assert luck in noxcli("results", "rows.jsonl.batch", "--min-pass", "100%").err
