"""How `results --summary` says how far batches are: by what they write for it, or a journal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from noxcli.batchdir.journal_state import FINISHED, JournalState
from noxcli.batchdir.progress_file import LongRow, holder_of, read_progress
from noxcli.cli.context import Context
from noxcli.errors import ExitCode
from noxcli.files import JOURNAL_NAME
from noxcli.render.text import amount, part_of
from noxcli.timing import parse_time, show_seconds

FACTS = (
    "at",
    "total",
    "done",
    "running",
    "in_doubt",
    "codes",
    "rate_per_s",
    "seconds_left",
    "longest",
)


def print_summary(context: Context, directories: Sequence[Path]) -> None:
    """Print how far the batch of each directory is. Raises UsageProblem for one without a batch."""
    found = [_read_facts(directory) for directory in directories]
    if not context.printing.format.is_text:
        context.printing.print_named("summary", {"directories": found})
        return
    for facts in found:
        lines = "".join(f"{line}\n" for line in _lines(context, facts))
        context.terminal.write(lines)


def _read_facts(directory: Path) -> dict[str, Any]:
    holder = holder_of(directory)
    facts = read_progress(directory)
    if facts is None:  # it was killed in its first moment, or another edition wrote it
        facts = _facts_of_journal(directory)
    shown = {name: facts.get(name) for name in FACTS}
    if holder is None:
        shown.update({"rate_per_s": None, "seconds_left": None, "longest": []})
    return {"directory": str(directory), "held_by": holder, **shown}


def _facts_of_journal(directory: Path) -> dict[str, Any]:
    """Return how far a batch is by its journal alone. Raises UsageProblem if it can't be read."""
    journaled = JournalState.read(directory / JOURNAL_NAME)
    codes: Counter[int] = Counter()
    for state in journaled.states:
        if state >= FINISHED:
            codes[state - FINISHED] += 1
    total = 0
    if journaled.header is not None:
        total = journaled.header.rows
    return {
        "at": None,
        "total": max(total, codes.total()),
        "done": codes.total(),
        "running": len(journaled.running_runs),
        "in_doubt": len(journaled.doubtful),
        "codes": {str(code): count for code, count in sorted(codes.items())},
        "rate_per_s": None,
        "seconds_left": None,
        "longest": [],
    }


def _lines(context: Context, facts: Mapping[str, Any]) -> list[str]:
    """Return the facts as lines of text."""
    held_by = facts["held_by"]
    state = "no batch is running"
    if held_by is not None:
        state = f"running: {held_by}"
    written = parse_time(facts["at"])
    if written is not None:
        age = (context.clock.now() - written).total_seconds()
        state += f", as of {show_seconds(max(0.0, age))} ago"
    lines = [f"{facts['directory']}: {state}", _progress_line(facts)]
    for code, count in facts["codes"].items():
        lines.append(f"  {count:>7} {ExitCode(int(code)).words}")
    for row in facts["longest"]:
        lines.append(f"  longest: {LongRow(**row).words()}")
    return lines


def _progress_line(facts: Mapping[str, Any]) -> str:
    parts = [part_of(facts["done"], facts["total"], "row")]
    if facts["running"]:
        parts.append(f"{facts['running']:,} running")
    if facts["in_doubt"]:
        parts.append(f"{amount(facts['in_doubt'], 'row')} in doubt")
    if facts["rate_per_s"]:
        parts.append(f"{60 * facts['rate_per_s']:.1f} rows/min")
        parts.append(f"{show_seconds(facts['seconds_left'])} left")
    return ", ".join(parts)
