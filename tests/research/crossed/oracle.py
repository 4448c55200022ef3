"""What each setting must lead to, independent of both sides: the client's code and the sandbox's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from noxcli.sandbox.run import Run
from noxcli.sandbox.switches import Switches
from tests.research.crossed.stage import OUTPUT, PIECES

TEXT = "".join(PIECES)
# Reads of the record that an ended run may take, in addition to those that lag.
CALM_REQUESTS = 14


@dataclass(frozen=True)
class Events:
    """Which events must arrive. noxcli must report missing ones, unless the server forgot them silently."""

    first: int | None = 0  # from which of the server's on; None: none need to arrive
    whole: bool = True  # all from there on arrive
    silent: bool = False  # events may be missing without a report
    gap: bool = False  # a gap must be reported, even if all events arrived


def is_announced(switches: Switches, ending: str) -> bool:
    """Whether an event ends the run for a client."""
    by_content = switches.end_announced_by == "content"
    told = by_content or (switches.end_announced_by == "state" and not switches.null_data)
    if ending in ("completed", "failed"):
        return told
    reaction = switches.on_stopped if ending == "stopped" else switches.on_paused
    return reaction == "end" and (switches.end_announced_by != "state" or not switches.null_data)


def output(run: Run, switches: Switches) -> dict[str, Any]:
    """The output as noxcli delivers it: truncated texts are whole, everything else is as the server has it."""
    found: dict[str, Any] = {}
    for node in run.workflow.graph.outputs:
        name, value = node.name, OUTPUT[node.name]
        key = {"label": node.config["label"], "node_id": node.id, "node_id::name": f"{node.id}::output"}[
            switches.output_keys
        ]
        if key in found:
            if switches.duplicate_labels == "first":
                continue
            key = f"{key} (2)" if switches.duplicate_labels == "number" else key
        is_cut = isinstance(value, str) and len(value) > switches.preview_limit
        boxed = isinstance(value, str) and not is_cut and switches.inline_text == "container"
        found[key] = {"text": value} if boxed else value
        if name == "Table":
            found[key] = "a b.csv"  # a value that names the file
    return found


def reason_is_kept(switches: Switches) -> bool:
    """Whether the record's own logs, or the run's data, say where and why a run failed."""
    detail = switches.failure_detail
    return detail in {"everywhere", "run_logs"} or (detail == "data" and switches.run_data != "404")


def reason_is_known(switches: Switches, *, live: bool) -> bool:
    """Whether any answer of the server says why a run failed; unknown words do not mark a failure."""
    replayed = (live or switches.on_ended == "replay") and switches.node_words != "foreign"
    return reason_is_kept(switches) or (switches.failure_detail == "content" and replayed)


def failed_node_is_known(switches: Switches) -> bool:
    """Whether anything says at which node a run failed that was followed live."""
    return switches.node_words != "foreign" or reason_is_kept(switches)


def forgets(switches: Switches) -> bool:
    """Whether a stream may begin later than it was asked to."""
    return bool(switches.retained_events) or switches.stream_start == "new"


def live_events(switches: Switches, *, cut: bool = False) -> Events:
    """For a run that is followed from its start; after a break, reconnecting may be too late."""
    if not cut:
        # A run is slightly ahead of its stream, and a short memory may have lost its beginning by then.
        return Events(whole=not forgets(switches), silent=True)
    resumes = switches.on_ended == "replay" and switches.redis_ids == "all"
    return Events(whole=resumes and not forgets(switches), silent=forgets(switches))


def ended_events(switches: Switches, count: int, *, after: int | None = None, known: bool = True) -> Events:
    """For a run that has ended, from the start or from a position; the server may have forgotten it."""
    if switches.on_ended != "replay":
        # A stream that is closed at once after a position looks like one whose position was the last.
        return Events(first=None, whole=False, silent=switches.on_ended == "close" and (after is not None or not known))
    oldest = max(0, count - switches.retained_events) if switches.retained_events else 0
    first = 0 if after is None else after
    if known and first >= oldest:
        return Events(first=first)
    # A server that silently replays what it has looks like one that accepted the position.
    if switches.on_unknown_cursor not in {"replay", "accepted"} and (after is not None or not known):
        return Events(first=None, whole=False, gap=True)
    return Events(first=oldest, silent=True)


def requests_at_most(switches: Switches, runs: int = 1) -> int:
    """How many requests a call may take: lagging records, silence and rejections each cost some, none without end."""
    most = CALM_REQUESTS + 2 * (switches.stale_reads + switches.late_output_reads)
    most += 12 if "silent" in (switches.on_stopped, switches.on_paused, switches.after_end, switches.on_ended) else 0
    most += 10 if switches.on_ended != "replay" or switches.closing_event != "none" else 0
    most += 4 if switches.retained_events else 0  # rejected positions, and replays that lack them
    most += 8 if switches.page_size < 10 or switches.page_limit < 10 else 0
    most += 100 if switches.stop_seconds else 12 if switches.queue_seconds else 0  # which pass in real time
    most *= 8 if switches.rate_limit else 1
    return most * runs


def is_subsequence(got: Sequence[Any], truth: Sequence[Any]) -> bool:
    """Whether all of them arrive in that order, each once."""
    rest = iter(truth)
    return all(any(event == one for one in rest) for event in got)
