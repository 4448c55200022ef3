"""JSON Schemas (draft 2020-12) of what noxcli prints and writes; a file may refer to another one by its name."""

import json
from importlib.resources import files
from typing import Any

SCHEMA_SUFFIX = ".json"
SCHEMA_FILES = files(__name__)


def schema_names() -> list[str]:
    """Return the names of all schemas, in order; a file that begins with `_` is a part of others."""
    names = (entry.name for entry in SCHEMA_FILES.iterdir() if entry.name.endswith(SCHEMA_SUFFIX))
    return sorted(name.removesuffix(SCHEMA_SUFFIX) for name in names if not name.startswith("_"))


def schema_named(name: str) -> dict[str, Any]:
    """Return a schema with those that it refers to among its own definitions. Raises KeyError for no schema's name."""
    if name not in schema_names():
        raise KeyError(name)
    definitions: dict[str, Any] = {}
    schema = _read(name, definitions)
    return {**schema, **({"$defs": definitions} if definitions else {})}


def _read(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema in a file, and add its definitions, and the schemas that it refers to."""
    schema = json.loads((SCHEMA_FILES / f"{name}{SCHEMA_SUFFIX}").read_text("utf-8"))

    def rewritten(part: Any) -> Any:
        if isinstance(part, list):
            return [rewritten(inner) for inner in part]
        if not isinstance(part, dict):
            return part
        other = str(part.get("$ref", ""))
        if other.endswith(SCHEMA_SUFFIX):
            other = other.removesuffix(SCHEMA_SUFFIX)
            own = other.removeprefix("_")
            part = {**part, "$ref": f"#/$defs/{own}"}
            if own not in definitions:
                definitions[own] = {}  # so that it may refer to itself
                definitions[own] = _read(other, definitions)
                del definitions[own]["$schema"]  # of the whole, not of a part
        return {key: rewritten(inner) for key, inner in part.items()}

    definitions.update(rewritten(schema.pop("$defs", {})))
    whole: dict[str, Any] = rewritten(schema)
    return whole
