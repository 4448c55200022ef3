"""Value classes: mypy keeps them from being changed, and each compiles one method, not six."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

__all__ = ["value_class"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value_class
else:

    def value_class(*, frozen: bool, slots: bool) -> Callable[[type], type]:  # noqa: ARG001
        """Return the decorator of a class whose objects are never compared, hashed or printed."""
        return dataclass(slots=slots, eq=False, repr=False)
