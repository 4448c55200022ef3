"""Rows that run several times, since their answers vary."""

import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from noxcli.checks.batch_summary import BatchSummary, MinPass
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, write_rows


@pytest.fixture
def workflow(plays: Any) -> str:
    """Every third answer to a question is another one, from the first on for `worse`."""
    asked: Counter[str] = Counter()

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        question = inputs["Q"]
        asked[question] += 1
        return {"A": "bad" if asked[question] % 3 == 1 or question == "worse" else "good"}

    return str(plays(nodes=[input_node("Q")], output=output))


@pytest.fixture(autouse=True)
def _rows() -> None:
    x, y = {"$id": "a", "Q": "x", "$expect": "good"}, {"Q": "y", "$expect": "good"}
    write_rows(x, y, {"$id": "c#1", "Q": "worse"})


def repetitions(result: Result) -> list[tuple[int, str | None, int]]:
    return sorted((line["row"], line["id"], line["repetition"]) for line in result.lines)


ALL = [(row, own, n) for row, own in ((1, "a"), (2, None), (3, "c#1")) for n in (1, 2, 3)]


def test_each_row_runs_several_times(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    batch = ("batch", workflow, "rows.jsonl", "--repeat", "3")
    result = noxcli(*batch, "--junit", "report.xml")
    assert (result.code, repetitions(result), len(sandbox.runs(workflow))) == (11, ALL, 9), (
        result.err
    )
    assert "9 runs of 3 rows in " in result.err
    assert "2 of 3 rows failed a check" in result.err
    assert 'name="row 1 (a), repetition 2"' in Path("report.xml").read_text()
    assert "of which 9 of 9 runs finished; continue it with --resume" in noxcli(*batch).err
    again = noxcli(*batch, "--resume", "--pass-each", "2")
    assert (again.code, again.out, "        3 completed" in again.err) == (0, b"", True), again.err
    stored = noxcli("results", "rows.jsonl.batch")
    assert [(line["row"], line["id"], line["repetition"]) for line in stored.lines] == ALL
    assert noxcli(*batch, "--resume", "--pass-each", "3").code == 11, "as without it"
    strict = noxcli(
        *batch,
        "--resume",
        "--pass-each",
        "2",
        "--assert",
        "ok && row.Q != 'worse'",
        "--min-pass",
        "60%",
    )
    assert (strict.code, "2 of 3 rows passed (66.6%; --min-pass 60%)" in strict.err) == (0, True), (
        strict.err
    )
    assert len(sandbox.runs(workflow)) == 9


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--min-pass", "60%"), 0, "2 of 3 rows passed (66.6%; --min-pass 60%)"),
        (("--min-pass", "70%"), 11, "2 of 3 rows passed (66.6%; --min-pass 70%)"),
        ((), 11, "2 of 3 rows passed (--pass-each 2 of 3)"),
    ],
)
def test_a_page_judges_rows_as_the_exit_code(
    noxcli: Noxcli, workflow: str, options: tuple[str, ...], code: int, told: str
) -> None:
    asked = (
        "--assert",
        "ok && row.Q != 'worse'",
        "--pass-each",
        "2",
        *options,
        "--report",
        "report.html",
    )
    for command in (
        ("batch", workflow, "rows.jsonl", "--repeat", "3"),
        ("results", "rows.jsonl.batch"),
    ):
        assert noxcli(*command, *asked).code == code
        page = Path("report.html").read_text()
        assert page.count(f">{told}<") == 1, "the verdict counts rows"
        assert f'class="verdict {"bad" if code else "good"}"' in page


def test_each_repetition_has_files_of_its_own(noxcli: Noxcli, workflow: str) -> None:
    options = ("--repeat", "2", "--output-dir", "out", "--report", "report.html")
    lines = noxcli("batch", workflow, "rows.jsonl", *options).lines
    folders = {Path(line["result"]["files"][0]["path"]).parent for line in lines}
    links = re.findall(r'href="([^"]*)"[^>]*>(?:<[^>]*>)*files<', Path("report.html").read_text())
    assert len(folders) == 6
    assert {Path(unquote(link)) for link in links} == folders
    assert all("#" not in link for link in links)


def test_repetitions_are_resumed_each_on_its_own(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    batch = ("batch", workflow, "rows.jsonl", "--repeat", "3")
    options = ("--max-failures", "1", "--max-parallel", "1", "--assert", "output.A == 'good'")
    first = noxcli(*batch, *options)
    assert 0 < len(first.lines) < 9
    second = noxcli(*batch, "--resume")
    assert sorted([*repetitions(first), *repetitions(second)]) == ALL
    assert len(sandbox.runs(workflow)) == 9
    results = Path("rows.jsonl.batch/results.jsonl")
    results.write_text("".join(results.read_text().splitlines(keepends=True)[:-2]))
    assert len(noxcli(*batch, "--resume").lines) == 2
    assert len(sandbox.runs(workflow)) == 9
    other = noxcli("batch", workflow, "rows.jsonl", "--repeat", "2", "--resume")
    assert (other.code, "is for repeat 3, and this is 2" in other.err) == (2, True)


def test_a_check_counts_a_row_once(noxcli: Noxcli, workflow: str) -> None:
    counts = noxcli(
        "batch", workflow, "rows.jsonl", "--repeat", "3", "--shard", "2/3", "--dry-run"
    ).json
    assert [counts[name] for name in ("rows", "in_shard", "runs", "to_start")] == [3, 1, 3, 3]
    write_rows("x", {"Qu": "y"}, {"Qu": "y"})
    wrong = noxcli("batch", workflow, "rows.jsonl", "--repeat", "3")
    assert wrong.err.startswith("noxcli: row 2 (line 2) and 1 more row: ")
    assert "noxcli: 2 of 3 rows are wrong; nothing was started" in wrong.err


def test_a_row_is_in_one_shard_with_all_its_repetitions(noxcli: Noxcli, workflow: str) -> None:
    for index, wanted in ((1, {2}), (2, {1}), (3, {3})):
        options = ("--shard", f"{index}/3", "--output-dir", f"s{index}", "--repeat", "2")
        result = noxcli("batch", workflow, "rows.jsonl", *options)
        assert {line["row"] for line in result.lines} == wanted
        assert len(result.lines) == 2 * len(wanted)
    joined = noxcli("results", "s1", "s2", "s3")
    assert [(line["row"], line["repetition"]) for line in joined.lines] == [
        (r, n) for r in (1, 2, 3) for n in (1, 2)
    ]
    noxcli(
        "batch", workflow, "rows.jsonl", "--shard", "2/3", "--output-dir", "other", "--repeat", "3"
    )
    assert (
        "not from one batch: the number of repetitions differs"
        in noxcli("results", "s1", "other").err
    )
    missing = [line for line in noxcli("results", "s1").lines if line["result"]["exit_code"] == 8]
    assert [(line["row"], line["repetition"]) for line in missing] == [
        (1, 1),
        (1, 2),
        (3, 1),
        (3, 2),
    ]


def test_a_limit_and_changed_rows_count_rows_of_the_file(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    batch = ("batch", workflow, "rows.jsonl", "--repeat", "2")
    assert {line["row"] for line in noxcli(*batch, "--limit", "1").lines} == {1}
    lines = Path("rows.jsonl").read_text().splitlines(keepends=True)
    Path("rows.jsonl").write_text("".join([lines[1], lines[0]]))
    moved = noxcli(*batch, "--resume")
    assert repetitions(moved) == [(1, None, 1), (1, None, 2)], moved.err
    assert len(sandbox.runs(workflow)) == 4


@pytest.mark.parametrize(
    "options", [("--repeat", "0"), ("--pass-each", "2"), ("--repeat", "2", "--pass-each", "0")]
)
def test_repetitions_that_mean_nothing_are_refused(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, options: tuple[str, ...]
) -> None:
    result = noxcli("batch", workflow, "rows.jsonl", *options)
    assert (result.code, result.out, sandbox.runs(workflow)) == (2, b"", [])


def test_a_row_is_good_once_enough_repetitions_have_run(noxcli: Noxcli, workflow: str) -> None:
    batch = ("batch", workflow, "rows.jsonl", "--repeat", "3", "--max-parallel", "1")
    options = ("--max-failures", "1", "--min-pass", "0%", "--pass-each")
    # Fails in the second repetition of the second row, whose first one was good.
    write_rows({"Q": "x", "$expect": "good"}, "y", "x")
    first = noxcli(*batch, *options, "2")
    assert len(first.lines) == 1, first.err
    assert "0 of 3 rows passed" in first.err
    second = noxcli(
        *batch, "--resume", "--limit", "1", "--assert", "output.A == 'good'", "--pass-each", "2"
    )
    assert (second.code, "        1 completed" in second.err) == (0, True), second.err


def test_a_repetition_that_is_missing_is_not_one_that_has_ended() -> None:
    summary = BatchSummary(total=2, repeat=2, pass_each=1)
    for code in (0, 8):
        summary.count(
            {"row": 1, "id": None, "result": {"exit_code": code, "run": None, "error": None}}
        )
    assert (summary.counts_by_outcome(), summary.exit_codes) == ([(1, "not finished")], [8])


def test_a_row_with_repetitions_to_come_has_no_verdict() -> None:
    summary = BatchSummary(total=9, min_pass=MinPass.read("60%"), repeat=3, pass_each=2)
    for row, code in ((1, 0), (2, 0), (2, 0), (3, 1)):
        summary.count(
            {"row": row, "id": None, "result": {"exit_code": code, "run": None, "error": None}}
        )
    assert (summary.rows, summary.counts_by_outcome()) == (3, [(1, "failed"), (2, "unfinished")])
