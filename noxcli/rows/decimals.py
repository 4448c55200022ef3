"""Whether a point or a comma begins the decimals of a column of numbers, and its numbers as JSON
has them.
"""

import re
from collections.abc import Collection

from noxcli.errors import UsageProblem

POINT, COMMA = ".", ","
OTHER = {POINT: COMMA, COMMA: POINT}
NAMES = {POINT: "a decimal point", COMMA: "a decimal comma"}
# A sign, digits with points and commas, an exponent.
NUMBER = re.compile(r"\s*([+-]?)([\d.,]*\d[\d.,]*)([eE][+-]?\d+)?\s*", re.ASCII)
GROUPS = r"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+"  # digits with a mark between the thousands


def decimals_shown(cell: str) -> Collection[str]:
    """Return which marks may begin the decimals of the cell: one, if it shows it.

    Both if it could be either; none for a cell that has no mark, or is not a number.
    """
    found = NUMBER.fullmatch(cell)
    if found is None or not {POINT, COMMA} & {*found[2]}:
        return ()
    return [mark for mark in OTHER if _is_number(found[2], mark)]


def plain_number(cell: str, decimal: str) -> str:
    """Return a number as JSON has it; any other text as it is.

    Raises UsageProblem for a number that has another decimal mark.
    """
    found = NUMBER.fullmatch(cell)
    if found is None:
        return cell
    sign, digits, exponent = found.groups()
    if not _is_number(digits, decimal):
        raise UsageProblem(f"{cell!r} is not a number with {NAMES[decimal]}")
    digits = digits.replace(OTHER[decimal], "").replace(decimal, POINT)
    if digits.startswith(POINT):
        digits = f"0{digits}"
    return f"{sign.replace('+', '')}{digits}{exponent or ''}"


def _is_number(digits: str, decimal: str) -> bool:
    """True if the digits are a number with that decimal mark, and the other between thousands."""
    whole, _, fraction = digits.partition(decimal)
    if not re.fullmatch(r"\d*", fraction):
        return False
    if re.fullmatch(r"\d*", whole):
        return True
    return bool(re.fullmatch(GROUPS.format(mark=re.escape(OTHER[decimal])), whole))


class ColumnDecimal:
    """What the cells of one column show of its decimal mark, as they are read."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}  # a cell that shows it, by the mark
        self._either: str | None = None  # the first cell that could be either

    def read(self, cell: str) -> None:
        marks = decimals_shown(cell)
        if len(marks) == 1:
            (mark,) = marks
            self._shown.setdefault(mark, cell)
        elif marks and self._either is None:
            self._either = cell

    def decide(self, name: str) -> str:
        """Return the column's mark.

        Raises UsageProblem if its cells contradict, or don't show it.
        """
        if len(self._shown) > 1:
            both = f"{self._shown[COMMA]!r} and {self._shown[POINT]!r}"
            raise UsageProblem(
                f"the column {name!r} has decimal commas and decimal points: {both}",
                "write its numbers alike, or say which with --decimal",
            )
        if self._shown:
            (mark,) = self._shown
            return mark
        if self._either is not None:
            readings = " or ".join(plain_number(self._either, mark) for mark in (COMMA, POINT))
            raise UsageProblem(
                f"{self._either!r} in the column {name!r} may be {readings}",
                "say which with --decimal , or --decimal .",
            )
        return POINT
