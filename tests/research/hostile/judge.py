"""What a terminal, a CI system and a reader of logs would make of some bytes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import category

import pyte
from pyte import modes

from tests.research.hostile.corpus import NAMES, OPENED

# All sequences that noxcli sends to a terminal: styles (no background, blink, reverse or conceal), moves of the live
# view, the cursor, and line wrapping.
OWN = re.compile(r"\x1b\[(?:(?!45|48|5m|7m|8m|5;|7;|8;)[0-9;]*m|\d{0,3}A|2?K|J|\?25[lh]|\?7[lh])")
CI_COMMAND = re.compile(r"(?:^|(?<=[\n\r]))[^\w!-~\n\r]*::|##[A-Za-z]*\[")
FORGED = re.compile(r"(?:^|(?<=[\n\r]))\s*(?:noxcli: )?FORGED")
UNSEEN = re.compile("[\u115f\u1160\u3164\uffa0\u034f\ufe00-\ufe0d\U000e0100-\U000e01ef]")
MOST_MARKS = 4
ROWS = 200


@dataclass(frozen=True)
class Leak:
    """Something that took effect, and its origin as far as the marks show."""

    field: str
    payload: str
    what: str


def shown(data: bytes) -> set[tuple[str, str]]:
    """Return which fields showed which payloads: (field, payload)."""
    return {
        (field, NAMES[int(number)])
        for field, number in OPENED.findall(data.decode("utf-8", "replace"))
    }


def leaks(data: bytes, columns: int = 80, form: str = "") -> list[Leak]:
    """Return which payloads took effect, by their bytes and according to an emulator.

    `form` has the characters of the output's own form: tabs of a table, and line ends if a value may have its own.
    """
    return [*_by_byte(data, form), *_on_screen(data, columns, ROWS)]


def _by_byte(data: bytes, form: str) -> Iterator[Leak]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        yield Leak(
            *_origin(data[: error.start].decode("utf-8", "replace")),
            f"no UTF-8: {data[error.start]:#x}",
        )
        return
    plain = OWN.sub("", text)
    for place, letter in enumerate(plain):
        if not letter.isprintable() and letter not in f"\n\r{form}" and not _joins(plain, place):
            yield Leak(*_origin(plain[:place]), ascii(letter))
    for match in CI_COMMAND.finditer(plain):
        yield Leak(
            *_origin(plain[: match.start()]),
            f"a CI command: {plain[match.start() : match.end() + 20]!r}",
        )
    for match in FORGED.finditer(plain) if "\n" not in form else ():
        yield Leak(*_origin(plain[: match.start()]), f"a line of its own: {match[0]!r}")
    for match in UNSEEN.finditer(plain):
        yield Leak(*_origin(plain[: match.start()]), f"invisible: {match[0]!a}")
    marks = 0
    for place, letter in enumerate(plain):
        marks = marks + 1 if category(letter) in {"Mn", "Me"} else 0
        if marks > MOST_MARKS:
            yield Leak(*_origin(plain[:place]), "a pile of marks")
    for match in re.finditer(r"Q([a-z])(\d\d\d)Q([^\n\r]*?)Z\1\2Z", text):
        if "\x1b" in match[3]:
            yield Leak(match[1], NAMES[int(match[2])], f"styled within: {match[3]!r}")


def _joins(text: str, place: int) -> bool:
    """A zero width joiner between emoji is the only invisible character that may remain."""
    return text[place] == "\u200d" and not text[place - 1 : place].isalnum()


def _origin(before: str) -> tuple[str, str]:
    found = OPENED.findall(before)
    return (found[-1][0], NAMES[int(found[-1][1])]) if found else ("?", "?")


class Emulator(pyte.Screen):
    """A terminal that records what programs request from it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.asked: list[str] = []
        super().__init__(columns, rows)

    def write_process_input(self, data: str) -> None:
        self.asked.append(f"answered {data!r} as if typed")

    def bell(self, *_: object) -> None:
        self.asked.append("rang")

    def set_margins(self, *args: int | None, **_: object) -> None:
        if args and args != (None, None):
            self.asked.append(f"scroll region {args}")

    def define_charset(self, code: str, mode: str) -> None:
        self.asked.append(f"charset {mode}{code}")

    def save_cursor(self) -> None:
        self.asked.append("saved the cursor")

    def cursor_position(self, line: int | None = None, column: int | None = None) -> None:
        if line or column:
            self.asked.append(f"moved to {line}, {column}")
        super().cursor_position(line, column)

    def effects(self) -> Iterator[str]:
        """Yield each request, and the text without it."""
        yield from self.asked
        if self.title or self.icon_name:
            yield f"title {self.title!r}"
        if left := self.mode - {modes.DECAWM, modes.DECTCEM}:
            yield f"modes {left}"
        for missing in {modes.DECAWM, modes.DECTCEM} - self.mode:
            yield f"mode {missing} is off"
        for number, row in self.buffer.items():
            for cell in row.values():
                if cell.bg != "default" or cell.reverse or cell.blink:
                    yield f"colours of their own in row {number}"
                    break


def emulated(data: bytes, columns: int, rows: int) -> Emulator:
    """Return the screen after these bytes; without a terminal driver, LF becomes CR LF."""
    screen = Emulator(columns, rows)
    pyte.Stream(screen).feed(re.sub(r"(?<!\r)\n", "\r\n", data.decode("utf-8", "replace")))
    return screen


def _on_screen(data: bytes, columns: int, rows: int) -> Iterator[Leak]:
    for effect in emulated(data, columns, rows).effects():
        yield Leak("?", "?", effect)
