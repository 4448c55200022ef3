"""Tables as users keep them: ids, inputs, expectations and notes side by side, and what becomes of each column."""

import json
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result


@pytest.fixture
def capitals(plays: Any) -> str:
    """It answers with the capital of its input, and is wrong about Kenya."""
    known = {"France": "Paris", "Peru": "Lima\n", "Kenya": "Mombasa"}
    return str(
        plays(
            nodes=[input_node("Country")], output=lambda inputs: {"City": known[inputs["Country"]]}
        )
    )


def table(text: str, name: str = "rows.csv") -> str:
    Path(name).write_text(text)
    return name


def by_id(result: Result) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in result.lines}


def codes(result: Result) -> dict[str, int]:
    return {name: line["result"]["exit_code"] for name, line in by_id(result).items()}


SHEET = 'id,Country,expected,notes\nfr,France,Paris,easy\npe,Peru,Lima,\nke,Kenya,Nairobi,"hard,\nold"\n'


def test_a_spreadsheet_works_as_it_is(noxcli: Noxcli, sandbox: Sandbox, capitals: str) -> None:
    line = ("batch", capitals, table(SHEET), "--id", "id", "--keep", "expected", "--keep", "notes")
    result = noxcli(
        *line,
        "--assert",
        "row.expected == output.City || row.notes == 'easy' || row.\"$id\" == 'pe'",
    )
    assert (result.code, codes(result)) == (11, {"fr": 0, "pe": 0, "ke": 11}), result.err
    french, kenyan = by_id(result)["fr"], by_id(result)["ke"]
    assert (french["input"], french["columns"]) == (
        {"Country": "France"},
        {"expected": "Paris", "notes": "easy"},
    )
    assert kenyan["columns"]["notes"] == "hard,\nold"
    assert by_id(result)["pe"]["columns"] == {"expected": "Lima", "notes": ""}
    assert [set(run.input) for run in sandbox.runs(capitals)] == [{"Country"}] * 3
    assert codes(noxcli("results", "rows.csv.batch")) == {"fr": 0, "pe": 0, "ke": 0}


def test_columns_that_changed_are_stored_again_however_many(
    noxcli: Noxcli, capitals: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.batch.resume.MAX_CHANGED", 2)
    sheet = "id,Country,notes\n1,France,old\n2,Peru,old\n3,Kenya,old\n"
    batch = ("batch", capitals, table(sheet), "--id", "id", "--keep", "notes")
    assert noxcli(*batch).code == 0
    table(sheet.replace("old", "new"))
    assert noxcli(*batch, "--resume").code == 0
    assert [line["columns"] for line in noxcli("results", "rows.csv.batch").lines] == [
        {"notes": "new"}
    ] * 3


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize(
    ("assertion", "said"),
    [
        (
            "row.expectd == output.City",
            "--assert names row.expectd, but no row has such a column; did you mean 'exp",
        ),
        (
            "output.Citty == row.expected",
            "the workflow has no output 'Citty'; did you mean 'City'?",
        ),
        ("contains(output.City, row.expected) && row.\"$id\" == null && row.Note == 'x'", ""),
    ],
)
def test_an_assertion_names_what_there_is(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, name: str, assertion: str, said: str
) -> None:
    nodes = [input_node("Country"), input_node("Note", default=""), output_node("City")]
    workflow = str(plays(nodes=nodes, output={"City": "Paris"}))
    text = '{"Country": "France", "expected": "Paris", "Note": "x"}\n'
    file = table(text if name == "rows.jsonl" else "Country,expected,Note\nFrance,Paris,x\n", name)
    result = noxcli("batch", workflow, file, "--keep", "expected", "--assert", assertion)
    assert (result.code, said in result.err, len(sandbox.runs(workflow))) == (
        2 if said else 0,
        True,
        not said,
    ), result.err


def test_reserved_columns_need_no_option(noxcli: Noxcli, capitals: str) -> None:
    file = table(
        '$id,Country,$expect,$notes\nfr,France, Paris ,x\npe,Peru,"{""City"": ""Lima""}",\nke,Kenya,,\n'
    )
    result = noxcli("batch", capitals, file, "--junit", "report.xml")
    assert (result.code, codes(result)) == (11, {"fr": 0, "pe": 11, "ke": 0}), (
        "texts in an object count exactly"
    )
    assert by_id(result)["pe"]["columns"] == {"$expect": {"City": "Lima"}, "$notes": ""}
    assert by_id(result)["fr"]["columns"] == {"$expect": " Paris ", "$notes": "x"}
    (verdict,) = by_id(result)["pe"]["result"]["assertions"]
    assert (verdict["name"], verdict["message"]) == ("$expect", '/City is "Lima\\n" and not "Lima"')
    assert 'name="row 2 (pe): $expect"' in Path("report.xml").read_text()
    again = noxcli("results", "rows.csv.batch")
    assert (again.code, codes(again)) == (11, codes(result))


@pytest.mark.parametrize(
    ("expect", "code", "said"),
    [
        ({"A": "x"}, 0, ""),
        ({"A": "x", "B": 3}, 11, "/B is 2 and not 3"),
        ("x", 11, "it is for one output, but the run has 2; write a JSON object"),
        (None, 2, "each row has no expected output ($expect), so nothing is checked"),
        ({}, 2, "row 1 expects no output: its $expect is {}"),
    ],
)
def test_an_expectation_is_by_output(
    noxcli: Noxcli, plays: Any, expect: Any, code: int, said: str
) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "x", "B": 2})
    result = noxcli(
        "batch", workflow, table(json.dumps({"Q": "x", "$expect": expect}), "rows.jsonl")
    )
    assert (result.code, said in result.err) == (code, True)


def test_an_empty_expectation_expects_nothing(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "x"})
    expecting = [{"Q": "a", "$expect": "x"}, {"Q": "b", "$expect": ""}]
    rows = "".join(f"{json.dumps(row)}\n" for row in expecting)
    result = noxcli("batch", workflow, table(rows, "rows.jsonl"))
    assert (result.code, len(result.lines)) == (0, 2)
    assert "1 of 2 rows has no expected output ($expect)" in result.err


def test_a_reserved_name_may_be_an_input(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    workflow = str(plays(nodes=[input_node("$lang"), input_node("Name")]))
    result = noxcli("batch", workflow, table("Name,$lang,$note\na,en,n\n"), "--id", "Name")
    (line,) = result.lines
    assert (line["id"], line["columns"], line["input"]) == (
        "a",
        {"$note": "n"},
        {"$lang": "en", "Name": "a"},
    )
    assert sandbox.runs(workflow)[0].input == line["input"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        (
            "nr,country,notes,tags",
            (),
            "'nr', 'country', 'notes' and 'tags' are not inputs of the workflow; "
            "did you mean 'Country' for 'country'? keep what is not sent with --keep nr --keep notes --keep tags",
        ),
        (
            "Country,ID,expected,notes",
            (),
            "'ID', 'expected' and 'notes' are not inputs of the workflow; "
            "name the rows with --id ID and keep what is not sent with --keep expected --keep notes",
        ),
        (
            "Country,notes",
            (),
            "'notes' is not an input of the workflow; keep what is not sent with --keep notes",
        ),
        (
            "Country,notes",
            ("--keep", "note"),
            "--keep names 'note', but the file has no such column; did you mean",
        ),
        (
            "Country,nr",
            ("--id", "id", "--keep", "nr"),
            "--id names 'id', but the file has no such column; it has",
        ),
        (
            "Country,n",
            ("--keep", "Country", "--keep", "n"),
            "--keep names 'Country', which is an input",
        ),
        (
            "Country,$id,x",
            ("--keep", "x"),
            "row 2 (line 2) has the id of row 1 (line 1) (the first of 2 such rows)",
        ),
        (
            "Country,x",
            ("--id", "x"),
            "row 2 (line 2) has the id of row 1 (line 1) (the first of 2 such rows)",
        ),
    ],
)
def test_mistakes_about_columns_are_told_once(
    noxcli: Noxcli,
    sandbox: Sandbox,
    capitals: str,
    name: str,
    header: str,
    options: tuple[str, ...],
    said: str,
) -> None:
    names = header.split(",")
    cells = ["France" if name == "Country" else "1" for name in names]
    if name == "rows.jsonl":
        text = f"{json.dumps(dict(zip(names, cells, strict=True)))}\n" * 3
    else:
        text, said = (
            f"{header}\n" + f"{','.join(cells)}\n" * 3,
            said.replace("(line 2)", "(line 3)"),
        )
        said = said.replace("(line 1)", "(line 2)")
    result = noxcli("batch", capitals, table(text, name), *options)
    assert (result.code, result.out, sandbox.runs(capitals)) == (2, b"", [])
    told = [line for line in result.err.splitlines() if said in line]
    assert len(told) == 1, result.err
    assert len(result.err.splitlines()) == (2 if "and 2 more rows: " in result.err else 1)


def test_without_a_check_only_kept_columns_are_not_sent(noxcli: Noxcli, plays: Any) -> None:
    workflow = str(plays(nodes=[input_node("Name")]))
    file = table("Name,other,$x,note\na,b,c,d\n")
    result = noxcli("batch", workflow, file, "--keep", "note", "--no-check")
    assert [line["input"] for line in result.lines] == [{"Name": "a", "other": "b"}]


def test_a_changed_expectation_is_judged_anew(
    noxcli: Noxcli, sandbox: Sandbox, capitals: str
) -> None:
    def rows(*expected: str | None, **more: str) -> str:
        given = zip(("France", "Kenya"), expected, strict=True)
        lines = [
            {"Country": name, **({"$expect": city} if city else {}), **more} for name, city in given
        ]
        return table("".join(f"{json.dumps(line)}\n" for line in lines), "rows.jsonl")

    def kept() -> list[Any]:
        lines = Path("rows.jsonl.batch/results.jsonl").read_text().splitlines()
        return [
            line["columns"] for line in sorted(map(json.loads, lines), key=lambda line: line["row"])
        ]

    again = ("batch", capitals, "rows.jsonl", "--resume")
    rows(None, None)
    assert noxcli(*again).code == 0
    rows("Paris", "Nairobi")
    wrong = noxcli(*again)
    assert (wrong.code, wrong.out, "row 2: run " in wrong.err) == (11, b"", True), wrong.err
    assert noxcli("results", "rows.jsonl.batch").code == 11
    rows("Paris", "Mombasa", **{"$note": "new"})
    assert (noxcli(*again).code, noxcli("results", "rows.jsonl.batch").code) == (0, 0)
    assert kept() == [{"$expect": "Paris", "$note": "new"}, {"$expect": "Mombasa", "$note": "new"}]
    rows("Lyon", "Mombasa")
    assert noxcli(*again).code == 11
    rows(None, None)
    assert (noxcli(*again).code, noxcli("results", "rows.jsonl.batch").code, kept()) == (
        0,
        0,
        [{}, {}],
    )
    assert len(sandbox.runs(capitals)) == 2


def test_what_was_printed_can_be_expected(noxcli: Noxcli, capitals: str, plays: Any) -> None:
    file = table("$id,Country\nfr,France\nke,Kenya\n,Peru\n")
    Path("base.jsonl").write_bytes(noxcli("batch", capitals, file).out)
    same = noxcli("batch", capitals, file, "--output-dir", "again", "--expect", "base.jsonl")
    assert (same.code, [len(line["result"]["assertions"]) for line in same.lines]) == (0, [1, 1, 1])
    other = str(plays(nodes=[input_node("Country")], output={"City": "Paris"}))
    result = noxcli("batch", other, file, "--output-dir", "other", "--expect", "base.jsonl")
    assert (result.code, result.codes) == (11, {1: 0, 2: 11, 3: 11})
    failing = str(plays(nodes=[input_node("Country")], status="failed"))
    Path("failed.jsonl").write_bytes(noxcli("batch", failing, file, "--output-dir", "failing").out)
    unknown = noxcli(
        "batch", capitals, file, "--output-dir", "again", "--resume", "--expect", "failed.jsonl"
    )
    assert (unknown.code, "--expect failed.jsonl expects nothing" in unknown.err) == (2, True)


def test_an_expected_file_replaces_what_rows_expect(noxcli: Noxcli, capitals: str) -> None:
    file = table("$id,Country,$expect\nfr,France,Lyon\nke,Kenya,Nairobi\n")
    expected = table("$id,City\nfr,Paris\n", "expected.csv")
    result = noxcli("batch", capitals, file, "--expect", expected)
    assert (result.code, codes(result)) == (0, {"fr": 0, "ke": 0})


def test_secrets_are_masked_in_kept_columns(noxcli: Noxcli, plays: Any) -> None:
    workflow = str(plays(nodes=[input_node("Token"), input_node("N")], output={"A": "x"}))
    noxcli.environ["MINE"] = "tr0ub4dor-and-3"
    result = noxcli(
        "batch", workflow, table("N,$note\n1,by tr0ub4dor-and-3\n"), "--secret", "Token=MINE"
    )
    assert [line["columns"] for line in result.lines] == [{"$note": "by ***"}]
    assert all("tr0ub4dor" not in path.read_text() for path in Path("rows.csv.batch").iterdir())
