"""`noxcli doctor`: checks of everything between here and the server; one line each, with its fix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.cli.options import Common, Documented, declared
from noxcli.errors import ExitCode, worst

if TYPE_CHECKING:
    from noxcli.cli.context import Context
    from noxcli.commands.checkup import Check
    from noxcli.masking import Mask
    from noxcli.render.terminal import Terminal

DOCTOR_SCHEMA = "noxcli.doctor/1"


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

    context: Context = ctx.obj
    noxus = begin(ctx, options)
    checks: list[Check] = []
    for check in checks_of(noxus, options.run):
        checks.append(check)
        if context.printing.writes_text:
            _say(context.terminal, check)
    code = worst(check.error.exit_code for check in checks if check.error)
    if not context.printing.writes_text:
        context.printing.document(_document(checks, code, context.terminal.mask))
    raise typer.Exit(code)


def _say(terminal: "Terminal", check: "Check") -> None:
    from noxcli.render.table import Layout, for_eyes

    hint = f"; {check.hint}" if check.hint else ""
    if terminal.read_by_eyes:
        header = ("VERDICT", "NAME", "MESSAGE")
        columns = Layout(header, cut=("MESSAGE",), marked=("VERDICT",), wraps=True, headed=False)
        row = (f"{check.verdict:<9}", f"{check.name:<8}", f"{check.message}{hint}")
        terminal.show(for_eyes(terminal, columns, [row]))
    else:
        terminal.say(f"{check.verdict:<9}  {check.name:<8}  {check.message}{hint}")


def _document(checks: "Sequence[Check]", code: ExitCode, mask: "Mask") -> dict[str, object]:
    listed = [
        {"name": check.name, "verdict": str(check.verdict), "message": check.message, "hint": check.hint}
        for check in checks
    ]
    told = mask.whole(listed)
    return {"schema": DOCTOR_SCHEMA, "ok": code == ExitCode.OK, "exit_code": int(code), "checks": told}
