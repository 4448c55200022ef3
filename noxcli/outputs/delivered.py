"""The state of an output: delivered or not, complete or not. Loads none of the code that completes it."""

from dataclasses import field
from typing import Any

from noxcli.errors import Undelivered
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.outputs.values import find_remote


@fixed
class Delivered:
    """The output as delivered; `complete` is true only if nothing in it is a preview."""

    output: Any
    files: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = True
    problems: list[str] = field(default_factory=list)


def require_whole(delivered: Delivered, run: Run) -> None:
    """Raise Undelivered if part of the run's output could not be downloaded or written."""
    if delivered.problems:
        raise Undelivered(
            f"the output of run {run.id} is incomplete: {'; '.join(delivered.problems)}",
            f"try again: noxcli fetch-output {run.id}",
        )


def is_complete(output: Any) -> bool:
    """True if nothing in the output is a preview."""
    return not any(remote.is_text for remote in find_remote(output))
