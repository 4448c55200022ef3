"""One complete file, even if the connection drops: resumed if the server supports that, else restarted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

from noxcli.decode import decode_json
from noxcli.errors import Refused, Unauthorized, Unavailable, Undelivered
from noxcli.outputs.partial import Part
from noxcli.outputs.values import Remote
from noxcli.retry import Patience
from noxcli.timing import READ_TIMEOUT, Deadline

if TYPE_CHECKING:
    from noxcli.api import Download, NoxusApi

BEGINNING = 64  # bytes of a truncated text that show whether a page of HTML is that text
PROGRESS = 32 * 1024  # bytes; progress below this does not restart the retry limit
EMPTY_LOOKS = 4  # after which a file that stays empty is an empty file
MOST_OTHER_TEXTS = 2  # answers that are not the text of the preview
LARGEST_ADDRESS = 64 * 1024  # bytes
ADDRESS = ("https://", "http://")


@dataclass(slots=True, eq=False, repr=False)
class Transfer:
    """The progress of one file, for the code that draws it."""

    remote: Remote
    file_id: str
    done: int = 0
    total: int | None = None
    finished: bool = False
    cancelled: Event = field(default_factory=Event)


def fetch(
    source: "NoxusApi",
    transfer: Transfer,
    part: Part,
    patience: Patience,
    expect: Callable[[int | None], None] = lambda _: None,
) -> None:
    """Fill the part with the file.

    `expect` gets the size as soon as it is known, and may raise. Raises Undelivered for anything but the complete file,
    and the server's last error when the retry limit ends.
    """
    _Fetching(source, transfer, part, patience, expect).to_the_end()


@dataclass(slots=True, eq=False, repr=False)
class _Fetching:
    """What must survive a broken connection: the etag, the size, and whether ranges work.

    Two parts are of one file only under the same strong etag (RFC 9110, 15.3.7.3).
    """

    _source: "NoxusApi"
    _transfer: Transfer
    _part: Part
    _patience: Patience
    _expect: Callable[[int | None], None]
    _etag: str | None = None
    _ranges: bool = True
    _furthest: int = 0
    _noted: int = 0  # by the last call of _moved
    _empty_looks: int = 0
    _other_texts: int = 0
    _limit: Deadline = field(init=False)

    def __post_init__(self) -> None:
        self._limit = self._patience.limit()

    def to_the_end(self) -> None:
        self._patience.keep_trying(self._go_on, bounded=False, moved=self._moved)
        remote = self._transfer.remote
        if not remote.is_text and remote.size not in {None, self._part.size}:
            raise Undelivered(f"the file has {self._part.size:,} bytes instead of {remote.size:,}")

    def _go_on(self) -> None:
        self._check()
        start = self._part.size if self._ranges and self._etag is not None else 0
        try:
            opened = self._open(start)
        except (Refused, Unauthorized):
            if not start:
                raise
            # The range may be the problem: a signed address rejects it, or the file has changed.
            self._ranges, start = False, 0
            opened = self._open(0)
        with opened:
            if not self._fits(opened, start):
                self._ranges = False
                raise Unavailable("the server sent a different part of the file than requested")
            if opened.start != self._part.size:
                self._part.restart()
            self._take(opened)

    def _open(self, start: int) -> "Download":
        patient = max(0.01, self._limit.left(READ_TIMEOUT))
        return self._source.download(self._transfer.file_id, start, self._etag if start else None, read_timeout=patient)

    def _fits(self, opened: "Download", start: int) -> bool:
        if opened.start == 0:
            return True
        known = self._transfer.total
        same_size = known is None or opened.total is None or known == opened.total
        return opened.start == start and same_size and opened.etag == self._etag

    def _take(self, opened: "Download") -> None:
        if opened.start == 0:
            self._etag, self._transfer.total = opened.etag, opened.total
            self._expect(opened.total)
        suspicious = opened.start == 0 and not is_plausible(self._transfer.remote, opened.content_type)
        page = Undelivered(f"the server answered with a page ({opened.content_type}) instead of the file")
        for piece in opened.pieces():
            if suspicious and not begins_like(self._transfer.remote, piece):
                raise page
            suspicious = False
            self._check()
            self._part.write(piece)
            self._note_progress()
        if suspicious:
            raise page
        self._require_whole(opened.content_type)

    def _require_whole(self, content_type: str) -> None:
        """Raise Unavailable if bytes are missing: a retry may get them."""
        if self._transfer.total not in {None, self._part.size}:
            raise Unavailable(f"the download has {self._part.size:,} bytes instead of {self._transfer.total:,}")
        if self._transfer.remote.is_text:
            self._require_text()
        elif not self._part.size and self._transfer.remote.size != 0:
            self._require_empty()
        elif is_json(content_type) and self._is_address():
            raise Undelivered("the server answered with an address instead of the file")

    def _note_progress(self) -> None:
        self._transfer.done = self._part.size
        self._furthest = max(self._furthest, self._part.size)

    def _is_address(self) -> bool:
        """True for a JSON object with an address, if the output says that the file is something else."""
        own = self._transfer.remote.content_type
        if not own or is_json(own) or self._part.size > LARGEST_ADDRESS:
            return False
        try:
            content = decode_json(self._part.read_back().read())
        except ValueError:
            return False
        values = content.values() if isinstance(content, dict) else ()
        return any(isinstance(value, str) and value.startswith(ADDRESS) for value in values)

    def _require_text(self) -> None:
        """Raise Unavailable if this is not the full text, which the server may have soon.

        Raises Undelivered for the second answer that is not even its beginning.
        """
        remote, came = self._transfer.remote, self._part.size
        preview = remote.text.encode("utf-8", "surrogatepass")
        head = self._part.read_back().read(len(preview) + 1)
        if not head.startswith(remote.beginning[: len(head)]):
            fault = "the server's answer is not the text: it begins differently"
            self._other_texts += 1
        elif head == preview or came <= len(remote.beginning) or came < (remote.size or 0):
            fault = f"the server's answer is not the whole text: it has only {came:,} bytes"
        else:
            return
        self._part.restart()
        raise Unavailable(fault) if self._other_texts < MOST_OTHER_TEXTS else Undelivered(fault)

    def _require_empty(self) -> None:
        """Raise Unavailable for a file that may not have been stored yet, unless it stays empty."""
        self._empty_looks += 1
        if self._empty_looks < EMPTY_LOOKS or self._transfer.remote.size is not None:
            raise Unavailable("the file is empty: it may not be stored yet")

    def _check(self) -> None:
        if self._transfer.cancelled.is_set():
            raise Undelivered("the download was interrupted")
        if self._limit.passed:
            raise self._patience.out_of_time(f"the download stopped at {self._part.size:,} bytes")

    def _moved(self) -> bool:
        """True if an attempt got noticeably further than all before it."""
        moved = self._furthest - self._noted >= PROGRESS
        if moved:
            self._noted = self._furthest
        return moved


def is_plausible(remote: Remote, content_type: str) -> bool:
    """False for unexpected HTML: a sign-in page, or a page of a proxy."""
    return not is_html(content_type) or (
        not remote.is_text and (is_html(remote.content_type) or not remote.content_type)
    )


def begins_like(remote: Remote, piece: bytes) -> bool:
    """True if the bytes begin like the truncated text, for any content type."""
    beginning = remote.beginning[:BEGINNING]
    return bool(beginning) and piece.startswith(beginning)


def is_html(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}


def is_json(content_type: str) -> bool:
    """True for a media type of JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
