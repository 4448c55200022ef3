"""Which row of BASE and which one of NEW are a pair: by their ids, or else by their inputs."""

from collections.abc import Iterator
from heapq import merge
from itertools import groupby, repeat, zip_longest
from operator import itemgetter

from noxcli.batch.lines import NUMBER_BITS
from noxcli.batch.sides import Side
from noxcli.errors import UsageProblem
from noxcli.signals import SIGNALS

Matched = tuple[int | None, int | None]  # a row of BASE, and one of NEW


def pair_rows(base: Side, new: Side, differ: list[str], *, by_id: bool) -> Iterator[Matched]:
    """Yield each row of both sides once; `differ` are constants that do not count.

    A row that never started has neither an id nor inputs: it may be any row that its own side seems to lack, and is
    paired with one of those. Raises UsageProblem for an id of several rows of a side.
    """
    sides = base, new
    keys: list[list[int]] = []
    unnamed: list[list[int]] = []
    for side in sides:
        shared = side.constants()
        without = sum(shared[name] for name in differ)
        found = [(side.key(row, without, by_id=by_id), row) for row in range(side.rows)]
        unnamed.append([row for key, row in found if not key])
        keys.append(sorted(key << NUMBER_BITS | row for key, row in found if key))
    alone: list[list[int]] = [[], []]
    tagged = [zip((each >> NUMBER_BITS for each in keys[at]), repeat(at), keys[at], strict=False) for at in (0, 1)]
    for _, group in groupby(merge(*tagged), itemgetter(0)):
        SIGNALS.check()
        rows: list[list[int]] = [[], []]
        for _, at, each in group:
            rows[at].append(each & (1 << NUMBER_BITS) - 1)
        for side, several in zip(sides, rows, strict=True):
            if by_id and len(several) > 1 and side.has_id(several[0]):
                _refuse_id(side, several)
        for one, other in zip_longest(*rows):
            if one is not None and other is not None:
                yield one, other
            else:
                alone[one is None].append(other if one is None else one)
    yield from zip_longest(sorted(alone[0]), unnamed[1][: len(alone[0])])
    yield from ((one, other) for other, one in zip_longest(sorted(alone[1]), unnamed[0][: len(alone[1])]))
    yield from zip_longest(unnamed[0][len(alone[1]) :], unnamed[1][len(alone[0]) :])


def _refuse_id(side: Side, rows: list[int]) -> None:
    with side.source.open_to_read() as read:
        own_id = next(line["id"] for line in side.read_row(rows[0], read) if line["id"] is not None)
    raise UsageProblem(f"{side.name} {side.named} has {len(rows)} rows with the id {own_id!r}", "keep one")
