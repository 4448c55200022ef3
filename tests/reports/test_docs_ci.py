"""docs/github.md and docs/gitlab.md: their jobs run, as far as a shell can act as a runner, and clean up."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.process import HUNG, captured, ended_by, environment, until
from tests.reports.test_junit import valid
from tests.reports.test_writer import variables
from tests.runner import outputs

PAGE = "".join(
    (Path(__file__).parents[2] / "docs" / name).read_text() for name in ("github.md", "gitlab.md")
)
GITHUB, GITLAB = (
    block
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if block.startswith(("jobs:\n  summarise:", "summarise:"))
)
RUNNER_SHELL = ["bash", "-e"]


@pytest.fixture
def unhurried() -> Iterator[Sandbox]:
    """A sandbox in which `slow` does not end before it is stopped."""
    with Sandbox(BUILT_IN, speed=1) as sandbox:
        yield sandbox


def steps(workflow: str = "demo") -> list[dict[str, Any]]:
    return list(
        yaml.safe_load(GITHUB.replace("run demo", f"run {workflow}"))["jobs"]["summarise"]["steps"]
    )


def start(
    step: dict[str, Any], sandbox: Sandbox, told: dict[str, str]
) -> "subprocess.Popen[bytes]":
    """Start a step as GitHub's runner does it: in its own file, with its own files for outputs."""
    Path("script.sh").write_text(step["run"])
    Path("step_outputs").write_text("")
    env = {
        name: re.sub(r"\$\{\{ steps\.(\w+\.outputs\.\w+) \}\}", lambda match: told[match[1]], value)
        for name, value in step.get("env", {}).items()
    }
    files = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": "step_outputs",
        "GITHUB_STEP_SUMMARY": "step_summary",
    }
    return subprocess.Popen(
        [*RUNNER_SHELL, "script.sh"],
        env=environment(sandbox.url, sandbox.key) | files | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(step: dict[str, Any], sandbox: Sandbox, told: dict[str, str]) -> tuple[int, str]:
    with start(step, sandbox, told) as process:
        log = process.communicate(timeout=HUNG)[0].decode()
    told |= {
        f"{step.get('id')}.outputs.{name}": value
        for name, value in outputs(Path("step_outputs")).items()
    }
    return process.returncode, log


def test_the_github_job_runs(lively: Sandbox) -> None:
    told: dict[str, str] = {}
    first, use, clean_up = steps()
    assert (first["id"], [step.get("if") for step in (first, use, clean_up)]) == (
        "noxus",
        [None, None, "always()"],
    )
    for step, shown in (
        (first, "completed"),
        (use, "You asked: hello"),
        (clean_up, "had already ended"),
    ):
        code, log = run(step, lively, told)
        assert (code, shown in log) == (0, True), log
    assert told["noxus.outputs.outputs_path"] == "out"
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*", PAGE, re.MULTILINE))))
    assert named == {name.removeprefix("noxus.outputs.") for name in told}, (
        "the page lists the outputs there are"
    )
    assert len(valid(Path("reports/noxcli.xml"))) == 1
    assert "<h3>noxcli: completed</h3>" in Path("step_summary").read_text()


def test_a_failing_github_job_still_tells_and_cleans_up(lively: Sandbox) -> None:
    told: dict[str, str] = {}
    first, _, clean_up = steps("fails")
    assert run(first, lively, told)[0] == 2, "it takes no input, which is told before the start"
    assert told == {"noxus.outputs.exit_code": "2"}
    assert run(clean_up, lively, told)[0] == 0


@pytest.mark.parametrize("hard", [False, True], ids=["signal", "kill"])
def test_a_cancelled_github_job_leaves_nothing_running(unhurried: Sandbox, hard: bool) -> None:
    first, _, clean_up = steps("slow")
    first["run"] = first["run"].replace("'User Input=hello'", "")
    before = len(unhurried.runs("slow"))
    with start(first, unhurried, {}) as process:
        until(lambda: "run_id" in outputs(Path("step_outputs")))
        assert Path("run.state").exists(), (
            "it is written before the id is told, so that a job can always clean up"
        )
        said, _ = ended_by(process, signal.SIGKILL if hard else signal.SIGINT)
    started = unhurried.runs("slow")[before]
    assert outputs(Path("step_outputs"))["run_id"] == started.id
    assert (started.status == "stopped") is not hard, said.decode()
    assert run(clean_up, unhurried, {})[0] == 0
    assert started.status == "stopped"


def test_the_gitlab_jobs_run(lively: Sandbox) -> None:
    jobs = yaml.safe_load(GITLAB)

    def play(job: str, part: str, **more: str) -> str:
        env = environment(lively.url, lively.key) | {"GITLAB_CI": "true"} | more
        done = captured(["bash", "-c", "\n".join(["set -eo pipefail", *jobs[job][part]])], env)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    play("summarise", "script")
    assert "had already ended" in play("summarise", "after_script")
    passed_on = variables("run.env")
    log = play("use", "script", **passed_on)
    assert (
        f"run {passed_on['NOXCLI_RUN_ID']} of {passed_on['NOXCLI_WORKFLOW_ID']} ended with 0, completed"
        in log
    )
    assert "You asked: hello" in log
    for kind, file in jobs["summarise"]["artifacts"]["reports"].items():
        assert Path(file).exists(), kind
