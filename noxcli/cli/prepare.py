"""The steps of `run` before the start: find the workflow, check the inputs against it, store the files."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from noxcli.cli.context import Context
from noxcli.cli.deliver import check_directory
from noxcli.cli.options import InputOptions, PreflightOptions, Running
from noxcli.cli.session import Session
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
from noxcli.fixed import fixed
from noxcli.inputs.definition import inputs_of, outputs_of
from noxcli.inputs.parse import Inputs, read_inputs
from noxcli.inputs.uploads import Uploader
from noxcli.models import Version, Workflow, is_uuid
from noxcli.retry import Patience
from noxcli.runs.candidates import Comparison
from noxcli.runs.resolve import resolve_version

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LONGEST_LOOK_UP = 10.0  # seconds for one read of the definition
T = TypeVar("T")


@fixed
class Target:
    """What to run: a workflow, its definition as far as that was read, and the version that was asked for."""

    found: Workflow
    known: Workflow | None
    version: Version | None


@fixed
class RunSpec:
    """One run to start; `known` is its workflow as far as it was read."""

    found: Workflow
    known: Workflow
    inputs: Inputs
    version_id: str | None
    callback_url: str | None
    keys_known: bool  # the definition tells what the keys of inputs mean

    def comparison(self) -> Comparison:
        """Return how the inputs of other runs compare with these."""
        return Comparison(inputs_of(self.known.definition) if self.keys_known else None, self.inputs.secret)

    def request(self, api: "NoxusApi", inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body that starts the run."""
        return api.run_request(inputs, self.version_id, self.callback_url)


def require_startable(noxus: Session, options: Running) -> None:
    """Find errors that prevent a start, or the delivery of its output, before the first request.

    Raises UsageProblem, and TimedOutBeforeStart for a limit of 0.
    """
    if options.timeout == 0:
        raise TimedOutBeforeStart("--timeout 0 leaves no time to start anything", "increase --timeout, or use --detach")
    if options.asserts and (options.detach or options.dry_run):
        raise UsageProblem("--assert needs a result", "drop --assert, or --detach and --dry-run")
    check_directory(noxus, options)


def given_inputs(context: Context, given: InputOptions) -> Inputs:
    """Return the inputs of the command line, and hide secret values from now on. Raises UsageProblem."""
    environ, secrets = context.terminal.environ, given.secrets or []
    inputs = read_inputs(given.inputs or [], given.whole, context.sources, secrets=secrets, environ=environ)
    context.hide(inputs)
    return inputs


def new_run(noxus: Session, options: Running, workflow: str, inputs: Inputs) -> RunSpec:
    """Return the run that the command line alone determines.

    Raises as `Session.workflow`, `target_of` and `run_spec`.
    """
    noxus.context.enter(Phase.PREFLIGHT)
    patience = noxus.patience(out_of_time=TimedOutBeforeStart)
    target = target_of(noxus, options, noxus.workflow(workflow, patience), patience)
    return run_spec(noxus, options, target, inputs, named=workflow)


def target_of(noxus: Session, options: PreflightOptions, found: Workflow, patience: Patience) -> Target:
    """Return what to run, with its definition unless that is not to be checked. Raises as `chosen_version`."""
    asked = options.version_id
    version = None if asked is None else chosen_version(noxus, found, asked, patience, look=not options.no_check)
    if options.no_check:
        return Target(found, found if found.nodes else None, version)  # the list of workflows had everything
    known = read_workflow(noxus, found, patience, version)
    if known is not None and version is None:
        note_keys(noxus.context, known)
    return Target(found, known, version)


def run_spec(noxus: Session, options: Running, target: Target, inputs: Inputs, *, named: str) -> RunSpec:
    """Return the run to start, its inputs checked.

    Raises WrongInputs with all mistakes, and UsageProblem for a --raw that is not an output.
    """
    known = target.known
    if known is not None and not options.no_check:
        inputs = checked(noxus, known, inputs, named=named)
        if options.raw:
            from noxcli.outputs.choose import check_keys  # loaded only with --raw

            for line in check_keys(options.raw, known.definition):
                noxus.context.terminal.note(f"warning: {line}")
    version_id = target.version.id if target.version else None
    known = known or target.found
    return RunSpec(target.found, known, inputs, version_id, options.callback_url, keys_known=not options.no_check)


def checked(noxus: Session, workflow: Workflow, inputs: Inputs, *, named: str) -> Inputs:
    """Return the inputs as the workflow takes them. Raises WrongInputs with all mistakes."""
    from noxcli.inputs.preflight import check  # not with --no-check

    result = check(inputs, inputs_of(workflow.definition), named)
    for line in result.notes:
        noxus.context.terminal.note(line)
    for line in result.warnings:
        noxus.context.terminal.note(f"warning: {line}")
    return result.inputs


def note_keys(context: Context, workflow: Workflow) -> None:
    """Save for completion what inputs and outputs the workflow has."""
    if (nodes := inputs_of(workflow.definition)) is not None:
        context.cache.inputs(workflow.id, nodes)
        context.cache.outputs(workflow.id, outputs_of(workflow.definition) or [])


def read_workflow(
    noxus: Session, workflow: Workflow, patience: Patience, version: Version | None = None
) -> Workflow | None:
    """Return the workflow with its definition, None after a warning if that can't be read but a run may start."""
    if known := told(workflow, version):
        return known
    found = _look(lambda: noxus.api.get_workflow(workflow.id, within=noxus.deadline.left(LONGEST_LOOK_UP)), patience)
    if isinstance(found, Workflow):
        return found
    if isinstance(found, NotFound):
        raise found
    noxus.context.terminal.note(
        f"warning: the inputs are not checked, since the workflow can't be read: {found.message}"
    )
    return None


def told(workflow: Workflow, version: Version | None) -> Workflow | None:
    """Return the workflow with the definition to use, if a list of workflows or of versions included it."""
    if version is not None:
        return version.workflow
    return workflow if "nodes" in workflow.definition else None


def chosen_version(noxus: Session, workflow: Workflow, asked: str, patience: Patience, *, look: bool) -> Version:
    """Return the saved version with this id or name.

    If the versions can't be read, or with `look` false, an id is used unchanged, and the start decides.
    Raises UsageProblem for a name that can't be looked up or is not unique, NotFound for an unknown version; what
    reading raises if a start would also fail.
    """
    unread = Version(asked, None, Workflow(workflow.id, workflow.name))
    if is_uuid(asked) and not look:
        return unread
    within = noxus.deadline.left(LONGEST_LOOK_UP)
    found = _look(lambda: list(noxus.api.list_versions(workflow.id, within=within)), patience)
    if isinstance(found, list):
        return resolve_version(found, asked)
    if not is_uuid(asked):
        raise UsageProblem(
            f"version {asked!r} can't be looked up, since the workflow's versions can't be read: {found.message}",
            "give --version-id the version's id",
        )
    noxus.context.terminal.note(f"warning: the workflow's versions can't be read: {found.message}")
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


def show_request(noxus: Session, spec: RunSpec) -> None:
    """Print the request (`--dry-run`)."""
    context, body = noxus.context, spec.request(noxus.api, spec.inputs.shown())
    if context.printing.writes_text:
        context.terminal.write(f"{to_json(body, indent=2)}\n")
    else:
        context.outcome.request = {"method": "POST", "path": f"/v1/workflows/{spec.found.id}/runs", "body": body}


def stored(noxus: Session, inputs: Inputs, patience: Patience) -> dict[str, Any]:
    """Return the input object with every file stored.

    Raises what the API raises; nothing is started then.
    """
    noxus.context.enter(Phase.UPLOAD)
    uploader = Uploader(noxus.api, patience, noxus.context.clock, noxus.context.terminal.note, noxus.context.sources)
    return inputs.stored(uploader.store)
