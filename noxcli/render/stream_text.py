"""The text of a run, from pieces that are new text or all of the text so far: the documentation does not say which."""

import hashlib
from enum import Enum

SURE = 8  # characters that no piece of new text repeats and extends by chance
MAX_PIECES, MAX_HELD = 100, 64 * 1024  # pieces, characters; then the documented form counts


class Form(Enum):
    """What a server's pieces are."""

    NEW = "new text"
    WHOLE = "all of a node's text so far"


class Text:
    """A text of any length, known by its length and digest."""

    def __init__(self) -> None:
        self.length = 0  # in characters
        self._digest = hashlib.sha256()

    def add(self, part: str) -> None:
        """Append a part."""
        self.length += len(part)
        self._digest.update(part.encode("utf-8", "surrogatepass"))

    def begins(self, other: str) -> bool:
        """True if the other text begins with this one."""
        return self.equals(other[: self.length])

    def ends(self, other: str) -> bool:
        """True if the other text ends with this one."""
        return self.equals(other[max(0, len(other) - self.length) :])

    def equals(self, other: str) -> bool:
        """True if it is the other text."""
        if len(other) != self.length:
            return False
        return (
            hashlib.sha256(other.encode("utf-8", "surrogatepass")).digest() == self._digest.digest()
        )


class Pieces:
    """Finds the new text in each piece.

    A server has one form. The first piece that does not begin with its node's last one proves new text: `ha `, `ha `,
    `ha` must stay three pieces. A piece that begins with one of several characters, and is longer, proves the other
    form. While both are possible, all but the first piece of a node are held.
    """

    def __init__(self) -> None:
        self.form: Form | None = None
        self.contradictory = False  # a piece did not have the form that an earlier one had proven
        self.interpreted = False  # not each piece was surely passed on as it was meant
        self._so_far: dict[str, Text] = {}
        self._without_repeats: dict[
            str, Text
        ] = {}  # the same, but for pieces that are equal to the one before
        self._statuses: dict[str, object] = {}  # of each node's last piece
        # Until the form is known: all pieces, and how many characters of them were passed on.
        self._seen: list[tuple[str, str, object]] = []
        self._last: dict[str, str] = {}
        self._passed = self._length = 0

    def add(self, node: str, piece: str, status: object) -> str:
        """Return what is new in a piece of a node's text, and in pieces that were held until now."""
        if not piece:
            return ""
        if self.form is None:
            return self._weigh(node, piece, status)
        so_far = self._so_far.get(node)
        if so_far is None:
            so_far, self._without_repeats[node] = Text(), Text()
            self._so_far[node] = so_far
        if self.form is Form.NEW:
            # Some servers send all of it once more, with the event that ends the node.
            is_repeated = (
                len(piece) == so_far.length
                and status != self._statuses.get(node)
                and so_far.equals(piece)
            )
            new = "" if is_repeated else piece
        elif so_far.begins(piece):
            new = piece[so_far.length :]
        else:
            self.contradictory, new = True, piece
            so_far = self._so_far[node] = Text()
        self.interpreted = self.interpreted or new is not piece
        self._statuses[node] = status
        so_far.add(new)
        if new != self._last.get(node):
            self._without_repeats[node].add(new)
        self._last[node] = new
        return new

    def end(self, output: str | None) -> str:
        """Return what is still held; the run's text output, if it is known, decides what it is."""
        if self.form is not None or self._passed == self._length:
            return ""
        whole, lengths = [], dict[str, int]()
        for node, piece, _ in self._seen:
            whole.append(piece[lengths.get(node, 0) :])
            lengths[node] = len(piece)
        return self._decide(Form.WHOLE if "".join(whole) == output else Form.NEW, sure=False)

    def has_twice(self, output: str) -> bool:
        """True if a node has said the output, or its beginning, and then all of it, or some pieces twice in a row."""
        longer = [
            (node, so_far) for node, so_far in self._so_far.items() if so_far.length > len(output)
        ]
        return any(
            so_far.equals(output[: so_far.length - len(output)] + output)
            or self._without_repeats[node].equals(output)
            for node, so_far in longer
        )

    def _weigh(self, node: str, piece: str, status: object) -> str:
        last, self._last[node] = self._last.get(node), piece
        self._seen.append((node, piece, status))
        held = self._passed < self._length
        self._length += len(piece)
        if last is not None and not piece.startswith(last):
            return self._decide(Form.NEW)
        if last is not None and len(piece) > len(last) >= SURE:
            return self._decide(Form.WHOLE)
        if len(self._seen) > MAX_PIECES or self._length > MAX_HELD:
            return self._decide(Form.NEW, sure=False)
        if held or last is not None:
            return ""
        self._passed = self._length
        return piece

    def _decide(self, form: Form, *, sure: bool = True) -> str:
        self.form = form
        self.interpreted = not sure and self._passed < self._length
        seen, self._seen = self._seen, []
        self._last.clear()
        # What was passed on is the beginning in both forms.
        return "".join([self.add(*one) for one in seen])[self._passed :]
