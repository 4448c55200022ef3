"""Pictures of a run: which renderer shows it, and the loop that feeds it."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import Protocol, Self

from noxcli.models import Update
from noxcli.render.plain import Plain, WarningsOnly
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Progress, Step


class Renderer(Protocol):
    """One picture of a run. A burst is what arrived together; an empty one says that time has passed."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, burst: Sequence[Step]) -> None: ...


def progress_renderer(
    terminal: Terminal, progress: Progress, *, writes_events: bool = False, line_to_fetch: str = ""
) -> Renderer:
    """Return the picture for stderr: live on a terminal, plain lines elsewhere, only warnings with `--quiet`.

    `line_to_fetch` is the command line that prints the output again.
    Events that are written to the same screen leave no room for a picture, and are one themselves.
    """
    if terminal.quiet or (writes_events and terminal.shares_screen()):
        return WarningsOnly(terminal)
    if terminal.can_redraw():
        from noxcli.render.live import Live  # loaded only where something is drawn

        return Live(terminal, progress, line_to_fetch)
    return Plain(terminal, progress)


def play(
    bursts: Iterable[Sequence[Update]],
    progress: Progress,
    renderers: Sequence[Renderer],
    hold: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Fold each burst into the progress as it comes, and show it on every renderer, a burst at a time untorn."""
    with ExitStack() as stack:
        for renderer in renderers:
            stack.enter_context(renderer)
        for burst in bursts:
            with hold():
                steps = progress.take(burst)
                for renderer in renderers:
                    renderer.show(steps)
