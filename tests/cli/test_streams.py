"""stdout and stderr that can't be written to: a full disk, a pipe without a reader, a closed stream.

With any such stream, the process ends with one of noxcli's own codes, and all reports say the same.
"""

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import ExitCode
from noxcli.render import Format
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit
from tests import forks
from tests.process import NOXCLI, captured, environment, in_bash
from tests.reports.test_junit import valid
from tests.runner import outputs
from tests.sample import one_in

WORKFLOW, RUN = "0b6e2d0e-6f36-4b2f-9a39-000000000001", "0b6e2d0e-6f36-4b2f-9a39-000000000002"
GONE = "noxcli: the reader of stdout closed the pipe"
FULL = "noxcli: can't write to stdout: no space left on device"
CLOSED = "noxcli: can't write to stdout: it is closed"
TO_NOBODY = ">&3"  # a pipe whose reader has exited
UNWRITABLE = [(">/dev/full", 9, FULL), (">&-", 9, CLOSED), (TO_NOBODY, 141, GONE)]
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(sandbox: Sandbox) -> Shell:
    """Runs one noxcli command line in bash, and returns its exit code."""

    def run(line: str, rest: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        before = "mkfifo pipe; true <pipe & exec 3>pipe; wait;" if rest == TO_NOBODY else ""
        command = f"{before} {forks.directory() / 'noxcli'} {line} {rest}"
        return in_bash(command, {**environment(sandbox.url), **environ})

    return run


COMMANDS = [
    *("--version", "--help", "run --help", "help", "completion bash", "--version --version"),
    *("workflows", "inputs qa", "schema"),
]


@pytest.mark.parametrize(("command", "unwritable"), one_in(3, COMMANDS, UNWRITABLE))
def test_a_line_says_that_stdout_takes_nothing(
    shell: Shell, command: str, unwritable: tuple[str, int, str]
) -> None:
    rest, code, told = unwritable
    done = shell(command, rest)
    silent = code == 141 and (
        "--" in command or command == "help"
    )  # a reader that has seen enough of a help page
    assert (done.returncode, done.stderr) == (code, "" if silent else f"{told}\n")


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize(("rest", "code", "told"), UNWRITABLE[:2])
def test_a_run_whose_answer_stdout_does_not_take(
    shell: Shell, plays: Any, sandbox: Sandbox, form: str, rest: str, code: int, told: str
) -> None:
    workflow = plays(script=[Emit("W", "hello"), Emit("W", status="completed")], output={"A": "x"})
    done = shell(f"run {workflow} --format {form} --quiet --junit r.xml --dotenv d.env", rest)
    (ran,) = sandbox.runs(workflow)
    assert done.returncode == code
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
    assert (
        f"noxcli fetch-output {ran.id}" in done.stderr or f"noxcli stream {ran.id}" in done.stderr
    )
    assert f"NOXCLI_EXIT_CODE={code}\n" in Path("d.env").read_text()
    assert only_error() == ExitCode(code).name


@pytest.mark.parametrize("verb", ["stream", "fetch-output", "wait"])
def test_other_verbs_name_the_run_as_well(shell: Shell, plays: Any, verb: str) -> None:
    run = shell(f"run {plays(output={'A': 'x'})} --detach").stdout.strip()
    shell(f"wait {run}")
    done = shell(f"{verb} {run} --quiet", ">/dev/full")
    assert (done.returncode, done.stderr) == (
        9,
        f"{FULL}; fetch its output with: noxcli fetch-output {run}\n",
    )


def only_error() -> str:
    (case,) = valid(Path("r.xml"))
    assert [child.tag for child in case if child.tag != "system-out"] == ["error"]
    return str(next(iter(case)).attrib["type"])


@pytest.mark.parametrize("rest", [">/dev/full", TO_NOBODY])
def test_github_gets_the_exit_code_of_a_lost_document(shell: Shell, plays: Any, rest: str) -> None:
    github = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": "outputs", "GITHUB_STEP_SUMMARY": "page"}
    done = shell(f"run {plays(output={'A': 'x'})} --json --quiet", rest, **github)
    assert done.returncode in {9, 141}
    assert outputs(Path("outputs"))["exit_code"] == str(done.returncode)
    page = Path("page").read_text()
    assert f"exit code {done.returncode}</p>" in page
    assert page.count("<h3>") == 1
    assert done.stderr.count("::error") == 1


@pytest.mark.parametrize(("rest", "code"), [(">/dev/full", 1), (TO_NOBODY, 141)])
def test_a_run_that_failed_is_not_a_run_that_was_not_delivered(
    shell: Shell, rest: str, code: int
) -> None:
    done = shell("run fails --json --quiet --junit r.xml --dotenv d.env", rest)
    assert done.returncode == code
    assert f"NOXCLI_EXIT_CODE={code}\n" in Path("d.env").read_text()
    (case,) = ET.parse("r.xml").iter("testcase")
    assert str(case[0].get("message")).startswith("run failed")


@pytest.mark.parametrize("closed", ["0<&-", "2>&-", "0<&- 2>&-"])
def test_a_closed_stdin_or_stderr_changes_nothing(shell: Shell, plays: Any, closed: str) -> None:
    workflow = plays(script=[Emit("W", "hello")], output={"A": "x"})
    done = shell(f"run {workflow} --state-file state.json", closed)
    assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr
    assert shell("run fails", closed).returncode == 1
    assert shell("run --nope", closed).returncode == 2


def test_with_all_streams_closed_the_code_says_what_is_lost(
    shell: Shell, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(output={"A": "x"})
    done = shell(f"run {workflow} --dotenv d.env", "0<&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (9, "", "")
    assert [run.status for run in sandbox.runs(workflow)] == ["completed"]
    assert "NOXCLI_EXIT_CODE=9\n" in Path("d.env").read_text()


@pytest.mark.parametrize("line", ["run --nope", "run qa Question=a", "wait nope", "--help"])
def test_a_full_disk_under_stderr_leaves_the_code_as_it_is(shell: Shell, line: str) -> None:
    assert shell(line, "2>/dev/full").returncode == shell(line).returncode


def test_the_sandbox_ends_with_its_own_code(shell: Shell) -> None:
    assert shell("sandbox -- true", ">/dev/full").returncode == 0
    assert shell("sandbox -- false", ">&- 2>&-").returncode == 1
    assert shell("sandbox --port 0", TO_NOBODY).returncode == 141


BROKEN_REPORT = """
import noxcli.reports.junit
def broken(*a, **k): raise ZeroDivisionError("boom")
noxcli.reports.junit.cases_of = broken
"""
BROKEN_RESULT = """
import noxcli.cli.ending as ending
whole = ending.document_of
def broken(outcomes, *others, **options):
    if outcomes[0].delivered.output: raise MemoryError
    return whole(outcomes, *others, **options)
ending.document_of = broken
"""


@pytest.mark.parametrize(
    ("form", "broken", "code", "complete", "told"),
    [
        (
            "ndjson",
            BROKEN_REPORT,
            70,
            True,
            "noxcli: ZeroDivisionError: boom; please report it, with --verbose",
        ),
        (
            "json",
            BROKEN_RESULT,
            9,
            False,
            "noxcli: the output is too large to print; fetch its output",
        ),
    ],
    ids=["report", "result"],
)
def test_an_error_while_the_ending_is_told_is_one_line(
    sandbox: Sandbox, plays: Any, form: str, broken: str, code: int, complete: bool, told: str
) -> None:
    argv = [
        "noxcli",
        "run",
        plays(output={"A": "x"}),
        "--format",
        form,
        "--junit",
        "r.xml",
        "--dotenv",
        "d.env",
    ]
    line = f"{broken}\nimport sys; sys.argv = {[*argv, '--quiet']!r}\nfrom noxcli.__main__ import main; main()\n"
    done = captured([NOXCLI[0], "-c", line], environment(sandbox.url))
    assert done.returncode == code
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
    document = json.loads(done.stdout.splitlines()[-1])
    document = document if form == "json" else document["data"]
    assert (document["exit_code"], document["complete"], document["run"]["status"]) == (
        code,
        complete,
        "completed",
    )
    assert f"NOXCLI_EXIT_CODE={code}\n" in Path("d.env").read_text()


def test_an_ending_that_cannot_be_told_is_a_bug(sandbox: Sandbox) -> None:
    broken = "def broken(*a): raise ZeroDivisionError('boom')\nending._report_ending = ending._report_briefly = broken"
    line = f"import noxcli.cli.ending as ending, sys\n{broken}\nsys.argv = ['noxcli', 'runs', 'no such workflow']\n"
    line += "from noxcli.__main__ import main; main()\n"
    done = captured([NOXCLI[0], "-c", line], environment(sandbox.url))
    assert done.returncode == 70
    assert done.stderr.endswith(
        "noxcli: ZeroDivisionError: boom; please report it, with --verbose\n"
    )
    assert "Traceback" not in done.stderr
