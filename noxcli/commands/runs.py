"""`noxcli runs`: past and current runs, newest first."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from noxcli.cli.options import STATUS, LimitOptions, ListOptions, argument, declared, read_statuses
from noxcli.cli.verbs import Codes
from noxcli.errors import Phase
from noxcli.models import Run
from noxcli.render.table import Layout, Listing, age, duration
from noxcli.reports.result import Outcome

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

RUN_FIELDS = (
    "id",
    "workflow_id",
    "workflow_name",
    "status",
    "progress",
    "created_at",
    "finished_at",
    "duration_s",
)
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
class Options(ListOptions, LimitOptions):
    """List runs, newest first.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli runs --limit 5
        noxcli runs demo --status failed --json | jq -r '.runs[].id'
        noxcli runs demo --limit 1 | noxcli fetch-output - --wait --raw Answer
    """

    codes = {2: "bad usage or config"} | Codes.NO_KEY | Codes.TEMPORARY
    routed_in_hints = True

    workflow: str | None = argument("[WORKFLOW]", "List only runs of this workflow.", None)
    status: list[str] | None = STATUS


def execute(ctx: typer.Context, options: Options) -> None:
    """List the runs. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.resolve import newest

    noxus = begin(ctx, options)
    wanted = read_statuses(options.status or [])
    of = None
    with noxus.connect(Phase.DELIVER):
        if options.workflow is not None:
            of = noxus.resolve_workflow(options.workflow)
        listed_of = None if of is None else of.id

        def read(api: "NoxusApi") -> list[Run]:
            runs = api.list_runs(listed_of)
            return newest(runs, options.limit, lambda run: not wanted or run.status in wanted)

        found = noxus.keep_trying(read)
    # A workflow given by its id has no name, unless the list says it.
    entries = [_entry(run if run.workflow else replace(run, workflow=of)) for run in found]
    noxus.print_list(RUN_LISTING, entries, options.limit)


def _entry(run: Run) -> dict[str, Any]:
    fields = Outcome(run=run).document_of_run() or {}
    return {name: fields[name] for name in RUN_FIELDS}
