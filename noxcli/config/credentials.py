"""The ways to an API key: a variable, a file, or the first line that a command prints."""

import os
import re
import select
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from noxcli.errors import NO_ROOM, Unauthorized, Unavailable
from noxcli.files import reason_of

MIN_KEY_NAME = 16  # characters of a name that is not repeated: it may be the key itself
COMMAND_LIMIT = 60.0  # seconds: the user may have to unlock the key
MAX_OUTPUT = 64 * 1024
InTime = Callable[[Callable[[], bytes]], bytes]  # makes a read that may block


def usable(text: str, what: str) -> str:
    """Return the key without white space around it. Its form is not checked: the docs show more than one.

    Raises Unauthorized if there is none, or if a header can't carry it.
    """
    key = text.strip()
    if not key:
        raise Unauthorized(f"{what} is empty", "set NOXUS_API_KEY or give --api-key-file FILE")
    mistakes = {
        "has quotes around the key": key[0] in "'\"" and key[-1] == key[0],
        "begins with Bearer, which is not part of the key": key.lower().startswith("bearer "),
        "is the name of a variable, not its value": re.fullmatch(r"\$\{?\w+\}?", key),
    }
    if mistake := next((mistake for mistake, found in mistakes.items() if found), None):
        raise Unauthorized(f"{what} {mistake}", "give the key alone")
    if not key.isascii() or not key.isprintable():
        raise Unauthorized(f"{what} contains a line break or another invalid character", "check what was pasted")
    return key


def read_key_file(path: str, setting: str, in_time: InTime) -> str:
    """Return the key in a file, which `setting` names. Raises Unauthorized, and what `in_time` raises."""
    try:
        content = in_time(lambda: _read_content(path))
        if len(content) > MAX_OUTPUT:
            raise Unauthorized(f"the key file {path} contains more than a key", f"check {setting}")
        text = content.decode("utf-8-sig")
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
        if isinstance(error, FileNotFoundError) and len(path) >= MIN_KEY_NAME and not {"/", "."} & {*path}:
            hint = f"{setting} takes a file: check its name, or put the key itself into NOXUS_API_KEY"
            raise Unauthorized("there is no such key file", hint) from None
        reason = reason_of(error) if isinstance(error, OSError) else "it is not text"
        raise Unauthorized(f"can't read the key file {path}: {reason}", f"check {setting}") from None
    return usable(text, f"the key file {path}")


def _read_content(path: str) -> bytes:
    # Wait for a pipe: a shell's <(...) and some password managers use one.
    with Path(path).expanduser().open("rb") as file:
        return file.read(MAX_OUTPUT + 1)


def run_key_command(command: str, setting: str, directory: Path, in_time: InTime) -> str:
    """Return the key that a command prints, which runs in `directory`.

    Only its first word is ever shown: a token may be among the others. Raises as `read_key_file`.
    """
    argv = shlex.split(command)
    what = f"the command {argv[0]} ({setting})"
    lines = _run(argv, what, directory, in_time).decode("utf-8", "replace").splitlines()
    return usable(lines[0] if lines else "", what)


def _run(argv: list[str], what: str, directory: Path, in_time: InTime) -> bytes:
    """Return its output. It shares our stderr, since it may prompt the user; its stdin is empty."""
    import subprocess  # only where there is a command

    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, from the user's own config file
            argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "it is not a command"
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise Unavailable(f"can't run {what}: {reason}", sent=False) from None
        raise Unauthorized(f"can't run {what}: {reason}", "check api_key_command") from None

    def read() -> bytes:
        output, end = b"", time.monotonic() + COMMAND_LIMIT
        assert process.stdout is not None
        with process.stdout as printed:  # select, since a child of the command may hold it open for ever
            while len(output) <= MAX_OUTPUT and select.select([printed], [], [], max(0.0, end - time.monotonic()))[0]:
                if not (piece := os.read(printed.fileno(), MAX_OUTPUT)):
                    process.wait(max(0.0, end - time.monotonic()))
                    return output
                output += piece
        if len(output) <= MAX_OUTPUT:
            raise subprocess.TimeoutExpired(argv, COMMAND_LIMIT)
        return output

    try:
        output = in_time(read)
    except subprocess.TimeoutExpired:
        raise Unauthorized(f"{what} took longer than {COMMAND_LIMIT:g} s", "run it by hand") from None
    finally:
        process.kill()
        process.wait()
    if len(output) > MAX_OUTPUT:
        raise Unauthorized(f"{what} prints more than a key", "make it print only the key")
    if code := process.returncode:
        ended = f"ended with {code}" if code > 0 else f"was killed by signal {-code}"
        raise Unauthorized(f"{what} {ended}", "run it by hand to see why")
    return output
