"""The pictures of README and docs/progress.md: commands on a real pseudo-terminal, as SVG for light and dark pages."""

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import pyte
from pyte.screens import Char
from rich.cells import cell_len

NOXCLI = [sys.executable, "-m", "noxcli"]
COLUMNS, ROWS = 80, 24
CELL, LINE, MARGIN = 8.4, 19, 12  # pixels
FRAME = 0.25  # seconds of the demo that one picture covers
LAST_FRAME = 6.0  # seconds
BEFORE = 0.8  # seconds of the demo before the first output, however long the start of Python takes
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
# What two common themes use for text, dim text, the background and the sixteen color names: on light, on dark.
COLORS = {
    "fg": ("#1f2328", "#d4d7dd"),
    "dim": ("#6e7781", "#868c98"),
    "bg": ("#ffffff", "#16181d"),
    "red": ("#cf222e", "#f47067"),
    "green": ("#116329", "#6bc46d"),
    "brown": ("#7d4e00", "#c69026"),
    "blue": ("#0969da", "#6cb6ff"),
    "magenta": ("#8250df", "#d2a8ff"),
    "cyan": ("#1b7c83", "#56d4dd"),
    "black": ("#24292f", "#545d68"),
    "white": ("#6e7781", "#cdd9e5"),
}
LIGHT, DARK = (
    "".join(f".{name}{{fill:{pair[turn]}}}" for name, pair in COLORS.items()) for turn in (0, 1)
)
STYLE = f"text{{font-family:{FONT};font-size:14px;white-space:pre}}{LIGHT}@media(prefers-color-scheme:dark){{{DARK}}}"


@dataclass(frozen=True, slots=True)
class Shot:
    """A command line, and the text on the screen at which to take the picture ("": at its end)."""

    argv: Sequence[str]
    until: str = ""  # a regular expression: a time would show another picture on a busy machine
    moving: bool = False
    prepare: Sequence[Sequence[str]] = ()  # commands that run before

    @property
    def line(self) -> str:
        return shlex.join(["noxcli", *self.argv])

    def take(self) -> Generator[tuple[float, bytes]]:
        """Yield what the terminal received, with the seconds since the first output."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        quiet = "; ".join(f"noxcli {' '.join(line)} >/dev/null 2>&1" for line in self.prepare)
        argv = [
            "sh",
            "-c",
            f'{quiet or ":"}; printf "\\033[H\\033[2J"; exec "$@"',
            "sh",
            *NOXCLI,
            *self.argv,
        ]
        process = subprocess.Popen(
            [*NOXCLI, "sandbox", "--", *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )
        os.close(theirs)
        began = None
        try:
            while True:
                ready, _, _ = select.select([ours], [], [], FRAME / 5)
                piece = os.read(ours, 65536) if ready else b""
                began = time.monotonic() if began is None and piece else began
                if began is not None:
                    yield time.monotonic() - began, piece
        except OSError:
            pass  # a pseudo-terminal reports this way that no process has it open
        finally:
            process.terminate()
            process.wait()
            os.close(ours)


DEMO = ["run", "demo", "User Input=hello", "--raw", "Answer"]
SHOTS = {
    "live": Shot(DEMO, moving=True),
    "live-end": Shot(DEMO),
    "live-failure": Shot(["run", "fails"]),
    "live-many-nodes": Shot(["run", "many-nodes"], r" 5\d%"),
    "outputs": Shot(["fetch-output", "@last"], prepare=[["run", "demo", "'User Input=hello'"]]),
    "runs": Shot(
        ["runs"],
        prepare=[
            ["run", "structured"],
            ["run", "fails"],
            ["run", "pauses"],
            ["run", "slow", "--detach"],
        ],
    ),
    "inputs": Shot(["inputs", "fixed-inputs"]),
    "doctor": Shot(["doctor"]),
}


class Screen(pyte.Screen):
    """A screen that keeps dim text, which the emulator drops; it is stored as strikethrough."""

    def select_graphic_rendition(self, *attrs: int, **more: object) -> None:
        """Note the start of dim text (2), or the end of all attributes (0)."""
        super().select_graphic_rendition(*attrs, **more)
        if 2 in attrs:
            self.cursor.attrs = self.cursor.attrs._replace(strikethrough=True)


def look_of(cell: Char) -> tuple[str, bool, bool]:
    """Return the name of a cell's color, whether the cell is bold, and whether its character is wide.

    Wide characters are placed by themselves: a font without them would shift those next to them.
    """
    wide = not cell.data or cell_len(cell.data) == 2
    return "dim" if cell.strikethrough and cell.fg == "default" else cell.fg, cell.bold, wide


def drawn(screen: Screen, first: str) -> str:
    """Return the rows of a screen as SVG, below the command line."""
    parts = [text(0, 0, f"$ {first}", "fg", bold=False)]
    for row in range(screen.lines):
        cells = [(column, screen.buffer[row][column]) for column in range(screen.columns)]
        for (color, bold, _), run in groupby(cells, key=lambda cell: look_of(cell[1])):
            placed = list(run)
            words = "".join(cell.data for _, cell in placed)
            if words.strip():
                lead = len(words) - len(words.lstrip())
                named = color if color in COLORS else "fg"
                parts.append(text(placed[0][0] + lead, row + 1, words.strip(), named, bold=bold))
    return "".join(parts)


def text(column: int, row: int, words: str, color: str, *, bold: bool) -> str:
    """Return one piece of text, as wide as its cells in any font."""
    wide = cell_len(words) * CELL
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{MARGIN + column * CELL:.1f}" y="{MARGIN + (row + 0.75) * LINE:.1f}"'
    return f'<text {place} class="{color}"{weight} textLength="{wide:.1f}">{escape(words)}</text>'


def svg(frames: Sequence[tuple[float, str]], rows: int) -> str:
    """Return a picture; several frames, each with its start in seconds, repeat forever."""
    width, height = 2 * MARGIN + COLUMNS * CELL, 2 * MARGIN + rows * LINE
    total = frames[-1][0] + LAST_FRAME
    style, groups = "", ""
    ends = [*(start for start, _ in frames[1:]), total]
    for number, ((start, frame), end) in enumerate(zip(frames, ends, strict=True)):
        if len(frames) > 1:
            on, off = 100 * start / total, 100 * end / total
            hidden = "" if start == 0 else f"0%,{on - 0.001:.3f}%{{visibility:hidden}}"
            after = "" if end == total else f"{off:.3f}%,100%{{visibility:hidden}}"
            style += f"@keyframes f{number}{{{hidden}{on:.3f}%,{off - 0.001:.3f}%{{visibility:visible}}{after}}}"
            style += f".f{number}{{animation:f{number} {total:.2f}s step-end infinite}}"
        groups += f'<g class="f{number}">{frame}</g>\n'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}">\n<style>{STYLE}{style}</style>\n'
        f'<rect width="100%" height="100%" rx="8" class="bg"/>\n{groups}</svg>\n'
    )


def draw(shot: Shot) -> str:
    """Take one picture."""
    screen = Screen(COLUMNS, ROWS - 1)
    stream = pyte.ByteStream(screen)
    frames: list[tuple[float, str]] = []
    due, seen, start = 0.0, 0.0, 0.0
    with closing(shot.take()) as pieces:
        for seconds, piece in pieces:
            if shot.moving and seconds >= due:
                due = seconds + FRAME
                frames.append((seen, drawn(screen, shot.line)))
            stream.feed(piece)
            if not "".join(screen.display).strip():
                start = max(0.0, seconds - BEFORE)
            seen = seconds - start
            # Between two pictures nothing arrives.
            if not piece and shot.until and re.search(shot.until, "\n".join(screen.display)):
                break
    frames.append((seen if shot.moving else 0.0, drawn(screen, shot.line)))
    changes = [next(same) for _, same in groupby(frames, key=lambda frame: frame[1])]
    rows = max(row for row in range(screen.lines) if screen.display[row].strip()) + 2
    return svg([(0.0, changes[0][1]), *changes[1:]], min(ROWS, rows + 2 if shot.moving else rows))


def files(_root: Path) -> Iterator[tuple[str, str]]:
    """Yield each picture."""
    for name, shot in SHOTS.items():
        yield f"docs/{name}.svg", draw(shot)
