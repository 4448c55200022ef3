"""`noxcli versions`: the values for `--version-id`."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

from noxcli.cli.options import WORKFLOW, LimitOptions, ListOptions, declared
from noxcli.cli.verbs import Codes
from noxcli.errors import NoxError, Phase
from noxcli.render.table import Layout, Listing, age

if TYPE_CHECKING:
    from noxcli.cli.session import Session
    from noxcli.models import Version

READ_WITHIN = 5.0  # seconds for the workflow itself
VERSION_FIELDS = ("id", "name", "description", "created_at")
VERSION_LISTING = Listing(
    "versions",
    Layout(
        ("ID", "NAME", "CREATED", "IN USE"),
        cut=("NAME",),
        dropped=("CREATED",),
        shown={"CREATED": age},
    ),
    ("id", "name", "created_at", "in_use"),
)


@declared
class Options(ListOptions, LimitOptions):
    """List the saved versions of a workflow, newest first.

    The one that the workflow is now, node by node, is in use; none is marked if several are.

    Examples:
        noxcli versions demo
        noxcli run demo 'User Input=hello' --version-id first
        noxcli versions demo --json | jq -r '.versions[0].id'
    """

    codes = Codes.NO_KEY | Codes.NOT_FOUND | Codes.TEMPORARY

    workflow: str = WORKFLOW


def execute(ctx: typer.Context, options: Options) -> None:
    """List the versions. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.resolve import newest

    noxus = begin(ctx, options)
    with noxus.connect(Phase.DELIVER):
        found = noxus.resolve_workflow(options.workflow)
        versions = noxus.list_versions(found.id)
        in_use = _find_in_use(noxus, found.id, versions)
    is_text = noxus.context.printing.format.is_text
    entries = []
    for version in newest(versions, options.limit):
        entry: dict[str, Any] = {"workflow_id": version.workflow.id}
        entry.update({name: getattr(version, name) for name in VERSION_FIELDS})
        entry["in_use"] = None if in_use is None else version.id == in_use
        if is_text:
            entry["in_use"] = "in use" if entry["in_use"] else ""
        entries.append(entry)
    noxus.print_list(VERSION_LISTING, entries, options.limit)


def _find_in_use(noxus: "Session", workflow_id: str, versions: Sequence["Version"]) -> str | None:
    """Return the only version with the definition that the workflow has now.

    None if there is none, or several, or a definition can't be read.
    """
    from noxcli.batchdir.header import digests_of  # as above

    if not versions:
        return None
    current = None
    with suppress(NoxError):  # the list is shown without it
        workflow = noxus.api.within(READ_WITHIN).get_workflow(workflow_id)
        current, _ = digests_of(workflow.definition)
    if current is None:
        return None
    equal = []
    for version in versions:
        digest, _ = digests_of(version.workflow.definition)
        if digest == current:
            equal.append(version.id)
    return equal[0] if len(equal) == 1 else None
