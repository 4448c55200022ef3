"""`python -m tests.sdk.judged`: the official SDK with each setting of each switch; records what breaks it.

--sample N plays that many settings, and compares with the record.
"""

import argparse
import json
import os
import random
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from noxcli.sandbox.scenario import File, Node, Scenario, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, node_fails, node_runs
from noxcli.sandbox.switches import Switches, with_overrides
from tests.crossed import plan
from tests.crossed.play import written

GOLDEN = Path(__file__).parents[1] / "golden" / "sdk.json"
WHOLE = Path(__file__).with_name("judge") / "whole.py"
SPEED = 200
# What one setting alone does not show.
TOGETHER: Sequence[plan.Combination] = (
    {"id_lines": True, "keepalive": "comment", "keepalive_seconds": 2.0},
    {"stale_reads": 3, "on_ended": "close"},
    {"error_body": "html", "on_stop_finished": "409"},
)
NODES = [
    input_node("Question"),
    input_node("Length", type="int", default=3),
    Node("Write"),
    *map(output_node, ("Answer", "Essay", "Table")),
    *(Node(f"twin {n}", "OutputNode", {"label": "Twin", "type": "String"}) for n in (1, 2)),
]
OUTPUT = {
    "Answer": "Answer to: why",
    "Essay": "x" * 20_000,
    "Table": File("a b.csv", b"1,2\n", "text/csv"),
    "twin 1": "first",
    "twin 2": "second",
}
TALK = [Sleep(20), *node_runs("Write", ["one ", "two ", "three"], seconds=20)]
WORKFLOWS = (
    Scenario("works", nodes=NODES, script=TALK, output=OUTPUT, versions=[Version("first")]),
    Scenario("fails", nodes=NODES, script=[Sleep(10), *node_fails("Write", "no luck")], status="failed"),
    Scenario("is stopped", nodes=NODES, script=[Sleep(10), Emit("Write")], status="stopped"),
    Scenario("pauses", nodes=NODES, script=[Sleep(10), Emit("Write")], status="awaiting_human_feedback"),
    Scenario("slow", nodes=NODES, script=[Emit("Write"), Sleep(100_000)]),
)
AT_ONCE = 12  # servers


def settings() -> list[plan.Combination]:
    """What is played: the defaults, each other setting of each switch, and a few together."""
    return [{}, *plan.singles(), *TOGETHER]


def name_of(combination: plan.Combination) -> str:
    """A combination as a user types it."""
    return " ".join(f"{name}={written(value)}" for name, value in combination.items()) or "the defaults"


def judged(python: Path, combinations: Sequence[plan.Combination]) -> dict[str, Mapping[str, str]]:
    """What breaks the SDK under each of these."""
    found: dict[str, Mapping[str, str]] = {}
    for at in range(0, len(combinations), AT_ONCE):
        some = combinations[at : at + AT_ONCE]
        with ExitStack() as stack:
            servers = [
                stack.enter_context(Sandbox(WORKFLOWS, speed=SPEED, switches=with_overrides(Switches(), each)))
                for each in some
            ]
            lines = "".join(json.dumps({"url": each.url, "key": each.key}) + "\n" for each in servers)
            told = _asked(python, input=lines).splitlines()
        found |= {name_of(each): json.loads(line) for each, line in zip(some, told, strict=True)}
    return found


def uses(python: Path) -> dict[str, str]:
    """The uses of the SDK by name, each with its docstring."""
    told: dict[str, str] = json.loads(_asked(python, "--uses"))
    return told


def _asked(python: Path, *argv: str, input: str = "") -> str:
    environ = {"PATH": os.defpath, "NO_PROXY": "*", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [python, WHOLE, *argv], env=environ, input=input, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def golden() -> dict[str, Any]:
    """The record."""
    told: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return told


def sample(count: int, seed: int) -> list[plan.Combination]:
    """The defaults, and that many settings."""
    return [{}, *random.Random(seed).sample(settings()[1:], count)]


def main() -> int:
    """Judge, and record or compare."""
    from tests.sdk.conftest import VENV

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    python, begun = VENV / "bin" / "python", time.monotonic()
    played = settings() if asked.sample is None else sample(asked.sample, asked.seed)
    names, found = uses(python), judged(python, played)
    broken = {setting: breaks for setting, breaks in found.items() if breaks}
    cells = sum(map(len, broken.values()))
    print(
        f"{len(played)} settings, {len(names)} uses of the SDK, {len(played) * len(names)} cells: "
        f"{cells} broken under {len(broken)} settings, {time.monotonic() - begun:.0f} s"
    )
    if asked.sample is None:
        content = {"settings": len(played), "uses": names, "broken": broken}
        GOLDEN.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return 0
    before = {name: golden()["broken"].get(name, {}) for name in found}
    differing = {name: (breaks, before[name]) for name, breaks in found.items() if breaks != before[name]}
    print(*differing.items(), sep="\n")
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
