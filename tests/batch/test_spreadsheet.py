"""A table as German Excel saves it, from the first call to the table of its results."""

import csv
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli

HEADER = "ID;Frage, kurz;Kunde;Note;;"
ROWS = [
    '7;"Was heißt ""Fluss""; und warum?";Müller;-3,5;;',
    ";;;;;",
    "8;Ja, bitte;=HYPERLINK(1);;;",
    ";;;;;",
    ";;;;;",
]
RENAMED = ("--id", "ID", "--column", "Question=Frage, kurz", "--keep", "Kunde", "--keep", "Note")


@pytest.fixture
def asks(plays: Any) -> str:
    nodes = [input_node("Question"), output_node("Answer"), output_node("Score")]
    return str(
        plays(nodes=nodes, output=lambda inputs: {"Answer": f"{inputs['Question']}!", "Score": 0.5})
    )


def saved(*lines: str, name: str = "Fragen.csv") -> str:
    Path(name).write_bytes("\r\n".join(["\ufeff" + lines[0], *lines[1:], ""]).encode())
    return name


def test_a_sheet_of_german_excel_is_run_and_given_back(
    noxcli: Noxcli, sandbox: Sandbox, asks: str
) -> None:
    result = noxcli("batch", asks, saved(HEADER, *ROWS), *RENAMED)
    assert result.code == 0, result.err
    assert "Fragen.csv uses semicolons" in result.err
    assert "Fragen.csv has 3 empty rows, skipped: the first is in line 3" in result.err
    sent = {run.input["Question"] for run in sandbox.runs(asks)}
    assert sent == {'Was heißt "Fluss"; und warum?', "Ja, bitte"}
    assert noxcli("results", "Fragen.csv.batch", "--csv", "out.csv").code == 0
    content = Path("out.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfrow;id;")
    assert content.count(b"\r\n") == 3
    first, second = csv.DictReader(content.decode("utf-8-sig").splitlines(), delimiter=";")
    assert (first["id"], first["Kunde"], first["Note"]) == ("7", "Müller", "-3,5")
    assert (first["Question"], first["Answer"]) == (
        'Was heißt "Fluss"; und warum?',
        'Was heißt "Fluss"; und warum?!',
    )
    assert (second["Kunde"], second["Score"]) == ("'=HYPERLINK(1)", "0,5")
    assert "," in second["seconds"]
    again = noxcli("batch", asks, saved(HEADER, *ROWS, "9;Und jetzt?;;;;"), *RENAMED, "--resume")
    assert (again.code, len(sandbox.runs(asks))) == (0, 3), again.err


def test_a_sheet_with_tabs_is_given_back_with_tabs(noxcli: Noxcli, asks: str) -> None:
    assert noxcli("batch", asks, saved("Question", "a", name="t.tsv")).code == 0
    assert noxcli("results", "t.tsv.batch", "--csv", "out.csv").code == 0
    assert Path("out.csv").read_text("utf-8-sig").startswith("row\tid\t")


def test_a_header_in_other_words_names_the_option_that_renames(noxcli: Noxcli, asks: str) -> None:
    result = noxcli("batch", asks, saved("ID;Frage;Kunde", "1;a;b"))
    said = "name the rows with --id ID, send one of them as 'Question' (as in --column Question=Frage) and keep"
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"{said} what is not sent with --keep Kunde" in result.err
    assert (
        noxcli(
            "batch",
            asks,
            "Fragen.csv",
            "--id",
            "ID",
            "--column",
            "Question=Frage",
            "--keep",
            "Kunde",
        ).code
        == 0
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "--column Question=Frag",
            "--column names 'Frag', but the file has no such column; did you mean 'Frage'?",
        ),
        (
            "--column Nope@",
            "--column names 'Nope', but the file has no such column; it has 'Frage', 'Kunde'",
        ),
        ("--column Kunde@ --column Kunde:=", "--column names 'Kunde' twice; remove one of them"),
        (
            "--column Question=Frage --column Answer=Frage",
            "--column names 'Frage' twice; remove one of them",
        ),
        (
            "--column Question=Frage --column Question=Kunde",
            "--column names 'Kunde' twice; remove one of them",
        ),
        ("--column Frage=Question", "; INPUT comes first: --column Question=Frage"),
        (
            "--column Question=Frage --keep Kunde --assert output.Answer!=row.Frage",
            "such a column; did you mean 'Question'?",
        ),
        (
            "--column Kunde=Frage",
            "--column sends 'Frage' as 'Kunde', which the file has as well; remove one of them",
        ),
        (
            "--column Frage",
            "--column 'Frage' names no input; write INPUT=COLUMN, INPUT@ or INPUT:=",
        ),
        (
            "--column Question@Frage",
            "has text after @; write --column 'Question@', and --column Question=COLUMN if",
        ),
        (
            "--column Question=Kunde --keep Kunde",
            "--keep and --column both name 'Kunde'; remove one of them",
        ),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_column_that_can_not_be_renamed_is_named(
    noxcli: Noxcli, asks: str, name: str, options: str, said: str
) -> None:
    saved(
        *(["Frage;Kunde", "a;b"] if name == "t.csv" else ['{"Frage": "a", "Kunde": "b"}']),
        name=name,
    )
    result = noxcli("batch", asks, name, *options.split())
    assert (result.code, said in result.err) == (2, True), result.err


def test_json_is_renamed_as_a_table_is(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Question"), input_node("n", type="number")])
    Path("t.jsonl").write_text('{"Frage": "a", "Zahl": "2.5"}\n{"Frage": "b", "Zahl": "[1]"}\n')
    line = (
        "batch",
        workflow,
        "t.jsonl",
        "--column",
        "Question=Frage",
        "--column",
        "n=Zahl",
        "--column",
        "n=",
    )
    assert noxcli(*line, "--limit", "1").code == 0
    (run,) = sandbox.runs(workflow)
    assert run.input == {"Question": "a", "n": 2.5}


def test_decimal_commas_are_named_with_what_was_read(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = str(plays(nodes=[input_node("Note", type="number")]))
    result = noxcli("batch", workflow, saved("Note", "3,5", "4,25", "2", "hoch", name="t.tsv"))
    takes = "'Note' takes a number"
    assert (
        f"row 1 (line 2) and 1 more row: {takes} with a decimal point, such as 3.5 ('3,5' is a text)"
        in result.err
    )
    assert f"row 4 (line 5): {takes} ('hoch' is a text)" in result.err
    assert (result.code, sandbox.runs(workflow)) == (2, [])
    single = noxcli("run", workflow, "Note=3,5")
    assert (
        single.code,
        f"{takes} with a decimal point, such as 3.5 ('3,5' is a text)" in single.err,
    ) == (2, True)


def test_a_column_of_files_names_its_option(noxcli: Noxcli) -> None:
    Path("a.txt").write_text("Porto")
    line = ("batch", "document", saved("Datei", "a.txt"), "--column", "Document=Datei")
    result = noxcli(*line)
    assert (result.code, "'Document' takes a file (--column Document@)" in result.err) == (
        2,
        True,
    ), result.err
    assert noxcli(*line, "--column", "Document@").code == 0


@pytest.mark.parametrize(("name", "line", "form"), [("t.txt", "Q\tR", "tsv"), ("t", "Q;R", "csv")])
def test_a_table_by_another_name_is_named(
    noxcli: Noxcli, asks: str, name: str, line: str, form: str
) -> None:
    result = noxcli("batch", asks, saved(line, "a;b", name=name))
    said = f"the first line of {name} is not a JSON object; if it is a table, add --input-format {form}"
    assert (result.code, said in result.err) == (2, True), result.err
    further = noxcli(
        "batch", asks, name, "--input-format", form, "--column", "Question=Q", "--keep", "R"
    )
    assert further.code == (0 if form == "csv" else 2), further.err
    expected = noxcli("batch", asks, saved("Question", "a", name="q.csv"), "--expect", name)
    assert (
        f"the first line of {name} is not a JSON object; if it is a table, name it t.{form}"
        in expected.err
    )


def test_a_workbook_is_not_written(noxcli: Noxcli, asks: str) -> None:
    assert noxcli("batch", asks, saved("Question", "a", name="q.csv")).code == 0
    result = noxcli("results", "q.csv.batch", "--csv", "dir/o.xlsx")
    assert (
        result.code,
        "--csv writes no workbook such as o.xlsx; write --csv dir/o.csv" in result.err,
    ) == (2, True)
    Path("dir").mkdir()
    lines = noxcli("results", "q.csv.batch", "-o", "o.csv")
    assert (
        lines.code,
        "-o o.csv would have JSON lines; for CSV, write --csv o.csv" in lines.err,
    ) == (2, True)
    assert noxcli("results", "q.csv.batch", "-o", "ids.csv", "--query", "row").code == 0
    assert noxcli("results", "q.csv.batch", "--csv", "dir/o.csv").code == 0
