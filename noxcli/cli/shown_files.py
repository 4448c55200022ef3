"""Files on a terminal: told by name, type and size, with the command that saves them; never as binary data."""

import shlex
from codecs import getincrementaldecoder
from collections.abc import Mapping
from typing import IO, Any

from noxcli.cli.context import Context
from noxcli.cli.ending import line_to_fetch
from noxcli.errors import Undelivered
from noxcli.models import Run
from noxcli.outputs.filenames import safe_extension, safe_stem
from noxcli.outputs.values import Remote, find_remote, is_file, media_type
from noxcli.render.text import visible

READ_AT_ONCE = 256 * 1024  # bytes
# Types whose files are binary: they are not even downloaded for a terminal. The others are looked at.
BINARY_TYPES = ("image/", "audio/", "video/", "font/", "application/zip", "application/gzip", "application/pdf")
TEXT_TYPES = ("image/svg",)


def describe_file(value: Any) -> str:
    """Return a file value's name, type and size, as far as the server says them."""
    remote = next(find_remote(value))
    about = ", ".join(filter(None, [media_type(remote.content_type), _shown_size(remote.size)]))
    return f"{remote.name or 'file'}{about and f' ({about})'}"


def lines_to_save(context: Context, run: Run, output: Mapping[str, Any]) -> dict[str, str]:
    """Return for each file among the outputs the command that saves it."""
    return {key: line_to_save(context, run, key, value) for key, value in output.items() if is_file(value)}


def line_to_save(context: Context, run: Run, key: str, value: Any) -> str:
    """Return the command that saves one output: under its own name, or with all outputs if its key can't be typed."""
    remote = next(find_remote(value))
    line = line_to_fetch(context, run)
    if visible(key) != key:
        return f"{line} --output-dir out"
    extension = safe_extension(remote.name, remote.content_type) if not remote.is_text else ".txt"
    stem = safe_stem((remote.name or key).rpartition(".")[0] or remote.name or key)
    name = f"{stem}{extension}" if extension else f"./{stem}"  # a name without a dot may be one of a format
    return f"{line} --raw {shlex.quote(key)} -o {shlex.quote(name)}"


def require_shown(context: Context, run: Run, key: str, value: Any, content: IO[bytes] | None = None) -> None:
    """Raise Undelivered if stdout is a terminal and the value is a binary file: by its `content`, or else by its type.

    The content is read from its beginning, and left there.
    """
    if not context.terminal.read_by_eyes:
        return
    remote = next(find_remote(value))
    if content is None:
        binary = media_type(remote.content_type).startswith(BINARY_TYPES) and not _is_text_type(remote)
    else:
        binary = _is_binary(content)
        content.seek(0)
    if not binary:
        return
    what = f"{remote.name or key!r} is binary, and a terminal can't show it"
    if content is not None and _is_text_type(remote) and b"\0" not in content.read(READ_AT_ONCE):
        what = f"{remote.name or key!r} is not UTF-8 text, and a terminal can't show it (iconv converts it in a pipe)"
    raise Undelivered(what, f"save it with: {line_to_save(context, run, key, value)}")


def _is_text_type(remote: Remote) -> bool:
    return media_type(remote.content_type).startswith(("text/", *TEXT_TYPES))


def _is_binary(content: IO[bytes]) -> bool:
    decoder = getincrementaldecoder("utf-8")()
    try:
        while piece := content.read(READ_AT_ONCE):
            if b"\0" in piece:
                return True
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return True
    return False


def _shown_size(size: int | None) -> str:
    """Return a number of bytes as people read it, empty if it is not known."""
    if size is None:
        return ""
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:,.0f} KiB" if size < 1024**2 else f"{size / 1024**2:,.1f} MiB"
