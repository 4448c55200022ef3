"""The page of one run or several: verdict, assertions, outputs, waterfall of nodes, files, details.

Of several, each has its own part.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noxcli.errors import ExitCode
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
# Of a result document; times are in seconds, None if they were not measured.
Node = Mapping[str, Any]


def run_page(page: Page, runs: Sequence[EndedRun]) -> Iterator[bytes]:
    """Yield the page."""
    title = f"{len(runs)} runs"
    if len(runs) == 1:
        named = [_name(runs[0]), runs[0].words, runs[0].run.get("id")]
        title = " — ".join([str(part) for part in named if part])
    return page.whole(title, (page.tag("article", *_parts(page, one)) for one in runs))


def _parts(page: Page, one: EndedRun) -> Iterator[Html]:
    document = one.document
    yield _verdict(page, one)
    checks = document.get("assertions")
    if checks:
        holding = [each for each in checks if each.get("holds")]
        yield page.heading("Assertions", f"{len(holding)} of {len(checks)} hold")
        yield parts.assertions(page, checks)
    outputs = by_name(document["output"])
    if outputs:
        yield page.heading("Outputs", "" if document["complete"] else "not complete")
        yield from parts.values(page, outputs)
    yield from _waterfall(page, document)
    yield from parts.files(page, document["files"])
    if one.inputs:
        yield page.heading("Inputs", "as noxcli sent them; secrets are masked")
        yield from parts.values(page, one.inputs)
    yield page.heading("Details")
    yield parts.facts(page, _facts(page, one))


def _verdict(page: Page, one: EndedRun) -> Html:
    words = one.words
    took = one.run.get("duration_s")
    if took is not None:  # `completed in 6.0 s, assertion failed`
        ended, comma, more = words.partition(",")
        preposition = "in" if ended == "completed" else "after"
        words = f"{ended} {preposition} {show_took(took)}{comma}{more}"
    when = []
    created = parse_time(one.run.get("created_at"))
    if created is not None:
        when.append(show_moment(created))
    run_id = one.run.get("id")
    if run_id:
        when.append(f"run {page.mask(run_id)[:8]}")
    tone = parts.tone_of(one.code)
    return parts.verdict(page, tone, _name(one), words, when, *_why(page, one))


def _name(one: EndedRun) -> str:
    if not one.run:
        return one.name
    return one.run.get("workflow_name") or "Run"


def _why(page: Page, one: EndedRun) -> Iterator[Html]:
    """Yield the error and its hint, in which a command at the end can be copied."""
    message = reason_in(one.document)
    if message and not one.document.get("assertions"):
        yield page.tag("p", page.bdi(message), class_="why")
    error = one.document["error"] or {}
    hint = error.get("hint")
    if hint:
        words, colon, command = hint.partition(": noxcli ")
        code = page.tag("code", f"noxcli {command}") if colon else None
        yield page.tag("p", page.bdi(f"{words}{colon[:2]}"), code, class_="hint commands")


def _facts(page: Page, one: EndedRun) -> Iterator[tuple[str, Any]]:
    run = one.run
    error = one.document["error"] or {}
    ending = f"{int(one.code)}"
    if one.code != ExitCode.OK:
        ending += f": {one.code.meaning.replace('`', '')}"
    yield "Exit code", ending
    if run:
        status = run["status"]
        if not run["confirmed"]:
            status = f"{status} (not confirmed by the record)"
        yield "Status", f"{status}"
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
    """Return how much of the event stream arrived; as long as the run runs, it is not known yet."""
    stream = one.document["stream"]
    label = stream["continuity"]
    if label == "none":
        return None
    words = "the run is still running"
    if one.run.get("status") in FINAL_STATUSES:
        words = CONTINUITY[label]
    return f"{amount(stream['connects'], 'connection')}, {words}"


def _waterfall(page: Page, document: Mapping[str, Any]) -> Iterator[Html]:
    """Yield the nodes of a result document, an unfolding line for each with times or an error."""
    nodes: Sequence[Node] = document["nodes"]
    lined: list[Node] = []
    others: list[Node] = []
    for node in nodes:
        if _has_line(node):
            lined.append(node)
        else:
            others.append(node)
    if nodes:
        yield page.heading("Nodes", f"{len(nodes):,}")
    shown = lined[:MAX_BARS]
    if shown:
        spans = [_span(node) for node in shown]
        total = max((sum(span) for span in spans if span is not None), default=0.0)
        axis = _axis(page, total) if total else None
        yield page.tag("div", axis, *(_line(page, node, total) for node in shown), class_="fall")
    more = len(lined) - len(shown)
    if more:
        yield page.dim(f"and {more:,} more nodes")
    named: dict[str, list[Html]] = {}
    for node in others[:MAX_BARS]:
        named.setdefault(str(node["status"]), []).append(_name_of(page, node))
    if named:
        groups = []
        for status, names in named.items():
            groups.append(f"{', '.join(names)} ({page.text(status, 40)})")
        yield page.dim(Html(f"Not timed: {'; '.join(groups)}"))


def _look(node: Node) -> tuple[str, str]:
    """Return the class of the style, and a sign for what is not simply done."""
    status = node["status"]
    if status in FAILED:
        return "bad", "✗"
    if status in DONE:  # or executed, which may have failed: it is unknown
        return "done", ""
    if status in SKIPPED or status == WAITING:
        return "idle", ""
    return "run", "…"


def _has_line(node: Node) -> bool:
    """Return whether there is more to say of a node than its status."""
    if node["duration_s"] is not None or node.get("error"):
        return True
    tone, _ = _look(node)
    return tone in {"bad", "run"}


def _span(node: Node) -> tuple[float, float] | None:
    """Return when a node began and how long it took, None if that was not measured."""
    began = node["started_s"]
    took = node["duration_s"]
    if began is None or took is None:
        return None
    return began, took


def _name_of(page: Page, node: Node) -> Html:
    return page.bdi(node.get("name") or node.get("id"), MAX_NAME)


def _axis(page: Page, total: float) -> Html:
    ends = {0.0: "start", 1.0: "end"}
    ticks = []
    for at in QUARTERS:
        anchor = ends.get(at, "middle")
        words = show_took(at * total, total)
        ticks.append(page.tag("text", words, x=f"{at:.0%}", y="70%", text_anchor=anchor))
    drawn = page.tag("svg", *ticks, class_="bar", aria_hidden="true")
    return page.tag("div", page.tag("span"), drawn, class_="axis")


def _line(page: Page, node: Node, total: float) -> Html:
    tone, sign = _look(node)
    status = str(node["status"])
    took = node["duration_s"]
    words = []
    if took is not None:
        words.append(show_took(took, total or None))
    if tone != "done" and status:
        words.append(status)
    label = " · ".join(words)
    bar = page.tag("span", page.bdi(label, 60), class_="state")
    if total:
        bar = _bar(page, node, total, label)
    mark = f"{sign} " if sign else None
    name = page.tag("span", mark, _name_of(page, node), class_="name", title=node.get("id"))
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
    drawn = []
    for at in QUARTERS:
        x = f"{at:.0%}"
        drawn.append(page.tag("line", class_="grid", x1=x, x2=x, y1="0", y2="100%"))
    end = "0"
    span = _span(node)
    if span is not None:
        began, took = span
        end = _share(began + took, total)
        x = _share(began, total)
        width = _share(took, total)
        drawn.append(page.tag("rect", class_="span", x=x, width=width, y="30%", height="40%"))
    drawn.append(page.tag("text", page.text(label, 60), x=end, y="50%", dx="8", dy="0.35em"))
    return page.tag("svg", *drawn, class_="bar")


def _share(seconds: float, total: float) -> str:
    return f"{100 * min(max(seconds, 0.0), total) / total:.2f}%"
