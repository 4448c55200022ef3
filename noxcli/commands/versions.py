"""`noxcli versions`: the values for `--version-id`, and what changed between two of them."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.cli.options import Common, Listed, Waiting, WorkflowArgument, declared
from noxcli.errors import ExitCode, NotAsAsserted, Phase, Unavailable, UsageProblem
from noxcli.models import Version, Workflow
from noxcli.render.table import Layout, Listing, age

if TYPE_CHECKING:
    from noxcli.cli.session import Session

CHANGES_SCHEMA = "noxcli.changes/1"
VERSION_FIELDS = ("id", "name", "description", "created_at")
VERSION_LISTING = Listing(
    "versions",
    Layout(("ID", "NAME", "CREATED"), cut=("NAME",), dropped=("CREATED",), shown={"CREATED": age}),
    ("id", "name", "created_at"),
)


@declared
class Options(Listed, Waiting, Common):
    """List the saved versions of a workflow, newest first.

    Examples:
        noxcli versions demo
        noxcli run demo 'User Input=hello' --version-id first
        noxcli versions demo --json | jq -r '.versions[0].id'
        noxcli versions review --diff base new
        # The same with files, such as one from git and one from the server.
        noxcli export review --definition -o review.json
        noxcli versions review --diff review.json new --exit-code || echo changed
    """

    workflow: WorkflowArgument
    sides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VERSION|FILE]...",
            help="A and B for --diff: each a version, or a file of export --definition.",
            show_default=False,
        ),
    ] = None
    diff: Annotated[bool, typer.Option("--diff", help="Show what changed from A to B.")] = False
    exit_code: Annotated[bool, typer.Option("--exit-code", help="With --diff, exit with 11 if something changed.")] = (
        False
    )


def execute(ctx: typer.Context, options: Options) -> None:
    """List the versions. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.resolve import newest_first

    names = options.sides or []
    if len(names) != 2 * options.diff or (options.exit_code and not options.diff):
        raise UsageProblem("--diff needs two versions or files", "write --diff A B")
    noxus = begin(ctx, options)
    if options.diff:
        show_changes(noxus, options, names)
        return
    with noxus.connect(Phase.DELIVER):
        found = noxus.resolve_workflow(options.workflow)
        shown = noxus.keep_trying(lambda api: list(islice(newest_first(api.list_versions(found.id)), options.limit)))
    entries = [
        {"workflow_id": each.workflow.id, **{name: getattr(each, name) for name in VERSION_FIELDS}} for each in shown
    ]
    noxus.print_list(VERSION_LISTING, entries, options.limit)


def show_changes(noxus: "Session", options: Options, names: Sequence[str]) -> None:
    """Print what changed between two definitions. Raises NotAsAsserted if that should be an error."""
    from noxcli.render.table import with_tabs  # as above
    from noxcli.reports.changes import changes_between, changes_in_words, summary

    sides = _read_sides(noxus, options.workflow, names)
    changes = changes_between(*(each.workflow.definition for each in sides))
    failed = options.exit_code and bool(changes)
    terminal, printing = noxus.context.terminal, noxus.context.printing
    if not printing.writes_text:
        head = {"schema": CHANGES_SCHEMA, "ok": not failed, "exit_code": ExitCode.NOT_AS_ASSERTED if failed else 0}
        named = [{"name": each.name, "version_id": each.id or None} for each in sides]
        body = {"old": named[0], "new": named[1], "changes": [each.document() for each in changes]}
        printing.print_document(terminal.mask.whole({**head, **body}))
    elif terminal.read_by_eyes:
        terminal.show(changes_in_words(terminal, changes))
    else:
        terminal.write(with_tabs([list(map(terminal.mask, row)) for each in changes for row in each.rows()]))
    if failed:
        raise NotAsAsserted(f"{names[0]} and {names[1]} differ: {summary(changes)}")
    terminal.note(summary(changes) or "nothing changed")


def _read_sides(noxus: "Session", workflow: str, names: Sequence[str]) -> list[Version]:
    """Return both definitions; those in files have no id. Raises as `resolve_version` and `read_definition`."""
    from noxcli.inputs.definition import inputs_of
    from noxcli.inputs.exported import read_definition
    from noxcli.runs.resolve import resolve_version

    sides = {
        name: Version("", name, Workflow("", name, definition=read_definition(name, noxus.context.sources)))
        for name in names
        if "/" in name or name.endswith(".json")
    }
    if others := [name for name in names if name not in sides]:
        with noxus.connect(Phase.DELIVER):
            found = noxus.resolve_workflow(workflow)
            saved = noxus.keep_trying(lambda api: list(api.list_versions(found.id)))
        sides |= {name: resolve_version(saved, name) for name in others}
    for name, side in sides.items():
        if inputs_of(side.workflow.definition) is None:
            raise Unavailable(f"the definition of version {name!r} can't be read: it has no list of nodes")
    return [sides[name] for name in names]
