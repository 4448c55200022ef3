"""--retry-for: from the first failure, by attempts and time awake, whatever the answers do."""

import signal
import time

import pytest

from noxcli.timing import Clock
from tests.conftest import Noxcli
from tests.otherside import OTHER, RUN, WORKFLOW, record
from tests.process import NOXCLI, call, ended_by, environment, running, until
from tests.rawserver import answer, raw_server, trickle

BROKEN = answer(500, b"oops")
NAMED = f"{WORKFLOW}/{RUN}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.long(8)
def test_a_pause_of_the_process_is_no_outage() -> None:
    with raw_server(record("running"), BROKEN, BROKEN, record("completed")) as server:
        options = ["--no-stream", "--poll-interval", "1s", "--retry-for", "3s"]
        with running("wait", NAMED, *options, env=environment(server.url), program=NOXCLI) as process:
            until(lambda: len(server.requests) == 2)
            process.send_signal(signal.SIGSTOP)
            time.sleep(5)
            out, err = ended_by(process, signal.SIGCONT)
    assert (process.returncode, out) == (0, f"{RUN}\tcompleted\n".encode()), err


@pytest.mark.parametrize(("failures", "code"), [(1, 0), (2, 6)])
def test_one_failed_poll_is_forgiven_and_a_second_is_not(failures: int, code: int) -> None:
    with raw_server(record("running"), *[BROKEN] * failures, record("completed")) as server:
        options = ["--no-stream", "--poll-interval", "1s", "--retry-for", "500ms"]
        done = call("wait", NAMED, *options, env=environment(server.url))
        assert (done.returncode, len(server.requests)) == (code, 3), done.stderr


@pytest.mark.parametrize(("verb", "code"), [("inputs", 75), ("wait", 6), ("runs", 75), ("wait for two", 6)])
def test_an_answer_that_trickles_in_is_a_failure(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: str, code: int
) -> None:
    monkeypatch.setattr("noxcli.retry.MIN_ATTEMPT", 0.3)
    noxcli.clock = Clock()
    argv = {
        "inputs": ["inputs", WORKFLOW],
        "wait": ["wait", NAMED, "--no-stream"],
        "runs": ["runs"],
        "wait for two": ["wait", NAMED, f"{WORKFLOW}/{OTHER}", "--poll-interval", "100ms"],
    }[verb]
    began = time.monotonic()
    with raw_server(trickle(HEAD)) as server:
        assert noxcli(*argv, "--retry-for", "100ms", "--base-url", server.url).code == code
        assert len(server.requests) == (4 if verb == "wait for two" else 2), "never one failure alone"
    assert time.monotonic() - began < 10


HOUR = answer(503, b"", Retry_After="3600")


@pytest.mark.parametrize(
    ("argv", "code"),
    [(("runs",), 75), (("inputs", WORKFLOW), 75), (("wait", NAMED), 124), (("wait", NAMED, OTHER), 124)],
    ids=["list", "read", "wait", "wait for two"],
)
def test_a_server_that_asks_for_an_hour_ends_it_at_once(noxcli: Noxcli, argv: tuple[str, ...], code: int) -> None:
    began = time.monotonic()
    with raw_server(HOUR) as server:
        result = noxcli(*argv, "--timeout", "60s", environ={"NOXUS_BACKEND_URL": server.url})
    assert (result.code, time.monotonic() - began < 10) == (code, True), result.err
    assert "the server asks to wait 1h00m" in result.err
    assert len(server.requests) <= 2
