"""`noxcli runs`: past and current runs, newest first."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.cli.options import CommonOptions, LimitOptions, ListOptions, StatusOption, declared, read_statuses
from noxcli.errors import Phase
from noxcli.models import Run
from noxcli.render.table import Layout, Listing, age, duration
from noxcli.timing import seconds_between

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

RUN_LISTING = Listing(
    "runs",
    Layout(
        ("ID", "STATUS", "WORKFLOW", "CREATED", "DURATION"),
        cut=("WORKFLOW",),
        dropped=("DURATION", "CREATED", "WORKFLOW"),
        marked=("STATUS",),
        shown={"CREATED": age, "DURATION": duration},
    ),
    ("id", "status", "workflow_name workflow_id", "created_at", "duration_s"),
)


@declared
class Options(ListOptions, LimitOptions, CommonOptions):
    """List runs, newest first.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli runs --limit 5
        noxcli runs demo --status failed --json | jq -r '.runs[].id'
        noxcli runs demo --limit 1 | noxcli fetch-output - --wait --raw Answer
    """

    workflow: Annotated[
        str | None, typer.Argument(metavar="[WORKFLOW]", help="List only runs of this workflow.", show_default=False)
    ] = None
    status: StatusOption = None


def execute(ctx: typer.Context, options: Options) -> None:
    """List the runs. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.resolve import newest_first

    noxus = begin(ctx, options)
    wanted = read_statuses(options.status or [])
    with noxus.connect(Phase.DELIVER):
        of = noxus.resolve_workflow(options.workflow) if options.workflow is not None else None

        def read(api: "NoxusApi") -> list[Run]:
            listed = newest_first(api.list_runs(of.id if of else None))
            return list(islice((run for run in listed if not wanted or run.status in wanted), options.limit))

        found = noxus.keep_trying(read)
    entries = [
        {
            "id": run.id,
            "workflow_id": run.workflow_id,
            # A workflow given by its id has no name, unless the list says it.
            "workflow_name": known.name or None if (known := run.workflow or of) else None,
            "status": run.status,
            "progress": run.progress,
            "created_at": run.created_at,
            "finished_at": run.finished_at,
            "duration_s": seconds_between(run.created_at, run.finished_at),
        }
        for run in found
    ]
    noxus.print_list(RUN_LISTING, entries, options.limit)
