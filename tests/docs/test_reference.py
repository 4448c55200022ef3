"""The generated reference: current, and complete in its handwritten parts."""

import json
import re
from pathlib import Path

import pytest
from generated import cells, performance, reference

from noxcli.config.config_files import DEFAULTS, SETTINGS
from noxcli.errors import ENGINES_FAIL, ENGINES_RETRY, ExitCode
from noxcli.sandbox import faults
from noxcli.sandbox import scenario_file as files

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / reference.REFERENCE


def keys_in(page: str, heading: str) -> set[str]:
    """The names in code in the first column of the tables under a heading."""
    section = page.partition(heading)[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\S+)` \|", section, re.MULTILINE))


def test_a_part_that_lost_its_lines_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "PARTS", {"nowhere": ("README.md", reference.verbs_table)})
    with pytest.raises(AssertionError, match=r"README\.md has lost the lines around its nowhere"):
        list(reference.files(ROOT))


def test_a_cell_shows_its_text() -> None:
    assert (
        cells.escaped("RUN<TAB>STATUS a|b `c|<d>`\n  lines *x*")
        == r"RUN&lt;TAB>STATUS a\|b `c\|<d>` lines \*x\*"
    )


def test_every_key_of_a_scenario_file_stands_there() -> None:
    page = (REFERENCE / "scenarios.md").read_text()
    assert keys_in(page, "# Scenario files") == set(files.SCENARIO)
    assert keys_in(page, "## Inputs") == set(files.INPUT)
    steps = page.partition("## Steps")[2].partition("\n## ")[0]
    assert all(re.search(rf"\b{key} = ", steps) for key in files.STEP)
    assert set(faults.KINDS) < keys_in(page, "## Faults")
    assert all(f"### {name}\n" in page for name in files.FAULTS)


def test_every_setting_and_variable_stands_there() -> None:
    page = (REFERENCE / "settings.md").read_text()
    source = "".join(path.read_text() for path in (ROOT / "noxcli").rglob("*.py"))
    # Those that noxcli writes for others, into --dotenv files, are not settings, nor are those by which the action and
    # the component pass their inputs on.
    read = set(re.findall(r"\bNOXCLI_(?!JOB_)[A-Z_]*[A-Z]\b", source)) - {
        "NOXCLI_RUN_ID", "NOXCLI_WORKFLOW_ID", "NOXCLI_STATUS", "NOXCLI_EXIT_CODE",
    }  # fmt: skip
    assert "NOXCLI_STATE_DIR" in read
    assert read | {f"NOXCLI_{key.upper()}" for key in DEFAULTS} == set(
        re.findall(r"`(NOXCLI_\w+)`", page)
    )
    assert all(f"`{key}`" in page for key in [*SETTINGS, *DEFAULTS, "default_profile"])


def test_an_engine_is_told_of_codes_that_there_are() -> None:
    killed = 128 + 9  # never our own
    assert {*ENGINES_RETRY, *ENGINES_FAIL} - {killed} <= set(map(int, ExitCode))
    assert set(ENGINES_RETRY).isdisjoint(ENGINES_FAIL)


def test_other_figures_make_another_table() -> None:
    figures = json.loads(performance.FIGURES.read_text())
    figures["events"]["goals"][0] |= {
        "figure": 98.7,
        "goal": 1.2,
        "met": False,
        "spread": (97.0, 99.0),
    }
    assert "| 98.7 (97.00 to 99.00) | at most 1.2 | **missed** |" in performance.goals_table(
        figures
    )
