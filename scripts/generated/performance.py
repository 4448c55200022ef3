"""The table and the plot of docs/performance.md, from the figures in docs/performance.json."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generated.cells import escaped, table

PAGE, FIGURES, PLOT = "docs/performance.md", "docs/performance.json", "docs/performance.svg"
BEGIN = "<!-- Written by scripts/regenerate.py: figures. -->\n"
END = "<!-- End of figures. -->\n"
COLORS = {"noxcli": "#c2410c", "bare script": "#2563eb", "curl and jq": "#15803d"}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 520, 320, 52, 44, 40, 90  # pixels, and margins
STYLE = """
text { font: 12px sans-serif; fill: #1f2937; } .title { font-weight: bold; } .grid { stroke: #d1d5db; }
@media (prefers-color-scheme: dark) { text { fill: #e5e7eb; } .grid { stroke: #4b5563; } }
"""


def files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the page and its plot."""
    figures = json.loads((root / FIGURES).read_text(encoding="utf-8"))
    before, begin, rest = (root / PAGE).read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{PAGE} has lost the line before its figures"
    assert end, f"{PAGE} has lost the line after its figures"
    yield PAGE, f"{before}{begin}\n{goals_table(figures)}\n{end}{after}"
    yield PLOT, plot([point for kind in figures.values() for point in kind["points"]])


def goals_table(figures: Mapping[str, Any]) -> str:
    """Return the goals with what was measured, and on what."""
    rows = [goal_cells(goal) for kind in figures.values() for goal in kind["goals"]]
    machines = [kind["machine"] for kind in figures.values()]
    systems = {f"{each['system']} with {each['cores']} cores, Python {each['python']}" for each in machines}
    loads = ", ".join(f"{name} {each['load']}" for name, each in zip(figures, machines, strict=True))
    about = f"{'; '.join(sorted(systems))}. Load before each part: {loads}."
    return f"{table(['what', 'measured', 'goal', ''], rows)}\n{about}\n"


def goal_cells(goal: Mapping[str, Any]) -> Sequence[str]:
    """Return the line of a goal."""
    unit = f" {goal['unit']}" if goal["unit"] else ""
    bound = "at least" if goal["at_least"] else "at most"
    wanted = "" if goal["goal"] is None else f"{bound} {goal['goal']:g}{unit}"
    figure = f"{goal['figure']:.2f}" if goal["figure"] < 10 else f"{goal['figure']:.1f}"
    verdict = "" if goal["goal"] is None else "met" if goal["met"] else "**missed**"
    return escaped(goal["what"]), f"{figure}{unit}", wanted, verdict


def plot(points: Sequence[Mapping[str, Any]]) -> str:
    """Return the seconds of each contender by the number of events, both axes logarithmic, as SVG."""
    across = Scale([point["events"] for point in points], LEFT, WIDTH - RIGHT)
    up = Scale([point["seconds"] for point in points], HEIGHT - BOTTOM, TOP)
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    parts = [*axes(across, up), *lines(points, across, up)]
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n{"".join(parts)}</svg>\n'


def axes(across: "Scale", up: "Scale") -> Iterator[str]:
    """Yield the titles and the grid."""
    yield f'<text class="title" x="{LEFT}" y="18">Time to follow a run</text>\n<text x="{LEFT}" y="34">seconds</text>\n'
    for power in across.powers():
        x = across.place(10**power)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>\n'
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10**power:,}</text>\n'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">events</text>\n'
    for power in up.powers():
        y = up.place(10**power)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>\n'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{10**power:g}</text>\n'


def lines(points: Sequence[Mapping[str, Any]], across: "Scale", up: "Scale") -> Iterator[str]:
    """Yield a line for each contender, with its name at the end; names keep a distance."""
    found: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        found.setdefault(point["contender"], []).append((across.place(point["events"]), up.place(point["seconds"])))
    lowest = 0.0
    for name, line in sorted(found.items(), key=lambda item: item[1][-1][1]):
        places = " ".join(f"{x},{y}" for x, y in line)
        yield f'<polyline fill="none" stroke="{COLORS[name]}" stroke-width="2" points="{places}"/>\n'
        lowest = max(line[-1][1] + 4, lowest + 14)
        yield f'<text x="{line[-1][0] + 6}" y="{lowest:.1f}" style="fill: {COLORS[name]}">{name}</text>\n'


class Scale:
    """Places on a logarithmic axis; whole powers of ten, in pixels from `start` to `end`."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low, self._high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self._start, self._end = start, end

    def powers(self) -> Iterator[int]:
        """Yield the powers of ten on the axis."""
        yield from range(self._low, self._high + 1)

    def place(self, value: float) -> float:
        """Return the place of a value, in pixels."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return round(self._start + share * (self._end - self._start), 1)
