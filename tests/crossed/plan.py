"""The combinations of switches: every pair of settings, every three of the event stream, or random ones."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, product
from typing import Any, Literal, get_args, get_origin, get_type_hints

from allpairspy import AllPairs

from noxcli.sandbox.switches import Switches

Combination = Mapping[str, Any]

DEFAULTS = Switches()
# The settings of numeric switches, the default first. 1000 seconds of the sandbox are one.
NUMBERS: Mapping[str, Sequence[float]] = {
    "retained_events": (0, 5),
    "keepalive_seconds": (15.0, 1.0),
    "create_status": (200, 201, 202),
    "gateway_refusals": (0, 1),
    "stale_reads": (0, 1, 3),
    "late_output_reads": (0, 1, 3),
    "queue_seconds": (0.0, 20.0),
    "page_size": (50, 3),
    "page_limit": (100, 5),
    "preview_limit": (16_000, 100),
    "preview_characters": (16_000, 40),
    "sync_limit_seconds": (120.0, 0.0),
    "stop_seconds": (0.0, 100.0),
    "rate_limit": (0, 100),
    "retry_after_seconds": (1, 2),
}
# These have tests of their own: what they lead to depends on the moment.
NOT_CROSSED = {
    "bare_output", "gateway_status", "list_delay_seconds", "listed_inputs", "nested_ends", "odd_messages", "run_words",
    "start_answer", "trailing_slash", "web_app",
}  # fmt: skip


@cache
def settings() -> Mapping[str, list[Any]]:
    """Return each switch with the settings that are played."""
    found: dict[str, list[Any]] = {}
    for name, hint in get_type_hints(Switches).items():
        if name in NOT_CROSSED:
            continue
        if get_origin(hint) is Literal:
            found[name] = [choice for choice in get_args(hint) if choice != "address"]
        else:
            found[name] = [False, True] if hint is bool else list(NUMBERS[name])
    return found


def stream_switches() -> list[str]:
    """Return the switches of the event stream: those that are declared before the run records'."""
    names = list(settings())
    return names[: names.index("create_status")]


def pairs(seed: int = 0) -> list[Combination]:
    """Return combinations that have every pair of settings of any two switches."""
    return _crossed(settings(), 2, seed)


def triples(seed: int = 0) -> list[Combination]:
    """Return combinations that have every three settings of any three switches of the event stream."""
    every = settings()
    return _crossed({name: every[name] for name in stream_switches()}, 3, seed)


def singles() -> list[Combination]:
    """Return each setting alone that is not a default."""
    defaults = {name: getattr(DEFAULTS, name) for name in settings()}
    return [{name: value} for name, values in settings().items() for value in values if value != defaults[name]]


def at_random(count: int, seed: int = 0) -> Iterator[Combination]:
    """Yield that many random combinations, half of them with few settings that differ from the defaults."""
    every, rng = settings(), random.Random(seed)
    for number in range(count):
        names = list(every) if number % 2 else rng.sample(list(every), rng.randint(2, 12))
        yield _told({name: rng.choice(every[name]) for name in names})


def uncovered(rows: Iterable[Sequence[Any]], columns: Sequence[Sequence[Any]], size: int) -> list[dict[int, Any]]:
    """Return the settings of that many columns that no row has, each as places and values."""
    missing = {
        tuple(zip(places, values, strict=True)): None
        for places in combinations(range(len(columns)), size)
        for values in product(*(columns[place] for place in places))
    }
    for row in rows:
        for chosen in combinations(enumerate(row), size):
            missing.pop(chosen, None)
    return [dict(each) for each in missing]


def _crossed(every: Mapping[str, list[Any]], size: int, seed: int) -> list[Combination]:
    rng = random.Random(seed)
    columns = [rng.sample(values, len(values)) for values in every.values()]
    rows = [list(row) for row in AllPairs(columns, n=size)]
    rows += _completed(uncovered(rows, columns, size), columns, rng)
    return [_told(dict(zip(every, row, strict=True))) for row in rows]


def _completed(missing: list[dict[int, Any]], columns: list[list[Any]], rng: random.Random) -> Iterator[list[Any]]:
    """Yield rows for the missing settings, filled greedily: allpairspy leaves gaps among threes."""
    while missing:
        row: dict[int, Any] = {}
        left = []
        for each in missing:
            if all(row.get(place, value) == value for place, value in each.items()):
                row |= each
            else:
                left.append(each)
        missing = left
        yield [row[place] if place in row else rng.choice(column) for place, column in enumerate(columns)]


def _told(combination: Combination) -> Combination:
    """Leave out defaults."""
    return {name: value for name, value in combination.items() if value != getattr(DEFAULTS, name)}
