"""The frame of a self-contained page, and the escaping of remote text in it."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files
from math import isfinite
from os.path import relpath
from pathlib import Path
from typing import Any
from urllib.parse import quote

from noxcli.fixed import fixed
from noxcli.masking import Mask
from noxcli.outputs.values import as_text
from noxcli.render.text import shorten, visible
from noxcli.timing import show_seconds

HERE = files(__name__.rpartition(".")[0])
LINE_WIDTH = 4000  # characters of one line
LARGEST_TEXT = 200_000  # characters of one output, input or message
MOST_SEARCHED = 4  # times the shown length is searched for secrets, since their replacements are shorter


@fixed
class Ink:
    """Escapes remote text for a page: without secrets, control characters or markup.

    Links are relative to the directory `base`.
    """

    mask: Mask
    base: Path = Path()

    def plain(self, value: Any, width: int = LINE_WIDTH) -> str:
        """Return one safe line, not escaped for HTML yet."""
        return shorten(visible(self.mask(value if isinstance(value, str) else as_text(value))), width)

    def cut(self, begun: str, width: int) -> str:
        """Return the same for the beginning of a text, which may end within a secret."""
        return shorten(visible(self.mask.torn(begun)), width)

    def line(self, value: Any, width: int = LINE_WIDTH) -> str:
        """Return one line for an element or an attribute in quotes."""
        return escape(self.plain(value, width))

    def block(self, value: Any, most: int = LARGEST_TEXT) -> str:
        """Return the beginning of a text or a JSON value in its own lines, as an element."""
        text = as_text(value)
        begun = self.mask.torn(text[: MOST_SEARCHED * most])[:most]
        shown = escape("\n".join(visible(line, None) for line in begun.split("\n")))
        more = f'<p class="dim">The first {len(begun):,} of {len(text):,} characters.</p>' if len(text) > most else ""
        return f'<pre tabindex="0"><bdi>{shown}</bdi></pre>{more}'

    def link(self, path: str, words: str) -> str:
        """Return a link to a file on this machine: relative, so that no name in it can be a scheme or a host."""
        try:
            way = relpath(path, self.base)
        except ValueError:  # a null byte, or another drive
            return f"<bdi>{self.line(words)}</bdi>"
        address = "/".join(quote(part, safe="", errors="surrogatepass") for part in Path(way).parts)
        return f'<a href="./{escape(address)}"><bdi>{self.line(words)}</bdi></a>'


def page(title: str, body: Iterable[str], rules: str = "") -> Iterator[bytes]:
    """Yield a page; the title is escaped. `rules` are added to its style."""
    style, script = (HERE / "style.css").read_text("utf-8") + rules, (HERE / "script.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; style-src {_hash_of(style)}; script-src {_hash_of(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    ).encode()
    for part in body:
        yield f"{part}\n".encode()
    yield f"<footer>Written by noxcli.</footer>\n<script>{script}</script>\n</body>\n</html>\n".encode()


def show_short(seconds: float) -> str:
    """Return a duration, below one second in milliseconds."""
    return f"{seconds * 1000:.0f}ms" if seconds < 0.9995 else show_seconds(seconds)


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object of an untrusted document, empty if it is anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a list of such a document."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """Return a number of such a document."""
    right = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12 and isfinite(value)
    return float(value) if right else None
