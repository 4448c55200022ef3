"""`noxcli workflows`: the workflows that can be run."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import typer

from noxcli.cli import options
from noxcli.cli.grouped import grouped
from noxcli.cli.groups import Common, Delivering, Waiting
from noxcli.cli.invocation import begin
from noxcli.cli.listing import DEFAULT_LIMIT, Listing
from noxcli.errors import Phase
from noxcli.models import Workflow
from noxcli.render.table import Layout
from noxcli.runs.newest import newest_first


@grouped
def workflows(
    ctx: typer.Context,
    *,
    limit: options.LimitOption = DEFAULT_LIMIT,
    as_json: options.DocumentOption = False,
    query: options.QueryOption = None,
    waiting: Waiting,
    common: Common,
) -> None:
    """List workflows, most recently changed first.

    Examples:
        noxcli workflows
        noxcli workflows --json | jq -r '.workflows[] | [.name, .runs_count] | @tsv'
    """
    call = begin(ctx, common, waiting, Delivering(as_json=as_json, query=query))
    with call.connect() as api:
        call.context.enter(Phase.DELIVER)
        patience = call.patience()
        found = patience.keep_trying(lambda: list(islice(newest_first(api.list_workflows()), limit)))
        if len(found) < limit:
            call.context.cache.workflows(found)
    WORKFLOW_LISTING.show(call.context, found, limit)


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


WORKFLOW_LISTING = Listing(
    "workflows", Layout(("ID", "NAME", "UPDATED"), cut=("NAME",), dropped=("UPDATED",)), _row, _record
)
