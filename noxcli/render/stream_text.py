"""The text of a run, from pieces that are new text or all of the text so far: the documentation
does not say which.
"""

import hashlib
from enum import Enum

SURE = 8  # characters that no piece of new text repeats and extends by chance
# Until then, pieces are held whose form is not known; after that, the documented form counts.
MAX_PIECES = 100
MAX_HELD = 64 * 1024  # characters


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
        digest = hashlib.sha256(other.encode("utf-8", "surrogatepass"))
        return digest.digest() == self._digest.digest()


class Pieces:
    """Finds the new text in each piece.

    A server has one form. The first piece that does not begin with its node's last one proves new
    text: `ha `, `ha `, `ha` must stay three pieces. A piece that begins with one of several
    characters, and is longer, proves the other form. While both are possible, all but the first
    piece of a node are held.
    """

    def __init__(self) -> None:
        self.form: Form | None = None
        self.passed = Text()  # all that was returned
        self.contradictory = False  # a piece did not have the form that an earlier one had proven
        self.interpreted = False  # not each piece was surely passed on as it was meant
        self._so_far: dict[str, Text] = {}
        # The same, but for pieces that are equal to the one before.
        self._without_repeats: dict[str, Text] = {}
        self._statuses: dict[str, object] = {}  # of each node's last piece
        self._nodes: set[str] = set()  # that have said something
        # A node's first piece that was all of the text so far, with its status: an output node
        # repeats what another one has streamed.
        self._repeats: dict[str, tuple[str, object]] = {}
        # Until the form is known: all pieces, and how many characters of them were passed on.
        self._seen: list[tuple[str, str, object]] = []
        self._last: dict[str, str] = {}
        self._passed = 0
        self._length = 0

    def add(self, node: str, piece: str, status: object) -> str:
        """Return what is new in a piece of a node's text, and in those that were held until now."""
        if not piece:
            return ""
        if node not in self._nodes:
            self._nodes.add(node)
            return self._begin(node, piece, status)
        if node in self._repeats:
            return self._continue_repeat(node, piece, status)
        return self._pass(self._find_new(node, piece, status))

    @property
    def has_left_out(self) -> bool:
        """True if a node's text was not passed on, since it repeats all that was."""
        return bool(self._repeats)

    def _begin(self, node: str, piece: str, status: object) -> str:
        """Return what is new with the first piece of a node."""
        text = self._pass(self._decide_by_repetition(piece))
        if self.passed.equals(piece):
            self._repeats[node] = (piece, status)
            self.interpreted = True
            return text
        return text + self._pass(self._find_new(node, piece, status))

    def _continue_repeat(self, node: str, piece: str, status: object) -> str:
        """Return what is new in a piece of a node whose first one repeated all of the text."""
        first, its_status = self._repeats[node]
        if piece == first and status != its_status:
            return ""  # once more, with the event that ends the node
        del self._repeats[node]
        text = self._pass(self._find_new(node, first, its_status))
        return text + self._pass(self._find_new(node, piece, status))

    def _pass(self, text: str) -> str:
        self.passed.add(text)
        return text

    def _find_new(self, node: str, piece: str, status: object) -> str:
        if self.form is None:
            return self._weigh(node, piece, status)
        so_far = self._so_far.get(node)
        if so_far is None:
            so_far = Text()
            self._so_far[node] = so_far
            self._without_repeats[node] = Text()
        new = piece
        if self.form is Form.NEW:
            # Some servers send all of it once more, with the event that ends the node.
            is_last = status != self._statuses.get(node)
            if is_last and len(piece) == so_far.length and so_far.equals(piece):
                new = ""
        elif so_far.begins(piece):
            new = piece[so_far.length :]
        else:
            self.contradictory = True
            so_far = Text()
            self._so_far[node] = so_far
        if new is not piece:
            self.interpreted = True
        self._statuses[node] = status
        so_far.add(new)
        if new != self._last.get(node):
            self._without_repeats[node].add(new)
        self._last[node] = new
        return new

    def end(self, output: str | None) -> str:
        """Return what is still held; the run's text output, if it is known, decides what it is."""
        if not self._holds_some:
            return ""
        if self._text_in(Form.WHOLE) == output:
            return self._pass(self._decide(Form.WHOLE, sure=False))
        return self._pass(self._decide(Form.NEW, sure=False))

    @property
    def _holds_some(self) -> bool:
        return self.form is None and self._passed < self._length

    def _text_in(self, form: Form) -> str:
        """Return the text of all pieces so far, if this is their form."""
        text = ""
        lengths: dict[str, int] = {}
        for node, piece, _ in self._seen:
            text += piece[lengths.get(node, 0) :]
            if form is Form.WHOLE:
                lengths[node] = len(piece)
        return text

    def _decide_by_repetition(self, piece: str) -> str:
        """Return what was held, if the first piece of a node shows the form: it is all the text."""
        if not self._holds_some:
            return ""
        for form in Form:
            if self._text_in(form) == piece:
                return self._decide(form, sure=False)
        return ""

    def has_twice(self, output: str) -> bool:
        """True if a node has said the output, or its beginning, and then all of it.

        Also if it has said some pieces of it twice in a row.
        """
        for node, so_far in self._so_far.items():
            excess = so_far.length - len(output)
            if excess <= 0:
                continue
            if so_far.equals(output[:excess] + output):
                return True
            if self._without_repeats[node].equals(output):
                return True
        return False

    def _weigh(self, node: str, piece: str, status: object) -> str:
        last = self._last.get(node)
        self._last[node] = piece
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
        seen = self._seen
        self._seen = []
        self._last.clear()
        text = ""
        for node, piece, status in seen:
            text += self._find_new(node, piece, status)
        return text[self._passed :]  # what was passed on is the beginning in both forms
