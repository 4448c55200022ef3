"""The page of one run or several: verdict, waterfall of nodes, errors, inputs, outputs, files and stream."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from noxcli.errors import ExitCode
from noxcli.fixed import fixed
from noxcli.masking import Mask
from noxcli.models import FINAL_STATUSES
from noxcli.outputs.values import as_text, find_remote
from noxcli.reports.html.page import (
    LARGEST_TEXT,
    MOST_SEARCHED,
    Ink,
    mapping,
    number,
    objects,
    page,
    show_short,
)
from noxcli.reports.html.waterfall import waterfall
from noxcli.timing import parse_time

VALUES_ON_A_PAGE = 200  # outputs or inputs of a run
LARGEST_VALUES = 2_000_000  # characters of all of them
LONGEST_PEEK = 120  # characters of a folded value
NO_CODE = -1  # of a document that noxcli did not write
UNDECIDED = {NO_CODE, 3, 8, 10, 12, 124, 129, 130, 141, 143}  # exit codes that are neither good nor bad
SIGNS = {"good": "✓", "bad": "✗", "warn": "!"}


@fixed
class Told:
    """One run for a page: its result document, and its inputs with secrets masked."""

    document: Mapping[str, Any]
    inputs: Mapping[str, Any] | None = None


def run_page(runs: Sequence[Told], mask: Mask, base: Path) -> Iterator[bytes]:
    """Yield the page; links to files start from the directory `base`."""
    ink = Ink(mask, base)
    names = [_name(one.document) for one in runs]
    return page(
        _title(runs[0].document, names[0], ink) if len(runs) == 1 else f"{len(runs)} runs",
        (part for one, name in zip(runs, names, strict=True) for part in _article(one, name, ink)),
    )


def _title(document: Mapping[str, Any], name: str, ink: Ink) -> str:
    parts = name, _words(document), mapping(document.get("run")).get("id")
    return " — ".join(ink.line(part, 80) for part in parts if part)


def _article(one: Told, name: str, ink: Ink) -> Iterator[str]:
    document = one.document
    yield "<article>"
    yield from _verdict(document, name, ink)
    yield from waterfall(document, ink)
    yield from _assertions(objects(document.get("assertions")), ink)
    yield from _values("Inputs", one.inputs, ink, "as noxcli sent them; secrets are masked")
    yield from _values("Outputs", _keyed(document.get("output")), ink, _completeness(document))
    yield from _files(objects(document.get("files")), ink)
    if request := mapping(document.get("request")):
        yield from _values("Request", {"not sent: --dry-run": request}, ink)
    yield "</article>"


def tone_of(code: int) -> str:
    """Return the class of the style for an exit code."""
    return "good" if code == ExitCode.OK else "warn" if code in UNDECIDED else "bad"


def _code(document: Mapping[str, Any]) -> int:
    code = number(document.get("exit_code"))
    return NO_CODE if code is None else int(code)


def _words(document: Mapping[str, Any]) -> str:
    code, status = _code(document), mapping(document.get("run")).get("status")
    if code == ExitCode.OK and status != "completed":
        return "started" if status else "checked, not started"
    if code == NO_CODE:
        return "no verdict"
    return ExitCode.words_of(code)


def _name(document: Mapping[str, Any]) -> str:
    run = mapping(document.get("run"))
    return next((run[key] for key in ("workflow_name", "workflow_id") if isinstance(run.get(key), str)), "noxcli")


def _verdict(document: Mapping[str, Any], name: str, ink: Ink) -> Iterator[str]:
    code, run, error = _code(document), mapping(document.get("run")), mapping(document.get("error"))
    tone = tone_of(code)
    yield f'<header class="verdict {tone}"><p class="chip">{SIGNS[tone]} {ink.line(_words(document))}</p>'
    yield f"<h1><bdi>{ink.line(name, 200)}</bdi></h1>"
    for key, css in (("message", "why"), ("hint", "hint")):
        if error.get(key):
            yield f'<p class="{css}"><bdi>{ink.line(error[key])}</bdi></p>'
    yield "</header>"
    yield '<dl class="facts">'
    for term, value in _facts(document, run, code, error):
        yield f"<div><dt>{term}</dt><dd><bdi>{ink.line(value, 200)}</bdi></dd></div>"
    yield "</dl>"
    if commands := _commands(document, run):
        yield commands_list(commands, ink)


def commands_list(commands: Sequence[str], ink: Ink) -> str:
    """Return command lines to copy."""
    return '<ul class="commands">' + "".join(f"<li><code>{ink.line(line)}</code></li>" for line in commands) + "</ul>"


def _facts(
    document: Mapping[str, Any], run: Mapping[str, Any], code: int, error: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    meaning = next((f"{code}: {one.meaning.replace('`', '')}" for one in ExitCode if one == code != 0), str(code))
    stream, took = mapping(document.get("stream")), number(run.get("duration_s"))
    if code != NO_CODE:
        yield "Exit code", meaning
    if run:
        yield "Run", run.get("id")
        yield "Status", f"{run.get('status')}{'' if run.get('confirmed') else ' (not confirmed by the record)'}"
    if took is not None:
        yield "Duration", show_short(took)
    for term, value in (
        ("Created", _moment(run.get("created_at"))),
        ("Finished", _moment(run.get("finished_at"))),
        ("Workflow", run.get("workflow_id")),
        ("HTTP status", error.get("http_status")),
        ("Request id", error.get("request_id")),
    ):
        if value is not None:
            yield term, value
    if stream.get("continuity") not in (None, "none"):
        connects = stream.get("connects")
        yield (
            "Event stream",
            f"{connects} connection{'' if connects == 1 else 's'}, {stream.get('continuity')} complete",
        )


def _moment(text: Any) -> Any:
    moment = parse_time(text)
    return text if moment is None else f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def _commands(document: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    if not isinstance(run.get("id"), str):
        return []
    run_id, status = shlex.quote(run["id"]), run.get("status")
    if status == "completed":
        return [] if document.get("complete") else [f"noxcli fetch-output {run_id}"]
    if isinstance(status, str) and status in FINAL_STATUSES:
        return [f"noxcli inspect {run_id}"]
    return [f"noxcli wait {run_id}", f"noxcli inspect {run_id}"]


def _assertions(assertions: Sequence[Mapping[str, Any]], ink: Ink) -> Iterator[str]:
    if not assertions:
        return
    broken = sum(not each.get("holds") for each in assertions)
    yield f"<h2>Assertions <small>{len(assertions) - broken} of {len(assertions)} hold</small></h2>"
    yield '<ul class="checks">'
    for each in assertions:
        tone, sign = ("good", "✓ holds") if each.get("holds") else ("bad", "✗ broken")
        yield f'<li class="{tone}"><b>{sign}</b> <code>{ink.line(each.get("name"))}</code>'
        if each.get("message"):
            yield f"<p><bdi>{ink.line(each['message'])}</bdi></p>"
        if each.get("diff"):
            yield ink.block(each["diff"])
        yield "</li>"
    yield "</ul>"


def _keyed(output: Any) -> Mapping[str, Any] | None:
    if output is None or isinstance(output, dict):
        return output
    return {"output": output}


def _completeness(document: Mapping[str, Any]) -> str:
    return "" if document.get("complete") else "not complete"


def _values(title: str, values: Mapping[str, Any] | None, ink: Ink, note: str = "") -> Iterator[str]:
    if not values:
        return
    yield f"<h2>{title}{f' <small>{note}</small>' if note else ''}</h2>"
    left = LARGEST_VALUES
    for key, value in list(values.items())[:VALUES_ON_A_PAGE]:
        body = ink.block(value, max(1000, min(left, LARGEST_TEXT)))
        left -= len(body)
        yield (
            f'<details><summary class="value"><b><bdi>{ink.line(key, 200)}</bdi></b>{_gist(value, ink)}</summary>'
            f"<div>{body}</div></details>"
        )
    if len(values) > VALUES_ON_A_PAGE:
        yield f'<p class="dim">and {len(values) - VALUES_ON_A_PAGE} more</p>'


def _gist(value: Any, ink: Ink) -> str:
    """Return the summary of a folded value: its size, and its beginning or its file."""
    if isinstance(value, dict) and isinstance(value.get("$file"), str):
        return f'<span class="peek">{ink.link(value["$file"], Path(value["$file"]).name)}</span>'
    match value:
        case str() if len(value) > LONGEST_PEEK:
            size = f"{len(value):,} characters"
        case dict() | list():
            size = f"{len(value):,} {'fields' if isinstance(value, dict) else 'items'}"
        case _:
            size = ""
    cut = "a preview" if any(remote.is_text for remote in find_remote(value)) else ""
    sizes = ", ".join(filter(None, [size, cut]))
    begun = as_text(value)[: MOST_SEARCHED * LONGEST_PEEK]
    peek = f'<span class="peek"><bdi>{escape(ink.cut(begun, LONGEST_PEEK))}</bdi></span>'
    return peek + (f'<span class="size">{sizes}</span>' if sizes else "")


def _files(files: Sequence[Mapping[str, Any]], ink: Ink) -> Iterator[str]:
    written = [each for each in files if isinstance(each.get("path"), str)]
    if not written:
        return
    yield f"<h2>Files <small>{len(written)}</small></h2>"
    yield '<div class="wide"><table><thead><tr><th>File</th><th>Output</th><th class="r">Bytes</th><th>SHA-256</th>'
    yield "</tr></thead><tbody>"
    for each in written[:VALUES_ON_A_PAGE]:
        size, pointer = number(each.get("bytes")), ink.line(each.get("pointer"), 100)
        yield (
            f"<tr><td>{ink.link(each['path'], each['path'])}</td><td><bdi>{pointer}</bdi></td>"
            f'<td class="r">{"" if size is None else f"{size:,.0f}"}</td>'
            f'<td class="mono dim">{ink.line(each.get("sha256"), 64)}</td></tr>'
        )
    yield "</tbody></table></div>"
    if len(written) > VALUES_ON_A_PAGE:
        yield f'<p class="dim">and {len(written) - VALUES_ON_A_PAGE} more</p>'
