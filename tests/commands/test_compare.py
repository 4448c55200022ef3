"""`noxcli compare`: rows in pairs, what became of each, and the exit code of the gate."""

import cProfile
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from noxcli.batchdir.results_file import parse_result_line
from tests import runner
from tests.conftest import Noxcli, write_rows
from tests.sides import Line, stored


def line(
    row: int, answer: Any = "a", code: int = 0, *, seconds: float | None = 1.0, **more: Any
) -> Line:
    error = None if code == 0 else {"message": f"run r{row} ended with {code}"}
    run = {"id": f"r{row}", "workflow_id": "w", "duration_s": seconds}
    output = None if answer is None else {"Answer": answer}
    result = {"exit_code": code, "run": run, "error": error, "output": output}
    return {
        "row": row,
        "id": f"id{row}",
        "input": {"Q": row},
        "columns": None,
        "result": result,
        **more,
    }


def repeated(row: int, *results: tuple[Any, int]) -> list[Line]:
    return [
        line(row, answer, code, repetition=place) for place, (answer, code) in enumerate(results, 1)
    ]


def compared(
    noxcli: Noxcli, base: list[Line], new: list[Line], *argv: str
) -> tuple[int, list[list[str]]]:
    """Compare two batches in which an answer is wrong that begins with `bad`."""
    is_right = ("--assert", "!starts_with(to_string(output.Answer), 'bad')")
    result = noxcli("compare", stored("base", base), stored("new", new), *is_right, *argv)
    return result.code, [each.split("\t") for each in result.text.splitlines()]


TWO, NONE = "passed 2 of 2", "no answer in BASE (ended with 8)"
WRONG = '--assert !starts_with(to_string(output.Answer), \'bad\') does not hold: starts_with("bad", "bad")'
GOOD, OTHER, BAD = ("a", 0), ("b", 0), (None, 1)


@pytest.mark.parametrize(
    ("base", "new", "code", "listed"),
    [
        ([line(1)], [line(1)], 0, []),
        ([line(1)], [line(1, None, 1)], 11, ["broken", "id1", "ended with 1"]),
        ([line(1)], [line(1, None, 2)], 8, ["missing", "id1", "no answer in NEW (ended with 2)"]),
        ([line(1)], [line(1, None, 3)], 8, ["missing", "id1", "no answer in NEW (ended with 3)"]),
        ([line(1, None, 1)], [line(1)], 0, ["fixed", "id1", "was: ended with 1"]),
        ([line(1, None, 1), line(2)], [line(1, None, 1), line(2)], 0, []),
        ([line(1, None, 1)], [line(1, None, 3)], 8, ["missing", "id1", "no answer in NEW (ended with 3)"]),
        ([line(1, None, 1)], [line(1, "bad")], 2, ["new", "id1", f"no answer in BASE (failed); now {WRONG}"]),
        ([line(1, "x y")], [line(1, "x z")], 0, ["changed", "id1", "Answer: x [-y-]{+z+}"]),
        ([line(1, "a\nb")], [line(1, "a\tb")], 0, ["changed", "id1", "Answer: a[- -]{+ +}b"]),
        ([line(1, 1)], [line(1, "1")], 0, ["changed", "id1", 'Answer: {+"+}1{+"+}']),
        ([line(1, {"text": "a"})], [line(1, "a")], 0, []),
        ([line(1, {"x": 1, "y": 2})], [line(1, {"y": 2, "x": 1})], 0, []),
        ([line(1, "bad x")], [line(1, "bad y")], 2, ["changed", "id1", "Answer: bad [-x-]{+y+}"]),
        ([line(1)], [line(1, seconds=2.1)], 0, ["slower", "id1", "1.0s -> 2.1s"]),
        ([line(1, seconds=8)], [line(1, seconds=9.9)], 0, []),
        ([line(1, seconds=1)], [line(1, seconds=2)], 0, []),
        ([line(1)], [line(1, "b", seconds=3)], 0, ["changed", "id1", "Answer: [-a-]{+b+}; 1.0s -> 3.0s"]),
        ([line(1)], [line(1, None, 6)], 8, ["missing", "id1", "no answer in NEW (ended with 6)"]),
        ([line(1, None, 8)], [line(1)], 8, ["new", "id1", "no answer in BASE (ended with 8); now completed"]),
        ([line(1, None, 8)], [line(1, "bad")], 8, ["new", "id1", f"{NONE}; now {WRONG}"]),
        (repeated(1, GOOD, GOOD), repeated(1, GOOD, GOOD), 0, []),
        (repeated(1, GOOD, GOOD), repeated(1, OTHER, ("c", 0)), 0, ["changed", "id1", "Answer: [-a-]{+b+}"]),
        (repeated(1, GOOD, GOOD), repeated(1, GOOD, OTHER), 0, ["changed", "id1", "Answer: [-a-]{+b+}"]),
        (repeated(1, GOOD, OTHER), repeated(1, GOOD, GOOD), 0, ["varies", "id1", "2 outputs in 2, now 1 output in 2"]),
        (repeated(1, GOOD, GOOD), repeated(1, GOOD, BAD), 11, ["broken", "id1", f"{TWO}, now 1 of 2; ended with 1"]),
    ],
)  # fmt: skip
def test_each_row_has_one_class(
    noxcli: Noxcli, base: list[Line], new: list[Line], code: int, listed: list[str]
) -> None:
    assert compared(noxcli, base, new) == (code, [listed] if listed else [])


def test_the_worst_come_first_and_the_same_are_counted(noxcli: Noxcli) -> None:
    base = [line(row) for row in range(1, 7)]
    new = [line(6, "b"), line(3, None, 1), line(2, seconds=5), line(1, None, 1), line(5), line(9)]
    new.append(line(4, None, 6))
    result = noxcli("compare", stored("base", base), stored("new", new))
    assert [each.split("\t")[:2] for each in result.text.splitlines()] == [
        *(
            ["broken", "id1"],
            ["broken", "id3"],
            ["changed", "id6"],
            ["slower", "id2"],
            ["new", "id9"],
        ),
        ["missing", "id4"],
    ]
    assert result.err.splitlines() == [
        "BASE base: 6 of 6 rows passed (100.0%), median 1.0s, 95% within 1.0s",
        "NEW new: 4 of 7 rows passed (57.1%), median 1.0s, 95% within 5.0s",
        "2 rows broke and 0 were fixed: an unchanged workflow breaks 2 or more of these 2 in 25 of 100 comparisons",
        "2 broken, 1 changed, 1 slower, 1 new, 1 missing, 1 same",
        "noxcli: of 7 rows, 2 broken: id1, id3",
    ]
    document = noxcli("compare", "base", "new", "--json").json
    assert (document["ok"], document["exit_code"], document["classes"]["same"]) == (False, 11, 1)
    totals = {
        "kind": "directory",
        "workflow_id": "w",
        "version_id": None,
        "rows": 7,
        "passed": 4,
        "pass_rate": 0.5714,
        "median_s": 1.0,
        "p95_s": 5.0,
        "score": None,
    }
    unknown = dict.fromkeys(("workflow_name", "version_name", "began_at", "ended_at"))
    assert (
        document["new"]
        == {"source": "new", "table": "rows.jsonl", "record_version_ids": []} | totals | unknown
    )
    assert document["reason"] == "of 7 rows, 2 broken: id1, id3"
    what = "no answer in NEW (ended with 6)"
    about = {
        "class": "missing",
        "reason": what,
        "what": what,
        "id": "id4",
        "rows": {"base": 4, "new": 7},
        "suspect": None,
        "slower": False,
    }
    runs = {"codes": {"base": [0], "new": [6]}, "runs": {"base": ["base-4"], "new": ["new-7"]}}
    assert document["rows"][-1] == about | runs | {"seconds": {"base": 1.0, "new": None}}
    assert noxcli("compare", "base", "new", "--query", "rows[0].id").text == "id1\n"


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ([], 8),
        (["--allow-missing"], 0),
        (["--fail-on", "changed"], 11),
        (["--assert", "output.Answer == 'a'"], 11),
        (["--assert", "output.Answer != 'a'", "--allow-missing"], 0),
        (["--fail-on", "removed", "--fail-on", "new"], 8),
        (["--assert", "output.Anser == 'a'", "--allow-missing"], 2),
    ],
)
def test_the_options_decide_what_fails(noxcli: Noxcli, argv: list[str], code: int) -> None:
    base = [line(1), line(2), line(3)]
    new = [line(1, "b"), line(2, "c", seconds=9), line(3, None, 6)]
    assert compared(noxcli, base, new, *argv)[0] == code


def test_a_ci_system_gets_the_rows_that_fail(noxcli: Noxcli) -> None:
    base = [line(row) for row in range(1, 8)]
    new = [line(1, "b"), line(2, None, 6), *(line(row, "x\ny") for row in (3, 4, 5, 6)), line(7)]
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary.md"}
    sides = stored("base", base), stored("new", new)
    ask = ("--assert", "!contains(output.Answer, 'x')")
    result = noxcli("compare", *sides, *ask, "--junit", "report.xml", environ=environ)
    assert result.code == 11
    wrong = """--assert !contains(output.Answer, 'x') does not hold: contains("x\\ny", "x")"""
    told = [command.data for command in runner.commands(result.err) if command.name == "error"]
    assert told[:2] == ["of 7 rows, 4 broken: id3, id4, id5, …", f"id3: {wrong}"]
    assert len(told) == 5
    summary = Path("summary.md").read_text()
    assert summary.startswith("<!-- noxcli compare base and new -->\n")
    assert summary.count("<h3>") == 1
    assert "<h3>noxcli compare failed: 4 broken, 1 changed, 1 missing, 1 same</h3>" in summary
    assert (
        "<p>BASE <code><del>a</del></code></p>\n\n<p>NEW <code><ins>x<br>y</ins></code></p>"
        in summary
    )
    assert "changed id1 (1): Answer: [-a-]{+b+}" in summary
    assert "11: of 7 rows, 4 broken: id3, id4, id5, …" in summary

    suite = ElementTree.parse("report.xml").getroot()[0]
    verdicts = {case.get("name"): [(each.tag, each.get("type")) for each in case] for case in suite}
    assert verdicts == {
        "row 1 (id1)": [],
        "row 2 (id2)": [("error", "missing")],
        **{f"row {row} (id{row})": [("failure", "broken")] for row in (3, 4, 5, 6)},
        "row 7 (id7)": [],
    }
    assert suite[0][0].text == f"{wrong}\nAnswer: [-a-]{{+x\ny+}}"


def test_a_comparison_of_different_workflows_is_told(noxcli: Noxcli) -> None:
    sides = stored("base", [line(1)]), stored("new", [line(1)], workflow="v")
    result = noxcli("compare", *sides)
    assert (result.code, result.err.splitlines()[0]) == (
        0,
        "warning: BASE is of workflow w, NEW of v",
    )


def test_so_many_repetitions_must_be_good(noxcli: Noxcli) -> None:
    base, new = repeated(1, GOOD, GOOD, GOOD), repeated(1, GOOD, GOOD, BAD)
    assert compared(noxcli, base, new)[0] == 11
    assert compared(noxcli, base, new, "--pass-each", "2")[0] == 0
    assert compared(noxcli, base, new, "--pass-each", "4")[0] == 2
    unfinished = repeated(1, GOOD, GOOD, (None, 124))
    assert compared(noxcli, base, unfinished)[0] == 8
    assert compared(noxcli, base, unfinished, "--pass-each", "2")[0] == 0


def test_rows_are_paired_by_id_or_else_by_input(noxcli: Noxcli) -> None:
    base = [line(1, "x"), line(2, "y")]
    moved = [line(2, "x", id="id1", input={"Q": 1}), line(1, "y", id="id2", input={"Q": 2})]
    assert compared(noxcli, base, moved) == (0, [])
    for each in base:
        each["id"] = None
    moved = [line(1, "y", input={"Q": 2}, id=None), line(2, "x", input={"Q": 1}, id=None)]
    assert compared(noxcli, base, moved) == (0, [])
    same = [line(row, answer, id=None, input={"Q": 1}) for row, answer in ((1, "x"), (2, "y"))]
    assert compared(noxcli, same, same) == (0, [])
    assert compared(noxcli, same, same[:1]) == (
        0,
        [["removed", "2", "not in NEW"]],
    )


SHARED = "an input that all rows share differs: 'Tone'"
NO_PAIR = "but 5 of 5 rows of one id had another Tone, so nothing was compared"


@pytest.mark.parametrize(
    ("tones", "constants", "code", "said"),
    [
        ([{"Tone": "kind"}] * 5, {"Tone": "kind"}, 0, SHARED),
        ([{}] * 5, {}, 0, SHARED),
        ([{"Tone": each} for each in "12345"], {}, 2, NO_PAIR),
        ([{"Tone": "kind"}] * 5, {}, 2, NO_PAIR),
    ],
)
def test_only_an_input_of_all_rows_may_differ(
    noxcli: Noxcli, tones: list[dict[str, str]], constants: dict[str, str], code: int, said: str
) -> None:
    base, new = list[Line](), list[Line]()
    for row, tone in enumerate(tones, 1):
        base.append(line(row, input={"Q": row, **tone}))
        new.append(line(row, input={"Q": row, "Tone": "curt"}))
    files = (
        stored("base", base, constants=constants),
        stored("new", new, constants={"Tone": "curt"}),
    )
    result = noxcli("compare", *files)
    assert (result.code, said in result.err) == (code, True), result.err


def scored(*scores: Any) -> list[Line]:
    """Return a row for each score, which an answer has as its number; None for one that failed."""
    return [
        line(row, None, 1) if score is None else line(row, score, columns={"team": "ab"[row % 2]})
        for row, score in enumerate(scores, 1)
    ]


SCORE = ("--score", "output.Answer", "--by", "team")


def test_scores_are_compared_with_an_interval(noxcli: Noxcli) -> None:
    base, new = scored(*[5] * 10, 7, None), scored(4, 3, 5, 4, 4, 2, 4, 3, 5, 4, None, 7)
    files = stored("base", base), stored("new", new)
    result = noxcli("compare", *files, *SCORE, "--json", "--allow-missing", "--fail-on", "worse")
    assert result.code == 11
    document = result.json
    found = document["score"]
    assert (found["base"], found["new"], found["rows"], found["without"]) == (5, 3.8, 10, 2)
    assert (round(found["low"], 4), round(found["high"], 4)) == (-2.0199, -0.3801)
    said = (
        "score 5, now 3.8: -1.2 (98 % interval -2.02 to -0.38, 10 rows; 2 without a score)".replace(
            "-", "\N{MINUS SIGN}"
        )
    )
    assert said in document["notes"]
    assert said in result.err
    (team,) = [group for group in document["groups"] if group["value"] == "b"]
    assert (team["column"], team["base"]["rows"], team["new"]["score"]) == ("team", 5, 4.4)
    assert noxcli("compare", *files, *SCORE, "--allow-missing").code == 11, "a row broke"
    assert (
        noxcli(
            "compare", *files, "--score", "output.Answer", "--by", "taem", "--allow-missing"
        ).code
        == 2
    )


def test_few_scores_that_differ_tell_nothing(noxcli: Noxcli) -> None:
    files = (
        stored("base", scored(*[5] * 9)),
        stored("new", scored(*[4] * 5, *[5] * 4)),
    )
    result = noxcli("compare", *files, *SCORE, "--fail-on", "worse")
    assert (result.code, "too few scores differ to tell" in result.err) == (0, True)


@pytest.mark.parametrize("odd", ["high", True, 1e12, None, [1]])
def test_an_answer_without_a_number_is_not_judged(noxcli: Noxcli, odd: Any) -> None:
    files = stored("base", scored(5, 5)), stored("new", [line(1, 5), line(2, [odd])])
    result = noxcli("compare", *files, "--score", "output.Answer[0] || output.Answer")
    assert result.code == 8, result.err
    assert (
        "missing\tid2\tno answer in NEW (--score output.Answer[0] || output.Answer finds no number)"
        in result.text
    )


def test_many_rows_that_break_are_worse_as_a_whole(noxcli: Noxcli) -> None:
    base = [row for number in range(1, 11) for row in repeated(number, GOOD, GOOD)]
    new = [
        row
        for number in range(1, 11)
        for row in repeated(number, GOOD, BAD if number < 8 else GOOD)
    ]
    files = stored("base", base), stored("new", new)
    result = noxcli("compare", *files, "--pass-each", "1", "--fail-on", "worse", "--json")
    assert result.code == 11
    assert result.json["chance"] == {"less_often": 7, "more_often": 0, "share": 0.0078125}
    assert "noxcli: NEW is worse as a whole: 7 rows pass less often and 0 more often" in result.err
    assert noxcli("compare", *files, "--pass-each", "1").code == 0
    chosen = stored("base", [{**base[0], "asked": 2}, *base[1:]])
    result = noxcli("compare", chosen, files[1], "--pass-each", "1", "--fail-on", "worse")
    assert (
        result.code,
        "1 row of BASE were re-run, so that NEW can't be found worse" in result.err,
    ) == (0, True)


def test_a_terminal_shows_what_an_assertion_compared() -> None:
    stored("base", [line(1, "Yes, to all of it.")])
    stored("new", [line(1, "No, to a part of it.")])
    argv = ["compare", "base", "new", "--assert", "contains(output.Answer, 'all')"]
    head, row, _, words = Noxcli().on_screen(*argv, code=11)
    assert (head.split(), row.split(maxsplit=3)[2:]) == (
        ["CHANGE", "ROW", "WHAT"],
        ["id1", 'contains("No, to a part of it.", "all")'],
    )
    assert words == "id1, Answer: [-Yes-]{+No+}, to [-all-]{+a part+} of it."


def test_two_versions_of_a_workflow_are_compared(noxcli: Noxcli) -> None:
    questions = ["When do you open?", "Do you ship to Norway?", "Where is my invoice?"]
    write_rows(*({"Question": each} for each in questions))
    write_rows({"row": 2, "Answer": "Yes, we ship to all of Europe."}, name="expected.jsonl")
    for version in ("base", "new"):
        noxcli("batch", "review", "rows.jsonl", "--version-id", version, "--output-dir", version)
    result = noxcli("compare", "base", "new", "--expect", "expected.jsonl", "--report", "page.html")
    assert result.code == 11
    assert [each.split("\t") for each in result.text.splitlines()] == [
        [
            *("broken", "2"),
            '--expect does not hold: /Answer is "No, we ship to the EU only." and not "Yes, we ship to all of Europe."',
        ],
        ["changed", "1", "Answer: We open at 9{+ on weekdays, and at 10 on Saturdays+}."],
    ]
    page = Path("page.html").read_text()
    assert "<del>Yes</del>, we ship to <del>all of Europe</del>." in page
    assert "<ins>No</ins>, we ship to <ins>the EU only</ins>." in page
    assert noxcli("compare", "base", "base").code == 2
    with Path("new/results.jsonl").open("ab") as file:
        file.write(b'{"row":')
    assert (
        "new/results.jsonl has an incomplete last line, which was ignored"
        in noxcli("compare", "base", "new").err
    )


def test_each_stored_line_is_parsed_once(noxcli: Noxcli) -> None:
    rows = 10
    write_rows(*({"Question": f"question {number}"} for number in range(rows)))
    for directory in ("base", "new"):
        noxcli("batch", "qa", "rows.jsonl", "--output-dir", directory)
    new = Path("new/results.jsonl")
    new.write_text(new.read_text().replace("Answer to:", "Other answer to:"))
    for argv in (("compare", "base", "new"), ("results", "new")):
        profile = cProfile.Profile()
        result = profile.runcall(noxcli, *argv)
        assert len(result.text.splitlines()) == rows
        reads = sum(
            each.callcount for each in profile.getstats() if each.code is parse_result_line.__code__
        )
        assert reads == rows * (len(argv) - 1)


def test_a_batch_with_repetitions_is_judged_by_row(noxcli: Noxcli) -> None:
    questions = ["Which tea do you recommend?", "Where is my invoice?"]
    write_rows(*({"$id": f"q{place}", "Question": each} for place, each in enumerate(questions)))
    for directory, times in (("base", "4"), ("new", "4")):
        noxcli(
            "batch",
            "review",
            "rows.jsonl",
            "--repeat",
            times,
            "--output-dir",
            directory,
            "--max-parallel",
            "1",
        )
    result = noxcli("compare", "base", "new")
    assert (result.code, result.text) == (0, "varies\tq0\t2 outputs in 4, now 2 outputs in 4\n")
    tea = ("--assert", "output.Answer != 'Try the Sencha.'")
    assert noxcli("results", "base", *tea).code == 11
    assert noxcli("results", "base", *tea, "--pass-each", "2").code == 0
    asked = ("--assert", "contains(output.Answer, 'Assam') || row.\"$id\" == 'q1'")
    assert noxcli("compare", "base", "new", *asked, "--pass-each", "1").code == 0
    judged = noxcli("compare", "base", "new", *asked, "--pass-each", "3")
    assert (judged.code, judged.text.split("\t")[0]) == (0, "varies"), judged.err


def test_files_of_which_only_the_address_is_known_are_told(noxcli: Noxcli) -> None:
    old, new = (
        {"id": each, "uri": f"spot://{each}", "name": "a.pdf", "content_type": "application/pdf"}
        for each in "xy"
    )
    result = noxcli(
        "compare",
        stored("base", [line(1, old)]),
        stored("new", [line(1, new)]),
        "--json",
    )
    assert (
        result.code,
        result.json["classes"]["changed"],
        result.json["compared"]["unread_files"],
    ) == (0, 1, 1)
    assert "1 row that changed with files of which only the addresses are known" in result.err


def test_rows_that_kept_their_run_are_compared_beside_new_ones(noxcli: Noxcli) -> None:
    """A copy of a batch in which some rows were asked again shares the runs of the others."""
    stored("base", [line(1), line(2)])
    stored("new", [line(1), line(2, "other")])
    for file in ("batch.jsonl", "results.jsonl"):
        path = Path("new", file)
        path.write_text(path.read_text().replace('"new-1"', '"base-1"'))
    result = noxcli("compare", "base", "new", "--json")
    classes = result.json["classes"]
    assert (result.code, classes["same"], classes["changed"]) == (0, 1, 1), result.err


def test_a_page_has_a_limit(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.reports.html.comparison_page.MAX_ROWS", 50_000)
    base, new = (
        [line(row, f"{word} {'x' * 300}") for row in range(1, 201)] for word in ("old", "new")
    )
    assert compared(noxcli, base, new, "--report", "page.html")[0] == 0
    page = Path("page.html").read_text()
    shown = page.count('class="changed warn"><summary')
    assert 0 < shown < 200
    assert f"{200 - shown} more rows are not on this page; noxcli compare lists them all." in page


@pytest.mark.parametrize(("others", "code"), [(0, 0), (2, 0), (3, 2)])
def test_most_rows_must_ask_what_they_asked_before(noxcli: Noxcli, others: int, code: int) -> None:
    """A column of which the types were not known before is another input in each row."""
    stored("base", [line(row, input={"Q": str(row), "N": "7"}) for row in range(1, 5)])
    now = [7 if row <= others else "7" for row in range(1, 5)]
    stored("new", [line(row, input={"Q": str(row), "N": now[row - 1]}) for row in range(1, 5)])
    result = noxcli("compare", "base", "new", "--allow-missing")
    assert result.code == code, result.err
    said = "but 3 of 4 rows of one id had another N, so nothing was compared"
    assert (said in result.err) == (code == 2)


@pytest.mark.parametrize(
    ("base", "new", "said"),
    [
        ("base new", "new", "unexpected argument: "),
        ("base", "nowhere", "nowhere is not the directory of a batch; give its --output-dir"),
        ("base", "lines.jsonl", "lines.jsonl is not the directory of a batch"),
        ("@last", "base", "@last is not the directory of a batch"),
        ("base", "doubled", "NEW doubled has 2 rows with the id 'id1'"),
        ("base", "other", "no row of other has the id of a row of base"),
        ("base", "base", "NEW base has no run that BASE base lacks, so nothing can differ"),
        ("base", "empty", "BASE has 2 rows and NEW has 0 rows, but no row of empty has the "),
        ("empty", "base", "to judge NEW alone: noxcli results base --assert …"),
        ("empty", "empty", "BASE has 0 rows and NEW has 0 rows"),
        ("base", "unbegun", "NEW unbegun has started none of its rows; finish NEW with: noxcli "),
        ("base", "asked", "but 2 of 2 rows of one id had another Q, so nothing was compared"),
        ("base", "twice", "BASE has 1 repetition of each row, and NEW 2"),
        ("base", "next --assert output.Answr!='bad'", "BASE base has no such output; did you mean"),
        ("base", "next --assert output.Extra!='bad'", "BASE base has no such output; to judge NEW"),
        ("next", "base --assert output.Extra!='bad'", "but NEW base has no such output"),
        ("base", "next --assert ok&&row.q=='1'", "--assert names row.q, but no row has such a column"),
        ("base", "next --expect answr.jsonl", "names 'Answr' for 1, but NEW next has no such"),
        ("base", "kept --assert contains(output.Answer,row.e)", "each row has an empty 'e', which"),
        ("base", "next --expect expected.jsonl", "--expect has 1 output without a row: 'id9'"),
        ("base", ".", "can't read the journal batch.jsonl: no such file"),
        ("base", "base --pass-each 0", "pass-each"),
        ("base", "base --fail-on fixed", "fail-on"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused(noxcli: Noxcli, base: str, new: str, said: str) -> None:
    stored("base", [line(1), line(2)])
    stored("doubled", [line(1), line(2, id="id1")])
    stored("other", [line(1, id="x")])
    stored("empty", [])
    stored("unbegun", [])
    journal = Path("unbegun/batch.jsonl")
    header = {**json.loads(journal.read_text()), "rows": 300_000}
    journal.write_text(f"{json.dumps(header)}\n")
    stored("asked", [line(1, input={"Q": "other"}), line(2, input={"Q": "other"})])
    stored("twice", repeated(1, GOOD, GOOD))
    stored("next", [line(1), line(2)])
    more = Path("next/results.jsonl").read_text().replace('"Answer":"a"', '"Answer":"a","Extra":1')
    Path("next/results.jsonl").write_text(more)
    stored("kept", [{**line(row), "columns": {"e": ""}} for row in (1, 2)])
    Path("lines.jsonl").write_text(f"{json.dumps(line(1))}\n")
    Path("answr.jsonl").write_text('{"row": 1, "Answr": "a"}\n')
    Path("expected.jsonl").write_text('{"$id": "id9", "Answer": "a"}\n')
    result = noxcli("compare", *base.split(), *new.split())
    assert (result.code, result.out) == (2, b""), result.err
    assert said in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("side", "other", "change", "code"), [("new", "base", "missing", 8), ("base", "new", "new", 0)]
)
def test_an_answer_of_another_version_is_none(
    noxcli: Noxcli, side: str, other: str, change: str, code: int
) -> None:
    stored(side, [line(1), line(2)])
    stored(other, [line(1), line(2)])
    header, *steps = Path(side, "batch.jsonl").read_text().splitlines()
    asked = json.dumps({**json.loads(header), "version_id": "v2"})
    Path(side, "batch.jsonl").write_text("\n".join([asked, *steps, ""]))
    first, *others = Path(side, "results.jsonl").read_text().splitlines()
    answer = json.loads(first)
    answer["result"]["run"]["version_id"] = "v1"
    Path(side, "results.jsonl").write_text("\n".join([json.dumps(answer), *others, ""]))
    result = noxcli("compare", "base", "new", "--json")
    classes = result.json["classes"]
    assert (result.code, classes[change], classes["same"]) == (code, 1, 1), result.err
