"""How often chance alone does what was seen: the coin that an unchanged workflow throws, in exact numbers."""

from math import comb

LEAST_ASKS = 4  # as many good answers of NEW clear a row
MOST_ASKS = 1000
PERCENT = 5  # of the comparisons of an unchanged workflow in which chance may break a row


def heads(throws: int, least: int) -> int:
    """Return in how many of the 2 ** `throws` ways a coin shows heads at least that often."""
    return sum(comb(throws, count) for count in range(max(0, least), throws + 1))


def lead_to_break(asks: int, suspects: int) -> int | None:
    """Return how many more good answers BASE needs than NEW, of as many asks each, None if no lead is enough.

    In versions that are equally good, one of the suspects reaches the lead in at most 5 of 100 comparisons. The lead is
    likeliest where half of all answers are good: BASE's good ones and NEW's others are then the heads of a coin. It
    assumes that answers are independent.
    """
    leads = range(1, asks + 1)
    return next(
        (lead for lead in leads if 100 * suspects * heads(2 * asks, asks + lead) <= PERCENT << 2 * asks),
        None,
    )


def least_asks(suspects: int) -> int | None:
    """Return the least number of asks with which a row can break, None if that would be more than any."""
    return next((asks for asks in range(LEAST_ASKS, MOST_ASKS + 1) if lead_to_break(asks, suspects)), None)


def share_of_chance(broken: int, fixed: int) -> float:
    """Return how often chance breaks so many rows or more, of all that break or are fixed: a one-sided sign test."""
    rows = broken + fixed
    return heads(rows, broken) / (1 << rows)
