"""The process's streams and their properties; the only place that writes to stdout or stderr."""

import errno
import os
import shutil
import stat
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from noxcli.codec import to_utf8
from noxcli.errors import ReaderGone, StdoutFailed, TimedOut
from noxcli.masking import Mask
from noxcli.render.text import Screen, visible, word_lines
from noxcli.signals import SIGNALS, Interrupted
from noxcli.timing import Deadline
from noxcli.waiting import PIECE, await_reader, may_block, write

GRACE_AT_THE_END = 0.5  # seconds for all that is written after a signal or the command's limit


class Drawn(Protocol):
    """The lines that are redrawn at the bottom of the terminal."""

    def print_above(self, text: str) -> None:
        """Print lines above it."""

    def aside(self) -> AbstractContextManager[None]:
        """Remove it from the screen while something else is written there."""


@dataclass(slots=True, eq=False, repr=False)  # without unused methods: each costs start-up time
class Terminal:
    """`interactive` means that stderr is a terminal with a user: it decides on the live view and on
    stopping runs at an interruption, but nothing about stdout.
    """

    out: BinaryIO
    err: TextIO
    interactive: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)
    redraws: bool = True  # False: lines only, even on a terminal
    quiet: bool = False  # nothing of progress
    verbose: bool = False
    color: str = "auto"
    reader_gone: bool = False
    unread: TimedOut | Interrupted | None = None  # why noxcli no longer waits for stdout's reader
    deadline: Deadline | None = None  # of the command
    # The mask, which hides secrets in all messages. It learns them as they become known, and is
    # never replaced.
    mask: Mask = field(default_factory=Mask)
    drawn: Drawn | None = None
    stdout_is_tty: bool = field(init=False)  # stdout is a terminal
    _screen: Screen | None = field(init=False)
    _out_name: str = "to stdout"
    _late: float = 0.0  # seconds of writing to stdout after a signal or the command's limit
    _ignored: bool = False  # the command is over, and stderr has no reader
    # Threads of downloads write as well, and a text stream is not safe with several of them.
    _writing: AbstractContextManager[object] = field(default_factory=threading.RLock)
    _within_line: bool = False  # what is on the screen ends without a newline

    def __post_init__(self) -> None:
        self.stdout_is_tty = self.out.isatty()
        self._screen = None
        if self.stdout_is_tty:
            self._screen = Screen()

    def redirect(self, file: BinaryIO, name: str) -> None:
        """Redirect stdout to the file, which messages call by its name."""
        self.out = file
        self._out_name = name
        self.stdout_is_tty = False
        self._screen = None

    @classmethod
    def of_process(cls) -> "Terminal":
        """Return the streams of the process. Call it before anything else is opened."""
        # Reopen closed streams (`>&-`), or the first socket would get the number and the text of
        # one. stdin stays None, writing to stdout still fails, and stderr discards everything.
        for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, mode)  # gets the lowest free number
        # They stay open to the end.
        if sys.stdout is None:
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        if sys.stderr is None:
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        interactive = sys.stderr.isatty()
        if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
            # A CI system starts it unattended, even with a pseudo-terminal.
            interactive = False
        return cls(sys.stdout.buffer, sys.stderr, interactive, os.environ)

    def wants_color(self, *, on_stdout: bool = False) -> bool:
        """Decide on color for stderr, or for stdout with `on_stdout`.

        By --color, NO_COLOR, FORCE_COLOR, TERM and whether the stream is a terminal, in that order.
        """
        if self.color != "auto":
            return self.color == "always"
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        if self.environ.get("TERM") == "dumb":
            return False
        return self.stdout_is_tty if on_stdout else self.interactive

    def shares_screen(self) -> bool:
        """True if stdout may appear on the same terminal.

        It is one, or a pipe, whose end only its reader knows.
        """
        if not self.interactive:
            return False
        try:
            mode = os.fstat(self.out.fileno()).st_mode
        except (OSError, ValueError):
            return False
        if self.stdout_is_tty:
            return True
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)

    def writes_to(self, path: Path) -> bool:
        """True if stdout is that very file."""
        try:
            return os.path.samestat(os.fstat(self.out.fileno()), path.stat())
        except (OSError, ValueError):
            return False

    def can_redraw(self) -> bool:
        """True if a live view works."""
        if not self.redraws or not self.interactive:
            return False
        return self.environ.get("TERM", "") not in {"", "dumb"}

    def in_background(self) -> bool:
        """True if the shell, or another of its jobs, has the terminal now."""
        try:
            return os.tcgetpgrp(self.err.fileno()) != os.getpgrp()
        except (OSError, ValueError):
            return False  # no terminal, or not our controlling one

    def device(self) -> Path:
        """Return where a user at stderr types. Raises OSError if that is not a terminal."""
        return Path(os.ttyname(self.err.fileno()))

    def size(self, *, of_stdout: bool = False) -> os.terminal_size:
        """Return columns and lines of stderr or stdout.

        Of a stream without a size, COLUMNS and LINES, or else 80x24.
        """
        # A terminal may have no size: of `script` in a cron job, of `docker exec -t`.
        stream = self.out if of_stdout else self.err
        with suppress(OSError, ValueError):
            size = os.get_terminal_size(stream.fileno())
            if size.columns and size.lines:
                return size
        return shutil.get_terminal_size()

    def write(self, data: bytes | str) -> None:
        """Write to stdout and flush: byte for byte, or escaped if it is a terminal.

        Raises ReaderGone if the reader has closed it, StdoutFailed if writing fails. If the reader
        is slow, raises Interrupted after a signal, and TimedOut after the command's limit.
        """
        if isinstance(data, str):
            data = to_utf8(data)
        if self._screen is not None:
            self.show(self._screen.feed(data))
        else:
            self._put(data)

    def write_all(self, pieces: Iterable[str]) -> None:
        """Write pieces as they come, as many together as a pipe takes. Raises as `write`."""
        together: list[str] = []
        size = 0
        for piece in pieces:
            together.append(piece)
            size += len(piece)
            if size >= PIECE:
                self.write("".join(together))
                together = []
                size = 0
        if together:
            self.write("".join(together))

    def show(self, text: str) -> None:
        """Write escaped text with our own styles to stdout, a terminal. Raises as `write`."""
        aside = nullcontext() if self.drawn is None else self.drawn.aside()
        with aside:
            self._put(to_utf8(text))
        if text:
            self._within_line = not text.endswith("\n")

    def _put(self, data: bytes) -> None:
        if self.unread is not None:
            raise self.unread
        try:
            write(self.out, data, self._spend)
        except BrokenPipeError:
            self.reader_gone = True
            raise ReaderGone("the reader of stdout closed the pipe") from None
        except OSError as error:
            from noxcli.files import reason_of  # loaded only for this error

            reason = "it is closed" if error.errno == errno.EBADF else reason_of(error)
            raise StdoutFailed(f"can't write {self._out_name}: {reason}") from None

    def _spend(self, seconds: float) -> None:
        """Count the seconds that a write has taken, and give up on a slow reader when the command
        is over.
        """
        if self._is_over():
            self._late += seconds
        if self._late < GRACE_AT_THE_END:
            return
        if SIGNALS.first is not None:
            SIGNALS.disregard()
            self.unread = Interrupted(SIGNALS.first)
        else:
            self.unread = TimedOut("out of time: stdout was not read to its end")
        raise self.unread

    def _is_over(self) -> bool:
        """True after a signal, and after the command's limit; a limit of 0 does not wait at all."""
        if SIGNALS.first is not None:
            return True
        if self.deadline is None or not self.deadline.seconds:
            return False
        return self.deadline.passed

    def finish(self) -> None:
        """Start a new line for the shell's prompt, and keep the interpreter from exiting with a
        code of its own.

        After a failed write to a stream, it would.
        """
        self.draw("")
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    def note(self, line: str) -> None:
        """Write a line of progress; `--progress none` silences it."""
        if self.quiet:
            return
        if not self.interactive:
            self.complain(line)
            return
        for part in word_lines(line, self.size().columns):
            self.complain(part)

    def warn(self, line: str) -> None:
        """Write a warning; nothing silences it."""
        self.complain(f"warning: {line}")

    def complain(self, line: str) -> None:
        """Write an important message: one line on stderr, with remote text escaped."""
        line = visible(self.mask(line))
        if self.drawn is None:
            self.draw(f"{line}\n")
        else:
            self.drawn.print_above(line)

    def draw(self, text: str) -> None:
        """Write to stderr unchanged, without delay.

        First end a line on the screen that stdout left open.
        """
        if self._ignored:
            return
        if self._within_line and self.interactive:
            text = f"\n{text}"
        self._within_line = False
        try:
            if may_block(self.err):
                began = time.monotonic()
                while not await_reader(self.err):
                    if self._is_over() and time.monotonic() - began >= GRACE_AT_THE_END:
                        self._ignored = True
                        raise BlockingIOError  # as the write would, if it did not wait
            with self._writing:
                self.err.write(text)
                self.err.flush()
        except (OSError, ValueError, UnicodeEncodeError):
            pass  # the reader is gone, and there is no other place for the message
