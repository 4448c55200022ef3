"""The event stream: its order, its cursor, its end, its framing, and the alternatives of each."""

import json
import time
from typing import Any

import pytest

from noxcli.sandbox.steps import Raw, Sleep, alongside, node_runs, node_skipped

from .api import Api, cursors

WRITES = node_runs("Write", ["Hel", "lo"])


def test_the_transcript_of_a_run(api: Api) -> None:
    run = api.start(api.plays(script=WRITES, output={"Answer": "Hello"}))
    events = api.events(run)

    assert [event["type"] for event in events] == ["state"] * 3 + ["content"] * 4 + [
        "state"
    ] * 2 + ["content"]
    assert [event["data"]["status"] for event in events if event["type"] == "state"] == [
        "queued", "running", "running", "running", "completed",
    ]  # fmt: skip
    said = [event["data"].get("content") for event in events if event["type"] == "content"]
    assert said == [None, "Hel", "lo", None, None]
    assert [event["data"].get("workflow_status") for event in events] == [None] * 9 + ["completed"]


def test_the_record_is_final_before_the_end_is_announced(api: Api) -> None:
    for _ in range(5):
        run = api.start(api.plays(output={"A": "x"}))
        with api.stream(run) as answer:
            for line in answer.iter_lines():
                if b"workflow_status" in line:
                    assert api.record(run)["output"] == {"A": "x"}


def test_progress_details_follow_the_nodes(api: Api) -> None:
    script = [*alongside(node_runs("A", seconds=2), node_runs("B", seconds=1)), *node_skipped("C")]
    run = api.start(api.plays(script=script))
    a, b, c = (node.id for node in api.sandbox.runs(run["workflow_id"])[0].workflow.graph.nodes)
    states = [
        event["data"]["progress_details"] for event in api.events(run) if event["type"] == "state"
    ]

    assert [state["running_nodes"] for state in states] == [[], [], [a], [a, b], [a], [], [], []]
    assert [state["executed_nodes"] for state in states][-3:] == [[a, b]] * 3
    assert states[-1]["skipped_nodes"] == [c]
    assert states[0]["remaining_nodes"] == [a, b, c]


def test_a_raw_end_is_not_announced_twice(api: Api) -> None:
    script = [Raw("content", {"id": "x", "status": "completed", "workflow_status": "completed"})]
    run = api.start(api.plays(script=script, output={"A": "x"}))

    assert sum("workflow_status" in event["data"] for event in api.events(run)) == 1
    assert api.record(run)["output"] == {"A": "x"}


class TestCursor:
    @pytest.mark.parametrize(("inclusive", "skipped"), [(False, 4), (True, 3)])
    def test_resumes(self, api: Api, inclusive: bool, skipped: int) -> None:
        run = api.start(api.plays(script=WRITES, switches={"cursor_inclusive": inclusive}))
        events = api.events(run)
        named = cursors(events)

        assert api.events(run, etag=named[3]) == events[skipped:]
        assert api.events(run, etag=named[-1]) == (events[-1:] if inclusive else [])
        assert api.events(run, etag="1-1") == api.events(run) == events

    @pytest.mark.parametrize("reaction", ["410", "accepted"])
    def test_old_events_may_be_gone(self, api: Api, reaction: str) -> None:
        switches = {"retained_events": 3, "on_unknown_cursor": reaction}
        run = api.start(api.plays(script=WRITES, switches=switches))
        api.finished(run)
        everything = api.sandbox.runs(run["workflow_id"])[0].events
        trimmed, last = cursors(everything)[1], cursors(everything)[-1]

        assert api.events(run) == everything[-3:]
        assert api.events(run, etag=cursors(everything)[-3]) == everything[-2:]
        if reaction == "410":
            assert {
                api.stream(run, etag=etag).status_code for etag in (trimmed, "1-1", f"9{last}")
            } == {410}
        else:
            assert api.events(run, etag=trimmed) == api.events(run, etag="1-1") == everything[-3:]
            assert api.events(run, etag=f"9{last}") == api.events(run, etag="malformed") == []


class TestEnd:
    @pytest.mark.parametrize(
        ("status", "switch"), [("stopped", "on_stopped"), ("awaiting_human_feedback", "on_paused")]
    )
    def test_closes_without_a_word_or_with_one(self, api: Api, status: str, switch: str) -> None:
        for reaction, announced in (("close", []), ("end", [status])):
            run = api.start(api.plays(status=status, switches={switch: reaction}))
            endings = [event["data"].get("workflow_status") for event in api.events(run)]
            assert [ending for ending in endings if ending] == announced

    @pytest.mark.parametrize(
        ("status", "switches"),
        [
            ("stopped", {"on_stopped": "silent"}),
            ("awaiting_human_feedback", {"on_paused": "silent"}),
            ("completed", {"after_end": "silent", "end_announced_by": "none"}),
            ("completed", {"on_ended": "silent"}),
            ("never_heard_of", {}),
        ],
    )
    def test_can_fall_silent(self, api: Api, status: str, switches: dict[str, Any]) -> None:
        run = api.start(api.plays(status=status, switches=switches))
        _wait_for(api, run, status)

        api.require_silence(run)

    @pytest.mark.parametrize("name", ["done", "timeout", "error"])
    def test_may_be_followed_by_another_event(self, api: Api, name: str) -> None:
        body = api.raw(api.start(api.plays(switches={"closing_event": name})))

        assert body.endswith(b"\n\nevent: %s\ndata: {}\n\n" % name.encode())


class TestFraming:
    def test_default(self, api: Api) -> None:
        answer = api.stream(api.start(api.plays()))

        assert answer.headers["content-type"].startswith("text/event-stream")
        for frame in answer.content.decode().removesuffix("\n\n").split("\n\n"):
            event, data = frame.split("\n")
            assert event == "event: message"
            assert set(json.loads(data.removeprefix("data: "))) == {"type", "data", "redisId"}

    def test_id_lines_carry_the_cursor(self, api: Api) -> None:
        body = api.raw(api.start(api.plays(switches={"id_lines": True})))
        first = body.decode().split("\n\n")[0].split("\n")

        assert first[0] == f"id: {json.loads(first[2].removeprefix('data: '))['redisId']}"

    @pytest.mark.parametrize(
        ("keepalive", "expected"), [("comment", b": keep-alive"), ("ping", b"event: ping")]
    )
    def test_keepalives_while_nothing_happens(
        self, api: Api, keepalive: str, expected: bytes
    ) -> None:
        switches = {"keepalive": keepalive, "keepalive_seconds": 1.0}
        run = api.start(api.plays(script=[Sleep(600_000)], switches=switches))
        with api.stream(run) as answer:
            lines = (line for line in answer.iter_lines() if line == expected)
            assert [next(lines), next(lines)] == [expected] * 2

    @pytest.mark.parametrize(("switches", "count"), [({}, 10), ({"chunk_per_event": False}, 1)])
    def test_each_event_is_a_chunk_unless_they_are_joined(
        self, api: Api, switches: dict[str, bool], count: int
    ) -> None:
        run = api.start(api.plays(script=WRITES, switches=switches))
        api.finished(run)
        with api.stream(run) as answer:
            chunks = list(answer.raw.read_chunked())

        assert len(chunks) == count


def _wait_for(api: Api, run: dict[str, Any], status: str) -> None:
    while api.record(run)["status"] != status:
        time.sleep(0.005)
