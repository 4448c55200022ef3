"""docs/batch.md: its lines run, and its engines' jobs do what a shell can do of them."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.test_readme import shell

PAGE = (Path(__file__).parent.parent.parent / "docs/batch.md").read_text()
SHARDS = range(1, 5)
ROWS = "".join(f'{{"Question": "{number}"}}\\n' for number in range(1, 11))


@pytest.fixture(scope="module")
def lively() -> Iterator[Sandbox]:
    with Sandbox(BUILT_IN, speed=100) as sandbox:
        yield sandbox


def block(kind: str) -> str:
    return str(re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[0])


def report_of(where: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (where / "report.jsonl").read_text().splitlines()]


def test_the_lines_of_the_page_run_one_after_the_other(lively: Sandbox, tmp_path: Path) -> None:
    lines = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL))
    out = shell(lines, lively, tmp_path)
    assert sorted(line.split("\t")[1] for line in out.splitlines() if "\t" in line) == ["lisbon", "porto"]
    assert "exit 2: nothing was started" in out


@pytest.mark.long(3)
@pytest.mark.parametrize("engine", ["github", "slurm", "airflow"])
def test_an_engines_jobs_run_every_row_once(lively: Sandbox, tmp_path: Path, engine: str) -> None:
    lively.reset()
    shell(f"printf '{ROWS}' > rows.jsonl", lively, tmp_path)
    envs: list[dict[str, str]] = [{} for _ in SHARDS]
    match engine:
        case "github":
            runs = [line.partition("- run: ")[2] for line in block("yaml").splitlines() if "- run: noxcli" in line]
            jobs = [runs[0].replace("${{ matrix.shard }}", str(shard)) for shard in SHARDS]
            report = runs[1]
        case "slurm":
            script = block("slurm")
            assert script.startswith("#!/bin/bash\n#SBATCH")
            jobs = [script for _ in SHARDS]
            envs = [{"SLURM_ARRAY_TASK_ID": str(shard), "SLURM_ARRAY_TASK_COUNT": "4"} for shard in SHARDS]
            report = "noxcli merge-batch shard-* > report.jsonl"
        case _:
            ast.parse(block("python"))
            shards, report = re.findall(r'bash_command="([^"]*)"', block("python"))
            jobs = [shards for _ in SHARDS]
            envs = [{"SHARD": str(shard), "SHARDS": "4"} for shard in SHARDS]
    for job, env in zip(jobs, envs, strict=True):
        shell(job, lively, tmp_path, **env)
    shell(report, lively, tmp_path)
    assert [(line["row"], line["exit_code"]) for line in report_of(tmp_path)] == [(n, 0) for n in range(1, 11)]
    workflow = report_of(tmp_path)[0]["workflow_id"]
    assert len(lively.runs(workflow)) == 10
