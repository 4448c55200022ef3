"""Decompressed bodies: complete only with the trailer of the compression."""

import zlib
from collections.abc import Callable, Iterator, Sequence

from noxcli.errors import Unavailable

BODY_PIECE = 512 * 1024
GZIP_WINDOW = 16 + zlib.MAX_WBITS
GZIP_MAGIC = 0x1F
MOST_CODINGS = 5
NO_CODING = frozenset({"", "identity"})
# Codings that exist, but that not every machine can decode: other names come from the server, and may be anything.
UNREAD = frozenset({"br", "zstd", "compress"})


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
