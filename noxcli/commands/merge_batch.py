"""`noxcli merge-batch`: one report out of a batch's shards, with what is missing or double."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from noxcli.batch.summary import Summary
from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.cli.groups import Common
from noxcli.cli.invocation import present
from noxcli.encode import to_json
from noxcli.errors import ConfigProblem
from noxcli.files import check_target

DOUBLES_TOLD = 20
Directories = Annotated[list[str], typer.Argument(metavar="DIR...", help="Each shard's --output-dir.")]


def merge_batch(
    ctx: typer.Context,
    directories: Directories,
    junit: options.Junit = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = "auto",
) -> None:
    """Join the journals of a batch's shards, and print one JSON line for each row.

    Rows come in their order; those that are missing or have run twice are named.

    Examples:
        noxcli inputs qa --json | jq -c '.examples[0]' > rows.jsonl
        noxcli batch qa rows.jsonl --shard 1/2 --output-dir s1 > one.jsonl
        noxcli batch qa rows.jsonl --shard 2/2 --output-dir s2 > two.jsonl
        noxcli merge-batch s1 s2 --junit report.xml
    """
    context: Context = ctx.obj
    present(context, Common(quiet=quiet, verbose=verbose, color=color))
    from noxcli.batch.report import Joined  # loaded where a report is written
    from noxcli.reports.junit import JunitReport

    joined = Joined.read([Path(directory) for directory in directories])
    summary = Summary()
    with ExitStack() as stack:
        report = None
        if junit is not None:
            check_target(Path(junit), "--junit")
            report = stack.enter_context(JunitReport(Path(junit), joined.header.source, context.terminal.mask))
        for row in joined.reports():
            context.terminal.write(f"{to_json(row.document())}\n")
            summary.add(row.exit_code, f"row {row.row}: {row.message}")
            if report is not None:
                report.add(row.case(joined.header.workflow_id))
    context.terminal.note(f"{joined.rows} rows in {len(joined.directories)} directories")
    summary.say(context.terminal)
    if joined.absent:
        names = ", ".join(map(str, joined.absent))
        context.terminal.complain(f"noxcli: no journal is here of the shards {names}")
    if joined.doubled:
        told = ", ".join(map(str, sorted(joined.doubled)[:DOUBLES_TOLD]))
        raise ConfigProblem(
            f"{len(joined.doubled)} rows have a run in several directories: {told}", "were shards given twice?"
        )
    summary.raise_worst(joined.rows, None)
