"""An HTTP answer as it is read from the socket: within its limit, and without the interim answers before it."""

import io
import re
import socket
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, cast

from noxcli.api.limit import CURRENT, AnswerLimit

if TYPE_CHECKING:
    from noxcli.api.tape import TapedExchange

# The exchange that goes on in this thread, None where nothing is recorded.
TAPED: "ContextVar[TapedExchange | None]" = ContextVar("taped", default=None)
HEAD_LIMIT = 256 * 1024  # bytes until the body, all interim answers included
SWITCHING_PROTOCOLS = 101
BUFFER = 64 * 1024  # bytes that one look at the socket may bring
# From the end of one chunk to the data of the next, without what only http.client knows how to read.
NEXT_CHUNK = re.compile(rb"\r\n([0-9A-Fa-f]{1,8})\r\n")


class Timed(io.RawIOBase):
    """The reading end of a socket, which asks the limit before each read; a head has a size limit as well."""

    def __init__(self, sock: socket.socket, raw: Any, limit: AnswerLimit) -> None:
        self.in_head = True
        self.waits = True  # False: there is nothing to read
        self.sock = sock
        self._raw = raw
        self._limit = limit
        self._received = 0
        self._taped = TAPED.get()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if not self.waits:
            return None
        if self.in_head and self._received > HEAD_LIMIT:
            raise HTTPException(f"the headers are longer than {HEAD_LIMIT >> 10} KiB")
        self.sock.settimeout(self._limit.for_a_read())
        count: int | None = self._raw.readinto(buffer)
        self._received += count or 0
        self._limit.took_in(count or 0)
        if self._taped is not None and count is not None:
            self._taped.took(bytes(buffer[:count]))
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class Answer(HTTPResponse):
    """The final answer; http.client itself skips 100 alone and takes 102 and 103 for the answer."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._timed = Timed(sock, self.fp.detach(), CURRENT.get())
        self.fp = io.BufferedReader(self._timed, BUFFER)

    def begin(self, **options: Any) -> None:
        super().begin(**options)
        while 100 <= self.status < 200 and self.status != SWITCHING_PROTOCOLS:
            self.headers = self.msg = cast(Any, None)  # so that the next head is read
            super().begin(**options)
        self._timed.in_head = False
        lengths = ",".join(self.headers.get_all("Content-Length", [])).split(",")
        if len({length.strip() for length in lengths}) > 1:
            raise HTTPException("the headers give several lengths")

    def read1(self, n: int = -1) -> bytes:
        """Read as http.client does, which stops at the end of each chunk, and add the chunks that have arrived."""
        piece = super().read1(n)
        # Its own count of what a chunk still has: 0 at the end of one whose line end is not read yet.
        if not piece or not self.chunked or self.chunk_left != 0:
            return piece
        return b"".join([piece, *self._arrived(n - len(piece))])

    def let_go(self) -> tuple[bytes, socket.socket]:
        """Return the socket, and what has been read from it but not handed out; to be called in place of reading."""
        self._timed.waits = False
        return self.fp.peek(), self._timed.sock

    def _arrived(self, most: int) -> list[bytes]:
        """Return the data of whole chunks that are in the buffer, so many bytes of it at most; waits for nothing."""
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
