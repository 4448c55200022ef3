"""JSON Schemas (draft 2020-12) of what noxcli prints and writes.

A file may refer to another one by its name.
"""

import json
import re
from importlib.resources import files
from typing import Any

SCHEMA_SUFFIX = ".json"
SCHEMA_FILES = files(__name__)
REFERENCE = re.compile(r'"\$ref":\s*"(_?)([\w-]+)\.json"')


def schema_names() -> list[str]:
    """Return the names of all schemas, in order.

    A file that begins with `_` is a part of others.
    """
    names = (entry.name for entry in SCHEMA_FILES.iterdir() if entry.name.endswith(SCHEMA_SUFFIX))
    return sorted(name.removesuffix(SCHEMA_SUFFIX) for name in names if not name.startswith("_"))


def schema_named(name: str) -> dict[str, Any]:
    """Return a schema with those that it refers to among its own definitions."""
    schema, wanted = _read(name)
    definitions = schema.pop("$defs", {})
    while wanted:
        other = wanted.pop()
        if other.removeprefix("_") not in definitions:
            part, more = _read(other)
            del part["$schema"]  # of the document, not of a part
            definitions |= part.pop("$defs", {})
            definitions[other.removeprefix("_")] = part
            wanted += more
    return {**schema, **({"$defs": definitions} if definitions else {})}


def _read(name: str) -> tuple[dict[str, Any], list[str]]:
    """Return the schema in a file, whose references lead into one document, and the files that it
    refers to.
    """
    text = (SCHEMA_FILES / f"{name}{SCHEMA_SUFFIX}").read_text("utf-8")
    schema = json.loads(REFERENCE.sub(r'"$ref": "#/$defs/\2"', text))
    return schema, ["".join(name) for name in REFERENCE.findall(text)]
