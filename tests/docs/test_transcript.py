"""The transcript of a real server: it answers what docs/fidelity.md leaves open, and can be shown to anybody."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep
from tests.process import HUNG

SCRIPT = Path(__file__).parents[2] / "scripts" / "transcript.py"


def transcript(workflow: str, given: str, env: Mapping[str, str]) -> str:
    """Return what the script prints."""
    command = [sys.executable, str(SCRIPT), workflow, given, "--limit", "20"]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=HUNG, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def parts(text: str) -> dict[str, str]:
    return dict(part.split("\n", 1) for part in text.split("\n== ")[1:])


@pytest.mark.long(8)
def test_it_tells_what_the_server_does(sandbox: Sandbox, plays: Any, env: dict[str, str]) -> None:
    workflow = plays(
        nodes=[input_node("Private")],
        script=[Emit("Hidden", "confidential"), Emit("Hidden", " words"), Sleep(1500)],
        output={"Answer": "classified"},
        switches={"on_stopped": "end", "timestamps": "naive"},
    )
    text = transcript(workflow, "Private=intimate", env)
    told = parts(text)
    whole, replayed, resumed, stopped, absent = told.values()
    assert "status: completed" in whole
    assert "created_at: time, no zone" in whole
    assert "content: text(12)" in whole
    assert "workflow_status: completed" in replayed
    middle = int(re.findall(r"with p(\d+)<9-9>", text)[0])
    assert f"p{middle + 1}<" in resumed
    assert f"p{middle}<" not in resumed
    assert "stop: 200" in stopped
    assert "workflow_status: stopped" in stopped
    assert "its record: 404 {detail: text(" in absent
    runs = [run.id for run in sandbox.runs(workflow)]
    sent = [
        "confidential",
        "classified",
        "intimate",
        "Private",
        "Answer",
        "Hidden",
        sandbox.key,
        workflow,
        *runs,
    ]
    assert [value for value in [*sent, sandbox.url.removeprefix("http://")] if value in text] == []


def test_it_starts_nothing_without_a_key(env: dict[str, str]) -> None:
    command = [sys.executable, str(SCRIPT), "any", "x=y"]
    env = {name: value for name, value in env.items() if name != "NOXUS_API_KEY"}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=HUNG, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "NOXUS_API_KEY" in done.stderr


def test_it_leaves_no_run_running(sandbox: Sandbox, plays: Any, env: dict[str, str]) -> None:
    workflow = plays(script=[Sleep(600_000)])
    command = [sys.executable, str(SCRIPT), workflow, "--limit", "1"]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=HUNG, check=False
    )
    assert set(done.stderr.splitlines()) == {"stopped a run that was still running"}
    assert [run.status for run in sandbox.runs(workflow)] == ["stopped"] * 2
