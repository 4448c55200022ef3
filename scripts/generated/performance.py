"""The table and the plot of docs/reference/figures.md, from the figures in docs/performance.json."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from generated.cells import escaped, table

FIGURES = Path(__file__).parents[2] / "docs" / "performance.json"
LINE, LABEL, WIDTH = 22, 520, 860  # pixels: of a bar with its gap, of its label, of all
AT_GOAL = 240  # pixels of a bar that is as long as its goal
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.goal,.spread{stroke:#1f2328}"
    ".met{fill:#4493f8}.missed{fill:#cf222e}"
    "@media(prefers-color-scheme:dark){text{fill:#d4d7dd}.goal,.spread{stroke:#d4d7dd}}"
)


def goals_table(figures: Mapping[str, Any]) -> str:
    """Return the goals of each kind of figures, and the machines."""
    rows = [goal_cells(goal) for kind in figures.values() for goal in kind["goals"]]
    machines = [kind["machine"] for kind in figures.values()]
    systems = {
        f"{each['system']} with {each['cores']} cores, Python {each['python']}" for each in machines
    }
    loads = ", ".join(
        f"{name} {each['load']}" for name, each in zip(figures, machines, strict=True)
    )
    about = f"{'; '.join(sorted(systems))}. Load before each part: {loads}."
    return f"{table(['what', 'measured', 'goal', ''], rows)}\n{about}\n"


def goal_cells(goal: Mapping[str, Any]) -> Sequence[str]:
    """Return the line of a goal."""
    unit = f" {goal['unit']}" if goal["unit"] else ""
    bound = "at least" if goal["at_least"] else "at most"
    wanted = "" if goal["goal"] is None else f"{bound} {goal['goal']:g}{unit}"
    figure = f"{goal['figure']:.2f}" if goal["figure"] < 10 else f"{goal['figure']:.1f}"
    spread = " ({:.2f} to {:.2f})".format(*goal["spread"]) if goal.get("spread") else ""
    verdict = "" if goal["goal"] is None else "met" if goal["met"] else "**missed**"
    return escaped(goal["what"]), f"{figure}{unit}{spread}", wanted, verdict


def plot() -> str:
    """Return the ratios that have a goal as bars, each as long as the ratio to its goal, with the quartiles."""
    kinds = json.loads(FIGURES.read_text(encoding="utf-8")).values()
    goals = [
        goal
        for kind in kinds
        for goal in kind["goals"]
        if goal["goal"] is not None and not goal["unit"]
    ]
    height = LINE * len(goals)
    bars = "".join(part for place, goal in enumerate(goals) for part in bar(LINE * place, goal))
    line = f'<path class="goal" stroke-dasharray="4" d="M{LABEL + AT_GOAL} 0V{height}"/>'
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{bars}{line}</svg>\n'
    )


def bar(top: int, goal: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts of a goal's bar, of which none leaves the picture."""
    end, *spread = (
        min(WIDTH, LABEL + AT_GOAL * each / goal["goal"])
        for each in (goal["figure"], *(goal.get("spread") or ()))
    )
    yield f'<text x="0" y="{top + 15}">{escape(goal["what"])}{" (at least)" if goal["at_least"] else ""}</text>'
    kind = "met" if goal["met"] else "missed"
    yield f'<rect class="{kind}" x="{LABEL}" y="{top + 4}" width="{end - LABEL:.0f}" height="14"/>'
    if spread:
        yield f'<path class="spread" d="M{spread[0]:.0f} {top + 11}H{spread[1]:.0f}"/>'
