"""One complete file, even if the connection drops: resumed if the server supports that, else
restarted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

from noxcli.errors import OutputNotDelivered, RequestRejected, Unauthorized, Unavailable
from noxcli.outputs.directory import Part
from noxcli.outputs.values import Remote, media_type
from noxcli.retry import RetryPolicy
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.api import Download, NoxusApi

PROGRESS = 32 * 1024  # bytes; progress below this does not restart the retry limit
MAX_EMPTY = 4  # answers without a byte, after which an empty file is an empty file
MAX_OTHER_TEXTS = 2  # answers that are not the text of the preview
HTML = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(slots=True, eq=False, repr=False)
class Transfer:
    """The download of one file, and what of it must survive a broken connection.

    `done` and `total` are bytes. Two answers are of one file only under the same strong etag (RFC
    9110, 15.3.7.3); without one, all is read again.
    """

    remote: Remote
    done: int = 0
    total: int | None = None
    finished: bool = False
    cancelled: Event = field(default_factory=Event)
    _source: "NoxusApi" = field(init=False)
    _part: Part = field(init=False)
    _retries: RetryPolicy = field(init=False)
    _limit: Deadline = field(init=False)
    _etag: str | None = None
    _furthest: int = 0  # bytes, by the last call of `_gets_further`
    _doubtful: int = 0  # answers that were empty, or another text

    def fill(self, source: "NoxusApi", part: Part, retries: RetryPolicy) -> None:
        """Fill the part with the file.

        Raises OutputNotDelivered for anything but the complete file, and the server's last error
        when the retry limit ends.
        """
        self._source = source
        self._part = part
        self._retries, self._limit = retries, retries.limit()
        retries.keep_trying(self._attempt, believing=True, moved=self._gets_further)

    def _attempt(self, _within: float) -> None:
        """Read what is missing, and check the complete file."""
        self._check()
        start = self._part.size if self._etag is not None else 0
        try:
            opened = self._open(start)
        except (RequestRejected, Unauthorized):
            if not start:
                raise
            # The range may be the problem: a signed address rejects it, or the file has changed.
            opened = self._open(0)
        with opened:
            if not self._fits(opened):
                self._etag = None
                raise Unavailable("the server sent a different part of the file than requested")
            self._receive(opened)
            remote = self.remote
            size = self._part.size
            if self.total not in {None, size}:
                if opened.start == 0:
                    # What ended with another length is no beginning to continue from.
                    self._etag = None
                raise Unavailable(f"the download has {size:,} bytes instead of {self.total:,}")
            if remote.is_text:
                self._require_text(opened.content_type)
            elif not size and remote.size != 0:
                self._doubtful += 1
                if self._doubtful < MAX_EMPTY or remote.size is not None:
                    raise Unavailable("the file is empty: it may not be stored yet")
            elif remote.size not in {None, size}:
                raise OutputNotDelivered(f"the file has {size:,} bytes instead of {remote.size:,}")

    def _open(self, start: int) -> "Download":
        file_id = self.remote.file_id
        etag = self._etag if start else None
        if file_id is None:
            raise OutputNotDelivered("the server gave no file id for it")
        return self._source.within(self._limit.remaining()).download(file_id, start, etag)

    def _fits(self, opened: "Download") -> bool:
        """True for the file from its beginning, and for the part of it that is missing."""
        if self._is_same(opened) and len({self.total, opened.total} - {None}) > 1:
            return False
        return opened.start == 0 or (self._is_same(opened) and opened.start == self._part.size)

    def _is_same(self, opened: "Download") -> bool:
        """True for an answer that claims to be of the same bytes as the one before."""
        return self._etag is not None and opened.etag == self._etag

    def _receive(self, opened: "Download") -> None:
        own = self.remote.content_type  # if it is known, a page is one of a proxy, or to sign in
        if own and not is_html(own) and is_html(opened.content_type) and not self.remote.is_text:
            raise OutputNotDelivered(
                f"the server answered with a page ({opened.content_type}) instead of the file"
            )
        if opened.start == 0:
            self._part.restart()
            if opened.total is not None or not self._is_same(opened):
                self.total = opened.total
            self._etag = opened.etag
        for piece in opened.pieces():
            self._check()
            self._part.write(piece)
            self.done = self._part.size

    def _require_text(self, content_type: str) -> None:
        """Raise Unavailable if this is not the full text, which the server may have soon.

        Raises OutputNotDelivered for the second answer that is not even its beginning.
        """
        remote = self.remote
        came = self._part.size
        preview = remote.text.encode("utf-8", "surrogatepass")
        head = self._part.read_back().read(len(preview) + 1)
        if not head.startswith(remote.beginning[: len(head)]):
            page = f"the server answered with a page ({content_type}) instead of the text"
            fault = (
                page
                if is_html(content_type)
                else "the server's answer is not the text: it begins differently"
            )
            self._doubtful += 1
        elif head == preview or came <= len(remote.beginning) or came < (remote.size or 0):
            fault = f"the server's answer is not the whole text: it has only {came:,} bytes"
        else:
            return
        self._part.restart()
        raise Unavailable(fault) if self._doubtful < MAX_OTHER_TEXTS else OutputNotDelivered(fault)

    def _check(self) -> None:
        if self.cancelled.is_set():
            raise OutputNotDelivered("the download was interrupted")
        if self._limit.passed:
            raise self._retries.too_late(f"the download stopped at {self._part.size:,} bytes")

    def _gets_further(self) -> bool:
        """True if an attempt got noticeably further than all before it."""
        moved = self._part.size - self._furthest >= PROGRESS
        if moved:
            self._furthest = self._part.size
        return moved


def is_html(content_type: str) -> bool:
    return media_type(content_type) in HTML


def download_facts(transfers: Sequence[Transfer], seconds: float) -> tuple[float | None, str, str]:
    """Return how far all of them are together: the share that is done, if known.

    The same as text; how fast.
    """
    totals = [transfer.total for transfer in transfers if transfer.total is not None]
    done = sum(transfer.done for transfer in transfers)
    going = sum(not transfer.finished for transfer in transfers)
    text = f"downloading {going} file{'' if going == 1 else 's'}: {show_bytes(done)}"
    rate = done / seconds if seconds > 0 else 0.0
    total = sum(totals)
    pace = f"{show_bytes(rate)}/s"
    if not total or len(totals) < len(transfers):
        return None, text, pace
    remaining = f", {(total - done) / rate:.0f}s left" if rate else ""
    return done / total, f"{text} of {show_bytes(total)}", f"{pace}{remaining}"


def show_bytes(count: float) -> str:
    """Return a short decimal form, as in curl and browsers: `12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
