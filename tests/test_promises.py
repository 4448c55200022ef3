"""A new format, field or column has to reach several places: these tests name the one that was forgotten."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from noxcli.batchdir.results_file import RUN_KINDS
from noxcli.render import Format
from noxcli.reports.spreadsheet import AROUND
from noxcli.sandbox.steps import Emit
from noxcli.schemas import schema_named
from tests.conftest import Noxcli

ROOT = Path(__file__).parents[1]
# What a run that says `hel` and `lo`, and has the output `x`, prints in each format.
PRINTS = {
    Format.TEXT: "x\n",
    Format.CONTENT: "hello",
    Format.JSON: r'\{"schema":"noxcli\.result/1".*\}\n',
    Format.NDJSON: r'(\{"seq":.*\}\n)+',
}
# Fields of a stored run that are read as they are; those that are computed with are checked first (RUN_KINDS).
AS_THEY_ARE = {"status", "progress", "confirmed"}
# Fields of a run that its page leaves out, or shows in another form.
NOT_ON_THE_PAGE = {"confirmed", "duration_s"}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("form", Format)
def test_a_format_is_documented_and_printed(noxcli: Noxcli, plays: Any, form: Format) -> None:
    assert f"| `--format {form}`" in page("docs/output.md"), "the table in docs/output.md"
    assert re.search(form, page("CHANGELOG.md"), re.IGNORECASE), "CHANGELOG.md"
    assert form in PRINTS, "what it prints, above"
    workflow = plays(script=[Emit("W", "hel"), Emit("W", "lo")], output={"A": "x"})
    done = noxcli("run", workflow, "--format", form)
    assert (done.code, re.fullmatch(PRINTS[form], done.text) is not None) == (0, True), done.text


@pytest.mark.parametrize("field", schema_named("result")["$defs"]["run"]["properties"])
def test_a_field_of_a_stored_run_is_checked(field: str) -> None:
    assert (field in RUN_KINDS) != (field in AS_THEY_ARE), (
        "batchdir/results_file.py:RUN_KINDS, or the list above"
    )


def test_what_is_checked_is_a_field_of_the_schema() -> None:
    assert {*RUN_KINDS, *AS_THEY_ARE} == schema_named("result")["$defs"]["run"]["properties"].keys()


def test_a_field_of_a_run_is_on_its_page(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    report = tmp_path / "run.html"
    done = noxcli("run", plays(output={"A": "x"}), "--json", "--report", str(report))
    shown = report.read_text(encoding="utf-8")
    lacking = {
        field for field, value in json.loads(done.text)["run"].items() if str(value) not in shown
    }
    assert lacking <= NOT_ON_THE_PAGE, "reports/html/run_page.py, or the list above"


@pytest.mark.parametrize("column", AROUND[1])
def test_a_column_of_the_table_is_documented(column: str) -> None:
    passage = page("docs/results.md").partition("`--csv FILE` writes a table")[2].partition(". ")[0]
    assert re.search(rf"\b{column}\b", passage), "the sentence about --csv in docs/results.md"
