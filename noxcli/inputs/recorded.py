"""The inputs of an earlier run, from its record, with some of them replaced."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from noxcli.encode import to_json
from noxcli.errors import UsageProblem
from noxcli.inputs.definition import InputNode, meant_by
from noxcli.inputs.parse import Inputs

# How a server may mask a value: no page of the docs says whether it does.
WITHHELD = re.compile(r"[*\u2022\u25cf]{3,}|[\[<(](?:redacted|masked|hidden|secret)[\])>]", re.IGNORECASE)


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
    Raises UsageProblem for an input that must be given again: a secret, or one that the record masks.
    """
    anew = {_meaning(key, nodes) for key in given.values}
    kept = {key: value for key, value in recorded.items() if _meaning(key, nodes) not in anew}
    secrets = sorted(secret or ())
    for key in secrets:
        if _meaning(key, nodes) not in anew:
            raise UsageProblem(
                f"the input {key!r} of run {run} was secret, and is not passed on", f"give it again: {_secret(key)}"
            )
        _require_told_apart(key, kept, nodes, recorded)
    _require_unmasked(kept, run)
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


def _require_unmasked(kept: Mapping[str, Any], run: str) -> None:
    """Raise UsageProblem if the record has a mask instead of a value."""
    for key, value in kept.items():
        if _is_withheld(value):
            raise UsageProblem(
                f"the record of run {run} masks the input {key!r}", f"give it again, as KEY=VALUE or {_secret(key)}"
            )


def _meaning(key: str, nodes: Sequence[InputNode] | None) -> str:
    """Return the id of the one input that the key means, or else the key itself."""
    meant = meant_by(key, nodes or ())
    return meant[0].id if len(meant) == 1 else key


def _is_known(key: str, nodes: Sequence[InputNode] | None) -> bool:
    return any(key == node.label or key in node.addresses for node in nodes or ())


def _is_withheld(value: Any) -> bool:
    """True for a mask instead of a value, at any depth."""
    level = [value]
    while level:
        if any(isinstance(each, str) and WITHHELD.fullmatch(each) for each in level):
            return True
        below = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for values in below for each in values]
    return False


def _secret(key: str) -> str:
    return f"--secret {shlex.quote(f'{key}=ENVNAME')}"
