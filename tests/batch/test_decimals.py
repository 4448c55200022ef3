"""Numbers in tables of countries that write 1.000,5 and of those that write 1,000.5."""

import csv
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import Scenario, Version, fixed_input, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli

# Columns of a table with semicolons, and the numbers that they mean; None for one that is refused.
COLUMNS: list[tuple[str, list[float] | None]] = [
    # Germany, Portugal, France: a comma begins the decimals.
    ("3,5", [3.5]),
    ("3,50", [3.5]),
    ("-3,5", [-3.5]),
    ("+3,5", [3.5]),
    (",5", [0.5]),
    ("0,5", [0.5]),
    ("0,125", [0.125]),
    ("-0,125", [-0.125]),
    ("00,125", None),
    ("12,3456", [12.3456]),
    ("1234,567", [1234.567]),
    ("1.000,5", [1000.5]),
    ("1.000,500", [1000.5]),
    ("1.234.567,8", [1234567.8]),
    ("1.234.567", [1234567]),
    ("-1.234.567", [-1234567]),
    ("3,5 1.000", [3.5, 1000]),
    ("1.000 3,5", [1000, 3.5]),
    ("1,000 3,5", [1, 3.5]),
    ("1.000 0,125", [1000, 0.125]),
    ("1.000 1.234.567", [1000, 1234567]),
    ("12.345 1.000,00", [12345, 1000]),
    ("999.999 1,5", [999999, 1.5]),
    ("1,5e3", [1500]),
    ("1,5E-3", [0.0015]),
    ("2 3,25 4", [2, 3.25, 4]),
    ("1,000 1,0", [1, 1]),
    ("5,000 12,25", [5, 12.25]),
    ("100.000 99,9", [100000, 99.9]),
    ("1.500 2,750 0,1", [1500, 2.75, 0.1]),
    # England, America: a point does.
    ("3.5", [3.5]),
    ("3.50", [3.5]),
    ("-3.5", [-3.5]),
    ("0.5", [0.5]),
    ("0.125", [0.125]),
    ("-0.125", [-0.125]),
    ("12.3456", [12.3456]),
    ("1234.567", [1234.567]),
    ("1,000.5", [1000.5]),
    ("1,000.500", [1000.5]),
    ("1,234,567.8", [1234567.8]),
    ("1,234,567", [1234567]),
    ("3.5 1,000", [3.5, 1000]),
    ("1,000 3.5", [1000, 3.5]),
    ("1.000 3.5", [1, 3.5]),
    ("1,000 0.125", [1000, 0.125]),
    ("1,000 1,234,567", [1000, 1234567]),
    ("12,345 1,000.00", [12345, 1000]),
    ("1.5e3", [1500]),
    ("2 3.25 4", [2, 3.25, 4]),
    # Neither needs a mark.
    ("1", [1]),
    ("1000 25 -3", [1000, 25, -3]),
    ("1e3", [1000]),
    # What could be either, or is neither.
    ("1.000", None),
    ("1,000", None),
    ("-12.345", None),
    ("1.000 2.000 3", None),
    ("1.000 1,000", None),
    ("3,5 3.5", None),
    ("1.00,5", None),
    ("1,2,3", None),
    ("3,5 1.00", None),
    ("1.000e3", None),
]


NODES = [
    input_node("Name", default=""),
    input_node("Price", type="float"),
    output_node("Price"),
]


def priced(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"Price": inputs["Price"]}


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def prices(plays: Any) -> str:
    return str(plays(nodes=NODES, output=priced))


def write_table(cells: str, separator: str = ";", name: str = "t.csv") -> None:
    with Path(name).open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(["Name", "Price"])
        for place, cell in enumerate(cells.split()):
            writer.writerow([f"1.000,{place}", cell])


def sent(sandbox: Sandbox, workflow: str) -> list[Any]:
    rows = sorted((run.input["Name"], run.input["Price"]) for run in sandbox.runs(workflow))
    return [price for _, price in rows]


@pytest.mark.parametrize(("cells", "numbers"), COLUMNS, ids=lambda value: str(value)[:20])
def test_no_number_is_read_a_thousand_times_off(
    noxcli: Noxcli, sandbox: Sandbox, prices: str, cells: str, numbers: list[float] | None
) -> None:
    write_table(cells)
    result = noxcli("batch", prices, "t.csv")
    if numbers is None:
        assert (result.code, sandbox.runs(prices)) == (2, []), result.err
    else:
        assert (result.code, sent(sandbox, prices)) == (0, numbers), result.err


@pytest.mark.parametrize("word", ["WAHR", "FALSCH", "VRAI", "Verdadeiro"])
def test_a_spreadsheets_own_word_for_true_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, word: str
) -> None:
    workflow = plays(nodes=[input_node("Sold", type="bool")], output={"A": "x"})
    Path("t.csv").write_text(f"Sold\n{word}\n")
    result = noxcli("batch", workflow, "t.csv")
    assert (result.code, sandbox.runs(workflow)) == (2, [])
    assert f"'Sold' takes true or false ('{word}' is a text)" in result.err


def test_what_could_be_either_names_cell_readings_and_option(
    noxcli: Noxcli, sandbox: Sandbox, prices: str
) -> None:
    write_table("1.000 2.000")
    result = noxcli("batch", prices, "t.csv")
    said = "noxcli: '1.000' in the column 'Price' may be 1000 or 1.000; say which with --decimal"
    assert (result.code, f"{said} , or --decimal .\n" in result.err) == (2, True), result.err
    assert noxcli("batch", prices, "t.csv", "--decimal", ",").code == 0
    assert noxcli("batch", prices, "t.csv", "--decimal", ".", "--fresh").code == 0
    assert sorted(run.input["Price"] for run in sandbox.runs(prices)) == [1, 2, 1000, 2000]


@pytest.mark.parametrize(("separator", "name"), [("\t", "t.tsv"), (",", "t.csv"), (";", "t.csv")])
def test_the_option_is_for_any_table_and_for_numbers_alone(
    noxcli: Noxcli, sandbox: Sandbox, prices: str, separator: str, name: str
) -> None:
    write_table("1.000,5 3", separator, name)
    assert noxcli("batch", prices, name, "--decimal", ",").code == 0
    assert sent(sandbox, prices) == [1000.5, 3]
    assert {run.input["Name"] for run in sandbox.runs(prices)} == {"1.000,0", "1.000,1"}


def test_a_number_with_the_other_mark_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, prices: str
) -> None:
    write_table("1,5 3.5")
    result = noxcli("batch", prices, "t.csv", "--decimal", ",")
    assert (result.code, sandbox.runs(prices)) == (2, [])
    assert "its 'Price': '3.5' is not a number with a decimal comma" in result.err


def test_a_table_with_commas_has_decimal_points(
    noxcli: Noxcli, sandbox: Sandbox, prices: str
) -> None:
    write_table("1.000 3.5", ",")
    assert noxcli("batch", prices, "t.csv").code == 0
    assert sent(sandbox, prices) == [1, 3.5]


def test_json_columns_and_json_lines_stay(noxcli: Noxcli, sandbox: Sandbox, prices: str) -> None:
    write_table("1.5")
    assert noxcli("batch", prices, "t.csv", "--column", "Price:=", "--decimal", ",").code == 0
    assert sent(sandbox, prices) == [1.5]
    Path("t.jsonl").write_text('{"Price": 1.5}\n')
    refused = noxcli("batch", prices, "t.jsonl", "--decimal", ",")
    assert (refused.code, "--decimal is for tables" in refused.err) == (2, True)


@pytest.mark.parametrize("number", [1.234, -12.345, 0.125, 1000.5, 3.0, 1234.567, 1e-07])
def test_what_results_write_batch_reads(
    noxcli: Noxcli, sandbox: Sandbox, prices: str, number: float
) -> None:
    Path("one.csv").write_text(f"Name;Price\na;{number:.10f}\n".replace(".", ","))
    assert noxcli("batch", prices, "one.csv").code == 0
    assert noxcli("results", "one.csv.batch", "--csv", "out.csv").code == 0
    keep = [
        f"--keep={name}" for name in ("row", "Price (output)", "status", "seconds", "run", "error")
    ]
    again = noxcli("batch", prices, "out.csv", "--id", "id", *keep)
    first, second = (run.input["Price"] for run in sandbox.runs(prices))
    assert (again.code, second) == (0, first), again.err


def test_a_gate_reads_the_same_numbers(noxcli: Noxcli, sandbox: Sandbox) -> None:
    versions = [
        Version("old", "", NODES),
        Version("new", "", [*NODES, fixed_input("Prompt", "x")]),
    ]
    workflow = sandbox.add(Scenario("priced", nodes=NODES, output=priced, versions=versions))
    write_table("1.000,5")
    sides = ["--base", "old", "--new", "new"]
    result = noxcli("gate", workflow, "t.csv", *sides, "--assert", "ok")
    assert (result.code, {*sent(sandbox, workflow)}) == (0, {1000.5}), result.err


@pytest.mark.parametrize("above", [["Preise 2026"], ["Preise;;", "", "Stand: Mai"]])
def test_a_line_above_the_header_is_named(
    noxcli: Noxcli, sandbox: Sandbox, prices: str, above: list[str]
) -> None:
    Path("t.csv").write_text("\n".join([*above, "Name;Price", "a;3,5", ""]))
    result = noxcli("batch", prices, "t.csv")
    assert (result.code, sandbox.runs(prices)) == (2, [])
    which = f"line {len(above) + 1} names 'Name' and 'Price'; remove the "
    assert f"noxcli: the first line of t.csv is not its header: {which}" in result.err


def test_a_header_without_any_input_is_still_named(noxcli: Noxcli, prices: str) -> None:
    Path("t.csv").write_text("Bezeichnung;Preis\na;3,5\n")
    result = noxcli("batch", prices, "t.csv")
    assert (result.code, "'Bezeichnung' and 'Preis' are not inputs" in result.err) == (2, True)
