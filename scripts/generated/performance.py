"""The table of docs/reference/figures.md, from the figures in docs/performance.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generated.cells import escaped, table

FIGURES = Path(__file__).parents[2] / "docs" / "performance.json"


def measured() -> str:
    """Return the goals with what was measured, and on what."""
    return goals_table(json.loads(FIGURES.read_text(encoding="utf-8")))


def goals_table(figures: Mapping[str, Any]) -> str:
    """Return the goals of each kind of figures, and the machines."""
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
    spread = " ({:.2f} to {:.2f})".format(*goal["spread"]) if goal.get("spread") else ""
    verdict = "" if goal["goal"] is None else "met" if goal["met"] else "**missed**"
    return escaped(goal["what"]), f"{figure}{unit}{spread}", wanted, verdict
