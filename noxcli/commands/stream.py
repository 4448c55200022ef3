"""`noxcli stream`: follow a run that somebody else started, to its verdict and its output."""

import sys

import typer

from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.cli.deliver import check_directory, deliver, destination
from noxcli.cli.follow import attend, following, judge
from noxcli.errors import LostContact, Phase, UsageProblem
from noxcli.outputs.await_output import own_record
from noxcli.render import Format
from noxcli.runs.resolve import one_run, resolve_run
from noxcli.timing import Deadline


def stream(
    ctx: typer.Context,
    run: options.RunArgument,
    etag: options.Etag = None,
    resume: options.Resume = False,
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
    stall_timeout: options.StallTimeout = None,
    idle_timeout: options.IdleTimeout = 30.0,
    retry_for: options.RetryFor = None,
    on_pause: options.OnPause = None,
    poll_interval: options.PollInterval = 2.0,
    no_stream: options.NoStream = False,
    connect_timeout: options.ConnectTimeout = 10.0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = "auto",
    log_file: options.LogFile = None,
    base_url: options.BaseUrl = None,
    api_key_file: options.ApiKeyFile = None,
    _profile: options.ProfileOption = None,
) -> None:
    """Follow a run that was started elsewhere, and print its output.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli stream @last --raw Answer
        # Its events from the start, a JSON line each.
        noxcli stream @last --format ndjson | jq -r .type | sort | uniq -c
    """
    context: Context = ctx.obj
    deadline = Deadline(context.clock, timeout)
    context.outcome.subject = run
    context.report(ci=ci, junit=junit, dotenv=dotenv, output_dir=output_dir)
    context.present(form=form, as_json=as_json, raw=raw, quiet=quiet, verbose=verbose, color=color, log_file=log_file)
    into = destination(output_dir, name, overwrite=overwrite)
    if resume and etag is not None:
        raise UsageProblem("--resume and --etag both set where to resume", "remove one of them")
    policy = following(
        context,
        stream=not no_stream,
        poll_interval=poll_interval,
        idle_timeout=idle_timeout,
        stall_timeout=stall_timeout,
        retry_for=retry_for,
        on_pause=on_pause,
    )
    run = one_run(run, sys.stdin)
    context.way_back = context.line_to_stream(run)
    with context.connect(base_url, api_key_file, connect_timeout) as api:
        check_directory(into)
        context.outcome.may_exist = True
        context.enter(Phase.FOLLOW)
        patience = context.patience(deadline, options.before(retry_for), gave_up=LostContact)
        found = resolve_run(api, run, patience, context.noted_run)
        found = context.outcome.run = own_record(api, found, patience)
        if resume:
            etag = context.history.cursor(found.id)
        finished = attend(context, api, found, deadline, policy, cursor=etag)
        judge(context, api, finished, deadline)
        after = context.patience(deadline, options.before(retry_for))
        deliver(context, api, finished, after, raw=raw, into=into, expand=not no_expand)
