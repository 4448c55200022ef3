"""Every behavior of the API that no source settles, as a switch.

The defaults are what the Noxus docs state or suggest; Noxus SDK 0.6.0 works against them
unmodified.
"""

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_type_hints

from noxcli.sandbox.json_toml import accepted, read_toml, typed

SWITCHES_FORMAT = "noxcli.switches/1"

Reaction = Literal["close", "end", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the sandbox decides what is unknown: one set for the server, overrides per scenario."""

    # Errors
    key_refusal: Literal["401", "403"] = "401"
    """The answer to a wrong or missing key."""
    error_body: Literal["detail", "list", "message", "error", "empty", "html"] = "detail"
    """The body of an error: `detail` as text or always as a list, `message` or `error`, nothing, or
    a web page."""

    web_app: Literal["none", "200", "404"] = "none"
    """Whether the API is below `/api/backend`, and each other address is a web page with that
    status."""
    trailing_slash: bool = False
    """Whether a path without a slash at its end is answered with a 307 to one that has it."""

    # The end of the event stream
    on_stopped: Reaction = "close"
    """When a run is stopped: close the stream, announce the end first, or leave the stream open."""
    on_paused: Reaction = "close"
    """When a run pauses for human input: the same choice."""
    on_ended: Literal["replay", "close", "silent", "404"] = "replay"
    """The answer to a stream that is opened after the run has ended."""
    end_announced_by: Literal["content", "state", "none"] = "content"
    """The type of the event that announces the end."""
    after_end: Literal["close", "silent"] = "close"
    """What the stream does after that event."""
    closing_event: Literal["none", "done", "timeout", "error"] = "none"
    """The event that the server sends just before it closes the stream."""

    # The cursor of the event stream
    cursor_inclusive: bool = False
    """Whether the event that the cursor names is repeated."""
    on_unknown_cursor: Literal["replay", "accepted", "404", "410", "422"] = "replay"
    """The answer to a cursor that the server does not know: all that it has, an error, or, as Redis
    does it without a word, what comes after it by order: of a trimmed one the oldest event left, of
    a later one nothing."""
    retained_events: int = 0
    """How many of the newest events can be replayed; 0 keeps all. Older cursors count as
    unknown."""
    stream_start: Literal["first", "new"] = "first"
    """Where the stream of a running run starts without a cursor: with its first event, or with the
    next one."""
    redis_ids: Literal["all", "some", "none"] = "all"
    """Which events have a cursor."""

    # Framing and keep-alives of the event stream
    keepalive: Literal["none", "comment", "ping"] = "none"
    """What the server sends while nothing happens."""
    keepalive_seconds: float = 15.0
    """Seconds between two keep-alives."""
    # With comments, this breaks SDK 0.6.0, as it would in real life.
    id_lines: bool = False
    """Whether frames have `id:` lines."""
    chunk_per_event: bool = True
    """Whether each event has its own HTTP chunk; otherwise, available events share one."""

    # The content of events
    content: Literal["delta", "cumulative"] = "delta"
    """Whether a `content` event has the next piece of a text, or all of it so far."""
    node_words: Literal["plain", "upper", "synonym", "foreign"] = "plain"
    """The words for a node's status: `running`, in capitals, `started`, or words that no client can
    know."""
    null_data: bool = False
    """Whether `state` events have `"data": null`."""

    # Run records
    create_status: int = 200
    """The status of the answer to a start."""
    gateway_refusals: int = 0
    """How many starts of a workflow take effect, but get an error, as from a gateway that had
    forwarded them."""
    gateway_status: Literal[502, 503] = 503
    """The status of that error."""
    early_output: Literal["empty", "null"] = "empty"
    """The output of a run that has not ended."""
    stale_reads: int = 0
    """How many reads of an ended run still say that it is running."""
    late_output_reads: int = 0
    """How many reads of a completed run come before its output is available."""
    look_up: Literal["served", "403", "404", "405"] = "served"
    """The answer to `GET /v1/runs/{id}`."""
    look_up_output: Literal["absent", "null", "empty", "whole"] = "absent"
    """The output in that answer."""
    run_words: Literal["plain", "synonym", "foreign"] = "plain"
    """The words for a run's end: `completed`, synonyms such as `success`, or words that no client
    can know."""
    record_inputs: Literal["as_given", "label", "node_id", "node_id::name"] = "as_given"
    """The keys of the inputs in a record."""
    failed_nodes: Literal["executed", "left_out"] = "executed"
    """Whether `executed_nodes` includes failed nodes."""
    node_progress: Literal["status", "none"] = "status"
    """What `per_node_progress` has of each node: an object with its status, or nothing."""
    run_logs: Literal["entries", "lines"] = "entries"
    """What `run_logs` has of each node: a list of objects, or of texts."""
    timestamps: Literal["z", "naive", "offset"] = "z"
    """How times are written: with `Z`, without a time zone, or with an offset."""
    failure_detail: Literal["everywhere", "content", "run_logs", "data", "none"] = "everywhere"
    """Where the reason of a failure can be read."""
    queue_seconds: float = 0.0
    """Seconds that a run is queued before it starts."""
    page_size: int = 50
    """How many items a page of a list has."""
    page_limit: int = 100
    """The largest `size` that a list accepts; more is a 422."""
    versions: Literal["list", "paged", "404"] = "list"
    """The form of the list of saved versions."""
    list_order: Literal["newest", "oldest"] = "newest"
    """Which run or workflow comes first in a list."""

    # Export and import
    import_answer: Literal["record", "ids", "nested", "empty"] = "record"
    """What the answer to an import says of each workflow: what was done, its id, both one level
    deeper, or nothing."""
    import_refusal: Literal["none", "403", "409", "422"] = "none"
    """The answer to a bundle that can be read."""
    unreadable_bundle: Literal["422", "400", "500"] = "422"
    """The answer to a bundle that can't be read."""

    # Saved versions
    version_positions: Literal["optional", "required"] = "optional"
    """Whether a definition without positions is saved as a version, or refused with 422."""
    version_answer: Literal["record", "empty"] = "record"
    """What the answer to a saved version says: all of it, or nothing."""
    version_settings: Literal["given", "completed"] = "given"
    """Which settings of its nodes a saved version has: the given ones, or also one of the
    server's."""
    late_versions: int = 0
    """How many reads of the list of versions come before it shows a new one."""

    # The data of a run
    run_data: Literal["nodes", "by_id", "404"] = "nodes"
    """The form of a run's data: its nodes in a list, under their ids, or no data at all."""
    node_io: Literal["entry", "bare", "404"] = "entry"
    """The answer to a read of one node: its whole entry, inputs and outputs alone, or not found."""
    node_times: bool = True
    """Whether a run's data has the times of its nodes."""

    # Inputs
    unknown_input: Literal["accept", "422"] = "accept"
    """The answer to an input that the workflow does not have."""
    missing_input: Literal["422", "accept"] = "422"
    """The answer to a start that lacks a required input."""
    wrong_type: Literal["accept", "422"] = "accept"
    """The answer to an input of another type."""
    fixed_input: Literal["overridden", "kept", "422"] = "overridden"
    """What a value for a fixed input does: it replaces the fixed one, it has no effect, or the
    start gets a 422."""
    # `Input 1` is in samples of the docs.
    unlabelled_input: Literal["name", "numbered", "input"] = "name"
    """What an input without a label is called, apart from its node's id: `numbered` is
    `Input 1`."""

    # Outputs
    output_keys: Literal["label", "node_id", "node_id::name"] = "label"
    """The keys of the output."""
    duplicate_labels: Literal["number", "last", "first"] = "number"
    """How outputs with the same label are returned: numbered, or only one of them."""
    inline_text: Literal["string", "container"] = "string"
    """The form of a text: itself, or `{"text": ...}`."""
    preview_limit: int = 16_000
    """A text with more characters than this is truncated."""
    preview_characters: int = 16_000
    """How many of its characters remain, at most `preview_limit`."""

    # Synchronous runs, and stopping
    sync_limit_seconds: float = 120.0
    """Seconds that a synchronous run may take."""
    sync_limit_status: Literal[408, 504, 200] = 408
    """The status of the answer when it takes longer."""
    stop_seconds: float = 0.0
    """Seconds between the request to stop a run and its new status."""
    on_stop_finished: Literal["unchanged", "409"] = "unchanged"
    """The answer to a request to stop a run that has ended."""

    # Files
    download: Literal["direct", "chunked", "redirect"] = "direct"
    """How files are served; `redirect` leads to another origin with a signed address."""
    ranges: Literal["ignored", "honoured", "refused"] = "ignored"
    """What the server does with a `Range` header."""

    # Rate limit of the whole server
    rate_limit: int = 0
    """Requests per second; 0 means no limit."""
    rate_limit_counts: Literal["all", "starts"] = "all"
    """The requests that count."""
    rate_limit_window: Literal["sliding", "fixed", "bucket"] = "sliding"
    """How they are counted: in the last second, in each second, or by a bucket that refills."""
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    """The form of the `Retry-After` header."""
    retry_after_seconds: int = 1
    """The time in that header."""


_TYPES = get_type_hints(Switches)


def with_overrides(switches: Switches, overrides: Mapping[str, Any]) -> Switches:
    """The same switches with some changed; a name or value that does not exist is a ValueError."""
    for name in overrides:
        if name not in _TYPES:
            raise ValueError(
                f"no switch is called {name!r}; there are: {', '.join(sorted(_TYPES))}"
            )
    changed = {}
    for name, value in overrides.items():
        changed[name] = typed(f"switch {name!r}", value, _TYPES[name])
    return replace(switches, **changed)


def choices(name: str) -> list[str]:
    """The values of a switch as they are typed; of a number, what kind of number it is."""
    return accepted(_TYPES[name])


def meanings() -> dict[str, str]:
    """What each switch decides: the text below its field, which only the source has."""
    (declared,) = ast.parse(inspect.getsource(Switches)).body
    assert isinstance(declared, ast.ClassDef)
    texts = {}
    for each, below in pairwise(declared.body):
        if isinstance(each, ast.AnnAssign):
            assert isinstance(below, ast.Expr)
            written = ast.literal_eval(below.value)
            texts[ast.unparse(each.target)] = inspect.cleandoc(written)
    return texts


def load_switches(path: Path | str) -> dict[str, Any]:
    """The switches that a TOML file sets; ValueError says where the file is wrong."""
    path = Path(path)
    document = read_toml(path)
    if document.get("format") != SWITCHES_FORMAT:
        raise ValueError(
            f"{path}: not a switches file of this version; "
            f'begin it with format = "{SWITCHES_FORMAT}"'
        )
    table = document.pop("switches", {})
    if len(document) > 1 or not isinstance(table, dict):
        raise ValueError(
            f"{path}: only the format and one table are known; put switches under [switches]"
        )
    try:
        with_overrides(Switches(), table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; correct or remove that line") from None
    return table
