"""`noxcli batch`: one run for each row, reported line by line."""

import errno
import fcntl
import json
import os
import platform
import re
import time
from pathlib import Path
from typing import Any

import pytest

from noxcli.batchdir.header import RESUME, line_with
from noxcli.batchdir.journal import Journal
from noxcli.errors import ReaderGone, Unavailable
from noxcli.render.terminal import Terminal
from noxcli.sandbox.faults import NO_EVENTS, Answer, LostAnswer
from noxcli.sandbox.scenario import File, Scenario, fixed_input, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, write_rows
from tests.process import environment, running, until
from tests.sample import one_in


def numbers(result: Result) -> list[int]:
    return [line["row"] for line in result.lines]


def steps(directory: str = "rows.jsonl.batch") -> list[tuple[int | None, str]]:
    lines = map(json.loads, (Path(directory) / "batch.jsonl").read_text().splitlines())
    return [(line.get("row"), line["step"]) for line in lines if "step" in line]


def test_each_row_has_one_run_and_one_line(noxcli: Noxcli, sandbox: Sandbox, echoes: Any) -> None:
    workflow = echoes()
    result = noxcli("batch", workflow, write_rows({"$id": "first", "Q": "a"}, "b", "c"))
    assert result.code == 0, result.err
    told = {line["row"]: line for line in result.lines}
    assert {row: (line["id"], line["result"]["output"]) for row, line in told.items()} == {
        1: ("first", {"A": "a"}),
        2: (None, {"A": "b"}),
        3: (None, {"A": "c"}),
    }
    assert sorted(run.input["Q"] for run in sandbox.runs(workflow)) == ["a", "b", "c"]
    assert told[1]["result"]["schema"] == "noxcli.result/1"
    assert "3 rows in" in result.err
    assert sorted(step for row, step in steps() if row == 2) == ["finished", "sent", "started"]


def test_the_exit_code_is_the_worst_rows(noxcli: Noxcli, echoes: Any) -> None:
    result = noxcli("batch", echoes(), write_rows("a", "bad", "ask", "halt"))
    assert (result.code, result.codes) == (10, {1: 0, 2: 1, 3: 10, 4: 3})
    assert "3 of 4 rows did not complete" in result.err
    assert "row 2: run" in result.err
    resumed = noxcli("batch", echoes(), write_rows("a", "bad", "ask", "halt"), "--resume")
    assert (resumed.code, resumed.codes) == (10, {3: 10}), (
        "only what was not final is looked at again"
    )


def test_resume_prints_nothing_twice_and_keeps_the_code(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any
) -> None:
    workflow, rows = echoes(), write_rows("a", "bad")
    assert noxcli("batch", workflow, rows).code == 1
    again = noxcli("batch", workflow, rows, "--resume")
    assert (again.code, again.text) == (1, "")
    assert len(sandbox.runs(workflow)) == 2
    assert (
        f"run the failed rows again with: noxcli batch {workflow} rows.jsonl --resume --again failed"
        in again.err
    )
    failed = noxcli("batch", workflow, rows, "--again", "failed")
    assert (failed.code, failed.codes) == (1, {2: 1})
    assert "2 rows in" in noxcli("batch", workflow, rows, "--resume").err, (
        "a row that ran twice is one row"
    )
    assert len(sandbox.runs(workflow)) == 3


def test_the_hint_at_the_end_names_the_line_that_helps(noxcli: Noxcli, echoes: Any) -> None:
    line = f"noxcli batch {echoes()} rows.jsonl"
    workflow = line.split()[2]
    assert (
        f"run the failed rows again with: {line} --again failed"
        in noxcli("batch", workflow, write_rows("bad")).err
    )
    lost = echoes(faults={"start": [LostAnswer()]})
    doubtful = noxcli("batch", lost, write_rows("a"), "--output-dir", "lost")
    assert (
        f"continue with: noxcli batch {lost} rows.jsonl --output-dir lost --resume" in doubtful.err
    )
    assert (
        "with: noxcli" not in noxcli("batch", echoes(), write_rows("a"), "--output-dir", "well").err
    )


def test_a_directory_is_not_used_twice_by_accident(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any
) -> None:
    workflow, rows = echoes(), write_rows("a")
    noxcli("batch", workflow, rows)
    for more, what in (
        (
            (),
            "a batch, of which 1 of 1 row finished; continue it with --resume, start over with --fresh, or",
        ),
        (("--resume", "--shard", "1/2"), "is for shard 1/1, and this is 1/2"),
    ):
        result = noxcli("batch", workflow, rows, *more)
        assert (result.code, result.text) == (2, "")
        assert what in result.err
    other = sandbox.add(Scenario("another", nodes=[input_node("Q")]))
    assert f"is for workflow {workflow}" in noxcli("batch", other, rows, "--resume").err
    assert len(sandbox.runs(workflow)) == 1


def test_a_fresh_batch_moves_the_earlier_one_aside(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any
) -> None:
    workflow, rows = echoes(), write_rows("a", "bad")
    for number, before in enumerate((None, 1, 2)):
        result = noxcli("batch", workflow, rows, "--fresh")
        assert (result.code, len(result.lines), len(sandbox.runs(workflow))) == (
            1,
            2,
            2 * number + 2,
        )
        moved = f"what was there is in rows.jsonl.batch.{before} now\n"
        assert (moved in result.err) == (before is not None)
        assert "all results: noxcli results rows.jsonl.batch\n" in result.err
        assert f"with: noxcli batch {workflow} rows.jsonl --again failed\n" in result.err
    assert (
        len({Path(f"rows.jsonl.batch{end}/results.jsonl").read_bytes() for end in ("", ".1", ".2")})
        == 3
    )
    for more, what in (
        (("--resume",), "--fresh starts over, --resume and --again continue; remove one of them"),
        (("n=1",), "unknown input 'n', the workflow takes 'Q'"),
        (("--dry-run",), '"to_start":2'),
    ):
        result = noxcli("batch", workflow, rows, "--fresh", *more)
        assert what in result.err + result.text
    assert not Path("rows.jsonl.batch.3").exists()


def test_a_directory_that_can_not_be_moved_is_told(noxcli: Noxcli, echoes: Any) -> None:
    line = ("batch", echoes(), write_rows("a"), "--output-dir", ".")
    assert noxcli(*line).code == 0
    result = noxcli(*line, "--fresh")
    assert (result.code, result.out, "can't move . aside: " in result.err) == (2, b"", True), (
        result.err
    )


def test_all_mistakes_are_told_before_anything_starts(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q"), input_node("n", type="int", default=1)])
    rows = write_rows({"Q": "a"}, {"Qu": "a"}, {"Q": "x", "n": "many"}, {"Q": "x", "n": 2})
    Path(rows).write_text(Path(rows).read_text() + "oops\n")
    result = noxcli("batch", workflow, rows)
    assert (result.code, result.text) == (2, "")
    for place, what in (
        ("row 2 (line 2)", "did you mean 'Q' for 'Qu'?"),
        ("row 3 (line 3)", "'n' takes an int"),
        ("row 5 (line 5)", "is not valid JSON"),
    ):
        assert any(place in line and what in line for line in result.err.splitlines()), result.err
    assert "3 of 5 rows are wrong; nothing was started" in result.err
    assert not sandbox.runs(workflow)
    assert not Path("rows.jsonl.batch").exists()
    unchecked = noxcli("batch", workflow, rows, "--no-check")
    assert unchecked.codes[5] == 2, "only what can't be sent at all is refused"


ONE_ID_TWICE = [
    (
        "r.jsonl",
        '{"$id": "a", "Q": "1"}\n\n{"Q": "2"}\n{"$id": "a", "Q": "3"}\n',
        "row 3 (line 4)",
        "row 1 (line 1)",
    ),
    (
        "r.jsonl",
        '{"$id": 7, "Q": "1"}\n{"$id": "7", "Q": "2"}\n',
        "row 2 (line 2)",
        "row 1 (line 1)",
    ),
    ("r.csv", "$id,Q\nb,1\na,2\nb,3\n", "row 3 (line 4)", "row 1 (line 2)"),
]


@pytest.mark.parametrize(
    ("table", "more"),
    one_in(
        3, ONE_ID_TWICE, [[], ["--no-check"], ["--dry-run"], ["--shard", "1/2"], ["--shard", "2/2"]]
    ),
)
def test_an_id_belongs_to_one_row(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any, table: tuple[str, str, str, str], more: list[str]
) -> None:
    name, content, second, first = table
    workflow = echoes()
    Path(name).write_text(content)
    result = noxcli("batch", workflow, name, *more)
    assert (result.code, result.text, sandbox.runs(workflow)) == (2, "", [])
    said = f"{second} has the id of {first}; nothing was started; give each row its own id\n"
    assert result.err == f"noxcli: {said}"
    assert not Path(f"{name}.batch").exists()


def test_only_so_many_mistakes_are_told(noxcli: Noxcli, echoes: Any) -> None:
    result = noxcli(
        "batch", echoes(), write_rows(*[{f"q{number % 25}": "x"} for number in range(50)])
    )
    first, *_, last = result.err.splitlines()
    assert first.startswith(
        "noxcli: row 1 (line 1) and 1 more row: 'q0' is not an input of the workflow; "
    )
    assert "50 of 50 rows are wrong (the first 40 are listed)" in last
    assert len(result.err.splitlines()) == 21


def test_a_dry_run_counts(noxcli: Noxcli, sandbox: Sandbox, echoes: Any) -> None:
    workflow, rows = echoes(), write_rows("a", "bad", "c", "d", "e")
    fresh = noxcli("batch", workflow, rows, "--dry-run", "--shard", "2/2")
    assert (fresh.code, fresh.json["rows"], fresh.json["in_shard"], fresh.json["to_start"]) == (
        0,
        5,
        3,
        3,
    ), "a, c and d"
    assert not sandbox.runs(workflow)
    assert not Path("rows.jsonl.batch").exists()
    noxcli("batch", workflow, rows)
    counted = noxcli("batch", workflow, rows, "--resume", "--dry-run").json
    assert (counted["to_start"], counted["finished"]) == (0, 5)


def test_csv_texts_become_the_declared_types(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q"), input_node("n", type="int", default=1)])
    Path("rows.csv").write_text('$id,Q,n\nx,"a, b",7\ny,c,\n')
    result = noxcli("batch", workflow, "rows.csv")
    assert result.code == 0, result.err
    assert sorted((run.input for run in sandbox.runs(workflow)), key=str) == [
        {"Q": "a, b", "n": 7},
        {"Q": "c"},
    ]
    assert result.err.count("'n' takes an int") == 1, "what goes for every row is said once"


def test_files_of_rows_are_uploaded_and_common_ones_once(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("doc", type="file"), input_node("style", type="file")])
    for name in ("a.txt", "b.txt", "s.txt"):
        Path(name).write_text(name)
    rows = write_rows({"doc": "a.txt"}, {"doc": "b.txt"})
    result = noxcli("batch", workflow, rows, "style@s.txt", "--column", "doc@")
    assert result.code == 0, result.err
    assert sum(request.path == "/v1/file" for request in sandbox.requests) == 3
    assert {run.input["doc"]["name"] for run in sandbox.runs(workflow)} == {"a.txt", "b.txt"}
    assert {run.input["style"]["name"] for run in sandbox.runs(workflow)} == {"s.txt"}
    missing = noxcli(
        "batch",
        workflow,
        write_rows({"doc": "none.txt"}),
        "--column",
        "doc@",
        "--output-dir",
        "other",
    )
    assert "row 1 (line 1): can't read the file none.txt for 'doc'" in missing.err


def test_outputs_are_files_by_row(noxcli: Noxcli, plays: Any) -> None:
    output = {"Text": "t" * 20_000, "Doc": File("d.pdf", b"%PDF", "application/pdf")}
    rows = write_rows({"$id": "../weird/id", "Q": "a"}, "b")
    result = noxcli(
        "batch", plays(nodes=[input_node("Q")], output=output), rows, "--output-dir", "out"
    )
    assert result.code == 0, result.err
    written = sorted(
        str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()
    )
    assert written == [
        "000001-_weird_id/Doc.pdf",
        "000001-_weird_id/Text.txt",
        "000001-_weird_id/manifest.json",
        "000002/Doc.pdf",
        "000002/Text.txt",
        "000002/manifest.json",
        "batch.jsonl",
        "progress.json",
        "results.jsonl",
    ]
    assert result.lines[0]["result"]["output"]["Text"].keys() == {"$file"}


def test_an_output_that_could_not_be_had_is_fetched_by_resume(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    gone = Answer(404, {"detail": "gone"})
    workflow = plays(
        nodes=[input_node("Q")], output={"Text": "t" * 20_000}, faults={"file": [gone]}
    )
    first = noxcli("batch", workflow, write_rows("a"))
    assert (first.code, first.codes) == (9, {1: 9})
    second = noxcli("batch", workflow, "rows.jsonl", "--resume")
    assert (second.code, second.codes) == (0, {1: 0})
    assert second.lines[0]["result"]["output"] == {"Text": "t" * 20_000}
    assert len(sandbox.runs(workflow)) == 1


def test_a_refused_row_leaves_the_others_and_is_resumed(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any
) -> None:
    refusal = Answer(422, {"detail": "not today"})
    workflow = echoes(faults={"start": [refusal]})
    first = noxcli("batch", workflow, write_rows("a", "b"), "--max-parallel", "1")
    assert (first.code, first.codes) == (2, {1: 2, 2: 0})
    assert first.lines[0]["result"]["retry_safe"] is True
    assert (1, "withdrawn") in steps()
    second = noxcli("batch", workflow, "rows.jsonl", "--resume")
    assert (second.code, second.codes) == (0, {1: 0})
    assert len(sandbox.runs(workflow)) == 2


def test_a_refused_start_is_withdrawn_though_stdout_is_gone(
    noxcli: Noxcli, echoes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdraw = Journal.withdraw

    def slowly(*given: Any) -> None:
        time.sleep(0.5)
        withdraw(*given)

    def gone(*_: object) -> None:
        raise ReaderGone("stdout was closed")

    monkeypatch.setattr(Journal, "withdraw", slowly)
    monkeypatch.setattr(Terminal, "write", gone)
    workflow = echoes(faults={"start": [Answer(422, {"detail": "no"})]})
    assert noxcli("batch", workflow, write_rows("a", "b")).code == 141
    assert [step for _, step in steps()].count("withdrawn") == 1


def test_two_batches_do_not_share_a_directory(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any
) -> None:
    workflow, rows = echoes(), write_rows("long")
    with running("batch", workflow, rows, env=environment(sandbox.url)):
        until(lambda: sandbox.runs(workflow))
        result = noxcli("batch", workflow, rows, "--resume")
    held = rf"is running in rows\.jsonl\.batch: process \d+ on {platform.node()}; retry once"
    assert result.code == 75
    assert re.search(held, result.err)
    assert len(sandbox.runs(workflow)) == 1


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    (tmp_path / "batch.jsonl").touch()
    (tmp_path / "batch.lock").write_text("process 1 on another")  # of a process that was killed
    with Journal(tmp_path, Clock()):
        with pytest.raises(Unavailable, match=f": process {os.getpid()} on {platform.node()}"):
            Journal(tmp_path, Clock())
        (tmp_path / "batch.lock").unlink()
        with pytest.raises(Unavailable, match=r"another batch is running in [^:]*$"):
            Journal(tmp_path, Clock())
    assert [path.name for path in tmp_path.iterdir()] == ["batch.jsonl"]


def test_a_file_system_without_locks_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    workflow = echoes()
    result = noxcli("batch", workflow, write_rows("a"))
    told = "can't write the journal rows.jsonl.batch/batch.jsonl: no locks available; check --output-dir"
    assert (result.code, told in result.err) == (2, True)
    assert not sandbox.runs(workflow)


@pytest.mark.parametrize(
    ("end", "code"), [("completed", 0), ("failed", 1), ("stopped", 3), ("running", 124)]
)
def test_a_run_that_ended_unseen_has_its_verdict_at_the_limit(
    noxcli: Noxcli, plays: Any, end: str, code: int
) -> None:
    """The server allows no read before the limit is over, and has no stream that would report the end."""
    told_off = Answer(429, {"detail": "Rate limit exceeded"}, {"Retry-After": "60"})
    script = (
        [Sleep(300), State(end)]
        if end not in {"completed", "running"}
        else [Sleep(60_000 * (end == "running"))]
    )
    workflow = plays(
        nodes=[input_node("Q")], script=script, faults={"events": [NO_EVENTS], "record": [told_off]}
    )
    noxcli.clock, began = Clock(), time.monotonic()
    result = noxcli("batch", workflow, write_rows("a"), "--timeout", "2s")
    assert (result.code, result.codes) == (code, {1: code})
    assert result.lines[0]["result"]["run"]["status"] == end
    assert time.monotonic() - began < 2 + 1 + 2  # a second, and some time for a busy machine


def test_a_line_to_paste_starts_nothing_over() -> None:
    argv = "batch w f --fresh --fresh --again doubtful --again doubtful --again red --again=doubtful --again=doubtful"
    assert line_with(argv.split(), RESUME).shown() == "noxcli batch w f --again red --resume"


def test_only_again_doubtful_may_run_a_row_twice(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any
) -> None:
    workflow = echoes(faults={"start": [LostAnswer(), LostAnswer(), LostAnswer()]})
    assert noxcli("batch", workflow, write_rows("a")).code == 7
    noxcli("run", workflow, "Q=a", "--detach")
    result = noxcli("batch", workflow, "rows.jsonl", "--resume")
    assert (result.code, result.codes) == (7, {1: 7}), "two runs may be the row's"
    error = result.lines[0]["result"]["error"]
    assert len(error["candidates"]) == 2
    assert error["message"] == "its start was sent, but the outcome is unknown", "nothing shows why"
    other = noxcli("batch", workflow, "rows.jsonl", "--again", "failed", "--again", "stopped")
    assert (other.code, len(sandbox.runs(workflow))) == (7, 2)
    again = noxcli("batch", workflow, "rows.jsonl", "--again", "doubtful")
    assert (again.code, again.codes) == (7, {1: 7}), "its answer was lost, too"
    line = "rows.jsonl --resume; --again doubtful starts"
    assert line in again.err, "the line to paste starts nothing that may run already"
    assert len(sandbox.runs(workflow)) == 3
    last = noxcli("batch", workflow, "rows.jsonl", "--again", "doubtful")
    assert (last.code, last.codes) == (0, {1: 0})


def test_rows_with_equal_inputs_take_a_run_each(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any
) -> None:
    workflow = echoes(faults={"start": [LostAnswer(), Answer(504), LostAnswer()]})
    rows = write_rows("same", "same", "same", "same", "b")
    left = noxcli("batch", workflow, rows, "--max-parallel", "1")
    assert (left.code, left.codes) == (7, {1: 7, 2: 7, 3: 7, 4: 0, 5: 0})
    result = noxcli("batch", workflow, rows, "--resume")
    assert (result.code, sorted(result.codes.values())) == (7, [0, 0, 7]), (
        "one of the three was not started"
    )
    assert sorted(run.input["Q"] for run in sandbox.runs(workflow)) == ["b", *["same"] * 3]
    ids = {
        line["result"]["run"]["id"]
        for line in [*left.lines, *result.lines]
        if line["result"]["run"]
    }
    assert len(ids) == 4


def test_fixed_inputs_are_warned_of_once(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q"), fixed_input("tone", "kind")])
    result = noxcli("batch", workflow, write_rows(*[{"Q": "a", "tone": "rude"}] * 3))
    assert result.err.count("'tone' is fixed by the workflow") == 1


def test_quiet_leaves_only_what_went_wrong(noxcli: Noxcli, echoes: Any) -> None:
    assert noxcli("batch", echoes(), write_rows("a"), "--quiet").err == ""
