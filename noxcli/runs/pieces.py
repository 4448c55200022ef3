"""One node's streamed text: pieces to join, or pieces that each repeat all the text before them."""

from zlib import crc32

TAIL = 400  # characters of the end that a picture may show
HEAD = 64
ENOUGH, BEYOND_DOUBT = 3, 16  # repetitions in a row, of varied text and of any
VARIED = 3  # different characters: a single repeated character looks like a repetition of the text


class Pieces:
    """Finds the new part of each piece.

    The API's documentation leaves open which of the two forms a server sends. A piece that begins with all the text
    before it and is longer may do so by chance ("a", "aa"), so it is held back until there are `ENOUGH` in a row. If
    another piece comes first, the pieces must be joined, and everything held back is new: no text is lost.
    """

    def __init__(self) -> None:
        self.tail = ""  # the end of the text; it may include text that was not yet returned as new
        self.repeating = False
        self._joined = False
        self._head = ""
        self._length = 0
        self._checksum = 0
        self._first = 0  # characters of the piece that was returned as new before any was held back
        self._held: list[str] = []

    def take(self, text: str, *, expected: bool = False) -> str:
        """Return the text that is certainly new; `expected` says that other nodes of this run repeat their text."""
        if not text or self._joined:
            self.tail = (self.tail + text)[-TAIL:]
            return text
        rest = self._rest(text)
        if self.repeating or not self._length:
            self._first = len(text)
            self._note(text)
            return text if rest is None else rest
        if not rest:
            return self._join(text)
        self._held.append(text)
        self._note(text)
        return self._recognize() if expected or self._repeats(ENOUGH) else ""

    def end(self) -> str:
        """Return the held-back text at the end: then two repetitions are enough, or one of a long text.

        Further pieces begin another text.
        """
        new = ""
        if self._held:
            new = self._recognize() if self._repeats(1 if self._first > HEAD else 2) else "".join(self._held)
            self._held = []
        self._head, self._length, self._checksum = "", 0, 0
        return new

    def beyond(self, text: str) -> str:
        """Return the part of a piece that the text so far does not have, without adding it."""
        rest = self._rest(text) if self.repeating or self._held or self._length > HEAD else None
        return text if rest is None else rest

    def _repeats(self, enough: int) -> bool:
        held = len(self._held)
        return held >= BEYOND_DOUBT or (held >= enough and len(set(self._held[-1])) >= VARIED)

    def _rest(self, text: str) -> str | None:
        """Return what follows the text so far; None if the piece does not begin with that text."""
        if not self._length or len(text) < self._length or not text.startswith(self._head):
            return None
        return text[self._length :] if _checksum(text[: self._length]) == self._checksum else None

    def _note(self, text: str) -> None:
        self._head, self._length, self._checksum = text[:HEAD], len(text), _checksum(text)
        self.tail = text[-TAIL:]

    def _recognize(self) -> str:
        self.repeating = True
        latest, self._held = self._held[-1], []
        return latest[self._first :]

    def _join(self, text: str) -> str:
        self._joined = True
        new = "".join([*self._held, text])
        self._held = []
        self.tail = (self.tail + new)[-TAIL:]
        return new


def _checksum(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass"))
