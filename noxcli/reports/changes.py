"""What changed between two definitions of a workflow: nodes by name and field, edges by what they connect."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noxcli.api.records import name_of, node_names
from noxcli.codec import decode_json, to_json
from noxcli.inputs.definition import ends_of
from noxcli.inputs.exported import tidy
from noxcli.render.line import Look
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount
from noxcli.reports.words import Piece, in_color, marked, word_diff
from noxcli.signals import SIGNALS

ABSENT = object()  # a field that one side does not have
USUAL_CONNECTORS = {"", "input", "output"}
LOOKS = {"added": "green", "removed": "red", "changed": "cyan"}
INDENT = " " * 9
AROUND, LONGEST = 200, 4000  # characters: of what is shown around a change, and of one field
ID = re.compile(r"[\w-]{8,}")  # long enough to be replaced wherever it stands


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field inside a node, or of the definition itself."""

    field: str  # node_config.prompt, inputs[0].name
    old: Any
    new: Any

    def pieces(self) -> list[Piece]:
        """Return how it changed: a text by words, anything else as a whole. Raises Interrupted for a signal."""
        SIGNALS.check()  # thousands of long texts take a while
        if isinstance(self.old, str) and isinstance(self.new, str):
            return word_diff(self.old, self.new)
        sides = (("-", self.old), ("+", self.new))
        return [
            (sign, value if isinstance(value, str) else to_json(value)) for sign, value in sides if value is not ABSENT
        ]

    def document(self) -> dict[str, Any]:
        """Return its JSON; a side without the field has no value."""
        sides = {"old": self.old, "new": self.new}
        return {"field": self.field, **{name: value for name, value in sides.items() if value is not ABSENT}}


@dataclass(frozen=True, slots=True)
class PartChange:
    """A node or an edge that was added, removed or changed; a setting of the definition itself has no name."""

    change: str  # added, removed, changed
    kind: str  # node, edge, workflow
    name: str
    type: str = ""
    id: str = ""
    fields: tuple[FieldChange, ...] = ()

    def rows(self) -> list[Sequence[str]]:
        """Return its lines for a pipe: CHANGE, KIND, NAME, FIELD, and the difference."""
        head = (self.change, self.kind, self.name)
        return [(*head, each.field, marked(each.pieces())) for each in self.fields] or [(*head, "", "")]

    def document(self) -> dict[str, Any]:
        """Return its JSON."""
        return {
            "change": self.change,
            "kind": self.kind,
            "name": self.name,
            "type": self.type or None,
            "id": self.id or None,
            "fields": [field.document() for field in self.fields],
        }


def changes_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[PartChange]:
    """Return what changed, in the order of the nodes' names; positions and times do not count.

    Nodes are the same if they have the same id, or else, as in a clone, the same type and a name that no other has.
    Nodes without ids are the same if they have the same name, and nodes with one id or name by their order.
    """
    old, new = tidy(old), _with_ids_of(tidy(old), tidy(new))
    names = {**node_names(old), **node_names(new)}
    before, after = ({key: side[key] for key in side if key not in ("nodes", "edges")} for side in (old, new))
    settings = tuple(_fields(before, after, ""))
    found = [PartChange("changed", "workflow", "", fields=settings)] if settings else []
    return [*found, *sorted(_nodes(old, new), key=_place), *sorted(_edges(old, new, names), key=_place)]


def summary(changes: list[PartChange]) -> str:
    """Return how many parts changed: `1 node added, 2 nodes changed`."""
    counts = Counter((each.kind, each.change) for each in changes)
    named = {key: "settings" if key[0] == "workflow" else amount(count, key[0]) for key, count in counts.items()}
    return ", ".join(f"{parts} {change}" for (_, change), parts in named.items())


def changes_in_words(terminal: Terminal, changes: list[PartChange]) -> str:
    """Return the changes with their fields below them, texts by words and in color, for `Terminal.show`."""
    look, shown = Look.of(terminal, on_stdout=True), []
    for each in changes:
        kind = f" ({each.type})" if each.type else ""
        head = look.line().add(f"{each.change:9}", LOOKS[each.change]).add(f"{each.kind:9}{each.name}{kind}")
        shown.append(f"{head}\n")
        shown += [
            in_color(terminal, f"{INDENT}{field.field}: ", field.pieces(), AROUND, LONGEST) for field in each.fields
        ]
    return "".join(shown)


def _nodes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[PartChange]:
    before, after = (_numbered(_list(side, "nodes"), _node_key) for side in (old, new))
    for key in dict.fromkeys([*before, *after]):
        SIGNALS.check()
        node = after[key] if key in after else before[key]
        change = "changed" if key in before and key in after else "added" if key in after else "removed"
        fields = tuple(_fields(before[key], after[key], "")) if change == "changed" else ()
        if fields or change != "changed":
            known = node if isinstance(node, dict) else {}
            id, type = (str(known.get(name) or "") for name in ("id", "type"))
            yield PartChange(change, "node", name_of(known) or id or to_json(node), type, id, fields)


def _edges(old: Mapping[str, Any], new: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[PartChange]:
    before, after = (_numbered(_list(side, "edges"), _edge_key) for side in (old, new))
    for key, edge in {**before, **after}.items():
        if (key in before) != (key in after):
            yield PartChange("added" if key in after else "removed", "edge", _edge_name(edge, names))


def _numbered(items: Sequence[Any], key: Callable[[Any], str]) -> dict[tuple[str, int], Any]:
    """Return the items by their keys, and by which one with that key each is."""
    seen = Counter[str]()
    found = {}
    for item in items:
        name = key(item)
        seen[name] += 1
        found[name, seen[name]] = item
    return found


def _node_key(node: Any) -> str:
    """Return what makes a node the same one: its id, or else its name."""
    known = node if isinstance(node, dict) else {}
    return f"id {to_json(known['id'])}" if known.get("id") is not None else f"name {name_of(known) or to_json(node)}"


def _edge_key(edge: Any) -> str:
    return to_json({key: value for key, value in edge.items() if key != "id"} if isinstance(edge, dict) else edge)


def _edge_name(edge: Any, names: Mapping[str, str]) -> str:
    return " -> ".join(
        (names.get(id, id) or "?") + ("" if connector in USUAL_CONNECTORS else f".{connector}")
        for id, connector in ends_of(edge)
    )


def _fields(old: Any, new: Any, path: str) -> Iterator[FieldChange]:
    if to_json(old) == to_json(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if key not in old or key not in new:
                yield FieldChange(f"{path}.{key}".lstrip("."), old.get(key, ABSENT), new.get(key, ABSENT))
            else:
                yield from _fields(old[key], new[key], f"{path}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _fields(before, after, f"{path}[{place}]")
    else:
        yield FieldChange(path, old, new)


def _with_ids_of(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the new definition with the old ids of the nodes that have others, in every place."""
    before, after = _by_id(old), _by_id(new)
    mine = _by_unique_name(node for id, node in before.items() if id not in after)
    others = _by_unique_name(node for id, node in after.items() if id not in before)
    renamed = {others[key]: mine[key] for key in mine.keys() & others.keys()}
    if not renamed:
        return new
    found: dict[str, Any] = decode_json(ID.sub(lambda match: renamed.get(match[0], match[0]), to_json(new)))
    return tidy(found)


def _by_unique_name(nodes: Iterator[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    keys = {node["id"]: (node_names({"nodes": [node]})[node["id"]], str(node.get("type"))) for node in nodes}
    counts = Counter(keys.values())
    return {key: id for id, key in keys.items() if counts[key] == 1}


def _by_id(definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    nodes = _list(definition, "nodes")
    return {node["id"]: node for node in nodes if isinstance(node, dict) and isinstance(node.get("id"), str)}


def _list(definition: Mapping[str, Any], key: str) -> list[Any]:
    found = definition.get(key)
    return found if isinstance(found, list) else []


def _place(change: PartChange) -> tuple[str, str, str]:
    return change.name, change.change, change.id
