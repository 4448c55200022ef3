"""Rows whose start may or may not have been taken: which runs on the server may be theirs.

A run may be a row's own when it has the same input, was created since the row's intent, and is no other row's. That
none is there proves something only where the server's list is seen to work for this: it has to show a run that we know
to be ours with the input that we sent, back to the time in question.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from noxcli.batch.journal import Pending, lines_of
from noxcli.files import new_digest
from noxcli.models import Run
from noxcli.start import CLOCK_SLACK, created_since
from noxcli.timing import parse_time

SETTLING = 3.0  # seconds for a start that was cut off to show in the list
OLD_ENOUGH = 200  # runs in a row from before the time in question, in a list that is newest first
SAMPLE = 200


class RunList(Protocol):
    """What looking needs of the API."""

    def list_runs(self, workflow_id: str | None = None) -> Iterable[Run]: ...


@dataclass(slots=True)
class Finding:
    """What the server's list tells of the rows in doubt. `own` has at most one run for each of them."""

    candidates: dict[int, list[Run]] = field(default_factory=dict)
    own: dict[int, Run] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)  # surely never started


@dataclass(slots=True)
class _Known:
    """What the journal tells of the runs that we know: how far the clocks differ, and whose the listed ones are."""

    offset: timedelta | None = None
    taken: set[str] = field(default_factory=set)
    digests: dict[str, str] = field(default_factory=dict)  # of those in the sample


def input_digest(input: Any, secret: Collection[str] = ()) -> str:
    """Return what two equal inputs have in common, secrets left out."""
    if isinstance(input, dict):
        input = {key: value for key, value in input.items() if key not in secret}
    digest = new_digest()
    digest.update(json.dumps(_plain(input), sort_keys=True).encode())
    return digest.hexdigest()[:32]


def look_for(
    api: RunList, workflow_id: str, journal: Path, doubts: Sequence[Pending], secret: Collection[str] = ()
) -> Finding:
    """Look for the doubtful rows' runs. Raises what the API raises."""
    known = _read_known(journal, (), {})
    earliest = min(_moment(doubt) for doubt in doubts) + (known.offset or timedelta()) - CLOCK_SLACK
    wanted = {doubt.input_digest for doubt in doubts}
    matching: dict[str, tuple[Run, str]] = {}
    sample: dict[str, str] = {}
    descending, older, before = True, 0, None
    for run in api.list_runs(workflow_id):
        created = parse_time(run.created_at)
        if created is not None:
            descending = descending and (before is None or created <= before)
            before = created
        older = older + 1 if created is not None and created < earliest else 0
        if older >= OLD_ENOUGH and descending:
            break
        digest = input_digest(run.input, secret)
        if digest in wanted:
            matching[run.id] = (run, digest)
        elif len(sample) < SAMPLE:
            sample[run.id] = digest
    known = _read_known(journal, matching, sample)
    works = any(known.digests.get(run_id) == digest for run_id, digest in sample.items()) or any(
        run_id in known.taken and known.digests.get(run_id) == digest for run_id, (_, digest) in matching.items()
    )
    free = [(run, digest) for run_id, (run, digest) in matching.items() if run_id not in known.taken]
    return _assign(doubts, free, known.offset, conclusive=works and known.offset is not None)


def _assign(
    doubts: Sequence[Pending], free: Sequence[tuple[Run, str]], offset: timedelta | None, *, conclusive: bool
) -> Finding:
    finding = Finding()
    for digest in {doubt.input_digest for doubt in doubts}:
        # The latest first: what was created since their intent may be an earlier row's as well, but not the reverse.
        rows = sorted((one for one in doubts if one.input_digest == digest), key=_moment, reverse=True)
        runs = sorted((run for run, own in free if own == digest), key=lambda run: run.created_at or "", reverse=True)
        left = list(runs)
        for row in rows:
            since = _moment(row) + (offset or timedelta())
            fitting = [run for run in runs if created_since(run, since)]
            finding.candidates[row.number] = fitting
            mine = next((run for run in left if run in fitting), None)
            if mine is not None:
                left.remove(mine)
                finding.own[row.number] = mine
            elif conclusive:
                finding.absent.add(row.number)
        if len(runs) > len(rows):
            # More runs than rows: somebody else's are among them, and nobody can tell which.
            for row in rows:
                finding.own.pop(row.number, None)
                if finding.candidates[row.number]:
                    finding.absent.discard(row.number)
    return finding


def _read_known(journal: Path, matching: Collection[str], sample: Mapping[str, str]) -> _Known:
    known = _Known()
    intents: dict[int, tuple[str, str]] = {}
    for _, line in lines_of(journal):
        match line.get("step"):
            case "withdrawn":
                intents.pop(line["row"], None)
            case "intent":
                intents[line["row"]] = line["at"], line["input_digest"]
            case "started":
                at, digest = intents.pop(line["row"], (None, ""))
                began, created = parse_time(at), parse_time(line["created_at"])
                if began is not None and created is not None:
                    offset = created - began
                    known.offset = offset if known.offset is None else min(known.offset, offset)
                if line["run_id"] in matching:
                    known.taken.add(line["run_id"])
                if line["run_id"] in sample or line["run_id"] in matching:
                    known.digests[line["run_id"]] = digest
    return known


def _moment(doubt: Pending) -> datetime:
    return datetime.fromisoformat(doubt.at)


def _plain(value: Any) -> Any:
    """Whole numbers are equal however a server writes them."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case _:
            return value
