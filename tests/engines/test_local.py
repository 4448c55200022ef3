"""GNU parallel and Snakemake run their recipes, and retry a killed task."""

import json

import pytest

from tests.engines.farm import ROWS, Farm, needs_engine, recipe
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
