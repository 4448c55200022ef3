"""`noxcli versions`: the values for `--version-id`."""

import typer

from noxcli.cli.options import WORKFLOW, LimitOptions, ListOptions, declared
from noxcli.cli.verbs import Codes
from noxcli.errors import Phase
from noxcli.render.table import Layout, Listing, age

VERSION_FIELDS = ("id", "name", "description", "created_at")
VERSION_LISTING = Listing(
    "versions",
    Layout(("ID", "NAME", "CREATED"), cut=("NAME",), dropped=("CREATED",), shown={"CREATED": age}),
    ("id", "name", "created_at"),
)


@declared
class Options(ListOptions, LimitOptions):
    """List the saved versions of a workflow, newest first.

    Examples:
        noxcli versions demo
        noxcli run demo 'User Input=hello' --version-id first
        noxcli versions demo --json | jq -r '.versions[0].id'
    """

    codes = Codes.NO_KEY | Codes.NOT_FOUND | Codes.TEMPORARY
    routed_in_hints = True

    workflow: str = WORKFLOW


def execute(ctx: typer.Context, options: Options) -> None:
    """List the versions. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.resolve import newest

    noxus = begin(ctx, options)
    with noxus.connect(Phase.DELIVER):
        found = noxus.resolve_workflow(options.workflow)
        shown = noxus.keep_listing(
            lambda api, pages: newest(api.list_versions(found.id, pages), options.limit)
        )
    entries = [
        {"workflow_id": each.workflow.id, **{name: getattr(each, name) for name in VERSION_FIELDS}}
        for each in shown
    ]
    noxus.print_list(VERSION_LISTING, entries, options.limit)
