"""`noxcli schema`: the JSON Schemas of noxcli's documents, for programs that read them."""

from collections.abc import Mapping
from typing import Any

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import DocumentOptions, Printed, argument, declared
from noxcli.cli.verbs import Codes
from noxcli.errors import CommandLine, Hint, UsageProblem, nearest, suggestion
from noxcli.render.table import Layout, show_table
from noxcli.schemas import schema_named, schema_names

SCHEMAS_SCHEMA = "noxcli.schemas/1"
SCHEMA_COLUMNS = Layout(("NAME", "SCHEMA", "OF"), cut=("OF",), wraps=True)


@declared
class Options(DocumentOptions, Printed):
    """Print the JSON Schemas of the documents that noxcli prints.

    Examples:
        noxcli schema
        noxcli schema result > result.schema.json
        noxcli schema --json | jq -r '.schemas[].name'
    """

    codes = Codes.PRINTED_ONLY

    name: str | None = argument("[SCHEMA]", "Print this schema; without it, list all.", None)


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the schema, or list all. Raises UsageProblem for an unknown one."""
    from noxcli.cli.destinations import present  # the help does not load it

    context: Context = ctx.obj
    present(context, options)
    schemas = {each: schema_named(each) for each in schema_names()}
    if options.name is not None:
        context.printing.print_document(_find(options.name, schemas), indent=2)
        return
    entries = []
    for name, schema in schemas.items():
        entries.append(
            {"name": name, "title": schema["title"], "description": schema["description"]}
        )
    if context.printing.format.is_text:
        show_table(context.terminal, SCHEMA_COLUMNS, [tuple(each.values()) for each in entries])
        return
    context.printing.print_document({"schema": SCHEMAS_SCHEMA, "schemas": entries})


def _find(name: str, schemas: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of this name, or with this name in documents, such as `noxcli.result/1`."""
    if name in schemas:
        return schemas[name]
    for schema in schemas.values():
        if schema["title"] == name:
            return schema
    hint = suggestion(nearest(name, schemas), Hint(CommandLine("schema"), " lists them"))
    raise UsageProblem(f"there is no schema named {name!r}", hint)
