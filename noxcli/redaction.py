"""The mask that removes the API key and secrets from all text that noxcli writes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from noxcli.spelling import Way, reading, readings, sought, traced

HIDDEN, HIDDEN_KEY = "***", "[key]"
LEAST = 6  # characters: hiding each `1` or `prod` would make messages unreadable
LEAST_PART = 4  # characters that reveal something, at the edge of a truncated text
# Marks around a truncated text; at its end, perhaps half an escape.
BEFORE = r"""[.…"'`(\[{<]*"""
AFTER = r"""(?:[.…"'`)\]}>]|\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?|%[0-9a-f]?|&\#?[0-9a-z]{0,5})*$"""


class Mask:
    """The mask of all text that noxcli writes: it removes the API key and the secrets that it has learned.

    It finds them in plain form and as a server or a library may quote them: escaped for JSON, HTML, URLs or Python,
    in base64, split across lines. It does not search for values shorter than `LEAST` characters.
    """

    def __init__(self, secrets: Iterable[str] = (), *, key: str = "") -> None:
        self._shown: dict[str, str] = {}  # the replacement of each reading of a secret, longest first
        self._shortest = float("inf")  # characters of a reading to search for
        self.learn(secrets)
        self.learn([key], HIDDEN_KEY)

    def learn(self, secrets: Iterable[str], shown: str = HIDDEN) -> None:
        """Replace these with `shown` from now on."""
        found = dict(self._shown)
        for secret in secrets:
            for part in {secret, *secret.splitlines()} - {""}:
                found.update((one, shown) for one in sought(part) if can_hide(one))
        self._shown = dict(sorted(found.items(), key=lambda item: len(item[0]), reverse=True))
        self._shortest = min(map(len, found), default=float("inf"))

    def learn_key(self, key: str) -> None:
        """Hide the API key from now on."""
        self.learn([key], HIDDEN_KEY)

    def __call__(self, text: str) -> str:
        for way in self._ways(text):
            text = self._without(text, way)
        return text

    def torn(self, text: str) -> str:
        """Return a part of a longer text, with partial secrets at its edges hidden as well."""
        text = self(text)
        for way in [way for way, seen in readings(text) if any(self._parts_at_edges(seen))]:
            seen, places = traced(text, way)
            text = _replaced(text, places, self._parts_at_edges(seen))
        return text

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

    def _ways(self, text: str) -> list[Way]:
        """Return the ways to read a secret in the text."""
        if len(text) < self._shortest:
            return []  # no reading is longer than the text
        return [way for way, seen in readings(text) if any(one in seen for one in self._shown)]

    def _without(self, text: str, way: Way) -> str:
        seen, places = traced(text, way)
        found = []
        for one, shown in self._shown.items():
            at = seen.find(one)
            while at >= 0:
                found.append((at, at + len(one), shown))
                at = seen.find(one, at + len(one))
        return _replaced(text, places, found)

    def _parts_at_edges(self, seen: str) -> Iterator[tuple[int, int, str]]:
        before, after = re.match(BEFORE, seen), re.search(AFTER, seen)
        start, end = before.end() if before else 0, after.start() if after else len(seen)
        core = seen[start:end]
        for one, shown in self._shown.items():
            if size := _begun(one[::-1], core[::-1]):
                yield start, start + size, shown
            if size := _begun(one, core):
                yield end - size, end, shown


def can_hide(secret: str) -> bool:
    """True if the secret is long enough that hiding it does not damage other words."""
    return len(reading(secret)) >= LEAST


def _begun(one: str, text: str) -> int:
    """Return how many of the first characters of `one` the text ends with, 0 if they are too few to reveal anything."""
    at = text.find(one[:LEAST_PART], max(0, len(text) - len(one) + 1))
    while at >= 0:
        if one.startswith(text[at:]):
            return len(text) - at
        at = text.find(one[:LEAST_PART], at + 1)
    return 0


def _replaced(text: str, places: list[int], found: Iterable[tuple[int, int, str]]) -> str:
    """Return the text with all matches in its reading replaced; overlapping matches become one."""
    spans: list[tuple[int, int, str]] = []
    for start, end, shown in sorted(found):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]), spans[-1][2])
        else:
            spans.append((start, end, shown))
    for start, end, shown in reversed(spans):
        first, after = places[start], places[end] if end < len(places) else len(text)
        hidden = text[first:after]
        text = text[:first] + shown + hidden[len(hidden.rstrip()) :] + text[after:]
    return text
