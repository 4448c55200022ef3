"""An HTTP answer as it is read from the socket: within its limit, and without the interim answers before it."""

import io
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any, cast

from noxcli.api.limit import CURRENT, AnswerLimit

HEAD_LIMIT = 256 * 1024  # bytes until the body, all interim answers included
SWITCHING_PROTOCOLS = 101


class Timed(io.RawIOBase):
    """The reading end of a socket, which asks the limit before each read; a head has a size limit as well."""

    def __init__(self, sock: socket.socket, raw: Any, limit: AnswerLimit) -> None:
        self.in_head = True
        self._sock = sock
        self._raw = raw
        self._limit = limit
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.in_head and self._received > HEAD_LIMIT:
            raise HTTPException(f"the headers are longer than {HEAD_LIMIT >> 10} KiB")
        self._sock.settimeout(self._limit.for_a_read())
        count: int | None = self._raw.readinto(buffer)
        self._received += count or 0
        self._limit.took_in(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class Answer(HTTPResponse):
    """The final answer; http.client itself skips 100 alone and takes 102 and 103 for the answer."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._timed = Timed(sock, self.fp.detach(), CURRENT.get())
        self.fp = io.BufferedReader(self._timed)

    def begin(self, **options: Any) -> None:
        super().begin(**options)
        while 100 <= self.status < 200 and self.status != SWITCHING_PROTOCOLS:
            self.headers = self.msg = cast(Any, None)  # so that the next head is read
            super().begin(**options)
        self._timed.in_head = False
        lengths = ",".join(self.headers.get_all("Content-Length", [])).split(",")
        if len({length.strip() for length in lengths}) > 1:
            raise HTTPException("the headers name several lengths")
