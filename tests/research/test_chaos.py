"""Streams cut at random in every way, seeded: the output is the server's sequence, and nothing twice.

`python -m tests.research.test_chaos 2000` does that many runs and prints what happened. With `--real`, waits are real,
and it also prints the longest time without an event.
"""

import argparse
import json
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from noxcli.runs.follow import TRIES_FOR_THE_REST
from noxcli.sandbox.faults import Answer, Cut, Drop, Fault, Hold, WrongType
from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step
from noxcli.timing import Clock
from tests.conftest import Noxcli, QuickClock, Result

RUNS, BATCHES, AT_ONCE = 240, 12, 6
PLAIN = range(1)  # the batches of the plain run
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
    def cuts(self) -> int:
        return len(self.faults)

    @property
    def forgets(self) -> bool:
        """True if the server does not keep all events, so that some may be out of reach."""
        return "retained_events" in self.switches

    @property
    def may_lack_its_end(self) -> bool:
        """True if nothing in the events shows that they are complete."""
        return bool(self.switches["end_announced_by"] == "none")


@dataclass
class Tally:
    """What happened, over many runs."""

    runs: int = 0
    events: int = 0
    cuts: int = 0
    connects: int = 0
    lost: int = 0  # missing events that nothing reported
    doubled: int = 0
    out_of_order: int = 0
    gaps: int = 0
    false_gaps: int = 0  # reported, although nothing was missing
    unreachable: int = 0  # missing events that were reported
    forgotten: int = 0  # events that a forgetful server silently left out, which no client can notice
    longest_silence: float = 0.0  # seconds between two events
    wrong: list[str] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        figures = {name: value for name, value in vars(self).items() if name not in {"labels", "wrong"}}
        told = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in figures.items())
        return f"{told}; continuity {dict(self.labels)}"


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


def counted(plan: Plan, result: Result, truth: list[dict[str, Any]], tally: Tally) -> None:
    """Compare, and add up."""
    # What is not JSON, such as a fault's last words, is passed on, and is none of the run's events.
    got, own = [event for event in result.events if event["type"] != "unknown"], result.own
    tally.runs += 1
    tally.events += len(truth)
    tally.cuts += plan.cuts
    tally.longest_silence = max(tally.longest_silence, silence(result))
    problems: list[str] = []
    if result.code != 0 or own.count("result") != 1 or result.lines[-1]["type"] != "noxcli.result":
        problems.append(f"code {result.code}, {own.count('result')} results")
    else:
        stream = result.lines[-1]["data"]["stream"]
        tally.connects += stream["connects"]
        tally.labels[stream["continuity"]] += 1
    extra, missing = matched(got, truth)
    gap = "gap" in own
    tally.gaps += own.count("gap")
    if extra:
        tally.doubled += len(extra)
        problems.append(f"{len(extra)} events too many")
    if missing and gap:
        tally.unreachable += missing
        if not plan.forgets and not fell_silent(plan) and not tried_in_vain(result.lines):
            problems.append("a gap where everything could be had")
    elif missing and plan.forgets:
        tally.forgotten += missing
    elif missing:
        tally.lost += missing
        problems.append(f"{missing} events lost without a word")
    elif gap:
        tally.false_gaps += 1
        refused = any(isinstance(one, Answer) and one.status in CURSOR_REFUSALS for one in plan.faults)
        if not (refused or plan.may_lack_its_end or plan.forgets):
            problems.append("a gap was said and nothing is missing")
    if not extra and not is_subsequence(got, truth):
        tally.out_of_order += 1
        problems.append("out of order")
    if problems:
        tally.wrong.append(f"seed {plan.seed}: {'; '.join(problems)}")


def silence(result: Result) -> float:
    """Return the longest time between two events of the server, in seconds."""
    times = [datetime.fromisoformat(line["ts"]) for line in result.lines if not line["type"].startswith("noxcli.")]
    return max(((after - before).total_seconds() for before, after in pairwise(times)), default=0.0)


def fell_silent(plan: Plan) -> bool:
    """True if a connection stays open and silent: after the verdict, noxcli does not wait for it for long."""
    return any(isinstance(one, Cut) and one.how == "silent" for one in plan.faults)


def tried_in_vain(lines: Sequence[dict[str, Any]]) -> bool:
    """True if the client gave up only after the required number of attempts in a row without an event."""
    before = [line["type"] for line in lines[: next(at for at, line in enumerate(lines) if line["type"] == GAP)]]
    return before[-TRIES_FOR_THE_REST:] == ["noxcli.reconnecting"] * TRIES_FOR_THE_REST


def matched(got: Sequence[dict[str, Any]], truth: Sequence[dict[str, Any]]) -> tuple[list[str], int]:
    """Return the events that came too often, and the number of missing ones."""
    told, true = Counter(map(to_text, got)), Counter(map(to_text, truth))
    return list((told - true).elements()), (true - told).total()


def to_text(event: dict[str, Any]) -> str:
    return json.dumps(event, sort_keys=True)


def is_subsequence(got: Sequence[Any], truth: Sequence[Any]) -> bool:
    rest = iter(truth)
    return all(any(event == one for one in rest) for event in got)


def noxcli_for(sandbox: Sandbox, state: str, clock: Clock) -> Noxcli:
    environ = {"NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key, "NOXCLI_STATE_DIR": state}
    return Noxcli({**environ, "TERM": "dumb"}, clock)


def runs_of(seeds: Iterable[int], state: str, tally: Tally, *, real: bool = False) -> None:
    """Play the plans of these seeds, some at a time, and add up."""
    with Sandbox(speed=1000) as sandbox, ThreadPoolExecutor(AT_ONCE * (4 if real else 1)) as pool:

        def one(seed: int) -> tuple[Plan, Result, list[dict[str, Any]]]:
            plan = planned(seed)
            return plan, *play(plan, sandbox, noxcli_for(sandbox, state, Clock() if real else QuickClock()))

        for plan, result, truth in pool.map(one, seeds):
            counted(plan, result, truth, tally)


@pytest.mark.long(4)
@pytest.mark.parametrize(
    "batch", [*PLAIN, *(pytest.param(batch, marks=pytest.mark.wide) for batch in range(len(PLAIN), BATCHES))]
)
def test_chaos(batch: int, tmp_path: Path) -> None:
    tally = Tally()
    runs_of(range(batch, RUNS, BATCHES), str(tmp_path), tally)
    assert not tally.wrong
    assert (tally.runs, tally.lost, tally.doubled, tally.out_of_order) == (RUNS // BATCHES, 0, 0, 0)


def main() -> int:
    """Do that many runs and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=RUNS)
    parser.add_argument("first", nargs="?", type=int, default=0, help="seed")
    parser.add_argument("--real", action="store_true", help="wait by the real clock")
    asked, tally = parser.parse_args(), Tally()
    with tempfile.TemporaryDirectory() as state:
        runs_of(range(asked.first, asked.first + asked.runs), state, tally, real=asked.real)
    print(tally)
    for line in tally.wrong:
        print(line)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
