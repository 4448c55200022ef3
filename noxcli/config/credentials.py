"""Where a key comes from, and how it is read: a variable, a file, or the first line that a command prints."""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from noxcli.errors import Unauthorized, Unavailable
from noxcli.files import reason_of
from noxcli.threads import run_within

COMMAND_LIMIT = 60.0  # seconds: a person may have to unlock something
MOST_OUTPUT = 64 * 1024
Warn = Callable[[str], None]


class KeySource(Protocol):
    """Where a key is; nothing is read before `read`, which raises Unauthorized."""

    @property
    def source(self) -> str:
        """Where that was said, as `noxcli config` shows it."""

    @property
    def server(self) -> str | None:
        """The only server that the key is for, or None where the user sees to that."""

    def read(self, warn: Warn) -> str: ...


@dataclass(frozen=True, slots=True)
class KeyVariable:
    """An environment variable that holds the key."""

    name: str
    value: str = field(repr=False)
    server: str | None = None

    @property
    def source(self) -> str:
        return f"env {self.name}"

    def read(self, warn: Warn) -> str:  # noqa: ARG002 - there is nothing to warn of
        return usable(self.value, self.name)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file that holds the key; `hint` says where its name can be mended."""

    path: str
    source: str
    hint: str
    server: str | None = None

    def read(self, warn: Warn) -> str:
        try:
            # A pipe is waited for, as a shell's <(...) and some password managers want it.
            with Path(self.path).expanduser().open("rb") as file:
                content = file.read(MOST_OUTPUT + 1)
                shared = open_to_others(file.fileno())
            if len(content) > MOST_OUTPUT:
                raise Unauthorized(f"the key file {self.path} holds more than a key", f"check {self.hint}")
            text = content.decode("utf-8-sig")
            if shared:
                warn(f"others on this machine can read the key file {self.path}; chmod 600 {self.path}")
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
            reason = reason_of(error) if isinstance(error, OSError) else "it is not text"
            raise Unauthorized(f"can't read the key file {self.path}: {reason}", f"check {self.hint}") from None
        return usable(text, f"the key file {self.path}")


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """A command that prints the key. Its words are never shown but for the first: a token may stand among them."""

    argv: tuple[str, ...] = field(repr=False)
    directory: Path
    source: str
    server: str | None = None

    def read(self, warn: Warn) -> str:  # noqa: ARG002 - there is nothing to warn of
        what = f"the command {self.argv[0]} ({self.source})"
        lines = self._output(what).splitlines()
        return usable(lines[0] if lines else "", what)

    def _output(self, what: str) -> str:
        """Return what it prints. Its stderr is ours, since it may ask a person for something; its stdin is empty."""
        import subprocess  # only where there is a command

        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command, from the user's own config file
                self.argv, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
            )
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else "it is not a command"
            raise Unauthorized(f"can't run {what}: {reason}", "check api_key_command") from None

        def read() -> bytes:
            assert process.stdout is not None
            with process.stdout as printed:  # closed here: elsewhere, closing would wait for the reading
                return printed.read(MOST_OUTPUT + 1)

        end = time.monotonic() + COMMAND_LIMIT
        try:
            output = run_within(COMMAND_LIMIT, read)
            if len(output) > MOST_OUTPUT:
                raise Unauthorized(f"{what} prints more than a key", "let it print the key alone")
            code = process.wait(max(0.1, end - time.monotonic()))
        except (Unavailable, subprocess.TimeoutExpired):
            raise Unauthorized(f"{what} took longer than {COMMAND_LIMIT:g} s", "run it by hand") from None
        finally:
            process.kill()
            process.wait()
        if code:
            told = f"ended with {code}" if code > 0 else f"was killed by signal {-code}"
            raise Unauthorized(f"{what} {told}", "run it by hand, and see what it says")
        return output.decode("utf-8", "replace")


def usable(text: str, what: str) -> str:
    """Return the key without white space around it. Its form is not checked: the docs show more than one.

    Raises Unauthorized where there is none or it can't be sent in a header.
    """
    key = text.strip()
    if not key:
        raise Unauthorized(f"{what} is empty", "set NOXUS_API_KEY or give --api-key-file FILE")
    if not key.isascii() or not key.isprintable():
        raise Unauthorized(f"{what} holds a line break or another character that no key has", "check what was pasted")
    return key


def open_to_others(file: int) -> bool:
    """True where others may read an open file and `chmod` would mend that.

    It would not where the file is somebody else's or on a read-only file system, as mounted secrets are, which are
    world-readable inside of their container; nor on systems without these bits.
    """
    if not hasattr(os, "geteuid"):
        return False
    status = os.fstat(file)
    ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
    return ours and bool(status.st_mode & 0o077) and not os.fstatvfs(file).f_flag & os.ST_RDONLY
