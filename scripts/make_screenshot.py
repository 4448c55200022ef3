"""Draw README's picture: the demo workflow on a real pseudo-terminal, midway, as an SVG.

Usage: python scripts/make_screenshot.py [WORKFLOW [SECONDS [FILE]]]
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
from pathlib import Path

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS, ROWS = 80, 20
PICTURE = Path(__file__).parent.parent / "docs" / "live.svg"
NAMES = {"brown": "yellow", "default": None}
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


def watch(workflow: str, seconds: float) -> bytes:
    """Return what a terminal got in the first seconds of a run."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    noxcli = [sys.executable, "-m", "noxcli"]
    process = subprocess.Popen(
        [*noxcli, "sandbox", "--", *noxcli, "run", workflow, "User Input=hello"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    seen, began = bytearray(), None
    while began is None or time.monotonic() < began + seconds:
        ready, _, _ = select.select([ours], [], [], 0.1)
        if ready:
            seen += os.read(ours, 65536)
            began = began or time.monotonic()
    process.terminate()
    process.wait()
    os.close(ours)
    return bytes(seen)


def style_of(cell: Char) -> Style:
    """Return a terminal cell's look in rich's terms."""
    return Style(color=NAMES.get(cell.fg, cell.fg), bold=cell.bold)


def main() -> None:
    """Take the picture."""
    workflow = sys.argv[1] if len(sys.argv) > 1 else "demo"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 4.0
    target = Path(sys.argv[3]) if len(sys.argv) > 3 else PICTURE
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(watch(workflow, seconds))
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ noxcli run demo 'User Input=hello'" if workflow == "demo" else f"$ noxcli run {workflow}"))
    rows = [row for row in range(ROWS) if screen.display[row].strip()]
    for row in rows:
        line = Text()
        for column in range(COLUMNS):
            cell = screen.buffer[row][column]
            line.append(cell.data, style_of(cell))
        line.rstrip()
        console.print(line, no_wrap=True)
    target.write_text(console.export_svg(title="noxcli", code_format=SVG, unique_id="noxcli"))
    print(f"{target}: {len(rows)} lines")


if __name__ == "__main__":
    main()
