"""Batch directories as noxcli writes them, made of the lines that a test wants to compare or to read again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal_state import BATCH_SCHEMA
from noxcli.errors import HAD_RUN

AT = "2026-01-01T00:00:00.000+00:00"
Line = dict[str, Any]


def stored(
    name: str,
    lines: Iterable[Line],
    *,
    workflow: str = "w",
    constants: Mapping[str, Any] | None = None,
) -> str:
    """Write a batch whose rows ended as these lines say, each with a run of its own; return its directory.

    Rows are numbered in the order of their lines; one whose code is not of a run that ended has no result.
    """
    rows = dict[int, list[Line]]()
    for each in lines:
        rows.setdefault(each["row"], []).append(each)
    repeat = max((len(each) for each in rows.values()), default=1)
    shared = {key: json.dumps(value) for key, value in (constants or {}).items()}
    count = len(rows) * repeat
    header = BatchHeader(
        workflow, None, "http://localhost", "rows.jsonl", "1/1", shared, [], None, rows=count
    )
    command = ["batch", workflow, "rows.jsonl", "--output-dir", name]
    journal = [{"batch": BATCH_SCHEMA, **asdict(header), "repeat": repeat, "command": command}]
    results: list[Line] = []
    for row, of_row in enumerate(rows.values()):
        for repetition, each in enumerate(of_row, 1):
            number = row * repeat + repetition
            journal += _steps(name, number, repetition if repeat > 1 else 0, each)
            if each["result"]["exit_code"] in HAD_RUN:
                results.append(_result(name, number, repetition if repeat > 1 else 0, each))
    directory = Path(name)
    directory.mkdir(exist_ok=True)
    for file, written in (("batch.jsonl", journal), ("results.jsonl", results)):
        texts = (json.dumps(each, separators=(",", ":")) for each in written)
        (directory / file).write_text("".join(f"{text}\n" for text in texts))
    return name


def _id_of(line: Line, repetition: int) -> str | None:
    own_id: str | None = line["id"]
    return f"{own_id}#{repetition}" if repetition and own_id is not None else own_id


def _steps(name: str, number: int, repetition: int, line: Line) -> list[Line]:
    result = line["result"]
    run_id = f"{name}-{number}"
    about = {"id": _id_of(line, repetition), "at": AT}
    given = {"input": line["input"], "columns": line["columns"]}
    sent = {
        "row_digest": f"{number:016x}",
        "unconverted": f"{number:016x}",
        "input_digest": "",
        "server_at": None,
    }
    message = _renamed(result["error"], result["run"]["id"], run_id).get("message")
    ended = {"run_id": run_id, "status": "completed", "exit_code": result["exit_code"]}
    step = "finished" if result["exit_code"] in HAD_RUN else "left"
    return [
        {"row": number, "step": "sent", **about, **sent, **given},
        {"row": number, "step": "started", **about, "run_id": run_id, "created_at": None},
        {"row": number, "step": step, **about, **ended, "message": message},
    ]


def _result(name: str, number: int, repetition: int, line: Line) -> Line:
    result = line["result"]
    run = {**result["run"], "id": f"{name}-{number}"}
    error = result["error"] and _renamed(result["error"], result["run"]["id"], run["id"])
    result = {**result, "run": run, "error": error}
    more = {key: value for key, value in line.items() if key not in ("repetition", "result")}
    return {**more, "row": number, "id": _id_of(line, repetition), "result": result}


def _renamed(error: Mapping[str, str] | None, old: str, new: str) -> dict[str, str]:
    return {key: text.replace(old, new) for key, text in (error or {}).items()}
