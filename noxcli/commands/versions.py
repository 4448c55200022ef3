"""`noxcli versions`: the values for `--version-id`."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from noxcli.cli.options import Common, Listed, Waiting, WorkflowArgument, declared
from noxcli.errors import NoxError, Phase
from noxcli.models import Version, Workflow
from noxcli.render.table import Layout, Listing, age

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

YES_OR_NO = {True: "yes", False: "no", None: "-"}


@declared
class Options(Listed, Waiting, Common):
    """List the saved versions of a workflow, newest first.

    LIVE is "-" if the server does not say which version is in use.

    Examples:
        noxcli versions demo
        noxcli run demo 'User Input=hello' --version-id first
        noxcli versions demo --json | jq -r '.versions[] | select(.live) | .id'
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
        listed = patience.keep_trying(lambda: list(newest_first(api.list_versions(found.id))))
        shown = list(islice(_marked(api, found, listed), options.limit))
    noxus.print_list(VERSION_LISTING, shown, options.limit)


def _marked(api: "NoxusApi", workflow: Workflow, listed: Sequence[Version]) -> Sequence[Version]:
    """Return the versions, with the live one if the server marks it, or names it in the workflow's record."""
    marks = [version for version in listed if version.live]
    if len(marks) == 1 or not listed:
        return listed
    live = workflow.live_version
    if live is None and "nodes" not in workflow.definition:  # a workflow given by its id has not been read yet
        with suppress(NoxError):  # the list is useful without it
            live = api.get_workflow(workflow.id).live_version
    known = live is not None and any(version.id == live for version in listed)
    return [replace(version, live=version.id == live if known else None) for version in listed]


def _row(version: Version) -> Sequence[str]:
    return version.id, version.name or "", version.created_at or "", YES_OR_NO[version.live]


def _record(version: Version) -> dict[str, Any]:
    return {
        "id": version.id,
        "workflow_id": version.workflow.id,
        "name": version.name,
        "description": version.description,
        "created_at": version.created_at,
        "live": version.live,
    }


VERSION_COLUMNS = Layout(
    ("ID", "NAME", "CREATED", "LIVE"),
    cut=("NAME",),
    dropped=("LIVE", "CREATED"),
    marked=("LIVE",),
    shown={"CREATED": age},
)
VERSION_LISTING = Listing("versions", VERSION_COLUMNS, _row, _record)
