"""Every event once with an honest label, from servers of raw bytes with odd positions or a short memory."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from noxcli.sandbox.steps import Emit
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result
from tests.otherside import RUN, STREAM, WORKFLOW, Streams, called, end, falls_silent, piece, record, sends, streams
from tests.process import HUNG
from tests.rawserver import answer
from tests.sample import one_in

START = ("run", WORKFLOW, "--no-check", "Q=x", "--format", "ndjson")
COUNT = 51
POSITIONS: dict[str, Callable[[int], Any]] = {
    "empty": lambda _: "",
    "constant": lambda _: "0-0",
    "zero": lambda _: 0,
    "pairs": lambda n: f"{n // 2}-0",
    "same millisecond": lambda n: f"{n // 10}",
    "going round": lambda n: f"{n % 10}",
    "none": lambda _: None,
    "good": lambda n: f"{n}-0",
}
USELESS = {"constant", "zero", "pairs", "same millisecond", "going round"}
kinds = pytest.mark.parametrize("kind", POSITIONS)


def log_of(kind: str) -> list[bytes]:
    name = POSITIONS[kind]
    return [*(piece(n, name(n)) for n in range(COUNT)), end(name(COUNT))]


def numbers(result: Result) -> list[int]:
    """The displayed pieces, by number."""
    return [int(one["data"]["content"].split()[1]) for one in result.events if "content" in one["data"]]


def label(result: Result) -> str:
    return str(result.lines[-1]["data"]["stream"]["continuity"])


def followed(streams: Streams, noxcli: Noxcli, *argv: str, reads: int = 3) -> Result:
    record_reads = [*[record("running")] * reads, record("completed")]
    return called(noxcli, *(argv or START), reads=record_reads, events=streams)[0]


# Useless positions.


@pytest.mark.parametrize(("kind", "cut"), one_in(2, POSITIONS, [0, 1, 2, 7, 30]))
def test_no_position_loses_or_repeats_an_event(noxcli: Noxcli, kind: str, cut: int) -> None:
    log = log_of(kind)
    result = followed(sends(log[:cut], log[:cut], log[: cut + 5], log), noxcli)
    assert (result.code, numbers(result)) == (0, list(range(COUNT)))
    gaps = result.own.count("gap")
    assert gaps == 0 or (kind in USELESS and gaps == 1), "they were relied on before they turned out to be useless"
    assert label(result) == ("broken" if gaps else "proven" if kind == "good" else "assumed")


@kinds
def test_a_short_memory_is_told_from_news(noxcli: Noxcli, kind: str) -> None:
    log = log_of(kind)
    result = followed(sends(log[:20], log[10:30], log[25:40], log[35:]), noxcli)
    assert (result.code, numbers(result)) == (0, list(range(COUNT)))
    assert label(result) == ("broken" if "gap" in result.own else "proven" if kind == "good" else "assumed")


# Long replays.


def long(start: int, stop: int) -> bytes:
    """Many events of some bytes each."""
    return b"".join(
        b'data: {"type":"content","data":{"content":"p %d"},"redisId":"%d-0"}\n\n' % (n, n) for n in range(start, stop)
    )


def test_a_long_replay_after_a_refused_position_is_no_gap(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.runs.resuming.HELD_EVENTS", 500)
    again = streams(STREAM + long(0, 3_000), answer(410), STREAM + long(0, 4_000) + end("end"))
    result = followed(again, noxcli, reads=2)
    assert numbers(result) == list(range(4_000))
    assert (label(result), "gap" in result.own) == ("proven", False)


@pytest.mark.parametrize(("cursor", "first", "known"), [("400-0", 401, True), ("2000-0", 0, False), ("9-9", 0, False)])
def test_a_refused_etag_is_looked_for_in_a_long_replay(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, cursor: str, first: int, known: bool
) -> None:
    monkeypatch.setattr("noxcli.runs.resuming.HELD_EVENTS", 500)
    again = streams(answer(410), STREAM + long(0, 4_000) + end("end"))
    result = followed(again, noxcli, "stream", RUN, "--etag", cursor, "--format", "ndjson", reads=0)
    assert numbers(result) == [number for number in range(first, 4_000) if f"{number}-0" != cursor]
    assert (label(result), "gap" in result.own) == (("assumed", False) if known else ("broken", True))


def test_silence_after_a_position_from_outside_is_a_gap(noxcli: Noxcli) -> None:
    argv = ("stream", RUN, "--etag", "7-0", "--format", "ndjson")
    assert "gap" in followed(falls_silent(), noxcli, *argv, reads=0).own


# The search for the rest ends.


@pytest.mark.parametrize("kind", ["none", "constant", "good"])
@pytest.mark.parametrize("kept", [1, 5, COUNT])
def test_a_stream_without_an_end_is_left_after_a_few_tries(noxcli: Noxcli, kind: str, kept: int) -> None:
    log = log_of(kind)[:-1]
    streams = sends(log[:30], log[30 - kept if kept < 30 else 0 :], log[-kept:])
    result, side = called(noxcli, *START, reads=[record("running"), record("completed")], events=streams)
    assert (result.code, numbers(result)) == (0, list(range(COUNT)))
    assert (label(result), result.own.count("gap")) == ("broken", 1)
    assert side.count("events") <= 7


@pytest.mark.parametrize("closing", ["none", "error", "timeout"])
@pytest.mark.parametrize("reaction", ["close", "end"])
def test_a_pause_that_the_last_event_tells_leaves_no_gap(
    noxcli: Noxcli, plays: Any, reaction: str, closing: str
) -> None:
    switches = {"on_paused": reaction, "closing_event": closing}
    workflow = plays(script=[Emit("Write", "x")], status="awaiting_human_feedback", switches=switches)
    result = noxcli("run", workflow, "--format", "ndjson")
    assert (result.code, result.own) == (10, ["started", "paused", "result"])


def test_a_replay_that_breaks_off_shows_what_it_had(noxcli: Noxcli, plays: Any) -> None:
    switches = {"on_unknown_cursor": "404", "end_announced_by": "none", "closing_event": "error", "stale_reads": 1}
    workflow = plays(script=[Emit("Write", f"piece {n} ") for n in range(9)], switches=switches)
    run = noxcli.ended(workflow)
    result = noxcli("stream", run, "--etag", "99999999-0", "--format", "ndjson")
    assert (result.code, numbers(result), label(result)) == (0, list(range(9)), "broken")


def test_an_endless_stream_does_not_hold_the_verdict_back(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.runs.stream.LONGEST_REST", 0.3)
    noxcli.clock = Clock()

    def stream(_number: int, peer: socket.socket) -> None:
        peer.sendall(STREAM)
        for n in range(10_000):
            peer.sendall(piece(n, f"{n}-0"))
            peer.settimeout(0.01)
            try:
                peer.recv(1)
            except TimeoutError:
                continue

    result = followed(stream, noxcli, "stream", RUN, "--format", "ndjson", reads=0)
    assert (result.code, result.own[-1], label(result)) == (0, "result", "broken")


def test_what_arrives_during_a_read_after_a_silence_is_shown(noxcli: Noxcli) -> None:
    """Without a replay after the end, what the open stream has is all there is."""
    log, silent, looked, sent = log_of("good"), threading.Event(), threading.Event(), threading.Event()

    def stream(number: int, peer: socket.socket) -> None:
        peer.sendall(STREAM)
        if number == 1:
            peer.sendall(b"".join(log[:5]))
            silent.set()
            looked.wait(HUNG)
            peer.sendall(b"".join(log[5:]))
            sent.set()
        falls_silent()(number, peer)

    def reads(_number: int) -> bytes:
        if not silent.is_set():
            return record("running")
        looked.set()
        sent.wait(HUNG)
        return record("completed")

    result, _ = called(noxcli, *START, env={"NOXCLI_IDLE_TIMEOUT": "1s"}, reads=reads, events=stream)
    assert (result.code, numbers(result), label(result)) == (0, list(range(COUNT)), "proven")
