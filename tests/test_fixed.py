"""Values that never change: to a program they look exactly like frozen dataclasses."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from noxcli.fixed import fixed


@fixed
class Point:
    """A place."""

    x: int
    y: int = 2
    key: str = field(default="secret", repr=False)
    note: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Usual:
    """The same, made by Python."""

    x: int
    y: int = 2
    key: str = field(default="secret", repr=False)
    note: str = field(default="", compare=False)


@fixed
class Marked(Point):
    """A place with a mark."""

    mark: str = "!"


SAME = [{"x": 1}, {"x": 1, "note": "seen"}]
OTHER = [{"x": 2}, {"x": 1, "y": 3}, {"x": 1, "key": "open"}]


@pytest.mark.parametrize("parts", [*SAME, *OTHER])
def test_it_compares_hashes_and_reads_as_a_frozen_dataclass(parts: dict[str, Any]) -> None:
    ours, usual = Point(**parts), Usual(**parts)
    assert (ours == Point(1)) is (usual == Usual(1)) is (parts in SAME)
    assert (hash(ours) == hash(Point(1))) is (hash(usual) == hash(Usual(1))) is (parts in SAME)
    assert repr(ours) == repr(usual).replace("Usual", "Point")


def test_values_of_two_classes_are_never_the_same() -> None:
    assert Marked(1) != Point(1)
    assert Point(1) != object()
