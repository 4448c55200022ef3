"""`noxcli probe`: what it may do to a server, what it says, and what it never says."""

import json
import os
import signal
import socket
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from noxcli.probe import asking
from noxcli.sandbox.faults import BAD_GATEWAY, Answer, Cut, Drop, Fault, LostAnswer
from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, node_runs
from noxcli.sandbox.switches import Switches, with_overrides
from noxcli.timing import Clock
from tests.conftest import Noxcli
from tests.process import ended_by, running, until
from tests.rawserver import Request, Turn, answer, json_answer, raw_server

from .servers import WORKS

SECRET_TEXT = "text-of-the-server"
IDLE = ("--watch", "0.2")
WORKFLOW, RUN = "8f14e45f-ceea-467f-a0e6-1d2c3b4a5968", "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def ended_run(request: Request) -> bytes:
    """The answers of a server with one workflow that has one completed run; 404 for anything else."""
    run = {"id": RUN, "workflow_id": WORKFLOW, "status": "completed", "created_at": "2026-01-01T00:00:00Z"}
    workflow = {"id": WORKFLOW, "name": "w", "definition": {"nodes": [{"id": "o", "type": "OutputNode"}]}}
    known: dict[str, Any] = {
        f"/v1/workflows/{WORKFLOW}": workflow,
        f"/v1/workflows/{WORKFLOW}/runs": {"items": [run], "pages": 1},
        f"/v1/workflows/{WORKFLOW}/runs/{RUN}": {**run, "output": {"o": "x"}},
    }
    return json_answer(known[request.target]) if request.target in known else json_answer({"detail": "none"}, 404)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "APART", 0.0)


@pytest.fixture
def workflow(sandbox: Sandbox) -> str:
    """A workflow that has run once."""
    return sandbox.add(Scenario("probed", script=node_runs("Think", [SECRET_TEXT]), output={"Answer": SECRET_TEXT}))


def wait_for(event: threading.Event) -> None:
    event.wait(30)


def test_without_leave_to_start_it_only_reads(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    assert noxcli("run", workflow).code == 0
    before = len(sandbox.requests)
    done = noxcli("probe", workflow, "--json", *IDLE)
    asked = sandbox.requests[before:]
    assert done.code == 0
    assert {request.method for request in asked} == {"GET"}
    assert (done.json["requests"], done.json["runs_started"]) == (len(asked), 0)
    by_name = {each["name"]: each for each in done.json["findings"]}
    assert (by_name["cursor_inclusive"]["value"], by_name["cursor_inclusive"]["sure"]) == (False, "certain")
    assert by_name["on_stopped"] == {
        "name": "on_stopped",
        "what": "stream of a stopped run",
        "seen": None,
        "sure": "not_seen",
        "how": "needs --start 2",
        "switch": "on_stopped",
        "value": None,
        "fact": "end_of_a_stop",
    }


def test_no_id_and_no_text_of_the_server_is_shown_or_written(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, tmp_path: Path
) -> None:
    noxcli("run", workflow)
    (run,) = sandbox.runs(workflow)
    target = tmp_path / "switches.toml"
    told = [noxcli("probe", workflow, "--write", str(target), *IDLE, *more).text for more in ((), ("--json",))]
    for text in (*told, target.read_text()):
        assert len(text) > 500
        assert not [found for found in (SECRET_TEXT, run.id, workflow, sandbox.key, sandbox.url) if found in text]
    assert len(told[0].splitlines()) == len(noxcli("probe", workflow, "--json", *IDLE).json["findings"])


def test_what_it_writes_makes_a_sandbox_that_is_probed_alike(noxcli: Noxcli, tmp_path: Path) -> None:
    """A server with many unusual switches, and the sandbox with the switches that were learned from it."""
    odd = {
        "cursor_inclusive": True,
        "versions": "paged",
        "output_keys": "node_id",
        "page_limit": 7,
    }
    files = [tmp_path / "first.toml", tmp_path / "second.toml"]
    settings: dict[str, Any] = odd
    for path in files:
        with Sandbox([WORKS], switches=with_overrides(Switches(), settings)) as server:
            environ = {**noxcli.environ, "NOXUS_BACKEND_URL": server.url, "NOXUS_API_KEY": server.key}
            done = Noxcli(environ, Clock())("probe", "works", "Question=x", "--start", "1", "--write", str(path), *IDLE)
        assert done.code == 0, done.err
        settings = tomllib.loads(path.read_text())["switches"]
    first, second = (tomllib.loads(path.read_text())["switches"] for path in files)
    assert odd.items() <= first.items()
    assert odd.items() <= second.items()
    # A busy machine can miss what depends on a moment, and only that.
    assert {name for name, _ in first.items() ^ second.items()} <= first.keys() ^ second.keys()
    assert first.keys() ^ second.keys() <= {"stale_reads", "late_output_reads", "early_output"}


@pytest.mark.parametrize("most", [1, 9])
def test_it_sends_no_more_requests_than_allowed(noxcli: Noxcli, sandbox: Sandbox, workflow: str, most: int) -> None:
    noxcli("run", workflow)
    before = len(sandbox.requests)
    done = noxcli("probe", workflow, "--max-requests", str(most), "--json", *IDLE)
    assert done.code == 0
    assert len(sandbox.requests) - before == most
    assert "needs more requests: raise --max-requests" in {each["how"] for each in done.json["findings"]}


def test_a_run_that_goes_on_is_stopped_when_the_probe_leaves(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=[Sleep(100_000)])
    done = noxcli("probe", workflow, "--start", "1", "--timeout", "3", "--json", *IDLE)
    (run,) = sandbox.runs(workflow)
    assert (done.code, done.json["runs_started"], run.status) == (0, 1, "stopped")


@pytest.mark.parametrize("most", [3, 7, 11])
def test_with_a_start_it_keeps_a_request_for_the_stop(noxcli: Noxcli, plays: Any, sandbox: Sandbox, most: int) -> None:
    workflow = plays(script=[Sleep(100_000)])
    before = len(sandbox.requests)
    done = noxcli("probe", workflow, "--start", "1", "--max-requests", str(most), "--json", *IDLE)
    runs = sandbox.runs(workflow)
    assert (done.code, done.json["requests"]) == (0, len(sandbox.requests) - before)
    assert done.json["requests"] <= most
    assert done.json["runs_started"] == len(runs)
    assert {run.status for run in runs} <= {"stopped"}


def test_files_of_inputs_are_among_the_requests(noxcli: Noxcli, plays: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    workflow = plays(nodes=[input_node("File", type="File")])
    done = noxcli("probe", workflow, f"File@{tmp_path / 'a.txt'}", "--start", "1", "--max-requests", "3", *IDLE)
    assert (done.code, len(sandbox.requests), sandbox.runs(workflow)) == (2, 1, [])
    assert "--max-requests 3 allows no run" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_run_running(sandbox: Sandbox, plays: Any, noxcli: Noxcli, number: signal.Signals) -> None:
    workflow = plays(script=[Emit("Think"), Sleep(100_000_000)])
    with running("probe", workflow, "--start", "1", "--json", env={**os.environ, **noxcli.environ}) as process:
        until(lambda: any("/events" in request.path for request in sandbox.requests))
        out, _ = ended_by(process, number)
    assert (process.returncode, json.loads(out)["retry_safe"]) == (128 + number, False)
    assert [run.status for run in sandbox.runs(workflow)] == ["stopped"]


@pytest.mark.parametrize("watch", ["20s", "0.2s"])
def test_it_ends_at_its_limit(noxcli: Noxcli, plays: Any, sandbox: Sandbox, watch: str) -> None:
    workflow = plays(script=[Sleep(100_000)])
    began = time.monotonic()
    call = Noxcli(noxcli.environ, Clock())
    done = call("probe", workflow, "--start", "2", "--timeout", "3s", "--watch", watch, "--json")
    assert time.monotonic() - began < 4.0
    assert [run.status for run in sandbox.runs(workflow)] == ["stopped"]
    assert "warning: not all was tried: it needs more time: raise --timeout" in done.err


def test_it_ends_at_its_limit_where_nothing_answers(noxcli: Noxcli) -> None:
    over = threading.Event()

    def turn(request: Request) -> Turn:
        return ended_run(request) if request.target == f"/v1/workflows/{WORKFLOW}" else lambda _: wait_for(over)

    with raw_server(by_request=turn) as server:
        began = time.monotonic()
        call = Noxcli(noxcli.environ, Clock())
        done = call("probe", WORKFLOW, "--base-url", server.url, "--timeout", "1.5s", "--json")
        over.set()
    assert done.code == 0
    assert time.monotonic() - began < 2.5


def test_it_says_first_how_many_runs_it_will_start(noxcli: Noxcli, plays: Any) -> None:
    done = noxcli("probe", plays(), "--start", "2", *IDLE)
    said = [line for line in done.err.splitlines() if "start" in line]
    assert said[0] == "starting 2 runs of this workflow: one to watch to its end, one to stop"
    assert said[1].startswith("started run ")


@pytest.mark.parametrize("fault", [Answer(403, repeat=True), Answer(503, repeat=True), Drop(repeat=True)])
def test_a_run_that_cannot_be_stopped_is_named(noxcli: Noxcli, plays: Any, sandbox: Sandbox, fault: Fault) -> None:
    workflow = plays(script=[Sleep(100_000)], faults={"stop": [fault]})
    done = noxcli("probe", workflow, "--start", "1", "--timeout", "2s", "--json", *IDLE)
    (run,) = sandbox.runs(workflow)
    assert (done.code, done.json["ok"], done.json["exit_code"]) == (1, False, 1), done.err
    assert f"run {run.id} could not be stopped; try again with: noxcli stop {run.id}" in done.err


@pytest.mark.parametrize("cut", [Cut(1, "abort"), Cut(2, "torn"), Cut(3, "clean"), BAD_GATEWAY])
def test_a_stream_that_breaks_is_opened_again(noxcli: Noxcli, plays: Any, sandbox: Sandbox, cut: Fault) -> None:
    steps = [step for piece in "abcdef" for step in (Sleep(0.15), Emit("Think", piece))]
    workflow = plays(script=steps, output={"Answer": "x"}, faults={"events": [cut]})
    call = Noxcli(noxcli.environ, Clock())
    done = call("probe", workflow, "--start", "1", "--json", *IDLE)
    seen = {each["name"]: each["value"] for each in done.json["findings"]}
    assert [run.status for run in sandbox.runs(workflow)] == ["completed"]
    assert (seen["on_ended"], seen["end_announced_by"], seen["after_end"]) == ("replay", "content", "close")


def test_a_line_of_megabytes_costs_no_time(noxcli: Noxcli) -> None:
    def endless(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ")
        for _ in range(64):
            peer.sendall(b"x" * 65536)

    def turn(request: Request) -> Turn:
        return endless if "/events" in request.target else ended_run(request)

    with raw_server(by_request=turn) as server:
        began = time.monotonic()
        done = noxcli("probe", WORKFLOW, "--base-url", server.url, "--json", *IDLE)
    assert done.code == 0
    assert time.monotonic() - began < 5


def test_a_start_that_may_have_been_taken_is_not_repeated(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    lost = plays(faults={"start": [LostAnswer()]})
    done = noxcli("probe", lost, "--start", "2", *IDLE)
    assert (done.code, len(sandbox.runs(lost))) == (7, 1)
    assert "check with noxcli runs" in done.err


@pytest.mark.parametrize(
    ("status", "told"), [(503, "a run may still have been started"), (422, "rejected the start with 422")]
)
def test_a_refused_start_leaves_the_rest_to_be_asked(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, status: int, told: str
) -> None:
    workflow = plays(faults={"start": [Answer(status)]})
    done = noxcli("probe", workflow, "--start", "2", "--json", *IDLE)
    assert (done.code, sandbox.runs(workflow)) == (0, [])
    assert told in done.err
    assert {each["value"] for each in done.json["findings"] if each["name"] == "versions"} == {"list"}


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["Question=x"], "add --start 1, or remove the inputs"),
        (["--start", "3"], "3"),
        (["--watch", "0"], "--watch"),
        (["--write", "/"], "--write"),
        (["--start", "1", "Nope=x"], "Nope"),
    ],
)
def test_mistakes_cost_no_run(noxcli: Noxcli, workflow: str, sandbox: Sandbox, argv: list[str], told: str) -> None:
    done = noxcli("probe", workflow, *argv)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, b"", 1)
    assert told in done.err
    assert sandbox.runs(workflow) == []


def test_a_run_of_another_workflow_is_refused(noxcli: Noxcli, workflow: str, plays: Any) -> None:
    noxcli("run", plays())
    done = noxcli("probe", workflow, "--run", "@last", *IDLE)
    assert (done.code, "does not belong to this workflow" in done.err) == (2, True)


NONSENSE = [
    b"[]", b"{}", b"null", b'"x"', b"[[1], 2, null]", b"<html>", b"\xff\xfe", b"", b'{"items": 3, "pages": 9}',
    b'{"items": [3, {"id": 4, "status": "completed", "created_at": []}], "pages": true, "size": "x"}',
    b'{"status": "completed", "output": {"a": {"id": "x", "uri": 3}, "b": {"has_preview": true, "text": 4}}}',
    b'{"status": "failed", "created_at": 3, "output": [1], "progress_details": [], "nodes": [1, {"error": {}}]}',
    b'{"status": [], "output": [], "progress_details": {"executed_nodes": {}, "run_logs": 4}, "created_at": {}}',
    b'data: {"type": "state", "data": {"status": {}, "workflow_status": []}, "redisId": {}}\n\n',
    b'data: {"type": "content", "data": {"id": [], "content": 3}}\n\ndata: {"type": "x"}\n\nevent: \xff\n\n',
]  # fmt: skip


@pytest.mark.parametrize("body", NONSENSE)
def test_nonsense_is_not_seen_as_something(noxcli: Noxcli, body: bytes) -> None:
    """A server that has a workflow with an ended run, and answers everything else with the same nonsense."""

    def turn(request: Request) -> Turn:
        known = request.target in {f"/v1/workflows/{WORKFLOW}", f"/v1/workflows/{WORKFLOW}/runs"}
        return ended_run(request) if known else answer(200, body)

    with raw_server(by_request=turn) as server:
        done = noxcli("probe", WORKFLOW, "--base-url", server.url, "--json", *IDLE)
    assert done.code == 0, done.err
    seen = {each["name"] for each in done.json["findings"] if each["value"] is not None}
    # The bytes on a connection show their framing, and a stream that is the same for any request.
    framing = {"event_lines", "id_lines", "redis_ids", "null_data"}
    assert seen <= {*framing, "on_ended", "on_unknown_cursor", "closing_event", "versions", "run_data"}
