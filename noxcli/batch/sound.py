"""The valid lines of a journal, which is untrusted: it must not break its reader, or exhaust its memory."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

LONGEST_LINE = 16 * 1024 * 1024  # bytes
MOST_ROWS = 20_000_000
# The beginning of a line of results; the rest may be as large, and as deeply nested, as a server sends it.
RESULT_HEAD = re.compile(
    rb'\{"row":(\d{1,9}),"id":(?:null|"(?:[^"\\]|\\.)*"),"result":\{"schema":"noxcli\.result/1",'
    rb'"ok":\w+,"exit_code":\d+,"retry_safe":\w+,"run":(?:null|\{"id":("(?:[^"\\]|\\.)*"))'
)
TEXT, MAYBE_TEXT, NUMBER, MAYBE_NUMBER = (str,), (str, type(None)), (int,), (int, type(None))
FIELD_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("step", "row_digest", "input_digest", "input_shape", "at"), TEXT),
    **dict.fromkeys(("id", "run_id", "workflow_id", "created_at", "server_at", "status", "message"), MAYBE_TEXT),
    **dict.fromkeys(("row", "exit_code"), NUMBER),
    "duration_s": (int, float, type(None)),
    "assertions": (list,),
}
HEADER_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("workflow_id", "host", "source", "shard"), TEXT),
    "rows": MAYBE_NUMBER,
    "digest": MAYBE_TEXT,
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "intent": ("row", "id", "row_digest", "input_digest", "at"),
    "started": ("row", "run_id", "created_at"),
    "stopping": ("row",),
    "interrupted": ("row", "exit_code"),
    "withdrawn": ("row",),
    "left": ("row", "exit_code"),
    "finished": ("row", "exit_code"),
    "end": ("rows",),
}


def parsed(raw: bytes) -> dict[str, Any] | None:
    """Return the line, or None for one that neither this version nor a later one writes."""
    try:
        line = json.loads(raw)
        return line if isinstance(line, dict) and _is_sound(line) else None
    except (ValueError, RecursionError):
        return None


def parsed_result(raw: bytes) -> tuple[int, str | None] | None:
    """Return row and run id of a line of results, or None for any other line."""
    head = RESULT_HEAD.match(raw)
    if head is None or not raw.endswith(b"}}\n") or not 0 < int(head[1]) <= MOST_ROWS:
        return None
    try:
        return int(head[1]), json.loads(head[2]) if head[2] else None
    except ValueError:
        return None


def _is_sound(line: Mapping[str, Any]) -> bool:
    """Raises ValueError for texts that are neither a number nor a time."""
    kinds = {**FIELD_TYPES, **HEADER_TYPES} if "batch" in line else {**FIELD_TYPES, "rows": NUMBER}
    needed = HEADER_TYPES if "batch" in line else NEEDED.get(str(line.get("step")), ())
    if not all(name in line for name in needed):
        return False
    if not all(type(line[name]) in kind for name, kind in kinds.items() if name in line):  # True is not a number here
        return False
    if line.get("step") == "started" and line["run_id"] is None:
        return False
    return _in_range(line) and ("at" not in line or datetime.fromisoformat(line["at"]).tzinfo is not None)


def _in_range(line: Mapping[str, Any]) -> bool:
    counts = all(0 <= (line.get(name) or 0) <= MOST_ROWS for name in ("row", "rows")) and line.get("row") != 0
    return counts and 0 <= line.get("exit_code", 0) <= 255 and not int(line.get("row_digest", "0"), 16) >> 64
