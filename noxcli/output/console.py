"""rich's console as noxcli uses it: on stderr, remote text taken literally; loaded only where something is drawn."""

from rich.console import Console

from noxcli.output.terminal import Terminal


def console_for(terminal: Terminal) -> Console:
    """Return a console on the terminal's stderr, with colour as the user wants it."""
    color = terminal.wants_color()
    return Console(
        file=terminal.err,
        force_terminal=True,
        no_color=not color,
        color_system="auto" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
