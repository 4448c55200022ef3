"""Facts about workflows, their inputs, and the start of a run."""

from noxcli.facts.fact import ApiFact, assumed, from_docs, from_sdk

START_FACTS = (
    ApiFact(
        name="workflow_record",
        statement="a workflow's record has its nodes and edges under definition",
        source=from_sdk("workflows/workflow.py", 454, 465, 'values["definition"]["nodes"]'),
        left_open="what else a definition has; one that can't be read is a warning",
        tests=(
            "inputs/test_preflight.py::test_four_mistakes_are_told_at_once",
            "inputs/test_preflight.py::test_an_unreadable_definition_is_a_warning",
        ),
    ),
    ApiFact(
        name="input_keys",
        statement="an input is named by its label, its node's id, or both id and name with :: between them",
        source=from_docs("sdk/workflows/running-workflows"),
        tests=("commands/test_run.py::test_labels_ids_and_node_inputs_are_all_taken",),
    ),
    ApiFact(
        name="unlabelled_inputs",
        statement="an input without a label is named by its node's id",
        source=assumed("the id is documented for every input"),
        left_open="its other names: samples have Input 1",
        switches=("unlabelled_input",),
        tests=(
            "inputs/test_preflight.py::test_inputs_without_labels_go_by_id_or_by_number",
            "test_alternatives.py::test_an_input_without_a_label_is_sent_by_any_of_its_names",
        ),
    ),
    ApiFact(
        name="fixed_inputs",
        statement="a fixed input needs no value; one that is given is sent",
        source=from_docs("sdk/workflows/running-workflows"),
        left_open="whether it has an effect: the docs disagree with each other",
        switches=("fixed_input",),
        tests=(
            "inputs/test_preflight.py::test_a_fixed_input_may_be_left_out_and_overriding_it_is_a_warning",
            "test_alternatives.py::test_a_value_for_a_fixed_input_is_sent_with_a_warning",
        ),
    ),
    ApiFact(
        name="wrong_inputs",
        statement="inputs that are unknown, missing or of another type are found before the start",
        source=assumed("the definition says what a workflow takes"),
        left_open="what the server does with them: accept, or 422",
        switches=("unknown_input", "missing_input", "wrong_type"),
        tests=(
            "inputs/test_preflight.py::test_no_check_leaves_it_all_to_the_server",
            "test_alternatives.py::test_an_input_that_the_server_refuses_starts_nothing",
        ),
    ),
    ApiFact(
        name="file_inputs",
        statement="a file is an input as an object with uri and name",
        source=from_docs("api-reference/cookbook/workflows"),
        tests=("inputs/test_uploads.py::test_a_file_is_stored_and_its_address_is_the_input",),
    ),
    ApiFact(
        name="uploads",
        statement="a file is stored by one multipart part called file, and its record has id and uri",
        source=from_sdk("resources/files.py", 51, 54, '"/v1/file", files={"file": fd}'),
        tests=("api/test_client.py::test_an_upload_is_one_part_named_file",),
    ),
    ApiFact(
        name="versions",
        statement="saved versions are a bare list",
        source=from_sdk("resources/workflows.py", 130, 132, 'f"/v1/workflows/{workflow_id}/versions"'),
        left_open="whether it is split into pages, or missing",
        switches=("versions",),
        tests=(
            "commands/test_versions.py::test_every_page_is_read",
            "commands/test_versions.py::test_a_list_that_cannot_be_read_is_a_warning_and_the_start_decides",
        ),
    ),
    ApiFact(
        name="start_request",
        statement="a start is a POST with input, workflow_version_id and callback_url",
        source=from_sdk("workflows/workflow.py", 513, 521, 'req["workflow_version_id"]'),
        tests=("api/test_client.py::test_a_start_carries_the_input_and_only_the_options_that_were_given",),
    ),
    ApiFact(
        name="start_fields",
        statement="a start answers with ids, status and created_at",
        source=from_docs("api-reference/v1/runs/create-run-with-api-key"),
        tests=("commands/test_run.py::test_an_unusable_answer_to_the_start_leaves_the_outcome_unknown",),
    ),
    ApiFact(
        name="start_status",
        statement="a start is answered with 200",
        source=assumed("the docs say Successful Response, which is 200 by default"),
        left_open="another 2xx",
        switches=("create_status",),
        tests=("runs/test_chaos.py::test_chaos", "api/test_client.py::test_every_2xx_is_a_success"),
    ),
    ApiFact(
        name="one_start",
        statement="the same start sent twice makes two runs",
        source=assumed("no page and no call of the SDK has an idempotency key"),
        tests=("faults/test_start.py::test_anything_else_leaves_doubt_and_is_never_sent_again",),
    ),
    ApiFact(
        name="callbacks",
        statement="callback_url is sent unchanged",
        source=from_docs("api-reference/v1/runs/create-run-with-api-key"),
        left_open="what is posted to it; noxcli receives no callback",
        switches=("callback_body",),
        tests=(
            "commands/test_run.py::test_version_and_callback_are_sent",
            "test_alternatives.py::test_either_form_of_a_callback_leaves_the_verdict_to_the_record",
        ),
    ),
    ApiFact(
        name="sync_runs",
        statement="a run can be started and waited for in one request, for 120 seconds",
        source=from_sdk("resources/runs.py", 319, 323, 'f"/v1/workflows/{workflow_id}/runs/sync"'),
        left_open="the answer to a failure and at the end of that time; noxcli never uses this call",
        switches=("sync_limit_seconds", "sync_limit_status", "sync_failure_status"),
        used=False,
        tests=("test_alternatives.py::test_no_run_is_started_by_the_call_that_blocks",),
    ),
)
