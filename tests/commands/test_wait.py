"""`noxcli wait`: verdicts without a live view."""

import re
import socket
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, node_runs
from noxcli.timing import Clock
from tests.conftest import Noxcli, QuickClock, piped
from tests.rawserver import Request, Turn, json_answer, raw_server

UNKNOWN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


@pytest.mark.parametrize(
    ("status", "code"),
    [("completed", 0), ("failed", 1), ("stopped", 3), ("awaiting_human_feedback", 10)],
)
def test_one_run_one_line(noxcli: Noxcli, plays: Any, status: str, code: int) -> None:
    run = noxcli.start(plays(status=status, output={"A": "x"}))
    result = noxcli("wait", run)
    assert result.code == code
    assert result.text == f"{run}\t{status}\n"


def test_several_runs_end_with_the_worst_code(noxcli: Noxcli, plays: Any) -> None:
    good = noxcli.start(plays(output={"A": "x"}))
    bad = noxcli.start(plays(status="failed"))
    result = noxcli("wait", good, bad, UNKNOWN)
    assert result.code == 5
    assert sorted(result.text.splitlines()) == sorted([f"{good}\tcompleted", f"{bad}\tfailed"])
    document = noxcli("wait", good, bad, UNKNOWN, "--json").json
    assert document["schema"] == "noxcli.results/1"
    assert (document["ok"], document["exit_code"]) == (False, 5)
    assert [one["exit_code"] for one in document["results"]] == [0, 1, 5]


def test_timeout_0_checks_once(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=[Sleep(60_000)], output={"A": "x"})
    run = noxcli.start(workflow)
    result = noxcli("wait", run, "--timeout", "0")
    assert (result.code, result.text) in [(8, f"{run}\trunning\n"), (8, f"{run}\tqueued\n")]
    several = noxcli("wait", run, UNKNOWN, "--timeout", "0", "--json")
    assert [one["exit_code"] for one in several.json["results"]] == [8, 5]


def test_ids_come_on_stdin(noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = plays(output={"A": "x"})
    runs = [noxcli.start(workflow) for _ in range(3)]
    monkeypatch.setattr("sys.stdin", piped("\n".join([*runs, "", runs[0], f"{runs[1]}\tqueued"])))
    result = noxcli("wait", "-")
    assert sorted(result.text.splitlines()) == sorted(f"{run}\tcompleted" for run in runs)


@pytest.mark.parametrize("verb", ["wait", "stop"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_nothing_on_stdin_is_nothing_to_do(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: str, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.stdin", piped("\n"))
    result = noxcli(verb, "-", *options)
    assert (result.code, result.err) == (
        0,
        f"nothing to {verb}{' for' * (verb == 'wait')}: stdin names no run\n",
    )
    empty = {"schema": "noxcli.results/1", "ok": True, "exit_code": 0, "results": []}
    assert result.json == empty if options else result.out == b""


@pytest.mark.parametrize("verb", ["wait", "stop"])
def test_runs_from_stdin_are_a_list_however_many_they_are(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    runs = [noxcli.start(plays(output={"A": "x"})) for _ in range(2)]
    for named in (runs[:1], runs):
        monkeypatch.setattr("sys.stdin", piped("\n".join(named)))
        document = noxcli(verb, "-", "--json").json
        assert document["schema"] == "noxcli.results/1"
        assert [one["run"]["id"] for one in document["results"]] == named
    assert noxcli(verb, runs[0], "--json").json["schema"] == "noxcli.result/1"


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("123", "'123' is not a run id; give a run id"),
        ("@last2", "'@last2' is not a run id; did you mean @last?"),
        ("-", "line 2 of stdin: '#' is not a run id"),
    ],
)
@pytest.mark.parametrize("verb", ["wait", "stop", "stream", "fetch-output"])
def test_what_can_be_no_run_is_told_before_a_server_is_asked(
    noxcli: Noxcli,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    named: str,
    told: str,
) -> None:
    monkeypatch.setattr("sys.stdin", piped(f"{UNKNOWN}\n#\n"))
    result = noxcli(verb, named)
    assert (result.code, told in result.err, sandbox.requests) == (2, True, []), result.err


def test_each_of_several_runs_is_told_of_once(noxcli: Noxcli, plays: Any) -> None:
    runs = [noxcli.start(plays(script=[Sleep(60_000)])) for _ in range(3)] + [noxcli.start("fails")]
    noxcli("wait", runs[-1])
    result = noxcli("wait", *runs, "--timeout", "2s")
    assert result.code == 124
    assert [sum(run in line for line in result.err.splitlines()) for run in runs] == [1] * 4, (
        result.err
    )
    assert {line.split("\t")[0] for line in result.text.splitlines()} == set(runs)
    assert "no answer" not in result.err


def test_progress_is_watched_of_one_run(noxcli: Noxcli, sandbox: Sandbox) -> None:
    result = noxcli("wait", UNKNOWN, UNKNOWN.replace("2a", "2b"), "--stall-timeout", "3s")
    assert (result.code, sandbox.requests) == (2, [])
    assert "--stall-timeout is for one run; wait for each of the 2 runs separately" in result.err


def test_any_leaves_with_the_first(noxcli: Noxcli, plays: Any) -> None:
    done = noxcli.start(plays(output={"A": "x"}))
    slow = noxcli.start("slow")
    assert noxcli("wait", done).code == 0
    result = noxcli("wait", slow, done, "--any", "--poll-interval", "50ms")
    assert (result.code, f"{done}\tcompleted" in result.text) == (0, True)


def test_fail_fast_leaves_at_the_first_failure(noxcli: Noxcli, plays: Any) -> None:
    forever = noxcli.start(plays(script=[Sleep(60_000)]))
    bad = noxcli.ended("fails")
    result = noxcli("wait", forever, bad, "--fail-fast", "--json")
    assert result.code == 1
    assert [one["exit_code"] for one in result.json["results"]] == [8, 1]


def test_a_paused_run_is_called_so_wherever_people_read_it(noxcli: Noxcli) -> None:
    run = noxcli.ended("pauses")
    waited = ["wait", run, "--on-pause", "wait", "--timeout", "1s"]
    for line in (
        waited,
        ["stream", *waited[1:]],
        ["wait", run, "--timeout", "0"],
        ["inspect", run],
    ):
        told = noxcli(*line).err
        assert ("paused" in told, "awaiting" in told) == (True, False), told
    assert noxcli(*waited).text == f"{run}\tawaiting_human_feedback\n", (
        "the API's word is for scripts"
    )


@pytest.mark.parametrize("count", [1, 2])
def test_a_pause_that_is_waited_out_is_told_once(noxcli: Noxcli, plays: Any, count: int) -> None:
    runs = [noxcli.ended(plays(status="awaiting_human_feedback")) for _ in range(count)]
    polls = ["--poll-interval", "100ms", "--timeout", "1s"]
    waited = noxcli("wait", *runs, "--on-pause", "wait", *polls)
    assert [
        waited.err.count(f"run {run} is paused for human input: give it in Noxus\n") for run in runs
    ] == [1] * count
    left = noxcli("wait", *runs, "--on-pause", "exit", *polls)
    assert (waited.code, left.code, "for human input\n" in left.err) == (124, 10, False)


@pytest.mark.parametrize("count", [1, 2])
def test_a_terminal_gets_its_lines_alone(noxcli: Noxcli, plays: Any, count: int) -> None:
    workflow = plays(script=node_runs("Write", seconds=500), output={"A": "x"})
    runs = [noxcli.start(workflow) for _ in range(count)]
    result = noxcli("wait", *runs, tty=True)
    assert sorted(line.split() for line in result.text.splitlines()) == sorted(
        [run, "completed"] for run in runs
    )
    assert result.err == "", "nothing was drawn meanwhile"


def record(request: Request, status: str, **more: str) -> bytes:
    run, created = request.target.rpartition("/")[2], "2026-01-01T00:00:00Z"
    return json_answer(
        {"id": run, "workflow_id": UNKNOWN, "status": status, "created_at": created, **more}
    )


running_record = partial(record, status="running")
ended_record = partial(record, status="completed", finished_at="2026-01-01T00:00:02Z")


def ids(count: int) -> list[str]:
    return [f"{UNKNOWN[:24]}{number:012}" for number in range(count)]


def test_many_ended_runs_are_read_without_a_pause(noxcli: Noxcli) -> None:
    with raw_server(by_request=ended_record) as server:
        began = time.monotonic()
        result = noxcli("wait", *ids(200), environ={"NOXUS_BACKEND_URL": server.url})
    assert (result.code, len(result.text.splitlines()), len(server.requests)) == (0, 200, 200)
    assert time.monotonic() - began < 5  # 10 at the pace of later reads


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_ended_run_is_read_however_short_the_timeout(
    noxcli: Noxcli, count: int, options: tuple[str, ...]
) -> None:
    with raw_server(by_request=ended_record) as server:
        line = ["wait", *ids(count), "--timeout", "1ms", *options]
        result = noxcli(*line, environ={"NOXUS_BACKEND_URL": server.url})
    assert (result.code, result.text.count("completed")) == (0, count), result.err


def test_the_later_reads_of_many_runs_are_spaced(noxcli: Noxcli) -> None:
    with raw_server(by_request=running_record) as server:
        options = ("--poll-interval", "50ms", "--timeout", "2s")
        result = noxcli("wait", *ids(30), *options, environ={"NOXUS_BACKEND_URL": server.url})
        asked = Counter(request.target.rpartition("/")[2] for request in server.requests)
    assert (result.code, len(result.text.splitlines())) == (124, 30)
    assert 60 < asked.total() <= 30 + 2 * 20 + 30, (
        "once at once, twenty a second, and once more at the limit"
    )
    assert max(asked.values()) - min(asked.values()) <= 2, "each in its turn"


def test_no_answer_is_said_only_of_a_run_that_was_asked(noxcli: Noxcli) -> None:
    def late(request: Request) -> Turn:
        def turn(peer: socket.socket) -> None:
            time.sleep(0.4)
            peer.sendall(ended_record(request))

        return turn

    with raw_server(by_request=late) as server:
        result = noxcli(
            "wait", *ids(200), "--timeout", "600ms", environ={"NOXUS_BACKEND_URL": server.url}
        )
        asked = {request.target.rpartition("/")[2] for request in list(server.requests)}
    silent = {
        line.split()[2].rstrip(":") for line in result.err.splitlines() if "no answer" in line
    }
    unasked = {
        line.split()[2].rstrip(":")
        for line in result.err.splitlines()
        if "out of time before" in line
    }
    assert result.code == 124
    assert silent
    assert len(unasked) > 100
    assert not unasked & asked
    assert len(silent | unasked) + len(result.text.splitlines()) == 200


# What it waits for.

SAID = r"^\d\d:\d\d:\d\d the server answers 429: waiting since \d\d:\d\d:\d\d, until "


@pytest.mark.long(12)
@pytest.mark.parametrize("count", [1, 2])
def test_refused_reads_are_said_within_5_seconds(noxcli: Noxcli, count: int) -> None:
    asked = Counter[str]()

    def limited(request: Request) -> bytes:
        asked[request.target] += 1
        if asked[request.target] == 1:
            return running_record(request)
        return json_answer({"detail": "slow down"}, 429)

    noxcli.clock = Clock()
    with raw_server(by_request=limited) as server:
        options = ["--no-stream", "--poll-interval", "100ms", "--timeout", "8s"]
        noxcli.environ["NOXUS_BACKEND_URL"] = server.url
        result = noxcli("wait", *ids(count), *options)
    assert result.code == 124
    assert len(re.findall(SAID + "it accepts requests$", result.err, re.MULTILINE)) == 1, result.err


@pytest.mark.long(12)
@pytest.mark.parametrize("line", [["wait", "w/x", "--no-stream"], ["workflows"]], ids=str)
def test_a_silent_server_is_said_within_5_seconds(noxcli: Noxcli, line: list[str]) -> None:
    def silent(peer: socket.socket) -> None:
        peer.settimeout(8)
        with suppress(OSError):
            peer.recv(1)

    noxcli.clock = Clock()
    result, _ = noxcli.against([silent], *line, "--timeout", "7s")
    assert result.code in {75, 124}
    told = "no whole answer from the server: waiting since "
    assert result.err.count(told) == 1, result.err


def test_a_list_says_every_minute_for_what_it_waits(noxcli: Noxcli) -> None:
    limited = json_answer({"detail": "slow down"}, 429)
    noxcli.clock = QuickClock()
    result, _ = noxcli.against([limited], "workflows", "--retry-for", "5m")
    lines = [line for line in result.err.splitlines() if "retrying for up to" in line]
    assert result.code == 75
    assert lines[0].endswith("answered 429: slow down; retrying for up to 300s")
    assert len(lines) in {4, 5}, lines
    for line in lines[1:]:
        assert re.search(r"; waiting for \dm[\d.]*s?, retrying for up to \d+s more$", line), line
