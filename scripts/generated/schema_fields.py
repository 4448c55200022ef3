"""The page with all fields of all documents, from the JSON Schemas in noxcli/schemas/."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from generated.cells import code, escaped, table

SCHEMAS = Path(__file__).parents[2] / "noxcli" / "schemas"
Schema = Mapping[str, Any]


def documents_page() -> str:
    """Return the page: a heading and a table of fields for each document."""
    parts = [
        "# Document fields\n\n",
        "What noxcli prints and writes as JSON. `noxcli schema NAME` prints each schema.\n",
    ]
    for path in sorted(SCHEMAS.glob("[!_]*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        parts.append(f"\n## {schema['title']}\n\n{escaped(schema['description'])}\n")
        for name, form in forms(schema):
            rows = [
                [code(place), kind(part, schema), escaped(part.get("description", ""))]
                for place, part in fields_of(form, schema, "")
            ]
            parts.append(f"\n{name}{table(['field', 'type', 'meaning'], rows)}")
    return "".join(parts)


def forms(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield each form of a document with the line above its table; usually there is one form, without a name."""
    if "properties" in schema:
        yield "", schema
        return
    for form in schema["anyOf"]:
        name = form["$ref"].rpartition("/")[2]
        yield f"{escaped(name.replace('_', ' ').capitalize())}:\n\n", resolved(form, schema)


def fields_of(part: Schema, schema: Schema, place: str) -> Iterator[tuple[str, Schema]]:
    """Yield each field with its place, such as `run.id` or `files[].path`, including those of nested objects."""
    for name, found in part.get("properties", {}).items():
        here = f"{place}{name}"
        yield here, found
        for inside, mark in insides(found, schema):
            yield from fields_of(inside, schema, f"{here}{mark}.")


def insides(part: Schema, schema: Schema) -> Iterator[tuple[Schema, str]]:
    """Yield the objects that a value can be, or can contain as a list; documents with their own schema are left out."""
    for choice in choices(part):
        whole = resolved(choice, schema)
        if "items" in whole:
            yield from ((inner, f"[]{mark}") for inner, mark in insides(whole["items"], schema))
        elif "properties" in whole:
            yield whole, ""


def choices(part: Schema) -> list[Schema]:
    """Return what a value can be."""
    return list(part.get("anyOf", part.get("oneOf", [part])))


def resolved(part: Schema, schema: Schema) -> Schema:
    """Return the target of a reference within the file or to a part; one to another document is returned as it is."""
    reference = part.get("$ref", "")
    if reference.startswith("_"):
        return dict(json.loads((SCHEMAS / reference).read_text(encoding="utf-8")))
    if not reference.startswith("#/$defs/"):
        return part
    found: Schema = schema["$defs"][reference.removeprefix("#/$defs/")]
    return {**found, **{key: value for key, value in part.items() if key != "$ref"}}


def kind(part: Schema, schema: Schema) -> str:
    """Return a cell with the type of a value."""
    kinds = []
    for choice in choices(part):
        whole = resolved(choice, schema)
        if whole.get("$ref", "").endswith(".json"):
            kinds.append(
                escaped(json.loads((SCHEMAS / whole["$ref"]).read_text(encoding="utf-8"))["title"])
            )
        elif "const" in whole or "enum" in whole:
            values = whole.get("enum", [whole.get("const")])
            kinds += [
                code(value if isinstance(value, str) else json.dumps(value)) for value in values
            ]
        elif whole.get("type") == "array":
            kinds.append(f"list of {kind(whole.get('items', {}), schema)}")
        else:
            types = whole.get("type", "any JSON")
            kinds += [types] if isinstance(types, str) else types
    return " or ".join(dict.fromkeys(kinds))
