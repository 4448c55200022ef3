"""What a run list says about unanswered starts: which runs may be theirs, and when their absence is proven."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from noxcli.batch.search import OLD_ENOUGH, Doubt, Finding, KnownStarts, Search
from noxcli.inputs.definition import InputNode
from noxcli.models import Run
from noxcli.runs.likeness import Comparison

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
COMPARISON = Comparison([InputNode("node-1", "Question", "str"), InputNode("node-2", None, "str")])
MINE = {"Question": "why"}


def run(name: str, seconds: float | None, input: Any = MINE) -> Run:
    """A run that was created that many seconds after the start in doubt."""
    created = None if seconds is None else (NOW + seconds * SECOND).isoformat()
    return Run(name, "w", "running", created_at=created, input=input)


BEFORE = run("before", -100, {"Question": "what"})


def knowing(*runs: Run, behind: float = 0, took: float = 0.3) -> KnownStarts:
    """What is known of these runs; the clock of created_at is slow by that many seconds."""
    known = KnownStarts()
    for one in runs:
        known.digests[one.id] = COMPARISON.of(one.input).digest
        sent = datetime.fromisoformat(str(one.created_at)) + (behind - took) * SECOND
        known.note(one.id, one.created_at, sent, None)
    return known


def doubt(number: int = 1, seconds: float = 0, input: Any = MINE, *, by_server: bool = True) -> Doubt:
    return Doubt(number, COMPARISON.of(input), NOW + seconds * SECOND, by_server)


def finding(
    listed: Sequence[Run],
    known: KnownStarts | None = None,
    doubts: Sequence[Doubt] = (),
    comparison: Comparison = COMPARISON,
) -> Finding:
    def recall(_: Collection[str]) -> KnownStarts:
        return knowing(BEFORE) if known is None else known

    search = Search(doubts or [doubt()], comparison, recall)
    search.read(listed)
    return search.finding()


def names(runs: Sequence[Run]) -> list[str]:
    return [one.id for one in runs]


def test_absence_is_proven_where_the_list_shows_a_run_that_we_know() -> None:
    found = finding([run("other", 1, {"Question": "when"}), BEFORE])
    assert (found.absent, found.own, found.candidates) == ({1}, {}, {1: []})


def test_a_run_with_this_input_may_be_ours() -> None:
    found = finding([run("mine", 1), BEFORE])
    assert (found.absent, names(found.candidates[1]), found.own[1].id) == (set(), ["mine"], "mine")


@pytest.mark.parametrize(
    "input",
    [{"node-1": "why"}, {"node-1::input": "why"}],
)
def test_keys_count_by_what_they_mean(input: dict[str, str]) -> None:
    assert names(finding([run("mine", 1, input), BEFORE]).candidates[1]) == ["mine"]


def test_a_run_that_is_known_to_be_another_starts_is_not_ours() -> None:
    twin = run("twin", 1)
    found = finding([twin, BEFORE], knowing(BEFORE, twin))
    assert (found.absent, found.candidates) == ({1}, {1: []})


@pytest.mark.parametrize(
    ("seconds", "candidate", "absent"), [(-1, True, False), (-30, False, False), (-61, False, True)]
)
def test_a_run_from_shortly_before_is_no_candidate_and_no_proof(seconds: float, candidate: bool, absent: bool) -> None:
    found = finding([run("close", seconds), BEFORE])
    assert (bool(found.candidates[1]), bool(found.absent)) == (candidate, absent)


def test_a_run_without_a_time_may_be_ours() -> None:
    assert names(finding([run("untimed", None), BEFORE]).candidates[1]) == ["untimed"]


def test_known_runs_tell_how_far_the_servers_own_clock_is_behind() -> None:
    listed = [run("mine", -600), BEFORE]
    assert names(finding(listed, knowing(BEFORE, behind=600)).candidates[1]) == ["mine"]
    assert not finding(listed).candidates[1]


def test_how_long_other_starts_took_hides_no_run() -> None:
    assert names(finding([run("mine", 0.1), BEFORE], knowing(BEFORE, took=50)).candidates[1]) == ["mine"]


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        ([], knowing(BEFORE)),
        ([BEFORE], KnownStarts()),
        ([run("before", -100, {"Question": "changed"})], knowing(BEFORE)),
        ([run("before", -100, {"Question": "what", "node-2": "more"})], None),
        ([run("before", None, BEFORE.input)], KnownStarts(digests=knowing(BEFORE).digests)),
    ],
    ids=["empty", "nothing known", "changed inputs", "another shape", "no times"],
)
def test_without_a_run_to_test_the_list_by_nothing_is_proven(listed: list[Run], known: KnownStarts | None) -> None:
    assert not finding(listed, knowing(*listed) if known is None else known).absent


def test_without_the_definition_nothing_is_proven() -> None:
    plain = Comparison()
    known = knowing(BEFORE)
    known.digests["before"] = plain.of(BEFORE.input).digest
    doubts = [Doubt(1, plain.of(MINE), NOW, True)]
    assert not finding([BEFORE], known, doubts, plain).absent
    assert names(finding([run("mine", 1), BEFORE], known, doubts, plain).candidates[1]) == ["mine"]


def test_our_own_time_of_day_proves_nothing_and_finds_candidates() -> None:
    assert not finding([BEFORE], doubts=[doubt(by_server=False)]).absent
    assert finding([run("mine", 1), BEFORE], doubts=[doubt(by_server=False)]).own[1].id == "mine"


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_where_only_our_own_clock_was_noted_known_runs_tell_how_wrong_it_was(ahead: int) -> None:
    known = KnownStarts(digests=knowing(BEFORE).digests)
    known.note("before", BEFORE.created_at, None, NOW + (ahead - 100) * SECOND)
    listed = [run("mine", 1), BEFORE, run("long ago", -7200)]
    assert names(finding(listed, known, [doubt(seconds=ahead, by_server=False)]).candidates[1]) == ["mine"]


def test_a_list_that_is_not_newest_first_has_to_show_the_newest_known_run() -> None:
    newer = run("newer", -50, {"Question": "how"})
    known = knowing(BEFORE, newer)
    assert not finding([run("older", -200, {"Question": "x"}), BEFORE], known).absent
    assert finding([BEFORE, newer], known).absent == {1}


def test_no_more_is_read_than_goes_back_to_the_start() -> None:
    read = []

    def listed() -> Any:
        yield BEFORE
        for number in range(OLD_ENOUGH * 5):
            read.append(number)
            yield run(f"old {number}", -1000 - number, {"Question": "x"})

    assert finding(listed()).absent == {1}
    assert len(read) == OLD_ENOUGH - 1


def test_rows_with_equal_inputs_share_their_runs_out() -> None:
    doubts = [doubt(1, 0), doubt(2, 10), doubt(3, 20)]
    found = finding([run("c", 21), run("a", 1), BEFORE], doubts=doubts)
    assert {number: one.id for number, one in found.own.items()} == {3: "c", 1: "a"}
    assert found.absent == {2}


def test_more_runs_than_starts_leave_the_doubt() -> None:
    found = finding([run("b", 2), run("a", 1), BEFORE])
    assert (found.own, found.absent, names(found.candidates[1])) == ({}, set(), ["b", "a"])
    old = [run("b", 2), BEFORE, run("yesterday", -80_000)]
    assert finding(old).own[1].id == "b", "what is far older is none of ours"
