"""The comparison of inputs, whose keys may be labels, node ids or `node-id::name`."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from noxcli.files import new_digest
from noxcli.fixed import fixed
from noxcli.inputs.definition import InputNode, keys_of

LONG_TEXT = 1000  # characters; a list might truncate longer ones


@fixed
class Likeness:
    """Equal inputs have equal digests; inputs with the same keys and kinds of values have equal shapes."""

    digest: str
    shape: str = ""  # empty if it is not known


class Comparison:
    """The comparison of the inputs of one workflow, without secrets."""

    def __init__(self, nodes: Sequence[InputNode] | None = None, secret: Collection[str] = ()) -> None:
        """`nodes` is None if the workflow's definition is unknown: then keys equal only themselves."""
        self.knows_keys = nodes is not None
        self._names = {address: key for key, node in keys_of(nodes or ()).items() for address in (key, *node.addresses)}
        unlabelled = [node.id for node in nodes or () if node.label is None]
        self._unlabelled = unlabelled[0] if len(unlabelled) == 1 else None
        self._secret = {*secret, *(self._names.get(key, key) for key in secret)}

    def of(self, input: Any) -> Likeness:
        """Return the likeness of an input; one that can't be encoded is like no other."""
        try:
            plain = _plain(self._renamed(input) if isinstance(input, dict) else input)
            return Likeness(_digest(plain)[:32], _digest(_shape(plain))[:8])
        except (RecursionError, ValueError):
            return Likeness("")

    def _renamed(self, input: dict[str, Any]) -> dict[str, Any]:
        names = {key: self._names.get(key, key) for key in input}
        strangers = [key for key in input if key not in self._names]
        if self._unlabelled and len(strangers) == 1 and self._unlabelled not in names.values():
            names[strangers[0]] = self._unlabelled  # only the server knows the name of such an input
        if len(set(names.values())) < len(names):
            names = {key: key for key in input}  # one input twice: the server decides which one counts
        return {names[key]: input[key] for key in input if key not in self._secret and names[key] not in self._secret}


def _digest(value: Any) -> str:
    digest = new_digest()
    digest.update(json.dumps(value, sort_keys=True).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Whole numbers are equal in any form that a server writes."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case _:
            return value


def _shape(value: Any) -> Any:
    match value:
        case dict():
            return {key: _shape(one) for key, one in value.items()}
        case str():
            return "long text" if len(value) > LONG_TEXT else "text"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case _:
            return type(value).__name__
