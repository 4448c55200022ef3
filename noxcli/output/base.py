"""What renderers without a beginning and an end have in common."""

from types import TracebackType
from typing import Self


class Plainly:
    """Nothing to set up, nothing to take down."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
