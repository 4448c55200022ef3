"""The content of noxcli's own files for a page: result documents, events that end in one, and rows of a batch."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from noxcli.decode import decode_json
from noxcli.errors import UsageProblem
from noxcli.reports.html.parts import mapping, objects
from noxcli.reports.html.run import ReportedRun
from noxcli.reports.result import RESULT_SCHEMA, RESULTS_SCHEMA

LARGEST_DOCUMENT = 1 << 28  # bytes of a line, or of a document over several lines
WHAT_FITS = "give a run, a file of --format ndjson or --json, or the directory of a batch"


@dataclass(slots=True)
class Saved:
    """The content of a file: runs, or else rows of a batch."""

    runs: list[ReportedRun] = field(default_factory=list)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    started: Mapping[str, Any] | None = None  # the run whose events have begun, and had no result so far

    def add(self, document: Mapping[str, Any]) -> bool:
        """Return whether it is one of noxcli's documents."""
        if isinstance(document.get("type"), str) and "redis_id" in document:
            data = mapping(document.get("data"))
            if document["type"] == "noxcli.started":
                self.started = data
            elif document["type"] == "noxcli.result":
                inputs, self.started = mapping(self.started or {}).get("inputs"), None
                self.runs += _runs(data, inputs if isinstance(inputs, dict) else None)
            return True
        runs = _runs(document, None)
        self.runs += runs
        if isinstance(document.get("row"), int) and isinstance(document.get("result"), dict):
            self.rows.append(document)
            return True
        return bool(runs)


def read_saved(file: IO[bytes], name: str) -> Saved:
    """Return the file's content.

    Raises UsageProblem for a file that noxcli did not write, or whose writer was killed.
    """
    saved = Saved()
    for document in _documents(file, name):
        if not saved.add(document):
            raise UsageProblem(f"{name} contains no result, events or rows of noxcli", WHAT_FITS)
    if saved.started is not None:
        hint = f"write the page from the server: noxcli report {shlex.quote(str(saved.started.get('id')))}"
        raise UsageProblem(f"{name} ends before the run's result: its writer was killed", hint)
    if not saved.runs and not saved.rows:
        raise UsageProblem(f"{name} contains no run", WHAT_FITS)
    return saved


def _documents(file: IO[bytes], name: str) -> Iterator[Mapping[str, Any]]:
    """Yield each line's object; a file that is one object over several lines is one."""
    first = True
    while line := file.readline(LARGEST_DOCUMENT):
        found = _parsed(line)
        if found is None and first:
            found = _parsed(line + file.read(LARGEST_DOCUMENT))
        if found is None and line.endswith(b"\n") and line.strip():
            raise UsageProblem(f"{name} is not JSON lines", WHAT_FITS)
        if found is not None:  # otherwise it is the incomplete last line of a killed writer
            yield found
        first = first and not line.strip()


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    try:
        found = decode_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _runs(document: Mapping[str, Any], inputs: Mapping[str, Any] | None) -> list[ReportedRun]:
    if document.get("schema") == RESULTS_SCHEMA:
        return [ReportedRun(each) for each in objects(document.get("results"))]
    return [ReportedRun(document, inputs)] if document.get("schema") == RESULT_SCHEMA else []
