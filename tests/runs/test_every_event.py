"""Every event once with an honest label, from servers of raw bytes with odd positions or a short memory."""

import socket
import threading
from typing import Any

import pytest

from noxcli.sandbox.steps import Emit
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result
from tests.otherside import RUN, STREAM, WORKFLOW, Streams, called, end, falls_silent, piece, record, streams
from tests.process import HUNG
from tests.rawserver import answer

START = ("run", WORKFLOW, "--no-check", "Q=x", "--format", "ndjson")
COUNT = 51
LOG = [*(piece(n, f"{n}-0") for n in range(COUNT)), end(f"{COUNT}-0")]


def numbers(result: Result) -> list[int]:
    """The displayed pieces, by number."""
    return [int(one["data"]["content"].split()[1]) for one in result.events if "content" in one["data"]]


def label(result: Result) -> str:
    return str(result.lines[-1]["data"]["stream"]["continuity"])


def followed(streams: Streams, noxcli: Noxcli, *argv: str, reads: int = 3) -> Result:
    record_reads = [*[record("running")] * reads, record("completed")]
    return called(noxcli, *(argv or START), reads=record_reads, events=streams)[0]


# A position that the server rejects.


def test_a_page_of_a_gateway_rejects_no_position(noxcli: Noxcli) -> None:
    page = answer(404, b"<html>no route</html>", Content_Type="text/html")
    result = followed(streams(STREAM + b"".join(LOG[:7]), page, STREAM + b"".join(LOG)), noxcli)
    assert (result.code, numbers(result), label(result)) == (0, list(range(COUNT)), "proven")


def test_a_rejected_position_is_one_gap_and_not_sent_again(noxcli: Noxcli) -> None:
    broken = streams(STREAM + b"".join(LOG[:7]), answer(410))
    reads = [*[record("running")] * 5, record("completed")]
    result, side = called(noxcli, *START, reads=reads, events=broken)
    assert (result.code, numbers(result), label(result)) == (0, list(range(7)), "broken")
    assert (result.own.count("gap"), side.count("events")) == (1, 2)


def test_silence_after_a_position_from_outside_is_a_gap(noxcli: Noxcli) -> None:
    argv = ("stream", RUN, "--etag", "7-0", "--format", "ndjson")
    assert "gap" in followed(falls_silent(), noxcli, *argv, reads=0).own


# The search for the rest ends.


@pytest.mark.parametrize("closing", ["none", "error", "timeout"])
@pytest.mark.parametrize("reaction", ["close", "end"])
def test_a_pause_that_the_last_event_tells_leaves_no_gap(
    noxcli: Noxcli, plays: Any, reaction: str, closing: str
) -> None:
    switches = {"on_paused": reaction, "closing_event": closing}
    workflow = plays(script=[Emit("Write", "x")], status="awaiting_human_feedback", switches=switches)
    result = noxcli("run", workflow, "--format", "ndjson")
    assert (result.code, result.own) == (10, ["started", "paused", "result"])


def test_an_endless_stream_does_not_hold_the_verdict_back(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.runs.stream.MAX_REST", 0.3)
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
    silent, looked, sent = threading.Event(), threading.Event(), threading.Event()

    def stream(number: int, peer: socket.socket) -> None:
        peer.sendall(STREAM)
        if number == 1:
            peer.sendall(b"".join(LOG[:5]))
            silent.set()
            looked.wait(HUNG)
            peer.sendall(b"".join(LOG[5:]))
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
