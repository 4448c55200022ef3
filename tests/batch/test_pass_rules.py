"""How many rows must pass, and which rows run at all."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from noxcli.checks.batch_summary import BatchSummary, MinPass
from noxcli.errors import worst
from noxcli.rows.columns import Row
from noxcli.sandbox.scenario import input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, Step
from noxcli.timing import Clock
from tests.conftest import Noxcli, write_rows


@pytest.mark.parametrize(
    ("asked", "codes", "rows", "code"),
    [
        ("90%", [0] * 9 + [1], 10, 0),
        ("90%", [0] * 9 + [11], 10, 0),
        ("90.1%", [0] * 9 + [1], 10, 11),
        ("90%", [0] * 9 + [1], 11, 11),
        ("50%", [0, 1, 3, 9], 4, 11),
        ("25%", [0, 1, 3, 9], 4, 0),
        ("0%", [1, 1], 2, 0),
        ("0%", [], 0, 0),
        ("1%", [], 0, 11),
        ("100%", [0, 0], 2, 0),
        ("33.34%", [0, 1, 1], 3, 11),
        *(("10%", [0, 0, code], 3, code) for code in (2, 4, 5, 6, 7, 8, 10, 70, 75, 124)),
        ("90%", [0, 8], 2, 11),
    ],
)
def test_a_share_replaces_verdicts_but_no_trouble(
    asked: str, codes: list[int], rows: int, code: int
) -> None:
    gate = MinPass.read(asked)
    assert gate is not None
    assert worst(gate.codes(codes, codes.count(0), rows)) == code


@pytest.mark.parametrize(
    "text", ["900%", "100.1%", "-1%", "0.9", "90", "90 %", "", "%", "1e1%", "٩٠%"]
)
def test_what_is_not_a_share_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, text: str
) -> None:
    result = noxcli("batch", workflow, write_rows("a"), f"--min-pass={text}")
    assert (result.code, result.out, sandbox.runs(workflow)) == (2, b"", [])
    assert (
        result.err
        == f"noxcli: --min-pass {text} is not a valid share; write 90%, from 0% to 100%\n"
    )


def test_a_batch_passes_by_its_share(noxcli: Noxcli, workflow: str) -> None:
    batch = ("batch", workflow, write_rows("a", "bad", "c", "d"))
    result = noxcli(*batch, "--min-pass", "75%")
    assert (result.code, "3 of 4 rows passed (75.0%; --min-pass 75%)" in result.err) == (0, True)
    again = noxcli(*batch, "--min-pass", "75.1%", "--resume")
    assert (again.code, again.out) == (11, b"")
    assert (
        "noxcli: 3 of 4 rows passed (75.0%; --min-pass 75.1%); run the failed rows again with"
        in again.err
    )
    assert [
        run.err.count("--min-pass 75%)") + run.err.count("--min-pass 75.1%)")
        for run in (result, again)
    ] == [1, 1]
    judged = noxcli(*batch, "--min-pass", "75%", "--assert", "output.A != 'd'", "--resume")
    assert judged.code == 11
    assert noxcli(*batch, "--min-pass", "50%", "--assert", "output.A != 'd'", "--resume").code == 0


def test_rows_that_were_not_started_are_not_good(noxcli: Noxcli, workflow: str) -> None:
    file = write_rows("bad", *("a" for _ in range(9)))
    result = noxcli(
        "batch", workflow, file, "--max-failures", "1", "--max-parallel", "1", "--min-pass", "20%"
    )
    assert (result.code, "0 of 10 rows passed (0.0%; --min-pass 20%)" in result.err) == (11, True)


def test_a_page_says_of_unstarted_rows_what_the_code_says(noxcli: Noxcli, workflow: str) -> None:
    batch = (
        "batch",
        workflow,
        write_rows("a", "a", "bad", "a"),
        "--max-failures",
        "1",
        "--max-parallel",
        "1",
    )
    for share, code, tone in (("50%", 0, "good"), ("51%", 11, "bad")):
        result = noxcli(*batch, "--min-pass", share, "--fresh", "--report", "page.html")
        assert (result.code, f'class="verdict {tone}"' in Path("page.html").read_text()) == (
            code,
            True,
        ), result.err


def test_what_is_in_the_way_of_a_verdict_stays(noxcli: Noxcli, workflow: str) -> None:
    paused = noxcli("batch", workflow, write_rows("a", "ask"), "--min-pass", "0%")
    assert (paused.code, paused.err.count("1 of 2 rows passed")) == (10, 1)


def test_a_limit_takes_the_first_rows_of_the_file(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    batch = ("batch", workflow, write_rows("a", "b", "c", "d", "e"))
    shard = noxcli(*batch, "--limit", "3", "--shard", "2/2")
    assert {line["row"] for line in shard.lines} == {1, 2, 3}, shard.err
    Path("expected.jsonl").write_text('{"A": "a"}\n' + '{"A": "x"}\n' * 4)
    options = (*batch, "--output-dir", "all", "--expect", "expected.jsonl", "--resume")
    few = noxcli(*options, "--limit", "1")
    assert ([line["row"] for line in few.lines], few.code) == ([1], 0), few.err
    more = noxcli(*options, "--limit", "3")
    assert ({line["row"] for line in more.lines}, more.code) == ({2, 3}, 11)
    fewer = noxcli(*options, "--limit", "1", "--junit", "junit.xml", "--report", "page.html")
    assert (fewer.code, fewer.out, "1 row in" in fewer.err) == (0, b"", True), fewer.err
    assert 'tests="2" failures="0"' in Path("junit.xml").read_text(), "a row and what it expects"
    assert "1 of 1 row completed" in Path("page.html").read_text()
    assert len(sandbox.runs(workflow)) == 6
    assert noxcli(*batch, "--limit", "0").code == 2


def test_reasons_are_told_once_each_above_the_totals(noxcli: Noxcli, echoes: Any) -> None:
    rows = write_rows(*({"$id": f"r{n}", "Q": "bad" if n % 2 else f"{n}"} for n in range(1, 12)))
    result = noxcli(
        "batch", echoes(), rows, "--assert", "output.A != '4'", environ={"NOXCLI_CI": "github"}
    )
    lines = [line for line in result.err.splitlines() if not line.startswith("::")]
    groups = [line for line in lines if line.startswith("noxcli: ")]
    assert re.match(r"noxcli: 6 rows \((r\d+, ){3}…\): ", groups[0])
    assert groups[1].startswith("noxcli: row 4 (r4): run ")
    assert len(groups) == 3, "and the ending"
    assert lines.index("        6 failed") > lines.index(groups[1])
    assert sum("6 rows (r" in line for line in lines) == 1


@pytest.mark.parametrize(("own_id", "name"), [({}, "1."), ({"$id": "a"}, "a#")])
def test_reasons_name_each_repetition(
    noxcli: Noxcli, echoes: Any, own_id: dict[str, str], name: str
) -> None:
    rows = write_rows({**own_id, "Q": "4"})
    result = noxcli("batch", echoes(), rows, "--assert", "output.A != '4'", "--repeat", "2")
    assert result.code == 11
    first, second = f"{name}1", f"{name}2"
    named = [f"noxcli: 2 runs ({first}, {second}): ", f"noxcli: 2 runs ({second}, {first}): "]
    assert any(each in result.err for each in named), result.err


def ended(row: int, code: int = 1) -> dict[str, Any]:
    return {
        "row": row,
        "id": None,
        "result": {"exit_code": code, "run": None, "error": {"message": "no ink"}},
    }


@pytest.mark.parametrize(
    ("rows", "repeat", "is_stuck"), [(1, 20, False), (19, 2, False), (20, 2, True)]
)
def test_repetitions_of_a_row_are_one_of_the_first_twenty(
    rows: int, repeat: int, is_stuck: bool
) -> None:
    tally = BatchSummary(total=30 * repeat, repeat=repeat)
    for row in range(1, rows + 1):
        for _ in range(repeat):
            tally.note_begun(Row(row, 0, 0))
            tally.count(ended(row))
    assert (tally.stuck is not None) is is_stuck


def test_the_first_twenty_are_those_that_started_first() -> None:
    summary = BatchSummary()
    for row in range(1, 31):
        summary.note_begun(Row(row, 0, 0))
    for row in [*range(11, 31), *range(2, 11)]:
        summary.count(ended(row))
    assert summary.stuck is None, "29 failed, but not the one that began first"
    summary.count(ended(1))
    assert summary.stuck is not None


@pytest.mark.parametrize(
    ("summary", "without", "seconds", "told"),
    [
        (BatchSummary(), (0, 0), 2.0, (None, "0 of 0 rows", "2.0s so far")),
        (
            BatchSummary(total=120, codes=Counter({0: 10, 1: 2})),
            (8, 0),
            4.0,
            (0.1, "12 of 120 rows, 8 running, 2 not completed", "3.0 rows/s, 36.0s left"),
        ),
        (
            BatchSummary(total=20, before=Counter({0: 4}), codes=Counter({0: 1})),
            (0, 1),
            60.0,
            (0.25, "5 of 20 rows, 1 in doubt", "1.0 rows/min, 15m00s left"),
        ),
    ],
)
def test_a_line_tells_rows_rate_and_time_left(
    summary: BatchSummary,
    without: tuple[int, int],
    seconds: float,
    told: tuple[float | None, str, str],
) -> None:
    assert summary.how_far(*without, "", seconds) == told
    assert summary.how_far(*without, "slow", seconds)[1] == f"{told[1]}, slow"


def test_twenty_failures_from_the_start_are_enough(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    file = write_rows(*["bad"] * 40)
    result = noxcli("batch", workflow, file, "--max-parallel", "4")
    assert (result.code, 20 <= len(sandbox.runs(workflow)) < 30) == (1, True), result.err
    why, more = "failed at 'W': no ink", re.escape("(--max-failures 0 starts them anyway)")
    said = "noxcli: stopped starting rows: the first 20 failed the same way"
    assert re.search(rf"{said}: {why} {more}; 2\d of 40 rows did not complete", result.err), (
        result.err
    )
    assert "not started" in result.err
    assert noxcli("batch", workflow, file, "--resume", "--max-failures", "0").code == 1
    assert len(sandbox.runs(workflow)) == 40
    assert noxcli("batch", workflow, file, "--fresh", "--min-pass", "0%").code == 0


def test_twenty_failures_of_twenty_rows_hold_none_back(noxcli: Noxcli, workflow: str) -> None:
    result = noxcli("batch", workflow, write_rows(*["bad"] * 20), "--max-parallel", "4")
    last = result.err.splitlines()[-1]
    assert (result.code, last.partition("; ")[0]) == (
        1,
        "noxcli: 20 of 20 rows did not complete",
    ), result.err
    assert last.endswith(" --again failed")


@pytest.mark.parametrize("code", [1, 2])
def test_what_ends_beside_the_twentieth_failure_starts_no_more(code: int) -> None:
    summary = BatchSummary(total=100)
    for number in range(1, 65):
        summary.note_begun(Row(number, 0, 0))
        summary.count(ended(number, code if number <= 20 else 0))
    assert summary.stuck is not None


@pytest.mark.parametrize(
    "texts", [["a", *["bad"] * 30], [*["bad"] * 19, "a", *["bad"] * 10], ["ask"] * 25]
)
def test_other_failures_start_all_rows(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, texts: list[str]
) -> None:
    noxcli("batch", workflow, write_rows(*texts), "--max-parallel", "4")
    assert len(sandbox.runs(workflow)) == len(texts)


def test_a_row_that_takes_too_long_is_given_up(
    noxcli: Noxcli, sandbox: Sandbox, echoes: Any
) -> None:
    noxcli.clock, ended = Clock(), Event()

    def script(inputs: dict[str, Any]) -> Iterator[Step]:
        while inputs["Q"] == "long" and not ended.is_set():
            yield Sleep(100)

    workflow, began = echoes(script=script), time.monotonic()
    batch = ("batch", workflow, write_rows("a", "long", "c"))
    result = noxcli(*batch, "--row-timeout", "1s")
    assert time.monotonic() - began < 5
    assert (result.code, result.codes) == (124, {1: 0, 2: 124, 3: 0})
    assert "was still running at --row-timeout; --resume waits for it again" in result.err
    ended.set()
    again = noxcli(*batch, "--resume")
    assert (again.code, [line["row"] for line in again.lines], len(sandbox.runs(workflow))) == (
        0,
        [2],
        3,
    )
    assert noxcli("batch", workflow, "rows.jsonl", "--row-timeout", "0").code == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "[id, result.output.Anwser]",
            "the workflow has no output 'Anwser'; did you mean 'Answer'?",
        ),
        ("result.output.Nope[0].x", "the workflow has no output 'Nope'; its outputs: 'Answer'"),
        (
            "length(result.output.answers) > `1`",
            "the workflow has no output 'answers'; did you mean 'Answer'?",
        ),
        ("[result.output.Answer, input.Nope, result.output]", ""),
    ],
)
def test_a_query_names_outputs_that_there_are(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, query: str, said: str
) -> None:
    workflow = str(plays(nodes=[input_node("Q"), output_node("Answer")], output={"Answer": []}))
    result = noxcli("batch", workflow, write_rows("a"), "--query", query)
    assert (result.code, len(sandbox.runs(workflow)), said in result.err) == (
        2 if said else 0,
        0 if said else 1,
        True,
    )
    assert (
        noxcli(
            "batch", workflow, write_rows("a"), "--fresh", "--query", "result.output.Answer"
        ).text
        == "[]\n"
    )


def test_two_rows_with_one_reason_keep_their_values(noxcli: Noxcli, plays: Any) -> None:
    workflow = str(plays(nodes=[input_node("Q")], output=lambda inputs: {"N": inputs["Q"]}))
    batch = ("batch", workflow, write_rows("26", "31", "26", "4"), "--assert", "output.N == '4'")
    assert noxcli(*batch).code == 11
    result = noxcli("results", "rows.jsonl.batch", *batch[-2:])
    assert (
        """3 rows (1, 2, 3): --assert output.N == '4' does not hold: "26" == "4", or "31" == "4"\n"""
        in result.err
    )
    many = noxcli("results", "rows.jsonl.batch", "--assert", "output.N == row.Q && output.N == 'x'")
    assert many.err.count(' == "x"') == 3, many.err


def test_texts_that_differ_late_show_where(noxcli: Noxcli, plays: Any) -> None:
    begins = "We ship to each country of the European Union, " * 5
    workflow = str(plays(nodes=[input_node("Q")], output={"A": f"{begins}but Malta."}))
    row = {"Q": "a", "$expect": f"{begins}but Cyprus."}
    result = noxcli("batch", workflow, write_rows(row))
    assert (
        '/A is …ry of the European Union, but Malta." and not …ry of the European Union, but Cyprus."'
        in result.err
    )


def test_rows_that_fail_a_check_alike_do_not_end_a_batch(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    file = write_rows(*["same"] * 25)
    result = noxcli("batch", workflow, file, "--assert", "output.A == 'other'")
    assert (result.code, len(sandbox.runs(workflow))) == (11, 25), result.err
