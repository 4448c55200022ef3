"""Files as inputs: the check of `key@path` before anything is sent, the upload, the file value."""

import hashlib
import re
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from noxcli.errors import NoxError, Phase, UsageProblem
from noxcli.files import reason_of
from noxcli.inputs.sources import STDIN_NAMES, Sources
from noxcli.retry import RetryPolicy

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

UNKNOWN_TYPE = "application/octet-stream"
MEDIA_TYPE = r"(?a)[\w.+-]+/[\w.+-]+(?:\s*;[ -~]*)?"
OPTION = r";(?=type=|name=)"
SHELLS_PIPES = ("/dev/fd/", "/proc/self/fd/")  # of <(...)
MEBIBYTE = 1 << 20
LARGE = 5 * MEBIBYTE  # a smaller file needs no line of progress


@dataclass(frozen=True, slots=True, repr=False)
class Upload:
    """A file that was readable when the command line was parsed.

    A pipe has no size until it is read.
    """

    path: str
    name: str
    content_type: str
    size: int | None

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return "stdin" if self.path in STDIN_NAMES else self.path

    def described(self) -> dict[str, Any]:
        """Return what represents it if nothing is uploaded."""
        return {
            "$upload": self.path,
            "name": self.name,
            "content_type": self.content_type,
            "bytes": self.size,
        }


def parse_upload(text: str, key: str, sources: Sources) -> Upload:
    """Return the upload for `PATH[;type=MEDIA/TYPE][;name=NAME]`.

    Raises UsageProblem for a file that can't be read.
    """
    path, *options = re.split(OPTION, text)
    given = dict(option.split("=", 1) for option in options)
    size = _measure(path, key, sources)
    name = given.get("name", _name_of(path))
    if not name or not name.isprintable():
        raise UsageProblem(
            f"the upload for {key!r} has no usable name", "write ;name=NAME after the path"
        )
    content_type = given.get("type", guess_type(name if "." in name else path))
    if not re.fullmatch(MEDIA_TYPE, content_type):
        raise UsageProblem(
            f"{content_type!r}, for {key!r}, is not a valid media type", "write ;type=text/plain"
        )
    return Upload(path, name, content_type, size)


def _name_of(path: str) -> str:
    """Return what the server shall call a file."""
    if path in STDIN_NAMES:
        return "stdin"
    if path.startswith(SHELLS_PIPES):
        return "pipe"
    return Path(path).name.encode("utf-8", "replace").decode()


def guess_type(name: str) -> str:
    """Return the usual media type for the name's extension."""
    import mimetypes  # loaded for an input that is a file

    kind, encoding = mimetypes.guess_type(Path(name).name)
    # A compressed file no longer has the type of its content.
    if encoding == "gzip":
        return "application/gzip"
    if encoding or kind is None:
        return UNKNOWN_TYPE
    return kind


def _measure(path: str, key: str, sources: Sources) -> int | None:
    what = f"can't read the file {path} for {key!r}"
    try:
        status = sources.claim(path, f"{key}@{path}")
        if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return None  # opening a pipe would wait for its writer
        if stat.S_ISREG(status.st_mode):
            sources.in_time(lambda: sources.open(path).close())
            return status.st_size
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
        raise UsageProblem(f"{what}: {reason_of(error)}") from None
    raise UsageProblem(
        f"{what}: it is a directory", f"pack it: tar c DIR | noxcli run ... '{key}@-;name=DIR.tar'"
    )


def store_files(
    values: Mapping[str, Any],
    api: "NoxusApi",
    retries: RetryPolicy,
    say: Callable[[str], None],
    sources: Sources,
    hashes: dict[Upload, str] | None = None,
) -> dict[str, Any]:
    """Return the inputs to send: each file is stored, once, and its place taken by the value that
    names it.

    `hashes` get the SHA-256 of what was sent.

    Retrying is safe: a stored file that is never used starts nothing. Raises what the API raises.
    """
    stored: dict[Upload, dict[str, Any]] = {}
    sent: dict[str, Any] = {}
    for key, value in values.items():
        if not isinstance(value, Upload):
            sent[key] = value
            continue
        if value not in stored:
            try:
                record, sha256 = _store(value, api, retries, say, sources)
            except NoxError as error:
                what = f"{value.shown}, for {key!r}, was not uploaded, and nothing was started"
                failed = type(error)(f"{what}: {error.message}", error.hint, **error.facts())
                failed.phase = Phase.UPLOAD
                raise failed from error
            if hashes is not None:
                hashes[value] = sha256
            stored[value] = _value_of(record, value)
        sent[key] = stored[value]
    return sent


def _store(
    upload: Upload,
    api: "NoxusApi",
    retries: RetryPolicy,
    say: Callable[[str], None],
    sources: Sources,
) -> tuple[Mapping[str, Any], str]:
    """Store a file, and return the record of it and its SHA-256."""
    # A thread opens and copies a pipe: closing it waits for a read that another thread has begun.
    with sources.in_time(lambda: _open_upload(upload, sources)) as file:
        size = file.tell() if upload.size is None else upload.size
        if size >= LARGE:
            say(f"uploading {upload.shown} ({size / MEBIBYTE:,.1f} MiB)")
        content = HashedFile(file)
        record = retries.keep_trying(lambda _: _send(api, retries, content, upload, size))
        return record, content.sha256


def _value_of(record: Mapping[str, Any], upload: Upload) -> dict[str, Any]:
    """Return the value that names a stored file; without a usable word of the server, by ours."""
    uri = record.get("uri")
    if not isinstance(uri, str) or not uri:
        uri = f"spot://{record['id']}"
    name = record.get("filename")
    if not isinstance(name, str) or not name:
        name = upload.name
    content_type = record.get("content_type") or upload.content_type
    return {"uri": uri, "name": name, "content_type": content_type, "id": record["id"]}


class HashedFile:
    """A file that knows the hash of what was read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def rewind(self) -> None:
        """Read from the beginning."""
        self._file.seek(0)
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        piece = self._file.read(size)
        self._digest.update(piece)
        return piece


def _send(
    api: "NoxusApi", retries: RetryPolicy, file: HashedFile, upload: Upload, size: int
) -> Mapping[str, Any]:
    file.rewind()
    api = api.within(retries.limit().remaining())  # it may take longer than an outage
    return api.upload(upload.name, file, size, upload.content_type)


def _open_upload(upload: Upload, sources: Sources) -> BinaryIO:
    """Return the open file; of a pipe, an unnamed copy on disk, at its end.

    Its length must be announced, and a pipe can't be read again for a retry. Raises UsageProblem.
    """
    try:
        file = sources.open(upload.path)
    except OSError as error:
        raise UsageProblem(f"it can no longer be read: {reason_of(error)}") from None
    if upload.size is not None:
        return file
    import tempfile  # only a pipe needs it

    with file as pipe:
        copy: BinaryIO | None = None
        try:
            copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
            shutil.copyfileobj(pipe, copy, MEBIBYTE)
            copy.flush()
        except OSError as error:
            with suppress(OSError):  # closing tries again to write what a full disk has refused
                if copy is not None:
                    copy.close()
            what = f"it can't be copied to a temporary file: {reason_of(error)}"
            raise UsageProblem(what, "set TMPDIR to a disk with room for it") from None
        return copy
