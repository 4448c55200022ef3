"""`noxcli export`: a workflow as a file: the platform's bundle, or its definition for git."""

import typer

from noxcli.cli.options import OUTPUT, VERSION_ID, WORKFLOW, LimitOptions, declared, flag
from noxcli.cli.verbs import Codes
from noxcli.errors import Phase, UsageProblem


@declared
class Options(LimitOptions):
    """Print a workflow as a bundle for `noxcli import`, or its definition for git.

    Examples:
        noxcli export demo -o demo.nx
        noxcli export demo --definition -o demo.json
        # The same bytes as long as nothing that runs has changed.
        noxcli export demo --definition | cksum
    """

    codes = Codes.NO_KEY | Codes.NOT_FOUND | Codes.TEMPORARY
    formats = "for the definition as JSON: --definition"
    workflow: str = WORKFLOW
    version_id: str | None = VERSION_ID
    definition: bool = flag(
        "--definition", "Print the definition alone, as JSON without positions and times."
    )
    full: bool = flag("--full", "With --definition, keep positions and times.")
    no_dependencies: bool = flag(
        "--no-dependencies", "Leave out sub-workflows, knowledge bases and files."
    )
    output: str | None = OUTPUT


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the workflow. Raises the NoxError that the command ends with."""
    from noxcli.cli import session, start  # the help loads none of these
    from noxcli.inputs.definition import definition_text

    if options.definition and options.no_dependencies:
        raise UsageProblem(
            "a definition alone has no dependencies", "drop --no-dependencies or --definition"
        )
    if options.full and not options.definition:
        raise UsageProblem("--full is about a definition", "add --definition, or drop --full")
    noxus = session.begin(ctx, options)
    with noxus.connect(Phase.DELIVER):
        found = noxus.resolve_workflow(options.workflow)
        if options.definition:
            known = start.read_whole_workflow(noxus, found, options.version_id)
            content = definition_text(known.definition, full=options.full).encode()
        else:
            version_id = None
            if options.version_id is not None:
                version_id = start.find_version(noxus, found, options.version_id, checks=True).id
            content = noxus.keep_trying(
                lambda api: api.export_workflow(
                    found.id, version_id, dependencies=not options.no_dependencies
                )
            )
    noxus.context.terminal.write(content)
