"""Streams cut at random in every way, seeded: the output is the server's sequence, and nothing twice.

`CHAOS_RUNS=2000 pytest -m 'wide or not wide' tests/research/test_chaos.py` does that many runs.
"""

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from noxcli.runs.follow import TRIES_FOR_THE_REST
from noxcli.sandbox.faults import Answer, Cut, Drop, Fault, Hold, WrongType
from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step
from tests.conftest import Noxcli, QuickClock, Result

RUNS, BATCHES, AT_ONCE = int(os.environ.get("CHAOS_RUNS", "240")), 12, 6  # the plain run has one batch
IDLE_TIMEOUT = "0.1s"
GAP = "noxcli.gap"
CURSOR_REFUSALS = {404, 410, 422}
ENDING_EVENTS = ("done", "timeout", "error")


@dataclass(frozen=True)
class Plan:
    """One run and what happens to its connections; everything follows from the seed."""

    seed: int
    script: Sequence[Step]
    faults: Sequence[Fault]
    switches: dict[str, Any]

    @property
    def forgets(self) -> bool:
        """True if the server does not keep all events, so that some may be out of reach."""
        return "retained_events" in self.switches

    @property
    def may_lack_its_end(self) -> bool:
        """True if nothing in the events shows that they are complete."""
        return bool(self.switches["end_announced_by"] == "none")


def planned(seed: int) -> Plan:
    """Make the plan of that seed."""
    rng = random.Random(seed)
    size = rng.choice([20, 40, 80, 150, 300])
    slow = rng.random() < 0.5
    texts = ["same"] if rng.random() < 0.2 else [f"piece {n} " for n in range(size)]
    script: list[Step] = []
    while len(script) < size:
        burst = rng.randint(1, 40)
        script += [Emit("Write", rng.choice(texts)) for _ in range(burst)]
        if slow:
            script.append(Sleep(rng.choice([1, 5, 20])))
    faults = [fault(rng, size) for _ in range(rng.choice([1, 2, 4, 8, 12]))]
    switches: dict[str, Any] = {
        "cursor_inclusive": rng.random() < 0.4,
        "on_unknown_cursor": rng.choice(["replay", "404", "410", "422"]),
        "redis_ids": rng.choice(["all", "all", "all", "some", "none"]),
        "keepalive": rng.choice(["none", "comment", "ping"]),
        "keepalive_seconds": rng.choice([1, 20]),
        "closing_event": rng.choice(["none", "none", *ENDING_EVENTS]),
        "id_lines": rng.random() < 0.3,
        "event_lines": rng.random() < 0.8,
        "chunk_per_event": rng.random() < 0.3,
        "content": rng.choice(["delta", "cumulative"]),
        "end_announced_by": rng.choice(["content", "content", "state", "state", "none"]),
        "after_end": rng.choice(["close", "silent"]),
        "stale_reads": rng.choice([0, 0, 2]),
        "late_output_reads": rng.choice([0, 0, 1, 3]),
        "create_status": rng.choice([200, 201, 202]),
        "early_output": rng.choice(["empty", "null"]),
        "timestamps": rng.choice(["z", "naive", "offset"]),
        "record_inputs": rng.choice(["as_given", "node_id", "node_id::name"]),
        "failed_nodes": rng.choice(["executed", "left_out"]),
        "output_keys": rng.choice(["label", "node_id", "node_id::name"]),
        "inline_text": rng.choice(["string", "container"]),
    }
    if rng.random() < 0.1:
        switches["retained_events"] = rng.choice([5, 30])
    return Plan(seed, script, faults, switches)


def fault(rng: random.Random, size: int) -> Fault:
    """Something that happens to one connection."""
    after = rng.choice([0, 1, 2, rng.randint(0, 20), rng.randint(0, size)])
    match rng.randrange(14):
        case 0 | 1:
            return Cut(after, "clean")
        case 2 | 3 | 4:
            return Cut(after, "torn")
        case 5 | 6:
            return Cut(after, "abort")
        case 7:
            return Cut(after, "silent")
        case 8:
            return Cut(after, "clean", f"event: {rng.choice(ENDING_EVENTS)}\ndata: {{}}\n\n")
        case 9:
            return Cut(after, "abort", rng.choice(["data: {oops\n\n", ": comment\n\n", "event: ping\ndata: {}\n\n"]))
        case 10:
            # The answer of a server that no longer knows the position: then a full replay is requested.
            return Answer(rng.choice(sorted(CURSOR_REFUSALS)), {"detail": "Expired cursor"})
        case 11:
            headers = {"Retry-After": "1"} if rng.random() < 0.5 else {}
            return Answer(rng.choice([429, 500, 502, 503, 504]), "<html>busy</html>", headers)
        case 12:
            others: list[Fault] = [Drop(), WrongType(), WrongType("application/json", "{}")]
            return rng.choice(others)
        case _:
            return Hold(rng.choice([1, 20]))


def play(plan: Plan, sandbox: Sandbox, noxcli: Noxcli) -> tuple[Result, list[dict[str, Any]]]:
    """Run it; return what noxcli said, and the server's own sequence."""
    workflow = sandbox.add(
        Scenario(
            f"chaos {threading.get_ident()}",
            script=plan.script,
            output={"A": "x"},
            faults={"events": plan.faults},
            switches=plan.switches,
        )
    )
    result = noxcli("run", workflow, "--format", "ndjson", "--quiet", environ={"NOXCLI_IDLE_TIMEOUT": IDLE_TIMEOUT})
    runs = sandbox.runs(workflow)
    assert len(runs) == 1, (plan.seed, result.code, result.err)
    (run,) = runs
    return result, [{"redisId": None, **event} for event in run.events]


def wrong(plan: Plan, result: Result, truth: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong with noxcli's events, compared with the server's."""
    # What is not JSON, such as a fault's last words, is passed on, and is none of the run's events.
    got, own = [event for event in result.events if event["type"] != "unknown"], result.own
    problems: list[str] = []
    if result.code != 0 or own.count("result") != 1 or result.lines[-1]["type"] != "noxcli.result":
        problems.append(f"code {result.code}, {own.count('result')} results")
    extra, missing = matched(got, truth)
    if extra:
        problems.append(f"{extra} events too many")
    elif not is_subsequence(got, truth):
        problems.append("out of order")
    if missing and "gap" in own:
        if not plan.forgets and not fell_silent(plan) and not tried_in_vain(result.lines):
            problems.append("a gap where everything could be had")
    elif missing and not plan.forgets:  # no client can notice what a forgetful server leaves out
        problems.append(f"{missing} events lost without a word")
    elif "gap" in own:
        refused = any(isinstance(one, Answer) and one.status in CURSOR_REFUSALS for one in plan.faults)
        if not (refused or plan.may_lack_its_end or plan.forgets):
            problems.append("a gap was said and nothing is missing")
    return problems


def fell_silent(plan: Plan) -> bool:
    """True if a connection stays open and silent: after the verdict, noxcli does not wait for it for long."""
    return any(isinstance(one, Cut) and one.how == "silent" for one in plan.faults)


def tried_in_vain(lines: Sequence[dict[str, Any]]) -> bool:
    """True if the client gave up only after the required number of attempts in a row without an event."""
    told = [line["type"] for line in lines if line["type"] != "unknown"]
    before = told[: told.index(GAP)]
    return before[-TRIES_FOR_THE_REST:] == ["noxcli.reconnecting"] * TRIES_FOR_THE_REST


def matched(got: Sequence[dict[str, Any]], truth: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Return the number of events that came too often, and of missing ones."""
    told, true = Counter(map(to_text, got)), Counter(map(to_text, truth))
    return (told - true).total(), (true - told).total()


def to_text(event: dict[str, Any]) -> str:
    return json.dumps(event, sort_keys=True)


def is_subsequence(got: Sequence[Any], truth: Sequence[Any]) -> bool:
    rest = iter(truth)
    return all(any(event == one for one in rest) for event in got)


@pytest.mark.long(4)
@pytest.mark.parametrize("batch", [0, *(pytest.param(batch, marks=pytest.mark.wide) for batch in range(1, BATCHES))])
def test_chaos(batch: int, tmp_path: Path) -> None:
    with Sandbox(speed=1000) as sandbox, ThreadPoolExecutor(AT_ONCE) as pool:
        environ = {"NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key, "NOXCLI_STATE_DIR": str(tmp_path)}

        def problems(seed: int) -> list[str]:
            plan = planned(seed)
            return wrong(plan, *play(plan, sandbox, Noxcli({**environ, "TERM": "dumb"}, QuickClock())))

        seeds = range(batch, RUNS, BATCHES)
        assert {seed: found for seed, found in zip(seeds, pool.map(problems, seeds), strict=True) if found} == {}
