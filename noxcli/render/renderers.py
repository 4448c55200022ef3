"""The choice of renderers, and the loop that feeds those of a run."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from noxcli.models import Update
from noxcli.render import Renderer
from noxcli.render.log import RunLog, TaskLog, WarningsOnly
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Progress

if TYPE_CHECKING:
    # The drawing code is loaded only for drawing.
    from noxcli.render.live_region import Bar


def run_progress(
    terminal: Terminal, progress: Progress, *, writes_events: bool = False
) -> Renderer:
    """Return the picture for stderr: live on a terminal, plain lines elsewhere, only warnings if it
    is quiet.

    Events on the same screen replace a picture.
    """
    if terminal.quiet or (writes_events and terminal.shares_screen()):
        return WarningsOnly(terminal)
    if not terminal.can_redraw():
        return RunLog(terminal, progress)
    from noxcli.render.live import Live

    return Live(terminal, progress)


def task_progress(terminal: Terminal, *, prints: bool = False) -> "Bar | TaskLog":
    """Return the renderer of a task: a bar, or lines where nothing is drawn.

    A task that `prints` has no bar if its results may reach the terminal through a pipe.
    """
    if terminal.quiet or not terminal.can_redraw():
        return TaskLog(terminal)
    if prints and terminal.shares_screen() and not terminal.stdout_is_tty:
        return TaskLog(terminal)
    from noxcli.render.live_region import Bar  # as Live

    return Bar(terminal)


def play(
    bursts: Iterable[Sequence[Update]], progress: Progress, renderers: Sequence[Renderer]
) -> None:
    """Apply each burst to the progress as it arrives, and show it whole on every renderer."""
    with ExitStack() as stack:
        for renderer in renderers:
            stack.enter_context(renderer)
        for burst in bursts:
            steps = progress.apply(burst)
            for renderer in renderers:
                renderer.show(steps)
