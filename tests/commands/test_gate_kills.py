"""`noxcli gate` that is killed at random moments: the same line ends in the verdict of an undisturbed one."""

import json
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step
from tests.conftest import Noxcli, write_rows
from tests.process import ended_by, running

VERSIONS = {"base": "aaaaaaaa-2222-4333-8444-555555555555", "new": "bbbbbbbb-2222-4333-8444-555555555555"}
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOST_IN_FLIGHT = 8  # by default of --max-parallel
# What each row gives in BASE and NEW: g(ood), b(ad) or f(ailed).
ROWS = {"worse": "gb", "fails": "gf", "failed": "fb", "both": "ff", "fixed": "bg", **{f"r{n}": "gg" for n in range(9)}}


def nodes(version: str) -> list[Any]:
    return [input_node("Q"), input_node("P", default=version), output_node("A")]


@pytest.fixture
def workflow(plays: Any) -> str:
    """A workflow whose answers depend on version and input alone."""

    def letter(inputs: dict[str, Any]) -> str:
        return ROWS[inputs["Q"]][inputs["P"] == "new"]

    def script(inputs: dict[str, Any]) -> list[Step]:
        return [Sleep(50), State("failed")] if letter(inputs) == "f" else [Sleep(50)]

    return str(
        plays(
            nodes=nodes("base"),
            script=script,
            output=lambda inputs: {"A": {"g": "good"}.get(letter(inputs), "bad")},
            versions=[Version(name, "", nodes(name), id=own_id) for name, own_id in VERSIONS.items()],
        )
    )


@pytest.mark.parametrize(
    "kills", [4, pytest.param(20, marks=pytest.mark.wide), pytest.param(300, marks=pytest.mark.nightly)]
)
def test_kills_change_no_verdict(
    sandbox: Sandbox, env: dict[str, str], noxcli: Noxcli, workflow: str, kills: int
) -> None:
    rows = write_rows(*({"$id": name, "Q": name} for name in ROWS))
    argv = ["gate", workflow, rows, "--base", "base", "--new", "new", "--assert", "output.A == 'good'", "--json"]
    undisturbed = noxcli(*argv, "--output-dir", "undisturbed")
    assert undisturbed.code == 11, undisturbed.err
    paid = len(sandbox.runs(workflow))

    chance = random.Random(kills)
    for _ in range(kills):
        with running(*argv, env=env) as process:
            try:
                process.wait(timeout=chance.uniform(0.3, 2.5))
            except subprocess.TimeoutExpired:
                ended_by(process, chance.choice(SIGNALS))
    time.sleep(0.2)  # until the last runs have ended
    killed = noxcli(*argv)
    ended = [run for run in sandbox.runs(workflow)[paid:] if run.status in ("completed", "failed")]
    assert killed.code == undisturbed.code, killed.err
    assert [killed.json[key] for key in ("classes", "reason")] == [
        undisturbed.json["classes"],
        undisturbed.json["reason"].replace(f"({paid} runs)", f"({killed.json['gate']['runs']} runs)"),
    ]
    steps = Counter(json.loads(line).get("step") for line in Path(f"{rows}.gate/batch.jsonl").read_text().splitlines())
    doubts = steps["sent"] - steps["started"]
    assert len(ended) <= paid + doubts, "no answer is paid twice but for a start in doubt"
    assert doubts <= kills * MOST_IN_FLIGHT
    lines = Path(f"{rows}.gate/results.jsonl").read_text().splitlines()
    numbers = [json.loads(line)["row"] for line in lines]
    assert len(numbers) == len({*numbers})
