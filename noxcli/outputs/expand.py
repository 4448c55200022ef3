"""The complete output of a run: the full text of each truncated value, wherever it is."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from noxcli.errors import NotFound, Refused, Unauthorized, Unavailable, Undelivered
from noxcli.outputs.delivered import Delivered, is_complete
from noxcli.outputs.download import Transfer, fetch
from noxcli.outputs.partial import Part
from noxcli.outputs.transfers import Watching, run_transfers, silent
from noxcli.outputs.values import Remote, find_remote, replaced
from noxcli.retry import Patience

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

TEXT_PIECE = 256 * 1024
LONGEST_INLINE = 256 * 1024 * 1024  # bytes in memory; a few compressed bytes may expand to any number
# Errors of one file; the others can still be downloaded.
DELIVERABLE = (NotFound, Refused, Unauthorized, Unavailable, Undelivered)


def complete_inline(source: "NoxusApi", output: Any, patience: Patience, watching: Watching = silent) -> Delivered:
    """Return the output with the full text of every truncated text; each file is downloaded once."""
    remotes = [remote for remote in find_remote(output) if remote.is_text]
    together: dict[tuple[str, str], Transfer] = {}  # also by the beginning: a text must match each of its previews
    for remote in remotes:
        if remote.file_id is not None and (remote.file_id, remote.text) not in together:
            together[remote.file_id, remote.text] = Transfer(remote, remote.file_id)
    jobs = [(transfer, partial(_whole, source, transfer)) for transfer in together.values()]
    outcomes = dict(zip(together, run_transfers(jobs, patience, watching), strict=True))
    texts: dict[tuple[str | int, ...], str] = {}
    files, problems = [], []
    for remote in remotes:
        try:
            value, error = outcomes[required_id(remote), remote.text]
            if error is not None:
                raise error
            assert value is not None
            texts[remote.keys], entry = value
            files.append({"pointer": remote.pointer, **entry})
        except DELIVERABLE as error:
            problems.append(problem(remote.pointer, error))
    whole = replaced(output, texts)
    return Delivered(whole, files, is_complete(whole) and not problems, problems)


def _whole(source: "NoxusApi", transfer: Transfer, patience: Patience) -> tuple[str, dict[str, Any]]:
    held = io.BytesIO()
    with Part(held, "the text", LONGEST_INLINE) as part:
        fetch(source, transfer, part, patience)
        with held.getbuffer() as content:
            text = utf8_text(content, transfer.file_id)
        return text, _entry(transfer.file_id, part)


@contextmanager
def spooled(
    source: "NoxusApi", remote: Remote, patience: Patience, watching: Watching = silent
) -> Iterator[tuple[IO[bytes], dict[str, Any]]]:
    """Download and check one file, in constant memory: yield its bytes from the beginning, and its entry."""
    transfer = Transfer(remote, required_id(remote))
    with Part.nameless() as part:

        def call(patience: Patience) -> None:
            fetch(source, transfer, part, patience)

        ((_, error),) = run_transfers([(transfer, call)], patience, watching)
        if error is not None:
            raise error
        if remote.is_text:
            _check_text(part.read_back(), transfer.file_id)
        yield part.read_back(), {"pointer": remote.pointer, **_entry(transfer.file_id, part)}


def _entry(file_id: str, part: Part) -> dict[str, Any]:
    return {"file_id": file_id, "path": None, "bytes": part.size, "sha256": part.sha256}


def problem(what: str, error: BaseException) -> str:
    """Return what could not be delivered, and why."""
    return f"{what}: {error.line() if isinstance(error, DELIVERABLE) else error}"


def required_id(remote: Remote) -> str:
    """Return the id for the download.

    Raises Undelivered if the server gave none.
    """
    if remote.file_id is None:
        raise Undelivered("the server gave no file id for it")
    return remote.file_id


def utf8_text(content: memoryview, file_id: str) -> str:
    """Return the text.

    Raises Undelivered if it is not UTF-8: that would not be the text that the workflow wrote.
    """
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        raise _no_text(file_id, error.start) from None


def _check_text(content: IO[bytes], file_id: str) -> None:
    decoder, before = codecs.getincrementaldecoder("utf-8")(), 0
    while True:
        piece = content.read(TEXT_PIECE)
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise _no_text(file_id, before - held + error.start) from None
        if not piece:
            return
        before += len(piece)


def _no_text(file_id: str, place: int) -> Undelivered:
    return Undelivered(f"the file {file_id} is not UTF-8 text (byte {place:,})")
