"""`noxcli runs`: past and current runs, newest first."""

from dataclasses import replace

import typer

from noxcli.cli.options import STATUS, LimitOptions, ListOptions, argument, declared, read_statuses
from noxcli.cli.verbs import Codes
from noxcli.errors import Phase
from noxcli.render.table import Layout, Listing, age, duration
from noxcli.reports.result import Outcome

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
    with noxus.connect(Phase.DELIVER):
        of = noxus.resolve_workflow(options.workflow) if options.workflow is not None else None
        found = noxus.keep_trying(
            lambda api: newest(
                api.list_runs(of.id if of else None),
                options.limit,
                lambda run: not wanted or run.status in wanted,
            )
        )
    # A workflow given by its id has no name, unless the list says it.
    named = (
        Outcome(run=replace(run, workflow=run.workflow or of)).document_of_run() or {}
        for run in found
    )
    entries = [{name: each[name] for name in RUN_FIELDS} for each in named]
    noxus.print_list(RUN_LISTING, entries, options.limit)
