"""`noxcli report`: an HTML page about a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from noxcli.cli.options import LAST, Common, OutputOption, RunOrLast, Waiting, declared
from noxcli.errors import ExitCode, Phase
from noxcli.reports.result import Outcome, verdict_of
from noxcli.timing import seconds_between

if TYPE_CHECKING:
    from noxcli.cli.session import Session
    from noxcli.commands.inspect import Inside


@declared
class Options(Waiting, Common):
    """Write an HTML page about a run.

    The page needs no network. It shows the verdict, the nodes on a time axis, errors and outputs. It has no inputs,
    since the server does not say which of them are secret.

    Examples:
        noxcli run demo 'User Input=hello'
        # The run that you started last, or any other by its id.
        noxcli report @last -o run.html
    """

    run: RunOrLast = LAST
    output: OutputOption = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Write the page: to a file of its own if stdout is a terminal. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a page needs
    from noxcli.reports.html.run import run_page
    from noxcli.reports.result import Ended

    noxus = begin(ctx, options, subject=options.run)
    printing, terminal = noxus.context.printing, noxus.context.terminal
    document = _read_document(noxus, options.run)
    if printing.target is None and terminal.read_by_eyes:
        printing.write_to(Path(f"noxcli-{document['run']['id']}.html"))
    page = noxus.context.new_page(Path() if printing.target is None else printing.target.parent)
    for piece in run_page(page, [Ended(options.run, document)]):
        terminal.write(piece)


def _read_document(noxus: "Session", text: str) -> dict[str, Any]:
    """Return the result document of a run from what the server has now."""
    from noxcli.cli.follow import not_finished  # as in execute
    from noxcli.commands.inspect import look_inside

    with noxus.connect():
        inside = look_inside(noxus, text)
    found = inside.run
    ended = found.settled or found.paused
    error = verdict_of(found, inside.progress.why) if ended else not_finished(found)
    outcome = Outcome(text, found, confirmed=True, progress=inside.progress, error=error, phase=Phase.RUN)
    document = outcome.document(error.exit_code if error else ExitCode.OK, noxus.context.terminal.mask)
    return {**document, "nodes": [_timed(node, inside) for node in document["nodes"]]}


def _timed(node: dict[str, Any], inside: "Inside") -> dict[str, Any]:
    """Return the node with the times from the run's data."""
    data = inside.by_node.get(node["id"])
    if data is None:
        return node
    return {
        **node,
        "started_s": seconds_between(inside.run.created_at, data.started_at),
        "duration_s": data.duration_s,
    }
