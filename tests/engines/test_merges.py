"""The component's own lines in `gitlab-ci-local`: what jobs, matrices and retries make of a merge request."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.farm import Farm
from tests.engines.merges import Merges, merges_of, pipeline_with, without_comments
from tests.engines.pulls import BROKEN, PASSED, kill_gate, write

pytestmark = [pytest.mark.engine, pytest.mark.wide, pytest.mark.timeout(600)]
TRIES = 24  # of a row that seems broken, which chance may end earlier
SECOND = {"definition": "other.json", "job": "second"}


@pytest.fixture
def merges(project: Farm, tmp_path: Path) -> Iterator[Merges]:
    with merges_of(project, tmp_path) as found:
        yield found


@pytest.mark.long(10)
def test_two_uses_in_a_pipeline_judge_their_own_files(merges: Merges) -> None:
    merges.use(pipeline_with({}, SECOND))
    write(merges.project, "polite")
    write(merges.project, "curt", "other.json")
    assert merges.run() == 1, merges.log
    assert sorted(PASSED in text for text in merges.comments) == [False, True], merges.log
    (red,) = [text for text in merges.comments if BROKEN in text]
    assert "second" in red.partition("\n")[0]
    assert len([*(merges.project.where / "noxcli-output").iterdir()]) == 2
    paid = merges.paid
    assert merges.run("second") == 1, merges.log
    assert merges.paid == paid, "red again, with its own answers"
    assert len(merges.comments) == 2


@pytest.mark.long(10)
def test_a_failed_job_continues_from_its_own_cache(merges: Merges) -> None:
    without_comments(merges.project)
    merges.use(pipeline_with({}, SECOND))
    write(merges.project, "polite")
    write(merges.project, "curt", "other.json")
    assert merges.run("--shell-isolation") == 1, merges.log
    paid = merges.paid
    merges.lose_all_but_the_cache()
    assert merges.run("second", "--shell-isolation") == 1, merges.log
    assert "1 row is broken" in merges.log
    assert merges.paid == paid


@pytest.mark.long(10)
def test_each_leg_of_a_matrix_has_its_own(merges: Merges) -> None:
    matrix = [{"FILE": ["review.json", "other.json"]}]
    variables = {"NOXCLI_JOB_DEFINITION": "$FILE"}
    merges.use(pipeline_with({}, parallel={"matrix": matrix}, variables=variables))
    write(merges.project, "polite")
    write(merges.project, "curt", "other.json")
    assert merges.run() == 1, merges.log
    assert sorted(PASSED in text for text in merges.comments) == [False, True], merges.log
    assert len([*(merges.project.where / "noxcli-output").iterdir()]) == 2
    paid = merges.paid
    assert merges.run() == 1, merges.log
    assert (merges.paid, len(merges.comments)) == (paid, 2), "each leg has its own answers"


@pytest.mark.long(10)
def test_a_lost_cache_starts_over(merges: Merges) -> None:
    write(merges.project, "curt")
    assert merges.run() == 1, merges.log
    paid = merges.paid
    merges.forget()
    assert merges.run() == 1, merges.log
    assert merges.paid >= 2 * paid - TRIES, "all answers were asked again"
    (text,) = merges.comments
    assert BROKEN in text
    assert "the gate started over" in text


@pytest.mark.long(10)
def test_a_key_that_was_missing_is_mended_by_a_retry(merges: Merges) -> None:
    write(merges.project, "polite")
    assert merges.run(NOXUS_API_KEY="") == 1
    (text,) = merges.comments
    assert "Give the job an API key that may run the workflow" in text
    assert merges.paid == 0
    assert merges.run() == 0, merges.log
    (text,) = merges.comments
    assert PASSED in text


@pytest.mark.long(10)
def test_a_canceled_job_is_continued(merges: Merges) -> None:
    """The runner signals the job's process, which `gitlab-ci-local` does not."""
    write(merges.project, "curt")
    cancel = lambda: kill_gate(merges.project, 0, signal.SIGTERM)  # noqa: E731
    assert merges.run(meanwhile=cancel) == 1
    (text,) = merges.comments
    assert "noxcli gate not judged" in text
    assert "Re-run the job: it continues where this one ended." in text
    assert "continue with" not in text
    going = [run for run in merges.project.sandbox.runs("review") if run.status == "running"]
    assert going == []
    assert merges.run() == 1, merges.log
    (text,) = merges.comments
    assert BROKEN in text


@pytest.mark.long(10)
def test_a_token_that_may_not_write_is_not_red_for_it(merges: Merges) -> None:
    merges.api.may_write = False
    write(merges.project, "polite")
    assert merges.run() == 0, merges.log
    assert merges.comments == []
    assert "this job may not write one (HTTP 403); see its summary" in merges.log


@pytest.mark.long(10)
def test_an_older_push_replaces_nothing(merges: Merges) -> None:
    write(merges.project, "curt")
    assert merges.run() == 1, merges.log
    merges.forget()
    merges.api.head = "newer"
    write(merges.project, "polite")
    assert merges.run() == 0, merges.log
    (text,) = merges.comments
    assert BROKEN in text


@pytest.mark.long(10)
def test_a_failed_installation_is_mended_by_a_retry(merges: Merges) -> None:
    """Without noxcli, no program can post a note: the job's log has the reason."""
    write(merges.project, "polite")
    merges.environment["NO_INDEX"] = "1"
    assert merges.run() == 1
    assert (merges.paid, merges.comments) == (0, [])
    del merges.environment["NO_INDEX"]
    assert merges.run() == 0, merges.log
    assert PASSED in merges.comments[0]
