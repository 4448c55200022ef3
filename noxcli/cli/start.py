"""The start of a run: inputs checked against the workflow, files stored, sent once, id noted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from noxcli.cli.context import Context
from noxcli.cli.ending import complain, print_hint
from noxcli.cli.options import InputArguments, RunOptions, option_of, source_of
from noxcli.cli.session import Session
from noxcli.codec import to_json
from noxcli.errors import (
    CommandLine,
    Hint,
    NotFound,
    NoxError,
    Phase,
    RequestRejected,
    TimedOutBeforeStart,
    Unauthorized,
    Unavailable,
    UsageProblem,
)
from noxcli.inputs.definition import inputs_of, outputs_of
from noxcli.inputs.parse import Inputs, item_start, parse_inputs
from noxcli.inputs.uploads import store_files
from noxcli.models import Run, Version, Workflow, is_uuid
from noxcli.retry import ReadPages
from noxcli.runs.resolve import resolve_version
from noxcli.runs.start import InputDigests, StartAttempt, StartRequest, send_once
from noxcli.state.history import Entry, write_state
from noxcli.timing import Deadline, parse_time

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

# Options about the run, by name, which `--detach` does not see through.
OF_THE_OUTPUT = ("raw", "output_dir")
OF_FOLLOWING = (
    "on_interrupt",
    "timeout",
    "stall_timeout",
    "on_timeout",
    "on_pause",
    "poll_interval",
    "no_stream",
)
MAX_READ = 10.0  # seconds for the definition from a server that answers other requests
T = TypeVar("T")


def require_startable(ctx: typer.Context, options: RunOptions) -> None:
    """Find errors that prevent a start before the first request.

    Raises UsageProblem, and TimedOutBeforeStart for a limit of 0.
    """
    if options.detach:
        _require_before_start(ctx, OF_THE_OUTPUT, "fetch-output RUN --wait")
        _require_before_start(ctx, OF_FOLLOWING, "wait RUN")
    if options.timeout == 0:
        raise TimedOutBeforeStart(
            "--timeout 0 leaves no time to start anything", "increase --timeout"
        )
    if options.asserts and (options.detach or options.dry_run):
        raise UsageProblem("--assert needs a result", "drop --assert, or --detach and --dry-run")


def _require_before_start(ctx: typer.Context, names: Sequence[str], verb: str) -> None:
    """Raise UsageProblem for one of these options on the command line: `verb` takes it after the
    start.
    """
    for name in names:
        if source_of(ctx, name) == "COMMANDLINE":
            option = option_of(name)
            raise UsageProblem(
                f"--detach ends before {option} has an effect", f"give {option} to noxcli {verb}"
            )


def parse_given_inputs(noxus: Session, given: InputArguments, whole: str | None = None) -> Inputs:
    """Return the inputs of the command line, and hide secret values from now on.

    Raises UsageProblem.
    """
    context = noxus.context
    inputs = parse_inputs(
        given.inputs or [],
        whole,
        context.sources,
        secrets=given.secrets or [],
        environ=context.terminal.environ,
    )
    context.hide(inputs)
    for key in sorted(inputs.texts - inputs.secret):
        if inputs.values[key] == "-":
            context.terminal.note(
                f"{key!r} is sent as the text -; from stdin, write {item_start(key, None)}@-"
            )
    return inputs


def read_workflow_to_run(
    noxus: Session, workflow: Workflow, wanted: str | None, *, checks: bool
) -> Workflow:
    """Return the workflow in the requested version, with its definition if `checks`.

    If that can't be read but a run may start, returns it without one, after a warning. Raises as
    `find_version`.
    """
    context = noxus.context
    version = None
    if wanted is not None:
        version = find_version(noxus, workflow, wanted, checks=checks)
        workflow = replace(workflow, version_id=version.id, version_name=_name_of(version))
    if not checks:
        return workflow
    found: Workflow | NoxError | None = already_read(workflow, version)
    if found is None:
        found = _read_or_explain(noxus, lambda api: api.get_workflow(workflow.id))
    if isinstance(found, NotFound):
        raise found
    if isinstance(found, NoxError):
        unread = "the inputs are not checked, since the workflow can't be read"
        context.terminal.warn(f"{unread}: {found.message}")
        return workflow
    nodes = inputs_of(found.definition)
    if nodes is None:
        context.terminal.warn("the workflow's definition can't be read: the inputs are not checked")
    elif version is None:
        context.cache.save_keys(workflow.id, nodes, outputs_of(found.definition) or [])
    # An odd answer may have another id.
    return replace(
        found, id=workflow.id, version_id=workflow.version_id, version_name=workflow.version_name
    )


def _name_of(version: Version) -> str:
    """Return a version's name, or else when it was saved."""
    if version.name:
        return version.name
    saved = parse_time(version.created_at)
    if saved is None:
        return ""
    return f"saved {saved.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def check_outputs(noxus: Session, raw: Sequence[str], workflow: Workflow) -> None:
    """Warn of keys in --raw, --query and --assert that may not be outputs.

    Raises UsageProblem for one that is none.
    """
    context = noxus.context
    wanted = [("--raw", raw)]
    if outputs_of(workflow.definition):
        if context.printing.query is not None:
            wanted.append(("--query", context.printing.query.keys_of("output")))
        for query in context.reports.asserts:
            wanted.append(("--assert", query.keys_of("output")))
    for option, keys in wanted:
        if keys:
            from noxcli.outputs.choose import check_keys  # loaded only with one of them

            for line in check_keys(keys, workflow.definition, option):
                context.terminal.warn(line)


def check_inputs(
    noxus: Session, workflow: Workflow, inputs: Inputs, options: RunOptions, named: str
) -> Inputs:
    """Return the inputs as the workflow takes them, if it says so, unless they are not to be
    checked.

    `named` is the workflow in messages. Raises WrongInputs with all mistakes; as `check_outputs`.
    """
    if options.no_check:
        return inputs
    from noxcli.inputs.preflight import line_to_inputs, validate_inputs  # not with --no-check

    nodes = inputs_of(workflow.definition)
    if nodes is not None:
        result = validate_inputs(inputs, nodes, line_to_inputs(named, workflow.version_id))
        for line in result.notes:
            noxus.context.terminal.note(line)
        for line in result.warnings:
            noxus.context.terminal.warn(line)
        inputs = result.inputs
    check_outputs(noxus, options.raw or (), workflow)
    return inputs


def read_whole_workflow(noxus: Session, found: Workflow, version_id: str | None) -> Workflow:
    """Return the workflow with its definition, in the saved version of this id or name if one is
    given.

    Raises Unavailable if its nodes can't be read, NotFound and UsageProblem as `resolve_version`.
    """
    version = None
    if version_id is not None:
        versions = noxus.list_versions(found.id)
        version = resolve_version(versions, version_id)
    known = already_read(found, version)
    if known is None:
        known = noxus.keep_trying(lambda api: api.get_workflow(found.id))
    if inputs_of(known.definition) is None:
        which = "definition" if version is None else f"definition in version {version_id}"
        raise Unavailable(f"the workflow's {which} can't be read: it has no list of nodes")
    if version is None:
        return known
    return replace(known, id=found.id, version_id=version.id, version_name=_name_of(version))


def already_read(workflow: Workflow, version: Version | None) -> Workflow | None:
    """Return the workflow with the definition to use, if a list included it."""
    if version is not None:
        return replace(version.workflow, name=workflow.name)  # the version's own name is another
    if "nodes" in workflow.definition:
        return workflow
    return None


def find_version(noxus: Session, workflow: Workflow, wanted: str, *, checks: bool) -> Version:
    """Return the saved version with this id or name.

    If the versions can't be read, or with `checks` false, an id is used unchanged, and the start
    decides. Raises UsageProblem for a name that can't be looked up or is not unique, NotFound for
    an unknown version; what reading raises if a start would also fail.
    """
    unread = Version(wanted, None, Workflow(workflow.id, workflow.name))
    if is_uuid(wanted) and not checks:
        return unread
    pages = ReadPages()
    found = _read_or_explain(noxus, lambda api: list(api.list_versions(workflow.id, pages)))
    if isinstance(found, list):
        return resolve_version(found, wanted)
    if not is_uuid(wanted):
        unread_list = f"since the workflow's versions can't be read: {found.message}"
        raise UsageProblem(
            f"version {wanted!r} can't be looked up, {unread_list}",
            "give --version-id the version's id",
        )
    noxus.context.terminal.warn(f"the workflow's versions can't be read: {found.message}")
    return unread


def _read_or_explain(noxus: Session, read: Callable[["NoxusApi"], T]) -> T | NoxError:
    """Return the result of `read`, or why some seconds did not bring it if a run may start anyway.

    While the server answers nothing else either, it is repeated as long as every other read.
    """
    limit = Deadline(noxus.context.clock, MAX_READ)
    try:
        return noxus.keep_trying(
            lambda api: read(api.within(MAX_READ)),
            lambda error, _: error.concerns_all or not limit.passed,
        )
    except Unauthorized as error:
        if error.http_status != 403:
            raise
        return error
    except (RequestRejected, NotFound) as error:
        return error
    except Unavailable as error:
        if error.concerns_all:
            raise
        return error


def upload_files(noxus: Session, inputs: Inputs) -> dict[str, Any]:
    """Return the input object with every file stored. Raises what the API raises.

    Nothing is started then.
    """
    context = noxus.context
    context.outcome.entered(Phase.UPLOAD)
    note = context.terminal.note
    return store_files(inputs.values, noxus.api, noxus.retries(), note, context.sources)


def start_once(
    noxus: Session, workflow: Workflow, inputs: Inputs, options: RunOptions
) -> Run | None:
    """Store the files, start the run, and note its id in the history, the state file and on stderr.

    Return the run to follow: None after --dry-run and --detach, which print the request and the id.
    Raises TimedOutBeforeStart; what storing and `send_once` raise.
    """
    context = noxus.context
    if options.dry_run:
        _show_request(noxus, workflow, inputs, options)
        return None
    payload = upload_files(noxus, inputs)
    if noxus.deadline.passed:
        raise TimedOutBeforeStart("out of time before the start", "increase --timeout")
    context.outcome.entered(Phase.START)
    nodes = None if options.no_check else inputs_of(workflow.definition)
    digests = InputDigests(nodes, inputs.secret)
    request = StartRequest(workflow.id, payload, digests, workflow.version_id, options.callback_url)
    history = context.history
    host = context.base_url

    def is_noted(run_id: str) -> bool:
        return history.find_entry(run_id, host) is not None

    def note(run: Run) -> None:
        _note_started(context, run, workflow, inputs)
        _announce(context, options.state_file, run)
        context.terminal.note(f"started run {run.id}")

    attempt = StartAttempt(noxus.api, request, is_noted)
    context.outcome.attempted(attempt)
    run = send_once(attempt, policy=noxus.retries(), deadline=noxus.deadline, note=note)
    if not options.detach:
        return run
    print_hint(context, Hint("follow it with: ", CommandLine("stream", run.id)))
    if context.printing.format.is_text:
        context.terminal.write(f"{run.id}\n")
    return None


def _note_started(context: Context, run: Run, workflow: Workflow, inputs: Inputs) -> None:
    """Note a run that was started in the outcome, the history, and for completion."""
    named = run
    if workflow.name and run.workflow is None:
        named = replace(run, workflow=workflow)
    context.outcome.started(named, inputs.shown())
    secret = None if inputs.veiled else inputs.secret
    context.history.begin(Entry(run.id, run.workflow_id, context.base_url, secret))
    context.cache.save_run(run, workflow.name)


def _show_request(noxus: Session, workflow: Workflow, inputs: Inputs, options: RunOptions) -> None:
    context = noxus.context
    body = noxus.api.run_request(inputs.shown(), workflow.version_id, options.callback_url)
    if context.printing.format.is_text:
        context.terminal.write(f"{to_json(body, indent=2)}\n")
    else:
        path = f"/v1/workflows/{workflow.id}/runs"
        context.outcome.would_send({"method": "POST", "path": path, "body": body})


def _announce(context: Context, state_file: str | None, run: Run) -> None:
    """Tell other programs about the run.

    If that fails, it is running all the same, and its id is on stderr.
    """
    mask = context.terminal.mask
    try:
        if state_file is not None:
            entry = Entry(mask(run.id), mask(run.workflow_id), context.base_url)
            write_state(Path(state_file), entry)
    except NoxError as error:
        complain(context, error)
        context.state_file_error = error
    try:
        context.reports.report_start(run, mask)
    except NoxError as error:
        complain(context, error)
    context.resume_command = context.line_to_stream(run.id)
