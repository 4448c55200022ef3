"""A workflow tested with a table of examples: `--expect` and `--assert` for each row, and the report for programs."""

import json
from pathlib import Path
from typing import Any

import pytest
from junitparser import Failure, JUnitXml

from noxcli.checks.row_checker import compared
from noxcli.masking import Mask
from noxcli.sandbox.scenario import input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows

Lines = list[dict[str, Any]]


@pytest.fixture
def squares(plays: Any) -> str:
    """A workflow that squares its input, except for 13, and says so in words."""

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        number = int(inputs["N"])
        return {"Square": number * number + (number == 13), "Words": f"It  is\n{number * number}."}

    workflow: str = plays(nodes=[input_node("N", type="int")], output=output)
    return workflow


def test_rows_with_outputs_and_three_assertions_each(
    noxcli: Noxcli, squares: str, tmp_path: Path
) -> None:
    rows = write_rows(*[{"$id": f"case-{n}", "N": n} for n in range(1, 21)])
    expected = write_rows(
        *[{"$id": f"case-{n}", "Square": n * n} for n in range(1, 21)], name="expected.jsonl"
    )
    asserts = [
        "output.Square >= row.N",
        "contains(output.Words, to_string(row.N)) || row.N > `3`",
        "output.Square != `49`",
    ]
    argv = [word for text in asserts for word in ("--assert", text)]
    result = noxcli(
        *("batch", squares, rows, "--expect", expected, "--max-parallel", "32", *argv),
        *("--junit", str(tmp_path / "report.xml")),
    )
    assert result.code == 11
    by_id = {line["id"]: line["result"] for line in result.lines}
    broken = {name: found["exit_code"] for name, found in by_id.items() if found["exit_code"]}
    assert broken == {"case-13": 11, "case-7": 11, "case-2": 11, "case-3": 11}
    assert by_id["case-13"]["assertions"][0]["message"] == "/Square is 170 and not 169"
    assert by_id["case-13"]["assertions"][0]["diff"] == "Square: [-169-]{+170+}"
    assert "4 completed, assertion failed" in result.err
    assert "4 of 20 rows failed a check" in result.err

    (suite,) = JUnitXml.fromfile(str(tmp_path / "report.xml"))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (100, 4, 0, 0)
    failed = {case.name: case.result[0] for case in suite if case.result}
    assert all(type(each) is Failure for each in failed.values())
    assert failed["row 13 (case-13): --expect"].message == "/Square is 170 and not 169"
    assert failed["row 7 (case-7): --assert output.Square != `49`"].message == "49 != 49"

    assert noxcli("results", f"{rows}.batch").code == 0, "it has what the server gave"


def test_stored_results_are_judged_by_every_call(
    noxcli: Noxcli, squares: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    rows = write_rows({"N": 13}, {"N": 2})
    batch = ("batch", squares, rows)
    assert noxcli(*batch, "--assert", "output.Square == `4`").code == 11
    kept = (tmp_path / "rows.jsonl.batch/results.jsonl").read_text().splitlines()
    assert [json.loads(line)["result"]["exit_code"] for line in kept] == [0, 0], (
        "as the server gave them"
    )
    assert "assertions" not in kept[0] + kept[1]
    assert noxcli(*batch, "--resume").code == 0
    again = noxcli(*batch, "--assert", "output.Square > row.N", "--resume")
    assert (again.code, again.out) == (0, b""), "the corrected assertion holds"
    wrong = noxcli(
        *batch,
        "--assert",
        "ok && row.N == `2`",
        "--resume",
        "--junit",
        str(tmp_path / "report.xml"),
    )
    assert (wrong.code, wrong.out, "row 1: run " in wrong.err) == (11, b"", True), (
        "a new assertion is checked"
    )
    (suite,) = JUnitXml.fromfile(str(tmp_path / "report.xml"))
    assert [type(each) for case in suite for each in case.result] == [Failure]
    expected = write_rows({"Square": 169}, name="e.jsonl")
    assert noxcli(*batch, "--expect", expected, "--resume").code == 11
    assert len(sandbox.runs(squares)) == 2


def test_rows_without_an_id_match_by_number_also_in_csv(
    noxcli: Noxcli, squares: str, tmp_path: Path
) -> None:
    rows = write_rows({"N": 1}, {"N": 2}, {"N": 3})
    expected = tmp_path / "expected.csv"
    expected.write_text('Words,Square\n"It  is\n1. ", 1\n,4\n')
    result = noxcli("batch", squares, rows, "--expect", str(expected), "--max-parallel", "1")
    assert result.code == 0, result.err
    assert "warning: 1 of 3 rows has no expected output (--expect)" in result.err
    assert ["assertions" in line["result"] for line in result.lines] == [True, True, False]


def test_a_secret_is_not_told_by_what_is_demanded_of_a_row(
    noxcli: Noxcli, plays: Any, tmp_path: Path
) -> None:
    workflow = plays(nodes=[input_node("Token"), input_node("N")], output={"A": "x"})
    rows = write_rows({"N": "1"})
    result = noxcli(
        *("batch", workflow, rows, "--secret", "Token=MINE", "--assert", "ok && row.Token == `1`"),
        *("--junit", str(tmp_path / "report.xml")),
        environ={"MINE": "tr0ub4dor-and-3"},
    )
    assert result.code == 11
    left = [result.text, result.err, (tmp_path / "report.xml").read_text()]
    assert all("***" in text and " == 1" in text for text in left)
    kept = [path.read_text() for path in (tmp_path / "rows.jsonl.batch").iterdir()]
    assert all("tr0ub4dor" not in text for text in [*left, *kept])


@pytest.mark.parametrize("option", ["--expect", "$expect"])
def test_each_name_that_is_expected_must_be_an_output(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, option: str
) -> None:
    squares = plays(
        nodes=[input_node("N", type="int"), output_node("Square"), output_node("Words")]
    )
    wanted = {"Square": 4, "Wrods": "x"}
    argv = (
        ["--expect", write_rows({"row": 2, **wanted}, name="wanted.jsonl")]
        if option == "--expect"
        else []
    )
    own = {} if argv else {"$expect": wanted}
    result = noxcli("batch", squares, write_rows({"N": 1}, {"N": 2, **own}), *argv)
    assert (result.code, sandbox.runs(squares)) == (2, [])
    assert (
        f"{option} names 'Wrods' for 2, but the workflow has no such output; did you mean 'Words'?"
        in result.err
    )


@pytest.mark.parametrize(
    ("wanted", "found", "place"),
    [
        ({"A": 1}, {"A": 1.0, "B": 2}, None),
        ({"A": 1}, {"A": True}, "/A is true and not 1"),
        ({"A": "x y"}, {"A": "x  y"}, '/A is "x  y" and not "x y"'),
        ({"A": "x y"}, {"A": "x y "}, '/A is "x y " and not "x y"'),
        ({"A": "x y"}, {"A": "x\u00a0y"}, '/A is "x\\u00a0y" and not "x y"'),
        ({"A": "\u00e9"}, {"A": "e\u0301"}, '/A is "e\\u0301" and not "\\u00e9"'),
        ({"A": "'x'"}, {"A": "\u2018x\u2019"}, """/A is "\\u2018x\\u2019" and not "'x'\""""),
        ({"A": "x"}, {"A": {"text": "x"}}, None),
        ({"A": {"k": 1}}, {"A": {"text": {"k": 1, "l": 2}}}, None),
        ({"A": {"text": "x"}}, {"A": {"text": "x"}}, None),
        ({"A": "x"}, {"A": {"text": "x", "has_preview": False, "file": None}}, None),
        (
            {"A": {"has_preview": False}},
            {"A": {"text": "x", "has_preview": False, "file": None}},
            None,
        ),
        ({"A": "1"}, {"A": 1}, '/A is 1 and not "1"'),
        ({"A": [1, 2]}, {"A": [1]}, "/A is [1] and not [1,2]"),
        ({"A": 1}, {}, "/A is missing"),
        ({"A": 1}, None, "/A is missing"),
        ({"A": {"b": 1}}, {"A": {"b": 1, "c": 2}, "D": 3}, None),
        ({"A": [{"b": 1}]}, {"A": [{"b": 1, "c": 2}]}, None),
        ({"A": [{"b": 1}]}, {"A": [{"b": 2}]}, "/A/0/b is 2 and not 1"),
        ({"A/b": None}, {}, "/A~1b is missing"),
    ],
)
def test_only_what_is_expected_counts(wanted: Any, found: Any, place: str | None) -> None:
    told = compared("--expect", wanted, frozenset(), found, Mask())
    assert (told.holds, told.message) == (place is None, place)
    assert (told.diff is None) == told.holds


@pytest.mark.parametrize(
    ("cell", "found", "holds"),
    [(" x y", "x y\n", True), ("1", 1, True), ("x y", "x  y", False), ("x", {"text": " x"}, True)],
)
def test_cells_are_texts_without_surrounding_blanks(cell: str, found: Any, *, holds: bool) -> None:
    assert compared("--expect", {"A": cell}, {"A"}, {"A": found}, Mask()).holds == holds


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        ([{"$id": "a", "Square": 1}, {"$id": "b", "Square": 4}], 0, ""),
        ([{"$id": "a", "Square": 1}], 0, "warning: 1 of 2 rows has no expected output (--expect)"),
        (
            [{"$id": "a", "Square": 1}, {"$id": "c", "Square": 9}],
            2,
            "--expect has 1 output without a row: 'c'",
        ),
        ([{"row": 1, "Square": 1}, {"row": 2, "Square": 4}], 0, ""),
        ([{"row": 2, "Square": 1}], 11, "row 2 (b): run "),
        ([{"Square": 1}, {"Square": 4}], 0, ""),
        ([{"$id": "", "Square": 1}, {"$id": None, "Square": 4}], 0, ""),
        ([{"$id": "1", "Square": 1}], 2, "--expect has 1 output without a row: '1'"),
        (
            [{"$id": "a", "Square": 1}, {"row": 2, "Square": 4}],
            2,
            "with an id (row 1 (line 1)) and a row's number",
        ),
        (
            [{"$id": "1", "Square": 2}, {"$id": 1, "Square": 2}],
            2,
            "row 2 (line 2): '1' appears twice",
        ),
        ([[1]], 2, "row 1: it is not a JSON object"),
        ([{"$id": "a"}], 2, "row 1 (line 1): it names no output"),
        ([], 2, "--expect e.jsonl expects nothing"),
    ],
)
def test_a_line_of_expectations_is_for_a_row(
    noxcli: Noxcli, sandbox: Sandbox, squares: str, lines: Lines, code: int, said: str
) -> None:
    rows = write_rows({"$id": "a", "N": 1}, {"$id": "b", "N": 2})
    result = noxcli("batch", squares, rows, "--expect", write_rows(*lines, name="e.jsonl"))
    assert (result.code, said in result.err) == (code, True), result.err
    assert len(sandbox.runs(squares)) == (0 if code == 2 else 2)


def test_an_output_that_no_row_has_is_told_at_the_end(noxcli: Noxcli, squares: str) -> None:
    expected = write_rows({"Sqare": 1}, name="e.jsonl")
    result = noxcli("batch", squares, write_rows({"N": 1}), "--expect", expected)
    assert (result.code, len(result.lines), "--expect names 'Sqare' for 1, but" in result.err) == (
        2,
        1,
        True,
    )


def test_a_secret_is_hidden_before_its_words_are_compared() -> None:
    told = compared(
        "--expect",
        {"A": "hunter2"},
        frozenset(),
        {"A": "hunter2-hunter2"},
        Mask(["hunter2-hunter2"]),
    )
    assert told.diff == "A: [-hunter2-]{+***+}"
