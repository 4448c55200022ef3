"""`--junit` and `--dotenv`: they report every ending, in forms that CI systems accept."""

import json
import re
import shutil
import signal
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import ExitCode
from noxcli.masking import Mask
from noxcli.reports.writer import write_dotenv
from noxcli.sandbox.faults import Answer, Drop, LostAnswer
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step, node_fails, node_runs
from tests.cli.test_interrupt import until_asked
from tests.conftest import Noxcli, Result
from tests.process import HUNG, ended_by, environment, running
from tests.reports.test_html import read
from tests.reports.test_junit import valid
from tests.runner import outputs

REFUSED = Answer(422, {"detail": "no"})
UNKNOWN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
FOREVER = [Emit("Write", "hello "), Sleep(60_000)]


def variables(path: str | Path) -> dict[str, str]:
    """Read a dotenv file by GitLab's rules: its parser, and what its docs add to that."""
    text = Path(path).read_text()
    assert len(text.encode()) < 5 * 1024
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([A-Za-z0-9_]+)=([^\s\"'`$\\#]*)", line)
        assert match is not None, f"GitLab, or a shell, would read {line!r} in a way of its own"
        found[match[1]] = match[2]
    assert len(found) <= 20
    return found


def only_case() -> ET.Element:
    suite = valid(Path("report/r.xml"))
    assert len(suite) == 1
    return suite[0]


def run(noxcli: Noxcli, workflow: str, *options: str) -> tuple[Result, ET.Element, dict[str, str]]:
    """Run with both reports; return the files."""
    result = noxcli(
        "run", workflow, *options, "--junit", "report/r.xml", "--dotenv", "report/run.env", "--json"
    )
    assert result.json["exit_code"] == result.code
    return result, only_case(), variables("report/run.env")


def test_a_completed_run_passes(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(output={"A": "x"})
    result, case, told = run(noxcli, workflow)
    ran = sandbox.runs(workflow)[0]
    assert (result.code, list(case.attrib.values())[1]) == (0, "noxcli")
    assert [child.tag for child in case] == ["system-out"]
    assert ran.id in str(case.findtext("system-out"))
    assert float(case.attrib["time"]) == result.json["run"]["duration_s"]
    assert told == {
        "NOXCLI_RUN_ID": ran.id,
        "NOXCLI_WORKFLOW_ID": workflow,
        "NOXCLI_STATUS": "completed",
        "NOXCLI_EXIT_CODE": "0",
    }


ENDINGS: list[tuple[str, dict[str, Any], tuple[str, ...], int, str]] = [
    ("failed", {"script": node_fails("W", "too long"), "status": "failed"}, (), 1, "failure"),
    ("stopped", {"status": "stopped"}, (), 3, "failure"),
    ("paused", {"status": "awaiting_human_feedback"}, (), 10, "error"),
    ("timeout", {"script": FOREVER}, ("--timeout", "1s"), 124, "error"),
    ("no such output", {"output": {"A": "x"}}, ("--raw", "B"), 2, "error"),
    ("refused", {"faults": {"start": [REFUSED]}}, (), 2, "error"),
    ("unknown start", {"faults": {"start": [LostAnswer()]}}, (), 7, "error"),
    ("unreachable", {"faults": {"start": [Drop(repeat=True)]}}, ("--retry-for", "0"), 7, "error"),
    ("wrong input", {}, ("x",), 2, "error"),
    ("wrong key", {}, ("--api-key-file", "none"), 4, "error"),
    ("no time", {}, ("--timeout", "0"), 75, "error"),
    ("unknown color", {}, ("--color", "blue"), 2, "error"),
    ("no file of inputs", {}, ("--inputs", "nowhere.json"), 2, "error"),
]


@pytest.mark.parametrize(
    ("scenario", "options", "code", "kind"), [e[1:] for e in ENDINGS], ids=[e[0] for e in ENDINGS]
)
def test_every_other_ending_is_told(
    noxcli: Noxcli,
    plays: Any,
    scenario: dict[str, Any],
    options: tuple[str, ...],
    code: int,
    kind: str,
) -> None:
    result, case, told = run(noxcli, plays(**scenario), *options)
    verdict = case[0]
    assert (result.code, verdict.tag, verdict.attrib["type"]) == (code, kind, ExitCode(code).name)
    assert verdict.attrib["message"] == result.json["error"]["message"]
    assert str(verdict.text).startswith(f"exit code {code}: ")
    assert told["NOXCLI_EXIT_CODE"] == str(code)
    assert ("NOXCLI_RUN_ID" in told) is (result.json["run"] is not None)


@pytest.mark.parametrize(
    ("line", "name", "message"),
    [
        ("run demo --timeout abc", "demo", "invalid value for '--timeout'"),
        ("run --nope", "noxcli run", "no such option: --nope"),
        ("run demo --assert ((", "demo", "--assert '((' is not a valid JMESPath expression"),
        ("wait --nope", "noxcli wait", "no such option: --nope"),
        ("stream x --format nope", "noxcli stream", "invalid value for '--format'"),
    ],
)
def test_a_mistaken_command_line_is_told(
    noxcli: Noxcli, line: str, name: str, message: str
) -> None:
    noxcli.environ |= {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": "outputs"}
    result = noxcli(*line.split(), "--junit", "report/r.xml", "--dotenv", "report/run.env")
    case = only_case()
    assert (result.code, case.get("name"), case[0].tag) == (2, name, "error")
    assert message in str(case[0].get("message"))
    assert variables("report/run.env") == {"NOXCLI_EXIT_CODE": "2"}
    assert f"::error title={name}%3A rejected" in result.err
    assert "\n2\n" in Path("outputs").read_text()


def test_a_mistaken_command_line_overwrites_no_input(noxcli: Noxcli) -> None:
    Path("key").write_text("the key")
    assert (
        noxcli("run", "demo", "--timeout", "abc", "--api-key-file", "key", "--junit", "key").code
        == 2
    )
    assert Path("key").read_text() == "the key"


def test_an_unknown_workflow_is_told_by_its_name(noxcli: Noxcli) -> None:
    result, case, told = run(noxcli, "nope")
    assert (result.code, case.attrib["name"], case.attrib["classname"]) == (5, "nope", "noxcli")
    assert told == {"NOXCLI_EXIT_CODE": "5"}


@pytest.mark.parametrize("verb", ["run", "stream", "wait", "fetch-output"])
def test_every_verb_that_waits_reports(noxcli: Noxcli, plays: Any, verb: str) -> None:
    workflow = plays(output={"A": "x"})
    subject = workflow if verb == "run" else noxcli.start(workflow)
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": "outputs",
        "GITHUB_STEP_SUMMARY": "summary",
    }
    files = ("--junit", "report/r.xml", "--dotenv", "d.env", "--report", "run.html")
    assert noxcli(verb, subject, *files, environ=github).code == 0
    assert only_case().attrib["classname"] == "noxcli"
    assert variables("d.env")["NOXCLI_STATUS"] == outputs(Path("outputs"))["status"] == "completed"
    assert re.search(r"✓ \S+ completed in [\d.]+ m?s ", read("run.html").text)
    assert "<h3>noxcli: completed</h3>" in Path("summary").read_text()


def test_each_of_several_runs_is_a_case_of_its_own(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=[Emit("W"), Sleep(1)], output={"A": "x"})
    good = [noxcli.start(workflow) for _ in range(2)]
    bad = noxcli.start("fails")
    assert (
        noxcli(
            "wait",
            *good,
            UNKNOWN,
            bad,
            "--junit",
            "r.xml",
            "--dotenv",
            "d.env",
            "--report",
            "four.html",
        ).code
        == 5
    )
    assert Path("four.html").read_text().count("<article>") == 4
    suite = valid(Path("r.xml"))
    names = [case.attrib["name"] for case in suite]
    assert (len({*names}), names[3]) == (4, f"fails {bad}"), (
        "two runs of one workflow are two cases"
    )
    assert [[child.tag for child in case] for case in suite] == [
        ["system-out"],
        ["system-out"],
        ["error"],
        ["failure", "system-out"],
    ]
    assert variables("d.env") == {"NOXCLI_EXIT_CODE": "5"}


def test_what_ended_the_wait_for_several_is_told_of_each(noxcli: Noxcli) -> None:
    result = noxcli(
        "wait", "w/a", "w/b", "--junit", "r.xml", "--json", environ={"NOXUS_API_KEY": ""}
    )
    assert [(one["ok"], one["exit_code"]) for one in result.json["results"]] == [(False, 4)] * 2
    assert [case[0].attrib["type"] for case in valid(Path("r.xml"))] == ["AUTH"] * 2


def test_a_signal_is_told_and_the_ids_were_there_before(sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(script=FOREVER)
    reports = ("--junit", "report/r.xml", "--dotenv", "d.env")
    with running("run", workflow, *reports, env=environment(sandbox.url)) as process:
        until_asked(sandbox, "/events")
        early = variables("d.env")
        ended_by(process, signal.SIGTERM)
    assert process.returncode == 143
    assert early == {
        "NOXCLI_RUN_ID": sandbox.runs(workflow)[0].id,
        "NOXCLI_WORKFLOW_ID": workflow,
        "NOXCLI_STATUS": early["NOXCLI_STATUS"],
    }
    assert only_case()[0].attrib["type"] == "TERMINATED"
    assert (variables("d.env")["NOXCLI_STATUS"], variables("d.env")["NOXCLI_EXIT_CODE"]) == (
        "stopped",
        "143",
    )


def test_a_reader_that_went_away_is_told(sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(script=[Emit("W", "hello"), Sleep(300), Emit("W", "more")], output={"A": "x"})
    options = ("--format", "content", "--junit", "report/r.xml")
    with running("run", workflow, *options, env=environment(sandbox.url)) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(HUNG)
    assert process.returncode == 141
    assert only_case()[0].attrib["type"] == "READER_GONE"


@pytest.mark.parametrize(("status", "code"), [("completed", 9), ("failed", 1)])
def test_an_unwritable_report_counts_if_all_else_is_well(
    noxcli: Noxcli, plays: Any, status: str, code: int
) -> None:
    def vanish(_: dict[str, Any]) -> list[Step]:
        Path("gone").touch()
        return node_runs("W")

    workflow = plays(script=vanish, status=status, output={"A": "x"})
    result = noxcli("run", workflow, "--junit", "gone/r.xml", "--dotenv", "d.env", "--json")
    assert (result.code, result.json["exit_code"], result.json["ok"]) == (code, code, False)
    assert "noxcli: can't write gone/r.xml: file exists" in result.err
    assert variables("d.env")["NOXCLI_EXIT_CODE"] == str(code)


def test_reports_agree_if_a_later_one_fails(noxcli: Noxcli, plays: Any) -> None:
    def vanish(_: dict[str, Any]) -> Iterator[Step]:
        while not Path("gone/d.env").exists():
            yield Sleep(10)
        shutil.rmtree("gone")
        Path("gone").touch()

    workflow = plays(script=vanish, output={"A": "x"})
    result = noxcli("run", workflow, "--junit", "report/r.xml", "--dotenv", "gone/d.env", "--json")
    assert (result.code, result.json["exit_code"]) == (9, 9)
    assert str(only_case()[0].text).startswith("exit code 9: ")


def test_a_value_that_would_be_expanded_is_made_plain(tmp_path: Path) -> None:
    hostile = {
        "A": "$PATH",
        "B": "a\nEVIL=1",
        "C": "`id` $(id) 'x' \"y\" #z",
        "D": "x" * 9000,
        "E": None,
    }
    write_dotenv(tmp_path / "d.env", hostile, Mask())
    told = variables(tmp_path / "d.env")
    assert told == {"A": "_PATH", "B": "a_EVIL_1", "C": "_id____id___x___y___z", "D": "x" * 200}


def test_a_secret_is_in_no_report(noxcli: Noxcli, plays: Any) -> None:
    secret = "s3cret-token-1234"
    refusal = Answer(422, {"detail": f"bad {secret}"})
    workflow = plays(faults={"start": [refusal]})
    options = (
        "--secret",
        "a=TOKEN",
        "--no-check",
        "--junit",
        "r.xml",
        "--dotenv",
        "d.env",
        "--json",
    )
    result = noxcli("run", workflow, *options, environ={"TOKEN": secret})
    assert result.code == 2
    assert "bad ***" in Path("r.xml").read_text()
    for text in (
        Path("r.xml").read_text(),
        Path("d.env").read_text(),
        json.dumps(result.json),
        result.err,
    ):
        assert secret not in text
        assert noxcli.environ["NOXUS_API_KEY"] not in text
