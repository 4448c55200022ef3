"""The manual pages: current, true to every character, and without warnings from the typesetters."""

import re
import subprocess
from functools import cache

import pytest
from generated import man

from noxcli.app import VERBS
from noxcli.errors import ExitCode
from tests.conftest import Noxcli
from tests.process import needs

DIRECTORY = man.ROOT / "man"
OVERVIEW = DIRECTORY / "noxcli.1"
MOST_LINES = 500  # of the overview


@cache
def typeset(source: str) -> str:
    """The page as a reader sees it, each run of blanks as one."""
    needs("groff")
    argv = ["groff", "-man", "-Tutf8", "-ww", "-k", "-rHY=0", "-P-cbou"]
    done = subprocess.run(argv, input=source, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def page(verb: str) -> str:
    return (DIRECTORY / f"noxcli-{verb}.1").read_text()


def test_there_is_a_page_for_each_verb_and_one_for_all() -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == {"noxcli.1", *(f"noxcli-{verb}.1" for verb in VERBS)}


def test_the_overview_is_short_and_has_the_usual_parts() -> None:
    source = OVERVIEW.read_text()
    shown = typeset(source)

    assert source.count("\n") < MOST_LINES
    assert "Run Noxus AI workflows" in shown
    parts = "NAME SYNOPSIS DESCRIPTION COMMANDS OPTIONS EXIT STATUS ENVIRONMENT FILES SEE ALSO"
    assert " ".join(re.findall("^[.]SH (.*)", source, re.MULTILINE)) == parts
    assert all(f"noxcli-{verb}(1)" in shown for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_what_help_says_stands_there(verb: str) -> None:
    shown = typeset(page(verb))
    help_page = Noxcli()(verb, "--help").text
    usage, _, rest = help_page.partition("\n\n")
    assert usage.removeprefix("Usage: ") in shown
    assert f"noxcli-{verb} - " in shown
    for line in rest.partition("Examples:\n")[2].splitlines():
        assert " ".join(line.split()) in shown, "an example can be copied from the page"
    for option in re.findall(r"^  ((?:-\w, )?--[a-z-]+)", help_page, re.MULTILINE):
        assert option in shown
        assert option.split()[-1] not in man.COMMON or option in typeset(OVERVIEW.read_text())


def test_what_all_share_is_explained_once() -> None:
    assert "Use this profile from the config file" in typeset(OVERVIEW.read_text())
    assert not [verb for verb in VERBS if "Use this profile from the config file" in typeset(page(verb))]


def test_codes_variables_and_files_stand_there() -> None:
    shown = typeset(OVERVIEW.read_text()).partition("EXIT STATUS")[2]
    assert all(f"{int(code)} {code.meaning.replace('`', '')}" in shown for code in ExitCode)
    variables, _, files = shown.partition("ENVIRONMENT")[2].partition("FILES")
    assert {"NOXCLI_STATE_DIR", "NOXCLI_CONFIG", "NOXCLI_CACHE_DIR", "NOXCLI_BASE_URL"} <= {
        *re.findall(r"\w+", variables)
    }
    assert "config.toml" in files


def test_text_is_text_to_roff() -> None:
    nasty = ".TH x 'y' `z` \\fBb\\fR ^~ \"q\" -- \u4e16 it's"
    assert typeset(f".TH A 1\n.SH B\n{man.plain(nasty)}\n").count(nasty) == 1
