"""The files of an output, downloaded a few at a time, and the full text of each truncated value, wherever it is."""

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from queue import Empty, Queue
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from noxcli.errors import NotFound, Refused, Unauthorized, Unavailable, Undelivered
from noxcli.outputs.download import Transfer, fetch
from noxcli.outputs.partial import Part
from noxcli.outputs.values import Delivered, Remote, find_remote, is_complete, replaced
from noxcli.retry import Patience
from noxcli.waiting import Result, result_of, share_out, take

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

DOWNLOADS_AT_ONCE = 4
SHOW_EVERY = 0.1  # seconds
FAREWELL = 1.0  # seconds for a download to notice that it was canceled
TEXT_PIECE = 256 * 1024
LONGEST_INLINE = 256 * 1024 * 1024  # bytes of all texts in memory
# Errors of one file; the others can still be downloaded.
DELIVERABLE = (NotFound, Refused, Unauthorized, Unavailable, Undelivered)
T = TypeVar("T")
Message = str | tuple[int, object, BaseException | None]


class Watch(Protocol):
    """A display of downloads, updated ten times a second."""

    def show(self, transfers: Sequence[Transfer]) -> None: ...
    def say(self, line: str) -> None: ...


Watching = Callable[[], AbstractContextManager[Watch | None]]


def complete_inline(source: "NoxusApi", output: Any, patience: Patience, watching: Watching = nullcontext) -> Delivered:
    """Return the output with the full text of every truncated text; each file is downloaded once."""
    remotes = [remote for remote in find_remote(output) if remote.is_text]
    together: dict[tuple[str, str], Transfer] = {}  # also by the beginning: a text must match each of its previews
    for remote in remotes:
        if remote.file_id is not None and (remote.file_id, remote.text) not in together:
            together[remote.file_id, remote.text] = Transfer(remote, remote.file_id)
    most = LONGEST_INLINE // max(1, len(together))
    jobs = [(transfer, partial(_whole, source, transfer, most)) for transfer in together.values()]
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


def _whole(source: "NoxusApi", transfer: Transfer, most: int, patience: Patience) -> tuple[str, dict[str, Any]]:
    with Part(io.BytesIO(), "the text", most) as part:
        fetch(source, transfer, part, patience)
        require_utf8(part.read_back(), transfer.file_id)
        return part.read_back().read().decode(), _entry(transfer.file_id, part)


@contextmanager
def spooled(
    source: "NoxusApi", remote: Remote, patience: Patience, watching: Watching = nullcontext
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
            require_utf8(part.read_back(), transfer.file_id)
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


def require_utf8(content: IO[bytes], file_id: str) -> None:
    """Read to the end. Raises Undelivered if it is not UTF-8: that would not be the text that the workflow wrote."""
    reader = io.TextIOWrapper(content, "utf-8")
    try:
        while reader.read(TEXT_PIECE):
            pass
    except UnicodeDecodeError:
        raise Undelivered(f"the file {file_id} is not UTF-8 text") from None
    finally:
        reader.detach()


def run_transfers(
    jobs: Sequence[tuple[Transfer, Callable[[Patience], T]]], patience: Patience, watching: Watching = nullcontext
) -> list[Result[T]]:
    """Return each job's value or error, in the order of the jobs, watched from the main thread.

    Raises what the command's limit raises; then, and after a signal, the downloads are canceled. Raises Undelivered if
    the system allows no more threads.
    """
    told: Queue[Message] = Queue()
    quiet = patience.saying(told.put)  # written by the main thread, between two pictures

    def work(place: int) -> None:
        transfer, call = jobs[place]
        if not transfer.cancelled.is_set():
            told.put((place, *result_of(lambda: call(quiet))))
            transfer.finished = True

    transfers = [transfer for transfer, _ in jobs]
    try:
        threads = share_out(len(jobs), DOWNLOADS_AT_ONCE, work)
    except Unavailable as error:
        raise Undelivered(error.message, error.hint) from None
    try:
        with watching() as watch:
            return _collect(told, patience, transfers, watch)
    finally:
        _give_up(transfers, threads)


def _collect(
    told: "Queue[Message]", patience: Patience, transfers: Sequence[Transfer], watch: Watch | None
) -> list[Result[T]]:
    results: dict[int, Result[T]] = {}
    limit, shown = patience.limit(), time.monotonic()
    while len(results) < len(transfers):
        news: Message | None = None
        with suppress(Empty):
            news = take(told, SHOW_EVERY)
        if isinstance(news, tuple):
            place, value, error = news
            results[place] = (value, error)  # type: ignore[assignment]
        elif news is None and limit.passed:
            raise patience.out_of_time("the download was not finished")
        elif news is not None and watch is not None:
            watch.say(news)
        if watch is not None and time.monotonic() - shown >= SHOW_EVERY:
            shown = time.monotonic()
            watch.show(transfers)
    return [results[place] for place in range(len(transfers))]


def _give_up(transfers: Sequence[Transfer], threads: Sequence[threading.Thread]) -> None:
    for transfer in transfers:
        transfer.cancelled.set()
    end = time.monotonic() + FAREWELL
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
