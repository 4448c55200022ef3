"""The process's streams, and what is known about them; the only place that writes to stdout or stderr."""

import errno
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import BinaryIO, TextIO

from noxcli.errors import ReaderGone, Undelivered
from noxcli.output.text import Screen, visible
from noxcli.secrets import Mask


@dataclass(slots=True)
class Terminal:
    """`interactive` means that stderr is a terminal: it decides about the live view, never about stdout."""

    out: BinaryIO
    err: TextIO
    interactive: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)
    redraws: bool = True  # False: lines only, even on a terminal
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"
    reader_gone: bool = False
    # Takes secrets out of whatever is said.
    mask: Mask = field(default_factory=Mask)
    # Puts signals off while something is being written that must not be torn.
    hold: Callable[[], AbstractContextManager[None]] = nullcontext
    _screen: Screen = field(default_factory=Screen)

    @classmethod
    def of_process(cls) -> "Terminal":
        """Return the streams that the shell gave us."""
        return cls(sys.stdout.buffer, sys.stderr, sys.stderr.isatty(), os.environ)

    def wants_color(self) -> bool:
        """Decide by --color, NO_COLOR, FORCE_COLOR, TERM and whether stderr is a terminal, in that order."""
        if self.color != "auto":
            return self.color == "always"
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        return self.interactive and self.environ.get("TERM") != "dumb"

    @property
    def read_by_eyes(self) -> bool:
        """True where stdout is a terminal."""
        return self.out.isatty()

    def can_redraw(self) -> bool:
        """True where a live view works."""
        return self.redraws and self.interactive and self.environ.get("TERM", "") not in {"", "dumb"}

    def write(self, data: bytes | str) -> None:
        """Write to stdout and flush: byte for byte, unless it is a terminal, where nothing remote may act.

        Raises ReaderGone where nobody reads any more, Undelivered where the bytes can't be stored.
        """
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        try:
            self.out.write(self._screen.take(data).encode() if self.read_by_eyes else data)
            self.out.flush()
        except BrokenPipeError:
            self.reader_gone = True
            raise ReaderGone("the reader of stdout went away") from None
        except OSError as error:
            if error.errno == errno.EINVAL:  # how Windows says it
                self.reader_gone = True
                raise ReaderGone("the reader of stdout went away") from None
            raise Undelivered(f"can't write to stdout: {error.strerror}") from None

    def say(self, line: str) -> None:
        """Write a line of text to stdout, remote text in it made harmless. Raises as `write`."""
        self.write(f"{visible(self.mask(line))}\n")

    def let_go(self) -> None:
        """Keep the interpreter from complaining at its end about a stdout that nobody reads."""
        if self.reader_gone:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def note(self, line: str) -> None:
        """Say how things are going; `--quiet` silences it."""
        if not self.quiet:
            self.complain(line)

    def complain(self, line: str) -> None:
        """Say something that must be seen: one line on stderr, remote text in it made harmless."""
        self.command(visible(self.mask(line)))

    def command(self, line: str) -> None:
        """Write a line for whatever reads the log; nothing in it is made harmless here."""
        try:
            self.err.write(f"{line}\n")
            self.err.flush()
        except (OSError, ValueError, UnicodeEncodeError):
            pass  # nobody is listening, and there is no other place to say it
