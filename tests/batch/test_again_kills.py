"""`--again red` and `--again edited` under kill -9: each chosen row has one more run, and no answer is lost.

`python -m tests.batch.test_again_kills 20` for more.
"""

import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.batch.test_kills import run_for
from tests.process import call, environment

ROWS, KILLS = 60, 5
ASKED = ["--assert", "output.A == 'right'"]


def killed_choice(sandbox: Sandbox, directory: Path, seed: int, kind: str) -> Counter[str]:
    """Ask rows again, kill that now and then, and return the number of kills, runs and answers."""
    rng = random.Random(seed)
    turns: Counter[str] = Counter()

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        turns[inputs["Q"]] += 1
        return {"A": "wrong" if int(inputs["Q"]) % 3 == 0 and turns[inputs["Q"]] == 1 else "right"}

    nodes, script = [input_node("Q")], lambda _: [Sleep(300)]
    workflow = sandbox.add(Scenario(f"again-{kind}-{seed}", nodes=nodes, script=script, output=output))
    rows, folder = directory / "rows.jsonl", directory / "rows.jsonl.batch"
    texts = [str(row) for row in range(ROWS)]
    write(rows, texts)
    argv = ["batch", workflow, str(rows)]
    env = environment(sandbox.url)
    assert call(*argv, "--max-parallel", "30", env=env).returncode == 0
    if kind == "edited":
        texts = [text if int(text) % 3 else f"{int(text) + 300}" for text in texts]
        write(rows, texts)
    options = ["--again", kind, *(ASKED if kind == "red" else [])]
    found: Counter[str] = Counter()
    for kill in range(KILLS + 1):
        chosen = re.search(rb'"step":"(chosen|renumbered)"', (folder / "batch.jsonl").read_bytes())
        line = [*argv, "--max-parallel", "2", *(["--resume"] if chosen and kill % 2 else options)]
        done = run_for(
            [sys.executable, "-m", "noxcli", *line], env, rng.uniform(0.4, 1.1) if kill < KILLS else None, {}
        )
        found["kills"] += not done
        if not done and rng.random() < 0.5:
            with (folder / "results.jsonl").open("ab") as results:
                results.write(b'{"row":1,"id":"0","resu')  # a torn line
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    found["rows"] = len({line["id"] for line in lines})
    found["lines"] = len(lines)
    found["asked twice"] = sum(line["asked"] == 2 for line in lines)
    found["current"] = sum(line["input"]["Q"] == texts[line["row"] - 1] for line in lines)
    found["runs"] = len(sandbox.runs(workflow))
    printed = call("results", str(folder), env=env).stdout.splitlines()
    found["in doubt"] = sum(json.loads(line)["result"]["exit_code"] == 7 for line in printed)
    old = {line["id"] for line in map(json.loads, (folder / "results.replaced.jsonl").read_text().splitlines())}
    found["old answers"] = len(old)
    return found


def write(path: Path, texts: list[str]) -> None:
    path.write_text("".join(f"{json.dumps({'$id': str(row), 'Q': text})}\n" for row, text in enumerate(texts)))


@pytest.mark.parametrize("kind", ["red", "edited"])
def test_kills_ask_no_row_more_than_once(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    check(killed_choice(sandbox, tmp_path, 1, kind), kind)


def check(found: Counter[str], kind: str) -> None:
    """A kill within the request of a start leaves its row in doubt: it then has its old answer.

    An edited row is asked another question, and that once.
    """
    assert found["kills"]
    chosen, doubts = ROWS // 3, found["in doubt"]
    assert (found["rows"], found["lines"]) == (ROWS, ROWS), found
    assert found["old answers"] == chosen - doubts, found
    assert found["asked twice"] == (chosen - doubts if kind == "red" else 0), found
    assert ROWS + chosen - doubts <= found["runs"] <= ROWS + chosen, found
    assert ROWS - doubts <= found["current"] <= ROWS, found


if __name__ == "__main__":
    with Sandbox([], speed=1000) as served:
        for number in range(int(sys.argv[1])):
            began, which = time.monotonic(), ("red", "edited")[number % 2]
            with tempfile.TemporaryDirectory() as made:
                counts = killed_choice(served, Path(made), number, which)
            print(which, dict(counts), f"{time.monotonic() - began:.1f}s", flush=True)
            check(counts, which)
