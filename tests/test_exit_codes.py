"""The exit codes and their sets: a new code has to be ranked, and says where that was forgotten."""

import re
from collections import Counter
from pathlib import Path

import pytest

from noxcli.errors import ANSWERED, UNDECIDED, WORST_FIRST, ExitCode, worst

PACKAGE = Path(__file__).parent.parent / "noxcli"
NUMBERED = re.compile(r"""(?<!status_)\b(?:exit_)?codes?"?\]? (?:==|!=|in|not in) [\[({]?[0-9]""")
# Neither an answer nor undecided: something has to be fixed, or tried again.
TROUBLE = frozenset(
    {
        ExitCode.USAGE,
        ExitCode.AUTH,
        ExitCode.NOT_FOUND,
        ExitCode.LOST_CONTACT,
        ExitCode.START_UNKNOWN,
        ExitCode.UNDELIVERED,
        ExitCode.BUG,
        ExitCode.TEMPORARY,
    }
)


@pytest.mark.parametrize("code", ExitCode)
def test_each_code_is_an_answer_undecided_or_trouble(code: ExitCode) -> None:
    sets = [codes for codes in (ANSWERED, UNDECIDED, TROUBLE) if code in codes]
    assert sets, "which of the sets in errors.py have it, or TROUBLE above?"


def test_each_code_has_one_rank_among_the_worst() -> None:
    assert Counter(WORST_FIRST) == Counter(ExitCode)


def test_a_code_without_a_rank_is_not_taken_for_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.errors.WORST_FIRST", [code for code in WORST_FIRST if code != ExitCode.PAUSED])
    with pytest.raises(KeyError):
        worst([ExitCode.PAUSED, ExitCode.OK])


def test_codes_have_names_outside_of_errors() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "sandbox")]
    bare = [f"{path.name}: {line}" for path in files for line in path.read_text().splitlines() if NUMBERED.search(line)]
    assert bare == []
