"""The combinations of switches: every pair of settings, or random ones."""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
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
    "stop_seconds": (0.0, 100.0),
    "rate_limit": (0, 100),
    "retry_after_seconds": (1, 2),
}
# These have tests of their own: what they lead to depends on the moment, or on one request alone.
NOT_CROSSED = {
    "fixed_input", "gateway_status", "import_answer", "import_refusal", "key_refusal", "missing_input",
    "rate_limit_counts", "rate_limit_window", "run_words", "sync_limit_seconds", "sync_limit_status", "trailing_slash",
    "unknown_input", "unlabelled_input", "unreadable_bundle", "versions", "web_app", "wrong_type",
}  # fmt: skip


@cache
def settings() -> Mapping[str, list[Any]]:
    """Return each switch with the settings that are played."""
    found: dict[str, list[Any]] = {}
    for name, hint in get_type_hints(Switches).items():
        if name in NOT_CROSSED:
            continue
        if get_origin(hint) is Literal:
            found[name] = list(get_args(hint))
        else:
            found[name] = [False, True] if hint is bool else list(NUMBERS[name])
    return found


def pairs(seed: int = 0) -> list[Combination]:
    """Return combinations that have every pair of settings of any two switches."""
    every, rng = settings(), random.Random(seed)
    columns = [rng.sample(values, len(values)) for values in every.values()]
    return [_told(dict(zip(every, row, strict=True))) for row in AllPairs(columns)]


def at_random(count: int, seed: int = 0) -> Iterator[Combination]:
    """Yield that many random combinations, half of them with few settings that differ from the defaults."""
    every, rng = settings(), random.Random(seed)
    for number in range(count):
        names = list(every) if number % 2 else rng.sample(list(every), rng.randint(2, 12))
        yield _told({name: rng.choice(every[name]) for name in names})


def _told(combination: Combination) -> Combination:
    """Leave out defaults."""
    return {name: value for name, value in combination.items() if value != getattr(DEFAULTS, name)}
