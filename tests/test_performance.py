"""The page about performance: its tables and its plot are those of the figures that were measured."""

import json
import sys
from pathlib import Path
from shutil import copy
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import make_performance


def test_the_page_has_the_figures() -> None:
    assert make_performance.main(["--check"]) == 0, "run python scripts/make_performance.py"


def test_the_plot_has_a_line_for_each_contender() -> None:
    plot = ElementTree.parse(make_performance.DOCS / make_performance.PLOT)
    lines = [element for element in plot.iter() if element.tag.endswith("polyline")]
    assert len(lines) == sum(len(names) for *_, names in make_performance.PANELS)


def test_other_figures_make_page_and_plot_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (make_performance.PAGE, make_performance.FIGURES, make_performance.PLOT):
        copy(make_performance.DOCS / name, tmp_path)
    figures = tmp_path / make_performance.FIGURES
    document = json.loads(figures.read_text())
    document["parts"]["sizes"]["tables"][0]["rows"][0][1] = 98.7
    figures.write_text(json.dumps(document))
    monkeypatch.setattr(make_performance, "DOCS", tmp_path)
    assert make_performance.main(["--check"]) == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["performance.md", "performance.svg"]
    assert make_performance.main([]) == make_performance.main(["--check"]) == 0
    assert "| 98.7 |" in (tmp_path / make_performance.PAGE).read_text()
