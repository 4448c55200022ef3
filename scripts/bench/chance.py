"""How often `compare --confirm 12` is red by chance, and what it costs, beside `--repeat 3 --pass-each 2`.

Usage: python scripts/bench/chance.py [TRIES]. A workflow of the sandbox gives bad answers by chance, with fixed seeds.
TRIES (5) comparisons of each kind are made by the commands; what `--repeat` would say of them is reckoned.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noxcli.sandbox.scenario import Scenario, Version, input_node
from noxcli.sandbox.server import Sandbox

ASKS, REPEAT, NEEDED = 12, 3, 2
TRULY_BAD = 0.9  # of the answers of a row that is broken
VERSIONS = ("base", "new")
COMPARE = ("compare", *VERSIONS, "--assert", "output.A == 'good'", "--json", "-q")


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
    """What several comparisons came to."""

    red: int = 0
    wrong: int = 0  # that named a row that is not broken
    suspects: int = 0  # rows that are broken, and seemed so
    named: int = 0  # of these
    runs: list[int] = field(default_factory=list)

    def add(self, kind: Kind, suspects: Sequence[str], red: Sequence[str], runs: int) -> None:
        truly = {name for name in suspects if int(name) < kind.broken}
        self.red += bool(red)
        self.wrong += not {*red} <= truly
        self.suspects += len(truly)
        self.named += len(truly & {*red})
        self.runs.append(runs)

    def __str__(self) -> str:
        found = f", named {self.named} of {self.suspects} broken rows" if self.suspects else ""
        runs = f"runs paid: mean {sum(self.runs) / len(self.runs):.0f}, most {max(self.runs)}"
        return f"red {self.red} of {len(self.runs)}, wrongly {self.wrong}{found}; {runs}"


def confirmed(kind: Kind, seed: int, directory: Path) -> tuple[list[str], list[str], int]:
    """Return the rows that seem broken, those that stay so, and the runs of both batches and of asking again."""

    def output(inputs: Mapping[str, Any]) -> dict[str, str]:
        return {"A": "good" if kind.is_good(seed, inputs["Q"], inputs["P"], inputs["$turn"]) else "bad"}

    nodes = {version: [input_node("Q"), input_node("P", default=version)] for version in VERSIONS}
    versions = [Version(name, nodes=nodes[name]) for name in VERSIONS]
    scenario = Scenario("chance", nodes=nodes["base"], output=output, versions=versions)
    directory.joinpath("rows.jsonl").write_text("".join(f"{json.dumps({'$id': n, 'Q': n})}\n" for n in kind.names))
    with Sandbox([scenario], speed=1000) as sandbox:
        environ = {**os.environ, "NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key}
        environ["NOXCLI_STATE_DIR"] = str(directory / "state")

        def noxcli(*argv: str) -> bytes:
            command = [sys.executable, "-m", "noxcli", *argv]
            done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, check=False)
            assert done.returncode in (0, 11), done.stderr.decode()
            return done.stdout

        for version in VERSIONS:
            noxcli("batch", "chance", "rows.jsonl", "--version-id", version, "--output-dir", version, "-q")
        found = [json.loads(noxcli(*COMPARE, *asked)) for asked in ((), ("--confirm", str(ASKS)))]
        runs = len(sandbox.runs("chance"))
    suspects, red = ([row["id"] for row in each["rows"] if row["class"] == "broken"] for each in found)
    return suspects, red, runs


def repeated(kind: Kind, seed: int) -> tuple[list[str], list[str], int]:
    """Return the same for a comparison of three repetitions, of which two must be good."""

    def passes(name: str, version: str) -> bool:
        return sum(kind.is_good(seed, name, version, turn) for turn in range(1, REPEAT + 1)) >= NEEDED

    red = [name for name in kind.names if passes(name, "base") and not passes(name, "new")]
    return red, red, 2 * REPEAT * kind.rows


def main() -> None:
    for kind in KINDS:
        ours, theirs = Seen(), Seen()
        for seed in range(int([*sys.argv, "5"][1])):
            with tempfile.TemporaryDirectory() as directory:
                ours.add(kind, *confirmed(kind, seed, Path(directory)))
            theirs.add(kind, *repeated(kind, seed))
        print(f"{kind}:\n  --confirm {ASKS}: {ours}")
        print(f"  --repeat {REPEAT} --pass-each {NEEDED}: {theirs}", flush=True)


if __name__ == "__main__":
    main()
