"""The mask that removes the API key and secrets from all text that noxcli writes."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from typing import Any

HIDDEN, HIDDEN_KEY = "***", "[key]"
MIN_SECRET = 6  # characters: hiding each `1` or `prod` would make messages unreadable
MIN_PART = 4  # characters that reveal something, at the edge of a truncated text
# Marks around a truncated text; at its end, perhaps half an escape.
BEFORE = r"""[.…"'`(\[{<]*"""
AFTER = r"""(?:[.…"'`)\]}>]|\\(?:u[0-9a-f]{0,3})?|%[0-9a-f]?)*$"""
# How a text may be escaped: not at all, for JSON (or by Python, which quotes bytes in errors), for a URL.
ESCAPES = {"": "(?!)", "\\": r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[^ux])", "%": "%[0-9A-Fa-f]{2}"}
CONTROLS = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\b": "\b", "\\f": "\f"}

# What looks like a key where none belongs: by the beginnings that keys have, or as long and mixed as they are.
KEY_BEGINS = r"\b(?:sk|pk|rk|ghp|xox[a-z])[-_][\w-]{6,}"
KEY_WHOLE = r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[\w-]{20,}"

Found = tuple[int, int, str]  # from, to, and what to write instead


class Mask:
    """The mask of all text that noxcli writes: it removes the API key and the secrets that it has learned.

    It finds them in plain form, escaped for JSON or a URL, and in base64; in any case, and split across lines. It does
    not search for values shorter than `MIN_SECRET` characters.
    """

    def __init__(self, secrets: Iterable[str] = (), *, key: str = "") -> None:
        self._shown: dict[str, str] = {}  # the replacement of each spelling of a secret
        self._shortest = inf  # characters of a spelling
        self.learn(secrets)
        self.learn([key], HIDDEN_KEY)

    def learn(self, secrets: Iterable[str], shown: str = HIDDEN) -> None:
        """Replace these with `shown` from now on, and each of their lines, since servers quote line by line."""
        for secret in secrets:
            for part in filter(can_hide, (secret, *secret.splitlines())):
                self._shown |= dict.fromkeys(_spellings(part), shown)
                self._shortest = min(map(len, self._shown))

    def __call__(self, text: str) -> str:
        return (
            text if len(text) < self._shortest and text.isascii() else _without(text, self._whole)
        )

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
                yield from ((*found.span(), shown) for found in re.finditer(re.escape(one), seen))

    def _parts_at_edges(self, seen: str) -> Iterator[Found]:
        before, after = re.match(BEFORE, seen), re.search(AFTER, seen)
        start, end = before.end() if before else 0, after.start() if after else len(seen)
        core = seen[start:end]
        for one, shown in self._shown.items():
            if size := _begun(one[::-1], core[::-1]):
                yield start, start + size, shown
            if size := _begun(one, core):
                yield end - size, end, shown


def looks_like_key(word: str) -> bool:
    """True if a word of a command line may be an API key: a message about a mistake does not repeat it."""
    return bool(re.search(KEY_BEGINS, word) or re.fullmatch(KEY_WHOLE, word.rpartition("=")[2]))


def can_hide(secret: str) -> bool:
    """True if the secret is long enough that hiding it does not damage other words."""
    return len("".join(secret.split())) >= MIN_SECRET


def _spellings(secret: str) -> Iterator[str]:
    """Yield what to search for in a text without escapes and blanks."""
    cases = {secret, secret.upper(), secret.lower()}
    for text in cases | {text.replace(" ", "+") for text in cases}:  # as in a form
        raw, units = text.encode(), text.encode("utf-16-be")
        yield _folded(text)
        yield _folded(raw.decode("latin-1"))  # byte by byte, as in a URL or a header
        yield _folded(
            "".join(chr(units[at] << 8 | units[at + 1]) for at in range(0, len(units), 2))
        )  # as in JSON
        for before in range(3):
            # The text before it shifts the bits; characters that share bits with their neighbors are omitted.
            middle = slice((0, 2, 3)[before], 8 * (before + len(raw)) // 6)
            for encoded in (b64encode(bytes(before) + raw), urlsafe_b64encode(bytes(before) + raw)):
                yield _folded(encoded[middle].decode())


def _folded(text: str) -> str:
    return "".join(text.casefold().split())


def _plain(escape: re.Match[str]) -> str:
    if escape[0][:2] in {"\\u", "\\x"}:
        return chr(int(escape[0][2:], 16))
    return CONTROLS.get(escape[0]) or (
        chr(int(escape[0][1:], 16)) if escape[0][0] == "%" else escape[0][1]
    )


def _without(text: str, find: Callable[[str], Iterable[Found]]) -> str:
    """Return the text without what is found in any of its readings; overlapping matches become one."""
    spans: list[Found] = []
    for lead, escapes in ESCAPES.items():
        if lead in text and (
            found := list(find(_folded(re.sub(escapes, _plain, text) if lead else text)))
        ):
            places = _places(text, escapes)
            spans += [(places[start][0], places[end - 1][1], shown) for start, end, shown in found]
    if not spans:
        return text
    kept, at = [], 0
    for start, end, shown in sorted(spans):
        if start >= at:
            kept += [text[at:start], shown]
        at = max(at, end)
    return "".join([*kept, text[at:]])


def _places(text: str, escapes: str) -> list[tuple[int, int]]:
    """Return where in the text each character of its reading is from."""
    return [
        found.span()
        for found in re.finditer(rf"{escapes}|\S", text)
        for letter in _folded(_plain(found) if len(found[0]) > 1 else found[0])
    ]


def _begun(one: str, text: str) -> int:
    """Return how many of the first characters of `one` the text ends with, 0 if they are too few to reveal anything."""
    at = text.find(one[:MIN_PART], max(0, len(text) - len(one) + 1))
    while at >= 0:
        if one.startswith(text[at:]):
            return len(text) - at
        at = text.find(one[:MIN_PART], at + 1)
    return 0
