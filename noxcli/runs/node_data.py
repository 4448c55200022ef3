"""What a run's data and logs say about its nodes: times, the sizes of inputs and outputs, and why one failed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from noxcli.codec import to_json
from noxcli.timing import parse_time, seconds_between

# Words for a failed node or log line; the sets are not documented.
FAILED = frozenset({"failed", "failure", "error", "errored"})
BAD_LEVELS = FAILED | {"critical", "fatal", "exception"}
NOTHING = frozenset({"none", "null", "false", "no", "ok", "n/a"})
MAX_REASON = 2000  # characters of a reason that are kept or compared


@dataclass(slots=True, eq=False, repr=False)
class NodeData:
    """The data of one node, which has several entries if it ran several times."""

    entries: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def started_at(self) -> str | None:
        """When it first started, as the server wrote it."""
        return min(self._times("started_at"), key=_moment, default=None)

    @property
    def duration_s(self) -> float | None:
        """The seconds from there to the last end; None while it runs, and without times."""
        ends = list(self._times("finished_at"))
        return (
            seconds_between(self.started_at, max(ends, key=_moment))
            if 0 < len(ends) == len(self.entries)
            else None
        )

    @property
    def failed(self) -> bool:
        """True if an entry has the status of a failed node."""
        return any(str(entry.get("status")).lower() in FAILED for entry in self.entries)

    @property
    def error(self) -> str:
        """Why it failed, empty if no entry says so: what the last one says."""
        return next(filter(None, map(error_of, reversed(self.entries))), "")

    def text(self, key: str) -> str | None:
        """Return the entry's value under the key if it is a text."""
        return next((entry[key] for entry in self.entries if isinstance(entry.get(key), str)), None)

    def bytes_of(self, key: str) -> int | None:
        """Return the size of its `inputs` or `outputs` as JSON."""
        values = [entry[key] for entry in self.entries if key in entry]
        return sum(len(to_json(value).encode()) for value in values) if values else None

    def _times(self, key: str) -> Iterator[str]:
        return (entry[key] for entry in self.entries if parse_time(entry.get(key)) is not None)


def error_of(entry: Mapping[str, Any]) -> str:
    """Return the text under `error` or `error_message`, or in the object there, as one line; empty without one."""
    return _text_in(entry.get("error")) or _text_in(entry.get("error_message"))


def last_words(log: Any) -> str:
    """Return the reason in a node's log, a text or a list of lines or entries: the last error, else the last line."""
    words, bad = "", False
    for entry in log if isinstance(log, list) else [log]:
        text, level = _text_in(entry), entry.get("level") if isinstance(entry, dict) else None
        says_error = "error" in text.lower() or str(level).lower() in BAD_LEVELS
        if text and (says_error or not bad):
            words, bad = text, says_error
    return words


def one_line(text: str, longest: int = MAX_REASON) -> str:
    """Return a reason as one line of limited length: for a trace only the end, which names the error."""
    if text.lstrip().startswith("Traceback (most recent call last)"):
        text = text[-4 * longest :].rstrip().rsplit("\n", 1)[-1]
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _text_in(value: Any) -> str:
    if isinstance(value, dict):
        value = next(
            (value[key] for key in ("message", "detail") if isinstance(value.get(key), str)), None
        )
    line = one_line(value) if isinstance(value, str) else ""
    return "" if line.lower() in NOTHING else line


def data_by_node(data: Any, ids: Collection[str]) -> dict[str, NodeData]:
    """Return the data of each node in `ids`.

    `GET /v1/runs/{id}/data` has no documented shape: noxcli reads the objects in a list that name a node in `id` or
    `node_id`, and those under a node's id. Either may be the top level, or be in `nodes` or `data`.
    """
    found: dict[str, NodeData] = {}
    for place in (data, *((data.get("nodes"), data.get("data")) if isinstance(data, dict) else ())):
        for node, entry in _entries_in(place):
            if isinstance(node, str) and node in ids:
                found.setdefault(node, NodeData()).entries.append(entry)
    return found


def _entries_in(place: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield each object with what names its node."""
    if isinstance(place, list):
        yield from (
            (entry.get("node_id") or entry.get("id"), entry)
            for entry in place
            if isinstance(entry, dict)
        )
    elif isinstance(place, dict):
        for key, value in place.items():
            entries = value if isinstance(value, list) else [value]
            yield from ((key, entry) for entry in entries if isinstance(entry, dict))


def _moment(text: str) -> float:
    moment = parse_time(text)
    return moment.timestamp() if moment is not None else 0.0
