"""`noxcli doctor`: checks of everything between here and the server; one line each, with its fix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.cli.options import Common, Documented, declared
from noxcli.errors import ExitCode, worst
from noxcli.render.table import Layout, show_table
from noxcli.render.text import visible

if TYPE_CHECKING:
    from noxcli.commands.checkup import Check
    from noxcli.masking import Mask

DOCTOR_SCHEMA = "noxcli.doctor/1"
CHECK_COLUMNS = Layout(("VERDICT", "NAME", "MESSAGE"), cut=("MESSAGE",), marked=("VERDICT",), wraps=True)


@declared
class Options(Documented, Common):
    """Check host, TLS, clock, key and event stream; starts nothing.

    Examples:
        noxcli doctor
        # Buffering of events can be detected only during a run.
        noxcli run slow --detach
        noxcli doctor --run @last
    """

    run: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN", help="Check the event stream of this run, best while it is running."),
    ] = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the checks. Raises typer.Exit with the code of the worst one."""
    from noxcli.cli.session import begin  # the help loads none of what checks need
    from noxcli.commands.checkup import checks_of

    noxus = begin(ctx, options)
    printing, terminal = noxus.context.printing, noxus.context.terminal
    checks = list(checks_of(noxus, options.run))
    code = worst(check.error.exit_code for check in checks if check.error)
    if printing.writes_text:
        show_table(terminal, CHECK_COLUMNS, [_row(check, terminal.mask) for check in checks])
    else:
        printing.document(_document(checks, code, terminal.mask))
    raise typer.Exit(code)


def _row(check: "Check", mask: "Mask") -> Sequence[str]:
    message = f"{check.message}; {check.hint}" if check.hint else check.message
    return check.verdict, check.name, visible(mask(message), None)


def _document(checks: "Sequence[Check]", code: ExitCode, mask: "Mask") -> dict[str, object]:
    listed = [
        {"name": check.name, "verdict": str(check.verdict), "message": check.message, "hint": check.hint}
        for check in checks
    ]
    told = mask.whole(listed)
    return {"schema": DOCTOR_SCHEMA, "ok": code == ExitCode.OK, "exit_code": int(code), "checks": told}
