"""What people write becomes what the API takes: a workflow by name, a run by its id alone."""

import difflib
from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from noxcli.errors import NotFound, UsageProblem
from noxcli.models import Run, Workflow
from noxcli.patience import Patience


class Directory(Protocol):
    """What resolving needs of the API."""

    def list_workflows(self) -> Iterable[Workflow]: ...
    def find_run(self, run_id: str) -> Run: ...
    def get_run(self, workflow_id: str, run_id: str) -> Run: ...


def resolve_workflow(api: Directory, text: str, patience: Patience) -> str:
    """Return the workflow's id; an id is taken as it is, without a request.

    Raises UsageProblem for a name that several workflows have, NotFound for one that none has.
    """
    if is_uuid(text):
        return text
    workflows = patience.keep_trying(lambda: list(api.list_workflows()))
    matches = [workflow for workflow in workflows if workflow.name == text]
    if len(matches) > 1:
        ids = ", ".join(workflow.id for workflow in matches)
        raise UsageProblem(f"{len(matches)} workflows are named {text!r}", f"give one of their ids: {ids}")
    if not matches:
        near = difflib.get_close_matches(text, [workflow.name for workflow in workflows], n=1)
        raise NotFound(f"no workflow has the id or name {text!r}", f"did you mean {near[0]!r}?" if near else None)
    return matches[0].id


def resolve_run(api: Directory, text: str, patience: Patience) -> Run:
    """Return the run, as its record has it now. One named as WORKFLOW_ID/RUN_ID comes with its output.

    Raises UsageProblem for a text that can be neither form.
    """
    workflow_id, _, run_id = text.rpartition("/")
    if not run_id.strip(".") or "/" in workflow_id:
        raise UsageProblem(f"{text!r} is no run", "give a run id, or WORKFLOW_ID/RUN_ID")
    if workflow_id:
        return patience.keep_trying(lambda: api.get_run(workflow_id, run_id))
    return patience.keep_trying(lambda: api.find_run(run_id))


def is_uuid(text: str) -> bool:
    """True for ids as the API writes them."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
