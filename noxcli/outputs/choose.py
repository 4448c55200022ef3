"""The choice of outputs by `--raw`: checked against the workflow's output nodes, for any form of keys."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from noxcli.errors import Undelivered, UsageProblem
from noxcli.inputs.definition import OutputNode, outputs_of
from noxcli.models import Run
from noxcli.nearest import nearest_in_any_case, suggestion


def check_keys(keys: Sequence[str], definition: Mapping[str, Any], option: str = "--raw") -> list[str]:
    """Return a warning for each key of the option that may be wrong.

    Raises UsageProblem for a key that means none of the workflow's outputs.
    """
    nodes = outputs_of(definition)
    unknown = [key for key in keys if not any(_means(key, node) for node in nodes or ())]
    if nodes is None or not unknown:
        return []
    if any(node.label is None for node in nodes):
        return [f"{option} {key!r} is not checked: the workflow has outputs without labels" for key in unknown]
    names = [name for node in nodes for name in (node.label, node.id) if name]
    near = nearest_in_any_case(unknown[0], names)
    outputs = ", ".join(repr(node.label) for node in nodes)
    hint = suggestion(near, f"its outputs: {outputs or 'none'}", quoted=True)
    raise UsageProblem(f"the workflow has no output {unknown[0]!r}", hint)


def keys_in(output: Any, keys: Sequence[str], nodes: Sequence[OutputNode] = ()) -> list[list[str]]:
    """Return for each key which of the output's own keys it may mean: labels, node ids or `id::name`."""
    return [_fitting(output if isinstance(output, dict) else {}, key, nodes) for key in keys]


def require_one(run: Run, key: str, fitting: Sequence[str]) -> str:
    """Return the one key of the output that fits.

    Raises Undelivered, with a command that prints an existing output.
    """
    if len(fitting) == 1:
        return fitting[0]
    own = [name for name in run.output if name] if isinstance(run.output, dict) else []
    listed = ", ".join(map(repr, fitting or own)) or "none"
    what = f"{key!r} matches several outputs" if fitting else f"the output has no key {key!r}"
    name = nearest_in_any_case(key, fitting or own) or next(iter(fitting or own), None)
    line = f"noxcli fetch-output {run.id}" + (f" --raw {shlex.quote(name)}" if name else "")
    raise Undelivered(f"{what}{'' if fitting else ', its keys'}: {listed}", f"fetch it with: {line}")


def _means(key: str, node: OutputNode) -> bool:
    return key == node.label or key.partition("::")[0] == node.id


def _fitting(output: Mapping[str, Any], key: str, nodes: Sequence[OutputNode]) -> list[str]:
    if key in output:
        return [key]
    labeled = {node.id for node in nodes if node.label == key}
    node_id, _, name = key.partition("::")
    ids = labeled or {node_id}
    labels = [node.label for node in nodes]
    mine = {node.label for node in nodes if node.id in ids and labels.count(node.label) == 1}
    whole = bool(labeled) or not name  # means all of the node's output, not one of its values
    return [own for own in output if own in mine or own in ids or (whole and own.partition("::")[0] in ids)]
