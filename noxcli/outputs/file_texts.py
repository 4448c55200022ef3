"""Texts of an output that became files: read back for what is judged and kept, and taken out for
what is shown.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from noxcli.outputs.values import replaced

MAX_TEXTS = 256 * 1024 * 1024  # bytes of all texts of an output; others stay files
Keys = tuple[str | int, ...]
Entry = Mapping[str, Any]  # of a file, in a result document


def read_whole_output(output: Any, files: Sequence[Entry]) -> tuple[Any, list[Entry]]:
    """Return the output with the texts of its files in it, and the entries of files that are not
    what was written.
    """
    texts: dict[Keys, str] = {}
    wrong = list[Entry]()
    most = MAX_TEXTS // max(1, len(files))
    for entry in files:
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("bytes"), int)
            or not entry.get("text")
        ):
            continue
        keys, value = _find(output, entry.get("pointer"))
        path = entry.get("path")
        if (
            keys is None
            or not isinstance(path, str)
            or value != {"$file": path}
            or entry["bytes"] > most
        ):
            continue
        text = _read(entry)
        if text is None:
            wrong.append(entry)
        else:
            texts[keys] = text
    return (replaced(output, texts) if texts else output), wrong


def with_paths(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a line of results with `{"$file": PATH}` in place of each text that was also written
    to a file.
    """
    result = line["result"]
    paths = dict[Keys, Any]()
    for entry in result["files"]:
        keys, _ = _find(result["output"], entry["pointer"])
        if entry.get("text") and entry["path"] and keys is not None:
            paths[keys] = {"$file": entry["path"]}
    return (
        {**line, "result": {**result, "output": replaced(result["output"], paths)}}
        if paths
        else line
    )


def _read(entry: Entry) -> str | None:
    """Return the text of a file, None if it is not what was written."""
    path = Path(entry["path"])
    with suppress(OSError, ValueError):
        content = (
            path.read_bytes() if path.is_file() and path.stat().st_size == entry["bytes"] else b""
        )
        if hashlib.sha256(content).hexdigest() == entry.get("sha256"):
            return content.decode()
    return None


def _find(output: Any, pointer: Any) -> tuple[Keys | None, Any]:
    """Return the place that a pointer names, None if there is none, and the value there."""
    keys: list[str | int] = []
    if not isinstance(pointer, str):
        return None, None
    for part in pointer.split("/")[1:]:
        key: str | int = part.replace("~1", "/").replace("~0", "~")
        if isinstance(output, list):
            key = int(part) if part.isdecimal() else -1
        try:
            output = output[key]
        except (KeyError, IndexError, TypeError):
            return None, None
        keys.append(key)
    return tuple(keys), output
