"""The page of one run or several: verdict, assertions, outputs, waterfall of nodes, files, and then the details."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noxcli.models import FINAL_STATUSES
from noxcli.outputs.values import by_name
from noxcli.render.text import amount
from noxcli.reports.failure_groups import reason_in
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page, show_moment
from noxcli.reports.html.parts import MAX_NAME, show_took
from noxcli.reports.result import EndedRun
from noxcli.runs.node_data import FAILED
from noxcli.runs.progress import DONE, SKIPPED, WAITING
from noxcli.timing import parse_time

CONTINUITY = {
    "proven": "every event received",
    "assumed": "no event known to be missing",
    "broken": "events may be missing",
}
MAX_BARS = 2000  # nodes of a run
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the axis
Node = Mapping[
    str, Any
]  # of a result document; times are in seconds, None if they were not measured


def run_page(page: Page, runs: Sequence[EndedRun]) -> Iterator[bytes]:
    """Yield the page."""
    first = runs[0]
    named = [str(part) for part in (_name(first), first.words, first.run.get("id")) if part]
    title = " — ".join(named) if len(runs) == 1 else f"{len(runs)} runs"
    return page.whole(title, (page.tag("article", *_parts(page, one)) for one in runs))


def _parts(page: Page, one: EndedRun) -> Iterator[Html]:
    document, run_id = one.document, one.run.get("id")
    created = parse_time(one.run.get("created_at"))
    when = [
        show_moment(created) if created else None,
        f"run {page.mask(run_id)[:8]}" if run_id else None,
    ]
    words, took = one.words, one.run.get("duration_s")
    if took is not None:  # `completed in 6.0 s, assertion failed`
        ended, comma, more = words.partition(",")
        words = (
            f"{ended} {'in' if ended == 'completed' else 'after'} {show_took(took)}{comma}{more}"
        )
    yield parts.verdict(
        page, parts.tone_of(one.code), _name(one), words, list(filter(None, when)), *_why(page, one)
    )
    if checks := document.get("assertions"):
        yield page.heading(
            "Assertions", f"{sum(bool(each.get('holds')) for each in checks)} of {len(checks)} hold"
        )
        yield parts.assertions(page, checks)
    if outputs := by_name(document["output"]):
        yield page.heading("Outputs", "" if document["complete"] else "not complete")
        yield from parts.values(page, outputs)
    yield from _waterfall(page, document)
    yield from parts.files(page, document["files"])
    if one.inputs:
        yield page.heading("Inputs", "as noxcli sent them; secrets are masked")
        yield from parts.values(page, one.inputs)
    yield page.heading("Details")
    yield parts.facts(page, _facts(page, one))


def _name(one: EndedRun) -> str:
    return one.run.get("workflow_name") or ("Run" if one.run else one.name)


def _why(page: Page, one: EndedRun) -> Iterator[Html]:
    """Yield the error and its hint, in which a command at the end can be copied."""
    if (message := reason_in(one.document)) and not one.document.get("assertions"):
        yield page.tag("p", page.bdi(message), class_="why")
    if hint := (one.document["error"] or {}).get("hint"):
        words, colon, command = hint.partition(": noxcli ")
        code = page.tag("code", f"noxcli {command}") if colon else None
        yield page.tag("p", page.bdi(f"{words}{colon[:2]}"), code, class_="hint commands")


def _facts(page: Page, one: EndedRun) -> Iterator[tuple[str, Any]]:
    run, error = one.run, one.document["error"] or {}
    meaning = f": {one.code.meaning.replace('`', '')}" if one.code else ""
    yield "Exit code", f"{int(one.code)}{meaning}"
    if run:
        unconfirmed = "" if run["confirmed"] else " (not confirmed by the record)"
        yield "Status", f"{run['status']}{unconfirmed}"
    for term, value in (
        ("Run", run.get("id")),
        ("Workflow", run.get("workflow_id")),
        ("Version", run.get("version_id")),
        ("Server", page.server or None),
        ("Created", run.get("created_at")),
        ("Finished", run.get("finished_at")),
        ("Event stream", _stream(one)),
        ("HTTP status", error.get("http_status")),
        ("Request id", error.get("request_id")),
    ):
        if value is not None:
            yield term, value


def _stream(one: EndedRun) -> str | None:
    """Return how much of the event stream arrived; of a run that is still running, it is not known yet."""
    stream = one.document["stream"]
    label = stream["continuity"]
    if label == "none":
        return None
    words = (
        CONTINUITY[label] if one.run.get("status") in FINAL_STATUSES else "the run is still running"
    )
    return f"{amount(stream['connects'], 'connection')}, {words}"


def _waterfall(page: Page, document: Mapping[str, Any]) -> Iterator[Html]:
    """Yield the nodes of a result document, one unfolding line for each that has times or an error."""
    nodes: Sequence[Node] = document["nodes"]
    lined = list(filter(_has_line, nodes))
    shown = lined[:MAX_BARS]
    total = max((sum(span) for span in map(_span, shown) if span is not None), default=0.0)
    if nodes:
        yield page.heading("Nodes", f"{len(nodes):,}")
    if shown:
        axis = _axis(page, total) if total else None
        yield page.tag("div", axis, *(_line(page, node, total) for node in shown), class_="fall")
        if more := len(lined) - len(shown):
            yield page.dim(f"and {more:,} more nodes")
    named: dict[str, list[Html]] = {}
    for node in [node for node in nodes if not _has_line(node)][:MAX_BARS]:
        named.setdefault(str(node["status"]), []).append(_name_of(page, node))
    if named:
        groups = (
            f"{', '.join(names)} ({page.text(status, 40)})" for status, names in named.items()
        )
        yield page.dim(Html(f"Not timed: {'; '.join(groups)}"))


def _look(node: Node) -> tuple[str, str]:
    """Return the class of the style, and a sign for what is not simply done."""
    status = node["status"]
    if status in FAILED:
        return "bad", "✗"
    if status in DONE:  # or executed, which may have failed: it is unknown
        return "done", ""
    return ("idle", "") if status in SKIPPED or status == WAITING else ("run", "…")


def _has_line(node: Node) -> bool:
    """Return whether there is more to say of a node than its status."""
    return (
        node["duration_s"] is not None
        or _look(node)[0] in {"bad", "run"}
        or bool(node.get("error"))
    )


def _span(node: Node) -> tuple[float, float] | None:
    """Return when a node began and how long it took, None if that was not measured."""
    began, took = node["started_s"], node["duration_s"]
    return None if began is None or took is None else (began, took)


def _name_of(page: Page, node: Node) -> Html:
    return page.bdi(node.get("name") or node.get("id"), MAX_NAME)


def _axis(page: Page, total: float) -> Html:
    ends = {0.0: "start", 1.0: "end"}
    ticks = [
        page.tag(
            "text",
            show_took(at * total, total),
            x=f"{at:.0%}",
            y="70%",
            text_anchor=ends.get(at, "middle"),
        )
        for at in QUARTERS
    ]
    drawn = page.tag("svg", *ticks, class_="bar", aria_hidden="true")
    return page.tag("div", page.tag("span"), drawn, class_="axis")


def _line(page: Page, node: Node, total: float) -> Html:
    (tone, sign), status, took = _look(node), str(node["status"]), node["duration_s"]
    words = (
        None if took is None else show_took(took, total or None),
        None if tone == "done" else status,
    )
    label = " · ".join(filter(None, words))
    name = page.tag(
        "span", sign and f"{sign} ", _name_of(page, node), class_="name", title=node.get("id")
    )
    bar = (
        _bar(page, node, total, label)
        if total
        else page.tag("span", page.bdi(label, 60), class_="state")
    )
    terms = [("Node id", node.get("id")), ("Status", status)]
    for term, seconds in (("Start", node["started_s"]), ("Duration", took)):
        terms.append((term, "not measured" if seconds is None else show_took(seconds)))
    error = page.block(node["error"]) if node.get("error") else None
    return page.tag(
        "details",
        page.tag("summary", name, bar),
        page.tag("div", error, parts.facts(page, terms), class_="more"),
        class_=f"node {tone}",
        open=tone == "bad",
    )


def _bar(page: Page, node: Node, total: float, label: str) -> Html:
    """Return the bar of a node over the quarters of the time, with `label` at its end."""
    grid = (
        page.tag("line", class_="grid", x1=f"{at:.0%}", x2=f"{at:.0%}", y1="0", y2="100%")
        for at in QUARTERS
    )
    bar, end = None, "0"
    if (span := _span(node)) is not None:
        end = _share(sum(span), total)
        place = {
            "x": _share(span[0], total),
            "width": _share(span[1], total),
            "y": "30%",
            "height": "40%",
        }
        bar = page.tag("rect", class_="span", **place)
    words = page.tag("text", page.text(label, 60), x=end, y="50%", dx="8", dy="0.35em")
    return page.tag("svg", *grid, bar, words, class_="bar")


def _share(seconds: float, total: float) -> str:
    return f"{100 * min(max(seconds, 0.0), total) / total:.2f}%"
