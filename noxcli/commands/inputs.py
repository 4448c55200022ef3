"""`noxcli inputs`: a workflow's inputs, as a table with a command to paste, or as a JSON Schema."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from noxcli.cli.ending import print_hint
from noxcli.cli.options import VERSION_ID, WORKFLOW, DocumentOptions, LimitOptions, declared, flag
from noxcli.cli.verbs import Codes
from noxcli.codec import to_json
from noxcli.errors import CommandLine, Hint, Phase
from noxcli.render.table import Layout, show_table
from noxcli.render.text import visible

if TYPE_CHECKING:
    from noxcli.inputs.definition import InputNode

INPUT_COLUMNS = Layout(
    ("LABEL", "NODE ID", "TYPE", "REQUIRED", "FIXED", "DEFAULT"),
    cut=("LABEL", "FIXED", "DEFAULT"),
    dropped=("NODE ID", "DEFAULT", "FIXED"),
    marked=("REQUIRED",),
)
SAMPLE_FILE = "noxcli-sample.txt"


@declared
class Options(DocumentOptions, LimitOptions):
    """Show a workflow's inputs, and a command line to start from.

    Examples:
        noxcli inputs demo
        # A JSON Schema, whose example is an input object to start from.
        noxcli inputs demo --json | jq '.examples[0]' | noxcli run demo --inputs -
    """

    codes = Codes.NO_KEY | Codes.NOT_FOUND | Codes.TEMPORARY

    workflow: str = WORKFLOW
    version_id: str | None = VERSION_ID
    as_json: bool = flag("--json", "Print a JSON Schema of the input object.")


def execute(ctx: typer.Context, options: Options) -> None:
    """Show the inputs. Raises the NoxError that the command ends with."""
    from noxcli.cli import session, start  # the help loads none of these
    from noxcli.inputs.definition import inputs_of, outputs_of, schema_of

    noxus = session.begin(ctx, options)
    context = noxus.context
    with noxus.connect(Phase.PREFLIGHT):
        known = start.read_whole_workflow(
            noxus, noxus.resolve_workflow(options.workflow), options.version_id
        )
    nodes = inputs_of(known.definition) or []
    if options.version_id is None:
        context.cache.save_keys(known.id, nodes, outputs_of(known.definition) or [])
    if not context.printing.format.is_text:
        context.printing.print_document(schema_of(nodes, known.name), indent=2)
        return
    rows = [[visible(cell, None) for cell in _row(node)] for node in nodes]
    show_table(context.terminal, INPUT_COLUMNS, rows)
    if not nodes:
        context.terminal.note("the workflow takes no inputs")
    sample = sample_line(options.workflow, nodes, options.version_id)
    print_hint(context, Hint("try: ", sample))


def _row(node: "InputNode") -> tuple[str, ...]:
    if node.value is None:
        shown = ""
    elif isinstance(node.value, str):
        shown = node.value
    else:
        shown = to_json(node.value)
    fixed = ""
    default = ""
    if node.fixed:
        fixed = shown
    else:
        default = shown
    kind = node.type or ""
    if node.is_list:
        kind = f"list of {node.type}"
    required = "yes" if node.required else "no"
    return node.label or "", node.id, kind, required, fixed, default


def sample_line(workflow: str, nodes: "Sequence[InputNode]", version_id: str | None) -> Hint:
    """Return a command with all required inputs, in the version if one is given.

    A label that could act on a terminal is replaced by its id.
    """
    from noxcli.inputs.definition import keys_of  # as above

    items = []
    uploads = False
    for key, node in keys_of(nodes).items():
        if node.required:
            items.append(_sample(key, node))
            uploads = uploads or node.kind == "file"
    words = []
    if version_id is not None:
        words.append(f"--version-id={version_id}")
    if any(word.startswith("-") for word in (workflow, *items)):
        words.append("--")
    line = CommandLine("run", *words, workflow, *items)
    if uploads:
        return Hint(f"printf hello > {SAMPLE_FILE} && ", line)
    return Hint(line)


def _sample(key: str, node: "InputNode") -> str:
    """Return an input with a value of its kind, as it is typed."""
    from noxcli.inputs.definition import KINDS  # as above
    from noxcli.inputs.parse import item_start

    start = item_start(key if visible(key) == key else node.id, node.kind)
    if node.kind == "file":
        return f"{start}{SAMPLE_FILE}"
    sample = KINDS[node.kind or "text"].sample
    if isinstance(sample, str):
        return f"{start}{sample}"
    return f"{start}{to_json(sample)}"
