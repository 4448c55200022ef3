"""A Slurm array runs the page's script: a task runs out of time, one is requeued, the last killed, one sent again."""

import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.engines.farm import Farm, needs_engine, recipes
from tests.engines.slurm import cluster
from tests.process import HUNG

pytestmark = [pytest.mark.engine, pytest.mark.wide]


def wait_for_end(farm: Farm, job: str, conf: str) -> None:
    """Wait until no task is left; a requeued one waits for a second or two instead of Slurm's two minutes.

    Slurm needs some of that time: a node does not start a task in the second in which it ended it.
    """
    end = time.monotonic() + HUNG
    pending: dict[str, float] = {}
    while left := farm.run(
        "squeue", "-h", "-r", "-j", job, "-o", "%F_%K %T", SLURM_CONF=conf
    ).splitlines():
        assert time.monotonic() < end, left
        for task in left:
            name, state = task.split()
            if (
                state == "PENDING"
                and time.monotonic() > pending.setdefault(name, time.monotonic()) + 1.5
            ):
                with suppress(AssertionError):  # it has started in between
                    farm.run(
                        "scontrol", "update", f"JobId={name}", "StartTime=now", SLURM_CONF=conf
                    )
        time.sleep(0.2)


@pytest.mark.long(12)
def test_slurm(farm: Farm, tmp_path: Path) -> None:
    needs_engine("slurmctld", "slurmd", "sbatch", "munged")
    first = "$([ $SLURM_ARRAY_TASK_ID-${SLURM_RESTART_COUNT:-0} = 1-0 ] && echo 2 || echo 55m)"
    farm.failing.add(3)
    script, join = recipes("Slurm")
    (farm.where / "batch.sbatch").write_text(script.replace("--timeout 55m", f"--timeout {first}"))
    with cluster(tmp_path / "slurm", farm.env) as conf:
        joining, job = farm.run("sh", "-euc", f'{join}echo "$job"', SLURM_CONF=conf).split()[-2:]
        farm.task(2)
        farm.run("scontrol", "requeue", f"{job}_2", SLURM_CONF=conf)
        farm.kills += 1
        farm.kill(4, signal.SIGKILL)  # whose job id is that of the array
        wait_for_end(farm, job, conf)
        again = farm.run(
            "sbatch", "--parsable", "--array=2", "batch.sbatch", SLURM_CONF=conf
        ).strip()
        wait_for_end(farm, again, conf)
        log = (farm.where / f"slurm-{again}_2.out").read_text()
        assert "noxcli:" not in log
        told = farm.run("scontrol", "show", "job", job, SLURM_CONF=conf)
        logs = "".join(path.read_text() for path in sorted(farm.where.glob("slurm-*.out")))
        assert told.count("JobState=COMPLETED") == 3, f"{logs}\n{told}"
        assert told.count("JobState=FAILED") == 1, f"{logs}\n{told}"
        assert told.count("Restarts=1") == 3, f"{logs}\n{told}"
        wait_for_end(farm, joining, conf)
        told = farm.run("scontrol", "show", "job", joining, SLURM_CONF=conf)
        assert "JobState=FAILED" in told, "it waited for all tasks, and ended with the batch's code"
    farm.check(farm.where / "results.jsonl")
