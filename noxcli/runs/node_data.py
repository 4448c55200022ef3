"""What a run's data and logs say about its nodes: times, sizes, and why one failed."""

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
        if not ends or len(ends) < len(self.entries):
            return None
        return seconds_between(self.started_at, max(ends, key=_moment))

    @property
    def failed(self) -> bool:
        """True if an entry has the status of a failed node."""
        return any(str(entry.get("status")).lower() in FAILED for entry in self.entries)

    @property
    def error(self) -> str:
        """Why it failed, empty if no entry says so: what the last one says."""
        for entry in reversed(self.entries):
            reason = error_of(entry)
            if reason:
                return reason
        return ""

    def text(self, key: str) -> str | None:
        """Return the entry's value under the key if it is a text."""
        for entry in self.entries:
            value = entry.get(key)
            if isinstance(value, str):
                return value
        return None

    def bytes_of(self, key: str) -> int | None:
        """Return the size of its `inputs` or `outputs` as JSON."""
        values = [entry[key] for entry in self.entries if key in entry]
        if not values:
            return None
        return sum(len(to_json(value).encode()) for value in values)

    def _times(self, key: str) -> Iterator[str]:
        for entry in self.entries:
            if parse_time(entry.get(key)) is not None:
                yield entry[key]


def error_of(entry: Mapping[str, Any]) -> str:
    """Return the text under `error` or `error_message`, or in the object there, as one line.

    It is empty if there is none.
    """
    return _text_in(entry.get("error")) or _text_in(entry.get("error_message"))


def last_words(log: Any) -> str:
    """Return the reason in a node's log: the last error, or else the last line.

    A log is a text, or a list of lines or entries.
    """
    entries = log if isinstance(log, list) else [log]
    last_line = ""
    last_error = ""
    for entry in entries:
        text = _text_in(entry)
        if not text:
            continue
        last_line = text
        if _says_error(entry, text):
            last_error = text
    return last_error or last_line


def _says_error(entry: Any, text: str) -> bool:
    if "error" in text.lower():
        return True
    return isinstance(entry, dict) and str(entry.get("level")).lower() in BAD_LEVELS


def one_line(text: str, longest: int = MAX_REASON) -> str:
    """Return a reason as one line of limited length, of a trace the end, which names the error."""
    if text.lstrip().startswith("Traceback (most recent call last)"):
        text = text[-4 * longest :].rstrip().rsplit("\n", 1)[-1]
    line = " ".join(text[: 4 * longest].split())
    if len(line) <= longest:
        return line
    return f"{line[: longest - 1]}…"


def _text_in(value: Any) -> str:
    """Return a text, or the one that an object has, as one line; empty if it says nothing."""
    text = value
    if isinstance(value, dict):
        text = value.get("message")
        if not isinstance(text, str):
            text = value.get("detail")
    if not isinstance(text, str):
        return ""
    line = one_line(text)
    if line.lower() in NOTHING:
        return ""
    return line


def data_by_node(data: Any, ids: Collection[str]) -> dict[str, NodeData]:
    """Return the data of each node in `ids`.

    `GET /v1/runs/{id}/data` has no documented shape: noxcli reads the objects in a list that name a
    node in `id` or `node_id`, and those under a node's id. Either may be the top level, or be in
    `nodes` or `data`.
    """
    places = [data]
    if isinstance(data, dict):
        places += [data.get("nodes"), data.get("data")]
    found: dict[str, NodeData] = {}
    for place in places:
        for node, entry in _entries_in(place):
            if isinstance(node, str) and node in ids:
                found.setdefault(node, NodeData()).entries.append(entry)
    return found


def _entries_in(place: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield each object with what names its node."""
    if isinstance(place, list):
        for entry in place:
            if isinstance(entry, dict):
                yield entry.get("node_id") or entry.get("id"), entry
    elif isinstance(place, dict):
        for key, value in place.items():
            entries = value if isinstance(value, list) else [value]
            for entry in entries:
                if isinstance(entry, dict):
                    yield key, entry


def _moment(text: str) -> float:
    moment = parse_time(text)
    if moment is None:
        return 0.0
    return moment.timestamp()
