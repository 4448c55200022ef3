"""The choice of renderers for a run, and the loop that feeds them."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

from noxcli.models import Update
from noxcli.render.plain import Plain, WarningsOnly
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Progress, Step


class Renderer(Protocol):
    """One picture of a run. A burst is what arrived together; an empty one means that time has passed."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, burst: Sequence[Step]) -> None: ...


def progress_renderer(
    terminal: Terminal, progress: Progress, *, writes_events: bool = False, line_to_fetch: str = ""
) -> Renderer:
    """Return the picture for stderr: live on a terminal, plain lines elsewhere, only warnings with `--quiet`.

    `line_to_fetch` is the command that prints the output again. Events on the
    same screen rule out a picture, and replace it.
    """
    if terminal.quiet or (writes_events and terminal.shares_screen()):
        return WarningsOnly(terminal)
    if terminal.can_redraw():
        from noxcli.render.live import Live  # loaded only for drawing

        return Live(terminal, progress, line_to_fetch)
    return Plain(terminal, progress)


def play(bursts: Iterable[Sequence[Update]], progress: Progress, renderers: Sequence[Renderer]) -> None:
    """Apply each burst to the progress as it arrives, and show it on every renderer, one whole burst at a time."""
    with ExitStack() as stack:
        for renderer in renderers:
            stack.enter_context(renderer)
        for burst in bursts:
            steps = progress.take(burst)
            for renderer in renderers:
                renderer.show(steps)
