"""The mask that removes the API key and secrets from all text that noxcli writes."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from typing import Any

HIDDEN = "***"
HIDDEN_KEY = "[key]"
MIN_SECRET = 6  # characters: hiding each `1` or `prod` would make messages unreadable
MIN_PART = 4  # characters that reveal something, at the edge of a truncated text
# Marks around a truncated text; at its end, perhaps half an escape.
BEFORE = r"""[.…"'`(\[{<]*"""
AFTER = r"""(?:[.…"'`)\]}>]|\\(?:u[0-9a-f]{0,3})?|%[0-9a-f]?)*$"""
# How a text may be escaped: not at all, for JSON (or by Python, which quotes bytes in errors), for
# a URL.
ESCAPES = {"": "(?!)", "\\": r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[^ux])", "%": "%[0-9A-Fa-f]{2}"}
CONTROLS = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\b": "\b", "\\f": "\f"}

# What looks like a key where none belongs: by the beginnings that keys have, or as long and mixed
# as they are.
KEY_BEGINS = r"\b(?:sk|pk|rk|ghp|xox[a-z])[-_][\w-]{6,}"
KEY_WHOLE = r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[\w-]{20,}"

Found = tuple[int, int, str]  # from, to, and what to write instead


class Mask:
    """The mask of all text that noxcli writes: it removes the API key and the secrets that it has
    learned.

    It finds them in plain form, escaped for JSON or a URL, and in base64; in any case, and split
    across lines. It does not search for values shorter than `MIN_SECRET` characters.
    """

    def __init__(self, secrets: Iterable[str] = (), *, key: str = "") -> None:
        self._shown: dict[str, str] = {}  # the replacement of each spelling of a secret
        self._shortest = inf  # characters of a spelling
        self.learn(secrets)
        self.learn([key], HIDDEN_KEY)

    def learn(self, secrets: Iterable[str], shown: str = HIDDEN) -> None:
        """Replace these with `shown` from now on, and each of their lines: servers quote lines."""
        for secret in secrets:
            for part in filter(can_hide, (secret, *secret.splitlines())):
                self._shown |= dict.fromkeys(_spellings(part), shown)
                self._shortest = min(map(len, self._shown))

    def __call__(self, text: str) -> str:
        if len(text) < self._shortest and text.isascii():
            return text
        return _without(text, self._whole)

    def torn(self, text: str) -> str:
        """Return a part of a longer text, with partial secrets at its edges hidden as well."""
        return _without(text, lambda seen: (*self._whole(seen), *self._parts_at_edges(seen)))

    def whole(self, value: Any) -> Any:
        """Return a JSON value with the secrets in each of its texts hidden."""
        match value:
            case str():
                return self(value)
            case Mapping():
                return {key: self.whole(item) for key, item in value.items()}
            case list() | tuple():
                return [self.whole(item) for item in value]
            case _:
                return value

    def _whole(self, seen: str) -> Iterator[Found]:
        for one, shown in self._shown.items():
            if one in seen:
                for found in re.finditer(re.escape(one), seen):
                    yield found.start(), found.end(), shown

    def _parts_at_edges(self, seen: str) -> Iterator[Found]:
        start = 0
        end = len(seen)
        before = re.match(BEFORE, seen)
        if before is not None:
            start = before.end()
        after = re.search(AFTER, seen)
        if after is not None:
            end = after.start()
        core = seen[start:end]
        for one, shown in self._shown.items():
            at_start = _begun(one[::-1], core[::-1])
            if at_start > 0:
                yield start, start + at_start, shown
            at_end = _begun(one, core)
            if at_end > 0:
                yield end - at_end, end, shown


def looks_like_key(word: str) -> bool:
    """True if a word of a command line may be an API key, which no message may repeat."""
    if re.search(KEY_BEGINS, word):
        return True
    return re.fullmatch(KEY_WHOLE, word.rpartition("=")[2]) is not None


def can_hide(secret: str) -> bool:
    """True if the secret is long enough that hiding it does not damage other words."""
    return len("".join(secret.split())) >= MIN_SECRET


def _spellings(secret: str) -> Iterator[str]:
    """Yield what to search for in a text without escapes and blanks."""
    cases = {secret, secret.upper(), secret.lower()}
    for text in cases | {text.replace(" ", "+") for text in cases}:  # as in a form
        raw = text.encode()
        yield _folded(text)
        yield _folded(raw.decode("latin-1"))  # byte by byte, as in a URL or a header
        yield _folded(_in_units(text))  # as in JSON
        # The text before it shifts the bits; characters that share bits with others are omitted.
        for before, begin in enumerate((0, 2, 3)):
            shifted = bytes(before) + raw
            end = 8 * len(shifted) // 6
            yield _folded(b64encode(shifted)[begin:end].decode())
            yield _folded(urlsafe_b64encode(shifted)[begin:end].decode())


def _in_units(text: str) -> str:
    """Return the text with a character for each unit of UTF-16; some characters have two."""
    units = text.encode("utf-16-be")
    return "".join(chr(units[at] << 8 | units[at + 1]) for at in range(0, len(units), 2))


def _folded(text: str) -> str:
    return "".join(text.casefold().split())


def _plain(escape: re.Match[str]) -> str:
    written = escape[0]
    if written.startswith(("\\u", "\\x")):
        return chr(int(written[2:], 16))
    if written.startswith("%"):
        return chr(int(written[1:], 16))
    return CONTROLS.get(written, written[1])


def _without(text: str, find: Callable[[str], Iterable[Found]]) -> str:
    """Return the text without what is found in any of its readings.

    Overlapping matches become one.
    """
    spans: list[Found] = []
    for lead, escapes in ESCAPES.items():
        if lead not in text:
            continue
        reading = text
        if lead:
            reading = re.sub(escapes, _plain, text)
        found = list(find(_folded(reading)))
        if not found:
            continue
        places = _places(text, escapes)
        for start, end, shown in found:
            spans.append((places[start][0], places[end - 1][1], shown))
    if not spans:
        return text
    kept = ""
    at = 0
    for start, end, shown in sorted(spans):
        if start >= at:
            kept += text[at:start] + shown
        at = max(at, end)
    return kept + text[at:]


def _places(text: str, escapes: str) -> list[tuple[int, int]]:
    """Return where in the text each character of its reading is from."""
    places: list[tuple[int, int]] = []
    for found in re.finditer(rf"{escapes}|\S", text):
        letter = found[0]
        if len(letter) > 1:
            letter = _plain(found)
        places += [found.span()] * len(_folded(letter))
    return places


def _begun(one: str, text: str) -> int:
    """Return how many first characters of `one` the text ends with, 0 for too few to reveal it."""
    at = text.find(one[:MIN_PART], max(0, len(text) - len(one) + 1))
    while at >= 0:
        if one.startswith(text[at:]):
            return len(text) - at
        at = text.find(one[:MIN_PART], at + 1)
    return 0
