"""--retry-for: from the first failure, by attempts and time awake, whatever the answers do."""

import signal
import time

import pytest

from noxcli.timing import Clock
from tests.conftest import Noxcli
from tests.otherside import OTHER, RUN, WORKFLOW, record
from tests.process import NOXCLI, ended_by, environment, running, until
from tests.rawserver import answer, raw_server, trickle

BROKEN = answer(500, b"oops")
NAMED = f"{WORKFLOW}/{RUN}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.long(5)
def test_a_pause_of_the_process_is_no_outage() -> None:
    with raw_server(record("running"), BROKEN, BROKEN, record("completed")) as server:
        options = ["--no-stream", "--poll-interval", "500ms", "--retry-for", "2s"]
        with running("wait", NAMED, *options, env=environment(server.url), program=NOXCLI) as process:
            until(lambda: len(server.requests) == 2)
            process.send_signal(signal.SIGSTOP)
            time.sleep(3)
            out, err = ended_by(process, signal.SIGCONT)
    assert (process.returncode, out) == (0, f"{RUN}\tcompleted\n".encode()), err


@pytest.mark.parametrize(
    ("verb", "requests", "code"),
    [("inputs", 2, 75), ("wait", 2, 6), ("wait on", 3, 6), ("runs", 2, 75), ("wait for two", 4, 6)],
)
def test_an_answer_that_trickles_in_is_a_failure(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: str, requests: int, code: int
) -> None:
    monkeypatch.setattr("noxcli.retry.MIN_ATTEMPT", 0.3)
    noxcli.clock = Clock()
    argv = {
        "inputs": ["inputs", WORKFLOW],
        "wait": ["wait", NAMED, "--no-stream"],
        "wait on": ["wait", NAMED, "--no-stream", "--poll-interval", "100ms"],
        "runs": ["runs"],
        "wait for two": ["wait", NAMED, f"{WORKFLOW}/{OTHER}", "--poll-interval", "100ms"],
    }[verb]
    began = time.monotonic()
    before = [record("running")] if verb == "wait on" else []
    with raw_server(*before, trickle(HEAD)) as server:
        assert noxcli(*argv, "--retry-for", "100ms", "--base-url", server.url).code == code
        assert len(server.requests) == requests, "never one failure alone"
    assert time.monotonic() - began < 10
