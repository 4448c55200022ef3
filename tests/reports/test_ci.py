"""What CI systems get: whole, within their limits, and without anything that the remote side could have smuggled in."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import ExitCode, Incomplete
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.reports.ci.step_summary import MAX_PAGE, summary_page
from noxcli.reports.result import EndedRun, Outcome
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import Node, Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, node_fails, node_runs
from tests.conftest import Noxcli
from tests.process import HUNG, environment, running
from tests.runner import Command, commands, outputs, page

GOLDEN = Path(__file__).parents[1] / "golden" / "ci"
OUT, SUMMARY = Path("github_output"), Path("step_summary")
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(OUT), "GITHUB_STEP_SUMMARY": str(SUMMARY)}
WORKFLOW = "00000000-0000-4000-8000-000000000001"
TAGS = {"h3", "p", "code", "table", "thead", "tbody", "tr", "th", "td", "pre"}
FOREVER = [Emit("Write", "hello "), Sleep(60_000)]
HOSTILE = [
    "::error::x",
    " \t::add-mask::e",
    "\u3000::stop-commands::x",
    "##[error]x",
    "\r::set-output name=run_id::evil",
    "\n::set-output name=run_id::evil\n",
    "%0A::error::x",
    "run_id=evil\nrun_id<<x\nevil\nx\n",
    "</code></pre></table></details><script>alert(1)</script><!--",
    "@everyone #1 https://example.invalid www.example.invalid a@example.invalid :tada:",
    "| a | b |\n|---|---|",
    "``` `x` ```\n\n# x\n\n- x\n\n[x](https://example.invalid) ![x](x) **x** $x$",
    "&lt;b&gt; &#64;x \\| \\`",
    "\x1b[0Ksection_end:1:noxcli\r\x1b[0K",
    "\u202e\x1b]8;;http://x\x07",
]


def names(log: str) -> list[str]:
    """The commands in effect, by name."""
    return [command.name for command in commands(log)]


def without_times(text: str) -> str:
    """Remove what differs in every run: ids, tokens, times and durations."""
    known: dict[str, str] = {}
    text = re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        lambda m: known.setdefault(m[0], f"<id {len(known) + 1}>"),
        text,
    )
    text = re.sub(r"\b[0-9a-f]{32}\b|noxcli_[0-9a-f]{8,32}", "<token>", text)
    text = re.sub(r"^\d\d:\d\d:\d\d .*", _line_without_times, text, flags=re.MULTILINE)
    text = re.sub(r"(</code>|after|<td>|,) ?\d+\.\d+s?", r"\1 <seconds>", text)
    return text.replace("\x1b", "\\e").replace("\r", "\\r")


def _line_without_times(line: re.Match[str]) -> str:
    """A line of the plain log, whose columns and durations don't matter to this test."""
    return f"<time> {' '.join(re.sub(r' [(]?[0-9.]+s[)]?', '', line[0][9:]).split())}"


READ = node_runs("Read", seconds=500)  # long enough to be timed
SITUATIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "success": (
        {"script": [*READ, *node_runs("Write", ["Hello"], 500)], "output": {"Answer": "a\n| <b>"}},
        (),
    ),
    "failure": ({"script": [*READ, *node_fails("Write", "too long", 500)], "status": "failed"}, ()),
    "timeout": ({"script": FOREVER}, ("--timeout", "2s")),
    "pause": ({"script": [Emit("Approve")], "status": "awaiting_human_feedback"}, ()),
    "cancel": ({"script": FOREVER}, ()),
}


def act(sandbox: Sandbox, situation: str) -> tuple[int, str, bytes]:
    """Run one situation in its own process, as a runner does; return code, log and stdout."""
    scenario, options = SITUATIONS[situation]
    sandbox.add(Scenario(situation, **scenario))
    env = environment(sandbox.url) | GITHUB
    with running("run", situation, *options, "--dotenv", "run.env", "--json", env=env) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        log = b""
        while situation == "cancel" and not re.search(rb"Write +running", log):
            log += process.stderr.readline()
        if situation == "cancel":
            process.send_signal(signal.SIGINT)
        log += process.stderr.read()
        out = process.stdout.read()
        return process.wait(HUNG), log.decode(), out


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_ending_on_github(sandbox: Sandbox, situation: str) -> None:
    code, log, out = act(sandbox, situation)
    assert names(log) == ([] if code == 0 else ["error"])
    told = outputs(OUT)
    assert (told["exit_code"], told["run_id"]) == (str(code), sandbox.runs(situation)[0].id)
    assert page(SUMMARY.read_text())[0] <= TAGS
    left = {"exit code": str(code), "log": log, "dotenv": Path("run.env").read_text()}
    left |= {
        "outputs": "\n".join(f"{name}={value}" for name, value in told.items()),
        "page": SUMMARY.read_text(),
    }
    shown = without_times("".join(f"--- {name}\n{text.rstrip()}\n" for name, text in left.items()))
    golden = GOLDEN / f"github-{situation}.txt"
    assert shown == golden.read_text(), (
        f"{golden} is the promise: change it only with a CHANGELOG line"
    )
    assert b'"schema":"noxcli.result/1"' in out
    assert out.count(b"\n") == 1


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_remote_takes_effect(noxcli: Noxcli, sandbox: Sandbox, hostile: str) -> None:
    sandbox.add(
        Scenario(
            hostile,
            nodes=[Node(hostile)],
            script=[Emit(hostile, hostile), *node_fails(hostile, hostile)],
            status="failed",
            workflow_id=WORKFLOW,
        )
    )
    options = ("--junit", "r.xml", "--dotenv", "d.env", "--verbose")
    result = noxcli("run", WORKFLOW, *options, environ=GITHUB)
    assert result.code == 1
    assert names(result.err) == ["error"]
    assert not {"\x1b", "\r"} & {*result.err}, "GitLab's commands begin with these"
    run = sandbox.runs(WORKFLOW)[-1]
    assert outputs(OUT) == {
        "run_id": run.id,
        "workflow_id": WORKFLOW,
        "status": "failed",
        "exit_code": "1",
    }
    told, code, rest = page(SUMMARY.read_text())
    assert told <= TAGS
    assert rest == "noxcli: failed , run " + rest.partition(", run ")[2]
    assert not re.search("evil|example|script|everyone|tada", rest)
    assert len(code) == 2 + 1 + 1, "name, id, reason, and the node in its row"


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_output_stays_data(noxcli: Noxcli, plays: Any, hostile: str) -> None:
    output = {hostile: hostile, "whole": {"deep": [hostile]}}
    result = noxcli("run", plays(output=output), "--json", environ=GITHUB)
    assert result.code == 0
    assert set(outputs(OUT)) == {"run_id", "workflow_id", "status", "exit_code", "output"}
    assert outputs(OUT)["output"].encode() in result.out
    tags, _, rest = page(SUMMARY.read_text())
    assert tags <= TAGS
    assert not re.search("evil|example|alert|everyone|tada", rest)
    assert names(result.err) == []


def test_a_hostile_status_sets_one_output(noxcli: Noxcli, plays: Any) -> None:
    hostile = "a\nstatus<<x\nevil\nx\n::error::x $(id)"
    workflow = plays(faults={"start": [Answer(200, {"id": "r", "status": hostile})]})
    result = noxcli("run", workflow, "--detach", "--quiet", "--dotenv", "d.env", environ=GITHUB)
    assert result.code == 0
    assert outputs(OUT) == {
        "run_id": "r",
        "workflow_id": workflow,
        "status": hostile,
        "exit_code": "0",
    }
    assert names(result.err) == []
    assert (
        Path("d.env").read_text().splitlines()[2]
        == "NOXCLI_STATUS=a_status__x_evil_x_::error::x___id_"
    )


def test_delimiters_are_new_each_time(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "x"})
    for _ in range(2):
        noxcli("run", workflow, environ=GITHUB)
    delimiters = re.findall("<<(.*)", OUT.read_text())
    assert len(set(delimiters)) == 4, "one for the start and one for the end of each run"
    assert all(re.fullmatch("noxcli_[0-9a-f]{32}", delimiter) for delimiter in delimiters)


@pytest.mark.parametrize("count", [10, 11])
def test_annotations_stay_within_the_limit(noxcli: Noxcli, plays: Any, count: int) -> None:
    workflow = plays(status="failed")
    runs = [noxcli.start(workflow) for _ in range(count)]
    result = noxcli("wait", *runs, environ=GITHUB)
    errors = [command for command in commands(result.err) if command.name == "error"]
    assert len(errors) == min(count, 10)
    assert (errors[-1].data == f"and {count - 9} more: see the log") is (count > 10)
    assert outputs(OUT) == {"exit_code": "1"}


def test_an_annotation_is_escaped(noxcli: Noxcli, sandbox: Sandbox) -> None:
    sandbox.add(Scenario("50%: a,b", script=node_fails("N", "100%0A, a:b"), status="failed"))
    error = commands(noxcli("run", "50%: a,b", environ=GITHUB).err)[-1]
    run = sandbox.runs("50%: a,b")[-1]
    said = f"run failed at 'N': 100%0A, a:b; details: noxcli inspect {run.id}"
    assert error == Command("error", said, {"title": "50%: a,b: failed"})


def test_outputs_and_page_are_appended_to_what_is_there(noxcli: Noxcli, plays: Any) -> None:
    OUT.write_text("mine=1")
    SUMMARY.write_text("mine")
    assert noxcli("run", plays(output={"A": "x"}), "--output-dir", "out", environ=GITHUB).code == 0
    assert (outputs(OUT)["mine"], outputs(OUT)["outputs_path"]) == ("1", "out")
    assert SUMMARY.read_text().startswith("mine\n<h3>")


def test_a_large_output_is_no_step_output(noxcli: Noxcli, plays: Any) -> None:
    for output in ({"A": "ä" * 40_000}, {"A": ["ä" * 9_000] * 4}):
        for options in ((), ("--json",)):
            OUT.unlink(missing_ok=True)
            assert noxcli("run", plays(output=output), *options, environ=GITHUB).code == 0
            assert "output" not in outputs(OUT), "neither cut nor too long for GitHub"


def test_files_out_of_reach_are_told_and_fail_nothing(noxcli: Noxcli, plays: Any) -> None:
    environ = GITHUB | {"GITHUB_OUTPUT": "/nowhere/out", "GITHUB_STEP_SUMMARY": ""}
    result = noxcli("run", plays(output={"A": "x"}), environ=environ)
    assert (result.code, result.out) == (0, b"x\n")
    assert "noxcli: can't write GITHUB_OUTPUT: no such file or directory\n" in result.err


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, True),
        ({"GITHUB_ACTIONS": ""}, False),
        ({"GITHUB_ACTIONS": "false"}, False),
        ({"NOXCLI_CI": "off"}, False),
        ({"GITHUB_ACTIONS": "", "NOXCLI_CI": "github"}, True),
        ({"NOXCLI_CI": "auto"}, True),
    ],
)
def test_the_system_is_found_by_the_environment(
    noxcli: Noxcli, plays: Any, environ: dict[str, str], found: bool
) -> None:
    result = noxcli("run", plays(output={"A": "x"}), environ=GITHUB | environ)
    assert (result.code, result.out) == (0, b"x\n")
    assert OUT.exists() is found


def test_a_wrong_default_is_told(noxcli: Noxcli) -> None:
    result = noxcli("run", "demo", "--json", environ={"NOXCLI_CI": "jenkins"})
    assert (result.code, result.json["error"]["phase"]) == (2, "config")
    assert "NOXCLI_CI=jenkins is not known; write one of auto, github, off" in result.err


def test_in_ci_a_terminal_gets_lines_too(noxcli: Noxcli, plays: Any) -> None:
    result = noxcli("run", plays(output={"A": "x"}), environ={"NOXCLI_CI": "github"}, tty=True)
    assert re.search(r"^\d\d:\d\d:\d\d run completed", result.err, re.MULTILINE)


@pytest.mark.parametrize(
    ("option", "words", "skipped"),
    [
        ("--dry-run", "checked, not started", "nothing was started"),
        ("--detach", "started", "the run was not waited for"),
    ],
)
def test_what_did_not_run_to_its_end_is_not_called_completed(
    noxcli: Noxcli, plays: Any, option: str, words: str, skipped: str
) -> None:
    assert noxcli("run", plays(), option, "--junit", "junit.xml", environ=GITHUB).code == 0
    assert SUMMARY.read_text().startswith(f"<h3>noxcli: {words}</h3>")
    assert f'message="{skipped}">{skipped}</skipped>' in Path("junit.xml").read_text()
    assert outputs(OUT)["exit_code"] == "0"


def test_a_page_stays_within_its_size() -> None:
    run = Run("r", "w", "failed", output={"<" * 99: "&" * 9_999})
    failed = Outcome("w", run, error=Incomplete("&" * 10_000, None, ExitCode.RUN_FAILED)).document(
        ExitCode.RUN_FAILED
    )
    runs = [EndedRun(str(number), failed) for number in range(100)]
    text = summary_page(runs, Mask())
    assert len(text) <= MAX_PAGE
    assert text.endswith("<p>There is more in the log.</p>\n\n")
    assert page(text)[0] <= TAGS
