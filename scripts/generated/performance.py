"""The tables and the plot of docs/performance.md, from the figures in docs/performance.json."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generated.cells import escaped, table

PAGE, FIGURES, PLOT = "docs/performance.md", "docs/performance.json", "docs/performance.svg"
TABLE = re.compile(
    r"(?<=<!-- The table `)([a-z ]+)(?:` is written by scripts/regenerate\.py\. -->\n)(.*?)(?=<!-- end -->)", re.S
)
NOT_MEASURED = "not measured"
# One panel for each: its table, its title, its axes, and the columns that are lines.
PANELS = (
    ("sizes of events", "Time to follow a run", "events", ("bare script", "noxcli", "curl and jq", "SDK")),
    ("sizes of batches", "Time of a batch, 64 rows at a time, runs of 50 ms", "rows", ("ideal", "noxcli", "SDK")),
)
COLORS = {"noxcli": "#c2410c", "bare script": "#2563eb", "curl and jq": "#15803d", "SDK": "#7c3aed", "ideal": "#6b7280"}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 440, 320, 52, 44, 40, 84  # pixels of a panel, and its margins
STYLE = """
text { font: 12px sans-serif; fill: #1f2937; } .title { font-weight: bold; } .grid { stroke: #d1d5db; }
@media (prefers-color-scheme: dark) { text { fill: #e5e7eb; } .grid { stroke: #4b5563; } }
"""


def files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the page and its plot."""
    parts = json.loads((root / FIGURES).read_text(encoding="utf-8"))["parts"]
    yield PAGE, page_of((root / PAGE).read_text(encoding="utf-8"), tables_of(parts))
    yield PLOT, plot_of({one["name"]: one for part in parts.values() for one in part["tables"]})


def tables_of(parts: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the page's tables as Markdown, by name."""
    found = {
        one["name"]: table(
            [escaped(cell) for cell in one["columns"]], [[shown(cell) for cell in row] for row in one["rows"]]
        )
        for part in parts.values()
        for one in part["tables"]
    }
    rows = [goal_cells(goal) for part in parts.values() for goal in part["goals"]]
    conditions = [
        [name, part["system"], part["python"], str(part["cores"]), str(part["load"]), str(part["seconds"])]
        for name, part in parts.items()
    ]
    found["goals"] = table(["what", "measured", "goal", ""], rows)
    found["conditions"] = table(["part", "system", "Python", "cores", "load before", "seconds"], conditions)
    return found


def goal_cells(goal: Mapping[str, Any]) -> Sequence[str]:
    """Return the line of a goal."""
    unit = "" if goal["unit"] == "ratio" else f" {goal['unit']}"
    bound = "at least" if goal["at_least"] else "at most"
    figure = f"{goal['figure']:.2f}" if goal["figure"] < 10 else f"{goal['figure']:.1f}"
    verdict = "met" if goal["met"] else "**missed**"
    return escaped(goal["what"]), f"{figure}{unit}".strip(), f"{bound} {goal['goal']:g}{unit}".strip(), verdict


def shown(cell: object) -> str:
    """Return a cell as Markdown."""
    if cell is None:
        return NOT_MEASURED
    return f"{cell:,.10g}" if isinstance(cell, int | float) else escaped(str(cell))


def page_of(text: str, tables: Mapping[str, str]) -> str:
    """Return the page with these tables in place of those that it has; a table without figures stays as it is."""

    def again(match: re.Match[str]) -> str:
        return f"{match[0][: match.start(2) - match.start()]}{tables.get(match[1], match[2])}"

    return TABLE.sub(again, text)


def plot_of(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the plot as SVG: a panel for events and one for batches, both axes logarithmic."""
    size = f'width="{2 * WIDTH}" height="{HEIGHT}" viewBox="0 0 {2 * WIDTH} {HEIGHT}"'
    panels = "".join(
        f'<g transform="translate({place * WIDTH} 0)">\n{"".join(panel(tables[name], title, axis, names))}</g>\n'
        for place, (name, title, axis, names) in enumerate(PANELS)
        if name in tables
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n{panels}</svg>\n'


def panel(figures: Mapping[str, Any], title: str, axis: str, names: Sequence[str]) -> Iterator[str]:
    """Yield the elements of one panel."""
    rows, columns = figures["rows"], figures["columns"]
    lines = {
        name: [(row[0], row[columns.index(name)]) for row in rows if row[columns.index(name)] is not None]
        for name in names
    }
    seconds = [second for line in lines.values() for _, second in line]
    across = Scale([row[0] for row in rows], LEFT, WIDTH - RIGHT)
    up = Scale(seconds, HEIGHT - BOTTOM, TOP)
    yield f'<text class="title" x="{LEFT}" y="18">{title}</text>\n<text x="{LEFT}" y="34">seconds</text>\n'
    for power in across.powers():
        x = across.place(10**power)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>\n'
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10**power:,}</text>\n'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{axis}</text>\n'
    for power in up.powers():
        y = up.place(10**power)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>\n'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{10**power:g}</text>\n'
    ends: list[float] = []
    for name, line in sorted(lines.items(), key=lambda item: up.place(item[1][-1][1])):
        points = " ".join(f"{across.place(count)},{up.place(second)}" for count, second in line)
        yield f'<polyline fill="none" stroke="{COLORS[name]}" stroke-width="2" points="{points}"/>\n'
        ends.append(max(up.place(line[-1][1]) + 4, ends[-1] + 14 if ends else 0))
        yield f'<text x="{across.place(line[-1][0]) + 6}" y="{ends[-1]}" style="fill: {COLORS[name]}">{name}</text>\n'


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
