"""GNU parallel and Snakemake run their recipes, and retry a killed task."""

import subprocess

import pytest

from tests.engines.farm import Farm, needs_engine, recipe
from tests.process import HUNG

pytestmark = pytest.mark.engine


@pytest.mark.wide
@pytest.mark.long(8)
def test_gnu_parallel(farm: Farm) -> None:
    needs_engine("parallel")
    with farm.started(["bash", "-euo", "pipefail", "-c", recipe("GNU parallel")]) as engine:
        farm.kill(2)
        assert engine.wait(HUNG) == 0, farm.log()
    farm.check(farm.where / "results.jsonl")


@pytest.mark.wide
@pytest.mark.long(28)
def test_snakemake(farm: Farm) -> None:
    needs_engine("snakemake")
    (farm.where / "Snakefile").write_text(recipe("Snakemake"))
    with farm.started(["snakemake", "--cores", "4"]) as engine:
        farm.kill(2)
        assert engine.wait(HUNG) == 0, farm.log()
    farm.check(farm.where / "results.jsonl")
    again = subprocess.run(
        ["snakemake", "--cores", "4", "--forceall"],
        cwd=farm.where,
        env=farm.env,
        capture_output=True,
        timeout=HUNG,
        check=False,
    )
    assert again.returncode == 0, again.stderr.decode()[-3000:]
    farm.check(farm.where / "results.jsonl")
