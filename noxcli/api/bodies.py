"""Bodies as they were before a server or a proxy compressed them: whole only with the trailer of the compression."""

import zlib
from collections.abc import Callable, Iterator, Sequence

from noxcli.errors import Unavailable

BODY_PIECE = 512 * 1024
GZIP_WINDOW = 16 + zlib.MAX_WBITS
GZIP_MAGIC = 0x1F
MOST_CODINGS = 5
NO_CODING = frozenset({"", "identity"})
# Codings that exist, but that not every machine can undo: other names are the server's words, and may be anything.
UNREAD = frozenset({"br", "zstd", "compress"})


def codings_of(header: str | None) -> list[str]:
    """Return what a Content-Encoding says was done to a body, in order; nothing for a body sent as it is."""
    names = (name.strip().lower() for name in (header or "").split(","))
    return [name for name in names if name not in NO_CODING]


def decompressed(pieces: Iterator[bytes], codings: Sequence[str]) -> Iterator[bytes]:
    """Yield the body without its codings, a little at a time: a few bytes may stand for gigabytes.

    Raises Unavailable for a coding that was not asked for and that nothing here can undo, for a damaged body, and for
    one without its trailer: Content-Length and chunks count compressed bytes, and may be right for half a body.
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
    """Some servers leave out the zlib header, which begins with the method, 8."""
    return zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS


def _unpacked(pieces: Iterator[bytes], window: Callable[[int], int], again: int | None = None) -> Iterator[bytes]:
    """`window` tells the format from the first byte; where `again` follows the end, another body begins."""
    decoder = None
    try:
        for piece in pieces:
            while piece:
                if decoder is None or decoder.eof:
                    if decoder is not None and piece[0] != again:
                        break  # padding, which every other client ignores, too
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
        # A full piece may leave more behind although all input is used up.
        if decoder.eof or (not piece and len(unpacked) < BODY_PIECE):
            return
