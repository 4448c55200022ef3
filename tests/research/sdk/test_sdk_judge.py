"""The official SDK judges the sandbox: whatever its documentation shows must work here, unmodified."""

import ast
import fcntl
import json
import os
import subprocess
from pathlib import Path

import pytest

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.process import HUNG

JUDGE = Path(__file__).with_name("judge") / "checks.py"


def _checks() -> list[str]:
    """The judge's checks by name. It cannot be imported here: the SDK lives in another environment."""
    functions = ast.parse(JUDGE.read_text(encoding="utf-8")).body
    return [each.name for each in functions if isinstance(each, ast.FunctionDef) and each.name.startswith("check_")]


@pytest.fixture(scope="session")
def verdicts(sdk_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each check with "ok" or the traceback of its failure; parallel test processes share one run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    minutes = shared / "verdicts.json"
    with (shared / "verdicts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not minutes.exists():
            minutes.write_text(_heard(sdk_python), encoding="utf-8")
    results: dict[str, str] = json.loads(minutes.read_text(encoding="utf-8"))
    return results


def _heard(sdk_python: Path) -> str:
    """Let the judge run, and return what it prints."""
    with Sandbox(BUILT_IN, speed=20) as sandbox:
        environment = {
            "PATH": os.defpath,
            "NOXUS_BACKEND_URL": sandbox.url,
            "NO_PROXY": "*",
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            [sdk_python, JUDGE], env=environment, capture_output=True, text=True, timeout=HUNG, check=False
        )
    if done.returncode:
        pytest.fail(f"the judge could not begin: {done.stderr[-3000:]}")
    return done.stdout


@pytest.mark.wide
@pytest.mark.long(30)
@pytest.mark.timeout(600)  # the first time, the SDK must be installed
@pytest.mark.parametrize("check", _checks())
def test_official_sdk(check: str, verdicts: dict[str, str]) -> None:
    assert verdicts[check] == "ok", verdicts[check]
