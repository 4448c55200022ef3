"""The nodes of a run on a time axis, with the breaks of the stream in it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noxcli.fixed import fixed
from noxcli.reports.html.page import Ink, mapping, number, objects, show_short
from noxcli.runs.node_data import FAILED
from noxcli.runs.progress import DONE, SKIPPED, WAITING, BreakKind
from noxcli.timing import show_seconds

MOST_BARS = 2000  # nodes of a run
MOST_TICKS = 6
# Round times in seconds: of a tenth of a millisecond and more, of minutes, of hours.
TICK_STEPS = (
    *(digit * 10.0**power for power in range(-4, 1) for digit in (1, 2, 5)),
    *(10, 20, 30, 60, 120, 300, 600, 1200, 1800),
    *(hours * 3600 for hours in (1, 2, 3, 6, 12, 24, 48, 120, 240)),
)


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
        if status in DONE:
            return "good", "✓"
        if status in FAILED:
            return "bad", "✗"
        return ("idle", "-") if status in SKIPPED or status == WAITING else ("run", "…")

    @property
    def told(self) -> str:
        """Its times in words."""
        if self.began is None or self.took is None or self.end is None:
            return "" if self.took is None else show_short(self.took)
        return f"from {show_short(self.began)} to {show_short(self.end)}, {show_short(self.took)}"


def waterfall(document: Mapping[str, Any], ink: Ink) -> Iterator[str]:
    """Yield the nodes of a result document, one unfolding line each; nothing if it has none."""
    nodes, breaks = objects(document.get("nodes")), objects(mapping(document.get("stream")).get("breaks"))
    bars = [_bar(node) for node in nodes[:MOST_BARS]]
    measured = [bar.end for bar in bars if bar.end is not None]
    total = max([*measured, *(_at(one) for one in breaks)], default=0.0) if measured else 0.0
    if bars:
        note = "" if measured else ", without times: no event measured them"
        yield f"<h2>Nodes <small>{len(nodes):,}{note}</small></h2>"
        yield f'<div class="fall" data-total="{total:.3f}">'
        if total:
            yield _axis(total, breaks)
        ground = _ground(total, breaks)
        for bar in bars:
            yield from _line(bar, total, ground, ink)
        yield "</div>"
        if len(nodes) > MOST_BARS:
            yield f'<p class="dim">and {len(nodes) - MOST_BARS:,} more nodes</p>'
    yield from _breaks(breaks, ink)


def _bar(node: Mapping[str, Any]) -> _Bar:
    return _Bar(node, number(node.get("started_s")), number(node.get("duration_s")))


def _axis(total: float, breaks: Sequence[Mapping[str, Any]]) -> str:
    ticks = "".join(
        f'<text x="{_share(at, total)}" y="70%" text-anchor="{"middle" if at else "start"}">{_tick_words(at)}</text>'
        for at in _ticks(total)
    )
    pins = "".join(
        f'<circle class="pin {_kind(one)}" cx="{_share(_at(one), total)}" cy="100%" r="4"/>' for one in breaks
    )
    return (
        '<div class="axis"><span>Node</span><span>Status</span>'
        f'<svg class="bar" aria-hidden="true">{ticks}{pins}</svg><span class="took">Time</span></div>'
    )


def _ground(total: float, breaks: Sequence[Mapping[str, Any]]) -> str:
    """Return what is drawn under each bar: round times, and the breaks of the stream."""
    if not total:
        return ""
    grid = "".join(
        f'<line class="grid" x1="{_share(at, total)}" x2="{_share(at, total)}" y1="0" y2="100%"/>'
        for at in _ticks(total)
    )
    return grid + "".join(_mark(one, total) for one in breaks)


def _line(bar: _Bar, total: float, ground: str, ink: Ink) -> Iterator[str]:
    (tone, sign), node = bar.look, bar.node
    name, status = ink.line(node.get("name") or node.get("id"), 200), ink.line(node.get("status"), 40)
    took = "" if bar.took is None else show_short(bar.took)
    drawn = "<span></span>"
    if total:
        drawn = (
            f'<svg class="bar" role="img" aria-label="{bar.told or "not measured"}">{ground}{_span(bar, total)}</svg>'
        )
    at = f' data-at="{bar.began:.3f}"' if bar.began is not None else ""
    told = ": ".join(filter(None, [name, ", ".join(filter(None, [status, bar.told]))]))
    yield (
        f'<details class="node {tone}"{" open" if tone == "bad" else ""}><summary data-told="{told}"{at}>'
        f'<span class="name" title="{name}"><bdi>{name}</bdi></span>'
        f'<span class="state">{sign} <bdi>{status}</bdi></span>{drawn}<span class="took">{took}</span></summary>'
    )
    error = ink.block(node["error"]) if node.get("error") else ""
    yield (
        f'<div class="more">{error}<dl><dt>Node id</dt><dd><code>{ink.line(node.get("id"), 200)}</code></dd>'
        f"<dt>Status</dt><dd><bdi>{status}</bdi></dd>"
        f"<dt>Time</dt><dd>{bar.told or 'not measured'}</dd></dl></div></details>"
    )


def _span(bar: _Bar, total: float) -> str:
    if bar.began is None or bar.took is None:
        return ""
    return (
        f'<rect class="span" x="{_share(bar.began, total)}" width="{_share(bar.took, total)}" y="30%" height="40%">'
        f"<title>{bar.told}</title></rect>"
    )


def _mark(one: Mapping[str, Any], total: float) -> str:
    place = _share(_at(one), total)
    return f'<line class="{"lost" if _kind(one) else "cut"}" x1="{place}" x2="{place}" y1="0" y2="100%"/>'


def _breaks(breaks: Sequence[Mapping[str, Any]], ink: Ink) -> Iterator[str]:
    if not breaks:
        return
    yield f"<h2>Breaks of the event stream <small>{len(breaks)}</small></h2>"
    yield '<ul class="breaks">'
    for one in breaks:
        words = "events may be missing" if _kind(one) else "reconnected"
        when, why = show_short(_at(one)), ink.line(one.get("reason"))
        yield f'<li class="{_kind(one)}"><b>{when}, {words}</b> <bdi>{why}</bdi></li>'
    yield "</ul>"


def _at(one: Mapping[str, Any]) -> float:
    return number(one.get("at_s")) or 0.0


def _kind(one: Mapping[str, Any]) -> str:
    return "gap" if one.get("kind") == BreakKind.GAP else ""


def _share(seconds: float, total: float) -> str:
    return f"{100 * min(max(seconds, 0.0), total) / total:.2f}%"


def _ticks(total: float) -> list[float]:
    """Return round times, the first of them 0."""
    if total <= 0:
        return []
    size = next((step for step in TICK_STEPS if total / step < MOST_TICKS), total / MOST_TICKS)
    return [size * count for count in range(int(total / size) + 1)]


def _tick_words(seconds: float) -> str:
    return f"{seconds:.3g}s" if seconds < 60 else show_seconds(seconds)
