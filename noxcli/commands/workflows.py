"""`noxcli workflows`: the workflows that can be run."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import typer

from noxcli.cli.options import Common, Listed, Waiting, declared
from noxcli.errors import Phase
from noxcli.models import Workflow
from noxcli.render.table import Layout, Listing, age


@declared
class Options(Listed, Waiting, Common):
    """List workflows, most recently changed first.

    Examples:
        noxcli workflows
        noxcli workflows --json | jq -r '.workflows[] | [.name, .runs_count] | @tsv'
    """


def execute(ctx: typer.Context, options: Options) -> None:
    """List the workflows. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.resolve import newest_first

    noxus = begin(ctx, options)
    with noxus.connect(Phase.DELIVER):
        found = noxus.keep_trying(lambda api: list(islice(newest_first(api.list_workflows()), options.limit)))
        if len(found) < options.limit:
            noxus.context.cache.save_workflows(found)
    noxus.print_list(WORKFLOW_LISTING, found, options.limit)


def _row(workflow: Workflow) -> Sequence[str]:
    return workflow.id, workflow.name, workflow.last_updated_at or ""


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


WORKFLOW_COLUMNS = Layout(("ID", "NAME", "UPDATED"), cut=("NAME",), dropped=("UPDATED",), shown={"UPDATED": age})
WORKFLOW_LISTING = Listing("workflows", WORKFLOW_COLUMNS, _row, _record)
