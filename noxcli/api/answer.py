"""An HTTP answer, read from the socket within its limit and without interim answers."""

import io
import re
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any, cast

from noxcli.api.limit import CURRENT, AnswerLimit

HEAD_LIMIT = 256 * 1024  # bytes before the body, including all interim answers
SWITCHING_PROTOCOLS = 101
BUFFER = 64 * 1024  # bytes of one read from the socket
RECORD = 16 * 1024  # bytes; TLS decrypts one record of at most this size at a time (RFC 8446, 5.1)
# From the end of one chunk to the data of the next, except for forms that only http.client can parse.
NEXT_CHUNK = re.compile(rb"\r\n([0-9A-Fa-f]{1,8})\r\n")


def would_block(error: OSError) -> bool:
    """True if nothing can be read yet from a socket that does not wait."""
    return isinstance(error, BlockingIOError) or type(error).__name__ in {"SSLWantReadError", "SSLWantWriteError"}


class Timed(io.RawIOBase):
    """The reading end of a socket, which checks the limit before each read; a head also has a size limit."""

    def __init__(self, sock: socket.socket, raw: Any, limit: AnswerLimit) -> None:
        self.in_head = True
        self.waits = True  # False: nothing to read
        self.sock = sock
        self._raw = raw
        self._limit = limit
        self._received = 0
        self._by_record = hasattr(sock, "pending")  # an SSLSocket; a check of the type would load ssl for plain http
        self._next: OSError | int | None = None  # the known outcome of the next read: an error, or 0 for the end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if not self.waits:
            return None
        if self.in_head and self._received > HEAD_LIMIT:
            raise HTTPException(f"the headers are longer than {HEAD_LIMIT >> 10} KiB")
        count = self._read(memoryview(buffer))
        self._received += count or 0
        self._limit.took_in(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()

    def _read(self, room: memoryview) -> int | None:
        if isinstance(self._next, OSError):
            raise self._next
        if self._next is not None:
            return self._next
        self.sock.settimeout(self._limit.for_a_read())
        count: int | None = self._raw.readinto(room)
        return count + self._more_records(room[count:]) if count and self._by_record else count

    def _more_records(self, room: memoryview) -> int:
        """Read the TLS records that have already arrived, without waiting, instead of one record per read."""
        self.sock.settimeout(0)
        taken = 0
        try:
            # Never a part of a record: its rest would be unread, and a selector would not report it.
            while len(room) - taken >= RECORD and self._next is None:
                count = self.sock.recv_into(room[taken:])
                taken += count
                self._next = None if count else 0
        except OSError as error:
            self._next = None if would_block(error) else error
        return taken


class Answer(HTTPResponse):
    """The final answer; http.client itself skips only 100, and would return 102 and 103 as the answer."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._timed = Timed(sock, self.fp.detach(), CURRENT.get())
        self.fp = io.BufferedReader(self._timed, BUFFER)

    def begin(self, **options: Any) -> None:
        super().begin(**options)
        while 100 <= self.status < 200 and self.status != SWITCHING_PROTOCOLS:
            self.headers = self.msg = cast(Any, None)  # so that http.client reads the next head
            super().begin(**options)
        self._timed.in_head = False
        lengths = ",".join(self.headers.get_all("Content-Length", [])).split(",")
        if len({length.strip() for length in lengths}) > 1:
            raise HTTPException("the headers give several lengths")

    def read1(self, n: int = -1) -> bytes:
        """Read like http.client, which stops at the end of each chunk, and add the chunks that have already arrived."""
        piece = super().read1(n)
        # http.client's count of a chunk's remaining bytes: 0 at its end, while its line end is still unread.
        if not piece or not self.chunked or self.chunk_left != 0:
            return piece
        return b"".join([piece, *self._arrived(n - len(piece))])

    @property
    def left(self) -> int:
        """The bytes of the body that `read_into` can still read: none of a body without a length."""
        return self.length or 0

    def read_into(self, room: memoryview) -> int:
        """Read at most once from the socket, into the memory; 0 means the end."""
        assert self.length is not None
        count = self.fp.readinto1(room[: self.length])
        self.length -= count
        return count

    def let_go(self) -> tuple[bytes, socket.socket]:
        """Return the socket, and the bytes that were read from it but not returned; for use instead of `read`."""
        self._timed.waits = False
        return self.fp.peek(), self._timed.sock

    def _arrived(self, most: int) -> list[bytes]:
        """Return the data of complete chunks in the buffer, at most `most` bytes, without waiting."""
        self._timed.waits = False
        buffered = self.fp.peek()
        self._timed.waits = True
        pieces: list[bytes] = []
        end = 0
        while head := NEXT_CHUNK.match(buffered, end):
            start, size = head.end(), int(head[1], 16)
            most -= size
            if not size or most < 0 or start + size > len(buffered):
                break
            end = start + size
            pieces.append(buffered[start:end])
        self.fp.read(end)
        return pieces
