"""The choice of renderers, and the loop that feeds those of a run."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from noxcli.models import Update
from noxcli.render import Renderer
from noxcli.render.log import BATCH_LINE_EVERY, DOWNLOAD_LINE_EVERY, RunLog, TaskLog, WarningsOnly
from noxcli.render.terminal import Terminal
from noxcli.retry import RetryNote, in_lines
from noxcli.runs.progress import Progress

if TYPE_CHECKING:
    # The drawing code is loaded only for drawing.
    from noxcli.render.live_region import Bar


def run_progress(terminal: Terminal, progress: Progress, *, writes_events: bool = False) -> Renderer:
    """Return the picture for stderr: live on a terminal, plain lines elsewhere, only warnings if it is quiet.

    Events on the same screen replace a picture.
    """
    if terminal.quiet or (writes_events and terminal.shares_screen()):
        return WarningsOnly(terminal)
    if not terminal.can_redraw():
        return RunLog(terminal, progress)
    from noxcli.render.live import Live

    return Live(terminal, progress)


def batch_progress(terminal: Terminal) -> "Bar | TaskLog":
    """Return the renderer of a batch: no bar if results may reach the terminal through a pipe."""
    fits = (terminal.stdout_is_tty or not terminal.shares_screen()) and _may_draw(terminal)
    return _bar(terminal) if fits else TaskLog(terminal, BATCH_LINE_EVERY)


def download_progress(terminal: Terminal) -> "Bar | TaskLog":
    """Return the renderer of downloads, during which nothing else is printed."""
    return _bar(terminal) if _may_draw(terminal) else TaskLog(terminal, DOWNLOAD_LINE_EVERY)


@contextmanager
def retry_progress(terminal: Terminal) -> Iterator[RetryNote]:
    """Yield what says why a call is retried: counting down in place on a terminal, in lines elsewhere."""
    if terminal.drawn is None and not terminal.verbose and _may_draw(terminal):
        with _bar(terminal) as bar:
            yield bar.show_retry
    else:
        with in_lines(terminal.complain if terminal.verbose else terminal.note)() as tell:
            yield tell


def _may_draw(terminal: Terminal) -> bool:
    return not terminal.quiet and terminal.can_redraw()


def _bar(terminal: Terminal) -> "Bar":
    from noxcli.render.live_region import Bar  # as Live

    return Bar(terminal)


def play(bursts: Iterable[Sequence[Update]], progress: Progress, renderers: Sequence[Renderer]) -> None:
    """Apply each burst to the progress as it arrives, and show it on every renderer, one whole burst at a time."""
    with ExitStack() as stack:
        for renderer in renderers:
            stack.enter_context(renderer)
        for burst in bursts:
            steps = progress.apply(burst)
            for renderer in renderers:
                renderer.show(steps)
