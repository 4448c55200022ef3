"""`noxcli workflows`: what can be run."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import typer

from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.cli.listing import DEFAULT_LIMIT, Listing
from noxcli.errors import Phase
from noxcli.models import Workflow
from noxcli.runs.newest import newest_first
from noxcli.timing import Deadline


def workflows(
    ctx: typer.Context,
    limit: options.LimitOption = DEFAULT_LIMIT,
    as_json: options.DocumentOption = False,
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
    """List workflows, last changed first.

    Examples:
        noxcli workflows
        noxcli workflows --json | jq -r '.workflows[] | [.name, .runs_count] | @tsv'
    """
    context: Context = ctx.obj
    deadline = Deadline(context.clock, timeout)
    context.present(as_json=as_json, quiet=quiet, verbose=verbose, color=color, log_file=log_file)
    with context.connect(base_url, api_key_file, connect_timeout) as api:
        context.enter(Phase.DELIVER)
        patience = context.patience(deadline, options.before(retry_for))
        found = patience.keep_trying(lambda: list(islice(newest_first(api.list_workflows()), limit)))
        if len(found) < limit:
            context.cache.workflows(found)
    WORKFLOW_LISTING.show(context, found, limit)


def _row(workflow: Workflow, time: Callable[[str | None], str], for_eyes: bool) -> Sequence[str]:  # noqa: ARG001
    return workflow.id, workflow.name, time(workflow.last_updated_at)


def _record(workflow: Workflow) -> dict[str, Any]:
    return {
        "id": workflow.id,
        "name": workflow.name,
        "description": workflow.description,
        "runs_count": workflow.runs_count,
        "created_at": workflow.created_at,
        "last_updated_at": workflow.last_updated_at,
        "last_run_at": workflow.last_run_at,
    }


WORKFLOW_LISTING = Listing("workflows", ("ID", "NAME", "UPDATED"), ("NAME",), _row, _record)
