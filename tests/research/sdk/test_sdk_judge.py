"""The official SDK judges the sandbox: whatever its documentation shows must work here, unmodified."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.process import HUNG

JUDGE = Path(__file__).with_name("judge") / "checks.py"


@pytest.mark.wide
@pytest.mark.long(30)
@pytest.mark.timeout(600)  # the first time, the SDK must be installed
def test_official_sdk(sdk_python: Path) -> None:
    with Sandbox(BUILT_IN, speed=20) as sandbox:
        environ = {
            "PATH": os.defpath,
            "NOXUS_BACKEND_URL": sandbox.url,
            "NO_PROXY": "*",
            "PYTHONWARNINGS": "ignore",
        }
        command = [sdk_python, JUDGE]
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=HUNG, check=False
        )
    assert done.returncode == 0, done.stderr[-3000:]
    verdicts = json.loads(done.stdout)
    assert len(verdicts) > 25
    assert {name: told for name, told in verdicts.items() if told != "ok"} == {}
