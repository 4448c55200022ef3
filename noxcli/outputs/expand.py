"""The files of an output, downloaded a few at a time, and the full text of each truncated value,
wherever it is.
"""

import codecs
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from queue import Empty, Queue
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from noxcli.errors import NotFound, OutputNotDelivered, RequestRejected, Unauthorized, Unavailable
from noxcli.outputs.directory import Part
from noxcli.outputs.download import Transfer, download_facts
from noxcli.outputs.values import Delivered, Remote, file_entry, find_remote, is_complete, replaced
from noxcli.retry import RetryPolicy
from noxcli.waiting import Result, Workers, next_item, result_of, value_of

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

DOWNLOADS_AT_ONCE = 4
SHOW_EVERY = 0.1  # seconds
FAREWELL = 1.0  # seconds for a download to notice that it was canceled
TEXT_PIECE = 256 * 1024
MAX_INLINE = 256 * 1024 * 1024  # bytes of all texts in memory
# Errors of one file; the others can still be downloaded.
DELIVERABLE = (NotFound, RequestRejected, Unauthorized, Unavailable, OutputNotDelivered)
T = TypeVar("T")


class Watch(Protocol):
    """A display of downloads, updated ten times a second.

    Its callback gets the seconds since their beginning.
    """

    def update(self, how_far: Callable[[float], tuple[float | None, str, str]]) -> None: ...


Watching = Callable[[], AbstractContextManager[Watch | None]]


def complete_inline(
    source: "NoxusApi", output: Any, retries: RetryPolicy, watching: Watching = nullcontext
) -> Delivered:
    """Return the output with the full text of every truncated text."""
    remotes = [remote for remote in find_remote(output) if remote.is_text]
    most = MAX_INLINE // max(1, len(remotes))

    def read_whole(transfer: Transfer, retries: RetryPolicy) -> tuple[str, dict[str, Any]]:
        with Part(io.BytesIO(), "the text", most) as part:
            transfer.fill(source, part, retries)
            require_utf8(part.read_back(), transfer.remote)
            entry = file_entry(transfer.remote, transfer.remote.pointer, part.size, part.sha256)
            return part.read_back().read().decode(), entry

    texts: dict[tuple[str | int, ...], str] = {}
    files = []
    problems = []
    outcomes = run_transfers(
        [Transfer(remote) for remote in remotes], read_whole, retries, watching
    )
    for remote, outcome in zip(remotes, outcomes, strict=True):
        try:
            texts[remote.keys], entry = value_of(outcome)
            files.append(entry)
        except DELIVERABLE as error:
            problems.append(problem(remote.pointer, error))
    completed = replaced(output, texts)
    return Delivered(completed, files, is_complete(completed) and not problems, problems)


@contextmanager
def spool(
    source: "NoxusApi", remote: Remote, retries: RetryPolicy, watching: Watching = nullcontext
) -> Iterator[tuple[IO[bytes], dict[str, Any]]]:
    """Download and check one file, in constant memory: yield its bytes from the beginning, and its
    entry.
    """
    with Part.open_nameless() as part:
        filled = run_transfers(
            [Transfer(remote)], lambda one, own: one.fill(source, part, own), retries, watching
        )
        value_of(*filled)
        if remote.is_text:
            require_utf8(part.read_back(), remote)
        yield part.read_back(), file_entry(remote, remote.pointer, part.size, part.sha256)


def problem(what: str, error: BaseException) -> str:
    """Return what could not be delivered, and why."""
    return f"{what}: {error.line() if isinstance(error, DELIVERABLE) else error}"


def require_utf8(content: IO[bytes], remote: Remote) -> None:
    """Read to the end.

    Raises OutputNotDelivered if it is not UTF-8: that would not be the text that the workflow
    wrote.
    """
    try:
        for _ in codecs.iterdecode(iter(partial(content.read, TEXT_PIECE), b""), "utf-8"):
            pass
    except UnicodeDecodeError:
        raise OutputNotDelivered(f"the file {remote.file_id} is not UTF-8 text") from None


def run_transfers(
    transfers: Sequence[Transfer],
    call: Callable[[Transfer, RetryPolicy], T],
    retries: RetryPolicy,
    watching: Watching = nullcontext,
) -> list[Result[T]]:
    """Return the value or error of the call for each transfer, in their order, watched from the
    main thread.

    Raises what the command's limit raises; then, and after a signal, the downloads are canceled.
    Raises OutputNotDelivered if the system allows the main thread no other.
    """
    finished: Queue[int] = Queue()  # what wakes the main thread
    results: list[Result[T]] = [(None, None)] * len(transfers)

    def work(place: int) -> None:
        transfer = transfers[place]
        if not transfer.cancelled.is_set():
            results[place] = result_of(lambda: call(transfer, retries))
            transfer.finished = True
            finished.put(place)

    workers = Workers[None](DOWNLOADS_AT_ONCE)
    try:
        for place in range(len(transfers)):
            workers.call(partial(work, place))
    except (
        Unavailable
    ) as error:  # no thread can be started; a batch's own, which need not watch, do it themselves
        if threading.current_thread() is threading.main_thread():
            raise OutputNotDelivered(error.message, error.hint) from None
        for place in range(len(transfers)):
            work(place)
        return results
    try:
        with watching() as watch:
            _show_until_finished(transfers, finished, retries, watch)
            return results
    finally:
        for transfer in transfers:
            transfer.cancelled.set()
        for _ in workers.all_outcomes(FAREWELL):
            pass


def _show_until_finished(
    transfers: Sequence[Transfer], finished: "Queue[int]", retries: RetryPolicy, watch: Watch | None
) -> None:
    """Show how far the downloads are. Raises as `run_transfers`."""
    limit = retries.limit()
    shown = time.monotonic()
    while not all(transfer.finished for transfer in transfers):
        if limit.passed:
            raise retries.too_late("the download was not finished")
        with suppress(Empty):
            next_item(finished, SHOW_EVERY)
        if watch is not None and time.monotonic() - shown >= SHOW_EVERY:
            shown = time.monotonic()
            watch.update(partial(download_facts, transfers))
