"""A file on its way here: bytes as they come, with what the server announced about them."""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import requests

from noxcli.api.failures import BROKEN, cause_of
from noxcli.errors import Unavailable

PIECE = 256 * 1024


class Download:
    """An open answer of `GET /v1/file/{id}`; memory stays constant whatever its size."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        length = response.headers.get("Content-Length", "")
        self.length = int(length) if length.isascii() and length.isdigit() else None
        self.content_type = response.headers.get("Content-Type", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._response.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes.

        Raises Unavailable where the connection breaks or the body is shorter than announced.
        """
        raw = self._response.raw
        try:
            while piece := raw.read(PIECE, decode_content=True):
                yield piece
        except BROKEN as error:
            raise Unavailable(f"the download broke after {raw.tell():,} bytes: {cause_of(error)}") from error
        # What came over the wire counts: a server may compress although it was asked not to.
        if self.length is not None and raw.tell() != self.length:
            raise Unavailable(f"the download has {raw.tell():,} bytes instead of {self.length:,}")
