"""What the run list shows about starts without an answer: which runs may be theirs, and which row takes one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from noxcli.batch.reconcile import CandidateIndex, find_candidates_of_batch
from noxcli.batchdir.journal_state import SentStart
from noxcli.errors import Unavailable
from noxcli.inputs.definition import InputNode
from noxcli.models import Run
from noxcli.runs.start import InputDigests
from tests.faults.fake import as_api

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DIGESTS = InputDigests([InputNode("node-1", "Question", "str"), InputNode("node-2", None, "str")])
MINE = {"Question": "why"}


def run(name: str, seconds: float | None, input: Any = MINE) -> Run:
    """A run that was created that many seconds after the start in doubt."""
    created = None if seconds is None else (NOW + seconds * SECOND).isoformat()
    return Run(name, "w", "running", created_at=created, input=input)


def doubt(number: int = 1, seconds: float = 0) -> SentStart:
    """A row whose start was sent then."""
    return SentStart(number, None, DIGESTS.of(MINE), (NOW + seconds * SECOND).timestamp())


class Listed:
    """A server with these runs."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = runs

    def within(self, _seconds: float) -> "Listed":
        return self

    def list_runs(self, workflow_id: str | None = None, *, whole: bool) -> Iterator[Run]:  # noqa: ARG002
        assert workflow_id == "w"
        yield from self._runs


def found(runs: Iterable[Run], *doubts: SentStart, taken: Sequence[str] = ()) -> CandidateIndex:
    return find_candidates_of_batch(
        as_api(Listed(runs)), "w", DIGESTS, doubts or [doubt()], taken.__contains__, 5.0
    )


def own(runs: Iterable[Run], *doubts: SentStart, began: float = 0.0) -> dict[int, str]:
    finding = replace(found(runs, *doubts), of_batch=True)
    return {one.number: run.id for one, run in finding.match_rows(doubts or [doubt()], began)}


def names(finding: CandidateIndex) -> list[str]:
    return [one.id for one in finding.candidates(doubt())]


@pytest.mark.parametrize("input", [MINE, {"node-1": "why"}, {"node-1::input": "why"}])
def test_keys_count_by_what_they_mean(input: dict[str, str]) -> None:
    assert names(found([run("other", 2, {"Question": "when"}), run("mine", 1, input)])) == ["mine"]


def test_a_run_of_another_row_is_no_candidate() -> None:
    assert names(found([run("twin", 1)], taken=["twin"])) == []


@pytest.mark.parametrize(
    ("seconds", "candidate"), [(1, True), (-59, True), (-61, False), (None, True)]
)
def test_candidates_were_created_since(seconds: float | None, *, candidate: bool) -> None:
    assert bool(names(found([run("one", seconds)]))) == candidate


def test_from_a_list_that_breaks_no_row_takes_a_run() -> None:
    def listed() -> Iterator[Run]:
        yield run("mine", 1)
        raise Unavailable("gone")

    finding = found(listed())
    assert (names(finding), finding.listed, list(finding.match_rows([doubt()], 0.0))) == (
        ["mine"],
        False,
        [],
    )


def test_rows_with_equal_inputs_share_their_runs_out() -> None:
    doubts = [doubt(1, 0), doubt(2, 100), doubt(3, 200)]
    assert own([run("c", 201), run("a", 1)], *doubts) == {3: "c", 1: "a"}


def local(name: str, seconds: float, hours: float) -> Run:
    """The same, where the server writes its own zone's time without the zone."""
    created = NOW + seconds * SECOND + timedelta(hours=hours)
    return Run(
        name, "w", "running", created_at=created.replace(tzinfo=None).isoformat(), input=MINE
    )


@pytest.mark.parametrize("hours", [-12, -5, 0, 5.5, 14])
def test_a_time_without_a_zone_may_be_of_any(hours: float) -> None:
    mine = local("mine", 1, hours)
    assert names(found([mine, local("before", -27 * 3600, hours)])) == ["mine"]
    # Taken only where it can't be an older run of a zone that is further west.
    assert own([mine]) == ({1: "mine"} if hours >= 0 else {})
    assert own([mine, local("this morning", -3600 * 3, min(hours, 0))]) in (
        {},
        {1: "mine"} if hours < -9 else {},
    )


@pytest.mark.parametrize(("seconds", "taken"), [(-20, False), (-5, True), (None, False)])
def test_a_run_that_is_older_than_the_batch_is_not_its_own(
    seconds: float | None, *, taken: bool
) -> None:
    assert bool(own([run("one", seconds)], began=NOW.timestamp())) == taken
    assert own([run("one", 1)], began=float("inf")) == {}, "where the server's time is not known"


def test_more_runs_than_rows_leave_the_doubt() -> None:
    assert own([run("b", 2), run("a", 1)]) == {}
    assert own([run("b", 2), run("yesterday", -80_000)]) == {1: "b"}
