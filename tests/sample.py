"""A sample of a matrix for the plain run; the other cells are wide."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest


def one_in(count: int, *axes: Iterable[Any]) -> list[Any]:
    """Return all cells as parameters; all but one in `count` are wide. The sample has each value of each axis.

    For that, at least two of the axes must have `count` values or more.
    """
    cells = product(*(enumerate(axis) for axis in axes))
    return [
        pytest.param(
            *(value for _, value in cell),
            marks=[pytest.mark.wide] * bool(sum(at for at, _ in cell) % count),
        )
        for cell in cells
    ]
