"""A recording made with noxcli, served again: the official SDK and noxcli see the events of the real run."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.recordings import Played, load_recording
from noxcli.sandbox.server import listening
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result
from tests.process import HUNG

FOLLOW = Path(__file__).with_name("judge") / "follow.py"


def seen(result: Result) -> list[list[Any]]:
    """The events of the server, as noxcli prints them."""
    return [[event["type"], event["data"], event["redisId"]] for event in result.events]


@pytest.mark.wide
@pytest.mark.timeout(600)  # the first time, the SDK must be installed
def test_sdk_and_noxcli_see_the_same_events(sdk_python: Path, noxcli: Noxcli, tmp_path: Path) -> None:
    target = tmp_path / "run.jsonl"
    real = noxcli("run", "demo", "User Input=hello", "--format", "ndjson", "--record", str(target), "--record-values")
    assert real.code == 0, real.err
    started = real.lines[-1]["data"]["run"]

    played = Played(load_recording(target), key="k" * 20, speed=100, listener=listening(0))
    with played:
        environ = {**noxcli.environ, "NOXUS_BACKEND_URL": played.url, "NOXUS_API_KEY": played.key}
        again = Noxcli(environ, Clock())("run", "demo", "User Input=hello", "--format", "ndjson")
        command = [sdk_python, FOLLOW, played.key, started["workflow_id"], started["id"]]
        done = subprocess.run(
            command,
            env={"PATH": os.defpath, "NOXUS_BACKEND_URL": played.url, "NO_PROXY": "*", "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=HUNG,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    by_sdk = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(by_sdk) > 40
    assert by_sdk == seen(again) == seen(real)
    assert (again.code, again.lines[-1]["data"]["output"]) == (0, real.lines[-1]["data"]["output"])
