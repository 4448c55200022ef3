"""Finds rows by the digests of their inputs or ids."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

NUMBER_BITS = 48  # of a row's number, or of its place in a file


class DigestIndex:
    """Digests with a number each, sixteen bytes for a pair; of several pairs with one digest, the largest counts."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(digest << NUMBER_BITS | number for digest, number in pairs)
        self.digests = array("Q", (pair >> NUMBER_BITS for pair in ordered))
        self._numbers = array("Q", (pair & (1 << NUMBER_BITS) - 1 for pair in ordered))

    def find(self, digest: int) -> int | None:
        """Return the digest's last number, None if it has none."""
        place = bisect_right(self.digests, digest) - 1
        return self._numbers[place] if place >= 0 and self.digests[place] == digest else None

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Yield each number that is followed by another one of the same digest, with the next one."""
        for place in range(len(self.digests) - 1):
            if self.digests[place] == self.digests[place + 1]:
                yield self._numbers[place], self._numbers[place + 1]
