"""Rows: what becomes of a line or a record of a file, and the errors for those that can't be read."""

import codecs
import io
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import UsageProblem
from noxcli.inputs.parse import parse_inputs
from noxcli.inputs.sources import Sources
from noxcli.inputs.uploads import Upload
from noxcli.rows.columns import Columns, Row
from noxcli.rows.reader import RowReader
from tests.conftest import Noxcli


def rows_of(
    content: str | bytes,
    form: str = "jsonl",
    column: tuple[str, ...] = (),
    common: tuple[str, ...] = (),
) -> list[Row]:
    stdin = io.BytesIO(content.encode() if isinstance(content, str) else content)
    file = RowReader("-", form, Columns.parse(column, parse_inputs(common)), Sources(lambda: stdin))
    file.copy_pipe()
    return list(file.rows())


def values_of(row: Row) -> dict[str, Any]:
    assert row.problem is None, row.problem
    return row.inputs.values


def test_json_lines_keep_their_types_ids_and_places() -> None:
    first, second = rows_of(
        '\ufeff{"$id": "a", "Q": "x", "n": 12345678901234567890}\n\n  \n{"$id": 7, "Q": [1, null]}'
    )
    assert (first.number, first.line, first.id, values_of(first)) == (
        1,
        1,
        "a",
        {"Q": "x", "n": 12345678901234567890},
    )
    assert (second.number, second.line, second.id, values_of(second)) == (
        2,
        4,
        "7",
        {"Q": [1, None]},
    )
    assert not first.inputs.texts


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "the line is not valid JSON"),
        (b"[1]", "it is not a JSON object"),
        (b'{"a": NaN}', "NaN is not part of JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' appears twice"),
        (b'{"a": "\xff"}', "it is not UTF-8 text (byte 8 of the line)"),
        (b'{"$id": [1]}', "its id is neither a text nor a whole number"),
        (b'{"$id": true}', "its id is neither a text nor a whole number"),
    ],
)
def test_a_line_that_can_not_be_read_is_a_problem_of_its_own(line: bytes, problem: str) -> None:
    before, bad, after = rows_of(b'{"a": 1}\n' + line + b'\n{"a": 2}\n')
    assert problem in (bad.problem or "")
    assert (before.problem, after.problem, after.number, after.line) == (None, None, 3, 3)


def test_csv_has_texts_and_leaves_empty_cells_out() -> None:
    first, second = rows_of('\ufeff$id,Q,"two\nlines"\r\nr1,"a, ""b""",\r\n,=1,@x\r\n', "csv")
    assert (first.id, values_of(first), first.line) == ("r1", {"Q": 'a, "b"'}, 3)
    assert (second.id, values_of(second)) == (None, {"Q": "=1", "two\nlines": "@x"})
    assert second.inputs.texts == {"Q", "two\nlines"}


def test_csv_problems_are_told_by_row_and_column() -> None:
    short, torn, good = rows_of(b"a,b\n1\n\xff,2\n3,4\n", "csv")
    assert short.problem == "it has 1 cells, but the header has 2"
    assert torn.problem == "its 'a' is not UTF-8: save the file as UTF-8"
    assert values_of(good) == {"a": "3", "b": "4"}


def test_a_header_in_another_encoding_is_told_once() -> None:
    with pytest.raises(UsageProblem, match=r"the header of .* is not UTF-8") as error:
        rows_of("Größe;ID\n1;2\n".encode("cp1252"), "csv")
    assert str(error.value.hint) == "save it as UTF-8"


def test_a_quote_that_never_ends_ends_the_rows() -> None:
    rows = rows_of('a\n1\n"x\n2\n', "csv")
    assert [row.problem is None for row in rows] == [True, False]
    assert "the rest can't be read" in (rows[1].problem or "")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "has no header"),
        ("a,a\n1,2\n", "two columns named 'a'"),
        ("a,b\0\n", "has NUL bytes, as UTF-16 text does"),
    ],
)
def test_a_csv_header_that_can_not_be_used_is_refused(content: str, what: str) -> None:
    with pytest.raises(UsageProblem, match="stdin") as error:
        rows_of(content, "csv")
    assert what in error.value.message


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("t.csv", "Q,R\na,b\n".encode("utf-16"), "is UTF-16 text"),
        (
            "t.jsonl",
            codecs.BOM_UTF16_BE + '{"Q": "a"}\n{"Q": "b"}\n'.encode("utf-16-be"),
            "is UTF-16 text",
        ),
        ("t.tsv", '{"Q": "a"}\n'.encode("utf-16-le"), "has NUL bytes, as UTF-16 text does"),
        (
            "t.xlsx",
            b"PK\x03\x04\x14\0\x06\0\n\0\xff",
            "is a zip archive, as .xlsx and .ods files are, not a table",
        ),
        (
            "t.csv",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
            "is an old Excel file, not a table in text",
        ),
    ],
)
def test_what_a_spreadsheet_saves_but_no_text_is_named(
    noxcli: Noxcli, tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    (tmp_path / name).write_bytes(content)
    result = noxcli("batch", "qa", name)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"noxcli: {name} {what}" in result.err
    assert "; save " in result.err


@pytest.mark.parametrize("header", ["Q,R", '"Q",R', '"Q","R"'])
def test_a_byte_order_mark_is_no_part_of_a_name(header: str) -> None:
    (row,) = rows_of(codecs.BOM_UTF8 + f"{header}\nx,y\n".encode(), "csv")
    assert values_of(row) == {"Q": "x", "R": "y"}


def test_columns_say_how_a_field_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("päge")
    (tmp_path / "d.json").write_text('{"k": [1]}')
    forms = ("n:=", "doc@", "text=@", "data:=@")
    (row,) = rows_of("n,doc,text,data,plain\n[1],p.txt,p.txt,d.json,@p.txt\n", "csv", forms)
    values = values_of(row)
    assert isinstance(values.pop("doc"), Upload)
    assert values == {"n": [1], "text": "päge", "data": {"k": [1]}, "plain": "@p.txt"}
    assert row.inputs.texts == {"text", "plain"}


def test_columns_work_on_json_texts_only() -> None:
    good, bad = rows_of('{"n": "[1]", "m": [2]}\n{"n": 1}\n', column=("n:=@",))[:2]
    assert "can't read the file [1]" in (good.problem or "")
    assert bad.problem == "'n' must be text, since --column reads it as n:=@"


def test_inputs_of_the_command_line_are_every_rows() -> None:
    first, second = rows_of('{"a": 1}\n{"b": 2}\n', common=("b:=3",))
    assert values_of(first) == {"a": 1, "b": 3}
    assert second.problem == "the input 'b' is in the row and on the command line"
    with pytest.raises(UsageProblem, match="is both a column and on the command line"):
        rows_of("b\n1\n", "csv", common=("b=3",))


def test_the_format_goes_by_the_name(tmp_path: Path) -> None:
    none = Columns.parse((), parse_inputs([]))
    for name, content in (
        ("r.csv", "a\n1\n"),
        ("r.TSV", "a\n1\n"),
        ("r.jsonl", '{"a": "1"}\n'),
        ("rows", '{"a": "1"}\n'),
    ):
        (tmp_path / name).write_text(content)
        (row,) = RowReader(name, None, none, Sources()).rows()
        assert values_of(row) == {"a": "1"}
    with pytest.raises(UsageProblem, match="no such file"):
        RowReader("missing", None, none, Sources())


@pytest.mark.parametrize(
    ("form", "content", "names"),
    [
        ("csv", "\ufeff$id;Q\r\n1;a,b\r\n", ["Q"]),
        ("csv", "Q\tR\n1\t2\n", ["Q", "R"]),
        ("csv", "Q\n1;2\n", ["Q"]),
        ("csv", "Q,R;S\n1,2\n", ["Q", "R;S"]),
        ("tsv", '"$id"\t"Q;x"\n1\t"2\n3"\n', ["Q;x"]),
        ("tsv", "Q;R\n1\n", ["Q;R"]),
    ],
)
def test_a_header_without_commas_shows_the_separator(
    form: str, content: str, names: list[str]
) -> None:
    (row,) = rows_of(content, form)
    assert list(values_of(row)) == names


@pytest.mark.parametrize("blank", ["", "\ufeff", "\n \r\n"])
def test_a_json_array_has_a_row_in_each_object(blank: str) -> None:
    first, bad, last = rows_of(
        f'{blank}[{{"$id": 1, "Q": "x"}},\n\n  [2], {{"Q": [1], "$n": 2}}\n]\n'
    )
    assert (first.number, first.id, first.place, values_of(first)) == (1, "1", "row 1", {"Q": "x"})
    assert (bad.number, bad.problem) == (2, "it is not a JSON object")
    assert (last.number, values_of(last), last.columns) == (3, {"Q": [1]}, {"$n": 2})


@pytest.mark.parametrize(
    "content", ['[{"Q": 1}', '[{"Q": 1}]\n{"Q": 2}\n', '[{"Q": "\x00"}]', '[{"Q": 1, "Q": 2}]']
)
def test_an_array_that_can_not_be_read_is_refused_as_a_whole(content: str) -> None:
    with pytest.raises(UsageProblem, match="stdin is not"):
        rows_of(content)
