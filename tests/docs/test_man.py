"""The manual pages: true to every character, and without warnings from the typesetters; test_regenerate.py: current."""

import re
import subprocess

import pytest
from generated import man

from noxcli.cli.verbs import VERBS
from tests.process import needs

OVERVIEW = man.ROOT / "man" / "noxcli.1"
MOST_LINES = 500  # of the overview


def typeset(source: str) -> str:
    """The page as a reader sees it, each run of blanks as one."""
    needs("groff")
    argv = ["groff", "-man", "-Tutf8", "-ww", "-k", "-rHY=0", "-P-cbou"]
    done = subprocess.run(argv, input=source, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def test_the_overview_is_short_and_has_the_usual_parts() -> None:
    source = OVERVIEW.read_text()
    shown = typeset(source)
    assert source.count("\n") < MOST_LINES
    parts = "NAME SYNOPSIS DESCRIPTION COMMANDS OPTIONS EXIT STATUS ENVIRONMENT FILES SEE ALSO"
    assert " ".join(re.findall("^[.]SH (.*)", source, re.MULTILINE)) == parts
    assert all(f"noxcli-{verb}(1)" in shown for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_page_has_its_name_and_its_examples(verb: str) -> None:
    shown = typeset(OVERVIEW.with_name(f"noxcli-{verb}.1").read_text())
    assert f"noxcli-{verb} - " in shown
    assert shown.partition("EXAMPLES")[2].count(f"noxcli {verb}")


def test_text_is_text_to_roff() -> None:
    nasty = ".TH x 'y' `z` \\fBb\\fR ^~ \"q\" -- \u4e16 it's"
    assert typeset(f".TH A 1\n.SH B\n{man.plain(nasty)}\n").count(nasty) == 1
