"""What was compared, as text: the facts that head the page, the summary of a CI step, and the Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from noxcli.render.text import amount, part_of, with_id
from noxcli.timing import show_seconds

WORSE = "NEW is worse as a whole"
MAX_GROUPS = 20
TERMS = {"median_s": "median", "p95_s": "95% within"}
PAIRED_BY = {"id": "the same id", "input": "the same input", "row": "the same number"}


def worse_headline(totals: Mapping[str, Any]) -> str:
    """Return what fails apart from rows, empty if nothing does."""
    return WORSE if (totals["reason"] or "").startswith(WORSE) else ""


def compared_facts(totals: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield terms with what `noxcli.comparison/1` says of them."""
    compared = totals["compared"]
    for side in ("base", "new"):
        yield side.upper(), "; ".join(_side(totals[side]))
    questions = compared["questions"]
    yield (
        "Checks",
        ", ".join(questions)
        if questions
        else "none in this call: how the runs ended counts, and their outputs",
    )
    paired = f"rows with {PAIRED_BY[compared['by']]}, by the table of NEW"
    yield "Pairs", f"{paired} ({totals['new']['table']})" if totals["new"]["table"] else paired
    if compared["repeat"] > 1:
        yield (
            "Repetitions",
            f"{compared['repeat']} of each row; a row passes if {compared['pass_each']} do",
        )
    if (gate := totals["gate"]) is not None:
        yield (
            "Runs",
            f"{gate['runs']:,} of at most {gate['max_runs']:,}, {amount(gate['rounds'], 'round')}",
        )
    yield from (("Note", note) for note in totals["notes"])
    yield from group_facts(totals["groups"])


def group_facts(
    groups: Sequence[Mapping[str, Any]], noun: str = "row"
) -> Iterator[tuple[str, str]]:
    """Yield the first values of a column (--by), with what each side says of their rows; `noun` is what was counted."""
    for group in groups[:MAX_GROUPS]:
        sides = [group[side] for side in ("base", "new") if side in group]
        value = "(empty)" if group["value"] == "" else group["value"]
        yield f"{group['column']} {value}", ", now ".join(_passed(side, noun) for side in sides)


def side_figures(side: Mapping[str, Any]) -> str:
    """Return how many rows of a side passed, and how long its runs took."""
    took = [
        f"{name} {show_seconds(side[key])}" for key, name in TERMS.items() if side[key] is not None
    ]
    return ", ".join([_passed(side), *took])


def _passed(side: Mapping[str, Any], noun: str = "row") -> str:
    scored = "" if side["score"] is None else f", score {side['score']:.3g}"
    rate, of_rows = side["pass_rate"] or 0, round(side["passed"] / max(1, side["rows"]), 4)
    rounds = "" if rate == of_rows else " over all rounds"
    return f"{part_of(side['passed'], side['rows'], noun)} passed ({rate:.1%}{rounds}){scored}"


def _record_versions(side: Mapping[str, Any]) -> str:
    """Return which versions the records of a side's runs name."""
    named = side["record_version_ids"]
    if not named:
        return "its records name no version"
    if named == [side["version_id"]]:
        return "its records name this version"
    return f"its records name {amount(len(named), 'version')}: {', '.join(named)}"


def _side(side: Mapping[str, Any]) -> Iterator[str]:
    if side["source"] not in (
        side["version_id"],
        side["version_name"],
    ):  # as the sides of a gate are named
        yield side["source"]
    if side["pass_rate"] is not None:
        yield side_figures(side)
    for what in ("version", "workflow"):
        if own_id := side[f"{what}_id"]:
            yield f"{what} {with_id(side[f'{what}_name'], own_id)}"
    yield _record_versions(side)
    times = (each for each in (side["began_at"], side["ended_at"]) if each is not None)
    moments = dict.fromkeys(
        f"{datetime.fromisoformat(each).astimezone(UTC):%Y-%m-%d %H:%M}" for each in times
    )
    if day := next(iter(moments), "")[:11]:
        yield f"{day}{' to '.join(moment.removeprefix(day) for moment in moments)} UTC"
