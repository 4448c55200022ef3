"""`noxcli run`: start a workflow, follow it live, wait for its verdict, deliver its output."""

import typer

from noxcli.commands import options
from noxcli.commands.attend import attend, check_directory, deliver, judge
from noxcli.commands.context import Context
from noxcli.errors import Phase, TimedOutBeforeStart
from noxcli.follow import Policy
from noxcli.inputs import read_inputs
from noxcli.output import Format
from noxcli.resolve import resolve_workflow
from noxcli.start import start_run
from noxcli.timing import Deadline


def run(
    ctx: typer.Context,
    workflow: options.WorkflowArgument,
    inputs: options.InputArguments = None,
    whole: options.WholeInputs = None,
    version_id: options.VersionId = None,
    callback_url: options.CallbackUrl = None,
    detach: options.Detach = False,
    form: options.FormatOption = Format.TEXT,
    as_json: options.JsonOption = False,
    raw: options.RawOption = None,
    output_dir: options.OutputDirectory = None,
    no_expand: options.NoExpand = False,
    timeout: options.Timeout = None,
    idle_timeout: options.IdleTimeout = 30.0,
    retry_for: options.RetryFor = None,
    poll_interval: options.PollInterval = 2.0,
    no_stream: options.NoStream = False,
    connect_timeout: options.ConnectTimeout = 10.0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = "auto",
    base_url: options.BaseUrl = None,
    api_key_file: options.ApiKeyFile = None,
) -> None:
    """Start a workflow, follow it live, and print its output."""
    context: Context = ctx.obj
    deadline = Deadline(context.clock, timeout)
    context.present(form=form, as_json=as_json, raw=raw, quiet=quiet, verbose=verbose, color=color)
    payload = read_inputs(inputs or [], whole)
    with context.connect(base_url, api_key_file, connect_timeout) as api:
        check_directory(output_dir)
        context.enter(Phase.PREFLIGHT)
        before = context.patience(deadline, options.before(retry_for), out_of_time=TimedOutBeforeStart)
        workflow_id = resolve_workflow(api, workflow, before)
        context.enter(Phase.START)
        started = start_run(
            api,
            workflow_id,
            payload,
            version_id=version_id,
            callback_url=callback_url,
            patience=before,
            clock=context.clock,
            deadline=deadline,
        )
        context.outcome.run = started
        if detach:
            context.terminal.note(f"follow it with: noxcli stream {started.id}")
            if context.writes_text:
                context.terminal.write(f"{started.id}\n")
            return
        policy = Policy(
            stream=not no_stream,
            every_event=context.format in {Format.CONTENT, Format.NDJSON},
            poll_interval=poll_interval,
            idle_timeout=idle_timeout,
            retry_for=options.during(retry_for),
        )
        finished = attend(context, api, started, deadline, policy, just_started=True)
        judge(context, finished)
        after = context.patience(deadline, options.before(retry_for))
        deliver(context, api, finished, after, raw=raw, output_dir=output_dir, expand=not no_expand)
