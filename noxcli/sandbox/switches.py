"""Every behaviour of the API that no source settles, as a switch.

The defaults are what the Noxus docs state or suggest; Noxus SDK 0.6.0 works against them unmodified.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

Reaction = Literal["close", "end", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the sandbox decides what is unknown. One set for the server, with overrides per scenario."""

    # Event stream: its end. "end" sends an event with workflow_status first, "silent" leaves the stream open.
    on_stopped: Reaction = "close"
    on_paused: Reaction = "close"
    on_ended: Literal["replay", "close", "silent", "404"] = "replay"  # a stream opened after the run ended
    end_announced_by: Literal["content", "state", "none"] = "content"
    after_end: Literal["close", "silent"] = "close"
    closing_event: Literal["none", "done", "timeout", "error"] = "none"  # sent just before the server closes

    # Event stream: the cursor.
    cursor_inclusive: bool = False  # true: the event that etag names comes again
    on_unknown_cursor: Literal["replay", "404", "410", "422"] = "replay"
    retained_events: int = 0  # only the newest n can be replayed, older cursors count as unknown; 0 keeps all
    redis_ids: Literal["all", "some", "none"] = "all"

    # Event stream: framing and keep-alives.
    keepalive: Literal["none", "comment", "ping"] = "none"
    keepalive_seconds: float = 15.0
    id_lines: bool = False  # with comments this breaks SDK 0.6.0, as it would in real life
    event_lines: bool = True
    line_end: Literal["lf", "crlf", "cr"] = "lf"
    chunk_per_event: bool = True  # as real servers send; false: what is available goes out as one chunk

    # Events.
    content: Literal["delta", "cumulative"] = "delta"
    null_data: bool = False  # state events carry "data": null

    # Run records.
    create_status: int = 200
    # So many starts of a workflow are taken on and yet answered 503, by a gateway that had passed them on.
    gateway_refusals: int = 0
    early_output: Literal["empty", "null"] = "empty"  # the output of a run that has not ended
    stale_reads: int = 0  # so many reads of an ended run still say that it is running
    late_output_reads: int = 0  # so many reads of a completed run come before its output
    look_up: Literal["served", "403", "404", "405"] = "served"  # GET /v1/runs/{id}
    look_up_output: Literal["absent", "null", "empty", "whole"] = "absent"
    record_inputs: Literal["as_given", "label", "node_id", "node_id::name"] = "as_given"  # how records key them
    failed_nodes: Literal["executed", "left_out"] = "executed"  # whether executed_nodes names them
    timestamps: Literal["z", "naive", "offset"] = "z"
    failure_detail: Literal["everywhere", "content", "run_logs", "data", "none"] = "everywhere"
    output_only_form: Literal["with_status", "pair", "bare"] = "with_status"
    queue_seconds: float = 0.0
    page_size: int = 50
    page_limit: int = 100  # a larger `size` is 422
    versions: Literal["list", "paged", "404"] = "list"
    list_order: Literal["newest", "oldest"] = "newest"  # which comes first

    # Inputs.
    unknown_input: Literal["accept", "422"] = "accept"
    missing_input: Literal["422", "accept"] = "422"
    wrong_type: Literal["accept", "422"] = "accept"
    # What means an input without a label, beside its node's id. "numbered": `Input 1`, as in samples of the docs.
    unlabelled_input: Literal["name", "numbered", "input"] = "name"

    # Outputs.
    output_keys: Literal["label", "node_id", "node_id::name"] = "label"
    output_ids: Literal["node_id", "node_id::name"] = "node_id"  # the keys under use_output_ids=true
    duplicate_labels: Literal["number", "last", "first"] = "number"
    inline_text: Literal["string", "container"] = "string"  # container: {"text": ...}
    preview_limit: int = 16_000  # a text of more characters is cut
    preview_characters: int = 16_000  # how much of it is left
    nested_previews: bool = True

    # Synchronous runs, stopping, callbacks.
    sync_limit_seconds: float = 120.0
    sync_limit_status: Literal[408, 504, 200] = 408
    sync_failure_status: int = 200
    stop_seconds: float = 0.0  # from the stop call to the status
    on_stop_finished: Literal["unchanged", "409"] = "unchanged"
    callback_body: Literal["summary", "record"] = "summary"

    # Files. "redirect" leads to another origin with a signed address.
    download: Literal["direct", "chunked", "redirect"] = "direct"
    ranges: Literal["ignored", "honoured", "refused"] = "ignored"
    file_uri: Literal["spot", "spot_path", "https"] = "spot"  # spot_path: the id is followed by the file's name

    # Rate limit of the whole server, in requests per second; 0 is none.
    rate_limit: int = 0
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    retry_after_seconds: int = 1


def with_overrides(switches: Switches, overrides: Mapping[str, Any]) -> Switches:
    """The same switches with some set anew; a name or value that does not exist is a ValueError."""
    hints = get_type_hints(Switches)
    for name, value in overrides.items():
        if name not in hints:
            raise ValueError(f"no switch is called {name!r}; there are: {', '.join(sorted(hints))}")
        if not _fits(value, hints[name]):
            raise ValueError(f"switch {name!r} cannot be {value!r}; it takes {_described(hints[name])}")
    return replace(switches, **overrides)


def parsed(name: str, text: str) -> Any:
    """The value of a switch from a command line, where everything is text."""
    hint = get_type_hints(Switches).get(name)
    if get_origin(hint) is Literal:
        return next((choice for choice in get_args(hint) if str(choice) == text), text)
    if hint is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return float(text) if hint is float else int(text) if hint is int else text
    except ValueError:
        return text


def names() -> list[str]:
    """All switches by name, in the order of their declaration."""
    return [each.name for each in fields(Switches)]


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(hint))
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint


def _described(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(repr(choice) for choice in get_args(hint))
    return f"a value of type {getattr(hint, '__name__', hint)}"
