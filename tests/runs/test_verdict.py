"""The verdict is a fresh read of this run's record, whatever else answers; each server here is raw bytes."""

from typing import Any

import pytest

from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, write_rows
from tests.otherside import (
    OTHER,
    RUN,
    WORKFLOW,
    called,
    end,
    event,
    falls_silent,
    other_side,
    piece,
    record,
    sends,
)
from tests.rawserver import answer, json_answer
from tests.sample import one_in

START = ("run", WORKFLOW, "--no-check", "Q=x")
BOTH = (f"{WORKFLOW}/{RUN}", f"{WORKFLOW}/{RUN.upper()}")
VERBS: list[tuple[str, ...]] = [
    START,
    ("stream", RUN),
    ("wait", RUN),
    ("wait", f"{WORKFLOW}/{RUN}"),
    ("wait", RUN, OTHER.replace("2b", "2c"), "--any", "--poll-interval", "200ms"),
    ("fetch-output", RUN, "--wait"),
]
named = pytest.mark.parametrize(
    "argv", VERBS, ids=[" ".join(verb)[:9] + str(n) for n, verb in enumerate(VERBS)]
)


# The answer to the start.


CLAIMED = ["completed", "failed", "stopped", "awaiting_human_feedback"]


@pytest.mark.parametrize(
    ("claimed", "ends", "form"),
    one_in(3, CLAIMED, [("completed", 0), ("failed", 1), ("stopped", 3)], ["text", "ndjson"]),
)
def test_the_answer_to_the_start_is_no_verdict(
    noxcli: Noxcli, claimed: str, ends: tuple[str, int], form: str
) -> None:
    truth, code = ends
    result, side = called(
        noxcli,
        *START,
        "--format",
        form,
        started=record(claimed),
        reads=[record(truth)],
        events=sends([end()]),
    )
    assert result.code == code, result.err
    assert side.count("record") >= 1


def test_what_the_start_claims_is_not_confirmed(noxcli: Noxcli) -> None:
    parts: dict[str, Any] = {"started": record("completed"), "reads": [answer(503)]}
    result, _ = called(noxcli, *START, "--json", "--retry-for", "3s", **parts)
    assert (result.code, result.json["run"]["status"], result.json["run"]["confirmed"]) == (
        6,
        "unknown",
        False,
    )


# Another run's record.


@named
@pytest.mark.long(6)
def test_another_runs_record_is_never_a_verdict(noxcli: Noxcli, argv: tuple[str, ...]) -> None:
    result, _ = called(noxcli, *argv, "--retry-for", "2s", reads=[record("completed", OTHER)])
    assert (result.code, result.text) == (6, ""), result.err


@named
@pytest.mark.long(4)
def test_another_runs_record_now_and_then_is_forgiven(
    noxcli: Noxcli, argv: tuple[str, ...]
) -> None:
    mixed = [
        record("failed", OTHER),
        record("running", RUN.upper()),
        record("failed", OTHER),
        record("completed", RUN.replace("-", "")),
    ]
    result, _ = called(noxcli, *argv, reads=mixed)
    assert result.code == 0, result.err


# Odd rejections of a read.


@pytest.mark.parametrize(("argv", "status"), one_in(3, VERBS, [300, 304, 400, 405, 418, 422, 499]))
@pytest.mark.long(4)
def test_one_odd_refusal_of_a_read_ends_nothing(
    noxcli: Noxcli, argv: tuple[str, ...], status: int
) -> None:
    reads = [answer(status), record("running"), answer(status), record("completed")]
    result, _ = called(noxcli, *argv, reads=reads)
    assert result.code == 0, result.err


@named
@pytest.mark.long(6)
def test_endless_refusals_are_lost_contact_not_a_usage_error(
    noxcli: Noxcli, argv: tuple[str, ...]
) -> None:
    result, _ = called(
        noxcli,
        *argv,
        "--json",
        "--retry-for",
        "2s",
        reads=[answer(418)],
        events=sends([piece(0), end()]),
    )
    assert result.code == 6, result.err


# The current status.


def test_a_limit_tells_what_the_run_does_now(noxcli: Noxcli) -> None:
    noxcli.clock = Clock()
    streams = falls_silent(piece(0, "1-0"))
    result, _ = called(
        noxcli, *START, "--json", "--timeout", "2s", reads=[record("queued")], events=streams
    )
    assert result.code == 124
    assert (result.json["run"]["status"], result.json["run"]["confirmed"]) == ("running", False)
    assert "was still running" in result.err


def test_states_say_how_far_the_run_is(noxcli: Noxcli) -> None:
    noxcli.clock = Clock()
    told = event(
        {"status": "running", "progress": 40, "progress_details": {"running_nodes": ["A"]}},
        "1-0",
        "state",
    )
    result, _ = called(
        noxcli, *START, "--json", "--timeout", "2s", reads=[answer(503)], events=falls_silent(told)
    )
    assert (result.code, result.json["run"]["status"], result.json["run"]["progress"]) == (
        124,
        "running",
        40,
    )


def test_lost_contact_tells_what_events_have_said(noxcli: Noxcli) -> None:
    result, _ = called(
        noxcli,
        *START,
        "--json",
        "--retry-for",
        "2s",
        reads=[answer(503)],
        events=sends([piece(0, "1-0")]),
    )
    assert (result.code, result.json["run"]["status"]) == (6, "running")


@pytest.mark.parametrize(
    ("status", "code"),
    [("completed", 0), ("failed", 1), ("stopped", 3), ("awaiting_human_feedback", 10)],
)
def test_at_the_limit_a_run_that_has_ended_gets_its_verdict(
    noxcli: Noxcli, status: str, code: int
) -> None:
    noxcli.clock = Clock()
    streams = falls_silent(piece(0, "1-0"))
    result, side = called(
        noxcli, *START, "--timeout", "400ms", reads=[record(status)], events=streams
    )
    assert (result.code, side.count("record")) == (code, 1), result.err


@pytest.mark.long(5)
def test_several_runs_at_the_limit_get_a_line_each(noxcli: Noxcli) -> None:
    for runs in (BOTH, BOTH[:1]):
        result, _ = called(noxcli, "wait", *runs, "--timeout", "1s", reads=[record("running")])
        assert (result.code, result.text) == (124, f"{RUN}\trunning\n" * len(runs))
        assert "no answer" not in result.err


def test_several_runs_that_end_at_the_limit_get_their_verdicts(noxcli: Noxcli) -> None:
    argv = ("wait", *BOTH, "--timeout", "1s", "--poll-interval", "10s")
    result, _ = called(noxcli, *argv, reads=[*[record("running")] * 2, record("completed")])
    assert (result.code, result.text) == (0, f"{RUN}\tcompleted\n" * 2)


# What counts as a reconnect.


def test_polling_a_server_without_streams_is_no_reconnect(noxcli: Noxcli) -> None:
    reads = [*[record("running")] * 9, record("completed")]
    with other_side(reads=reads) as (_, environ):
        result, shown = (
            noxcli(*START, "--json", environ=environ),
            noxcli(*START, tty=True, environ=environ),
        )
    assert (result.json["stream"]["connects"], result.json["stream"]["reconnects"]) == (0, 0)
    assert "reconnect" not in shown.err


def test_a_stream_that_closes_during_a_pause_is_no_reconnect(noxcli: Noxcli) -> None:
    told = event({"status": "awaiting_human_feedback"}, "1-0", "state")
    reads = [*[record("awaiting_human_feedback")] * 6, record("running"), record("completed")]
    result, _ = called(
        noxcli,
        *START,
        "--format",
        "ndjson",
        "--on-pause",
        "wait",
        reads=reads,
        events=sends([told], []),
    )
    assert result.code == 0
    assert result.own.count("reconnecting") <= 4, "only the search for the rest is told"
    with other_side(reads=reads, events=sends([told], [])) as (_, environ):
        shown = noxcli(*START, "--on-pause", "wait", tty=True, environ=environ).err
    assert "the stream closed before" not in shown
    assert "reconnect" not in shown


# Silence.


def test_during_a_silent_stream_the_record_is_shown(noxcli: Noxcli, monkeypatch: Any) -> None:
    monkeypatch.setattr("noxcli.runs.follow.FIRST_READ", 0.05)
    noxcli.clock = Clock()
    busy = record(
        "running", progress_details={"running_nodes": ["Write"], "executed_nodes": ["Read"]}
    )
    result, side = called(
        noxcli, *START, reads=[busy, busy, record("completed")], events=falls_silent()
    )
    assert result.code == 0
    assert "Write" in result.err
    assert side.count("events") == 1


# Batches.


def batch(noxcli: Noxcli, *argv: str, **parts: Any) -> Result:
    options = ("--no-check", "--poll-interval", "50ms")
    return called(noxcli, "batch", WORKFLOW, write_rows("x"), *options, *argv, **parts)[0]


@pytest.mark.parametrize(
    "odd", [record("failed", OTHER), *map(answer, (300, 304, 400, 405, 418, 422))]
)
def test_odd_answers_end_no_row(noxcli: Noxcli, odd: bytes) -> None:
    result = batch(noxcli, reads=[odd, record("running"), odd, record("completed")])
    assert (result.code, result.lines[0]["result"]["run"]["status"]) == (0, "completed"), result.err


def test_a_row_whose_record_is_never_its_own_is_left(noxcli: Noxcli) -> None:
    reads = [record("completed", OTHER)]
    result = batch(noxcli, "--retry-for", "300ms", started=record("completed"), reads=reads)
    assert (result.code, result.lines[0]["result"]["exit_code"]) == (6, 6), result.err
    assert result.lines[0]["result"]["run"]["confirmed"] is False


# Stopping.


def test_a_stop_is_confirmed_by_this_runs_record(noxcli: Noxcli) -> None:
    reads = [record("running"), record("stopped", OTHER), record("running"), record("stopped")]
    result, side = called(noxcli, "stop", RUN, reads=reads)
    assert (result.code, result.text, side.count("record")) == (0, f"{RUN}\tstopped\n", 4)
    result, _ = called(noxcli, "stop", RUN, "--timeout", "30s", reads=[record("stopped", OTHER)])
    assert (result.code, result.text) == (6, "")


def test_refusals_now_and_then_do_not_end_a_stop(noxcli: Noxcli) -> None:
    lagging = [record("running"), json_answer({"detail": "not found"}, 404)]
    reads = [*lagging * 30, record("stopped")]
    result, side = called(noxcli, "stop", RUN, "--timeout", "60s", reads=reads)
    assert (result.code, result.text) == (0, f"{RUN}\tstopped\n"), result.err
    assert side.count("record") == len(reads)
