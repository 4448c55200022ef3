"""The page about performance: its figures are those that were measured."""

import json
from pathlib import Path
from shutil import copy

from generated import performance

ROOT = Path(__file__).parents[2]


def test_other_figures_make_another_page_and_plot(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    copy(ROOT / performance.PAGE, tmp_path / performance.PAGE)
    figures = json.loads((ROOT / performance.FIGURES).read_text())
    figures["events"]["goals"][0] |= {"figure": 98.7, "met": False}
    figures["events"]["points"][0]["seconds"] = 98.7
    (tmp_path / performance.FIGURES).write_text(json.dumps(figures))
    made = dict(performance.files(tmp_path))
    assert [name for name, text in made.items() if (ROOT / name).read_text() != text] == list(made)
    assert "| 98.7 | at most 1.2 | **missed** |" in made[performance.PAGE]
