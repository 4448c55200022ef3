"""The choice of outputs by `--raw`: checked against the workflow's output nodes, for any form of
keys.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from noxcli.errors import OutputNotDelivered, UsageProblem, nearest, suggestion
from noxcli.inputs.definition import OutputNode, outputs_of
from noxcli.models import Run
from noxcli.outputs.values import is_file, is_preview, unwrapped


def check_keys(
    keys: Sequence[str], definition: Mapping[str, Any], option: str = "--raw"
) -> list[str]:
    """Return a warning for each key of the option that may be wrong.

    Raises UsageProblem for a key that means none of the workflow's outputs.
    """
    nodes = outputs_of(definition)
    if nodes is None:
        return []
    unknown = [key for key in keys if not any(_means(key, node) for node in nodes)]
    if unknown and not any(node.label is None for node in nodes):
        key = unknown[0]
        names = [name for node in nodes for name in (node.label, node.id) if name]
        outputs = ", ".join(repr(node.label) for node in nodes) or "none"
        hint = suggestion(nearest(key, names), f"its outputs: {outputs}", quoted=True)
        raise UsageProblem(f"the workflow has no output {key!r}", hint)
    return [
        f"{option} {key!r} is not checked: the workflow has outputs without labels"
        for key in unknown
    ]


def keys_in(output: Any, keys: Sequence[str], nodes: Sequence[OutputNode] = ()) -> list[list[str]]:
    """Return for each key which of the output's own keys it may mean: labels, node ids or
    `id::name`.
    """
    return [_fitting(output if isinstance(output, dict) else {}, key, nodes) for key in keys]


def under_its_key(output: Any, keys: Sequence[str], nodes: Sequence[OutputNode] = ()) -> Any:
    """Return an output that is a bare value, as some servers send the only one, under the key that
    selects it.

    Any other output is returned as it is; so is a bare one whose key is not the only output's, if
    that is known.
    """
    holder = isinstance(output, dict) and not (
        is_preview(output) or is_file(output) or unwrapped(output) is not output
    )
    bare = output is not None and not holder
    only = len(keys) == 1 and (not nodes or (len(nodes) == 1 and _means(keys[0], nodes[0])))
    return {keys[0]: output} if bare and only else output


def require_output(run: Run, key: str, fitting: Sequence[str]) -> str:
    """Return the one key of the output that fits.

    Raises OutputNotDelivered, with a command that prints an existing output.
    """
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        what = f"{key!r} matches several outputs"
        there = fitting
    else:
        keys = run.output if isinstance(run.output, dict) else ()
        what = f"the output has no key {key!r}, its keys"
        there = [name for name in keys if name]
    name = nearest(key, there) or next(iter(there), None)
    line = f"noxcli fetch-output {run.id}" + (f" --raw {shlex.quote(name)}" if name else "")
    raise OutputNotDelivered(
        f"{what}: {', '.join(map(repr, there)) or 'none'}", f"fetch it with: {line}"
    )


def _means(key: str, node: OutputNode) -> bool:
    return key == node.label or key.partition("::")[0] == node.id


def _fitting(output: Mapping[str, Any], key: str, nodes: Sequence[OutputNode]) -> list[str]:
    if key in output:
        return [key]
    labels = [node.label for node in nodes]
    labeled = {node.id for node in nodes if node.label == key}
    node_id, _, name = key.partition("::")
    ids = labeled or {node_id}
    names = ids | {node.label for node in nodes if node.id in ids and labels.count(node.label) == 1}
    whole = bool(labeled) or not name  # means all of the node's output, not one of its values
    return [own for own in output if own in names or (whole and own.partition("::")[0] in ids)]
