"""Why a run failed: the node and the reason from every verb, wherever the server keeps them."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from noxcli.models import Reconnecting, Run, RunEvent, Workflow
from noxcli.runs.progress import Progress
from noxcli.sandbox.steps import node_runs
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, Turning, write_rows
from tests.otherside import RUN, WORKFLOW, OtherSide, Streams, called, event, record, sends
from tests.rawserver import answer, hang_up, json_answer, reset, stay_silent
from tests.runner import commands
from tests.sample import one_in

READ, WRITE = "5a3cfb7d-0000-4000-8000-00000000000a", "5a3cfb7d-0000-4000-8000-00000000000b"
NODES = [
    {"id": READ, "type": "TextNode", "name": "Read"},
    {"id": WRITE, "type": "TextNode", "name": "Write"},
]
DEFINITION = {"nodes": NODES, "edges": [{"source": READ, "target": WRITE}]}
DEFINED = json_answer({"id": WORKFLOW, "name": "W", "definition": DEFINITION})
WHY = "the model refused: no paper left"
SAID = f"failed at 'Write': {WHY}"
LISTED = {"executed_nodes": [READ, WRITE], "running_nodes": [], "remaining_nodes": []}
VERBS = {
    "run": ("run", WORKFLOW),
    "run --no-stream": ("run", WORKFLOW, "--no-stream"),
    "run --quiet --no-check": ("run", WORKFLOW, "--quiet", "--no-check"),
    "stream": ("stream", RUN),
    "stream --no-stream": ("stream", RUN, "--no-stream"),
    "stream --format content": ("stream", RUN, "--format", "content"),
    "wait": ("wait", RUN),
    "wait, by both ids": ("wait", f"{WORKFLOW}/{RUN}"),
    "wait --no-stream": ("wait", RUN, "--no-stream"),
    "wait --timeout 0": ("wait", RUN, "--timeout", "0"),
    "wait for many": ("wait", RUN, f"{WORKFLOW}/{RUN}"),
    "fetch-output": ("fetch-output", RUN),
    "fetch-output --wait": ("fetch-output", RUN, "--wait"),
    "batch": ("batch", WORKFLOW, "rows.jsonl"),
}


def said_by(node: str, status: str, number: int, **more: Any) -> bytes:
    """Return a content event."""
    return event({"id": node, "status": status, **more}, f"{number}-0")


END = said_by(WRITE, "failed", 5, workflow_status="failed")


def failing_events(reason: str | None) -> Streams:
    """Return the streams of a run whose second node fails."""
    why = {} if reason is None else {"content": reason}
    events = [
        said_by(READ, "running", 1),
        said_by(READ, "completed", 2),
        said_by(WRITE, "running", 3, content="Once upon "),
        said_by(WRITE, "failed", 4, **why),
        END,
    ]
    return sends(events)


SOURCES: dict[str, dict[str, Any]] = {
    "events": {"events": failing_events(WHY)},
    "run_logs": {"details": {**LISTED, "run_logs": {WRITE: [{"level": "error", "message": WHY}]}}},
    "data": {
        "data": {
            "nodes": [{"id": READ, "error": None}, {"id": WRITE, "status": "failed", "error": WHY}]
        }
    },
}
SILENT: dict[str, Any] = {"events": lambda _, peer: stay_silent(peer), "data": stay_silent}


def failing(
    noxcli: Noxcli,
    *argv: str,
    details: Mapping[str, Any] | None = None,
    data: Any = None,
    **parts: Any,
) -> tuple[Result, OtherSide]:
    """Call noxcli against a server with one failed run, which gives the reason in as many places as a test wants."""
    write_rows({})
    told = (
        data
        if callable(data) or isinstance(data, bytes)
        else json_answer(data, 404 if data is None else 200)
    )
    reads, lookup = [record("failed", progress_details=details or {})], [record("failed")]
    return called(
        noxcli, *argv, reads=reads, lookup=lookup, data=told, **{"workflow": DEFINED, **parts}
    )


@pytest.mark.parametrize(("verb", "source"), one_in(3, VERBS, SOURCES))
def test_every_verb_tells_node_and_reason(noxcli: Noxcli, verb: str, source: str) -> None:
    result, _ = failing(noxcli, *VERBS[verb], **SOURCES[source])
    assert result.code == 1
    assert f"run {SAID}; details: noxcli inspect {RUN}\n" in result.err
    assert "Once upon" not in result.err


@pytest.mark.parametrize("verb", list(VERBS)[::3])
def test_what_nobody_tells_is_left_out(noxcli: Noxcli, verb: str) -> None:
    result, _ = failing(noxcli, *VERBS[verb])
    assert result.code == 1
    assert "run failed" in result.err
    assert "failed at" not in result.err


LOGS = {
    "a list of entries by node": {
        WRITE: [{"level": "info", "message": "starting"}, {"level": "ERROR", "message": WHY}]
    },
    "lines by node": {
        READ: ["error: retrying"],
        WRITE: ["starting", f"Error: {WHY}", "cleaning up"],
    },
    "one text by node": {WRITE: f"Error: {WHY}"},
    "lines without a word for errors": {WRITE: ["starting", WHY]},
    "entries without a level": {
        WRITE: [{"message": "starting", "timestamp": "1"}, {"message": WHY, "timestamp": "2"}]
    },
    "a trace": {
        WRITE: f'Traceback (most recent call last):\n  File "x.py", line 1, in f\nModelError: {WHY}\n'
    },
}


@pytest.mark.parametrize("shape", LOGS)
def test_run_logs_of_any_shape(noxcli: Noxcli, shape: str) -> None:
    details = {
        **LISTED,
        "per_node_progress": {WRITE: {"status": "failed"}},
        "run_logs": LOGS[shape],
    }
    result, server = failing(noxcli, "fetch-output", RUN, "--json", details=details)
    message = result.json["error"]["message"]
    assert message.startswith("run failed at 'Write': ")
    assert message.endswith(WHY)
    assert server.count("data") == 0, "nothing was left open"


DATA = {
    "a list of nodes": {"nodes": [{"id": WRITE, "name": "Write", "error": WHY}]},
    "nodes by id": {"data": {READ: {"outputs": {}}, WRITE: {"error_message": WHY}}},
    "a bare list": [
        {"node_id": READ, "status": "completed"},
        {"node_id": WRITE, "status": "failed", "error": WHY},
    ],
    "an object as error": {
        "nodes": {WRITE: {"status": "error", "error": {"code": 429, "detail": WHY}}}
    },
    "beside an error that was overcome": [
        {"id": READ, "status": "completed", "error": "timed out, tried again"},
        {"id": WRITE, "status": "failed", "error": WHY},
    ],
    "with an output of that name": [
        {"id": READ, "outputs": {"error": "none found"}},
        {"id": WRITE, "error": WHY},
    ],
}


@pytest.mark.parametrize("shape", DATA)
def test_data_of_any_shape(noxcli: Noxcli, shape: str) -> None:
    result, server = failing(noxcli, "wait", RUN, "--json", data=DATA[shape])
    assert result.json["error"]["message"].endswith(WHY)
    assert "run failed at 'Write': " in result.json["error"]["message"]
    assert "fetch_structured_data=true" in server.asked[-1][1]


TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "a part of a node": (
        {"events": sends([said_by("inner", "failed", 1, content=WHY), END])},
        SAID,
    ),
    "without a definition": (
        {"workflow": answer(403), **SOURCES["events"]},
        f"failed at '{WRITE}': {WHY}",
    ),
    "of the whole run": (
        {"events": sends([event({"status": "failed", "error": "out of credits"}, "1-0", "state")])},
        "run failed: out of credits",
    ),
    "place and reason from two sources": (
        {
            "events": failing_events(None),
            "data": {READ: {"error": "no matter"}, WRITE: {"error": WHY}},
        },
        SAID,
    ),
    "a reason that only a part of the node has": (
        {
            "events": failing_events(None),
            "details": {
                **LISTED,
                "per_node_progress": {
                    WRITE: {"status": "failed"},
                    "inner": {"status": "failed", "error": WHY},
                },
            },
        },
        SAID,
    ),
    "another node's trouble": (
        {"events": failing_events(None), "data": {READ: {"error": "no matter"}}},
        "run failed at 'Write'; details: noxcli inspect",
    ),
    "the data of another run": (
        {"data": {"run_id": "another", "nodes": [{"id": WRITE, "error": WHY}]}},
        "run failed; details: noxcli inspect",
    ),
}


@pytest.mark.parametrize(("said", "told"), TOLD.values(), ids=TOLD)
def test_a_reason_is_told_of_its_place(noxcli: Noxcli, said: dict[str, Any], told: str) -> None:
    assert told in failing(noxcli, "wait", RUN, **said)[0].err


@pytest.mark.parametrize("more", [{"content": {"message": WHY}}, {"error": WHY}])
def test_an_event_that_says_it_in_another_form(noxcli: Noxcli, more: dict[str, Any]) -> None:
    ended = said_by(WRITE, "failed", 1, workflow_status="failed", **more)
    result, _ = failing(noxcli, "run", WORKFLOW, events=sends([ended]))
    assert SAID in result.err
    assert f"Write  failed            {WHY}" in result.err


def test_events_that_were_seen_are_not_asked_for_again(noxcli: Noxcli) -> None:
    result, server = failing(
        noxcli, "run", WORKFLOW, **SOURCES["events"], data=DATA["a list of nodes"]
    )
    assert (result.code, server.count("events"), server.count("data")) == (1, 1, 0)


def test_a_run_that_completes_costs_no_request_more(
    noxcli: Noxcli, plays: Any, sandbox: Any
) -> None:
    run = noxcli.ended(plays(output={"A": "x"}))
    before = len(sandbox.requests)
    assert noxcli("wait", run).code == noxcli("fetch-output", run).code == 0
    asked = [request.path for request in sandbox.requests[before:]]
    assert not [path for path in asked if path.endswith(("/data", "/events"))]


def test_sources_that_say_nothing_do_not_hold_up_the_verdict(noxcli: Noxcli) -> None:
    noxcli.clock = Clock()
    # Enough for a busy machine to read the record, which the sources are asked after.
    result, _ = failing(noxcli, "fetch-output", RUN, "--timeout", "2s", "--json", **SILENT)
    assert result.code == 1
    assert result.json["error"]["message"] == "run failed"


def slows_down(status: int) -> Callable[[socket], None]:
    return lambda peer: peer.sendall(json_answer({"detail": "Slow down"}, status))


def gives_data(peer: socket) -> None:
    peer.sendall(json_answer(SOURCES["data"]["data"]))


@pytest.mark.parametrize("first", [slows_down(429), slows_down(503), reset, hang_up])
def test_a_source_that_is_busy_or_breaks_is_asked_again(
    noxcli: Noxcli, first: Callable[[socket], None]
) -> None:
    turns = iter([first, gives_data])

    def take_turn(peer: socket) -> None:
        next(turns)(peer)

    result, _ = failing(noxcli, "fetch-output", RUN, data=take_turn)
    assert result.code == 1
    assert f"run {SAID}" in result.err


def test_odd_answers_are_passed_over(noxcli: Noxcli) -> None:
    deep: Any = WHY
    for _ in range(200):
        deep = [deep]
    odd = {
        "executed_nodes": 7,
        "per_node_progress": [1],
        "run_logs": {"": [None, 1, True, {}, [[]]], "error": deep},
    }
    no_json = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops"
    answers: list[Any] = [[], {"error": True}, {"error": {}}, [None] * 1000, no_json]
    for data in answers:
        result, _ = failing(noxcli, "fetch-output", RUN, details=odd, data=data)
        assert (result.code, "run failed" in result.err) == (1, True), data


def test_a_reason_is_one_line_of_limited_length(noxcli: Noxcli) -> None:
    result, _ = failing(
        noxcli, "wait", RUN, "--json", data={WRITE: {"error": "no\npaper\x1b[31m " + "x" * 100_000}}
    )
    document = result.json
    assert document["error"]["message"].startswith("run failed at 'Write': no paper")
    assert len(document["error"]["message"]) < 400
    assert len(document["nodes"][1]["error"]) <= 2000
    assert "\x1b" not in result.err


@pytest.mark.parametrize("source", ["events", "data"])
def test_a_secret_in_a_reason_is_hidden(noxcli: Noxcli, source: str) -> None:
    secret = "hunter2-hunter2"
    said = f"{'x' * 290} wrong password {secret}"
    told: dict[str, Any] = (
        {"events": failing_events(said)}
        if source == "events"
        else {"data": {WRITE: {"error": said}}}
    )
    argv = (
        "run",
        WORKFLOW,
        "--no-check",
        "--secret",
        "password=PASSWORD",
        "--junit",
        "r.xml",
        "--json",
    )
    result, _ = failing(noxcli, *argv, env={"PASSWORD": secret}, **told)
    assert result.code == 1
    assert result.json["nodes"][1]["error"].endswith("wrong password ***")
    for text in (result.text, result.err, Path("r.xml").read_text()):
        assert "hunter2" not in text


def test_reports_name_node_and_reason(noxcli: Noxcli) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "page.md"}
    result, _ = failing(noxcli, "wait", RUN, "--junit", "r.xml", env=environ, **SOURCES["data"])
    failure = ET.parse("r.xml").find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.attrib["message"].endswith(SAID)
    assert [command.data for command in commands(result.err) if command.name == "error"] == [
        f"run {SAID}; details: noxcli inspect {RUN}"
    ]
    assert SAID in Path("page.md").read_text()


@pytest.mark.parametrize(
    ("more", "last"), [({}, ("executed", None)), (SOURCES["run_logs"]["details"], ("failed", WHY))]
)
def test_nodes_that_only_a_list_names_are_called_executed(
    noxcli: Noxcli, more: dict[str, Any], last: Any
) -> None:
    result, _ = failing(
        noxcli, "run", WORKFLOW, "--no-stream", "--json", details={**LISTED, **more}
    )
    nodes = [
        (node["name"], node["status"], node["duration_s"], node["error"])
        for node in result.json["nodes"]
    ]
    assert nodes == [("Read", "executed", None, None), ("Write", last[0], None, last[1])]
    assert "completed" not in result.err


def test_polling_measures_no_times(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(
        script=[*node_runs("Read", seconds=300), *node_runs("Write", seconds=300)],
        output={"A": "x"},
    )
    result = noxcli("run", workflow, "--no-stream", "--poll-interval", "50ms", "--json")
    assert {(node["status"], node["duration_s"]) for node in result.json["nodes"]} == {
        ("completed", None)
    }


def test_events_that_come_after_a_break_measure_no_times() -> None:
    clock, workflow = Turning(), Workflow(WORKFLOW, "W", {READ: "Read", WRITE: "Write"})
    progress = Progress(Run(RUN, WORKFLOW, "running"), clock, workflow)
    progress.apply([RunEvent("content", {"id": READ, "status": "running"})])
    clock.now_is += 1
    progress.apply([Reconnecting(1, 0.5, "reset")])
    progress.apply([])
    progress.apply([RunEvent("content", {"id": READ, "status": "completed"})])
    progress.apply([RunEvent("content", {"id": WRITE, "status": "running"})])
    progress.apply([RunEvent("content", {"id": WRITE, "status": "completed"})])
    assert progress.nodes[READ].duration(0) is None
    assert progress.nodes[WRITE].duration(0) is not None


def test_what_had_ended_before_the_stream_was_heard_has_no_time() -> None:
    clock = Turning()
    progress = Progress(Run(RUN, WORKFLOW, "running"), clock, Workflow(WORKFLOW, "W", {}))
    for pause, name, status in [
        (0.0, "had ended", "running"),
        (0.02, "had ended", "completed"),
        (0.0, "was heard", "running"),
        (0.4, "was heard", "completed"),
        (0.0, "was short", "running"),
        (0.0, "was short", "completed"),
    ]:
        clock.now_is += pause
        progress.apply([RunEvent("content", {"id": name, "status": status})])
    assert progress.nodes["had ended"].duration(0) is None
    assert progress.nodes["was heard"].duration(0) == pytest.approx(0.4)
    assert progress.nodes["was short"].duration(0) == 0


def test_a_batch_cut_off_while_it_asks_why_has_its_verdicts(noxcli: Noxcli) -> None:
    result, _ = failing(noxcli, "batch", WORKFLOW, "rows.jsonl", "--timeout", "700ms", **SILENT)
    assert [line["result"]["exit_code"] for line in result.lines] == [1]
