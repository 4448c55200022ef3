"""A file during its download: its bytes, and what the server announced about them."""

import re
from collections.abc import Iterator
from typing import Self

import requests

from noxcli.api.body import BODY_PIECE, AnswerLimit, codings_of, decompressed
from noxcli.api.failures import BROKEN, cause_of, parse_retry_after, request_id_of
from noxcli.errors import Unavailable
from noxcli.masking import Mask

CARRIES_A_FILE = frozenset({200, 206})
RANGE = r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)"


class Download:
    """An open answer of `GET /v1/file/{id}`, read in constant memory.

    `start` is the position of the first byte in the file, `total` the whole file's size if it is known. `etag` is set
    only if it identifies exactly these bytes: without one, two parts may be of two versions (RFC 9110, 15.3.7.3).
    Raises Unavailable for a success without a file, such as 202 and 204: the file may be available later.
    """

    def __init__(self, response: requests.Response, limit: AnswerLimit, mask: Mask) -> None:
        self._mask = mask
        self._response = response
        self._limit = limit
        headers = response.headers
        if response.status_code not in CARRIES_A_FILE:
            response.close()
            raise Unavailable(
                f"the server answered {response.status_code} instead of the file",
                retry_after=parse_retry_after(headers.get("Retry-After")),
                http_status=response.status_code,
                request_id=request_id_of(response),
            )
        self.length: int | None = response.raw.length_remaining
        self.content_type = headers.get("Content-Type", "")
        self._codings = codings_of(headers.get("Content-Encoding"))
        tag = headers.get("ETag", "")
        # A weak one (W/) may also identify other bytes, and positions in a compressed file can't be counted.
        self.etag = tag if tag.startswith('"') and not self._codings else None
        self.start = 0
        self.total = None if self._codings else self.length
        if response.status_code == 206:
            self._take_range(headers.get("Content-Range", ""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the file's bytes.

        Raises Unavailable if the connection breaks or the body is incomplete.
        """
        return decompressed(self._pieces(), self._codings)

    def _pieces(self) -> Iterator[bytes]:
        raw = self._response.raw
        try:
            # Not read(): that would lose the bytes before a break.
            while piece := raw.read1(BODY_PIECE, decode_content=False):
                self._limit.took_in(len(piece))
                yield piece
        except BROKEN as error:
            # The bytes on the wire count: a server may compress although we asked it not to.
            raise Unavailable(
                f"the download broke after {raw.tell():,} bytes: {cause_of(error, self._mask)}"
            ) from error

    def _take_range(self, text: str) -> None:
        """Take a part: an unknown one begins nowhere, and what it has must be what it announces."""
        match = re.fullmatch(RANGE, text.strip())
        size = int(match[2]) + 1 - int(match[1]) if match else None
        if match is None or self._codings or self.length not in {None, size}:
            self.start = -1
            return
        self.start = int(match[1])
        self.total = None if match[3] == "*" else int(match[3])
