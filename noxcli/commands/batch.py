"""`noxcli batch`: one run for each row of a file, each started exactly once, even after kills and outages."""

import typer

from noxcli.commands.batch_options import Options


def execute(ctx: typer.Context, options: Options) -> None:
    """Run the rows, and report all of them. Raises one error for all rows, unless they completed."""
    from noxcli.cli.session import begin  # the help loads none of what rows need
    from noxcli.commands.batch_call import run_rows

    run_rows(begin(ctx, options, subject=options.workflow), options)
