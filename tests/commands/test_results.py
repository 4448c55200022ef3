"""`noxcli results`: stored results judged again, and as a table for spreadsheets."""

import csv
from pathlib import Path
from typing import Any

import pytest

from noxcli.reports.spreadsheet import Sheet
from noxcli.sandbox.faults import Answer, LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import State, Step
from tests import runner
from tests.conftest import Noxcli, write_rows
from tests.process import environment, forked, watched
from tests.render.test_sharing import scrolled

Table = list[dict[str, str]]


@pytest.fixture
def batch(noxcli: Noxcli, plays: Any) -> str:
    """The directory of a batch with three rows, of which one fails."""

    def script(inputs: dict[str, Any]) -> list[Step]:
        return [State("failed")] if inputs["Question"] == "bad" else []

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "Answer": {"text": f"{inputs['Question']}!"},
            "Size": -1.50,
            "Parts": [1, {"a": None}],
        }

    workflow = plays(nodes=[input_node("Question")], script=script, output=output)
    two = {"$id": "two", "Question": "bad"}
    write_rows({"$id": "one", "Question": "=1+1"}, two, {"Question": 'two\r\nlines, "ü"'})
    noxcli("batch", workflow, "rows.jsonl")
    return "rows.jsonl.batch"


def table(name: str) -> Table:
    content = Path(name).read_bytes()
    assert content.startswith("\ufeffrow,".encode()), "Excel takes it for UTF-8"
    with Path(name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_a_table_has_a_line_for_each_row(noxcli: Noxcli, batch: str) -> None:
    result = noxcli("results", batch, "--csv", "table.csv")
    rows = table("table.csv")
    assert [*rows[0]] == [
        "row",
        "id",
        "Question",
        "Answer",
        "Size",
        "Parts",
        "status",
        "seconds",
        "run",
        "error",
    ]
    one, two, three = rows
    assert (one["Question"], one["Answer"], one["Size"], one["Parts"]) == (
        "'=1+1",
        "'=1+1!",
        "-1.5",
        '[1,{"a":null}]',
    )
    assert (two["id"], two["status"], two["Answer"], two["error"]) == (
        "two",
        "failed",
        "",
        "run failed",
    )
    assert (three["row"], three["id"], three["Question"]) == ("3", "", 'two\r\nlines, "ü"')
    assert three["run"] == result.lines[2]["result"]["run"]["id"]
    assert float(three["seconds"]) == result.lines[2]["result"]["run"]["duration_s"]
    noxcli("results", batch, "--csv", "table.csv", "--csv-raw")
    assert [row["Question"] for row in table("table.csv")][:2] == ["=1+1", "bad"]


def test_rows_of_a_status_are_printed_alone_and_all_are_counted(noxcli: Noxcli, batch: str) -> None:
    result = noxcli("results", batch, "--status", "failed", "--csv", "table.csv")
    assert ([line["id"] for line in result.lines], result.code) == (["two"], 1)
    assert [row["id"] for row in table("table.csv")] == ["two"]
    assert "3 rows in 1 directory" in result.err
    assert [line["row"] for line in noxcli("results", batch, "--status", "completed").lines] == [
        1,
        3,
    ]
    assert noxcli("results", batch, "--status", "stopped").lines == []


def line(output: Any, **more: Any) -> dict[str, Any]:
    result = {"exit_code": 0, "run": None, "error": None, "output": output}
    return {"row": 1, "id": None, "input": None, **more, "result": result}


def sheet(lines: list[dict[str, Any]]) -> str:
    """Return the table of these lines."""
    made = Sheet()
    for each in lines:
        made.add(each)
    return b"".join(made.pieces(lines)).decode("utf-8-sig")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *[
            (text, f"'{text}")
            for text in ("=1", "+a", "-", "@x", "\tx", "\rx", "-1-2", "+1e", "-1\n=2", "-inf")
        ],
        *[(text, text) for text in ("-1", "+1.5", "-.5e-10", "1=2", " =1", "'=1", "")],
        *[
            (-1.5, "-1.5"),
            (None, ""),
            (True, "true"),
            ({"text": "=a"}, "'=a"),
            ("\ud800", "\ufffd"),
        ],
    ],
)
def test_no_text_becomes_a_formula(value: Any, cell: str) -> None:
    header, *rows = csv.reader(sheet([line({"=A": value})]).splitlines(keepends=True), strict=True)
    assert (header[2], rows[0][2]) == ("'=A", cell)


def test_each_column_has_a_name_of_its_own() -> None:
    lines = [
        line("text", input={"run": 1, "a": 2}, columns={"a": 3, "a (input)": 7}),
        line({"a": 5, "a (output)": 6}, columns={"b": 4}),
    ]
    assert sheet(lines).splitlines()[0].split(",") == [
        *("row", "id", "a", "a (input)", "b", "run (input)", "a (input) (input)"),
        *("output", "a (output)", "a (output) (output)", "status", "seconds", "run", "error"),
    ]


def test_repetitions_have_a_column() -> None:
    assert sheet([line("a", repetition=1), line("b", repetition=2)]).splitlines() == [
        "row,id,repetition,output,status,seconds,run,error",
        "1,,1,a,completed,,,",
        "1,,2,b,completed,,,",
    ]


def test_stored_results_are_judged_anew(noxcli: Noxcli, batch: str) -> None:
    asked = noxcli(
        "results", batch, "--assert", "ok && length(row.Question) > `3`", "--junit", "report.xml"
    )
    assert [each["result"]["exit_code"] for each in asked.lines] == [0, 1, 0]
    report, (done, failed, _) = (
        Path("report.xml").read_text(),
        [each["result"]["run"] for each in asked.lines],
    )
    assert 'tests="6" failures="1" errors="0" skipped="1"' in report, "each row, and its assertion"
    assert f'time="{done["duration_s"]:.3f}"' in report
    assert f">run {failed['id']} of workflow " in report
    Path("expected.jsonl").write_text('{"$id": "one", "Answer": "2!"}\n')
    expected = noxcli("results", batch, "--expect", "expected.jsonl", "--csv", "table.csv")
    assert [each["result"]["exit_code"] for each in expected.lines] == [11, 1, 0]
    assert table("table.csv")[0]["error"] == (
        'completed, but --expect does not hold: /Answer is "=1+1!" and not "2!"'
    )


def test_a_terminal_gets_a_table(noxcli: Noxcli, batch: str) -> None:
    lines = [each.split() for each in noxcli.on_screen("results", batch, code=1)]
    assert lines[0] == ["ROW", "STATUS", "TIME", "OUTPUT"]
    assert [[each[0], each[2]] for each in lines[1:]] == [
        ["one", "completed"],
        ["two", "failed"],
        ["3", "completed"],
    ]
    assert (lines[1][4:], lines[2][3:]) == (["=1+1!"], ["run", "failed"])


def test_a_batch_on_a_terminal_ends_with_that_table(noxcli: Noxcli, sandbox: Sandbox) -> None:
    Path("two.jsonl").write_text(
        '{"$id": "b", "Question": "one"}\n{"$id": "a", "Question": "two"}\n'
    )
    argv = [*forked(), "batch", "qa", "two.jsonl", "--color", "never"]
    for columns, rows in ((60, 20), (0, 0)):
        seen = watched([*argv, "--fresh"], environment(sandbox.url), columns=columns, rows=rows)
        lines = [line.split() for line in scrolled(seen, columns or 80, rows or 24)]
        first = next(place for place, line in enumerate(lines) if line[0] == "ROW")
        found = [[*line[:3], *line[4:]] for line in lines[first + 1 : first + 3]]
        assert found == [
            ["b", "✓", "completed", "Answer", "to:", "one"],
            ["a", "✓", "completed", "Answer", "to:", "two"],
        ]
        assert (lines[-2], lines[-1][:2]) == (["2", "completed"], ["all", "results:"])
        assert b'{"row"' not in seen.raw
    batch = ("batch", "qa", "two.jsonl", "--fresh")
    assert sorted(noxcli.on_screen(*batch, "--query", "id")) == ["a", "b"], (
        "an asked form is printed as it is"
    )
    names = [line.split()[:2] for line in noxcli.on_screen(*batch, "--repeat", "9") if "✓" in line]
    assert names == [[row, f"#{repetition}"] for row in "ba" for repetition in range(1, 10)]


def test_a_results_file_that_was_cut_is_read_to_there(noxcli: Noxcli, batch: str) -> None:
    results = Path(batch, "results.jsonl")
    results.write_bytes(results.read_bytes()[:-20])
    result = noxcli("results", batch)
    assert f"warning: {results} has an incomplete last line, which was ignored" in result.err
    assert (result.code, len(result.lines)) == (1, 3)
    assert all(each["input"] for each in result.lines), "the last one's is from its table"


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_row_without_a_result_has_the_input_of_its_table(
    noxcli: Noxcli, plays: Any, form: str
) -> None:
    """Refused, in doubt, and not started."""
    rows = [
        {"no": f"n{number}", "Why": f"why {number}", "more": f"m{number}"} for number in range(40)
    ]
    text = write_rows(*rows) if form == "jsonl" else "rows.csv"
    Path("rows.csv").write_text(
        "".join(f"{','.join(row)}\n" for row in [rows[0], *(row.values() for row in rows)])
    )
    faults = {"start": [Answer(400, {"detail": "no"}), LostAnswer(), Answer(401, {}, repeat=True)]}
    workflow = plays(nodes=[input_node("Q"), input_node("P", default="p")], faults=faults)
    batch = (
        "batch",
        workflow,
        text,
        "P=x",
        "--id",
        "no",
        "--column=Q=Why",
        "--keep=more",
        "--max-parallel",
        "1",
    )
    first = noxcli(*batch, "--output-dir", "out", "--no-check")
    assert first.code == 2, first.err
    assert "--again doubtful starts the row in doubt again, and may run it twice" in first.err
    lines = noxcli("results", "out").lines
    codes = [line["result"]["exit_code"] for line in lines]
    assert (codes[:2], codes[-1]) == ([2, 7], 8)
    assert [line["id"] for line in lines] == [row["no"] for row in rows]
    assert [line["input"] for line in lines] == [{"P": "x", "Q": row["Why"]} for row in rows]
    assert [line["columns"] for line in lines] == [{"more": row["more"]} for row in rows]
    noxcli("results", "out", "--csv", "out.csv")
    assert all(row["Why"] in Path("out.csv").read_text() for row in rows)
    Path(text).write_text(Path(text).read_text().replace("why 39", "who"))
    stored = noxcli("results", "out").lines
    assert stored[:2] == lines[:2], "with what they had when they were taken"
    assert stored[-1]["input"] is None, "it is another table"


def test_the_last_line_of_a_run_counts_and_no_damaged_one(noxcli: Noxcli, batch: str) -> None:
    results = Path(batch, "results.jsonl")
    before = noxcli("results", batch).lines
    stored = next(
        line for line in results.read_text().splitlines(keepends=True) if '"row":3' in line
    )
    run = before[2]["result"]["run"]["id"]
    added = [
        stored.replace('"columns":{}', '"columns":{"Kept":"later"}'),
        stored.replace(run, "another").replace("!", "?"),
        stored.replace('"exit_code":0', '"exit_code":"0"').replace("!", "?"),
    ]
    assert len({stored, *added}) == 4
    results.write_text(results.read_text() + "".join(added))
    found = noxcli("results", batch)
    assert found.code == 1
    assert found.lines == [*before[:2], {**before[2], "columns": {"Kept": "later"}}]


def test_rows_to_which_a_server_gave_one_run_have_their_results(noxcli: Noxcli, batch: str) -> None:
    first, _, third = (line["result"]["run"]["id"] for line in noxcli("results", batch).lines)
    for path in (Path(batch, "batch.jsonl"), Path(batch, "results.jsonl")):
        path.write_text(path.read_text().replace(third, first))
    one, _, three = (line["result"]["output"] for line in noxcli("results", batch).lines)
    assert (one["Answer"]["text"], three["Answer"]["text"]) == ("=1+1!", 'two\r\nlines, "ü"!')


def test_a_run_whose_start_the_journal_lacks_has_its_result(noxcli: Noxcli, batch: str) -> None:
    journal, before = Path(batch, "batch.jsonl"), noxcli("results", batch).lines
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"step":"started"' not in line))
    assert len(journal.read_text().splitlines()) == len(lines) - 3
    assert noxcli("results", batch).lines == before


def test_a_ci_system_gets_what_was_judged(noxcli: Noxcli, batch: str) -> None:
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": "outputs",
        "GITHUB_STEP_SUMMARY": "summary.md",
    }
    result = noxcli("results", batch, "--assert", "ok && row.Question != '=1+1'", environ=environ)
    assert result.code == 1
    assert runner.outputs(Path("outputs")) == {"rows": "3", "completed": "1", "exit_code": "1"}
    assert "2 of 3 rows did not pass" in Path("summary.md").read_text()
    assert [command.name for command in runner.commands(result.err)] == ["error"] * 3, (
        "the verdict, and two reasons"
    )
    assert "::" not in noxcli("results", batch, environ={**environ, "NOXCLI_CI": "off"}).err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["--assert", "ok && row.question == 'x'"],
            "row.question, but no row has such a column; did you mean 'Question'?",
        ),
        (["--status", "fialed"], "--status fialed is not known; did you mean failed?"),
        (["--csv-raw"], "--csv-raw needs a table to write; add --csv FILE"),
        (["--csv", "rows.jsonl.batch/results.jsonl"], "belongs to the batch itself"),
        (["--csv", "-"], "--csv needs a file, and - is stdout; write --csv ./-, or another name"),
        (["--csv", "x", "--junit", "x"], "--junit and --csv name the same file: x"),
        (["--assert", "a b"], "--assert 'a b' is not a valid JMESPath expression"),
        (["--expect", "nowhere.csv"], "no such file"),
        (
            ["--expect", "rows.jsonl.batch/results.jsonl", "--min-pass", "900%"],
            "--min-pass 900% is not a valid share",
        ),
        (["--expect", "other.jsonl"], "--expect has 1 output without a row: 'three'"),
    ],
)
def test_mistakes_are_told_in_one_line(
    noxcli: Noxcli, batch: str, argv: list[str], said: str
) -> None:
    Path("other.jsonl").write_text('{"$id": "three", "Answer": "x"}\n')
    result = noxcli("results", batch, *argv)
    assert (result.code, result.out, result.err.count("\n")) == (2, b"", 1)
    assert said in result.err


def test_scores_and_groups_are_measured(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(
        nodes=[input_node("Q")], output=lambda inputs: {"A": len(inputs["Q"]), "B": inputs["Q"]}
    )
    rows = write_rows(
        {"Q": "a", "$team": "x"}, {"Q": "bbb", "$team": "x"}, {"Q": "cc", "$team": "y"}
    )
    assert noxcli("batch", workflow, rows).code == 0
    asked = [
        "--score",
        "output.A",
        "--by",
        "$team",
        "--assert",
        "output.B != 'a'",
        "--markdown",
        "comment.md",
    ]
    result = noxcli("results", f"{rows}.batch", *asked)
    assert [line["score"] for line in result.lines] == [1, 3, 2]
    assert (
        "Mean score: 2\n$team x: 1 of 2 rows passed (50.0%), score 2\n$team y: 1 of 1 row passed"
        in result.err
    )
    assert "$team x" in Path("comment.md").read_text()
    odd = noxcli("results", f"{rows}.batch", "--score", "output.B")
    assert (odd.code, "--score output.B finds no number" in odd.err) == (8, True)
    assert noxcli("batch", workflow, rows, "--repeat", "2", "--fresh").code == 0
    repeated = noxcli("results", f"{rows}.batch", *asked)
    assert (
        "$team x: 2 of 4 runs passed (50.0%), score 2\n$team y: 2 of 2 runs passed" in repeated.err
    )


def test_no_report_outlives_a_table_that_has_no_room(
    noxcli: Noxcli, plays: Any, small_disk: Path
) -> None:
    write_rows({"Question": "x" * 300_000})
    noxcli("batch", plays(nodes=[input_node("Question")], output={"Answer": "yes"}), "rows.jsonl")
    reports = ["--report", "page.html", "--junit", "cases.xml"]
    assert noxcli("results", "rows.jsonl.batch", *reports).code == 0
    result = noxcli("results", "rows.jsonl.batch", *reports, "--csv", str(small_disk / "table.csv"))
    assert result.code == 9
    for name in ("page.html", "cases.xml"):
        assert "no space left on device" in Path(name).read_text(), name
