"""What a gate was asked stays asked: rows, expectations, files and secrets, between calls and while it runs."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxcli.gate.rows import GateRows
from noxcli.inputs.parse import Inputs
from noxcli.inputs.sources import Sources
from noxcli.rows.columns import Columns
from noxcli.safe_dir import SafeDir
from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, write_rows

GOOD = ("--assert", "output.A != 'bad'")
DIFFERS = "from the gate that began in rows.jsonl.gate; start over with --fresh"
RowOfTest = dict[str, Any]


def row(question: str, **more: Any) -> RowOfTest:
    return {"$id": "r1", "Q": question, **more}


def gate(noxcli: Noxcli, workflow: str, *argv: str, checks: tuple[str, ...] = GOOD) -> Result:
    sides = ("--base", "base", "--new", "new")
    return noxcli("gate", workflow, "rows.jsonl", *sides, *checks, *argv)


@pytest.fixture
def echo(plays: Any) -> Callable[..., str]:
    """Adds a workflow that answers with its question; NEW answers one that begins with `hard` badly."""

    def add(started: Callable[[dict[str, Any]], object] = dict) -> str:
        def output(inputs: dict[str, Any]) -> dict[str, Any]:
            started(inputs)
            is_bad = inputs["P"] == "new" and inputs["Q"].startswith("hard")
            return {"A": "bad" if is_bad else inputs["Q"]}

        def nodes(word: str) -> list[Any]:
            return [input_node("Q"), input_node("P", default=word), output_node("A")]

        versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
        return str(plays(nodes=nodes("base"), output=output, versions=versions))

    return add


def asked_in(sandbox: Sandbox, workflow: str) -> set[Any]:
    return {run.input["Q"] for run in sandbox.runs(workflow)}


def test_a_table_edited_while_it_runs_is_found(noxcli: Noxcli, sandbox: Sandbox, echo: Any) -> None:
    def edit(inputs: dict[str, Any]) -> None:
        if inputs["P"] == "new":
            write_rows(row("soft"))

    workflow = echo(edit)
    write_rows(row("hard"))
    result = gate(noxcli, workflow)
    assert (result.code, result.text) == (2, "")
    assert f"noxcli: Q in row r1 differs {DIFFERS}" in result.err
    assert asked_in(sandbox, workflow) == {"hard"}, "all answers are to the first text"
    paid = len(sandbox.runs(workflow))
    assert paid == 30, "a round of 2, 4 of the screen, 24 of the suspect"
    assert gate(noxcli, workflow).code == 2
    write_rows(row("hard"))
    judged = gate(noxcli, workflow)
    assert (judged.code, "1 row is broken" in judged.err) == (11, True)
    assert len(sandbox.runs(workflow)) == paid, "with the table as it was, nothing is asked"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("other")], "Q in row r1 differs"),
        ([row("hard"), {"$id": "r2", "Q": "more"}], "rows differ"),
        ([{"$id": "r9", "Q": "hard"}], "rows differ"),
        ([row("hard", P="x")], "P in row r1 differs"),
    ],
)
def test_other_inputs_need_a_fresh_gate(
    noxcli: Noxcli, sandbox: Sandbox, echo: Any, rows: list[RowOfTest], said: str
) -> None:
    workflow = echo()
    write_rows(row("hard"))
    assert gate(noxcli, workflow).code == 11
    paid = len(sandbox.runs(workflow))
    write_rows(*rows)
    result = gate(noxcli, workflow)
    assert (result.code, f"noxcli: {said} {DIFFERS}" in result.err) == (2, True), result.err
    assert len(sandbox.runs(workflow)) == paid
    fresh = gate(noxcli, workflow, "--fresh-if-changed")
    assert (fresh.code in (0, 11), f"{said} from the gate" in fresh.err) == (True, True)
    assert "starting over" in fresh.err
    assert len(sandbox.runs(workflow)) > paid
    assert Path("rows.jsonl.gate.1/asked.rows").read_text() == f"{json.dumps(row('hard'))}\n"


def test_the_order_of_rows_is_no_difference(noxcli: Noxcli, sandbox: Sandbox, echo: Any) -> None:
    rows = [{"Q": "easy"}, {"Q": "hard"}, {"Q": "easy"}]
    workflow = echo()
    write_rows(*rows)
    first = gate(noxcli, workflow, "--json")
    paid = len(sandbox.runs(workflow))
    write_rows(rows[1], rows[0], rows[2])
    again = gate(noxcli, workflow, "--json")
    assert (first.code, again.code, len(sandbox.runs(workflow))) == (11, 11, paid), again.err
    assert again.json["rows"] == first.json["rows"], "a row has its first number"


def test_same_inputs_are_no_change_to_start_over_for(
    noxcli: Noxcli, sandbox: Sandbox, echo: Any
) -> None:
    workflow = echo()
    write_rows(row("easy"))
    for _ in range(2):
        assert gate(noxcli, workflow, "--fresh-if-changed").code == 0
    assert len(sandbox.runs(workflow)) == 2


@pytest.mark.parametrize("name", ["$expect", "kept"])
def test_edited_expectations_are_checks_chosen_afterwards(
    noxcli: Noxcli, sandbox: Sandbox, echo: Any, name: str
) -> None:
    def expecting(answer: str) -> RowOfTest:
        return row("hard", **{name: {"A": answer} if name == "$expect" else answer})

    checks: tuple[str, ...] = ("--assert", "ok")
    if name == "kept":
        checks = ("--keep", "kept", "--assert", "output.A == row.kept")
    workflow = echo()
    write_rows(expecting("hard"))
    assert gate(noxcli, workflow, checks=checks).code == 11
    write_rows(expecting("bad"))
    result = gate(noxcli, workflow, "--json", checks=checks)
    assert result.code == 0, result.err
    assert result.json["gate"]["checks_changed"] is True
    assert "these checks were chosen after answers were seen" in result.err
    assert len(sandbox.runs(workflow)) == 30, "no answer is asked twice"


@pytest.mark.parametrize("operator", ["=@", "@"])
def test_an_edited_file_of_a_row_is_another_input(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, operator: str
) -> None:
    nodes = [[input_node("Q", type="file" if operator == "@" else "str"), output_node("A")]] * 2
    nodes[1] = [*nodes[1], input_node("P", default="new")]
    versions = [Version(name, "", each) for name, each in zip(("base", "new"), nodes, strict=True)]
    workflow = plays(nodes=nodes[0], output={"A": "good"}, versions=versions)
    document = Path("a.txt")
    document.write_text("first")
    write_rows(row("a.txt"))
    column = ("--column", f"Q{operator}")
    assert gate(noxcli, workflow, *column).code == 0
    before = document.stat()
    document.write_text("other")
    os.utime(document, ns=(before.st_atime_ns, before.st_mtime_ns))  # of the same size and time
    result = gate(noxcli, workflow, *column)
    assert (result.code, f"noxcli: the file of Q in row r1 differs {DIFFERS}" in result.err) == (
        2,
        True,
    ), result.err
    document.write_text("first")
    assert gate(noxcli, workflow, *column).code == 0
    assert len(sandbox.runs(workflow)) == 2


def test_a_file_edited_while_it_runs_is_found(noxcli: Noxcli, echo: Any) -> None:
    document = Path("a.txt")
    document.write_text("easy")
    workflow = echo(lambda _: document.write_text("other"))
    write_rows(row("a.txt"))
    result = gate(noxcli, workflow, "--column", "Q=@")
    assert (result.code, f"the file of Q in row r1 differs {DIFFERS}" in result.err) == (2, True)


def test_the_directory_has_what_was_asked_and_no_secret(noxcli: Noxcli, echo: Any) -> None:
    document = Path("a.txt")
    document.write_text("some text " * 10_000)
    write_rows(row("a.txt", note="kept"))
    secret = {"HIDDEN": "a-very-secret-value"}
    sides = ("--base", "base", "--new", "new", "--secret", "P=HIDDEN")
    asks = (*sides, "--column", "Q=@", "--keep", "note", *GOOD)
    noxcli("gate", echo(), "rows.jsonl", *asks, environ=secret)
    directory = Path("rows.jsonl.gate")
    assert (directory / "asked.rows").read_bytes() == Path("rows.jsonl").read_bytes()
    about = json.loads((directory / "asked.json").read_text())
    digest = hashlib.sha256(document.read_bytes()).hexdigest()
    assert about["files"] == {"Q": digest[:16]}
    for path in directory.iterdir():
        assert "a-very-secret-value" not in path.read_text()


def test_a_row_that_is_left_out_may_be_wrong(noxcli: Noxcli, sandbox: Sandbox, echo: Any) -> None:
    workflow = echo()
    Path("rows.jsonl").write_text(f"{json.dumps(row('easy'))}\nnot JSON\n")
    for _ in range(2):
        assert gate(noxcli, workflow, "--limit", "1").code == 0
    assert len(sandbox.runs(workflow)) == 2
    Path("rows.jsonl").write_text("not JSON\n")
    result = gate(noxcli, workflow, "--limit", "1")
    assert (result.code, "row 1 (line 1) of rows.jsonl: the line is not valid" in result.err) == (
        2,
        True,
    )


def test_a_gate_of_another_edition_is_refused(noxcli: Noxcli, sandbox: Sandbox, echo: Any) -> None:
    workflow = echo()
    write_rows(row("easy"))
    assert gate(noxcli, workflow).code == 0
    Path("rows.jsonl.gate/asked.json").unlink()
    result = gate(noxcli, workflow)
    assert (result.code, len(sandbox.runs(workflow))) == (2, 2)
    assert "another edition of noxcli began it; start over with --fresh" in result.err


@pytest.mark.parametrize("column", ["Q", "Paper"])
def test_a_thousand_rows_are_noted_in_a_second(column: str) -> None:
    Path("paper.pdf").write_bytes(bytes(8_000_000))
    words = {"Q": f"question {'x' * 60}", "Paper": "paper.pdf"}
    rows = write_rows(
        *({"$id": f"r{n}", column: words[column], "note": "x" * 60} for n in range(1000))
    )
    columns = Columns.parse(["Paper@"], Inputs())
    reader = GateRows(rows, None, columns, Sources())
    began = time.process_time()  # a busy machine does not count
    with SafeDir.open_named(Path("gate"), make=True) as place:
        reader.read_now().write(place)
    assert time.process_time() - began < 1
    written = sum(path.stat().st_size for path in Path("gate").iterdir())
    assert written <= 2 * Path(rows).stat().st_size


def test_short_rows_with_a_file_each_take_twice_their_size() -> None:
    Path("docs").mkdir()
    for n in range(1000):
        Path(f"docs/{n:04}.pdf").write_bytes(b"%d" % n)
    rows = Path("rows.csv")
    rows.write_text("$id,Paper\n" + "".join(f"r{n:04},docs/{n:04}.pdf\n" for n in range(1000)))
    reader = GateRows(str(rows), None, Columns.parse(["Paper@"], Inputs()), Sources())
    with SafeDir.open_named(Path("gate"), make=True) as place:
        reader.read_now().write(place)
    written = sum(path.stat().st_size for path in Path("gate").iterdir())
    assert written <= 2 * rows.stat().st_size
