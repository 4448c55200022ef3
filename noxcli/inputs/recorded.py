"""The inputs of an earlier run, from its record, with some of them replaced."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from noxcli.inputs.definition import InputNode, meant_by
from noxcli.inputs.parse import Inputs


def with_recorded(
    recorded: Mapping[str, Any], given: Inputs, secret: Collection[str] | None, nodes: Sequence[InputNode] | None
) -> Inputs:
    """Return the recorded inputs of a run, replaced by those that are `given`.

    `secret` has the keys of its secrets, None if they are not known. They stay secret; unless all are among the
    recorded ones, each of these may be one. `nodes` are the workflow's inputs, by which a label and an id may mean
    the same; None if they are not known.
    """
    meaning = {key: _meaning(key, nodes) for key in (*recorded, *given.values, *(secret or ()))}
    overridden = {meaning[key] for key in given.values}
    kept = {key: value for key, value in recorded.items() if meaning[key] not in overridden}
    hidden = {meaning[key] for key in secret or ()}
    recognized = secret is not None and hidden <= {meaning[key] for key in recorded}
    values = {**kept, **given.values}
    return replace(
        given,
        values=values,
        secret=given.secret | {key for key in values if meaning[key] in hidden},
        veiled=frozenset() if recognized else frozenset(kept),
    )


def _meaning(key: str, nodes: Sequence[InputNode] | None) -> str:
    """Return the id of the one input that the key means, or else the key itself."""
    meant = meant_by(key, nodes or ())
    return meant[0].id if len(meant) == 1 else key
