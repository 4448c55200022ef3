"""The inputs of an earlier run, from its record, with some of them replaced."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from noxcli.codec import to_json
from noxcli.errors import UsageProblem
from noxcli.inputs.definition import InputNode, meant_by
from noxcli.inputs.parse import Inputs


def with_recorded(
    recorded: Mapping[str, Any],
    given: Inputs,
    secret: Collection[str] | None,
    nodes: Sequence[InputNode] | None,
    run: str,
) -> Inputs:
    """Return the recorded inputs of the run, replaced by those that are `given`.

    `secret` has the keys of its secrets, None if they are not known: then no recorded value is shown. `nodes` are
    the workflow's inputs, by which a label and an id may mean the same; None if they are not known.
    Raises UsageProblem for a secret that must be given again.
    """
    overridden = {_meaning(key, nodes) for key in given.values}
    kept = {key: value for key, value in recorded.items() if _meaning(key, nodes) not in overridden}
    secrets = sorted(secret or ())
    for key in secrets:
        if _meaning(key, nodes) not in overridden:
            raise UsageProblem(
                f"the input {key!r} of run {run} was secret, and is not passed on", f"give it again: {_secret(key)}"
            )
        _require_told_apart(key, kept, nodes, recorded)
    once_secret = {_meaning(key, nodes) for key in secrets}
    again_secret = {key for key in given.values if _meaning(key, nodes) in once_secret}
    return replace(
        given,
        values={**kept, **given.values},
        secret=given.secret | again_secret,
        veiled=frozenset(kept) if secret is None else frozenset(),
    )


def secrets_among(recorded: Mapping[str, Any], secret: Collection[str], nodes: Sequence[InputNode] | None) -> list[str]:
    """Return the secret texts in the record: the server shows them, noxcli does not."""
    hidden = {_meaning(key, nodes) for key in secret}
    found = [value for key, value in recorded.items() if _meaning(key, nodes) in hidden]
    return [value if isinstance(value, str) else to_json(value) for value in found]


def _require_told_apart(
    key: str, kept: Mapping[str, Any], nodes: Sequence[InputNode] | None, recorded: Mapping[str, Any]
) -> None:
    """Raise UsageProblem if one of the `kept` inputs may be the secret, under another key."""
    if _meaning(key, nodes) in {_meaning(each, nodes) for each in recorded}:
        return
    strange = [each for each in kept if not _is_known(each, nodes)]
    if strange:
        raise UsageProblem(
            f"the recorded input {strange[0]!r} may be the secret {key!r} under another key",
            f"start the run with all its inputs: noxcli run WORKFLOW {_secret(key)} ...",
        )


def _meaning(key: str, nodes: Sequence[InputNode] | None) -> str:
    """Return the id of the one input that the key means, or else the key itself."""
    meant = meant_by(key, nodes or ())
    return meant[0].id if len(meant) == 1 else key


def _is_known(key: str, nodes: Sequence[InputNode] | None) -> bool:
    return any(key == node.label or key in node.addresses for node in nodes or ())


def _secret(key: str) -> str:
    return f"--secret {shlex.quote(f'{key}=ENVNAME')}"
