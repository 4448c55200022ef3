"""The exit codes and their sets: a new code has to be ranked, and says where that was forgotten."""

import re
from pathlib import Path

from noxcli.errors import ANSWERED, UNDECIDED, ExitCode, worst

PACKAGE = Path(__file__).parent.parent / "noxcli"
NUMBERED = re.compile(r"""(?<!status_)\b(?:exit_)?codes?"?\]? (?:==|!=|in|not in) [\[({]?[0-9]""")
WORST_FIRST = [129, 130, 143, 141, 70, 2, 4, 7, 6, 75, 5, 124, 10, 1, 3, 11, 9, 8, 0]
# Neither an answer nor undecided: something has to be fixed, or tried again.
TROUBLE = {2, 4, 5, 6, 7, 9, 70, 75}


def test_each_code_is_an_answer_undecided_or_trouble() -> None:
    assert {*ExitCode} - ANSWERED - UNDECIDED == TROUBLE, (
        "which of the sets in errors.py have it, or TROUBLE above?"
    )


def test_the_worst_code_counts() -> None:
    assert list(map(int, ExitCode)) == WORST_FIRST
    for place, code in enumerate(WORST_FIRST):
        assert worst(reversed(WORST_FIRST[place:])) == code
    assert worst([]) == ExitCode.OK


def test_codes_have_names_outside_of_errors() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "sandbox")]
    bare = [
        f"{path.name}: {line}"
        for path in files
        for line in path.read_text().splitlines()
        if NUMBERED.search(line)
    ]
    assert bare == []
