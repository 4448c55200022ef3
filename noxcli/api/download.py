"""A file during its download: its bytes, and what the server announced about them."""

import re
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, cast

import requests

from noxcli.api.error_mapping import BROKEN, cause_of, facts_of, retry_after_of
from noxcli.errors import OutputNotDelivered, Unavailable
from noxcli.masking import Mask

BODY_PIECE = 512 * 1024
PLAIN = frozenset({"", "identity"})  # what was requested
GZIP = frozenset({"gzip", "x-gzip"})  # what object stores send of a file that is stored so
CARRIES_A_FILE = frozenset({200, 206})
RANGE = r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)"


class Download(AbstractContextManager["Download"]):
    """An open answer of `GET /v1/file/{id}`, read in constant memory.

    `start` is the position of the first byte in the file, `total` the whole file's size if it is
    known. `etag` is set only if it identifies exactly these bytes: without one, two parts may be of
    two versions (RFC 9110, 15.3.7.3). A file that arrives as gzip is unpacked. Raises Unavailable
    for a success without a file, such as 202 and 204: the file may be available later;
    OutputNotDelivered for one that is compressed in another way.
    """

    def __init__(self, response: requests.Response, mask: Mask) -> None:
        self._mask = mask
        self._response = response
        headers = response.headers
        if response.status_code not in CARRIES_A_FILE:
            response.close()
            raise Unavailable(
                f"the server answered {response.status_code} instead of the file",
                retry_after=retry_after_of(headers),
                **facts_of(response),
            )
        coding = headers.get("Content-Encoding", "").strip().lower()
        if coding not in PLAIN | GZIP:
            response.close()
            what = f"the server sent the file as {mask.torn(coding)}"
            raise OutputNotDelivered(
                f"{what}, which noxcli can't read and did not request",
                "is a proxy in between?",
                **facts_of(response),
            )
        self.length: int | None = response.raw.length_remaining
        self.content_type = headers.get("Content-Type", "")
        self._packed = coding in GZIP
        tag = headers.get("ETag", "")
        # A weak one (W/) may also identify other bytes, and positions in a compressed file can't be
        # counted.
        self.etag = None
        if tag.startswith('"') and not self._packed:
            self.etag = tag
        self.start = 0
        self.total = None if self._packed else self.length
        if response.status_code == 206:
            self._read_range(headers.get("Content-Range", ""))

    def __exit__(self, *_: object) -> None:
        self._response.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the file's bytes. Raises Unavailable if the body is incomplete."""
        read = self.read
        if self._packed:
            # It checks the trailer: the length, or the chunks, may match half a file.
            from gzip import GzipFile

            read = GzipFile(fileobj=cast(Any, self), mode="rb").read1  # it only calls `read`
        try:
            while piece := read(BODY_PIECE):
                yield piece
        except (*BROKEN, EOFError, zlib.error) as error:
            what = f"the download broke after {self._response.raw.tell():,} bytes"
            raise Unavailable(f"{what}: {cause_of(error, self._mask)}") from error

    def read(self, size: int) -> bytes:
        """Return the next bytes as they arrive: a whole `size` would lose those before a break."""
        return self._response.raw.read1(size, decode_content=False)

    def _read_range(self, text: str) -> None:
        """Take a part: an unknown one begins nowhere, and what it has must be what it announces."""
        self.start = -1
        match = re.fullmatch(RANGE, text.strip())
        if match is None or self._packed:
            return
        first, last, total = match.groups()
        size = int(last) + 1 - int(first)
        if self.length not in {None, size}:
            return
        self.start = int(first)
        self.total = None if total == "*" else int(total)
