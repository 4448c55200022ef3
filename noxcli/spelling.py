"""Other spellings of a text: without escapes and blanks, and the original place of each character."""

import re
from binascii import b2a_base64
from collections.abc import Iterator

LAYERS = 3  # of escapes, as in a URL inside JSON inside HTML
# How JSON, Python's repr, URLs and HTML escape a character. Each alone: what one escapes, the others do not.
ESCAPES = (
    r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[^uUx])",
    r"%[0-9A-Fa-f]{2}",
    r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos);",
)
LEADS = "\\%&"  # how each of them begins
MISREAD = 3  # how many times UTF-8 may have been decoded as Latin-1
NAMED_ESCAPES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}
CONTROLS = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\b": "\b", "\\f": "\f"}
BLANKS = r"\s+"
# One case, since host names are shown in lower case, and the two alphabets of base64 as one.
SAME = str.maketrans({**{chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)}, "-": "+", "_": "/"})


Way = tuple[str, ...]  # the patterns, compiled for the first secret


def reading(text: str) -> str:
    """Return the text in the form for comparison: without blanks, and in one case."""
    return "".join(text.split()).translate(SAME)


def readings(text: str) -> Iterator[tuple[Way, str]]:
    """Yield each reading of the text, none longer than it, and the escapes removed for it: none at first."""
    ways: dict[str, Way] = {text: ()}
    for plain in (waiting := [text]):
        way = ways[plain]
        yield way, reading(plain)
        for lead, escape in zip(LEADS, ESCAPES, strict=True) if len(way) < LAYERS else ():
            barer = re.sub(escape, _plain, plain) if lead in plain else plain
            if barer not in ways:
                ways[barer] = (*way, escape)
                waiting.append(barer)


def traced(text: str, way: Way) -> tuple[str, list[int]]:
    """Return that reading, and the original place in `text` of each of its characters."""
    places = list(range(len(text)))
    for pattern in (*way, BLANKS):
        pieces: list[str] = []
        kept: list[int] = []
        at = 0
        for match in re.finditer(pattern, text):
            start, plain = match.start(), _plain(match)
            pieces += (text[at:start], plain)
            kept += places[at:start] + [places[start]] * len(plain)
            at = match.end()
        text, places = "".join([*pieces, text[at:]]), kept + places[at:]
    return text.translate(SAME), places


def sought(text: str) -> Iterator[str]:
    """Yield what to search for in the readings of other texts to find this one."""
    for spelled in {text, text.replace(" ", "+")}:  # as in a form
        # Headers are read as Latin-1, and a redirect to their content is encoded once more.
        for _ in range(MISREAD + 1):
            yield reading(spelled)
            spelled = spelled.encode().decode("latin-1")
    units = text.encode("utf-16-be")
    yield reading("".join(chr(units[at] << 8 | units[at + 1]) for at in range(0, len(units), 2)))  # as JSON escapes it
    raw = text.encode()
    for before in range(3):
        # The text before it shifts the bits; characters that share bits with their neighbors are omitted.
        encoded = b2a_base64(bytes(before) + raw, newline=False)
        first, end = (0, 2, 3)[before], 8 * (before + len(raw)) // 6
        yield reading(encoded[first:end].decode())


def _plain(match: re.Match[str]) -> str:
    escape = match[0]
    if escape.isspace():
        return ""
    if escape in NAMED_ESCAPES or escape in CONTROLS:
        return NAMED_ESCAPES.get(escape) or CONTROLS[escape]
    if escape[0] == "&":
        digits = escape[2:-1]
        code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    elif escape[0] == "%":
        code = int(escape[1:], 16)
    elif escape[1] in "uUx":
        code = int(escape[2:], 16)
    else:
        return escape[1]
    return chr(code) if code <= 0x10FFFF else escape
