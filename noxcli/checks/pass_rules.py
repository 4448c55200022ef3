"""How many rows and repetitions have to pass."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from noxcli.errors import BY_SHARE, ExitCode, UsageProblem


@dataclass(frozen=True, slots=True)
class MinPass:
    """The least share of rows that pass."""

    text: str
    share: Fraction

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Return the share for `90%`, None for none. Raises UsageProblem."""
        if text is None:
            return None
        number = re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?)%", text, re.ASCII)
        if number is None or (share := Fraction(number[1]) / 100) > 1:
            raise UsageProblem(f"--min-pass {text} is not a valid share", "write 90%, from 0% to 100%")
        return cls(text, share)

    def codes(self, codes: Collection[int], good: int, rows: int) -> list[int]:
        """Return the codes that count for `rows` rows, of which `good` ones pass; no rows are not enough."""
        reached = good >= self.share * max(rows, 1)
        others = [code for code in codes if code not in BY_SHARE]
        return [*others, ExitCode.OK if reached else ExitCode.NOT_AS_ASSERTED]

    def words(self, good: int, rows: int) -> str:
        """Return `85.0%; --min-pass 90%`; the share is rounded down."""
        return f"{1000 * good // max(rows, 1) / 10}%; --min-pass {self.text}"


def enough_of(repeat: int, pass_each: int | None) -> int:
    """Return how many repetitions of a row must pass: all, or --pass-each. Raises UsageProblem for more than all."""
    if pass_each is not None and pass_each > repeat:
        raise UsageProblem(f"--pass-each {pass_each} is more than --repeat {repeat}", "write at most as many")
    return repeat if pass_each is None else pass_each
