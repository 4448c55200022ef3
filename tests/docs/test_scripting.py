"""docs/scripting.md: its script runs in bash and in dash, and cleans up when it is interrupted."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.process import HUNG, captured, environment, needs, until

PAGE = (Path(__file__).parents[2] / "docs/scripting.md").read_text()
SCRIPT = re.findall(
    r"```bash\ncat > script.sh <<'END'\n(.*?)^END\n```", PAGE, re.DOTALL | re.MULTILINE
)[0]
STRICT = {"bash": "set -euo pipefail\n", "dash": "set -eu\n"}


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "script.sh").write_text(SCRIPT)
    (tmp_path / "tmp").mkdir()
    return {**environment(sandbox.url), "TMPDIR": str(tmp_path / "tmp")}


@pytest.mark.parametrize("shell", STRICT)
def test_the_script_runs(sandbox: Sandbox, env: dict[str, str], tmp_path: Path, shell: str) -> None:
    needs(shell)
    needs("jq")
    (tmp_path / "script.sh").write_text(SCRIPT.replace("set -eu\n", STRICT[shell], 1))
    done = captured([shell, "script.sh"], env, input="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    answer, statuses, code = done.stdout.rsplit("\n", 3)[:3]
    assert answer == "Answer to: Answer to: one\nAnswer to: two"
    assert (statuses.split(), code) == (["2", "completed"], "exit code 1, retry_safe false")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert {run.status for run in sandbox.runs("qa")} == {"completed"}


@pytest.mark.parametrize("shell", STRICT)
def test_a_script_that_is_cut_off_leaves_no_run_behind(
    sandbox: Sandbox, plays: Any, env: dict[str, str], tmp_path: Path, shell: str
) -> None:
    needs(shell)
    needs("jq")
    endless = plays(script=[Sleep(60_000)])
    (tmp_path / "script.sh").write_text(
        SCRIPT.replace("run qa Question=@-", f"run {endless} --no-check Question=@-")
    )
    (tmp_path / "given").write_text("one\n")
    line = ["sh", "-c", f"exec {shell} script.sh < given > said 2>&1"]
    process = subprocess.Popen(line, env=env, start_new_session=True)
    until(lambda: sandbox.runs(endless))
    os.killpg(process.pid, signal.SIGTERM)  # a shell alone would wait for its pipeline first
    assert process.wait(HUNG) == 143
    assert [run.status for run in sandbox.runs(endless)] == ["stopped"]
    assert list((tmp_path / "tmp").iterdir()) == []
