"""`noxcli gate`: two versions over one table, in one journal, repeated until decided, with one exit code."""

import typer

from noxcli.commands.gate_options import Options


def execute(ctx: typer.Context, options: Options) -> None:
    """Ask both versions until the rules decide, and report what was found. Raises what the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what rows need
    from noxcli.commands.gate_call import run_gate

    run_gate(begin(ctx, options, subject=options.workflow), options)
