"""How often a gate is red, by chance and by right, and how many runs it costs, next to what was simulated elsewhere.

Usage: python scripts/bench/chance.py [TRIES [ROWS...]]. TRIES (200) gates of each kind are decided by the rules of
`noxcli.gate.rules`, for tables of ROWS (30 60 100 300), with fixed seeds. Lines that begin with | are those of the
table in docs/chance.md.
`python scripts/bench/chance.py command [FIRST [TRIES]]` runs `noxcli gate` in four worlds; FIRST (0) is the seed of the
first of TRIES (40).
"""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from noxcli.checks.row_class import SideVerdict
from noxcli.gate.answers import TRIES, TRIES_OF_SUSPECT
from noxcli.gate.rules import (
    BASE,
    NEW,
    ROUNDS,
    AnswerKey,
    GateRules,
    GateVerdict,
    StoredAnswer,
    SuspectState,
    default_max_runs,
)
from noxcli.sandbox.scenario import Scenario, Version, fixed_input, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import State

# Red in percent, mean runs: unchanged, a loss of 3, 6, 11 points everywhere, one row that turns 50, 70, 90 % bad.
EXPECTED = {
    (30, 0.05): ".8 (88)  4/15/47 (115/146/180)  23/58/85 (99/96/95)",
    (30, 0.15): "1.2 (112)  4/10/33 (140/171/213)  12/42/74 (122/119/114)",
    (60, 0.05): "1.2 (188)  10/37/83 (278/346/325)  23/58/86 (199/180/170)",
    (60, 0.15): "1.5 (228)  7/22/64 (304/376/412)  10/39/73 (239/229/209)",
    (100, 0.05): "1.2 (325)  17/60/95 (511/565/424)  22/57/85 (328/294/269)",
    (100, 0.15): "1.9 (400)  11/38/85 (553/656/597)  9/35/72 (410/386/342)",
    (300, 0.05): "1.2 (1,017)  57/97/100 (1,712/1,147/655)  20/55/85 (995/880/769)",
    (300, 0.15): "1.9 (1,221)  30/86/100 (1,931/1,663/901)  6/28/70 (1,234/1,155/998)",
}
# Of the command: a world, and what is expected of it.
CELLS = (
    ("unchanged", 0.05, 0.0, 0.0, ".8 (88)"),
    ("a loss of 11 points everywhere", 0.05, 0.11, 0.0, "47 (180)"),
    ("one row that turned 90 % bad", 0.05, 0.0, 0.9, "85 (95)"),
    ("unchanged", 0.15, 0.0, 0.0, "1.2 (112)"),
)
NOISES, DEFAULT_ROWS = (0.05, 0.15), (30, 60, 100, 300)
FAILING = 0.02  # of the runs, on both sides
LOST = (0.02, 0.05, 0.15, 0.2, 0.3)
# How scores of equally good answers vary, about zero and by about one.
SHAPES: Mapping[str, Callable[[random.Random], float]] = {
    "normal": lambda chance: chance.gauss(0, 1),
    "whole numbers": lambda chance: float(round(chance.gauss(0, 0.9))),
    "right or wrong": lambda chance: 2.0 * (chance.random() < 0.5),
    "even": lambda chance: chance.uniform(-1.7, 1.7),
    "skewed": lambda chance: -chance.expovariate(1),
    "mostly equal": lambda chance: chance.gauss(0, 3) * (chance.random() < 0.1),
    "a few collapse": lambda chance: chance.gauss(0, 0.5) - 4 * (chance.random() < 0.05),
}


@dataclass(frozen=True)
class World:
    """How answers come about; shares of all answers."""

    rows: int
    noise: float = 0.05
    loss: float = 0.0  # of NEW's answers everywhere
    turned: float = 0.0  # the answers of row 1 that are bad in NEW
    failing: float = FAILING
    lost: float = 0.0  # of the runs, without a result
    outage: float = 0.0  # how much of a round lies in an outage, in which four of five runs fail
    half_bad: bool = False  # the noise is in a few rows, of which half of the answers are bad
    judge_errs: float = 0.0  # of the judgements, where a judge decides
    score: float | None = None  # how much NEW's score falls, in its deviations within a row
    shape: str = "normal"  # of the scores

    def answers(self, seed: int) -> Callable[[AnswerKey], StoredAnswer]:
        """Return what answers each place once, in the order of asking."""
        chance, turn = random.Random(f"{seed} {self}"), count()
        begins = chance.randrange(2 * self.rows)
        outage = range(begins, begins + round(self.outage * 2 * self.rows))

        def answer(place: AnswerKey) -> StoredAnswer:
            most = TRIES if place.place in ROUNDS else TRIES_OF_SUSPECT
            runs = 1
            while chance.random() < self.lost:
                if runs == most:
                    return StoredAnswer(SideVerdict.NONE, runs=runs)
                runs += 1
            if chance.random() < (0.8 if next(turn) in outage else self.failing):
                return StoredAnswer(SideVerdict.FAILED, runs=runs)
            bad = chance.random() < self._bad(place)
            score = None
            if self.score is not None:
                score = 7 + SHAPES[self.shape](chance) - self.score * (place.side == NEW)
            return StoredAnswer(SideVerdict.BAD if bad else SideVerdict.GOOD, score, runs)

        return answer

    def _bad(self, place: AnswerKey) -> float:
        """Return how often an answer of this place is taken for a bad one."""
        bad = self._truly_bad(place)
        return bad * (1 - self.judge_errs) + (1 - bad) * self.judge_errs

    def _truly_bad(self, place: AnswerKey) -> float:
        noise = self.noise
        if self.half_bad:
            noise = 0.5 if place.row <= 2 * self.noise * self.rows else 0.0
        if place.side != NEW:
            return noise
        return self.turned if self.turned and place.row == 1 else noise + self.loss

    def gate(self, seed: int) -> tuple[GateVerdict, int]:
        """Return what a gate decides, and its runs."""
        gate = GateRules(
            range(1, self.rows + 1), default_max_runs(self.rows), scored=self.score is not None
        )
        answer, stored = self.answers(seed), dict[AnswerKey, StoredAnswer]()
        while not isinstance(asked := gate.decide(stored), GateVerdict):
            for place in asked:
                stored[place] = answer(place)
        return asked, sum(each.runs for each in stored.values())


@dataclass(frozen=True)
class Seen:
    """What several gates came to: in percent, and in runs."""

    red: float
    runs: float
    unconfirmed: float

    @classmethod
    def of(cls, world: World, tries: int) -> "Seen":
        red = 0
        runs = 0
        unconfirmed = 0
        for seed in range(tries):
            verdict, paid = world.gate(seed)
            runs += paid
            if verdict.is_red:
                red += 1
            if verdict.rows(SuspectState.UNCONFIRMED):
                unconfirmed += 1
        return cls(100 * red / tries, runs / tries, 100 * unconfirmed / tries)


def beside(each: Sequence[Seen]) -> str:
    shares = "/".join(f"{seen.red:.3g}" for seen in each)
    runs = "/".join(f"{seen.runs:,.0f}" for seen in each)
    return f"{shares} ({runs})"


def missed(each: Sequence[Seen]) -> str:
    """Return how many of these gates were green, for the guide."""
    return ", ".join(f"{100 - seen.red:.0f}" for seen in each)


def unusual(plain: World) -> Mapping[str, World]:
    """Return what the table leaves out: the world is unchanged but for what the name says."""
    return {
        "a few half-bad rows": replace(plain, half_bad=True),
        "an outage of a third of a round": replace(plain, outage=0.33),
        "an outage of half a round": replace(plain, outage=0.5),
        **{f"{share:.0%} of runs without a result": replace(plain, lost=share) for share in LOST},
        "15 % of runs without a result, one row that turned 90 % bad": replace(
            plain, lost=0.15, turned=0.9
        ),
        **{f"with --score, {shape}": replace(plain, score=0.0, shape=shape) for shape in SHAPES},
        "a judge that errs in 10 %": replace(plain, judge_errs=0.1),
        "a judge that errs in 10 %, a loss of 11 points": replace(plain, judge_errs=0.1, loss=0.11),
        "with --score, which falls by 0.2 deviations": replace(plain, score=0.2),
        "with --score, which falls by 0.4 deviations": replace(plain, score=0.4),
        "with --score, and 5 % without a result": replace(plain, score=0.0, lost=0.05),
    }


def gate_by_command(sandbox: Sandbox, directory: Path, world: World, seed: int) -> tuple[bool, int]:
    """Return whether `noxcli gate` is red in that world, and its runs."""
    name = f"gate {seed} {world}"

    def chance(inputs: Mapping[str, Any], of: str) -> random.Random:
        return random.Random(f"{of} {name} {inputs['Q']} {inputs['P']} {inputs['$turn']}")

    def script(inputs: dict[str, Any]) -> list[State]:
        return [State("failed")] if chance(inputs, "fails").random() < world.failing else []

    def output(inputs: dict[str, Any]) -> dict[str, str]:
        place = AnswerKey(int(inputs["Q"]), NEW if inputs["P"] == "new" else BASE, 1)
        return {"A": "bad" if chance(inputs, "bad").random() < world._bad(place) else "good"}

    nodes = {
        each: [input_node("Q"), fixed_input("P", each), output_node("A")]
        for each in ("base", "new")
    }
    versions = [Version(each, nodes=nodes[each]) for each in nodes]
    workflow = sandbox.add(
        Scenario(name, nodes=nodes["base"], script=script, output=output, versions=versions)
    )
    table = directory / f"{seed}.jsonl"
    table.write_text("".join(f'{{"Q": "{row}"}}\n' for row in range(1, world.rows + 1)))
    known = {"NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key, "HOME": str(directory)}
    line = [
        "gate",
        workflow,
        str(table),
        "--base",
        "base",
        "--new",
        "new",
        "--assert",
        "output.A == 'good'",
        "--fresh",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "noxcli", *line],
        env={**os.environ, **known},
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 11), done.stderr
    return done.returncode == 11, len(sandbox.runs(workflow))


def run_command(first: int = 0, tries: int = 40) -> None:
    for name, noise, loss, turned, expected in CELLS:
        world = World(30, noise, loss=loss, turned=turned)
        with tempfile.TemporaryDirectory() as directory, Sandbox(speed=1000) as sandbox:
            found = [
                gate_by_command(sandbox, Path(directory), world, seed)
                for seed in range(first, first + tries)
            ]
            sandbox.break_connections()
        red, runs = sum(red for red, _ in found), sum(runs for _, runs in found)
        print(
            f"30 rows, {noise:.0%}, {name}: red {red} of {tries}, {runs / tries:.0f} runs; expected {expected}",
            flush=True,
        )


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:]] or [200]
    tries = numbers[0]
    for rows in numbers[1:] or DEFAULT_ROWS:
        for noise in NOISES:
            plain = World(rows, noise)
            unchanged = [Seen.of(plain, tries)]
            losing = [Seen.of(replace(plain, loss=loss), tries) for loss in (0.03, 0.06, 0.11)]
            turned = [Seen.of(replace(plain, turned=bad), tries) for bad in (0.5, 0.7, 0.9)]
            cell = f"{rows} rows, {noise:.0%}"
            print(f"{cell}: {beside(unchanged)}  {beside(losing)}  {beside(turned)}")
            print(f"    expected: {EXPECTED.get((rows, noise), '-')}")
            red = f"{unchanged[0].red:.1f}"
            of_guide = f"{rows}, {100 * noise:.0f} %"
            print(f"| {of_guide} | {red} | {missed(losing)} | {missed(turned)} |", flush=True)
            for name, world in unusual(plain).items():
                seen = Seen.of(world, tries)
                print(
                    f"    {name}: {beside([seen])}, not confirmed {seen.unconfirmed:.3g}",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["command"]:
        run_command(*map(int, sys.argv[2:]))
    else:
        main()
