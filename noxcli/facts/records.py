"""Facts about records of runs, lists of them, their data and their stop."""

from noxcli.facts.fact import ApiFact, assumed, from_docs, from_sdk

_RECORD = "api-reference/v1/runs/public-get-run-by-id-and-workflow"
_LOOK_UP = "api-reference/v1/runs/public-get-run-by-id"
_CHAOS = "runs/test_chaos.py::test_chaos"
RECORD_FACTS = (
    ApiFact(
        name="record",
        statement="the verdict and the output are in the record at /v1/workflows/{workflow}/runs/{run}",
        source=from_sdk("resources/runs.py", 233, 235, 'f"/v1/workflows/{workflow_id}/runs/{run_id}"'),
        left_open="whether it lags the events",
        switches=("stale_reads",),
        tests=(_CHAOS, "runs/test_follow.py::test_a_record_that_lags_behind_its_end_is_read_again_soon"),
    ),
    ApiFact(
        name="statuses",
        statement="a run has one of the six known statuses",
        source=from_docs(_RECORD),
        left_open="statuses added later: they count as still running",
        tests=("runs/test_follow.py::test_an_unknown_status_is_still_going",),
    ),
    ApiFact(
        name="queue",
        statement="a run may be queued for any time",
        source=from_docs("deployment/configuration/workers"),
        left_open="for how long",
        switches=("queue_seconds",),
        tests=("commands/test_wait_for.py::test_a_status_that_does_not_last_is_seen_all_the_same",),
    ),
    ApiFact(
        name="pauses",
        statement="a run that waits for human input continues only after an answer",
        source=from_docs("building/automation/hitl"),
        left_open="how to answer: no call is known",
        tests=("runs/test_follow.py::test_a_pause_is_left_where_asked",),
    ),
    ApiFact(
        name="ids",
        statement="ids are UUIDs",
        source=from_docs(_RECORD),
        tests=("api/test_client.py::test_an_odd_id_stays_one_path_segment",),
    ),
    ApiFact(
        name="times",
        statement="times are in ISO 8601",
        source=from_docs(_RECORD),
        left_open="with Z, with an offset, or without a time zone",
        switches=("timestamps",),
        tests=(_CHAOS,),
    ),
    ApiFact(
        name="progress",
        statement="progress_details lists nodes as executed, running, remaining and skipped",
        source=from_docs(_RECORD),
        left_open="whether failed nodes count as executed, and what per_node_progress has",
        switches=("failed_nodes", "node_progress"),
        tests=(_CHAOS, "commands/test_wait_for.py::test_a_node_that_is_only_listed_as_executed_may_have_failed"),
    ),
    ApiFact(
        name="run_logs",
        statement="run_logs is an object",
        source=from_docs(_RECORD),
        left_open="its content: noxcli searches it for signs of a failure",
        switches=("run_logs",),
        tests=(
            "runs/test_reasons.py::test_run_logs_of_any_shape",
            "test_alternatives.py::test_the_reason_is_found_in_logs_of_each_form",
        ),
    ),
    ApiFact(
        name="record_inputs",
        statement="a record has the inputs under the keys of the start",
        source=assumed("samples of the docs do"),
        left_open="whether they get other keys, which matters for the search for a lost start",
        switches=("record_inputs",),
        tests=(_CHAOS, "faults/test_gateway.py::test_inputs_that_the_server_keys_by_node_are_known_again"),
    ),
    ApiFact(
        name="look_up",
        statement="a read by run id alone has no output",
        source=from_docs(_LOOK_UP),
        left_open="whether it has an empty one, and whether every key may read it",
        switches=("look_up", "look_up_output"),
        tests=(
            "commands/test_fetch_output.py::test_a_server_without_look_ups_is_asked_for_its_list",
            "test_alternatives.py::test_the_output_of_a_look_up_is_never_delivered",
        ),
    ),
    ApiFact(
        name="lists",
        statement="a list is an object with items",
        source=from_sdk("client.py", 193, 204, 'return result["items"]'),
        left_open="their order, and the size of a page",
        switches=("list_order", "page_size", "page_limit"),
        tests=(
            "commands/test_lists.py::test_a_server_that_lists_the_oldest_first_changes_nothing",
            "test_alternatives.py::test_pages_of_any_size_are_read_to_the_end",
        ),
    ),
    ApiFact(
        name="reason",
        statement="a failed run's record has no field for the reason",
        source=from_docs(_RECORD),
        left_open="where it is instead: in events, logs or data",
        switches=("failure_detail",),
        tests=("runs/test_reasons.py::test_wherever_the_sandbox_keeps_it",),
    ),
    ApiFact(
        name="run_data",
        statement="the nodes' inputs, outputs and errors are in /v1/runs/{run}/data",
        source=from_sdk("resources/runs.py", 248, 252, 'f"/v1/runs/{run_id}/data"'),
        left_open="the form, and whether it has times",
        switches=("run_data", "node_times"),
        tests=(
            "runs/test_reasons.py::test_data_of_any_shape",
            "commands/test_inspect.py::test_the_data_may_have_other_shapes",
        ),
    ),
    ApiFact(
        name="node_io",
        statement="one node's inputs and outputs are in /v1/runs/{run}/io/{node}, by iteration from 1",
        source=from_sdk("resources/runs.py", 410, 413, 'f"/v1/runs/{run_id}/io/{node_id}", params={"it": it}'),
        left_open="the form",
        switches=("node_io",),
        tests=("commands/test_inspect.py::test_the_data_may_have_other_shapes",),
    ),
    ApiFact(
        name="stop",
        statement="a run is stopped by POST /v1/runs/{run}/stop",
        source=from_sdk("resources/runs.py", 241, 242, 'f"/v1/runs/{run_id}/stop"'),
        left_open="how long it takes, and the answer if the run has ended",
        switches=("stop_seconds", "on_stop_finished"),
        tests=(
            "commands/test_stop.py::test_a_stop_that_takes_its_time_is_waited_for",
            "commands/test_stop.py::test_a_finished_run_is_left_as_it_is",
        ),
    ),
)
