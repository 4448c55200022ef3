"""The page about performance: its figures are those that were measured."""

import json

from generated import performance


def test_other_figures_make_another_table() -> None:
    figures = json.loads(performance.FIGURES.read_text())
    figures["events"]["goals"][0] |= {"figure": 98.7, "goal": 1.2, "met": False, "spread": (97.0, 99.0)}
    assert "| 98.7 (97.00 to 99.00) | at most 1.2 | **missed** |" in performance.goals_table(figures)
