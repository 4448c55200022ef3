"""JSON Schemas (draft 2020-12) of what noxcli prints and writes; a file may refer to another one by its name."""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

SCHEMA_SUFFIX = ".json"
SCHEMA_FILES = files(__name__)


def schema_names() -> list[str]:
    """Return the names of all schemas, in order."""
    return sorted(
        entry.name.removesuffix(SCHEMA_SUFFIX) for entry in SCHEMA_FILES.iterdir() if entry.name.endswith(SCHEMA_SUFFIX)
    )


def schema_named(name: str) -> dict[str, Any]:
    """Return a schema with those that it refers to among its own definitions. Raises KeyError for no schema's name."""
    if name not in schema_names():
        raise KeyError(name)
    schema = _read(name)
    definitions = dict(schema.pop("$defs", {}))
    waiting = list(_others(schema)) + list(_others(definitions))
    while waiting:
        other = waiting.pop()
        if other not in definitions:
            found = _read(other)
            del found["$schema"]  # of the whole, not of a part
            definitions = {other: found, **found.pop("$defs", {}), **definitions}
            waiting += _others(found)
    whole = {**schema, **({"$defs": definitions} if definitions else {})}
    return {name: _rewritten(part) for name, part in whole.items()}


def _read(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMA_FILES / f"{name}{SCHEMA_SUFFIX}").read_text("utf-8"))
    return schema


def _others(part: Any) -> Iterator[str]:
    """Yield the names of the files that a part of a schema refers to."""
    if isinstance(part, Mapping):
        reference = part.get("$ref", "")
        if isinstance(reference, str) and reference.endswith(SCHEMA_SUFFIX):
            yield reference.removesuffix(SCHEMA_SUFFIX)
    for inner in part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ():
        yield from _others(inner)


def _rewritten(part: Any) -> Any:
    if isinstance(part, list):
        return [_rewritten(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    reference = part.get("$ref", "")
    if isinstance(reference, str) and reference.endswith(SCHEMA_SUFFIX):
        part = {**part, "$ref": f"#/$defs/{reference.removesuffix(SCHEMA_SUFFIX)}"}
    return {key: _rewritten(inner) for key, inner in part.items()}
