"""A judged gate that is killed again and again ends as one that never was."""

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import pytest

from noxcli.sandbox.scenario import Scenario, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli, write_rows
from tests.process import ended_by, running, until

KILLS = 10
ROWS = 12
RUNS = 2 * ROWS + 4 + 24  # of one row that is broken, and of as many judgements
MOST_IN_FLIGHT = 8  # by default of --max-parallel
LONGEST = 0.3  # seconds from a start at the server to a kill


def added(sandbox: Sandbox, name: str) -> tuple[str, str]:
    """Add a workflow, and a judge that finds its answer to one question bad in NEW."""

    def nodes(word: str) -> Sequence[Any]:
        return [input_node("Q"), input_node("P", default=word), output_node("Answer")]

    def answer(inputs: Mapping[str, Any]) -> Mapping[str, str]:
        return {"Answer": f"{inputs['P']}: {inputs['Q']}"}

    def verdict(inputs: Mapping[str, Any]) -> Mapping[str, str]:
        is_bad = inputs["Answer"] == "new: question 1"
        return {"Verdict": "bad" if is_bad else "good"}

    versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
    slow = [Sleep(0.1)]
    workflow = Scenario(
        name, nodes=nodes("base"), output=answer, versions=versions, script=lambda _: slow
    )
    in_and_out = [input_node("Answer"), output_node("Verdict")]
    judge = Scenario(f"{name} judge", nodes=in_and_out, output=verdict, script=lambda _: slow)
    return sandbox.add(workflow), sandbox.add(judge)


def is_due(
    sandbox: Sandbox, ids: Sequence[str], runs: int, process: subprocess.Popen[bytes]
) -> bool:
    """True once the server has so many runs, or the gate has ended."""
    return sum(len(sandbox.runs(each)) for each in ids) >= runs or process.poll() is not None


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=pytest.mark.wide) for seed in range(3)]
    + [pytest.param(seed, marks=pytest.mark.nightly) for seed in range(3, 10)],
)
def test_kills_start_nothing_twice_but_what_was_in_flight(
    noxcli: Noxcli, sandbox: Sandbox, env: dict[str, str], seed: int
) -> None:
    rng = Random(seed)
    ids = added(sandbox, f"kills {seed}")
    table = write_rows(*({"$id": f"id-{row}", "Q": f"question {row}"} for row in range(ROWS)))
    sides = ("--base", "base", "--new", "new", "--judge", ids[1])
    line = ["gate", ids[0], table, *sides, "--assert", "judge.Verdict == 'good'"]
    killed = 0
    for runs in sorted(rng.sample(range(2 * RUNS), KILLS)):
        with running(*line, env=env) as process:
            until(partial(is_due, sandbox, ids, runs, process))
            time.sleep(rng.random() * LONGEST)
            killed += process.poll() is None
            ended_by(process, signal.SIGKILL)
    result = noxcli(*line, "--json")
    assert result.code == 11, result.err
    assert result.json["classes"]["broken"] == 1
    assert result.json["gate"]["suspects"]["broken"] == 1
    started = sum(len(sandbox.runs(each)) for each in ids)
    print(f"{killed} kills: {started - 2 * RUNS} runs more than {2 * RUNS}")
    assert 2 * RUNS <= started <= 2 * RUNS + MOST_IN_FLIGHT * killed
