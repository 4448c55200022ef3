"""No option writes over a file that the call reads, nor over a batch's own, under any path."""

import shutil
from pathlib import Path

import pytest

from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows

GREEN = b'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="green"></testsuites>\n'
OTHER_PATHS = ["rows.csv", "./rows.csv", "sub/../rows.csv", "link.csv", "hard.csv"]


@pytest.fixture
def table() -> Path:
    path = Path("rows.csv")
    path.write_text("Question\nWhen?\nWhere?\n")
    Path("sub").mkdir()
    Path("link.csv").symlink_to("rows.csv")
    Path("hard.csv").hardlink_to("rows.csv")
    return path


@pytest.mark.parametrize("name", [*OTHER_PATHS, "absolute"])
def test_results_keep_the_table_of_their_batch(noxcli: Noxcli, table: Path, name: str) -> None:
    before = table.read_bytes()
    assert noxcli("batch", "qa", str(table)).code == 0
    target = str(table.resolve()) if name == "absolute" else name
    for option in ("--csv", "--report", "--markdown", "--junit", "-o"):
        result = noxcli("results", "rows.csv.batch", option, target)
        assert (result.code, result.out, table.read_bytes()) == (2, b"", before), option
        assert "name the same file" in result.err or "for CSV, write --csv" in result.err
    moved = shutil.move("rows.csv.batch", "sub/rows.csv.batch")
    shutil.move("rows.csv", "sub/rows.csv")
    assert noxcli("results", str(moved), "--csv", "sub/rows.csv").code == 2
    assert Path("sub/rows.csv").read_bytes() == before


@pytest.mark.parametrize("name", OTHER_PATHS)
def test_a_batch_and_a_gate_keep_their_table(
    noxcli: Noxcli, sandbox: Sandbox, table: Path, name: str
) -> None:
    before = table.read_bytes()
    sides = ("--base", "base", "--new", "new", "--assert", "ok")
    for call in (("batch", "qa", "rows.csv"), ("gate", "review", "rows.csv", *sides)):
        for option in ("--report", "--junit"):
            result = noxcli(*call, option, name)
            assert (result.code, table.read_bytes()) == (2, before)
            assert f"FILE and {option} name the same file: {name}" in result.err
    assert sandbox.requests == []


def test_a_comparison_keeps_both_tables(noxcli: Noxcli, table: Path) -> None:
    before = table.read_bytes()
    for directory in ("base", "new"):
        noxcli("batch", "qa", str(table), "--output-dir", directory)
    for target in ("rows.csv", "base/results.jsonl", "new/batch.jsonl"):
        kept = Path(target).read_bytes()
        assert noxcli("compare", "base", "new", "--report", target).code == 2
        assert Path(target).read_bytes() == kept
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    "item", ["User Input=@notes.txt", "User Input@notes.txt;type=text/plain", "--inputs=@notes.txt"]
)
@pytest.mark.parametrize("option", ["--report", "--junit", "--dotenv", "-o", "--state-file"])
def test_a_run_keeps_the_files_of_its_inputs(
    noxcli: Noxcli, sandbox: Sandbox, item: str, option: str
) -> None:
    notes = Path("notes.txt")
    notes.write_text('{"User Input": "text"}')
    result = noxcli("run", "demo", item, option, "./notes.txt")
    assert (result.code, "name the same file" in result.err) == (2, True), result.err
    assert notes.read_text() == '{"User Input": "text"}'
    assert sandbox.requests == []


@pytest.mark.parametrize("operator", ["=@", "@"])
def test_a_batch_keeps_the_files_that_its_rows_name(
    noxcli: Noxcli, sandbox: Sandbox, operator: str
) -> None:
    notes = Path("notes.txt")
    notes.write_text("text")
    rows = write_rows({"Question": "notes.txt"})
    column = ("--column", f"Question{operator}")
    result = noxcli("batch", "qa", rows, *column, "--junit", "./notes.txt")
    assert (result.code, notes.read_text()) == (2, "text")
    assert "and --junit name the same file" in result.err
    assert sandbox.runs("qa") == []


def test_ids_to_run_are_kept(noxcli: Noxcli) -> None:
    rows = write_rows({"$id": "a", "Question": "x"})
    ids = Path("ids.txt")
    ids.write_text("a\n")
    result = noxcli("batch", "qa", rows, "--only", "ids.txt", "--junit", "ids.txt")
    assert (result.code, ids.read_text()) == (2, "a\n")


@pytest.mark.parametrize("verb", ["batch", "gate", "results", "compare"])
def test_no_earlier_report_survives_a_wrong_setting(noxcli: Noxcli, verb: str) -> None:
    rows = write_rows({"Question": "x"})
    for directory in ("one", "two"):
        noxcli("batch", "qa", rows, "--output-dir", directory)
    sides = ("--base", "base", "--new", "new", "--assert", "ok")
    call = {
        "batch": ("batch", "qa", rows),
        "gate": ("gate", "review", rows, *sides),
        "results": ("results", "one"),
        "compare": ("compare", "one", "two"),
    }[verb]
    report = Path("j.xml")
    for more, environ in (
        ((), {"NOXCLI_CI": "x"}),
        (("--report", rows), {}),
        (("--report", "j.xml"), {}),
        (("--report", "."), {}),
    ):
        report.write_bytes(GREEN)
        assert noxcli(*call, "--junit", "j.xml", *more, environ=environ).code == 2
        text = report.read_text()
        assert 'name="green"' not in text, more
        assert 'errors="1"' in text
    assert Path(rows).read_text() == '{"Question": "x"}\n'


@pytest.mark.parametrize("verb", ["compare", "results", "batch", "gate", "run"])
def test_a_report_without_a_name_is_a_usage_error(noxcli: Noxcli, verb: str) -> None:
    done = noxcli(verb, "one", "two", "--junit")
    assert (done.code, "option '--junit' requires an argument" in done.err) == (2, True), done.err
