"""Facts about the event stream of a run."""

from noxcli.facts.fact import ApiFact, assumed, from_docs, from_sdk

_EVENTS = "api-reference/v1/runs/public-run-events"
_CHAOS = "runs/test_chaos.py::test_chaos"
STREAM_FACTS = (
    ApiFact(
        name="stream_type",
        statement="events come as text/event-stream",
        source=from_docs(_EVENTS),
        left_open="whether every server has them",
        tests=(
            "api/test_sse.py::test_what_is_no_event_stream_is_not_read_as_one",
            "runs/test_follow.py::test_where_no_stream_is_to_be_had_the_record_is_polled",
        ),
    ),
    ApiFact(
        name="frames",
        statement="events are called message",
        source=from_sdk("resources/runs.py", 122, 123, 'sse_event.event != "message"'),
        left_open="other events, ids and line ends of the frames, and how they share HTTP chunks",
        switches=("id_lines", "event_lines", "line_end", "chunk_per_event"),
        tests=(_CHAOS, "api/test_sse.py::test_a_case_reads_the_same_however_it_is_cut"),
    ),
    ApiFact(
        name="keepalives",
        statement="anything that is not an event of the run may arrive at any time, and has no meaning",
        source=from_sdk("resources/runs.py", 122, 123, "continue"),
        left_open="whether there are keep-alives, and in which form",
        switches=("keepalive", "keepalive_seconds"),
        tests=(_CHAOS, "api/test_sse.py::test_keep_alives_are_no_events"),
    ),
    ApiFact(
        name="envelope",
        statement="an event has a type, and an object as data",
        source=from_docs(_EVENTS),
        left_open="data that is null, on which the SDK fails",
        switches=("null_data",),
        tests=(
            "api/test_sse.py::test_odd_events_are_passed_on",
            "test_alternatives.py::test_events_without_data_are_passed_on",
        ),
    ),
    ApiFact(
        name="event_types",
        statement="an event's type is content or state",
        source=from_docs(_EVENTS),
        left_open="other types, which are passed on",
        tests=("api/test_sse.py::test_odd_events_are_passed_on",),
    ),
    ApiFact(
        name="content",
        statement="a content event has the next piece of a node's text",
        source=from_docs("sdk/workflows/running-workflows"),
        left_open="whether it has all of the text so far instead",
        switches=("content",),
        tests=(_CHAOS, "runs/test_pieces.py::test_repeating_pieces_are_printed_once"),
    ),
    ApiFact(
        name="node_words",
        statement="a node's status is a word",
        source=from_docs(_EVENTS),
        left_open="which words: noxcli knows common ones in any case, and shows others unchanged",
        switches=("node_words",),
        tests=("test_alternatives.py::test_nodes_are_told_apart_in_whatever_words_are_known",),
    ),
    ApiFact(
        name="end",
        statement="a content event with workflow_status completed or failed ends a stream",
        source=from_docs(_EVENTS),
        left_open="whether a state event does, or none at all; what the stream does after that",
        switches=("end_announced_by", "after_end", "closing_event"),
        tests=(_CHAOS, "runs/test_follow.py::test_an_end_event_alone_is_no_verdict"),
    ),
    ApiFact(
        name="end_of_a_stop",
        statement="a stream may close without an announcement when its run is stopped or pauses",
        source=from_sdk("resources/runs.py", 51, 53, '("completed", "failed")'),
        left_open="whether it closes, announces it, or stays open and silent",
        switches=("on_stopped", "on_paused"),
        tests=("commands/test_run.py::test_the_record_gives_the_verdict",),
    ),
    ApiFact(
        name="ended_runs",
        statement="the events of a run that has ended can be read from the start",
        source=assumed("the docs promise every event, and the stream is opened after the start"),
        left_open="whether they are replayed, and how many are kept",
        switches=("on_ended", "retained_events"),
        tests=(
            _CHAOS,
            "commands/test_stream.py::test_a_stream_of_an_ended_run_that_stays_silent_is_a_gap",
        ),
    ),
    ApiFact(
        name="stream_start",
        statement="a stream without a cursor starts with the first event",
        source=assumed("the docs promise every event, and the stream is opened after the start"),
        left_open="whether it starts with the next event instead, while the run is running",
        switches=("stream_start",),
        tests=("test_alternatives.py::test_a_stream_that_starts_late_costs_no_output_and_no_order",),
    ),
    ApiFact(
        name="cursors",
        statement="an event has a redisId",
        source=from_sdk("resources/runs.py", 125, 129, 'payload.get("redisId")'),
        left_open="events without one: the SDK accepts them",
        switches=("redis_ids",),
        tests=(_CHAOS, "commands/test_stream.py::test_events_without_positions_come_once"),
    ),
    ApiFact(
        name="resumption",
        statement="etag continues after the event that it names",
        source=from_sdk("resources/runs.py", 112, 116, 'params["etag"] = etag'),
        left_open="whether that event is repeated, and the answer to an unknown cursor",
        switches=("cursor_inclusive", "on_unknown_cursor"),
        tests=(_CHAOS, "commands/test_stream.py::test_a_refused_cursor_with_a_full_replay_loses_and_doubles_nothing"),
    ),
    ApiFact(
        name="broken_streams",
        statement="a stream can break at any byte, and a break says nothing about the run",
        source=from_docs("deployment/networking/inbound"),
        tests=(
            "runs/test_fault_matrix.py::test_cell",
            "commands/test_run.py::test_every_event_once_over_a_stream_that_is_cut",
        ),
    ),
)
