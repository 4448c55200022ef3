"""Facts about outputs, and the files that they name."""

from noxcli.facts.fact import ApiFact, assumed, from_docs, from_sdk

_RUNNING = "sdk/workflows/running-workflows"
_CHAOS = "runs/test_chaos.py::test_chaos"
VALUE_FACTS = (
    ApiFact(
        name="output",
        statement="a completed run's output is an object",
        source=from_sdk("resources/runs.py", 72, 72, "output: dict | None = None"),
        left_open="the output before the end, and whether it lags the status",
        switches=("early_output", "late_output_reads"),
        tests=(_CHAOS, "outputs/test_await_output.py::test_an_output_that_comes_late_is_waited_for"),
    ),
    ApiFact(
        name="output_keys",
        statement="an output is named by the label of its node",
        source=from_docs("api-reference/v1/runs/create-sync-run"),
        left_open="ids instead, and what happens to two outputs with the same label",
        switches=("output_keys", "duplicate_labels"),
        tests=(
            "outputs/test_choose.py::test_a_key_is_found_however_the_server_keys",
            "test_alternatives.py::test_outputs_of_the_same_label_are_delivered_as_the_server_keys_them",
        ),
    ),
    ApiFact(
        name="output_by_id",
        statement="a record can be requested with ids as keys, or with its output only",
        source=from_docs("api-reference/v1/runs/create-sync-run"),
        left_open="the form of both; only probe requests them",
        switches=("output_ids", "output_only_form"),
        used=False,
        tests=("test_alternatives.py::test_no_record_is_asked_for_in_part",),
    ),
    ApiFact(
        name="texts",
        statement="a text is a string",
        source=from_docs(_RUNNING),
        left_open="an object with text instead, as in older pages",
        switches=("inline_text",),
        tests=(_CHAOS, "commands/test_run.py::test_a_text_container_is_a_text"),
    ),
    ApiFact(
        name="previews",
        statement="a truncated text has has_preview, text and file.id",
        source=from_docs(_RUNNING),
        left_open="how much of the text remains",
        switches=("preview_limit", "preview_characters"),
        tests=(
            "commands/test_run.py::test_a_long_text_is_whole",
            "test_alternatives.py::test_a_text_is_whole_wherever_and_however_it_is_cut",
        ),
    ),
    ApiFact(
        name="nested_previews",
        statement="a text inside a list or object may be truncated",
        source=assumed("the docs mention outputs only; noxcli searches values at any depth"),
        left_open="whether it is",
        switches=("nested_previews",),
        tests=(
            "commands/test_run.py::test_previews_are_completed_wherever_they_sit",
            "test_alternatives.py::test_a_text_is_whole_wherever_and_however_it_is_cut",
        ),
    ),
    ApiFact(
        name="file_values",
        statement="a file in an output has id and uri",
        source=from_sdk("files.py", 46, 53, "uri: str"),
        left_open="the form of the address; without an id, spot:// is read for one",
        switches=("file_uri",),
        tests=(
            "outputs/test_values.py::test_a_files_id_is_given_or_unambiguous_in_its_address",
            "test_alternatives.py::test_a_file_is_fetched_whatever_its_address",
        ),
    ),
    ApiFact(
        name="downloads",
        statement="a file's bytes are at /v1/file/{file}",
        source=from_sdk("resources/files.py", 60, 62, '"GET", f"/v1/file/{file_id}"'),
        left_open="its length, ranges, and a redirect to storage elsewhere",
        switches=("download", "ranges"),
        tests=(
            "outputs/test_downloads.py::test_a_download_that_is_cut_three_times_is_whole",
            "api/test_api_security.py::test_a_download_from_elsewhere_is_fetched_without_the_key",
        ),
    ),
)
