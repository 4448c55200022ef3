"""The check of every document that noxcli prints or writes in a test against its schema; documents are counted."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator

from noxcli.schemas import schema_named, schema_names

counted: Counter[str] = Counter()
LONGEST_LINES = 2000  # of one stream of events; of a longer one, those at both ends


def check_stdout(out: bytes) -> None:
    """Check what a command printed against the schemas of the documents in it; ignore anything else."""
    lines = [line for line in out.split(b"\n") if line.startswith(b'{"')]
    if len(lines) > LONGEST_LINES:
        lines = [*lines[: LONGEST_LINES // 2], *lines[-LONGEST_LINES // 2 :]]
    for line in lines:
        check_document(_parsed(line))


def check_files(directory: Path) -> None:
    """Check the manifests and state files below a directory against their schemas."""
    for path in directory.rglob("*"):
        if path.is_file() and (path.name == "manifest.json" or path.suffix == ".state"):
            check_document(_parsed(path.read_bytes()))


def check_document(document: Any) -> None:
    """Check a document against its schema, which must name every field."""
    name = _name_of(document)
    if name is None:
        return
    trouble = next(_validator(name).iter_errors(document), None)
    assert trouble is None, f"{name}: {trouble.instance_path}: {trouble.message[:500]}"
    counted[name] += 1


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # truncated on purpose, or the user's own text


def _name_of(document: Any) -> str | None:
    if not isinstance(document, dict):
        return None
    title = document.get("schema")
    if isinstance(title, str) and title.startswith("noxcli."):
        name = title.removeprefix("noxcli.").partition("/")[0]
        assert name in schema_names(), f"noxcli/schemas has no {name}.json"
        return name
    keys = document.keys()
    if keys >= {"seq", "ts", "type", "redis_id"}:
        return "event"
    return "batch-line" if keys >= {"row", "result"} else None


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_closed(schema_named(name)))


def _closed(part: Any) -> Any:
    """Return the schema, closed to fields that it does not name; published schemas allow future ones."""
    if isinstance(part, list):
        return [_closed(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    closed = {key: _closed(inner) for key, inner in part.items()}
    if isinstance(part.get("properties"), dict) and part.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
