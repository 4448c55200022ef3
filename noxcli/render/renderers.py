"""The choice of renderers, and the loop that feeds those of a run."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol, Self

from noxcli.models import Update
from noxcli.render.log import BATCH_LINE_EVERY, DOWNLOAD_LINE_EVERY, RunLog, TaskLog, WarningsOnly
from noxcli.render.terminal import Terminal
from noxcli.retry import Tell, in_lines
from noxcli.runs.progress import Progress, Step
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    # The drawing code is loaded only for drawing.
    from noxcli.render.bars import Bar
    from noxcli.render.live import Live


class Renderer(Protocol):
    """One picture of a run. A burst is what arrived together; an empty one means that time has passed."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, burst: Sequence[Step]) -> None: ...


def run_progress(
    terminal: Terminal, progress: Progress, *, writes_events: bool = False
) -> "Live | RunLog | WarningsOnly":
    """Return the picture for stderr: live on a terminal, plain lines elsewhere, only warnings if it is quiet.

    Events on the same screen replace a picture.
    """
    if terminal.quiet or (writes_events and terminal.shares_screen()):
        return WarningsOnly(terminal)
    if terminal.can_redraw():
        from noxcli.render.live import Live

        return Live(terminal, progress)
    return RunLog(terminal, progress)


def batch_progress(terminal: Terminal) -> "Bar | TaskLog":
    """Return the renderer of a batch."""
    if not bar_fits(terminal):
        return TaskLog(terminal, BATCH_LINE_EVERY)
    from noxcli.render.bars import Bar

    return Bar(terminal)


def wait_progress(
    terminal: Terminal, how_far: Callable[[], tuple[float | None, str]]
) -> AbstractContextManager[object]:
    """Return the renderer of a wait: one line on a terminal, nothing elsewhere.

    `how_far` returns the share that is over, if known, and the same in words.
    """
    if not bar_fits(terminal):
        return nullcontext()
    from noxcli.render.bars import Bar

    bar = Bar(terminal)
    bar.tell(lambda seconds: (*how_far(), show_seconds(seconds)))
    return bar


def download_progress(terminal: Terminal) -> "Bar | TaskLog":
    """Return the renderer of downloads, during which nothing else is printed."""
    if terminal.quiet or not terminal.can_redraw():
        return TaskLog(terminal, DOWNLOAD_LINE_EVERY)
    from noxcli.render.bars import Bar

    return Bar(terminal)


@contextmanager
def retry_progress(terminal: Terminal) -> Iterator[Tell]:
    """Yield what says why a call is retried: counting down in place on a terminal, in lines elsewhere."""
    if terminal.quiet or terminal.drawn is not None or not terminal.can_redraw():
        with in_lines(terminal.note)() as tell:
            yield tell
        return
    from noxcli.render.bars import Bar

    with Bar(terminal) as bar:
        yield bar.tell_retry


def bar_fits(terminal: Terminal) -> bool:
    """Return whether a bar may be drawn: not if results may reach the terminal through a pipe."""
    returning = terminal.shares_screen() and not terminal.read_by_eyes
    return not (terminal.quiet or returning) and terminal.can_redraw()


def play(bursts: Iterable[Sequence[Update]], progress: Progress, renderers: Sequence[Renderer]) -> None:
    """Apply each burst to the progress as it arrives, and show it on every renderer, one whole burst at a time."""
    with ExitStack() as stack:
        for renderer in renderers:
            stack.enter_context(renderer)
        for burst in bursts:
            steps = progress.take(burst)
            for renderer in renderers:
                renderer.show(steps)
