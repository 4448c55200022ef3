"""A new verb, format, status, field or column has to reach several places: these tests name the one that was forgotten."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from noxcli.app import verb_named
from noxcli.batchdir.results_file import RUN_KINDS
from noxcli.cli.verbs import VERBS
from noxcli.errors import CommandLine
from noxcli.render import Format
from noxcli.reports.spreadsheet import AFTER
from noxcli.sandbox.scenario import Version
from noxcli.sandbox.steps import Emit
from noxcli.schemas import schema_named, schema_names
from tests.cli.test_bare import LINES
from tests.conftest import Noxcli, write_rows
from tests.docs.test_pages import command_lines
from tests.rawserver import json_answer
from tests.research.hostile import views

ROOT = Path(__file__).parents[1]
GUIDE = [
    path for path in (ROOT / "docs").glob("*.md") if path.stem not in {"architecture", "fidelity"}
]
# Verbs that show nothing that a server said.
OF_THIS_MACHINE = {"completion", "help", "sandbox", "schema"}
# The tests that call each verb.
OF_ALL_VERBS = {"test_bare.py", "test_promises.py"}
A_WORKFLOW = "0b6e2d0e-6f36-4b2f-9a39-000000000001"
# What a run that says `hel` and `lo`, and has the output `x`, prints in each format.
PRINTS = {
    Format.TEXT: "x\n",
    Format.CONTENT: "hello",
    Format.JSON: r'\{"schema":"noxcli\.result/1".*\}\n',
    Format.NDJSON: r'(\{"seq":.*\}\n)+',
}
# What `--json` means beside each format: it is the format, it replaces it, or it contradicts it.
BESIDE_JSON = {Format.TEXT: 0, Format.JSON: 0, Format.CONTENT: 2, Format.NDJSON: 2}
# Fields of a stored run that are read as they are; those that are computed with are checked first (RUN_KINDS).
AS_THEY_ARE = {"status", "progress", "confirmed"}
# Fields of a run that its page leaves out, or shows in another form.
NOT_ON_THE_PAGE = {"confirmed", "duration_s"}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_lists_its_exit_codes(noxcli: Noxcli, verb: str) -> None:
    listed = noxcli(verb, "--help").text.partition("Exit codes:\n")[2]
    assert re.match(r" +\d+ ", listed), "the codes of its Options"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_in_the_guide(verb: str) -> None:
    shown = [line[0] for path in GUIDE for line in command_lines(path.read_text(encoding="utf-8"))]
    assert verb in shown, "a command line in a page of docs"


def test_a_verb_is_called_in_bare_surroundings() -> None:
    assert {line.split()[0] for line in LINES.values()} == VERBS.keys(), (
        "tests/cli/test_bare.py:LINES"
    )


def test_a_verb_is_called_with_hostile_answers() -> None:
    called = set(
        re.findall(r'call\(\s*"([a-z-]+)"', Path(views.__file__).read_text(encoding="utf-8"))
    )
    assert called | OF_THIS_MACHINE == VERBS.keys(), (
        "tests/research/hostile/views.py, or the set above"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_in_a_hint_reaches_the_same_server(verb: str) -> None:
    line = CommandLine(verb).shown(" --profile work")
    assert ("--profile" in line) == verb_named(verb).calls_server, "errors.py:WITHOUT_SERVER"


@pytest.mark.parametrize(
    "verb",
    [verb for verb in VERBS if any("--json" in each.opts for each in verb_named(verb).params)],
)
def test_a_document_of_a_verb_has_a_schema(noxcli: Noxcli, verb: str) -> None:
    write_rows({"User Input": "x"})
    line = LINES[verb].replace("RUN", noxcli.ended("demo", "User Input=x")).replace("'", "")
    done = noxcli(*re.split(r" (?!Input=)", line), "--json")
    if "$schema" not in done.json:  # as `noxcli inputs` prints one
        named = done.json["schema"].removeprefix("noxcli.").partition("/")[0]
        assert named in schema_names(), "a schema in noxcli/schemas"


def test_a_verb_has_tests_of_its_own() -> None:
    paths = [each for each in (ROOT / "tests").rglob("test_*.py") if each.name not in OF_ALL_VERBS]
    tests = "".join(path.read_text(encoding="utf-8") for path in paths)
    calls = set(re.findall(r'(?:noxcli|call|running|captured)\(\s*\[?"([a-z-]+)"', tests))
    assert VERBS.keys() - calls == set(), "a module in tests/commands"


@pytest.mark.parametrize("status", [status for status in range(400, 432) if status != 408])
def test_a_status_after_which_a_start_is_repeated_is_documented(
    noxcli: Noxcli, status: int
) -> None:
    refusal = json_answer({"detail": "no"}, status, Retry_After="1")
    started = json_answer({"id": "r", "workflow_id": A_WORKFLOW, "status": "queued"})
    _, server = noxcli.against([refusal, started], "run", A_WORKFLOW, "--no-check", "--detach")
    starts = sum(request.method == "POST" for request in server.requests)
    documented = f"| {status} | tries again" in page("docs/start-once.md")
    assert (starts > 1) == documented, "the table in docs/start-once.md"


@pytest.mark.parametrize("form", Format)
def test_a_format_is_documented_and_printed(noxcli: Noxcli, plays: Any, form: Format) -> None:
    assert f"| `--format {form}`" in page("docs/output.md"), "the table in docs/output.md"
    assert re.search(form, page("CHANGELOG.md"), re.IGNORECASE), "CHANGELOG.md"
    assert form in PRINTS, "what it prints, above"
    workflow = plays(script=[Emit("W", "hel"), Emit("W", "lo")], output={"A": "x"})
    done = noxcli("run", workflow, "--format", form)
    assert (done.code, re.fullmatch(PRINTS[form], done.text) is not None) == (0, True), done.text
    assert form in BESIDE_JSON, "what it means beside --json, above"
    both = noxcli("run", workflow, "--format", form, "--json")
    assert both.code == BESIDE_JSON[form], both.err
    assert both.json["schema"] == "noxcli.result/1"


@pytest.mark.parametrize("field", schema_named("result")["$defs"]["run"]["properties"])
def test_a_field_of_a_stored_run_is_checked(field: str) -> None:
    assert (field in RUN_KINDS) != (field in AS_THEY_ARE), (
        "batchdir/results_file.py:RUN_KINDS, or the list above"
    )


def test_what_is_checked_is_a_field_of_the_schema() -> None:
    assert {*RUN_KINDS, *AS_THEY_ARE} == schema_named("result")["$defs"]["run"]["properties"].keys()


def test_a_field_of_a_run_is_on_its_page(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    report = tmp_path / "run.html"
    workflow = plays(output={"A": "x"}, versions=[Version("saved")])
    done = noxcli("run", workflow, "--version-id", "saved", "--json", "--report", str(report))
    shown = report.read_text(encoding="utf-8")
    lacking = {
        field for field, value in json.loads(done.text)["run"].items() if str(value) not in shown
    }
    assert lacking <= NOT_ON_THE_PAGE, "reports/html/run_page.py, or the list above"


@pytest.mark.parametrize("column", AFTER)
def test_a_column_of_the_table_is_documented(column: str) -> None:
    passage = page("docs/results.md").partition("`--csv FILE` writes a table")[2].partition(". ")[0]
    assert re.search(rf"\b{column}\b", passage), "the sentence about --csv in docs/results.md"
