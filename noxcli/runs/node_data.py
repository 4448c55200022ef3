"""What a run's data and logs say about its nodes: times, the sizes of inputs and outputs, and why one failed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from noxcli.encode import to_json
from noxcli.timing import parse_time, seconds_between

# `GET /v1/runs/{id}/data` has no documented shape: noxcli reads only objects with a node's id and these keys, in
# lower case and without `_` and `-`.
ID_KEYS = ("nodeid", "id")
BEGIN_KEYS = ("startedat", "starttime", "startedtime", "startedon", "start", "started")
END_KEYS = ("finishedat", "endedat", "completedat", "endtime", "finishtime", "end", "ended", "finished")
INPUT_KEYS, OUTPUT_KEYS = ("inputs", "input"), ("outputs", "output")
# Words for a failed node or log line; the sets are not documented.
FAILED = frozenset({"failed", "failure", "error", "errored"})
BAD_LEVELS = FAILED | {"critical", "fatal", "exception"}
ERROR_KEYS, TEXT_KEYS = ("error", "errormessage"), ("message", "detail")
NOTHING = frozenset({"none", "null", "false", "no", "ok", "n/a"})
LONGEST_REASON = 2000  # characters
DEEPEST_ENTRY = 12
MOST_READ = 200_000  # values


@dataclass(slots=True)
class NodeData:
    """The data of one node, which has several entries if it ran several times."""

    entries: list[Mapping[str, Any]] = field(default_factory=list)  # keys as above

    @property
    def started_at(self) -> str | None:
        """When it first started, as the server wrote it."""
        return min(self._times(BEGIN_KEYS), key=_moment, default=None)

    @property
    def duration_s(self) -> float | None:
        """The seconds from there to the last end; None while it runs, and without times."""
        ends = list(self._times(END_KEYS))
        if len(ends) < len(self.entries):
            return None
        return seconds_between(self.started_at, max(ends, key=_moment, default=None))

    @property
    def input_bytes(self) -> int | None:
        """The size of its inputs as JSON."""
        return self._size(INPUT_KEYS)

    @property
    def output_bytes(self) -> int | None:
        """The size of its outputs as JSON."""
        return self._size(OUTPUT_KEYS)

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

    def _times(self, keys: Sequence[str]) -> Iterator[str]:
        for entry in self.entries:
            told = next((entry[key] for key in keys if isinstance(entry.get(key), str)), None)
            if told is not None and parse_time(told) is not None:
                yield told

    def _size(self, keys: Sequence[str]) -> int | None:
        values = [entry[key] for entry in self.entries for key in keys if key in entry]
        return sum(len(to_json(value).encode()) for value in values) if values else None


def error_of(entry: Mapping[str, Any]) -> str:
    """Return the text under `error` or `error_message`, or in the object there, as one line; empty without one."""
    own = _plain_keys(entry)
    return next(filter(None, (_told_in(own.get(key)) for key in ERROR_KEYS)), "")


def last_words(log: Any) -> str:
    """Return the reason in a node's log, a text or a list of lines or entries: the last error, else the last line."""
    words = ""
    bad = False
    for entry in log if isinstance(log, list) else [log]:
        text = _told_in(entry)
        says_error = "error" in text.lower() or (
            isinstance(entry, dict) and str(entry.get("level")).lower() in BAD_LEVELS
        )
        if text and (says_error or not bad):
            words, bad = text, says_error
    return words


def one_line(text: str, longest: int = LONGEST_REASON) -> str:
    """Return a reason as one line of limited length: for a trace only the end, which names the error."""
    if text.lstrip().startswith("Traceback (most recent call last)"):
        text = text[-4 * longest :].rstrip().rsplit("\n", 1)[-1]
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _told_in(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[key] for key in TEXT_KEYS if isinstance(value.get(key), str)), None)
    line = one_line(value) if isinstance(value, str) else ""
    return "" if line.lower() in NOTHING else line


def data_by_node(data: Any, ids: Collection[str]) -> dict[str, NodeData]:
    """Return the data of each node in `ids`: objects that contain its id, or are under it."""
    found: dict[str, NodeData] = {}
    waiting: list[tuple[Any, int]] = [(data, 0)]
    left = MOST_READ
    while waiting and left:
        value, depth = waiting.pop()
        left -= 1
        if depth > DEEPEST_ENTRY or not isinstance(value, dict | list):
            continue
        if isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in reversed(value[:left])]
            continue
        own = _plain_keys(value)
        named = _named_in(own, ids)
        if named is not None:
            found.setdefault(named, NodeData()).entries.append(own)
            continue
        for key, inner in reversed(value.items()):
            if key in ids and (entries := _entries_in(inner)):
                found.setdefault(key, NodeData()).entries += entries
            else:
                waiting.append((inner, depth + 1))
    return found


def _named_in(own: Mapping[str, Any], ids: Collection[str]) -> str | None:
    """Return the node whose id the object contains."""
    return next((own[key] for key in ID_KEYS if isinstance(own.get(key), str) and own[key] in ids), None)


def _entries_in(value: Any) -> list[dict[str, Any]]:
    """Return an object, or each one of a list of objects; nothing for any other value."""
    below = value if isinstance(value, list) else [value]
    return [_plain_keys(each) for each in below] if all(isinstance(each, dict) for each in below) else []


def _plain_keys(value: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower().replace("_", "").replace("-", ""): inner for key, inner in value.items()}


def _moment(text: str) -> float:
    moment = parse_time(text)
    return moment.timestamp() if moment is not None else 0.0
