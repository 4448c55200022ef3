"""The sources of inputs, rows and run ids: files, and pipes and stdin, which only one reader can
read once.
"""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from noxcli.errors import Hint, TimedOutBeforeStart, Unavailable, UsageProblem
from noxcli.timing import Deadline
from noxcli.waiting import run_apart

# Bytes of a file or pipe that is held in memory, as of a text in an output.
MAX_TEXT_INPUT = 256 * 1024 * 1024
READ_AT_ONCE = 1024 * 1024  # bytes of one read
STDIN_NAMES = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
T = TypeVar("T")


def process_stdin() -> BinaryIO | None:
    """Return stdin, None if it was closed (`<&-`).

    Unbuffered: Python aborts at its end where a thread is still reading through its buffer.
    """
    if sys.stdin is None:
        return None
    buffer = sys.stdin.buffer
    return getattr(buffer, "raw", buffer)


def _spare_none(_: Path) -> None:
    """No report is written."""


class Sources:
    """The files that one command line reads, and their readers."""

    def __init__(self, stdin: Callable[[], BinaryIO | None] = process_stdin) -> None:
        self.deadline: Deadline | None = None  # of the command: a pipe may never end
        # Keeps a report from the place of a file; the option that names that one is the result.
        self.spare: Callable[[Path], str | None] = _spare_none
        self._stdin = stdin
        self._readers: dict[object, str] = {}

    def is_typed(self) -> bool:
        """True if stdin is a terminal."""
        stdin = self._stdin()
        return stdin is not None and stdin.isatty()

    def claim(self, name: str, reader: str) -> os.stat_result | None:
        """Register `reader`, as on the command line, for the file.

        Return the file's status, None for stdin.

        Raises UsageProblem for a closed stdin, and for a pipe or stdin that already has a reader;
        OSError, ValueError and RuntimeError for a missing file.
        """
        if name in STDIN_NAMES:
            if self._stdin() is None:
                raise UsageProblem(
                    f"{reader} reads stdin, and stdin is closed", "give a file or an id instead"
                )
            self._require_unread(None, "stdin", reader)
            return None
        status = Path(name).expanduser().stat()
        self.require_unwritten(name, reader)
        if stat.S_ISFIFO(status.st_mode):
            self._require_unread((status.st_dev, status.st_ino), f"the pipe {name}", reader)
        return status

    def require_unwritten(self, name: str, reader: str) -> None:
        """Raise UsageProblem for a file that a report would replace."""
        option = self.spare(Path(name).expanduser())
        if option is not None:
            raise UsageProblem(
                f"{reader} and {option} name the same file: {name}", "name two files"
            )

    def open(self, name: str) -> BinaryIO:
        """Open what was claimed. Raises OSError, ValueError, RuntimeError."""
        if name in STDIN_NAMES:
            stdin = self._stdin()
            assert stdin is not None
            return stdin
        return Path(name).expanduser().open("rb")

    def read(self, name: str, reader: str) -> bytes:
        """Return the file's content.

        Raises as `claim`, UsageProblem for more than MAX_TEXT_INPUT, and TimedOutBeforeStart for a
        pipe that does not end.
        """
        self.claim(name, reader)
        return self.in_time(lambda: self._read_content(name, reader))

    def read_text(self, name: str, reader: str, what: str, hint: Hint | str | None = None) -> str:
        """Return the text; `what` describes the file.

        Raises UsageProblem for what can't be read, and with the hint for what is not UTF-8.
        """
        try:
            return self.read(name, reader).decode("utf-8")
        except UnicodeDecodeError:
            raise UsageProblem(f"{what} is not UTF-8 text", hint) from None
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
            from noxcli.files import reason_of

            raise UsageProblem(f"can't read {what}: {reason_of(error)}") from None

    def in_time(
        self, work: Callable[[], T], what: str = "the inputs were not read to their end"
    ) -> T:
        """Return the result of an open or a read, which may block; `what` says that it did not end.

        Raises TimedOutBeforeStart if it takes longer than the command may.
        """
        if (
            self.deadline is None or not self.deadline.seconds
        ):  # a single check may take as long as it needs
            return run_apart(work)
        try:
            return run_apart(work, self.deadline.remaining)
        except Unavailable:
            raise TimedOutBeforeStart(
                f"out of time before the start: {what}", "increase --timeout"
            ) from None

    def _read_content(self, name: str, reader: str) -> bytes:
        content = bytearray()
        with self.open(name) as file:
            while piece := file.read(READ_AT_ONCE):
                content += piece
                if len(content) > MAX_TEXT_INPUT:
                    raise UsageProblem(
                        f"{reader} has more than {MAX_TEXT_INPUT >> 20} MiB",
                        "upload a large file with KEY@FILE",
                    )
        return bytes(content)

    def _require_unread(self, identity: object, what: str, reader: str) -> None:
        if first := self._readers.get(identity):
            raise UsageProblem(
                f"{what} can be read only once, but both {first} and {reader} read it",
                "give one of them a file",
            )
        self._readers[identity] = reader


class OnlyFiles(Sources):
    """Sources for data that is read more than once, such as a batch's rows: regular files, no
    pipes, no stdin.
    """

    def claim(self, name: str, reader: str) -> os.stat_result | None:
        """Raise UsageProblem for anything else."""
        if name in STDIN_NAMES:
            raise UsageProblem(f"{reader} is in a row, and rows cannot read stdin", "give a file")
        status = Path(name).expanduser().stat()
        self.require_unwritten(name, reader)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise UsageProblem(
                f"{reader} is in a row, and {name} is not a regular file", "give a file"
            )
        return status
