"""The choice of outputs by `--raw`: checked against the output nodes, for any form of keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from noxcli.errors import CommandLine, Hint, OutputNotDelivered, UsageProblem, nearest, suggestion
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
    unknown = [key for key in keys if not _is_known(key, nodes)]
    if not unknown:
        return []
    labels = [node.label for node in nodes]
    if None not in labels:
        key = unknown[0]
        names = [label for label in labels if label]
        names += [node.id for node in nodes]
        outputs = ", ".join(map(repr, labels)) or "none"
        hint = suggestion(nearest(key, names), f"its outputs: {outputs}", quoted=True)
        raise UsageProblem(f"the workflow has no output {key!r}", hint)
    return [
        f"{option} {key!r} is not checked: the workflow has outputs without labels"
        for key in unknown
    ]


def keys_in(output: Any, keys: Sequence[str], nodes: Sequence[OutputNode] = ()) -> list[list[str]]:
    """Return which of the output's own keys each key may mean: a label, a node id or `id::name`."""
    if not isinstance(output, dict):
        return [[] for _ in keys]
    return [_fitting(output, key, nodes) for key in keys]


def under_its_key(output: Any, keys: Sequence[str], nodes: Sequence[OutputNode] = ()) -> Any:
    """Return an output that is a bare value, as some servers send the only one, under its key.

    Any other output is returned as it is; so is a bare one whose key is not the only output's, if
    that is known.
    """
    if output is None or len(keys) != 1 or _holds_values(output):
        return output
    if len(nodes) > 1 or (nodes and not _means(keys[0], nodes[0])):
        return output
    return {keys[0]: output}


def _holds_values(output: Any) -> bool:
    """True for an object with outputs by their names, and not for one that is itself a value."""
    if not isinstance(output, dict) or is_preview(output) or is_file(output):
        return False
    return unwrapped(output) is output


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
    names = ", ".join(map(repr, there)) or "none"
    line = CommandLine("fetch-output", run.id)
    if there:
        name = nearest(key, there) or there[0]
        line = CommandLine("fetch-output", run.id, "--raw", name)
    raise OutputNotDelivered(f"{what}: {names}", Hint("fetch it with: ", line))


def _is_known(key: str, nodes: Sequence[OutputNode]) -> bool:
    return any(_means(key, node) for node in nodes)


def _means(key: str, node: OutputNode) -> bool:
    return key == node.label or key.partition("::")[0] == node.id


def _fitting(output: Mapping[str, Any], key: str, nodes: Sequence[OutputNode]) -> list[str]:
    if key in output:
        return [key]
    node_id, _, name = key.partition("::")
    ids = {node.id for node in nodes if node.label == key}
    # A label or a node's id means all of its output, `id::name` one of its values.
    is_whole = bool(ids) or not name
    if not ids:
        ids = {node_id}
    labels = [node.label for node in nodes]
    names = set(ids)
    for node in nodes:
        if node.id in ids and node.label is not None and labels.count(node.label) == 1:
            names.add(node.label)
    fitting = []
    for own in output:
        is_part = is_whole and own.partition("::")[0] in ids
        if own in names or is_part:
            fitting.append(own)
    return fitting
