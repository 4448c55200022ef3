"""How often `compare --confirm 12` is red by chance, and what it costs, beside `--repeat 3 --pass-each 2`.

Usage: python scripts/bench/chance.py [TRIES [REAL]]. A workflow gives bad answers by chance, with fixed seeds. TRIES
(30) comparisons of each kind use the statistics and the rounds of noxcli in this process; the first REAL (3) of them
are repeated by the real commands against a server (the sandbox), and must name the same rows after as many runs.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noxcli.batch.confirm import Answered, Confirmation, Round
from noxcli.reports.comparison import Answer, Standing
from noxcli.sandbox.scenario import Scenario, Version, input_node
from noxcli.sandbox.server import Sandbox

ASKS, MAX_RUNS, REPEAT, NEEDED = 12, 240, 3, 2
TRULY_BAD = 0.9  # of the answers of a row that is broken
VERSIONS = ("base", "new")


@dataclass(frozen=True)
class Kind:
    """A table of rows, of which so many are broken in NEW; all others are bad by chance in that share of runs."""

    rows: int
    bad: float
    broken: int = 0

    def is_good(self, seed: int, row: str, version: str, turn: int) -> bool:
        """Return what a row gets in its turn of a version, from 1."""
        share = TRULY_BAD if version == "new" and int(row) < self.broken else self.bad
        return random.Random(f"{seed} {row} {version} {turn}").random() >= share

    @property
    def names(self) -> list[str]:
        return [str(row) for row in range(self.rows)]

    def __str__(self) -> str:
        truly = f", {self.broken} truly broken" if self.broken else ""
        return f"{self.rows} rows, {self.bad:.0%} bad by chance{truly}"


KINDS = (Kind(100, 0.05), Kind(100, 0.10), Kind(60, 0.05, broken=2))


@dataclass
class Seen:
    """What one comparison, or several, came to."""

    tries: int = 0
    red: int = 0
    wrong: int = 0  # that named a row that is not broken
    suspects: int = 0  # rows that are broken, and seemed so
    named: int = 0  # of these
    runs: list[int] = field(default_factory=list)

    def add(self, kind: Kind, suspects: Sequence[str], red: Sequence[str], runs: int) -> None:
        truly = {name for name in suspects if int(name) < kind.broken}
        self.tries += 1
        self.red += bool(red)
        self.wrong += not {*red} <= truly
        self.suspects += len(truly)
        self.named += len(truly & {*red})
        self.runs.append(runs)

    def __str__(self) -> str:
        found = f", named {self.named} of {self.suspects} broken rows" if self.suspects else ""
        runs = f"runs paid: mean {sum(self.runs) / len(self.runs):.0f}, most {max(self.runs)}"
        return f"red {self.red} of {self.tries}, wrongly {self.wrong}{found}; {runs}"


def confirmed(kind: Kind, seed: int) -> tuple[list[str], list[str], int]:
    """Return the rows that seem broken, those that stay so, and the runs of both batches and of asking again."""
    turns = Counter({(name, version): 1 for name in kind.names for version in VERSIONS})
    good = {(name, version): kind.is_good(seed, name, version, 1) for name, version in turns}
    suspects = [name for name in kind.names if good[name, "base"] and not good[name, "new"]]

    def ask(round_: Round) -> Answered:
        answers: dict[str, list[Answer]] = {name: [] for name in round_.names}
        for name in [*round_.names] * round_.asks:
            turns[name, round_.side] += 1
            is_good = kind.is_good(seed, name, round_.side, turns[name, round_.side])
            answers[name].append(Answer.GOOD if is_good else Answer.BAD)
        return Answered(answers, round_.runs)

    if not suspects:
        return [], [], 2 * kind.rows
    confirmation = Confirmation.of(suspects, ASKS, MAX_RUNS)
    found = confirmation.decide(ask)
    red = [name for name in suspects if found[name].standing is not Standing.VARIES]
    return suspects, red, 2 * kind.rows + confirmation.runs


def repeated(kind: Kind, seed: int) -> tuple[list[str], list[str], int]:
    """Return the same for a comparison of three repetitions, of which two must be good."""

    def passes(name: str, version: str) -> bool:
        return sum(kind.is_good(seed, name, version, turn) for turn in range(1, REPEAT + 1)) >= NEEDED

    red = [name for name in kind.names if passes(name, "base") and not passes(name, "new")]
    return red, red, 2 * REPEAT * kind.rows


def real(kind: Kind, seed: int, directory: Path) -> tuple[list[str], list[str], int]:
    """Return the same as `confirmed`, by the real commands."""

    def output(inputs: Mapping[str, Any]) -> dict[str, str]:
        return {"A": "good" if kind.is_good(seed, inputs["Q"], inputs["P"], inputs["$turn"]) else "bad"}

    nodes = {version: [input_node("Q"), input_node("P", default=version)] for version in VERSIONS}
    versions = [Version(name, nodes=nodes[name]) for name in VERSIONS]
    scenario = Scenario("chance", nodes=nodes["base"], output=output, versions=versions)
    directory.joinpath("rows.jsonl").write_text("".join(f"{json.dumps({'$id': n, 'Q': n})}\n" for n in kind.names))
    with Sandbox([scenario], speed=1000) as sandbox:
        environ = {**os.environ, "NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key}
        environ["NOXCLI_STATE_DIR"] = str(directory / "state")

        def noxcli(*argv: str, codes: Sequence[int] = (0,)) -> bytes:
            command = [sys.executable, "-m", "noxcli", *argv]
            done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, check=False)
            assert done.returncode in codes, done.stderr.decode()
            return done.stdout

        for version in VERSIONS:
            noxcli("batch", "chance", "rows.jsonl", "--version-id", version, "--output-dir", version, "-q")
        argv = ("compare", "base", "new", "--assert", "output.A == 'good'", "--json", "-q")
        asked = ("--confirm", str(ASKS), "--max-runs", str(MAX_RUNS))
        before = json.loads(noxcli(*argv, codes=(0, 11)))
        after = json.loads(noxcli(*argv, *asked, codes=(0, 11)))
        runs = len(sandbox.runs("chance"))
    suspects, red = ([row["id"] for row in each["rows"] if row["class"] == "broken"] for each in (before, after))
    return sorted(suspects, key=int), sorted(red, key=int), runs


def main() -> None:
    tries, really = map(int, [*sys.argv[1:], *("30", "3")[len(sys.argv) - 1 :]])
    for kind in KINDS:
        ours, theirs, commands = Seen(), Seen(), Seen()
        for seed in range(tries):
            found = confirmed(kind, seed)
            ours.add(kind, *found)
            theirs.add(kind, *repeated(kind, seed))
            if seed < really:
                with tempfile.TemporaryDirectory() as directory:
                    by_commands = real(kind, seed, Path(directory))
                commands.add(kind, *by_commands)
                assert by_commands == found, (kind, seed, by_commands, found)
        print(f"{kind}:")
        print(f"  --confirm {ASKS}, in this process: {ours}")
        print(f"  --confirm {ASKS}, by the commands: {commands} (seeds 0 to {really - 1}, the same rows and runs)")
        print(f"  --repeat {REPEAT} --pass-each {NEEDED}, in this process: {theirs}", flush=True)


if __name__ == "__main__":
    main()
