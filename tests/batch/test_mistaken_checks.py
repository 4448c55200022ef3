"""Mistakes in assertions, as users make them: none lets a table pass in which every answer is wrong."""

import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from noxcli.checks.row_checker import RowChecker
from noxcli.errors import ExitCode, UsageProblem
from noxcli.masking import Mask
from noxcli.reports.assertions import parse_assertion

RIGHT = [
    "output.Answer == row.Expected",
    "lower(trim(output.Answer)) == lower(row.Expected)",
    "output.Answer != row.Forbidden",
    "contains(output.Answer, row.Word)",
    "!contains(output.Answer, row.Forbidden)",
    "matches(output.Answer, '^[a-z ]+$')",
    "output.Score >= `0.5`",
    "output.Score > row.Least",
    "output.Count == `3`",
    "to_string(output.Count) == '3'",
    "output.Valid == `true`",
    "output.Valid != `false`",
    "output.Valid && output.Score > `0.1`",
    "length(output.Tags) == `2`",
    "contains(output.Tags, 'new')",
    "output.Items[0].price < `10`",
    "length(output.Items[?price < `10`]) == `2`",
    "output.Detail.lang == 'en'",
    "{a: output.Answer, b: row.Expected} | a == b",
    "output | Valid != `false` && Count != `4`",
]
ROWS: dict[str, Any] = {"Expected": "a new day", "Forbidden": "old", "Word": "new", "Least": 0.25}
ALL_RIGHT: dict[str, Any] = {
    "Answer": "a new day",
    "Score": 0.75,
    "Count": 3,
    "Valid": True,
    "Tags": ["new", "x"],
    "Items": [{"price": 1}, {"price": 2}],
    "Detail": {"lang": "en"},
}
ALL_WRONG: dict[str, Any] = {
    "Answer": "old",
    "Score": 0.0,
    "Count": 4,
    "Valid": False,
    "Tags": ["x"],
    "Items": [{"price": 11}, {"price": 20}],
    "Detail": {"lang": "fr"},
}
WRONG = {"output.Answer != row.Forbidden": "old", "matches(output.Answer, '^[a-z ]+$')": "OLD"}
NAMES = "|".join([*ROWS, *ALL_RIGHT])


def slips() -> Iterator[tuple[str, str]]:
    """Yield slips of the right assertions without end, each after the one that was meant."""
    chance = random.Random(43)
    while True:
        meant = chance.choice(RIGHT)
        slip = chance.choice([dropped_prefix, dropped_backticks, misspelt, other_case, other_type])(
            meant, chance
        )
        if slip != meant:
            yield meant, slip


def at_one(pattern: str, text: str, new: Any, chance: random.Random) -> str:
    """Replace one of the places that match."""
    if not (found := list(re.finditer(pattern, text))):
        return text
    one = chance.choice(found)
    return f"{text[: one.start()]}{new(one)}{text[one.end() :]}"


def dropped_prefix(text: str, chance: random.Random) -> str:
    return at_one(r"\b(output|row)\.", text, lambda _: "", chance)


def dropped_backticks(text: str, chance: random.Random) -> str:
    return at_one(
        r"`([^`]*)`", text, lambda one: chance.choice([one[1], one[0][1:], one[0][:-1]]), chance
    )


def misspelt(text: str, chance: random.Random) -> str:
    def swap(one: re.Match[str]) -> str:
        name, place = one[0], chance.randrange(len(one[0]) - 1)
        return chance.choice(
            [name[:place] + name[place + 1] + name[place] + name[place + 2 :], f"{name}s", name[1:]]
        )

    return at_one(rf"\b({NAMES}|output|row|price|lang)\b", text, swap, chance)


def other_case(text: str, chance: random.Random) -> str:
    return at_one(rf"\b({NAMES}|output|row)\b", text, lambda one: one[0].swapcase(), chance)


def other_type(text: str, chance: random.Random) -> str:
    def change(one: re.Match[str]) -> str:
        bare = one[0].strip("`'")
        return chance.choice([f"'{bare}'", f'`"{bare}"`', f"`[{bare}]`", f'"{bare}"', "`[]`"])

    return at_one(r"`[^`]*`|'[^']*'", text, change, chance)


def verdict(assertion: str, output: Mapping[str, Any]) -> bool | None:
    """Return whether a row with this output passes, None for an assertion that is refused."""
    run = {"id": "r", "workflow_id": "w"}
    document = {
        "schema": "noxcli.result/1",
        "ok": True,
        "exit_code": 0,
        "run": run,
        "output": output,
        "error": None,
    }
    line = {"row": 1, "id": None, "input": ROWS, "columns": {}, "result": document}
    try:
        checker = RowChecker([parse_assertion(assertion, of_row=True)], None, Mask())
        checker.require_columns(ROWS)
        checker.require_answers(output, "the workflow")
    except UsageProblem:
        return None
    return bool(checker.judged(line)["result"]["exit_code"] == ExitCode.OK)


@pytest.mark.parametrize("assertion", RIGHT)
def test_right_assertions_tell_right_from_wrong(assertion: str) -> None:
    wrong = {**ALL_WRONG, "Answer": WRONG.get(assertion, ALL_WRONG["Answer"])}
    assert (verdict(assertion, ALL_RIGHT), verdict(assertion, wrong)) == (True, False)


@pytest.mark.parametrize("count", [500])
def test_no_slip_lets_a_wrong_table_pass(count: int) -> None:
    found = {}
    for _, (meant, slip) in zip(range(count), slips(), strict=False):
        wrong = {**ALL_WRONG, "Answer": WRONG.get(meant, ALL_WRONG["Answer"])}
        found[slip] = verdict(slip, wrong)
    assert [slip for slip, passes in found.items() if passes] == []
    assert [*found.values()].count(None) > len(found) / 2, "most are refused before anything starts"
