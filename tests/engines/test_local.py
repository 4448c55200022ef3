"""GNU parallel and Snakemake run their recipes, and retry a killed task; what other engines set, without them."""

import json
import re
from contextlib import ExitStack

import pytest

from tests.engines.farm import PAGE, ROWS, Farm, needs_engine, recipe
from tests.process import HUNG

pytestmark = [pytest.mark.engine, pytest.mark.wide]


@pytest.mark.long(8)
def test_gnu_parallel(farm: Farm) -> None:
    needs_engine("parallel")
    farm.failing.add(1)
    with farm.started(["bash", "-euo", "pipefail", "-c", recipe("GNU parallel")]) as engine:
        farm.kill(2)
        assert engine.wait(HUNG) == 1, farm.log()
    farm.check(farm.where / "results.jsonl")
    assert [farm.attempts(shard) for shard in (1, 2, 3, 4)] == [1, 2, 1, 1]


@pytest.mark.long(28)
def test_snakemake(farm: Farm) -> None:
    needs_engine("snakemake")
    farm.failing.add(1)
    (farm.where / "Snakefile").write_text(recipe("Snakemake"))
    with farm.started(["snakemake", "--cores", "4"]) as engine:
        farm.kill(2)
        assert engine.wait(HUNG) == 1, farm.log()
    farm.check(farm.where / "results.jsonl")
    assert [farm.attempts(shard) for shard in (1, 2, 3, 4)] == [1, 2, 1, 1]
    with farm.started(["snakemake", "--cores", "4"]) as engine:
        assert engine.wait(HUNG) == 1, farm.log()
    farm.check(farm.where / "results.jsonl")
    assert [farm.attempts(shard) for shard in (1, 2, 3, 4)] == [2, 3, 2, 2], (
        "the next call continues all"
    )


@pytest.mark.long(20)
def test_snakemake_joins_what_there_is(farm: Farm) -> None:
    """A shard that is killed each time is no reason to lose the others."""
    needs_engine("snakemake")
    (farm.where / "Snakefile").write_text(recipe("Snakemake"))
    (farm.noted / "noxcli").write_text(
        (farm.noted / "noxcli")
        .read_text()
        .replace("exec", """case "$*" in *"--shard 2/4"*) exit 75 ;; esac\nexec""")
    )
    with farm.started(["snakemake", "--cores", "4"]) as engine:
        assert engine.wait(HUNG) == 1, farm.log()
    assert [farm.attempts(shard) for shard in (1, 2, 3, 4)] == [1, 3, 1, 1]
    lines = [json.loads(line) for line in (farm.where / "results.jsonl").read_text().splitlines()]
    assert sorted(line["row"] for line in lines) == [*range(1, ROWS + 1)]
    missing = {line["row"] for line in lines if line["result"]["exit_code"] != 0}
    stored = {
        json.loads(line)["row"]
        for path in farm.where.glob("*/results.jsonl")
        for line in path.read_text().splitlines()
    }
    assert missing == {*range(1, ROWS + 1)} - stored
    assert 0 < len(missing) < ROWS


def shard_options(engine: str) -> str:
    """Return the options that the page has for the tasks of an engine that no test runs."""
    lines = PAGE.partition("\n## Other engines\n")[2].splitlines()
    names, _, shards = [line.split("|") for line in lines if line.startswith("|")][:3]
    [options] = re.findall("--shard [^`]*", shards[names.index(f" {engine} ")])
    return str(options)


@pytest.mark.parametrize(
    ("engine", "given"),
    [
        ("Kubernetes Job", {"JOB_COMPLETION_INDEX": "{index}"}),
        ("Argo", {}),
        ("AWS Batch", {"AWS_BATCH_JOB_ARRAY_INDEX": "{index}", "AWS_BATCH_JOB_ARRAY_SIZE": "4"}),
    ],
)
@pytest.mark.long(8)
def test_tasks_numbered_by_other_engines(farm: Farm, engine: str, given: dict[str, str]) -> None:
    line = f"noxcli batch qa rows.jsonl {shard_options(engine)} --resume --on-interrupt detach"
    tasks = []
    for index in range(4):
        env = {name: text.format(index=index) for name, text in given.items()}
        tasks.append((["sh", "-c", line.replace("{{item}}", str(index + 1))], env))
    with ExitStack() as stack:
        started = [stack.enter_context(farm.started(argv, **env)) for argv, env in tasks]
        farm.kill(2)
        killed = [at for at, task in enumerate(started) if task.wait(HUNG) != 0]
    assert len(killed) == 1
    argv, env = tasks[killed[0]]
    farm.run(*argv, limit=HUNG, **env)
    farm.run("sh", "-c", "noxcli results shard-*-of-4 > results.jsonl")
    farm.check(farm.where / "results.jsonl")
