"""A virtual environment for the official SDK, made once and kept in the repository's root."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

SDK = "noxus-sdk==0.6.0"
ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".sdk-venv"
VENV = CACHE / SDK.replace("==", "-")


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    """The interpreter that has the SDK; without the SDK, the tests are skipped, or fail on CI."""
    python = VENV / "bin" / "python"
    ready = VENV / "ready"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may be here at once
        if not ready.exists():
            shutil.rmtree(VENV, ignore_errors=True)
            _install(python)
            ready.touch()
    return python


def _install(python: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    commands = [
        [sys.executable, "-m", "venv", "--without-pip", str(VENV)],
        [*pip, "--python", str(python), "install", "--quiet", "--no-compile", SDK],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            _unavailable(f"{SDK} cannot be installed: {done.stderr.strip()[-500:]}")


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
