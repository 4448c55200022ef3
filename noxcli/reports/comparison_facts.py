"""What was compared, as text: the facts that head the page, the summary of a CI step, and the Markdown."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from noxcli.render.text import amount

PAIRED_BY = {"id": "the same id", "input": "the same input", "row": "the same number"}


def compared_facts(totals: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield terms with what `noxcli.comparison/1` says of them."""
    compared = totals["compared"]
    for side in ("base", "new"):
        yield side.upper(), "; ".join(_side(totals[side]))
    questions = compared["questions"]
    yield (
        "Questions",
        ", ".join(questions) if questions else "none in this call: how the runs ended counts, and their outputs",
    )
    paired = f"rows with {PAIRED_BY[compared['by']]}, by the table of NEW"
    yield "Pairs", f"{paired} ({totals['new']['table']})" if totals["new"]["table"] else paired
    if compared["repeat"] > 1:
        yield "Repetitions", f"{compared['repeat']} of each row; a row passes if {compared['pass_each']} do"
    if (gate := totals["gate"]) is not None:
        yield (
            "Asked",
            f"{amount(gate['rounds'], 'round')}, {amount(gate['runs'], 'run')} of at most {gate['max_runs']:,}",
        )
    if totals["notes"]:
        yield "Notes", "; ".join(totals["notes"])


def ending_of(totals: Mapping[str, Any]) -> str:
    """Return the exit code, and why it is that one."""
    return f"{totals['exit_code']}: {totals['reason'] or 'no row broke'}"


def _side(side: Mapping[str, Any]) -> Iterator[str]:
    yield side["source"]
    if workflow := side["workflow_name"] or side["workflow_id"]:
        yield f"workflow {workflow}"
    if version := side["version_name"] or side["version_id"]:
        yield f"version {version}"
    times = (each for each in (side["began_at"], side["ended_at"]) if each is not None)
    if moments := [f"{datetime.fromisoformat(each).astimezone(UTC):%Y-%m-%d %H:%M}" for each in times]:
        day = moments[0][:11]
        yield f"{day}{' to '.join(moment.removeprefix(day) for moment in moments)} UTC"
    if side["pass_rate"] is not None:
        yield f"{side['passed']:,} of {amount(side['rows'], 'row')} passed ({side['pass_rate']:.1%})"
