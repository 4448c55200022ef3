"""The formats of stdout, and what all renderers share.

The views of a run are in the modules of this package.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from noxcli.models import Run
    from noxcli.runs.progress import Step

# How far a task is: the share that is done, if known; what is done as text, and how fast.
Facts = tuple[float | None, str, str]
HowFar = Callable[[float], Facts]  # from the seconds since the task's beginning


class Format(StrEnum):
    """The content of stdout. Code that depends on it uses these properties, and compares none."""

    TEXT = "text"
    CONTENT = "content"
    JSON = "json"
    NDJSON = "ndjson"

    @property
    def is_text(self) -> bool:
        """True if stdout is for reading and simple pipes, not for parsers."""
        return self in {Format.TEXT, Format.CONTENT}

    @property
    def is_document(self) -> bool:
        """True if stdout is exactly one document."""
        return self is Format.JSON

    @property
    def is_final_text(self) -> bool:
        """True if stdout is written once, for reading, after the run has ended."""
        return self is Format.TEXT

    @property
    def fits_json(self) -> bool:
        """True if `--json` may be given as well; any other format contradicts it."""
        return self in {Format.TEXT, Format.JSON}

    @property
    def is_live(self) -> bool:
        """True if stdout is written while the run runs, by an EventWriter."""
        return self in {Format.CONTENT, Format.NDJSON}


class Renderer(Protocol):
    """One picture of a run or of a task. A burst is what arrived together.

    An empty one means that time has passed.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, _burst: "Sequence[Step]") -> None:
        return None


class EventWriter(Renderer):
    """What writes to stdout while the run runs."""

    inputs: Mapping[str, Any] | None = None  # of this command, masked

    def finish(self, _document: Callable[[], Mapping[str, Any]], _run: "Run | None") -> None:
        """Write what comes last, if anything does: the run's document, or nothing."""
