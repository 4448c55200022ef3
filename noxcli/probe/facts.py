"""What noxcli takes for true of an API that its authors did not write: one table, each fact with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SDK_RELEASE = "0.6.0"
DOCS_ADDRESS = "https://docs.noxus.ai"


@dataclass(frozen=True, slots=True)
class FactSource:
    """Where a fact is from.

    `place` is a page of the docs, a file of the SDK's package, or a file of a public client; for an assumption, it is
    the reason. `quote` is a part of the SDK's lines `first` to `last`, which a test searches for. `inferred` says
    what those lines show, if that is less than the fact. `date` is that of a client's file.
    """

    kind: Literal["docs", "sdk", "client", "assumed"]
    place: str
    first: int = 0
    last: int = 0
    quote: str = ""
    inferred: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class ApiFact:
    """One statement about the API; `switches` of the sandbox play what no source settles about it."""

    name: str
    statement: str
    source: FactSource
    left_open: str = ""
    switches: tuple[str, ...] = ()


def from_docs(page: str) -> FactSource:
    """Return a page of docs.noxus.ai as a source."""
    return FactSource("docs", page)


def from_sdk(file: str, first: int, last: int, quote: str, *, inferred: str = "") -> FactSource:
    """Return lines of a file in the package `noxus_sdk` as a source."""
    return FactSource("sdk", file, first, last, quote, inferred)


def seen_in(file: str, date: str) -> FactSource:
    """Return a file of a public repository that calls the API, and its date, as a source."""
    return FactSource("client", file, date=date)


def assumed(because: str) -> FactSource:
    """Return an assumption as a source, with what it rests on."""
    return FactSource("assumed", because)


TOPICS: Mapping[str, tuple[ApiFact, ...]] = {
    "Access, errors and limits": (
        ApiFact(
            "base_url",
            "the API is at https://backend.noxus.ai unless NOXUS_BACKEND_URL names another address",
            from_sdk("client.py", 52, 54, '"NOXUS_BACKEND_URL", "https://backend.noxus.ai"'),
            left_open="whether a key's workspace lives there: the next two rows are on record, too",
        ),
        ApiFact(
            "second_url",
            "the API is also at https://api.app.noxus.ai",
            seen_in("AdvanceWorks/noxus-lab, CHANGELOG.md", "2026-05-13"),
            left_open="which keys belong there",
        ),
        ApiFact(
            "url_with_path",
            "the API is also at https://app.noxus.ai/api/backend, below the web app",
            seen_in("vitoriaborba/cv-parser-app, backend/server.js", "2025-10-24"),
            left_open="which keys belong there; the web app's own address is not the API's",
            switches=("web_app",),
        ),
        ApiFact(
            "key_header",
            "each request has the key, which may have any form, in X-API-Key",
            from_sdk("client.py", 101, 101, '{"X-API-Key": self.api_key}'),
        ),
        ApiFact(
            "bad_key",
            "a wrong or missing key gets 401",
            from_sdk("errors.py", 68, 69, "the API key is missing or invalid"),
            left_open="403 instead, which some frameworks send for a missing header",
            switches=("key_refusal",),
        ),
        ApiFact(
            "missing_permission",
            "a key that may not do something gets 403",
            from_sdk("errors.py", 72, 73, "the API key lacks permission for this resource"),
        ),
        ApiFact(
            "errors",
            "an error is an object with detail",
            from_sdk("errors.py", 109, 110, '("detail", "message", "error")'),
            left_open="the texts, other forms, and what gateways answer",
            switches=("error_body",),
        ),
        ApiFact(
            "request_ids",
            "an answer has a request id in its headers",
            from_sdk("errors.py", 49, 51, '"x-noxus-request-id"'),
        ),
        ApiFact(
            "rate_limit",
            "too many requests get 429, perhaps with Retry-After, and nothing was done",
            from_sdk(
                "client.py",
                108,
                115,
                'response.headers.get("Retry-After")',
                inferred="the SDK waits, and sends the request again",
            ),
            left_open="the limits, what they count, and the form of the header",
            switches=(
                "rate_limit",
                "rate_limit_counts",
                "rate_limit_window",
                "retry_after",
                "retry_after_seconds",
            ),
        ),
        ApiFact(
            "gateway",
            "a 503 without the API's own JSON proves nothing about a start",
            assumed("gateways such as Envoy send it after they have forwarded a request"),
            left_open="whether the gateways before the API do",
            switches=("gateway_refusals", "gateway_status"),
        ),
        ApiFact(
            "redirects",
            "the API may redirect reads; no redirect may take the key to another origin",
            from_sdk("client.py", 63, 66, "follow_redirects=True", inferred="the SDK follows redirects"),
            left_open="whether it ever does, for example to add a slash to a path",
            switches=("trailing_slash",),
        ),
        ApiFact(
            "who_am_i",
            "the key's own record is at /v1/admin/me, and its value may be the key",
            from_sdk("resources/admin.py", 58, 60, '"/v1/admin/me"', inferred="the SDK reads a field called value"),
        ),
    ),
    "Workflows, inputs and starts": (
        ApiFact(
            "workflow_record",
            "a workflow's record has its nodes and edges under definition",
            from_sdk("workflows/workflow.py", 454, 465, 'values["definition"]["nodes"]'),
            left_open="what else a definition has; one that can't be read is a warning",
        ),
        ApiFact(
            "input_keys",
            "an input is named by its label, its node's id, or both id and name with :: between them",
            from_docs("sdk/workflows/running-workflows"),
        ),
        ApiFact(
            "unlabelled_inputs",
            "an input without a label is named by its node's id",
            assumed("the id is documented for every input"),
            left_open="its other names: samples have Input 1",
            switches=("unlabelled_input",),
        ),
        ApiFact(
            "fixed_inputs",
            "a fixed input needs no value; one that is given is sent",
            from_docs("sdk/workflows/running-workflows"),
            left_open="whether it has an effect: the docs disagree with each other",
            switches=("fixed_input",),
        ),
        ApiFact(
            "wrong_inputs",
            "inputs that are unknown, missing or of another type are found before the start",
            assumed("the definition says what a workflow takes"),
            left_open="what the server does with them: accept, or 422",
            switches=("unknown_input", "missing_input", "wrong_type"),
        ),
        ApiFact(
            "file_inputs",
            "a file is an input as an object with uri and name",
            from_docs("api-reference/cookbook/workflows"),
        ),
        ApiFact(
            "uploads",
            "a file is stored by one multipart part called file, and its record has id and uri",
            from_sdk("resources/files.py", 51, 54, '"/v1/file", files={"file": fd}'),
        ),
        ApiFact(
            "versions",
            "saved versions are a bare list",
            from_sdk("resources/workflows.py", 130, 132, 'f"/v1/workflows/{workflow_id}/versions"'),
            left_open="whether it is split into pages, or missing",
            switches=("versions",),
        ),
        ApiFact(
            "start_request",
            "a start is a POST with input, workflow_version_id and callback_url",
            from_sdk("workflows/workflow.py", 513, 521, 'req["workflow_version_id"]'),
        ),
        ApiFact(
            "start_fields",
            "a start answers with ids, status and created_at",
            from_docs("api-reference/v1/runs/create-run-with-api-key"),
            left_open="an id alone, or one that contradicts itself: another workflow, an older run or time",
            switches=("start_answer",),
        ),
        ApiFact(
            "start_status",
            "a start is answered with 200",
            assumed("the docs say Successful Response, which is 200 by default"),
            left_open="another 2xx",
            switches=("create_status",),
        ),
        ApiFact(
            "one_start",
            "the same start sent twice makes two runs",
            assumed("no page and no call of the SDK has an idempotency key"),
        ),
        ApiFact(
            "start_ends",
            "a 502 ends the request: no run is created after it",
            assumed("a gateway may give up while the API is still working; noxcli starts nothing again either way"),
            left_open="whether a run appears later",
        ),
        ApiFact(
            "callbacks",
            "callback_url is sent unchanged",
            from_docs("api-reference/v1/runs/create-run-with-api-key"),
            left_open="what is posted to it; noxcli receives no callback, and the sandbox posts none",
        ),
        ApiFact(
            "sync_runs",
            "a run can be started and waited for in one request, for 120 seconds",
            from_docs("api-reference/v1/runs/create-sync-run"),
            left_open="the answer to a failure and at the end of that time; noxcli never uses this call",
            switches=("sync_limit_seconds", "sync_limit_status"),
        ),
    ),
    "Workflows in files": (
        ApiFact(
            "export",
            "a workflow is exported as a bundle, whose form v4 is text: YAML of several documents",
            from_sdk("resources/workflows.py", 231, 236, "plaintext multi-doc YAML (.nx)"),
            left_open="what is in it: noxcli reads none of it, and writes it to the byte",
        ),
        ApiFact(
            "import",
            "a bundle is imported by one POST, as a new workflow, as a version, or in place of a workflow",
            from_sdk("resources/_exports.py", 29, 30, '"mode": mode, "activate": activate, "dry_run": dry_run'),
            left_open="the fields of the answer, and which bundles are rejected and how",
            switches=("import_answer", "import_refusal", "unreadable_bundle"),
        ),
        ApiFact(
            "dry_run",
            "a dry run of an import writes nothing",
            from_sdk("resources/workflows.py", 272, 272, "``dry_run`` reports without writing"),
            left_open="whether every server takes dry_run for what it is: noxcli compares before and after",
            switches=("dry_run",),
        ),
        ApiFact(
            "definition_layout",
            "the parts of a definition named display, and times of its nodes and edges, are no part of what runs",
            assumed("display has the positions in the editor"),
            left_open="other parts that change without an edit",
        ),
    ),
    "The event stream": (
        ApiFact(
            "stream_type",
            "events come as text/event-stream",
            from_docs("api-reference/v1/runs/public-run-events"),
            left_open="whether every server has them",
        ),
        ApiFact(
            "frames",
            "events are called message",
            from_sdk("resources/runs.py", 122, 123, 'sse_event.event != "message"'),
            left_open="other events, ids of the frames, and how they share HTTP chunks",
            switches=("id_lines", "event_lines", "chunk_per_event"),
        ),
        ApiFact(
            "keepalives",
            "anything that is not an event of the run may arrive at any time, and has no meaning",
            from_sdk("resources/runs.py", 122, 123, "continue", inferred="the SDK skips every event of another name"),
            left_open="whether there are keep-alives, and in which form",
            switches=("keepalive", "keepalive_seconds"),
        ),
        ApiFact(
            "envelope",
            "an event has a type, content or state, and an object as data",
            from_docs("api-reference/v1/runs/public-run-events"),
            left_open="other types, which are passed on; data that is null, on which the SDK fails",
            switches=("null_data",),
        ),
        ApiFact(
            "messages",
            "the data of a message is JSON",
            assumed("all samples are; noxcli passes on anything else as an unknown event"),
            left_open="empty data, ping or [DONE]",
            switches=("odd_messages",),
        ),
        ApiFact(
            "content",
            "a content event has the next piece of a node's text",
            from_docs("sdk/workflows/running-workflows"),
            left_open="whether it has all of the text so far instead",
            switches=("content",),
        ),
        ApiFact(
            "node_words",
            "a node's status is a word",
            from_docs("api-reference/v1/runs/public-run-events"),
            left_open="which words: noxcli knows common ones in any case, and shows others unchanged",
            switches=("node_words",),
        ),
        ApiFact(
            "end",
            "a content event with workflow_status completed or failed ends a stream",
            from_docs("api-reference/v1/runs/public-run-events"),
            left_open="whether a state event does, or none at all; what the stream does after that",
            switches=("end_announced_by", "after_end", "closing_event"),
        ),
        ApiFact(
            "whose_end",
            "workflow_status is that of the run itself",
            assumed("the docs name no other; the record decides"),
            left_open="whether a sub-workflow's end, or that of a repeated node, is announced on the same stream",
            switches=("nested_ends",),
        ),
        ApiFact(
            "end_of_a_stop",
            "a stream may close without an announcement when its run is stopped or pauses",
            from_sdk(
                "resources/runs.py",
                51,
                53,
                '("completed", "failed")',
                inferred="only completed and failed end a stream for the SDK",
            ),
            left_open="whether it closes, announces it, or stays open and silent",
            switches=("on_stopped", "on_paused"),
        ),
        ApiFact(
            "first_events",
            "a stream without a cursor starts with the first event, also after the run has ended",
            assumed("the docs promise every event, and the stream is opened after the start"),
            left_open="whether it starts with the next one, whether an ended run is replayed, and how many are kept",
            switches=("stream_start", "on_ended", "retained_events"),
        ),
        ApiFact(
            "cursors",
            "an event has a redisId",
            from_sdk("resources/runs.py", 125, 129, 'payload.get("redisId")'),
            left_open="events without one: the SDK accepts them",
            switches=("redis_ids",),
        ),
        ApiFact(
            "resumption",
            "etag continues after the event that it names",
            from_sdk(
                "resources/runs.py",
                112,
                116,
                'params["etag"] = etag',
                inferred="the SDK sends it; the docs say to continue from there",
            ),
            left_open="whether that event is repeated, and the answer to an unknown cursor",
            switches=("cursor_inclusive", "on_unknown_cursor"),
        ),
        ApiFact(
            "broken_streams",
            "a stream can break at any byte, and a break says nothing about the run",
            from_docs("deployment/networking/inbound"),
        ),
    ),
    "Records, lists and stops": (
        ApiFact(
            "record",
            "the verdict and the output are in the record at /v1/workflows/{workflow}/runs/{run}",
            from_sdk("resources/runs.py", 233, 235, 'f"/v1/workflows/{workflow_id}/runs/{run_id}"'),
            left_open="whether it lags the events",
            switches=("stale_reads",),
        ),
        ApiFact(
            "statuses",
            "a run has one of the six known statuses",
            from_docs("api-reference/v1/runs/public-get-run-by-id-and-workflow"),
            left_open="statuses added later: they count as still running, unless the record has finished_at",
            switches=("run_words",),
        ),
        ApiFact(
            "queue",
            "a run may be queued for any time",
            from_docs("deployment/configuration/workers"),
            left_open="for how long",
            switches=("queue_seconds",),
        ),
        ApiFact(
            "pauses",
            "a run that waits for human input continues only after an answer",
            from_docs("building/automation/hitl"),
            left_open="how to answer: no call is known",
        ),
        ApiFact("ids", "ids are UUIDs", from_docs("api-reference/v1/runs/public-get-run-by-id-and-workflow")),
        ApiFact(
            "times",
            "times are in ISO 8601",
            from_docs("api-reference/v1/runs/public-get-run-by-id-and-workflow"),
            left_open="with Z, with an offset, or without a time zone",
            switches=("timestamps",),
        ),
        ApiFact(
            "progress",
            "progress_details lists nodes as executed, running, remaining and skipped",
            from_docs("api-reference/v1/runs/public-get-run-by-id-and-workflow"),
            left_open="whether failed nodes count as executed, and what per_node_progress has",
            switches=("failed_nodes", "node_progress"),
        ),
        ApiFact(
            "run_logs",
            "run_logs is an object",
            from_docs("api-reference/v1/runs/public-get-run-by-id-and-workflow"),
            left_open="its content: noxcli searches it for signs of a failure",
            switches=("run_logs",),
        ),
        ApiFact(
            "record_inputs",
            "a record has the inputs under the keys of the start",
            assumed("samples of the docs do"),
            left_open="whether they get other keys, which matters for the search for a lost start",
            switches=("record_inputs",),
        ),
        ApiFact(
            "look_up",
            "a read by run id alone has no output",
            from_docs("api-reference/v1/runs/public-get-run-by-id"),
            left_open="whether it has an empty one, and whether every key may read it",
            switches=("look_up", "look_up_output"),
        ),
        ApiFact(
            "lists",
            "a list is an object with items",
            from_sdk("client.py", 193, 204, 'return result["items"]'),
            left_open="their order, and the size of a page",
            switches=("list_order", "page_size", "page_limit"),
        ),
        ApiFact(
            "listed_at_once",
            "a run is in the list of runs when its start has been answered",
            assumed("no page says so; no list is taken as proof that there is no run"),
            left_open="whether lists lag, or show other inputs than were sent",
            switches=("list_delay_seconds", "listed_inputs"),
        ),
        ApiFact(
            "reason",
            "a failed run's record has no field for the reason",
            from_docs("api-reference/v1/runs/public-get-run-by-id-and-workflow"),
            left_open="where it is instead: in events, logs or data",
            switches=("failure_detail",),
        ),
        ApiFact(
            "run_data",
            "the nodes' inputs, outputs and errors are in /v1/runs/{run}/data",
            from_sdk(
                "resources/runs.py",
                248,
                252,
                'f"/v1/runs/{run_id}/data"',
                inferred="the SDK says: per-node inputs, outputs and detail",
            ),
            left_open="the form, and whether it has times",
            switches=("run_data", "node_times"),
        ),
        ApiFact(
            "node_io",
            "one node's inputs and outputs are in /v1/runs/{run}/io/{node}, by iteration from 1",
            from_sdk("resources/runs.py", 410, 413, 'f"/v1/runs/{run_id}/io/{node_id}", params={"it": it}'),
            left_open="the form",
            switches=("node_io",),
        ),
        ApiFact(
            "stop",
            "a run is stopped by POST /v1/runs/{run}/stop",
            from_sdk("resources/runs.py", 241, 242, 'f"/v1/runs/{run_id}/stop"'),
            left_open="how long it takes, and the answer if the run has ended",
            switches=("stop_seconds", "on_stop_finished"),
        ),
    ),
    "Outputs and files": (
        ApiFact(
            "output",
            "a completed run's output is an object",
            from_sdk("resources/runs.py", 72, 72, "output: dict | None = None"),
            left_open="the output before the end, whether it lags the status, and whether it may be a value itself",
            switches=("early_output", "late_output_reads", "bare_output"),
        ),
        ApiFact(
            "output_keys",
            "an output is named by the label of its node",
            from_docs("api-reference/v1/runs/create-sync-run"),
            left_open="ids instead, and what happens to two outputs with the same label",
            switches=("output_keys", "duplicate_labels"),
        ),
        ApiFact(
            "texts",
            "a text is a string",
            from_docs("sdk/workflows/running-workflows"),
            left_open="an object with text instead, as in older pages",
            switches=("inline_text",),
        ),
        ApiFact(
            "previews",
            "a truncated text has has_preview, text and file.id",
            from_docs("sdk/workflows/running-workflows"),
            left_open="how much of the text remains",
            switches=("preview_limit", "preview_characters"),
        ),
        ApiFact(
            "nested_previews",
            "a text inside a list or object may be truncated",
            assumed("the docs mention outputs only; noxcli searches values at any depth"),
            left_open="whether it is",
            switches=("nested_previews",),
        ),
        ApiFact(
            "file_values",
            "a file in an output has id and uri",
            from_sdk("files.py", 46, 53, "uri: str"),
            left_open="the form of the address; without an id, spot:// is read for one",
            switches=("file_uri",),
        ),
        ApiFact(
            "downloaded",
            "a 200 to a download is the file",
            assumed("the SDK takes any success for it"),
            left_open="JSON with the file's address, or a web page",
        ),
        ApiFact(
            "downloads",
            "a file's bytes are at /v1/file/{file}",
            from_sdk("resources/files.py", 60, 62, '"GET", f"/v1/file/{file_id}"'),
            left_open="its length, ranges, and a redirect to storage elsewhere",
            switches=("download", "ranges"),
        ),
    ),
}
FACTS: Mapping[str, ApiFact] = {fact.name: fact for facts in TOPICS.values() for fact in facts}


def fact_about(switch: str) -> ApiFact | None:
    """Return the fact that a switch of the sandbox is about."""
    return next((fact for fact in FACTS.values() if switch in fact.switches), None)
