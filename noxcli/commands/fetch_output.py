"""`noxcli fetch-output`: deliver the output of a finished run, truncated texts completed."""

import sys
from typing import Annotated

import typer

from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.cli.deliver import deliver, destination
from noxcli.cli.follow import attend, following, judge
from noxcli.errors import LostContact, NotFinished, Phase
from noxcli.outputs.await_output import own_record
from noxcli.render import Format
from noxcli.runs.resolve import one_run, resolve_run
from noxcli.timing import Deadline

WaitFirst = Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")]


def fetch_output(
    ctx: typer.Context,
    run: options.RunArgument,
    wait: WaitFirst = False,
    form: options.FormatOption = Format.TEXT,
    as_json: options.JsonOption = False,
    raw: options.RawOption = None,
    output_dir: options.OutputDirectory = None,
    name: options.NameTemplate = None,
    overwrite: options.Overwrite = False,
    no_expand: options.NoExpand = False,
    junit: options.Junit = None,
    dotenv: options.Dotenv = None,
    ci: options.Ci = None,
    timeout: options.Timeout = None,
    retry_for: options.RetryFor = None,
    connect_timeout: options.ConnectTimeout = 10.0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = "auto",
    log_file: options.LogFile = None,
    base_url: options.BaseUrl = None,
    api_key_file: options.ApiKeyFile = None,
    _profile: options.ProfileOption = None,
) -> None:
    """Print or save the output of a finished run.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli fetch-output @last --wait --raw Essay | wc -c
        noxcli fetch-output @last --output-dir out --name '{run_id}/{key}{ext}'
    """
    context: Context = ctx.obj
    deadline = Deadline(context.clock, timeout)
    context.outcome.subject = run
    context.report(ci=ci, junit=junit, dotenv=dotenv, output_dir=output_dir)
    context.present(form=form, as_json=as_json, raw=raw, quiet=quiet, verbose=verbose, color=color, log_file=log_file)
    into = destination(output_dir, name, overwrite=overwrite)
    with context.connect(base_url, api_key_file, connect_timeout) as api:
        context.outcome.may_exist = True
        context.enter(Phase.FOLLOW)
        patience = context.patience(deadline, options.before(retry_for), gave_up=LostContact)
        found = resolve_run(api, one_run(run, sys.stdin), patience, context.noted_run)
        found = context.outcome.run = own_record(api, found, patience)
        context.outcome.confirmed = True
        if not found.settled:
            if wait:
                found = attend(context, api, found, deadline, following(context, retry_for=retry_for))
            elif not found.paused:
                raise NotFinished(f"run {found.id} is still {found.status}", "add --wait to wait for its end")
        judge(context, api, found, deadline)
        after = context.patience(deadline, options.before(retry_for))
        deliver(context, api, found, after, raw=raw, into=into, expand=not no_expand)
