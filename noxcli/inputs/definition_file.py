"""A workflow's definition in a file: written for git, and told from a bundle."""

import re
from collections.abc import Mapping
from typing import Any

from noxcli.codec import decode_json, to_json
from noxcli.inputs.definition import ends_of, inputs_of

# What moving a node or saving it changes, and what no run depends on.
LAYOUT = re.compile(r"display|position|viewport|(created|updated|saved|modified|edited|last_\w+)_at")


def definition_in(text: str) -> dict[str, Any] | None:
    """Return the definition that a text is, None for any other text."""
    try:
        definition = decode_json(text)
    except ValueError:
        return None
    return definition if isinstance(definition, dict) and inputs_of(definition) is not None else None


def definition_text(definition: Mapping[str, Any]) -> str:
    """Return a definition as git likes it: the same text as long as nothing changes that a run depends on."""
    return to_json(tidy(definition), indent=2) + "\n"


def tidy(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition without positions and times, in an order that neither the editor nor the server chooses.

    Nodes are sorted by their ids, and edges by their ends; nodes without ids stay in their order. The settings inside
    a node are unchanged, apart from the order of their keys.
    """
    kept = _kept(definition)
    if isinstance(nodes := kept.get("nodes"), list):
        kept["nodes"] = sorted(
            map(_kept, nodes), key=lambda node: str(node.get("id", "") if isinstance(node, dict) else "")
        )
    if isinstance(edges := kept.get("edges"), list):
        kept["edges"] = sorted(
            map(_kept, edges), key=lambda edge: (*(id for id, _ in ends_of(edge)), to_json(_in_order(edge)))
        )
    found: dict[str, Any] = _in_order(kept)
    return found


def _kept(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    return {key: value for key, value in part.items() if not LAYOUT.fullmatch(key)}


def _in_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(each) for each in value] if isinstance(value, list) else value
