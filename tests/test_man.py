"""The manual page: fresh, true to every character, and without a complaint from those who typeset it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from noxcli.app import VERBS
from noxcli.errors import ExitCode
from tests.commands.test_help import page_of
from tests.process import needs

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import make_man


def typeset(source: str) -> str:
    """The page as a reader sees it, each run of blanks as one."""
    needs("groff")
    argv = ["groff", "-man", "-Tutf8", "-ww", "-k", "-rHY=0", "-P-cbou"]
    done = subprocess.run(argv, input=source, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def test_the_page_is_fresh() -> None:
    assert make_man.main(["--check"]) == 0, "run python scripts/make_man.py"


def test_a_stale_page_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_man, "PAGE", tmp_path / "man" / "noxcli.1")
    assert make_man.main(["--check"]) == 1
    assert "make_man.py" in capsys.readouterr().err
    assert make_man.main([]) == make_man.main(["--check"]) == 0


def test_it_is_typeset_without_a_warning() -> None:
    shown = typeset(make_man.PAGE.read_text())
    assert "Run Noxus AI workflows" in shown


@pytest.mark.parametrize("verb", VERBS)
def test_what_help_says_stands_there(verb: str) -> None:
    shown = typeset(make_man.PAGE.read_text())
    page = page_of(verb)
    usage, _, rest = page.partition("\n\n")
    assert usage.removeprefix("Usage: ") in shown
    for line in rest.partition("Examples:\n")[2].splitlines():
        assert " ".join(line.split()) in shown, "an example can be copied from the page"
    for option in re.findall(r"^  ((?:-\w, )?--[a-z-]+)", page, re.MULTILINE):
        assert option in shown


def test_codes_and_variables_stand_there() -> None:
    shown = typeset(make_man.PAGE.read_text()).partition("EXIT STATUS")[2]
    assert all(f"{int(code)} {code.meaning.replace('`', '')}" in shown for code in ExitCode)
    assert "NOXCLI_STATE_DIR" in shown.partition("ENVIRONMENT")[2]


def test_text_is_text_to_roff() -> None:
    nasty = ".TH x 'y' `z` \\fBb\\fR ^~ \"q\" -- \u4e16 it's"
    assert typeset(f".TH A 1\n.SH B\n{make_man.plain(nasty)}\n").count(nasty) == 1
