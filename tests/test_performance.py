"""The page about performance: its tables and its plot are those of the figures that were measured."""

import json
from pathlib import Path
from shutil import copy
from xml.etree import ElementTree

from generated import performance

ROOT = Path(__file__).parents[1]


def test_the_plot_has_a_line_for_each_contender() -> None:
    plot = ElementTree.parse(ROOT / performance.PLOT)
    lines = [element for element in plot.iter() if element.tag.endswith("polyline")]
    assert len(lines) == sum(len(names) for *_, names in performance.PANELS)


def test_other_figures_make_another_page_and_plot(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in (performance.PAGE, performance.FIGURES):
        copy(ROOT / name, tmp_path / name)
    figures = tmp_path / performance.FIGURES
    document = json.loads(figures.read_text())
    document["parts"]["sizes"]["tables"][0]["rows"][0][1] = 98.7
    figures.write_text(json.dumps(document))
    made = dict(performance.files(tmp_path))
    assert [name for name, text in made.items() if (ROOT / name).read_text() != text] == list(made)
    assert "| 98.7 |" in made[performance.PAGE]
