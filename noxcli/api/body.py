"""Whether a body is whole, how long it may take, and how it is unpacked."""

import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty
from typing import Self, TypeVar

import requests

from noxcli.errors import Unavailable, Unreadable
from noxcli.timing import READ_TIMEOUT
from noxcli.waiting import in_background, take, value_of

T = TypeVar("T")
JSON_SECONDS, JSON_PACE = 60.0, 256 * 1024
FILE_PACE = 1024
# Long enough for a slow proxy's keep-alive; the follower has its own, shorter idea of silence.
STREAM_READ_TIMEOUT = 300.0
AT_ONCE = 64 * 1024  # bytes of one read
LENGTH = re.compile(r"([0-9]{1,18})(, *\1)*")  # given once, or several times alike
BODY_PIECE = 512 * 1024
GZIP_WINDOW = 16 + zlib.MAX_WBITS
GZIP_MAGIC = 0x1F
MOST_CODINGS = 5
NO_CODING = frozenset({"", "identity"})
# Codings that exist, but that not every machine can decode: other names come from the server, and may be anything.
UNREAD = frozenset({"br", "zstd", "compress"})


class AnswerLimit:
    """A number of seconds from now; each byte that arrives adds `per_byte`, but never beyond the initial number.

    No single read takes longer than `each` seconds. Who reads the body checks between two reads; where the main thread
    waits for an answer, it also gives up on one that does not get that far.
    """

    def __init__(self, seconds: float, *, per_byte: float = 0.0, each: float = READ_TIMEOUT) -> None:
        self.each = min(each, seconds)
        self._seconds = seconds
        self._per_byte = per_byte
        self.restart()

    @classmethod
    def of_json(cls) -> Self:
        """Return the limit of a document: a minute, longer only for a large one that keeps arriving fast enough."""
        return cls(JSON_SECONDS, per_byte=1 / JSON_PACE)

    @classmethod
    def of_file(cls, stall: float) -> Self:
        """Return the limit of a file, in either direction: it may take any time unless it nearly stops."""
        return cls(stall, per_byte=1 / FILE_PACE)

    @classmethod
    def of_stream(cls) -> Self:
        """Return the limit of an event stream, which may be silent for minutes between two events."""
        return cls(STREAM_READ_TIMEOUT, per_byte=STREAM_READ_TIMEOUT, each=STREAM_READ_TIMEOUT)

    def restart(self) -> None:
        """Count from now."""
        self._end = time.monotonic() + self._seconds

    def left(self) -> float:
        """Return the seconds that are left.

        Raises TimeoutError if there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out while reading")
        return left

    def took_in(self, count: int) -> None:
        """Allow more time for the bytes that have arrived. Raises TimeoutError if they arrived too late."""
        self.left()
        self._end = min(time.monotonic() + self._seconds, self._end + count * self._per_byte)

    def kept_by(self, call: Callable[[], T]) -> T:
        """Return or raise the outcome of `call`; in the main thread, Unavailable once no time is left for it.

        There another thread makes the call, and continues in the background.
        """
        if threading.current_thread() is not threading.main_thread():
            return call()
        outcomes = in_background(call)
        with suppress(TimeoutError):
            while True:
                with suppress(Empty):
                    return value_of(take(outcomes, self.left()))
        raise Unavailable(f"no answer within {self._seconds:.1f} s")


def require_framing(response: requests.Response, *, part: bool = False) -> None:
    """Raise Unavailable for an answer whose end is not certain (RFC 9112, 6.3), or that is a `part` unasked.

    What follows the head is then still checked by those who read it: the length by urllib3, the chunks by http.client,
    and close_notify by ssl (`TlsConnection`).
    """
    coding, length = response.headers.get("Transfer-Encoding"), response.headers.get("Content-Length")
    fault = None
    if coding is not None and coding.strip().lower() != "chunked":
        fault = "a transfer encoding that hides where the answer ends"
    elif coding is None and length is not None and not LENGTH.fullmatch(length):
        fault = "a Content-Length that is not a number"
    elif response.status_code == 206 and not part:
        fault = "a part that was not asked for (206)"
    if fault is not None:
        response.close()
        raise Unavailable(f"the server sent {fault}", "is a proxy in between?")


def read_at_most(response: requests.Response, most: int, limit: AnswerLimit) -> bytes:
    """Return the decoded body.

    Raises Unreadable for one that is longer than `most` bytes, TimeoutError for one that is late.
    """
    pieces: list[bytes] = []
    size = 0
    # Always with an amount: without one, a truncated Content-Length body looks like a clean end.
    while piece := response.raw.read1(AT_ONCE, decode_content=True):
        limit.took_in(len(piece))
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise Unreadable(f"the answer is larger than {most >> 20} MiB")
    return b"".join(pieces)


def codings_of(header: str | None) -> list[str]:
    """Return the codings in a Content-Encoding, in order; none for a plain body."""
    names = (name.strip().lower() for name in (header or "").split(","))
    return [name for name in names if name not in NO_CODING]


def decompressed(pieces: Iterator[bytes], codings: Sequence[str]) -> Iterator[bytes]:
    """Yield the decoded body in small pieces: a few bytes may decompress to gigabytes.

    Raises Unavailable for a coding that noxcli did not accept and can't decode, for a damaged body, and for one
    without its trailer: Content-Length and chunks count compressed bytes, and may match half a body.
    """
    if len(codings) > MOST_CODINGS:
        raise Unavailable(f"the body is compressed {len(codings)} times")
    for name in reversed(codings):
        match name:
            case "gzip" | "x-gzip":
                pieces = _unpacked(pieces, lambda _: GZIP_WINDOW, again=GZIP_MAGIC)
            case "deflate":
                pieces = _unpacked(pieces, _deflate_window)
            case _:
                how = f"as {name!r}" if name in UNREAD else "in an unknown way"
                raise Unavailable(f"the body is compressed {how}, which noxcli can't read")
    return pieces


def _deflate_window(first: int) -> int:
    """Some servers omit the zlib header, which begins with the method, 8."""
    return zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS


def _unpacked(pieces: Iterator[bytes], window: Callable[[int], int], again: int | None = None) -> Iterator[bytes]:
    """`window` finds the format from the first byte; if `again` follows the end, another body begins."""
    decoder = None
    try:
        for piece in pieces:
            while piece:
                if decoder is None or decoder.eof:
                    if decoder is not None and piece[0] != again:
                        break  # padding, which every other client also ignores
                    decoder = zlib.decompressobj(window(piece[0]))
                yield from _through(decoder, piece)
                piece = decoder.unused_data
    except zlib.error as error:
        raise Unavailable(f"the compressed body is damaged: {error}") from None
    if decoder is None or not decoder.eof:
        raise Unavailable("the compressed body ends before its trailer")


def _through(decoder: "zlib._Decompress", piece: bytes) -> Iterator[bytes]:
    while True:
        unpacked = decoder.decompress(piece, BODY_PIECE)
        if unpacked:
            yield unpacked
        piece = decoder.unconsumed_tail
        # After a full piece, more output may remain although all input is consumed.
        if decoder.eof or (not piece and len(unpacked) < BODY_PIECE):
            return
