"""GitHub's batch recipe in `act`, attempt after attempt: no row starts twice, and nothing is green that may have."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engines import github
from tests.engines.farm import Farm, needs_engine, recipe
from tests.engines.github import GitHub
from tests.engines.test_ci_systems import act
from tests.process import HUNG

pytestmark = [pytest.mark.engine("gh", "jq"), pytest.mark.wide, pytest.mark.timeout(300)]
READY = """\
  ready:
    runs-on: ubuntu-latest
    steps:
      - run: test -z "$NOT_READY"
"""
SHARDS = [f"shard-{number}-of-4" for number in range(1, 5)]


@dataclass
class Attempts:
    """One run of the workflow, whose jobs are run again in attempts."""

    farm: Farm
    api: GitHub
    tmp_path: Path
    line: list[str]
    env: dict[str, str]
    count: int = 0

    def run(
        self,
        *more: str,
        kill: signal.Signals | None = None,
        lost: bool = False,
        shards: Sequence[int] = (),
    ) -> int:
        """Run the jobs, or those of some shards; `kill` ends the batch of shard 2 midway, `lost` all of the runner.

        Return the exit code of `act`.
        """
        self.count += 1
        self.api.begin(self.count, [SHARDS[number - 1] for number in shards] or SHARDS)
        more = (*more, *(f"--matrix=shard:{number}" for number in shards))
        line = [*self.line, "--env", f"GITHUB_RUN_ATTEMPT={self.count}", *more]
        with self.farm.started(line, **self.env) as engine:
            if kill:
                self.farm.kill(2, kill)
            if lost:
                self.farm.task(2)
                engine.kill()
                for process, _ in self.farm.processes():
                    os.kill(process, signal.SIGKILL)
            code = engine.wait(HUNG)
        self.api.end(self.count, self.log)
        return code

    @property
    def log(self) -> str:
        return (self.farm.where / "engine.log").read_text(errors="replace")

    @property
    def runs(self) -> int:
        return len(self.farm.sandbox.runs(self.farm.workflow))

    @property
    def report(self) -> Path:
        return self.tmp_path / f"artifacts/report-attempt-{self.count}"

    def check(self) -> None:
        """Check that each row had one run and has one result, whatever attempt it was in."""
        assert 'errors="0"' in (self.report / "report.xml").read_text()
        self.farm.check(self.report / "results.jsonl")


@pytest.fixture
def workflow() -> str:
    return recipe("GitHub Actions")


@pytest.fixture
def attempts(farm: Farm, tmp_path: Path, workflow: str) -> Iterator[Attempts]:
    needs_engine("act")
    (farm.where / "noxcli.lock").write_text("noxcli==0.2.0\n")
    line, path = act(farm, tmp_path, "workflow_dispatch", workflow, github.UPLOAD)
    with github.serving(tmp_path / "artifacts") as api:
        for name, value in api.environment().items():
            line += ["--env", f"{name}={value}"]
        yield Attempts(
            farm,
            api,
            tmp_path,
            [*line, "-s", "GITHUB_TOKEN=ghs_of-act", "--json"],
            {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        )


@pytest.mark.long(14)
def test_a_killed_task_is_continued(attempts: Attempts) -> None:
    """The failed job is run again, then all: the third attempt finds every row finished. Each uploads a report."""
    assert attempts.run(kill=signal.SIGKILL) == 1
    assert "errors=" in (attempts.report / "report.xml").read_text()
    assert attempts.run(shards=[2]) == 0, attempts.farm.log()
    attempts.check()
    assert attempts.run() == 0, attempts.farm.log()
    attempts.check()


@pytest.mark.long(10)
def test_a_canceled_task_is_continued(attempts: Attempts) -> None:
    """The runner signals the step's own process; what it had started is continued by the next attempt."""
    assert attempts.run(kill=signal.SIGINT) == 1
    assert "exit status 130" in attempts.farm.log()
    assert attempts.run() == 0, attempts.farm.log()
    attempts.check()


@pytest.mark.long(10)
def test_what_started_nothing_is_started(attempts: Attempts) -> None:
    """The first attempt fails at `pip install`."""
    assert attempts.run("--env", "NO_INDEX=1") == 1
    assert (attempts.runs, sorted(path.name for path in attempts.api.store.iterdir())) == (0, [])
    assert attempts.run() == 0, attempts.farm.log()
    attempts.check()


@pytest.mark.long(10)
@pytest.mark.parametrize(
    "workflow",
    [
        recipe("GitHub Actions").replace("    name: shard", "    needs: ready\n    name: shard", 1)
        + READY
    ],
)
def test_a_job_that_waited_is_started(attempts: Attempts) -> None:
    assert attempts.run("--env", "NOT_READY=1") == 1
    attempts.api.jobs = [job | {"conclusion": "skipped", "steps": []} for job in attempts.api.jobs]
    assert attempts.runs == 0
    assert attempts.run() == 0, attempts.farm.log()
    attempts.check()


@pytest.mark.long(10)
@pytest.mark.parametrize(
    ("name", "value", "code"), [("URL", "http://127.0.0.1:9", 75), ("KEY", "wrong", 4)]
)
def test_a_batch_that_sends_no_start_costs_nothing(
    attempts: Attempts, name: str, value: str, code: int
) -> None:
    """The first attempt leaves a journal that says so."""
    wrong = (
        ["--env", f"NOXUS_BACKEND_URL={value}"]
        if name == "URL"
        else ["-s", f"NOXUS_API_KEY={value}"]
    )
    assert attempts.run(*wrong, "--env", "NOXCLI_RETRY_FOR=1s") == 1
    assert attempts.log.count(f"exit status {code}") == len(SHARDS)
    assert attempts.runs == 0
    assert attempts.run() == 0, attempts.farm.log()
    attempts.check()


@pytest.mark.long(10)
def test_a_lost_runner_is_not_guessed_at(attempts: Attempts) -> None:
    """Its journal is gone: another attempt starts nothing, and says what to do."""
    attempts.run(lost=True)
    before = -1
    while before != attempts.runs:  # what it has left behind may still start some
        before = attempts.runs
        time.sleep(2)
    assert before > 0
    assert attempts.run() == 1
    assert "NOXCLI_FIRST" in attempts.log
    assert attempts.run() == 1, "the attempt that was refused has not made it safe"
    assert attempts.runs == before


@pytest.mark.long(14)
@pytest.mark.parametrize("broken", ["jobs", "artifacts", "zip"])
def test_a_journal_that_is_not_fetched_fails_the_job(attempts: Attempts, broken: str) -> None:
    assert attempts.run(kill=signal.SIGKILL) == 1
    before = attempts.runs
    attempts.api.broken = {broken}
    assert attempts.run() == 1
    assert attempts.runs == before
