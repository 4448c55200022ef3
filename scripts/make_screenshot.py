"""Draw the pictures of README and docs/live-view.md: runs on a real pseudo-terminal of 80x24, as SVG.

Usage: python scripts/make_screenshot.py [NAME]... (all where none is named)
"""

import fcntl
import io
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS, ROWS = 80, 24
DOCS = Path(__file__).parent.parent / "docs"
NAMES = {"brown": "yellow", "default": None}
DIM = {"default": "grey50"}
# rich's own frame fetches a font; this one takes what the reader has.
SVG = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
line-height: {line_height}px; font-variant-east-asian: full-width; }} {styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
<rect fill="#16181d" width="{width}" height="{height}" rx="8"/>
<g transform="translate(9, 12)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


@dataclass(frozen=True, slots=True)
class Shot:
    """A command line, and the seconds after its first output at which it is taken; None for its end."""

    shown: str
    argv: tuple[str, ...]
    seconds: float | None

    def take(self) -> bytes:
        """Return what the terminal got by then."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        noxcli = [sys.executable, "-m", "noxcli"]
        process = subprocess.Popen(
            [*noxcli, "sandbox", "--", *noxcli, "run", *self.argv],
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )
        os.close(theirs)
        seen, began = bytearray(), None
        while began is None or self.seconds is None or time.monotonic() < began + self.seconds:
            ready, _, _ = select.select([ours], [], [], 0.1)
            try:
                seen += os.read(ours, 65536) if ready else b""
            except OSError:
                break  # how a pseudo-terminal says that nobody has it open any more
            began = began or (time.monotonic() if seen else None)
        process.terminate()
        process.wait()
        os.close(ours)
        return bytes(seen)


SHOTS = {
    "live": Shot("noxcli run demo 'User Input=hello'", ("demo", "User Input=hello"), 4.0),
    "live-failure": Shot("noxcli run fails", ("fails",), None),
    "live-many-nodes": Shot("noxcli run many-nodes", ("many-nodes",), 3.0),
}


class Screen(pyte.Screen):
    """A screen that knows dim text, which the emulator leaves out; it is kept as the background's name."""

    def select_graphic_rendition(self, *attrs: int, **more: object) -> None:
        """Note that dim begins (2) or that all ends (0)."""
        super().select_graphic_rendition(*attrs, **more)
        if 2 in attrs:
            self.cursor.attrs = self.cursor.attrs._replace(bg="black")


def style_of(cell: Char) -> Style:
    """Return a terminal cell's look in rich's terms."""
    dim = cell.bg == "black"
    return Style(color=DIM.get(cell.fg) if dim else NAMES.get(cell.fg, cell.fg), bold=cell.bold)


def draw(name: str, shot: Shot) -> None:
    """Take one picture."""
    screen = Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(shot.take())
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {shot.shown}"))
    rows = [row for row in range(ROWS) if screen.display[row].strip()]
    for row in rows:
        line = Text()
        for column in range(COLUMNS):
            cell = screen.buffer[row][column]
            line.append(cell.data, style_of(cell))
        line.rstrip()
        console.print(line, no_wrap=True)
    target = DOCS / f"{name}.svg"
    target.write_text(console.export_svg(title="noxcli", code_format=SVG, unique_id="noxcli"))
    print(f"{target}: {len(rows)} lines")


def main() -> None:
    """Take the pictures that are asked for."""
    for name in sys.argv[1:] or SHOTS:
        draw(name, SHOTS[name])


if __name__ == "__main__":
    main()
