"""rich's console as noxcli uses it: on stderr, remote text taken literally; loaded only where something is drawn."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import ControlType, Segment

from noxcli.output.terminal import Terminal
from noxcli.output.text import visible

# rich has no name for these; that they are a control at all is what keeps them out of a line's width.
WRAP_OFF, WRAP_ON = (Segment(code, None, [(ControlType.HOME,)]) for code in ("\x1b[?7l", "\x1b[?7h"))


def console_for(terminal: Terminal) -> Console:
    """Return a console on the terminal's stderr, with colour as the user wants it."""
    color = terminal.wants_color()
    return Harmless(
        file=terminal.err,
        force_terminal=True,
        no_color=not color,
        color_system="auto" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


class Harmless(Console):
    """A console whose only escape sequences are its own: what is drawn passes `visible` once more, whoever drew it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text == "\n":
                yield segment
            else:
                yield Segment("\n".join(visible(line, None) for line in text.split("\n")), style)


class Unwrapped:
    """A drawing whose lines end at the margin.

    How wide a joined emoji is, no two terminals agree on; a line that wrapped would tear a picture that is redrawn.
    """

    def __init__(self, drawing: RenderableType) -> None:
        self._drawing = drawing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self._drawing, options, pad=False):
            yield from (WRAP_OFF, *line, WRAP_ON, Segment.line())
