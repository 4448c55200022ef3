"""`noxcli report`: an HTML page about a run, saved events or documents, or a batch."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import LAST, Common, OutputOption, Waiting, declared
from noxcli.errors import ExitCode, Phase, UsageProblem
from noxcli.reports.result import Outcome, verdict_of
from noxcli.timing import seconds_between

if TYPE_CHECKING:
    from noxcli.cli.session import Session
    from noxcli.commands.inspect import Inside
    from noxcli.reports.html.saved import Saved

DASH = "-"  # stdin, or stdout


@declared
class Options(Waiting, Common):
    """Write an HTML page about a run, saved events, or a batch.

    The page needs no network. It shows the verdict, the nodes on a time axis, errors and outputs; of a batch, each row.
    A run's page has no inputs, since the server does not say which of them are secret.

    Examples:
        noxcli run demo 'User Input=hello' --format ndjson > events.ndjson
        noxcli report events.ndjson -o run.html
        # The run that you started last, or any other by its id.
        noxcli report @last -o run.html
        # A batch, from its journal.
        noxcli inputs qa --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch qa rows.jsonl
        noxcli report rows.jsonl.batch -o batch.html
    """

    source: Annotated[
        str,
        typer.Argument(
            metavar="[RUN|FILE|DIR]",
            help="A run; a file of --format ndjson, --json or batch results, - for stdin; or a batch's directory.",
        ),
    ] = LAST
    output: OutputOption = None
    opens: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False


def execute(ctx: typer.Context, options: Options) -> None:
    """Write the page: to a file of its own if stdout is a terminal. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a page needs
    from noxcli.commands.results import require_not_stored
    from noxcli.files import expanded

    noxus = begin(ctx, options, subject=options.source)
    require_not_stored({"--output": options.output}, [expanded(options.source)])
    printing, terminal = noxus.context.printing, noxus.context.terminal
    name, pieces = _page(noxus, options.source, Path() if printing.target is None else printing.target.parent)
    if printing.target is None and (options.opens or terminal.read_by_eyes):
        printing.write_to(Path(f"noxcli-{name}.html"))
    for piece in pieces:
        terminal.write(piece)
    target = printing.settle(ExitCode.OK)
    if target is not None and options.opens:
        import webbrowser  # loaded only to show the page

        webbrowser.open(target.resolve().as_uri())


def _page(noxus: "Session", source: str, base: Path) -> tuple[str, Iterator[bytes]]:
    """Return a name for the page, and the page, with links that start from the directory `base`."""
    from noxcli.files import expanded  # as in execute

    path, context = expanded(source), noxus.context
    if source != DASH and path.is_dir():
        from noxcli.batch.joined import Joined
        from noxcli.batch.judge import Judge

        return path.resolve().name, Joined.read([path]).page(
            context.new_page(base), Judge((), None, context.terminal.mask)
        )
    if source == DASH or path.is_file():
        return "stdin" if source == DASH else path.stem, _of_file(context, source, path, base)
    from noxcli.reports.html.run import ReportedRun, run_page

    document = _document(noxus, source)
    return document["run"]["id"], run_page(context.new_page(base), [ReportedRun(document)])


def _of_file(context: Context, source: str, path: Path, base: Path) -> Iterator[bytes]:
    from noxcli.files import reason_of  # as in execute
    from noxcli.reports.html.parts import mapping
    from noxcli.reports.html.rows import BatchAbout, rows_page
    from noxcli.reports.html.run import run_page

    page = context.new_page(base)
    try:
        saved = context.sources.in_time(lambda: _saved(source, path))
    except OSError as error:
        raise UsageProblem(f"can't read {source}: {reason_of(error)}") from None
    if saved.runs:
        return run_page(page, saved.runs)
    runs = (mapping(mapping(row["result"]).get("run")) for row in saved.rows)
    workflows = {found for run in runs if isinstance(found := run.get("workflow_id"), str)}
    facts = [("Workflow", next(iter(workflows)))] if len(workflows) == 1 else []
    return rows_page(page, BatchAbout(source, facts=facts), lambda: saved.rows)


def _saved(source: str, path: Path) -> "Saved":
    from noxcli.reports.html.saved import read_saved

    if source != DASH:
        with path.open("rb") as file:
            return read_saved(file, source)
    return read_saved(sys.stdin.buffer if sys.stdin is not None else io.BytesIO(), "stdin")


def _document(noxus: "Session", text: str) -> dict[str, Any]:
    """Return the result document of a run from what the server has now."""
    from noxcli.cli.follow import not_finished  # as in execute
    from noxcli.commands.inspect import inside_of

    with noxus.connect():
        inside = inside_of(noxus, text)
    found = inside.run
    ended = found.settled or found.paused
    error = verdict_of(found, inside.progress.why) if ended else not_finished(found)
    outcome = Outcome(text, found, confirmed=True, progress=inside.progress, error=error, phase=Phase.RUN)
    document = outcome.document(error.exit_code if error else ExitCode.OK, noxus.context.terminal.mask)
    return {**document, "nodes": [_timed(node, inside) for node in document["nodes"]]}


def _timed(node: dict[str, Any], inside: "Inside") -> dict[str, Any]:
    """Return the node with the times from the run's data."""
    told = inside.by_node.get(node["id"])
    if told is None:
        return node
    return {
        **node,
        "started_s": seconds_between(inside.run.created_at, told.started_at),
        "duration_s": told.duration_s,
    }
