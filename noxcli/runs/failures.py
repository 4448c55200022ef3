"""Failures in JSON of an unknown shape: at which node, and why."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any

from noxcli.fixed import fixed

# Words for a failed node, run or log line; the sets are not documented.
FAILED = frozenset({"failed", "failure", "error", "errored"})
BAD_LEVELS = FAILED | {"critical", "fatal", "exception"}
# Keys in lower case without `_` and `-`.
STATUS_KEYS = ("status", "state")
LEVEL_KEYS = ("level", "severity", "loglevel", "levelname", "type", "kind", "event", "outcome", "result")
ERROR_KEYS = frozenset(
    {
        *("error", "errors", "errormessage", "errormsg", "errordetail", "errordetails", "errorreason", "errortext"),
        *("err", "exception", "exceptions", "failure", "failurereason", "failuremessage", "failedreason", "fault"),
        *("lasterror", "errorinfo", "traceback", "stacktrace"),
    }
)
TRACES = frozenset({"traceback", "stacktrace"})
# The most informative first; they count only next to a sign of failure.
TEXT_KEYS = ("message", "msg", "detail", "details", "reason", "statusmessage", "description", "text", "title", "cause")
NODE_KEYS = ("nodeid", "node", "nodename", "id", "name", "label", "step")
RUN_KEYS = frozenset({"runid", "workflowid"})
VALUES = frozenset({"input", "inputs", "output", "outputs"})  # the workflow's own names: one may be "error"
NOT_OF_A_RUN = frozenset({"definition", "definitions", "workflow", "nodeconfig", "configdefinition", "settings"})
NOTHING = frozenset({"", "none", "null", "false", "no", "ok", "n/a"})
ERROR_WORD = r"(?i)\b(?:error|exception|traceback|fail(?:ed|ure)?|fatal)\b|(?:Error|Exception)\b"
LONGEST_REASON = 2000  # characters of a reason
DEEPEST_SEARCH = 30
MOST_VALUES = 200_000


class Rank(IntEnum):
    """How clearly a text states the reason."""

    MARK = 0  # it says that the node failed, but not why
    HINT = 1  # it is in the place of a reason; useful only for a node that is known to have failed
    LINE = 2  # a log line that contains a word for errors
    TOLD = 3  # a message next to a word for failure; a trace
    ERROR = 4  # its key is named an error


@fixed
class Fault:
    """One match. `node` is an id, or a name if the definition has no such node; None if it is unknown."""

    node: str | None
    text: str
    rank: Rank = Rank.ERROR


def find_faults(
    value: Any, names: Mapping[str, str], *, logs: bool = False, skip: frozenset[str] = frozenset()
) -> list[Fault]:
    """Return all matches in the order of the value, which is searched only up to a sane size.

    `names` has the known nodes' names by id. In `logs` each line may be the reason. `skip` has ids that do not belong
    to nodes.
    """
    return list(_Search(names, logs, skip).walk(value, None, 0))


def worst_of(faults: list[Fault], failed: frozenset[str]) -> Fault | None:
    """Return the match with the best reason: nodes in `failed` first, clear words before hints.

    Of several equally good ones, it is the last one of the first node: the last entry in a log is what ended the work.
    """
    worth = [fault for fault in faults if fault.text and (fault.rank > Rank.HINT or fault.node in failed)]
    if not worth:
        return None
    best = max((fault.node in failed, fault.rank) for fault in worth)
    same = [fault for fault in worth if (fault.node in failed, fault.rank) == best]
    return [fault for fault in same if fault.node == same[0].node][-1]


def one_line(text: str, longest: int = LONGEST_REASON) -> str:
    """Return a reason as one line of limited length: for a trace only the end, which names the error."""
    if text.lstrip().startswith("Traceback (most recent call last)"):
        text = text[-4 * longest :].rstrip().rsplit("\n", 1)[-1]
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


class _Search:
    def __init__(self, names: Mapping[str, str], logs: bool, skip: frozenset[str]) -> None:
        self._names = names
        listed = list(names.values())
        self._ids = {name: node_id for node_id, name in names.items() if listed.count(name) == 1}
        self._logs = logs
        self._skip = skip
        self._left = MOST_VALUES

    def walk(self, value: Any, node: str | None, depth: int) -> Iterator[Fault]:
        self._left -= 1
        if self._left < 0 or depth > DEEPEST_SEARCH:
            return
        if isinstance(value, dict):
            yield from self._in_object(value, node, depth)
        elif isinstance(value, list):
            for inner in value[: max(0, self._left)]:
                yield from self.walk(inner, node, depth + 1)
        elif isinstance(value, str) and self._logs and (line := _text(value)):
            yield Fault(node, line, Rank.LINE if re.search(ERROR_WORD, line) else Rank.HINT)

    def _in_object(self, value: dict[Any, Any], node: str | None, depth: int) -> Iterator[Fault]:
        plain = {_plain(key): inner for key, inner in value.items()}
        node = self._node_in(plain, node)
        if node is not None and _has_word(plain, STATUS_KEYS, FAILED):
            yield Fault(node, "", Rank.MARK)
        told = self._rank_of_message(plain)
        for key, inner in value.items():
            name = _plain(key)
            if name in ERROR_KEYS:
                yield from self._texts(inner, node, _rank_of(name), depth + 1)
            elif name in TEXT_KEYS and told is not None and not isinstance(inner, dict):
                yield from self._texts(inner, node, told, depth + 1)
            elif name in VALUES:
                yield from self._in_values(inner, node, depth + 1)
            elif name not in NOT_OF_A_RUN:
                yield from self._below(key, inner, node, depth)

    def _rank_of_message(self, plain: Mapping[str, Any]) -> Rank | None:
        """Return how clearly a message in this object states a reason, None if it does not."""
        if _says_failed(plain):
            return Rank.TOLD
        return Rank.HINT if self._logs else None

    def _in_values(self, values: Any, node: str | None, depth: int) -> Iterator[Fault]:
        """Yield what looks like a reason among inputs or outputs, which is only a hint: a value may be any text."""
        for fault in self.walk(values, node, depth):
            if fault.text:
                yield replace(fault, rank=Rank.HINT)

    def _below(self, key: Any, inner: Any, node: str | None, depth: int) -> Iterator[Fault]:
        below = self._known(key) or node
        # A text that is the value of some other key is not a log line, unless the key is a node.
        if isinstance(inner, dict | list) or (isinstance(inner, str) and (below != node or depth == 0)):
            yield from self.walk(inner, below, depth + 1)

    def _texts(self, value: Any, node: str | None, rank: Rank, depth: int) -> Iterator[Fault]:
        """Yield the texts of a value that is named an error."""
        self._left -= 1
        if self._left < 0 or depth > DEEPEST_SEARCH:
            return
        if isinstance(value, str):
            if text := _text(value):
                yield Fault(node, text, rank)
        elif isinstance(value, list):
            for inner in value[: max(0, self._left)]:
                yield from self._texts(inner, node, rank, depth + 1)
        elif isinstance(value, dict) and value:
            yield from self._texts_in_object(value, node, rank, depth)

    def _texts_in_object(self, value: dict[Any, Any], node: str | None, rank: Rank, depth: int) -> Iterator[Fault]:
        plain = {_plain(key): inner for key, inner in value.items()}
        node = self._node_in(plain, node)
        for key in (*TEXT_KEYS, *(key for key in plain if key in ERROR_KEYS)):
            if texts := list(self._texts(plain.get(key), node, rank, depth + 1)):
                yield from texts
                return
        by_node = [(known, inner) for key, inner in value.items() if (known := self._known(key))]
        for below, inner in by_node:
            yield from self._texts(inner, below, rank, depth + 1)
        if not by_node and all(isinstance(inner, str | int | float | None) for inner in value.values()):
            yield Fault(node, one_line(json.dumps(value, ensure_ascii=False)), rank)

    def _known(self, text: Any) -> str | None:
        """Return the id of a node, given by its id, by its name if that is unique, or as `ID::OUTPUT`."""
        if not isinstance(text, str):
            return None
        node_id = text.partition("::")[0]
        return node_id if node_id in self._names else self._ids.get(text)

    def _node_in(self, plain: Mapping[str, Any], around: str | None) -> str | None:
        """Return the node of an object, or else the one that it is in."""
        return self._known_in(plain) or around or self._stranger_in(plain)

    def _known_in(self, plain: Mapping[str, Any]) -> str | None:
        for key in NODE_KEYS:
            value = plain.get(key)
            inner = value.get("id") if key == "node" and isinstance(value, dict) else value
            if found := self._known(inner):
                return found
        return None

    def _stranger_in(self, plain: Mapping[str, Any]) -> str | None:
        """Return an object's name for a node that the definition lacks, such as one of a nested workflow."""
        keys = ["nodename", "nodeid", "node"]
        if not RUN_KEYS & plain.keys() and any(key in plain for key in STATUS_KEYS):
            keys += ["name", "label", "id"]
        called = (plain.get(key) for key in keys)
        return next((text for text in called if isinstance(text, str) and text and text not in self._skip), None)


def _rank_of(name: str) -> Rank:
    return Rank.TOLD if name in TRACES else Rank.ERROR


def _plain(key: Any) -> str:
    return str(key).lower().replace("_", "").replace("-", "")


def _text(value: str) -> str:
    line = one_line(value)
    return "" if line.lower() in NOTHING else line


def _has_word(plain: Mapping[str, Any], keys: tuple[str, ...], words: frozenset[str]) -> bool:
    found = (plain.get(key) for key in keys)
    return any(isinstance(word, str) and word.lower() in words for word in found)


def _says_failed(plain: Mapping[str, Any]) -> bool:
    if _has_word(plain, (*STATUS_KEYS, *LEVEL_KEYS), BAD_LEVELS):
        return True
    flags = any(plain.get(key) is False for key in ("ok", "success"))
    return flags or any(plain.get(key) is True for key in ("failed", "iserror", "haserror", "error"))
