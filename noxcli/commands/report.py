"""`noxcli report`: an HTML page about a run."""

from pathlib import Path

import typer

from noxcli.cli.options import OUTPUT, RUN_OR_LAST, LimitOptions, declared
from noxcli.cli.verbs import Codes
from noxcli.errors import ExitCode, Phase
from noxcli.reports.result import EndedRun, Outcome, verdict_of
from noxcli.timing import seconds_between


@declared
class Options(LimitOptions):
    """Write an HTML page about a run.

    The page needs no network. It shows the verdict, the nodes on a time axis, errors and outputs.
    It has no inputs, since the server does not say which of them are secret.

    Examples:
        noxcli run demo 'User Input=hello'
        # The run that you started last, or any other by its id.
        noxcli report @last -o run.html
    """

    codes = Codes.NOT_FOUND | {9: "page not written"} | Codes.TEMPORARY
    formats = "the page is always HTML"
    run: str = RUN_OR_LAST
    output: str | None = OUTPUT


def execute(ctx: typer.Context, options: Options) -> None:
    """Write the page: to a file of its own if stdout is a terminal.

    Raises the NoxError that the command ends with.
    """
    from noxcli.cli.inspect_run import inspect_run  # the help loads none of what a page needs
    from noxcli.cli.session import begin
    from noxcli.reports.html.run_page import run_page

    noxus = begin(ctx, options, subject=options.run)
    printing = noxus.context.printing
    terminal = noxus.context.terminal
    with noxus.connect():
        inside = inspect_run(noxus, options.run)
    run = inside.run
    progress = inside.progress
    error = verdict_of(run, progress.why)
    outcome = Outcome(
        options.run, run, confirmed=True, progress=progress, error=error, phase=Phase.RUN
    )
    document = outcome.document(error.exit_code if error else ExitCode.OK, terminal.mask)
    # The run's data has times that events lack.
    for node, known in zip(document["nodes"], inside.nodes, strict=True):
        node["started_s"] = seconds_between(run.created_at, known["started_at"])
        node["duration_s"] = known["duration_s"]
    if printing.target is None and terminal.stdout_is_tty:
        printing.write_to(Path(f"noxcli-{document['run']['id']}.html"))
    directory = Path()
    if printing.target is not None:
        directory = printing.target.parent
    page = noxus.context.new_page(directory)
    for piece in run_page(page, [EndedRun(options.run, document)]):
        terminal.write(piece)
