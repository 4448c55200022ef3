"""The JSON Schema of a workflow's inputs, for editors and for pipelines that check input files."""

from collections.abc import Sequence
from typing import Any

from noxcli.inputs.definition import KINDS, InputNode, keys_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(nodes: Sequence[InputNode], title: str) -> dict[str, Any]:
    """Return the schema of the input object for `--inputs`, with each input under its shortest unique key.

    The other forms (node ids, `id::input`) are omitted: an editor would suggest each input three times.
    """
    keys = keys_of(nodes)
    required = [key for key, node in keys.items() if node.required]
    return {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "properties": {key: _property(node) for key, node in keys.items()},
        "required": required,
        # An input without a label may have a key that the definition does not show.
        "additionalProperties": any(node.label is None for node in nodes),
        "examples": [{key: KINDS[keys[key].kind or "text"].sample for key in required}],
    }


def _property(node: InputNode) -> dict[str, Any]:
    says = f"{node.type or 'input'}, node {node.id}"
    schema = {
        **(KINDS[node.kind].schema if node.kind else {}),
        "description": f"{says}; fixed by the workflow" if node.fixed else says,
    }
    return schema if node.value is None else {**schema, "default": node.value}
