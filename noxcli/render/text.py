"""The wording of counts, and the escaping of remote text: what a terminal or a CI system would obey
is shown as text.

noxcli's own lines and the pieces of all drawings pass `visible`. Values pass a `Screen` if stdout
is a terminal. Both happen in the function that writes, so no caller can skip them.
"""

import codecs
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from unicodedata import category

MAX_SHOWN = 4000  # characters of a line; a name may have a million
MAX_MARKS = 4  # on one letter: no writing system needs more, and many cover the lines around it
ZERO_WIDTH_JOINER = "\u200d"
EMOJI_STYLE = "\ufe0f"
# Formally printable, but invisible (Unicode: Default_Ignorable_Code_Point), and they can carry
# hidden messages.
_UNSEEN = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164"
    "\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
# GitHub, Azure and TeamCity read `##[x]`, `##vso[x]`, `##teamcity[x]` anywhere in a line. GitHub
# reads `::x::` at its start, where it skips blanks, and by some cultures' rules of comparing
# characters without weight, as bare marks (actions/runner, ActionCommand.cs).
_COMMAND = r"(##[A-Za-z]{0,20})\["
_COMMAND_AT_START = r"^([^\w!-~]*:):"
_WEIGHTY = r"[\w!-~]"
_HALF_COMMAND = r"(?:##?|##[A-Za-z]{1,20}|:)$"
# The characters of all pictures and tables, and what replaces each where only ASCII is shown.
IN_ASCII = str.maketrans(
    "✓✗■●·•‖…━╸╺─┌│└⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
    "+x#*.*=~===-/|\\-\\|/-\\|/-\\",
)


def visible(text: str, longest: int | None = MAX_SHOWN) -> str:
    """Return one line in which nothing has an effect on a terminal or a CI log.

    Newlines become spaces. The middle of a text longer than `longest` characters is omitted: the
    end of a line often says what to do.
    """
    if longest is not None and len(text) > longest:
        begin = text[: longest * 3 // 4]
        end = text[-(longest // 4) :]
        omitted = len(text) - len(begin) - len(end)
        text = f"{begin}… ({omitted:,} characters left out) …{end}"
    return _disarmed(_Spelling(_as_python).feed(text))


def with_id(name: str | None, own_id: str) -> str:
    """Return a name with the id behind it; the id alone if there is no other name."""
    if name and name != own_id:
        return f"{name} ({own_id})"
    return own_id


def amount(count: int, noun: str) -> str:
    """Return the count with its noun, which takes an s: `1 row`, `1,200 rows`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun}s"


def part_of(count: int, total: int, noun: str) -> str:
    """Return how many of how many: `1 of 1 row`, `3 of 1,200 rows`."""
    return f"{count:,} of {amount(total, noun)}"


def in_prose(items: Sequence[str]) -> str:
    """Return the items as a sentence lists them: `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def shorten(text: str, width: int) -> str:
    """Return the text in at most `width` characters, its end replaced by an ellipsis."""
    if len(text) <= width:
        return text
    return f"{text[: max(0, width - 1)]}…"


def hint_lines(hint: str, columns: int) -> list[str]:
    """Return a hint in lines in which a terminal of that width breaks no command and no word."""
    parts = []
    for line in re.split(r"; (?=[\w ]+: noxcli )", hint):
        if len(line) > columns:
            parts += re.split(r"(?<=:) (?=noxcli )", line)
        elif line:
            parts.append(line)
    rows = []
    for part in parts:
        if part.startswith("noxcli "):
            rows.append(part)
        else:
            rows += word_lines(part, columns)
    return rows


def word_lines(text: str, columns: int) -> list[str]:
    """Return a line of prose in lines that a terminal of that width does not break in a word."""
    if len(text) <= columns // 2:
        return [text]  # even if each character has two cells
    return [row.rstrip() for row in word_rows(text, columns)]


def word_rows(text: str, columns: int, taken: int = 0) -> Iterator[str]:
    """Yield the parts of a line that end at a word and fit into that many columns.

    The first part lacks those that are `taken`. A longer word is left to the terminal.
    """
    from rich.cells import cell_len  # loaded only for a long line

    row = ""
    room = columns - taken
    for word in re.findall(r"\S+\s*|\s+", text):
        if (row or room < columns) and cell_len(row + word.rstrip()) > room:
            yield row
            row = ""
            room = columns
        row += word
    yield row


def fair_share(sizes: Iterable[int], room: int) -> int:
    """Return the most that each may have for all to fit.

    What is smaller leaves its room to the others.
    """
    ascending = sorted(sizes)
    remaining = room
    for place, size in enumerate(ascending):
        share = remaining // (len(ascending) - place)
        if size > share:
            return max(0, share)
        remaining -= size
    return room


class Screen:
    """Values for a terminal: lines stay lines, and each piece is safe for any split of the text.

    Characters are escaped as in JSON, so that a document copied from the screen is still valid.
    """

    def __init__(self) -> None:
        utf_8 = codecs.getincrementaldecoder("utf-8")("replace")
        # CR alone would go back and overwrite.
        self._decoder = io.IncrementalNewlineDecoder(utf_8, translate=True)
        self._begin_line()

    def _begin_line(self) -> None:
        self._spelling = _Spelling(_as_json, keep="\t")
        self._blank = True  # so far, a command could still follow
        self._half = ""  # the shown part of a possible command

    def feed(self, data: bytes) -> str:
        """Return what may be shown of the next piece."""
        first, *others = self._decoder.decode(data).split("\n")
        shown = [self._shown(first)]
        for other in others:
            self._begin_line()
            shown.append(self._shown(other))
        return "\n".join(shown)

    def _shown(self, text: str) -> str:
        """Return what may be shown of the line's next piece."""
        line = _disarmed(self._half + self._spelling.feed(text), at_start=self._blank)
        shown = line[len(self._half) :]
        half = re.search(_HALF_COMMAND, line)
        self._half = "" if half is None else half[0]
        if re.search(_WEIGHTY, line.removesuffix(self._half)):
            self._blank = False
        return shown


class _Spelling:
    """Escapes every character that is not plainly printable.

    All kinds of spaces become a plain space.
    """

    def __init__(self, spell: Callable[[str], str], keep: str = "") -> None:
        self._spell = spell
        self._keep = keep
        self._marks = 0
        self._before = ""

    def feed(self, text: str) -> str:
        if text.isascii() and text.isprintable():
            if text:
                self._marks = 0
                self._before = text[-1]
            return text
        return "".join(map(self._shown, text))

    def _shown(self, letter: str) -> str:
        before = self._before
        self._before = letter
        if letter in self._keep:
            self._marks = 0
            return letter
        if letter == ZERO_WIDTH_JOINER and _is_emoji(before):
            return letter  # joins emoji, moves nothing
        if category(letter) in {"Mn", "Me"}:
            self._marks += 1
        else:
            self._marks = 0
        if letter.isprintable() and self._marks <= MAX_MARKS and not re.match(_UNSEEN, letter):
            return letter
        if letter.isspace():
            return " "
        return self._spell(letter)


def _is_emoji(letter: str) -> bool:
    """True if a joiner may follow the letter, which is empty at the beginning of a line."""
    if letter == EMOJI_STYLE:
        return True
    return letter != "" and category(letter) in {"So", "Sk"}


def _disarmed(text: str, *, at_start: bool = True) -> str:
    text = re.sub(_COMMAND, r"\1 [", text)
    if at_start:
        text = re.sub(_COMMAND_AT_START, r"\1 :", text)
    return text


def _as_python(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _as_json(letter: str) -> str:
    import json  # loaded only if something must be escaped

    return json.dumps(letter)[1:-1]
