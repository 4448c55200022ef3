"""`noxcli inspect`: the nodes of a run: what each did, how long, and why it failed."""

from typing import TYPE_CHECKING, Any

import typer

from noxcli.cli.options import RUN_OR_LAST, DocumentOptions, LimitOptions, declared, option
from noxcli.cli.verbs import Codes
from noxcli.codec import to_json
from noxcli.errors import NotFound
from noxcli.render.table import Layout, duration, plain, show_table, time_of_day
from noxcli.render.text import shorten
from noxcli.reports.result import Outcome

if TYPE_CHECKING:
    from noxcli.cli.inspect_run import Inside
    from noxcli.cli.session import Session
    from noxcli.render.terminal import Terminal

NODE_COLUMNS = Layout(
    ("NODE", "STATUS", "START", "DURATION", "INPUT", "OUTPUT", "ERROR"),
    cut=("ERROR", "NODE"),
    dropped=("START", "INPUT", "OUTPUT", "DURATION"),
    marked=("STATUS",),
    shown={"START": time_of_day, "DURATION": duration},
)
MEASURED = "started_at", "duration_s", "input_bytes", "output_bytes"
# Characters of an input.
UNKNOWN = "-"
MAX_VALUE = 200


@declared
class Options(DocumentOptions, LimitOptions):
    """Show a run's nodes with status, times, sizes and errors, and its inputs.

    Nodes are in workflow order; sizes are bytes of JSON. The run may still be running, and may have
    been started elsewhere.

    Examples:
        noxcli run fails || noxcli inspect @last
        # The inputs and outputs of one node.
        noxcli inspect @last --node Summarise
        noxcli inspect @last --json | jq '.nodes[] | select(.error)'
    """

    codes = Codes.NO_KEY | Codes.NOT_FOUND | Codes.TEMPORARY

    run: str = RUN_OR_LAST
    node: str | None = option("--node", "NODE", "Print this node's inputs and outputs.", None)


def execute(ctx: typer.Context, options: Options) -> None:
    """Show the nodes of the run. Raises the NoxError that the command ends with."""
    # The help loads none of what reading a run needs.
    from noxcli.cli.inspect_run import inspect_run
    from noxcli.cli.session import begin

    noxus = begin(ctx, options, subject=options.run)
    io = None
    with noxus.connect():
        inside = inspect_run(noxus, options.run)
        if options.node is not None:
            io = _read_node(noxus, inside, options.node)
    printing = noxus.context.printing
    terminal = noxus.context.terminal
    if not printing.format.is_text:
        printing.print_named("inspect", {**_fields(inside), "io": io, "data": inside.data})
    elif io is not None:
        terminal.write(f"{to_json(io['data'], indent=2)}\n")
    else:
        _show(terminal, inside)


def _fields(inside: "Inside") -> dict[str, Any]:
    """Return the first fields of the document."""
    outcome = Outcome(run=inside.run, confirmed=True, progress=inside.progress)
    return {
        "run": outcome.document_of_run(),
        "error": inside.progress.why.removeprefix(": ").strip() or None,
        "inputs": inside.inputs,
        "nodes": inside.nodes,
    }


def _show(terminal: "Terminal", inside: "Inside") -> None:
    """Print the table of nodes, and note what else is known."""
    from noxcli.outputs.values import as_text  # as above

    rows = []
    for node in inside.nodes:
        measured = [plain(node[each]) or UNKNOWN for each in MEASURED]
        rows.append([node["name"], node["status"], *measured, plain(node["error"])])
    show_table(terminal, NODE_COLUMNS, terminal.mask.whole(rows))
    for key, value in (inside.inputs or {}).items():
        terminal.note(f"input {key!r}: {shorten(as_text(value), MAX_VALUE)}")
    run = inside.run
    progress = inside.progress
    workflow = progress.title or run.workflow_id
    terminal.note(f"run {run.id} of workflow {workflow}: {run.word}{progress.why}")


def _read_node(noxus: "Session", inside: "Inside", node: str) -> dict[str, Any]:
    """Return one node's inputs and outputs, truncated texts completed.

    Raises UsageProblem for an unknown node.
    """
    from noxcli.outputs.expand import complete_inline  # loaded only with --node
    from noxcli.outputs.values import require_whole
    from noxcli.runs.resolve import resolve_node

    names = inside.progress.names
    node_id = resolve_node(node, names)
    try:
        answer = noxus.keep_trying(lambda api: api.get_node_io(inside.run.id, node_id))
    except NotFound as error:
        raise NotFound(error.message, "the node may not have run", **error.facts()) from None
    delivered = complete_inline(noxus.api, answer, noxus.retries())
    require_whole(delivered, inside.run)
    return {
        "node_id": node_id,
        "name": names.get(node_id, node_id),
        "data": delivered.output,
        "complete": delivered.complete,
    }
