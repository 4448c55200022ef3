"""`noxcli schema`: the JSON Schemas of noxcli's documents, for programs that read them."""

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import DocumentOptions, Printed, argument, declared
from noxcli.cli.verbs import Codes
from noxcli.errors import UsageProblem, nearest, suggestion
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
    if (name := options.name) is not None:
        # Its name in documents (`noxcli.result/1`) means it as well.
        found = schemas.get(name) or next(
            (each for each in schemas.values() if each["title"] == name), None
        )
        if found is None:
            hint = suggestion(nearest(name, schemas), "noxcli schema lists them")
            raise UsageProblem(f"there is no schema named {name!r}", hint)
        context.printing.print_document(found, indent=2)
        return
    about = [(each, schema["title"], schema["description"]) for each, schema in schemas.items()]
    if context.printing.format.is_text:
        show_table(context.terminal, SCHEMA_COLUMNS, about)
        return
    entries = [dict(zip(("name", "title", "description"), row, strict=True)) for row in about]
    context.printing.print_document({"schema": SCHEMAS_SCHEMA, "schemas": entries})
