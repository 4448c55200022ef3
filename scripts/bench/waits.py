"""`wait` of many runs that ended long ago, compared with a single check of them."""

from collections.abc import Iterator
from functools import partial

from measure import NOXCLI, Goal, measure, serving, take_turns, times
from server import WORKFLOW, Plan

RUNS, ROUNDS = 1000, 5
LIMITS = {"wait": (), "check": ("--timeout", "0")}
MOST = 1.3  # times a single check


def goals(quick: bool) -> Iterator[Goal]:
    """Yield the CPU of `wait` without a limit, as a ratio."""
    count, rounds = (200, 1) if quick else (RUNS, ROUNDS)
    with serving(Plan()) as env:
        runs = [f"{WORKFLOW}/{number}-0.0" for number in range(count)]
        contenders = {
            name: partial(measure, [NOXCLI, "wait", *runs, *limit], env)
            for name, limit in LIMITS.items()
        }
        taken = take_turns(contenders, rounds)
    what = f"`wait` of {count:,} ended runs, CPU compared with `--timeout 0`"
    yield times(what, taken["wait"], taken["check"], MOST)
