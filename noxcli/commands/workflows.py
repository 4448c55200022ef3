"""`noxcli workflows`: the workflows that can be run."""

import typer

from noxcli.cli.options import LimitOptions, ListOptions, declared
from noxcli.cli.verbs import Codes
from noxcli.errors import Phase
from noxcli.render.table import Layout, Listing, age

WORKFLOW_FIELDS = (
    "id",
    "name",
    "description",
    "runs_count",
    "created_at",
    "last_updated_at",
    "last_run_at",
)
WORKFLOW_LISTING = Listing(
    "workflows",
    Layout(("ID", "NAME", "UPDATED"), cut=("NAME",), dropped=("UPDATED",), shown={"UPDATED": age}),
    ("id", "name", "last_updated_at"),
)


@declared
class Options(ListOptions, LimitOptions):
    """List workflows, most recently changed first.

    Examples:
        noxcli workflows
        noxcli workflows --json | jq -r '.workflows[] | [.name, .runs_count] | @tsv'
    """

    codes = {2: "bad usage or config"} | Codes.NO_KEY | Codes.TEMPORARY


def execute(ctx: typer.Context, options: Options) -> None:
    """List the workflows. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.resolve import newest

    noxus = begin(ctx, options)
    with noxus.connect(Phase.DELIVER):
        found = noxus.keep_listing(
            lambda api, pages: newest(api.list_workflows(pages), options.limit)
        )
        if len(found) < options.limit:
            noxus.context.cache.save_workflows(found)
    entries = [{name: getattr(each, name) for name in WORKFLOW_FIELDS} for each in found]
    noxus.print_list(WORKFLOW_LISTING, entries, options.limit)
