"""What `run` does before the start: find the workflow, check the inputs against it, store the files."""

from typing import TYPE_CHECKING, Any

from noxcli.commands.context import Context
from noxcli.definition import inputs_of
from noxcli.encode import to_json
from noxcli.errors import Phase, Refused, TimedOutBeforeStart, Unauthorized, Unavailable
from noxcli.inputs import Inputs
from noxcli.models import Workflow
from noxcli.patience import Patience
from noxcli.preflight import check
from noxcli.timing import Deadline
from noxcli.uploads import Uploader

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LONGEST_LOOK = 10.0  # seconds for one read of the definition


def checked(
    context: Context,
    api: "NoxusApi",
    workflow: Workflow,
    inputs: Inputs,
    deadline: Deadline,
    patience: Patience,
    *,
    named: str,
    version_id: str | None = None,
) -> tuple[Workflow, Inputs]:
    """Return the workflow as it was read, and the inputs as it takes them.

    Raises WrongInputs with all that is wrong; what reading raises where a start could not go better.
    """
    known = read_workflow(context, api, workflow, deadline, patience, version_id)
    if known is None:
        return workflow, inputs
    if version_id is None and (nodes := inputs_of(known.definition)) is not None:
        context.known.inputs(workflow.id, nodes)
    result = check(inputs, known.definition, named)
    for line in result.notes:
        context.terminal.note(line)
    for line in result.warnings:
        context.terminal.note(f"warning: {line}")
    return known, result.inputs


def read_workflow(
    context: Context,
    api: "NoxusApi",
    workflow: Workflow,
    deadline: Deadline,
    patience: Patience,
    version_id: str | None = None,
) -> Workflow | None:
    """Return the workflow with its definition, None after a warning where that can't be read but a run may start.

    A list of workflows may have told it already.
    """
    if version_id is None and "nodes" in workflow.definition:
        return workflow

    def look() -> Workflow:
        within = deadline.left(LONGEST_LOOK)
        if version_id is not None:
            return api.get_version(workflow.id, version_id, within=within)
        return api.get_workflow(workflow.id, within=within)

    try:
        return patience.keep_trying(look, worth=lambda error: error.overloaded)
    except Unauthorized as error:
        if error.http_status != 403:
            raise
        why = error.message
    except Refused as error:
        why = error.message
    except Unavailable as error:
        if not error.sent:
            raise
        why = error.message
    context.terminal.note(f"warning: the inputs are not checked, since the workflow can't be read: {why}")
    return None


def show_request(context: Context, workflow: Workflow, body: dict[str, Any]) -> None:
    """Print what would be sent (`--dry-run`)."""
    if context.writes_text:
        context.terminal.write(f"{to_json(body, indent=2)}\n")
    else:
        context.outcome.request = {"method": "POST", "path": f"/v1/workflows/{workflow.id}/runs", "body": body}


def stored(context: Context, api: "NoxusApi", inputs: Inputs, patience: Patience) -> dict[str, Any]:
    """Return the input object with every file stored.

    Raises what the API raises; nothing is started then.
    """
    context.enter(Phase.UPLOAD)
    uploader = Uploader(api, patience, context.clock, context.terminal.note)
    return inputs.stored(uploader.store)


def require_time(deadline: Deadline) -> None:
    """Raise TimedOutBeforeStart where no time is left to start anything."""
    if deadline.passed:
        raise TimedOutBeforeStart("out of time before the start", "give --timeout more")
