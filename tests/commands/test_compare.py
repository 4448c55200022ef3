"""`noxcli compare`: rows in pairs, what became of each, and the exit code of the gate."""

import cProfile
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from noxcli.batchdir.results_file import parse_result_line
from noxcli.sandbox.scenario import input_node
from tests import runner
from tests.conftest import Noxcli

Line = dict[str, Any]


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


def written(name: str, lines: Iterable[Line]) -> str:
    """Write lines to a file, each of a run of its own."""
    texts = (json.dumps(each) for each in lines)
    Path(name).write_text(
        "".join(re.sub(r"\br(\d+)\b", rf"{name[0]}\1", f"{text}\n") for text in texts)
    )
    return name


def repeated(row: int, *results: tuple[Any, int]) -> list[Line]:
    return [
        line(row, answer, code, repetition=place) for place, (answer, code) in enumerate(results, 1)
    ]


def compared(
    noxcli: Noxcli, base: list[Line], new: list[Line], *argv: str
) -> tuple[int, list[list[str]]]:
    result = noxcli("compare", written("base.jsonl", base), written("new.jsonl", new), *argv)
    return result.code, [each.split("\t") for each in result.text.splitlines()]


TWO, NONE = "passed 2 of 2", "no answer in BASE (ended with 8)"
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
        ([line(1, None, 1)], [line(1, "x", 11)], 2, ["new", "id1", "no answer in BASE (failed); now ended with 11"]),
        ([line(1, "x y")], [line(1, "x z")], 0, ["changed", "id1", "Answer: x [-y-]{+z+}"]),
        ([line(1, "a\nb")], [line(1, "a\tb")], 0, ["changed", "id1", "Answer: a[- -]{+ +}b"]),
        ([line(1, 1)], [line(1, "1")], 0, ["changed", "id1", 'Answer: {+"+}1{+"+}']),
        ([line(1, {"text": "a"})], [line(1, "a")], 0, []),
        ([line(1, {"x": 1, "y": 2})], [line(1, {"y": 2, "x": 1})], 0, []),
        ([line(1, "x", 11)], [line(1, "y", 11)], 2, ["changed", "id1", "Answer: [-x-]{+y+}"]),
        ([line(1)], [line(1, seconds=2.1)], 0, ["slower", "id1", "1.0s -> 2.1s"]),
        ([line(1, seconds=8)], [line(1, seconds=9.9)], 0, []),
        ([line(1, seconds=1)], [line(1, seconds=2)], 0, []),
        ([line(1)], [line(1, "b", seconds=3)], 0, ["changed", "id1", "Answer: [-a-]{+b+}; 1.0s -> 3.0s"]),
        ([line(1)], [line(1, None, 6)], 8, ["missing", "id1", "no answer in NEW (ended with 6)"]),
        ([line(1, None, 8)], [line(1)], 8, ["new", "id1", "no answer in BASE (ended with 8); now completed"]),
        ([line(1, None, 8)], [line(1, "x", 11)], 8, ["new", "id1", f"{NONE}; now ended with 11"]),
        (repeated(1, GOOD, GOOD), repeated(1, GOOD, GOOD), 0, []),
        (repeated(1, GOOD, GOOD), repeated(1, OTHER, ("c", 0)), 0, ["changed", "id1", "Answer: [-a-]{+b+}"]),
        (repeated(1, GOOD, GOOD), repeated(1, GOOD, OTHER), 0, ["changed", "id1", "Answer: [-a-]{+b+}"]),
        (repeated(1, GOOD, OTHER), repeated(1, GOOD, GOOD), 0, ["varies", "id1", "2 outputs in 2, now 1 output in 2"]),
        (repeated(1, GOOD, GOOD), repeated(1, GOOD, BAD), 11, ["broken", "id1", f"{TWO}, now 1 of 2; ended with 1"]),
        (repeated(1, GOOD, GOOD), repeated(1, GOOD), 2, []),
    ],
)  # fmt: skip
def test_each_row_has_one_class(
    noxcli: Noxcli, base: list[Line], new: list[Line], code: int, listed: list[str]
) -> None:
    assert compared(noxcli, base, new) == (code, [listed] if listed else [])


def test_the_worst_come_first_and_the_same_are_counted(noxcli: Noxcli) -> None:
    base = [line(row) for row in range(1, 7)]
    new = [line(6, "b"), line(3, None, 1), line(2, seconds=5), line(1, None, 1), line(5), line(9)]
    result = noxcli("compare", written("base.jsonl", base), written("new.jsonl", new))
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
        "BASE base.jsonl: 6 of 6 rows passed (100.0%), median 1.0s, 95% within 1.0s",
        "NEW new.jsonl: 4 of 6 rows passed (66.7%), median 1.0s, 95% within 5.0s",
        "2 rows broke and 0 were fixed: an unchanged workflow breaks 2 or more of these 2 in 25 of 100 comparisons",
        "2 broken, 1 changed, 1 slower, 1 new, 1 missing, 1 same",
        "noxcli: of 7 rows, 2 broken: id1, id3",
    ]
    document = noxcli("compare", "base.jsonl", "new.jsonl", "--json").json
    assert (document["ok"], document["exit_code"], document["classes"]["same"]) == (False, 11, 1)
    totals = {
        "kind": "file",
        "workflow_id": "w",
        "version_id": None,
        "rows": 6,
        "passed": 4,
        "pass_rate": 0.6667,
        "median_s": 1.0,
        "p95_s": 5.0,
        "score": None,
    }
    unknown = dict.fromkeys(("workflow_name", "version_name", "table", "began_at", "ended_at"))
    assert document["new"] == {"source": "new.jsonl"} | totals | unknown
    assert document["reason"] == "of 7 rows, 2 broken: id1, id3"
    what = "no answer in NEW (not in this file)"
    about = {
        "class": "missing",
        "reason": what,
        "what": what,
        "id": "id4",
        "rows": {"base": 4, "new": None},
        "suspect": None,
        "slower": False,
    }
    runs = {"codes": {"base": [0], "new": []}, "runs": {"base": ["b4"], "new": []}}
    assert document["rows"][-1] == about | runs | {"seconds": {"base": 1.0, "new": None}}
    assert noxcli("compare", "base.jsonl", "new.jsonl", "--query", "rows[0].id").text == "id1\n"


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
    base, new = [line(1), line(2), line(3)], [line(1, "b"), line(2, "c", seconds=9)]
    assert compared(noxcli, base, new, *argv)[0] == code


def test_a_ci_system_gets_the_rows_that_fail(noxcli: Noxcli) -> None:
    base, new = [line(row) for row in range(1, 8)], [line(1, "b"), line(2, seconds=9), line(7)]
    new += [line(row, "x\ny", 11) for row in (3, 4, 5, 6)]
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary.md"}
    files = (written("base.jsonl", base), written("new.jsonl", [*new[:1], *new[2:]]))
    result = noxcli("compare", *files, "--junit", "report.xml", environ=environ)
    assert result.code == 11
    told = [command.data for command in runner.commands(result.err) if command.name == "error"]
    assert told[:2] == ["of 7 rows, 4 broken: id3, id4, id5, …", "id3: ended with 11"]
    assert len(told) == 5
    summary = Path("summary.md").read_text()
    assert summary.startswith("<!-- noxcli compare base.jsonl and new.jsonl -->\n")
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
    assert suite[0][0].text == "ended with 11\nAnswer: [-a-]{+x\ny+}"


def test_a_comparison_of_different_workflows_is_told(noxcli: Noxcli) -> None:
    other = line(1)
    other["result"]["run"]["workflow_id"] = "v"
    result = noxcli("compare", written("base.jsonl", [line(1)]), written("new.jsonl", [other]))
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
        8,
        [["missing", "2", "no answer in NEW (not in this file)"]],
    )


SHARED, NO_PAIR = (
    "an input that all rows share differs: 'Tone'",
    "no row of new.jsonl has the id and the input of a row",
)


@pytest.mark.parametrize(
    ("tones", "times", "code", "said"),
    [
        ([{"Tone": "kind"}] * 5, 1, 0, SHARED),
        ([{}] * 5, 1, 0, SHARED),
        ([{"Tone": each} for each in "12345"], 1, 2, NO_PAIR),
        ([{"Tone": "kind"}] * 3, 2, 2, NO_PAIR),  # repetitions do not make more rows
    ],
)
def test_only_an_input_of_all_rows_may_differ(
    noxcli: Noxcli, tones: list[dict[str, str]], times: int, code: int, said: str
) -> None:
    base, new = list[Line](), list[Line]()
    for row, tone in enumerate(tones, 1):
        for each in repeated(row, *[GOOD] * times):
            base.append({**each, "input": {"Q": row, **tone}})
            new.append({**each, "input": {"Q": row, "Tone": "curt"}})
    result = noxcli("compare", written("base.jsonl", base), written("new.jsonl", new))
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
    files = written("base.jsonl", base), written("new.jsonl", new)
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
        written("base.jsonl", scored(*[5] * 9)),
        written("new.jsonl", scored(*[4] * 5, *[5] * 4)),
    )
    result = noxcli("compare", *files, *SCORE, "--fail-on", "worse")
    assert (result.code, "too few scores differ to tell" in result.err) == (0, True)


@pytest.mark.parametrize("odd", ["high", True, 1e12, None, [1]])
def test_an_answer_without_a_number_is_not_judged(noxcli: Noxcli, odd: Any) -> None:
    files = written("base.jsonl", scored(5, 5)), written("new.jsonl", [line(1, 5), line(2, [odd])])
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
    files = written("base.jsonl", base), written("new.jsonl", new)
    result = noxcli("compare", *files, "--pass-each", "1", "--fail-on", "worse", "--json")
    assert result.code == 11
    assert result.json["chance"] == {"less_often": 7, "more_often": 0, "share": 0.0078125}
    assert "noxcli: NEW is worse as a whole: 7 rows pass less often and 0 more often" in result.err
    assert noxcli("compare", *files, "--pass-each", "1").code == 0
    chosen = written("base.jsonl", [{**base[0], "asked": 2}, *base[1:]])
    result = noxcli("compare", chosen, files[1], "--pass-each", "1", "--fail-on", "worse")
    assert (
        result.code,
        "1 row of BASE were re-run, so that NEW can't be found worse" in result.err,
    ) == (0, True)


def test_a_verdict_that_was_printed_is_given_anew(noxcli: Noxcli) -> None:
    judged = line(1, "b", 11)
    judged["result"]["assertions"] = [
        {"name": "--assert x", "holds": False, "message": "no", "diff": None}
    ]
    assert compared(noxcli, [line(1, "b")], [judged])[0] == 0
    assert (
        "ignored the printed verdicts, since BASE and NEW were checked differently"
        in noxcli("compare", "base.jsonl", "new.jsonl").err
    )
    good = line(1, "a")
    good["result"]["assertions"] = [{**judged["result"]["assertions"][0], "holds": True}]
    assert compared(noxcli, [good], [judged])[0] == 11
    assert compared(noxcli, [line(1, "b")], [judged], "--assert", "output.Answer == 'b'")[0] == 0


def test_a_terminal_shows_what_an_assertion_compared() -> None:
    written("base.jsonl", [line(1, "Yes, to all of it.")])
    written("new.jsonl", [line(1, "No, to a part of it.")])
    argv = ["compare", "base.jsonl", "new.jsonl", "--assert", "contains(output.Answer, 'all')"]
    head, row, _, words = Noxcli().on_screen(*argv, code=11)
    assert (head.split(), row.split(maxsplit=3)[2:]) == (
        ["CHANGE", "ROW", "WHAT"],
        ["id1", 'contains("No, to a part of it.", "all")'],
    )
    assert words == "id1, Answer: [-Yes-]{+No+}, to [-all-]{+a part+} of it."


def test_two_versions_of_a_workflow_are_compared(noxcli: Noxcli) -> None:
    questions = ["When do you open?", "Do you ship to Norway?", "Where is my invoice?"]
    written("rows.jsonl", [{"Question": each} for each in questions])
    written("expected.jsonl", [{"row": 2, "Answer": "Yes, we ship to all of Europe."}])
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
    written("rows.jsonl", [{"Question": f"question {number}"} for number in range(rows)])
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
    written(
        "rows.jsonl",
        [{"$id": f"q{place}", "Question": each} for place, each in enumerate(questions)],
    )
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
        written("base.jsonl", [line(1, old)]),
        written("new.jsonl", [line(1, new)]),
        "--json",
    )
    assert (
        result.code,
        result.json["classes"]["changed"],
        result.json["compared"]["unread_files"],
    ) == (0, 1, 1)
    assert "1 row that changed with files of which only the addresses are known" in result.err


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


def test_a_run_is_compared_with_a_run(noxcli: Noxcli, plays: Any) -> None:
    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"Essay": f"{'word ' * 5000}{inputs['Q']}"}

    workflow = plays(nodes=[input_node("Q")], output=output)
    ids = []
    for word in ("one", "two"):
        ids.append(noxcli.start(workflow, f"Q={word}"))
        noxcli("wait", ids[-1])
    Path("one.json").write_text(noxcli("fetch-output", ids[0], "--json").text)
    for base, new in [(ids[0], "@last"), ("one.json", ids[1])]:
        result = noxcli("compare", base, new)
        assert (result.code, result.text.split("\t")[0]) == (0, "changed"), result.err
        assert result.text.endswith("word word word word [-one-]{+two+}\n"), (
            "the full text, not a preview"
        )
    failed = noxcli.ended(plays(status="failed"))
    result = noxcli("compare", ids[0], failed)
    assert (result.code, result.text.startswith("broken\t1\trun failed at ")) == (11, True)


@pytest.mark.parametrize(
    ("base", "new", "said"),
    [
        ("base.jsonl new.jsonl", "new.jsonl", "unexpected argument: "),
        (
            "base.jsonl",
            "nowhere.jsonl",
            "nowhere.jsonl is neither a file nor a run id; give the directory of a batch",
        ),
        ("base.jsonl", "text", "line 1 of text is not a result"),
        ("base.jsonl", "doubled.jsonl", "NEW doubled.jsonl has 2 rows with the id 'id1'"),
        ("twice.jsonl", "base.jsonl", "BASE twice.jsonl has several lines for row 1"),
        ("base.jsonl", "other.jsonl", "no row of other.jsonl has the id of a row of base.jsonl"),
        ("base.jsonl", "far.jsonl", "line 1 of far.jsonl is not a result"),
        ("below.jsonl", "base.jsonl", "line 1 of below.jsonl is not a result"),
        ("listed.jsonl", "base.jsonl --assert ok&&row.x", "line 1 of listed.jsonl is not a result"),
        ("repeated.jsonl", "base.jsonl", "line 1 of repeated.jsonl is not a result"),
        ("minus.jsonl", "base.jsonl", "line 1 of minus.jsonl is not a result"),
        (
            "base.jsonl",
            "base.jsonl",
            "NEW base.jsonl has no run that BASE base.jsonl lacks, so nothing can differ",
        ),
        (
            "base.jsonl",
            "empty.jsonl",
            "BASE has 2 rows and NEW has 0 rows, but no row of empty.jsonl has the ",
        ),
        ("empty.jsonl", "base.jsonl", "to judge NEW alone: noxcli results base.jsonl --assert …"),
        ("empty.jsonl", "empty.jsonl", "BASE has 0 rows and NEW has 0 rows"),
        (
            "base.jsonl",
            "asked.jsonl",
            "no row of asked.jsonl has the id and the input of a row of base.jsonl",
        ),
        (
            "base.jsonl",
            "next.jsonl --assert output.Answr!='bad'",
            "BASE base.jsonl has no such output; did you mean",
        ),
        (
            "base.jsonl",
            "next.jsonl --assert output.Extra!='bad'",
            "BASE base.jsonl has no such output; to judge NEW",
        ),
        (
            "next.jsonl",
            "base.jsonl --assert output.Extra!='bad'",
            "but NEW base.jsonl has no such output",
        ),
        (
            "base.jsonl",
            "next.jsonl --assert ok&&row.q=='1'",
            "--assert names row.q, but no row has such a column",
        ),
        (
            "base.jsonl",
            "next.jsonl --expect answr.jsonl",
            "names 'Answr' for 1, but NEW next.jsonl has no such",
        ),
        (
            "base.jsonl",
            "kept.jsonl --assert contains(output.Answer,row.e)",
            "each row has an empty 'e', which",
        ),
        ("unnamed.jsonl", "base.jsonl", "unnamed.jsonl has a result with neither an id nor inputs"),
        ("runs.jsonl", "runs.jsonl", "BASE runs.jsonl has several lines for row 1"),
        ("runs.jsonl", "base.jsonl", "BASE runs.jsonl has several lines for row 1"),
        ("run.json", "base.jsonl", "no row of base.jsonl has the input of a row of run.json"),
        (
            "base.jsonl",
            "next.jsonl --expect expected.jsonl",
            "--expect has 1 output without a row: 'id9'",
        ),
        ("base.jsonl", ".", "can't read the journal batch.jsonl: no such file"),
        ("base.jsonl", "base.jsonl --pass-each 0", "pass-each"),
        ("base.jsonl", "base.jsonl --fail-on fixed", "fail-on"),
        ("base.jsonl", "base.jsonl --report base.jsonl", "NEW and --report name the same file"),
    ],
)
def test_what_is_unclear_is_refused(noxcli: Noxcli, base: str, new: str, said: str) -> None:
    written("base.jsonl", [line(1), line(2)])
    written("twice.jsonl", [line(1), line(1)])
    written("doubled.jsonl", [line(1), line(2, id="id1")])
    written("other.jsonl", [line(1, id="x")])
    written("far.jsonl", [line(10**30)])
    written("below.jsonl", [line(-1)])
    written("listed.jsonl", [{**line(1), "columns": ["x"]}])
    written("repeated.jsonl", [{**line(1), "repetition": [1]}])
    written("minus.jsonl", [{**line(1), "repetition": -1}])
    written("unnamed.jsonl", [line(1, id=None, input=None)])
    written("runs.jsonl", [{"schema": "noxcli.result/1", **line(row)["result"]} for row in (1, 2)])
    written("run.json", [{"schema": "noxcli.result/1", **line(1)["result"]}])
    written("empty.jsonl", [])
    written("asked.jsonl", [line(1, input={"Q": "other"}), line(2, input={"Q": "other"})])
    written(
        "next.jsonl",
        [
            line(1),
            {**line(2), "result": {**line(2)["result"], "output": {"Answer": "a", "Extra": 1}}},
        ],
    )
    Path("answr.jsonl").write_text('{"row": 1, "Answr": "a"}\n')
    written("kept.jsonl", [{**line(row), "columns": {"e": ""}} for row in (1, 2)])
    Path("text").write_text("some text\n")
    Path("expected.jsonl").write_text('{"$id": "id9", "Answer": "a"}\n')
    result = noxcli("compare", *base.split(), *new.split())
    assert (result.code, result.out) == (2, b""), result.err
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_a_side_has_a_limit(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.compare.side.MAX_LINES", 2)
    lines = [line(1), line(2), line(3)]
    result = noxcli("compare", written("base.jsonl", lines), written("new.jsonl", lines))
    assert (result.code, "base.jsonl has more than 2 lines; compare parts of it" in result.err) == (
        2,
        True,
    )
