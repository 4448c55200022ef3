"""The steps of `run` before the start: find the workflow, check the inputs against it, store the files."""

from collections.abc import Callable
from typing import Any, TypeVar

from noxcli.cli.context import Context
from noxcli.cli.groups import Checking, Given
from noxcli.cli.invocation import Invocation
from noxcli.encode import to_json
from noxcli.errors import (
    NotFound,
    NoxError,
    Phase,
    Refused,
    TimedOutBeforeStart,
    Unauthorized,
    Unavailable,
    UsageProblem,
)
from noxcli.inputs.definition import inputs_of, outputs_of
from noxcli.inputs.parse import Inputs, read_inputs
from noxcli.inputs.uploads import Uploader
from noxcli.models import Version, Workflow, is_uuid
from noxcli.retry import Patience
from noxcli.runs.resolve import resolve_version
from noxcli.timing import Deadline

LONGEST_LOOK_UP = 10.0  # seconds for one read of the definition
T = TypeVar("T")


def given_inputs(context: Context, given: Given) -> Inputs:
    """Return the inputs of the command line, and hide secret values from now on. Raises UsageProblem."""
    environ, secrets = context.terminal.environ, given.secrets or []
    inputs = read_inputs(given.inputs or [], given.whole, context.sources, secrets=secrets, environ=environ)
    context.hide(inputs)
    return inputs


def checked(call: Invocation, workflow: Workflow, inputs: Inputs, *, named: str) -> Inputs:
    """Return the inputs as the workflow takes them. Raises WrongInputs with all mistakes."""
    from noxcli.inputs.preflight import check  # not with --no-check

    result = check(inputs, inputs_of(workflow.definition), named)
    for line in result.notes:
        call.context.terminal.note(line)
    for line in result.warnings:
        call.context.terminal.note(f"warning: {line}")
    return result.inputs


def note_keys(context: Context, workflow: Workflow) -> None:
    """Save for completion what inputs and outputs the workflow has."""
    if (nodes := inputs_of(workflow.definition)) is not None:
        context.cache.inputs(workflow.id, nodes)
        context.cache.outputs(workflow.id, outputs_of(workflow.definition) or [])


def read_workflow(
    call: Invocation, workflow: Workflow, patience: Patience, version: Version | None = None
) -> Workflow | None:
    """Return the workflow with its definition, None after a warning if that can't be read but a run may start."""
    if known := told(workflow, version):
        return known
    found = _look(lambda: call.api.get_workflow(workflow.id, within=call.deadline.left(LONGEST_LOOK_UP)), patience)
    if isinstance(found, Workflow):
        return found
    if isinstance(found, NotFound):
        raise found
    call.context.terminal.note(
        f"warning: the inputs are not checked, since the workflow can't be read: {found.message}"
    )
    return None


def told(workflow: Workflow, version: Version | None) -> Workflow | None:
    """Return the workflow with the definition to use, if a list of workflows or of versions included it."""
    if version is not None:
        return version.workflow
    return workflow if "nodes" in workflow.definition else None


def chosen_version(call: Invocation, workflow: Workflow, checking: Checking, patience: Patience) -> Version | None:
    """Return the saved version for --version-id, None without this option.

    If the versions can't be read, or their definition is not needed, an id is used unchanged, and the start decides.
    Raises UsageProblem for a name that can't be looked up or is not unique, NotFound for an unknown version; what
    reading raises if a start would also fail.
    """
    asked = checking.version_id
    if asked is None:
        return None
    unread = Version(asked, None, Workflow(workflow.id, workflow.name))
    if is_uuid(asked) and checking.no_check:
        return unread
    within = call.deadline.left(LONGEST_LOOK_UP)
    found = _look(lambda: list(call.api.list_versions(workflow.id, within=within)), patience)
    if isinstance(found, list):
        return resolve_version(found, asked)
    if not is_uuid(asked):
        raise UsageProblem(
            f"version {asked!r} can't be looked up, since the workflow's versions can't be read: {found.message}",
            "give --version-id the version's id",
        )
    call.context.terminal.note(f"warning: the workflow's versions can't be read: {found.message}")
    return unread


def _look(look: Callable[[], T], patience: Patience) -> T | NoxError:
    """Return the result of `look`, or why it could not be read if a run may start anyway."""
    try:
        return patience.keep_trying(look, worth=lambda error: error.overloaded)
    except Unauthorized as error:
        if error.http_status != 403:
            raise
        return error
    except (Refused, NotFound) as error:
        return error
    except Unavailable as error:
        if not error.sent:
            raise
        return error


def show_request(context: Context, workflow: Workflow, body: dict[str, Any]) -> None:
    """Print the request (`--dry-run`)."""
    if context.writes_text:
        context.terminal.write(f"{to_json(body, indent=2)}\n")
    else:
        context.outcome.request = {"method": "POST", "path": f"/v1/workflows/{workflow.id}/runs", "body": body}


def stored(call: Invocation, inputs: Inputs, patience: Patience) -> dict[str, Any]:
    """Return the input object with every file stored.

    Raises what the API raises; nothing is started then.
    """
    call.context.enter(Phase.UPLOAD)
    uploader = Uploader(call.api, patience, call.context.clock, call.context.terminal.note, call.context.sources)
    return inputs.stored(uploader.store)


def require_time(deadline: Deadline) -> None:
    """Raise TimedOutBeforeStart if the time is up before the start."""
    if deadline.passed:
        raise TimedOutBeforeStart("out of time before the start", "increase --timeout")
