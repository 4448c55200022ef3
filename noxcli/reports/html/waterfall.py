"""The nodes of a run on a time axis."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noxcli.fixed import fixed
from noxcli.reports.html import parts
from noxcli.reports.html.markup import Html, Page
from noxcli.reports.html.parts import LONGEST_NAME, show_took
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
    def status(self) -> str:
        return str(self.node["status"])

    @property
    def name(self) -> Any:
        return self.node.get("name") or self.node.get("id")

    @property
    def look(self) -> tuple[str, str]:
        """The class of the style, and a sign for what is not simply done."""
        if self.status in FAILED:
            return "bad", "✗"
        if self.status in DONE or self.status == EXECUTED:  # executed: completed or failed, it is unknown which
            return "done", ""
        return ("idle", "") if self.status in SKIPPED or self.status == WAITING else ("run", "…")

    @property
    def has_line(self) -> bool:
        """True if there is more to say of it than its status."""
        return self.took is not None or self.look[0] in {"bad", "run"} or bool(self.node.get("error"))


def waterfall(page: Page, document: Mapping[str, Any]) -> Iterator[Html]:
    """Yield the nodes of a result document, one unfolding line for each that has times or an error."""
    nodes = document["nodes"]
    every = [_Bar(node, node["started_s"], node["duration_s"]) for node in nodes]
    bars = [bar for bar in every if bar.has_line][:MOST_BARS]
    measured = [bar.end for bar in bars if bar.end is not None]
    total = max(measured, default=0.0)
    if every:
        yield page.heading("Nodes", f"{len(nodes):,}")
    if bars:
        ground = _ground(page, total)
        axis = _axis(page, total) if total else None
        slowest = max(bars, key=lambda bar: bar.took or 0.0) if len(measured) > 1 else None
        lines = (_line(page, bar, total, ground, is_slowest=bar is slowest) for bar in bars)
        yield page.tag("div", axis, *lines, class_="fall")
        if more := sum(bar.has_line for bar in every) - len(bars):
            yield page.dim(f"and {more:,} more nodes")
    yield from _untimed(page, [bar for bar in every if not bar.has_line])


def _untimed(page: Page, bars: Sequence[_Bar]) -> Iterator[Html]:
    """Yield the names of nodes without times, by status, in one line."""
    named: dict[str, list[Html]] = {}
    for bar in bars[:MOST_BARS]:
        named.setdefault(bar.status, []).append(page.bdi(bar.name, LONGEST_NAME))
    if named:
        told = (f"{', '.join(names)} ({page.text(status, 40)})" for status, names in named.items())
        yield page.dim(Html(f"Not timed: {'; '.join(told)}"))


def _axis(page: Page, total: float) -> Html:
    ends = {0.0: "start", 1.0: "end"}
    ticks = [
        page.tag("text", show_took(at * total, total), x=f"{at:.0%}", y="70%", text_anchor=ends.get(at, "middle"))
        for at in QUARTERS
    ]
    drawn = page.tag("svg", *ticks, class_="bar", aria_hidden="true")
    return page.tag("div", page.tag("span"), drawn, class_="axis")


def _ground(page: Page, total: float) -> Html:
    """Return what is drawn under each bar: quarters of the time."""
    places = [f"{at:.0%}" for at in QUARTERS] if total else []
    return page.joined(page.tag("line", class_="grid", x1=at, x2=at, y1="0", y2="100%") for at in places)


def _line(page: Page, bar: _Bar, total: float, ground: Html, *, is_slowest: bool) -> Html:
    (tone, sign), node = bar.look, bar.node
    words = [None if bar.took is None else show_took(bar.took, total or None)]
    words += [bar.status] if tone != "done" else ["slowest"] if is_slowest else []
    told = " · ".join(filter(None, words))
    name = page.tag("span", sign and f"{sign} ", page.bdi(bar.name, LONGEST_NAME), class_="name", title=node.get("id"))
    summary = page.tag(
        "summary",
        name,
        _drawn(page, bar, total, told, ground) if total else page.tag("span", page.bdi(told, 60), class_="state"),
    )
    times = (("Start", bar.began), ("Duration", bar.took))
    terms = [("Node id", node.get("id")), ("Status", bar.status)]
    terms += [(term, "not measured" if seconds is None else show_took(seconds)) for term, seconds in times]
    error = page.block(node["error"]) if node.get("error") else None
    return page.tag(
        "details",
        summary,
        page.tag("div", error, parts.facts(page, terms), class_="more"),
        class_=f"node {'slow' if is_slowest and tone == 'done' else tone}",
        open=tone == "bad",
    )


def _drawn(page: Page, bar: _Bar, total: float, told: str, ground: Html) -> Html:
    """Return the bar of a node, with `told` at its end."""
    span, end = None, "0"
    if bar.began is not None and bar.took is not None:
        end = _share(bar.began + bar.took, total)
        place = {"x": _share(bar.began, total), "width": _share(bar.took, total), "y": "30%", "height": "40%"}
        span = page.tag("rect", class_="span", **place)
    label = page.tag("text", page.text(told, 60), x=end, y="50%", dx="8", dy="0.35em")
    return page.tag("svg", ground, span, label, class_="bar")


def _share(seconds: float, total: float) -> str:
    return f"{100 * min(max(seconds, 0.0), total) / total:.2f}%"
