"""`noxcli versions`: the values for `--version-id`."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import typer

from noxcli.cli.options import Common, Listed, Waiting, WorkflowArgument, declared
from noxcli.errors import Phase
from noxcli.models import Version
from noxcli.render.table import Layout, Listing, age


@declared
class Options(Listed, Waiting, Common):
    """List the saved versions of a workflow, newest first.

    Examples:
        noxcli versions demo
        noxcli run demo 'User Input=hello' --version-id first
        noxcli versions demo --json | jq -r '.versions[0].id'
    """

    workflow: WorkflowArgument


def execute(ctx: typer.Context, options: Options) -> None:
    """List the versions. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.resolve import newest_first

    noxus = begin(ctx, options)
    with noxus.connect() as api:
        noxus.context.enter(Phase.DELIVER)
        patience = noxus.patience()
        found = noxus.workflow(options.workflow, patience)
        shown = patience.keep_trying(lambda: list(islice(newest_first(api.list_versions(found.id)), options.limit)))
    noxus.print_list(VERSION_LISTING, shown, options.limit)


def _row(version: Version) -> Sequence[str]:
    return version.id, version.name or "", version.created_at or ""


def _record(version: Version) -> dict[str, Any]:
    return {
        "id": version.id,
        "workflow_id": version.workflow.id,
        "name": version.name,
        "description": version.description,
        "created_at": version.created_at,
    }


VERSION_COLUMNS = Layout(
    ("ID", "NAME", "CREATED"),
    cut=("NAME",),
    dropped=("CREATED",),
    shown={"CREATED": age},
)
VERSION_LISTING = Listing("versions", VERSION_COLUMNS, _row, _record)
