"""A file during its download: its bytes, and what the server announced about them."""

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import requests

from noxcli.api.answer import Answer
from noxcli.api.bodies import BODY_PIECE, codings_of, decompressed
from noxcli.api.failures import BROKEN, cause_of, parse_retry_after, request_id_of
from noxcli.errors import Unavailable
from noxcli.masking import Mask

CARRIES_A_FILE = frozenset({200, 206})
RANGE = r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)"


class Download:
    """An open answer of `GET /v1/file/{id}`, read in constant memory.

    `start` is the position of the first byte in the file, `total` the whole file's size if it is known. `etag` is set
    only if it identifies exactly these bytes, `resumable` is false if positions can't be counted. Raises Unavailable
    for a success without a file, such as 202 and 204: the file may be available later.
    """

    def __init__(self, response: requests.Response, mask: Mask) -> None:
        self._mask = mask
        self._response = response
        headers = response.headers
        if response.status_code not in CARRIES_A_FILE:
            response.close()
            raise Unavailable(
                f"the server answered {response.status_code} instead of the file",
                retry_after=parse_retry_after(headers.get("Retry-After")),
                http_status=response.status_code,
                request_id=request_id_of(response),
            )
        length = headers.get("Content-Length", "")
        self.length = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
        self.content_type = headers.get("Content-Type", "")
        tag = headers.get("ETag", "")
        self.etag = tag if tag.startswith('"') else None  # a weak one (W/) may also identify other bytes
        self._codings = codings_of(headers.get("Content-Encoding"))
        encoded = bool(self._codings)
        self.resumable = not encoded
        self.start = 0
        self.total = None if encoded else self.length
        self._end: int | None = None
        answer = response.raw._original_response
        assert isinstance(answer, Answer)
        self._answer = answer
        self._read = 0  # bytes, by `read_into`
        self._at_end = False
        if response.status_code == 206:
            self._take_range(headers.get("Content-Range", ""), encoded=encoded)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._response.close()

    @property
    def is_long(self) -> bool:
        """True if `read_into` can read more; `pieces` reads the last bytes, and everything that is decoded."""
        return not self._codings and not self._at_end and self._answer.left > BODY_PIECE

    def read_into(self, room: memoryview) -> int:
        """Read what has arrived into the memory, and return the number of bytes.

        Raises Unavailable if the connection breaks.
        """
        raw = self._response.raw
        try:
            count = self._answer.read_into(room[:BODY_PIECE])
        except BROKEN as error:
            raise self._broken(error) from error
        assert raw.length_remaining is not None
        raw.length_remaining -= count  # urllib3 counts only its own reads
        self._read += count
        self._at_end = not count
        return count

    def pieces(self) -> Iterator[bytes]:
        """Yield the file's bytes, without those that `read_into` has read.

        Raises Unavailable if the connection breaks or the body is incomplete.
        """
        return decompressed(self._pieces(), self._codings)

    def _pieces(self) -> Iterator[bytes]:
        raw = self._response.raw
        try:
            # Not read(): that would lose the bytes before a break.
            while piece := raw.read1(BODY_PIECE, decode_content=False):
                yield piece
        except BROKEN as error:
            raise self._broken(error) from error
        # The bytes on the wire count: a server may compress although we asked it not to.
        announced = self.length if self._end is None else self._end - self.start
        if announced is not None and self._received != announced:
            raise Unavailable(f"the download has {self._received:,} bytes instead of {announced:,}")

    @property
    def _received(self) -> int:
        received: int = self._read + self._response.raw.tell()
        return received

    def _broken(self, error: BaseException) -> Unavailable:
        return Unavailable(f"the download broke after {self._received:,} bytes: {cause_of(error, self._mask)}")

    def _take_range(self, text: str, *, encoded: bool) -> None:
        match = re.fullmatch(RANGE, text.strip())
        if match is None or encoded:
            self.start, self.resumable = -1, False  # an unknown part of the file
            return
        self.start, self._end = int(match[1]), int(match[2]) + 1
        self.total = None if match[3] == "*" else int(match[3])
