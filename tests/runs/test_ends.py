"""What ends a run and its stream, and that each event is shown once until then; each server here is raw bytes."""

import socket
import threading
import time
from typing import Any

import pytest

from noxcli.sandbox.steps import Emit
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, write_rows
from tests.otherside import (
    RUN,
    STREAM,
    WORKFLOW,
    called,
    end,
    event,
    falls_silent,
    other_side,
    piece,
    record,
    sends,
    streams,
)  # fmt: skip
from tests.process import HUNG
from tests.rawserver import answer
from tests.sample import one_in

START = ("run", WORKFLOW, "--no-check", "Q=x")
EVENTS = (*START, "--format", "ndjson")
COUNT = 51
LOG = [*(piece(n, f"{n}-0") for n in range(COUNT)), end(f"{COUNT}-0")]
TIMES = {"created_at": "2026-05-01T10:00:00Z", "finished_at": "2026-05-01T10:00:09Z"}


def nested(position: str, status: str = "completed", **more: Any) -> bytes:
    """The end of a sub-workflow, with its own run's id, on the stream of the run that called it."""
    return event({"id": "B", "run_id": "another", "workflow_status": status, **more}, position)


@pytest.mark.parametrize(
    "other",
    [
        nested("5-0"),
        nested("5-0", "failed"),
        event({"id": "A", "workflow_status": "failed"}, "5-0"),
    ],
)
@pytest.mark.parametrize("form", ["content", "ndjson", "json"])
def test_the_end_of_something_else_closes_no_stream(
    noxcli: Noxcli, other: bytes, form: str
) -> None:
    log = [
        *(piece(n, f"{n}-0") for n in range(5)),
        other,
        *(piece(n, f"{n}-0") for n in range(6, 16)),
        end("16-0"),
    ]
    looked, ended = threading.Event(), threading.Event()

    def stream(_number: int, peer: socket.socket) -> None:
        peer.sendall(STREAM + b"".join(log[:6]))
        looked.wait(HUNG)  # the record was read because of the other end
        time.sleep(0.3)
        peer.sendall(b"".join(log[6:]))
        ended.set()

    def reads(_number: int) -> bytes:
        looked.set()
        return record("completed" if ended.is_set() else "running")

    noxcli.clock = Clock()
    result, side = called(noxcli, *START, "--format", form, reads=reads, events=stream)
    assert (result.code, side.count("events")) == (0, 1), result.err
    if form == "content":
        assert result.text == "".join(f"piece {n} " for n in range(16) if n != 5)
    if form == "ndjson":
        assert (len(result.events), "gap" in result.own) == (17, False)
        assert result.lines[-1]["data"]["stream"]["continuity"] == "proven"


# Words that the docs do not have.


ENDS = {
    **dict.fromkeys(["cancelled", "canceled"], (3, "stopped")),
    **dict.fromkeys(["success", "succeeded", "Succeeded"], (0, "completed")),
    **dict.fromkeys(["error", "timeout", "timed_out", "expired"], (1, "failed")),
}


@pytest.mark.parametrize(
    ("verb", "word"), one_in(3, [START, ("wait", RUN), ("fetch-output", RUN)], ENDS)
)
def test_a_word_with_an_end_is_an_end(noxcli: Noxcli, verb: tuple[str, ...], word: str) -> None:
    code, status = ENDS[word]
    done = record(word, output={"A": "x"}, **TIMES)
    result, _ = called(noxcli, *verb, "--json", reads=[done], events=sends([piece(0, "0-0")]))
    assert (result.code, result.json["run"]["status"]) == (code, status), result.err


WORDS = [("COMPLETED", 0), ("Failed", 1), ("STOPPED", 3), ("Awaiting_Human_Feedback", 10)]
CALLS = [START, EVENTS, ("wait", RUN), ("wait", RUN, RUN.upper()), ("stop", RUN)]


@pytest.mark.parametrize(("times", "said", "verb"), one_in(4, [TIMES, {}], WORDS, CALLS))
def test_the_documented_words_count_in_any_case(
    noxcli: Noxcli, verb: tuple[str, ...], said: tuple[str, int], times: dict[str, str]
) -> None:
    word, code = said
    began = noxcli.clock.monotonic()
    told = sends([event({"status": "RUNNING"}, "0-0", "state"), piece(0, "1-0"), end("2-0", word)])
    reads = [record(word, output={"A": "x"}, **times)]
    result, _ = called(noxcli, *verb, reads=reads, started=record("QUEUED"), events=told)
    if verb[0] == "stop":
        assert result.code == (8 if code == 10 else 0), result.err
    else:
        assert result.code == code, result.err
        assert noxcli.clock.monotonic() - began < 10
    assert "unknown to noxcli" not in result.err


@pytest.mark.long(3)
def test_any_other_word_with_an_end_is_a_failure_once_it_stays(noxcli: Noxcli) -> None:
    began = noxcli.clock.monotonic()
    reads = [record("running"), record("evicted", **TIMES)]
    result, _ = called(noxcli, "wait", RUN, "--json", reads=reads)
    assert (result.code, result.json["run"]["status"]) == (1, "evicted")
    assert "run ended as 'evicted'" in result.err
    assert 30 <= noxcli.clock.monotonic() - began <= 40


@pytest.mark.parametrize("verb", ["wait", "batch"])
def test_many_runs_end_with_such_words_too(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr("noxcli.runs.record.UNKNOWN_END", 0.3)
    argv = {
        "wait": (
            "wait",
            f"{WORKFLOW}/{RUN}",
            f"{WORKFLOW}/{RUN.upper()}",
            "--poll-interval",
            "50ms",
        ),
        "batch": ("batch", WORKFLOW, write_rows("x"), "--no-check", "--poll-interval", "50ms"),
    }[verb]
    result, _ = called(noxcli, *argv, reads=[record("evicted", **TIMES)])
    assert result.code == 1, result.err
    assert "evicted" in result.text


NO_END: list[dict[str, Any]] = [
    {},
    {"finished_at": "soon"},
    {"finished_at": 1777629609},
    {"created_at": "2026-05-01T10:00:00Z", "finished_at": "2026-05-01T09:59:59Z"},
    {"created_at": "2026-05-01T10:00:00Z", "finished_at": "1970-01-01T00:00:00Z"},
]


@pytest.mark.parametrize(("word", "times"), one_in(2, ["cancelled", "evicted"], NO_END))
def test_a_word_without_an_end_is_still_going(
    noxcli: Noxcli, word: str, times: dict[str, Any]
) -> None:
    odd = record(word, **times)
    result, _ = called(noxcli, "wait", RUN, reads=[*[odd] * 30, record("completed")])
    assert (result.code, result.text) == (0, f"{RUN}\tcompleted\n")


# Streams that break, and odd messages on them.


CHUNKED = STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked")
DROPPED = "the stream broke: the connection was dropped before the end of the answer"


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b"", DROPPED),  # as nginx does it, when the server behind it is gone
        (b"ff\r\ndata", DROPPED),
        (b"f", DROPPED),
        (b"zz\r\nabc\r\n", "the stream broke: the answer is not valid HTTP"),
    ],
)
def test_a_dropped_connection_is_called_so(noxcli: Noxcli, rest: bytes, reason: str) -> None:
    first, whole = chunk(piece(0, "0-0")), chunk(end("1-0")) + b"0\r\n\r\n"
    broken = streams(CHUNKED + first + rest, CHUNKED + first + whole)
    reads = [record("running"), record("completed")]
    result, _ = called(noxcli, *EVENTS, reads=reads, events=broken)
    assert (result.code, result.own) == (0, ["started", "reconnecting", "result"])
    assert [
        one["data"]["reason"] for one in result.lines if one["type"] == "noxcli.reconnecting"
    ] == [reason]


def test_messages_that_are_not_json_are_passed_on(noxcli: Noxcli) -> None:
    odd = [
        b"data:\n\n",
        b"data: ping\n\n",
        b"data: [DONE]\n\n",
        b'data: {"type": "content", "da\n\n',
    ]
    log = [piece(0, "0-0"), *odd, piece(1, "1-0"), end("2-0")]
    with other_side(reads=[record("completed")], events=sends(log)) as (side, environ):
        result = noxcli(*EVENTS, environ=environ)
        text = noxcli("stream", RUN, "--format", "content", environ=environ)
    assert (result.code, result.own, side.count("events")) == (0, ["started", "result"], 2)
    kinds = [one["type"] for one in result.events]
    assert [kind for kind in kinds if kind != "unknown"] == ["content"] * 3
    assert [one["data"] for one in result.events if one["type"] == "unknown"][:3] == [
        "",
        "ping",
        "[DONE]",
    ]
    assert (text.code, text.text) == (0, "piece 0 piece 1 ")


def numbers(result: Result) -> list[int]:
    """The displayed pieces, by number."""
    return [
        int(one["data"]["content"].split()[1]) for one in result.events if "content" in one["data"]
    ]


def label(result: Result) -> str:
    return str(result.lines[-1]["data"]["stream"]["continuity"])


# A position that the server rejects.


def test_a_page_of_a_gateway_rejects_no_position(noxcli: Noxcli) -> None:
    page = answer(404, b"<html>no route</html>", Content_Type="text/html")
    broken = streams(STREAM + b"".join(LOG[:7]), page, STREAM + b"".join(LOG))
    reads = [*[record("running")] * 3, record("completed")]
    result, _ = called(noxcli, *EVENTS, reads=reads, events=broken)
    assert (result.code, numbers(result), label(result)) == (0, list(range(COUNT)), "proven")


def test_a_rejected_position_is_one_gap_and_not_sent_again(noxcli: Noxcli) -> None:
    broken = streams(STREAM + b"".join(LOG[:7]), answer(410))
    reads = [*[record("running")] * 5, record("completed")]
    result, side = called(noxcli, *EVENTS, reads=reads, events=broken)
    assert (result.code, numbers(result), label(result)) == (0, list(range(7)), "broken")
    assert (result.own.count("gap"), side.count("events")) == (1, 2)


def test_silence_after_a_position_from_outside_is_a_gap(noxcli: Noxcli) -> None:
    argv = ("stream", RUN, "--etag", "7-0", "--format", "ndjson")
    assert "gap" in called(noxcli, *argv, events=falls_silent())[0].own


# The search for the rest ends.


@pytest.mark.parametrize("closing", ["none", "error", "timeout"])
@pytest.mark.parametrize("reaction", ["close", "end"])
def test_a_pause_that_the_last_event_tells_leaves_no_gap(
    noxcli: Noxcli, plays: Any, reaction: str, closing: str
) -> None:
    switches = {"on_paused": reaction, "closing_event": closing}
    workflow = plays(
        script=[Emit("Write", "x")], status="awaiting_human_feedback", switches=switches
    )
    result = noxcli("run", workflow, "--format", "ndjson")
    assert (result.code, result.own) == (10, ["started", "paused", "result"])


def test_an_endless_stream_does_not_hold_the_verdict_back(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
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

    result, _ = called(noxcli, "stream", RUN, "--format", "ndjson", events=stream)
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

    result, _ = called(
        noxcli, *EVENTS, env={"NOXCLI_IDLE_TIMEOUT": "1s"}, reads=reads, events=stream
    )
    assert (result.code, numbers(result), label(result)) == (0, list(range(COUNT)), "proven")
