"""The nodes of a run on a time axis, with the breaks of the stream in it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noxcli.fixed import fixed
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import mapping, number, objects, show_short
from noxcli.runs.node_data import FAILED
from noxcli.runs.progress import DONE, EXECUTED, SKIPPED, WAITING

MOST_BARS = 2000  # nodes of a run
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the axis


@fixed
class _Bar:
    """One node; its times are in seconds, None if they were not measured."""

    node: Mapping[str, Any]
    began: float | None
    took: float | None

    @property
    def end(self) -> float | None:
        return None if self.began is None or self.took is None else self.began + self.took

    @property
    def look(self) -> tuple[str, str]:
        """The class of the style, and a sign."""
        told = self.node.get("status")
        status = told if isinstance(told, str) else ""
        if status == EXECUTED:
            return "idle", "•"  # completed or failed, it is unknown which
        if status in DONE:
            return "good", "✓"
        if status in FAILED:
            return "bad", "✗"
        return ("idle", "-") if status in SKIPPED or status == WAITING else ("run", "…")

    @property
    def times(self) -> str:
        """Its times in words."""
        if self.began is None or self.took is None or self.end is None:
            return "" if self.took is None else show_short(self.took)
        return f"from {show_short(self.began)} to {show_short(self.end)}, {show_short(self.took)}"


def waterfall(page: Page, document: Mapping[str, Any]) -> Iterator[Html]:
    """Yield the nodes of a result document, one unfolding line each; nothing if it has none."""
    nodes, breaks = objects(document.get("nodes")), objects(mapping(document.get("stream")).get("breaks"))
    bars = [_Bar(node, number(node.get("started_s")), number(node.get("duration_s"))) for node in nodes[:MOST_BARS]]
    measured = [bar.end for bar in bars if bar.end is not None]
    total = max([*measured, *map(_at, breaks)], default=0.0) if measured else 0.0
    if bars:
        yield page.heading("Nodes", f"{len(nodes):,}{'' if measured else ', without times: no event measured them'}")
        ground = _ground(page, total, breaks)
        axis = _axis(page, total) if total else None
        lines = (_line(page, bar, total, ground) for bar in bars)
        yield page.tag("div", axis, *lines, class_="fall", data_total=f"{total:.3f}")
        if len(nodes) > MOST_BARS:
            yield page.dim(f"and {len(nodes) - MOST_BARS:,} more nodes")
    if breaks:
        yield page.heading("Breaks of the event stream", len(breaks))
        yield page.tag("ul", *(_break(page, one) for one in breaks), class_="breaks")


def _axis(page: Page, total: float) -> Html:
    ends = {0.0: "start", 1.0: "end"}
    ticks = [
        page.tag("text", show_short(at * total), x=f"{at:.0%}", y="70%", text_anchor=ends.get(at, "middle"))
        for at in QUARTERS
    ]
    return page.tag(
        "div",
        page.tag("span", "Node"),
        page.tag("span", "Status"),
        page.tag("svg", *ticks, class_="bar", aria_hidden="true"),
        page.tag("span", "Time", class_="took"),
        class_="axis",
    )


def _ground(page: Page, total: float, breaks: Sequence[Mapping[str, Any]]) -> Html:
    """Return what is drawn under each bar: quarters of the time, and the breaks of the stream."""
    places = [(at * total, "grid") for at in QUARTERS]
    places += [(_at(one), "lost" if _is_gap(one) else "cut") for one in breaks]
    return page.joined(
        page.tag("line", class_=kind, x1=_share(at, total), x2=_share(at, total), y1="0", y2="100%")
        for at, kind in (places if total else ())
    )


def _line(page: Page, bar: _Bar, total: float, ground: Html) -> Html:
    (tone, sign), node = bar.look, bar.node
    name, status = page.text(node.get("name") or node.get("id"), 200), page.text(node.get("status"), 40)
    told = page.joined([name, ": " if status or bar.times else None, status, ", " if status and bar.times else None])
    summary = page.tag(
        "summary",
        page.tag("span", page.bdi(name), class_="name", title=name),
        page.tag("span", f"{sign} ", page.bdi(status), class_="state"),
        _drawn(page, bar, total, ground),
        page.tag("span", None if bar.took is None else show_short(bar.took), class_="took"),
        data_told=page.joined([told, bar.times]),
        data_at=None if bar.began is None else f"{bar.began:.3f}",
    )
    terms = (
        ("Node id", page.tag("code", page.text(node.get("id"), 200))),
        ("Status", page.bdi(status)),
        ("Time", bar.times or "not measured"),
    )
    more = page.tag("dl", *(page.joined([page.tag("dt", term), page.tag("dd", value)]) for term, value in terms))
    error = page.block(node["error"]) if node.get("error") else None
    return page.tag(
        "details",
        summary,
        page.tag("div", error, more, class_="more"),
        class_=f"node {tone}",
        open=tone == "bad",
    )


def _drawn(page: Page, bar: _Bar, total: float, ground: Html) -> Html:
    if not total:
        return page.tag("span")
    span = None
    if bar.began is not None and bar.took is not None:
        span = page.tag(
            "rect",
            page.tag("title", bar.times),
            class_="span",
            x=_share(bar.began, total),
            width=_share(bar.took, total),
            y="30%",
            height="40%",
        )
    return page.tag("svg", ground, span, class_="bar", role="img", aria_label=bar.times or "not measured")


def _break(page: Page, one: Mapping[str, Any]) -> Html:
    words = "events may be missing" if _is_gap(one) else "reconnected"
    when = page.tag("b", f"{show_short(_at(one))}, {words}")
    return page.tag("li", when, " ", page.bdi(one.get("reason")), class_="gap" if _is_gap(one) else None)


def _at(one: Mapping[str, Any]) -> float:
    return number(one.get("at_s")) or 0.0


def _is_gap(one: Mapping[str, Any]) -> bool:
    return bool(one.get("kind") == "gap")


def _share(seconds: float, total: float) -> str:
    return f"{100 * min(max(seconds, 0.0), total) / total:.2f}%"
