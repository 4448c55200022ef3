"""The start of a run on the command line: sent once, and its id noted before anything else can fail."""

from dataclasses import replace
from pathlib import Path

from noxcli.cli.context import Context
from noxcli.cli.ending import complain, print_hint
from noxcli.cli.options import RunOptions
from noxcli.cli.prepare import upload_files
from noxcli.cli.session import Session
from noxcli.codec import to_json
from noxcli.errors import NoxError, Phase, TimedOutBeforeStart
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import Inputs
from noxcli.models import Run, Workflow
from noxcli.runs.start import InputDigests, StartAttempt, StartRequest, send_once
from noxcli.state.history import Entry, write_state


def start_once(noxus: Session, workflow: Workflow, inputs: Inputs, options: RunOptions) -> Run | None:
    """Store the files, start the run, and note its id immediately: in the history, the state file and on stderr.

    Return the run to follow: None after --dry-run and --detach, which print the request and the id. Raises
    TimedOutBeforeStart; what storing and `send_once` raise.
    """
    context = noxus.context
    if options.dry_run:
        _show_request(noxus, workflow, inputs, options)
        return None
    payload = upload_files(noxus, inputs)
    if noxus.deadline.passed:
        raise TimedOutBeforeStart("out of time before the start", "increase --timeout")
    context.outcome.phase = Phase.START
    nodes = None if options.no_check else inputs_of(workflow.definition)
    digests = InputDigests(nodes, inputs.secret)
    request = StartRequest(workflow.id, payload, digests, workflow.version_id, options.callback_url)
    history, host = context.history, context.base_url
    attempt = StartAttempt(noxus.api, request, lambda run_id: history.find_entry(run_id, host) is not None)
    context.outcome.attempt = attempt

    def note(run: Run) -> None:
        named = replace(run, workflow=run.workflow or workflow) if workflow.name else run
        context.outcome.run, context.outcome.inputs = named, inputs.shown()
        history.begin(Entry(run.id, run.workflow_id, host, None if inputs.veiled else inputs.secret))
        context.cache.save_run(run, workflow.name)
        _announce(context, options.state_file, run)
        context.terminal.note(f"started run {run.id}")

    run = send_once(attempt, policy=noxus.retries(), deadline=noxus.deadline, note=note)
    if not options.detach:
        return run
    print_hint(context, f"follow it with: noxcli stream{context.route} {run.id}")
    if context.printing.format.is_text:
        context.terminal.write(f"{run.id}\n")
    return None


def _show_request(noxus: Session, workflow: Workflow, inputs: Inputs, options: RunOptions) -> None:
    context = noxus.context
    body = noxus.api.run_request(inputs.shown(), workflow.version_id, options.callback_url)
    if context.printing.format.is_text:
        context.terminal.write(f"{to_json(body, indent=2)}\n")
    else:
        context.outcome.request = {"method": "POST", "path": f"/v1/workflows/{workflow.id}/runs", "body": body}


def _announce(context: Context, state_file: str | None, run: Run) -> None:
    """Tell other programs about the run; if that fails, it is running all the same, and its id is on stderr."""
    mask = context.terminal.mask
    try:
        if state_file is not None:
            write_state(Path(state_file), Entry(mask(run.id), mask(run.workflow_id), context.base_url))
    except NoxError as error:
        complain(context, error)
        context.state_file_error = error
    try:
        context.reports.report_start(run, mask)
    except NoxError as error:
        complain(context, error)
    context.resume_command = context.line_to_stream(run.id)
