"""Airflow runs the page's DAG. It takes a while: `.ci/engines DIR airflow`, then `pytest -m nightly`."""

import pytest

from tests.engines.farm import Farm, needs_engine, recipe


@pytest.mark.nightly
@pytest.mark.engine
@pytest.mark.timeout(400)
def test_airflow(farm: Farm) -> None:
    needs_engine("airflow")
    farm.failing.add(1)
    (farm.where / "dags").mkdir()
    (farm.where / "dags/noxcli_batch.py").write_text(recipe("Airflow"))
    settings = {
        "AIRFLOW_HOME": str(farm.where / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(farm.where / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_VAR_NOXCLI_BATCH_DIRECTORY": str(farm.where),
    }
    farm.run("airflow", "db", "migrate", limit=120, **settings)
    with farm.started(["airflow", "dags", "test", "noxcli_batch"], **settings) as engine:
        farm.task(2, within=120)
        farm.kill(2)
        assert engine.wait(180) == 1, farm.log()
    farm.check(farm.where / "results.jsonl")
    assert [farm.attempts(shard) for shard in (1, 2, 3, 4)] == [1, 2, 1, 1]
