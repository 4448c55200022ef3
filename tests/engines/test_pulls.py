"""The action's own lines in `act`: what jobs, matrices, second uses and further attempts make of a pull request."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.farm import Farm
from tests.engines.pulls import BROKEN, PASSED, Pulls, job_with, kill_gate, pulls_of, push, write

pytestmark = [pytest.mark.engine, pytest.mark.wide, pytest.mark.timeout(600)]
KEPT = "--id=id\n--keep=expected\n--keep=notes"


@pytest.fixture
def pulls(project: Farm, tmp_path: Path) -> Iterator[Pulls]:
    with pulls_of(project, tmp_path) as found:
        yield found


@pytest.mark.long(10)
def test_each_leg_of_a_matrix_has_its_own(pulls: Pulls) -> None:
    workflow = job_with(gate={"options": f"{KEPT}\n--assert=${{{{ matrix.check }}}}"})
    checks = ["contains(output.Answer, `the answer`)", "complete"]
    job = workflow["jobs"]["test-change"]
    job["strategy"] = {"fail-fast": False, "matrix": {"check": checks}}
    pulls.use(workflow)
    write(pulls.project, "curt")
    push(pulls.project)
    assert pulls.run() == 1, pulls.log
    assert sorted(PASSED in text for text in pulls.comments) == [False, True], pulls.log
    assert len([*pulls.artifacts.iterdir()]) == 2
    paid = pulls.paid
    assert pulls.run(attempt=2) == 1, pulls.log
    assert (pulls.paid, len(pulls.comments)) == (paid, 2), "each leg has its own answers"


@pytest.mark.long(10)
def test_a_second_use_of_a_name_starts_nothing(pulls: Pulls) -> None:
    second = {"if": "always()"}
    workflow = job_with(first={}, second={})
    workflow["jobs"]["test-change"]["steps"][2] |= second
    pulls.use(workflow)
    write(pulls.project, "polite")
    push(pulls.project)
    assert pulls.run() == 1
    assert "this job already has a gate of review and questions.csv" in pulls.log
    assert [PASSED in text for text in pulls.comments] == [True], "the first one's is left"
    assert len([*pulls.artifacts.iterdir()]) == 1
    assert pulls.log.count("rounds, ") <= 1
    paid = pulls.paid
    assert pulls.run(attempt=2) == 1
    assert pulls.paid == paid


@pytest.mark.long(10)
def test_two_uses_in_a_job_judge_their_own_files(pulls: Pulls) -> None:
    workflow = job_with(first={}, second={"definition": "other.json", "report-name": "second"})
    pulls.use(workflow)
    write(pulls.project, "plain", "other.json")
    pulls.project.run("git", "add", "other.json")
    commit_to_target(pulls.project)
    write(pulls.project, "polite")
    write(pulls.project, "curt", "other.json")
    push(pulls.project)
    assert pulls.run() == 1, pulls.log
    first, second = pulls.comments
    assert PASSED in first, pulls.log
    assert BROKEN in second, "the second definition is judged, not the first again"


@pytest.mark.long(10)
def test_a_failed_job_continues_its_own_gate(pulls: Pulls) -> None:
    workflow = job_with(gate={})
    jobs = workflow["jobs"]
    jobs["other"] = job_with(gate={"definition": "other.json"})["jobs"]["test-change"]
    pulls.use(workflow)
    write(pulls.project, "plain", "other.json")
    pulls.project.run("git", "add", "other.json")
    commit_to_target(pulls.project)
    write(pulls.project, "polite")
    write(pulls.project, "curt", "other.json")
    push(pulls.project)
    assert pulls.run() == 1, pulls.log
    assert sorted(PASSED in text for text in pulls.comments) == [False, True]
    paid = pulls.paid
    for _ in range(2):
        assert pulls.run("-j", "other", attempt=2) == 1, "red again, with its own answers"
        assert pulls.paid == paid
    assert sorted(PASSED in text for text in pulls.comments) == [False, True]


@pytest.mark.long(10)
def test_a_key_that_was_missing_is_mended_by_attempt_2(pulls: Pulls) -> None:
    write(pulls.project, "polite")
    push(pulls.project)
    assert pulls.run("-s", "NOXUS_API_KEY=") == 1
    (text,) = pulls.comments
    assert "Give the job an API key that may run the workflow" in text
    assert pulls.paid == 0
    assert pulls.run(attempt=2) == 0, pulls.log
    assert PASSED in pulls.comments[0]


@pytest.mark.long(10)
def test_a_canceled_job_is_continued(pulls: Pulls) -> None:
    """The runner signals the step's own process, which `act` does not."""
    write(pulls.project, "curt")
    push(pulls.project)
    cancel = lambda: kill_gate(pulls.project, 0, signal.SIGINT)  # noqa: E731
    assert pulls.run(meanwhile=cancel) == 1
    (text,) = pulls.comments
    assert "noxcli gate not judged" in text
    assert "Re-run the job: it continues where this one ended." in text
    assert "continue with" not in text
    going = [run for run in pulls.project.sandbox.runs("review") if run.status == "running"]
    assert going == []
    assert pulls.run(attempt=2) == 1, pulls.log
    assert BROKEN in pulls.comments[0]


@pytest.mark.long(10)
def test_a_lost_artifact_starts_over_and_says_so(pulls: Pulls) -> None:
    write(pulls.project, "polite")
    push(pulls.project)
    assert pulls.run() == 0, pulls.log
    pulls.lose_artifacts()
    assert pulls.run(attempt=2) == 0, pulls.log
    assert "attempt 2 of the job found no gate" in pulls.comments[0]
    assert "and started over" in pulls.comments[0]


@pytest.mark.long(10)
def test_a_fork_that_may_not_write_is_not_red_for_it(pulls: Pulls) -> None:
    pulls.api.may_write = False
    write(pulls.project, "polite")
    push(pulls.project)
    assert pulls.run() == 0, pulls.log
    assert pulls.comments == []
    assert "this job may not write one (HTTP 403); see its summary" in pulls.log


@pytest.mark.long(10)
def test_a_failed_installation_has_a_comment(pulls: Pulls) -> None:
    write(pulls.project, "polite")
    push(pulls.project)
    assert pulls.run("--env", "NO_INDEX=1") == 1
    (text,) = pulls.comments
    assert "noxcli gate not judged: it has written no result" in text
    assert pulls.run(attempt=2) == 0, pulls.log
    assert PASSED in pulls.comments[0]


def commit_to_target(project: Farm) -> None:
    """Let the target branch have what is in the index."""
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com")
    project.run(*git, "commit", "-qm", "another definition")
    project.run("git", "branch", "-f", "target")
