"""What was compared, as text: the facts that head the page, a CI step's summary, the Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from noxcli.render.text import amount, in_prose, part_of, with_id
from noxcli.timing import show_seconds

WORSE = "NEW is worse as a whole"
MAX_GROUPS = 20
TERMS = {"median_s": "median", "p95_s": "95% within"}
PAIRED_BY = {"id": "the same id", "input": "the same input", "row": "the same number"}


def worse_headline(totals: Mapping[str, Any]) -> str:
    """Return what fails apart from rows, empty if nothing does."""
    reason = totals["reason"] or ""
    if reason.startswith(WORSE):
        return WORSE
    return ""


def compared_facts(totals: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield terms with what `noxcli.comparison/1` says of them."""
    compared = totals["compared"]
    for side in ("base", "new"):
        yield side.upper(), "; ".join(_side(totals[side]))
    checks = ", ".join(compared["questions"])
    yield "Checks", checks or "none in this call: how the runs ended counts, and their outputs"
    paired = f"rows with {PAIRED_BY[compared['by']]}, by the table of NEW"
    table = totals["new"]["table"]
    if table:
        paired += f" ({table})"
    yield "Pairs", paired
    if compared["repeat"] > 1:
        repeated = f"{compared['repeat']} of each row"
        yield "Repetitions", f"{repeated}; a row passes if {compared['pass_each']} do"
    gate = totals["gate"]
    if gate is not None:
        runs = f"{gate['runs']:,} of at most {gate['max_runs']:,}"
        yield "Runs", f"{runs}, {amount(gate['rounds'], 'round')}"
        if gate["judge"] is not None:
            yield "Judge", _judge_words(gate["judge"])
    for note in totals["notes"]:
        yield "Note", note
    yield from group_facts(totals["groups"])


def _judge_words(judge: Mapping[str, Any]) -> str:
    """Return which workflow judged, from what, and how many runs it took."""
    named = with_id(judge["workflow_name"] or "", judge["workflow_id"])
    version = judge["version_name"] or judge["version_id"] or "the current version"
    inputs = [f"{key}={text}" for key, text in judge["inputs"].items()]
    runs = f"{judge['runs']:,} of at most {judge['max_runs']:,} runs"
    return f"{named}, {version}; {in_prose(inputs)}; {runs}"


def group_facts(
    groups: Sequence[Mapping[str, Any]], noun: str = "row"
) -> Iterator[tuple[str, str]]:
    """Yield the first values of a column (--by), with what each side says of their rows.

    `noun` is what was counted.
    """
    for group in groups[:MAX_GROUPS]:
        sides = [_passed(group[side], noun) for side in ("base", "new") if side in group]
        value = group["value"]
        if value == "":
            value = "(empty)"
        yield f"{group['column']} {value}", ", now ".join(sides)


def fallen_groups(groups: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the groups of which a smaller share passes in NEW, the deepest fall first."""
    fallen = []
    for group in groups:
        rates = [group[side]["pass_rate"] for side in ("base", "new") if side in group]
        if len(rates) == 2 and None not in rates and rates[1] < rates[0]:
            fallen.append((rates[1] - rates[0], group))
    fallen.sort(key=lambda each: each[0])
    yield from group_facts([group for _, group in fallen])


def side_figures(side: Mapping[str, Any]) -> str:
    """Return how many rows of a side passed, and how long its runs took."""
    figures = [_passed(side)]
    for key, name in TERMS.items():
        if side[key] is not None:
            figures.append(f"{name} {show_seconds(side[key])}")
    return ", ".join(figures)


def _passed(side: Mapping[str, Any], noun: str = "row") -> str:
    rate = side["pass_rate"] or 0
    rate_of_rows = round(side["passed"] / max(1, side["rows"]), 4)
    share = f"{rate:.1%}"
    if rate != rate_of_rows:
        share += " over all rounds"
    passed = f"{part_of(side['passed'], side['rows'], noun)} passed ({share})"
    if side["score"] is not None:
        passed += f", score {side['score']:.3g}"
    return passed


def _record_versions(side: Mapping[str, Any]) -> str:
    """Return which versions the records of a side's runs name."""
    named = side["record_version_ids"]
    if not named:
        return "its records name no version"
    if named == [side["version_id"]]:
        return "its records name this version"
    return f"its records name {amount(len(named), 'version')}: {', '.join(named)}"


def _side(side: Mapping[str, Any]) -> Iterator[str]:
    # The sides of a gate are named by their versions, which come below.
    if side["source"] not in (side["version_id"], side["version_name"]):
        yield side["source"]
    if side["pass_rate"] is not None:
        yield side_figures(side)
    for what in ("version", "workflow"):
        own_id = side[f"{what}_id"]
        if own_id:
            yield f"{what} {with_id(side[f'{what}_name'], own_id)}"
    yield _record_versions(side)
    moments: list[str] = []
    for time in (side["began_at"], side["ended_at"]):
        if time is not None:
            moments.append(f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M}")
    if not moments:
        return
    first = moments[0]
    last = moments[-1]
    if last == first:
        yield f"{first} UTC"
    else:
        day = first[:11]
        yield f"{first} to {last.removeprefix(day)} UTC"
