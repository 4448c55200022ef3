"""The outputs of a scenario in the form of the API: previews, file values and keys."""

from collections.abc import Callable, Mapping
from typing import Any

from noxcli.sandbox.scenario import File, Node
from noxcli.sandbox.switches import Switches
from noxcli.sandbox.workflow import Graph

Store = Callable[[File], Mapping[str, Any]]
"""Stores a file and returns its value."""


def published(output: Mapping[str, Any], graph: Graph, store: Store, switches: Switches) -> list[tuple[Node, Any]]:
    """Each output node with its value in the API's form; stores long texts and files."""
    pairs = []
    for name, value in output.items():
        node = graph.output(name)
        pairs.append((node, _shaped(value, node.label, store, switches, depth=0)))
    return pairs


def keyed(pairs: list[tuple[Node, Any]], form: str, duplicates: str) -> dict[str, Any]:
    """The output object under labels, node ids or `id::name`, with a rule for labels that two nodes share."""
    output: dict[str, Any] = {}
    for node, value in pairs:
        key = {"label": node.label, "node_id": node.id}.get(form, f"{node.id}::output")
        if key in output and duplicates == "first":
            continue
        if key in output and duplicates == "number":
            key = next(name for n in range(2, len(pairs) + 2) if (name := f"{key} ({n})") not in output)
        output[key] = value
    return output


def _shaped(value: Any, name: str, store: Store, switches: Switches, depth: int) -> Any:
    if isinstance(value, File):
        return dict(store(value))
    if isinstance(value, str):
        return _text(value, name, store, switches, depth)
    if isinstance(value, Mapping):
        return {key: _shaped(item, f"{name}.{key}", store, switches, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shaped(item, f"{name}.{at}", store, switches, depth + 1) for at, item in enumerate(value)]
    return value


def _text(text: str, name: str, store: Store, switches: Switches, depth: int) -> Any:
    """The limit of texts counts characters, not bytes, and so does the truncation."""
    if len(text) > switches.preview_limit and (depth == 0 or switches.nested_previews):
        left = min(switches.preview_characters, switches.preview_limit)
        file = File(f"{name}.txt", text.encode("utf-8", "surrogatepass"), "text/plain; charset=utf-8")
        return {
            "has_preview": True,
            "text": text[:left],
            "file": dict(store(file)),
        }
    if switches.inline_text == "container" and depth == 0:
        return {"text": text}
    return text
