"""`Html`, and what makes it: all else in a page is text, without secrets, controls or markup."""

import base64
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from importlib.resources import files
from os.path import relpath
from pathlib import Path
from typing import Any
from urllib.parse import quote

from noxcli import __version__
from noxcli.masking import Mask
from noxcli.outputs.values import as_text
from noxcli.render.text import shorten, visible

HERE = files(__name__.rpartition(".")[0])
LINE_WIDTH = 4000  # characters of one line
MAX_TEXT = 200_000  # characters of one output, input or message
MAX_COMMAND = 600  # characters of the command line in the footer
# The shown length times this is searched for secrets, since their replacements are shorter.
MAX_SEARCHED = 4


class Html(str):
    """Markup that is ready for a page."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Makes the elements of one page. Links are relative to the directory `base`.

    `argv` and `at` are the command line that writes it and the moment, `server` is the address that
    it asked, if any.
    """

    mask: Mask
    base: Path = Path()
    argv: Sequence[str] = ()
    at: datetime | None = None
    server: str = ""

    def tag(self, name: str, /, *content: Any, **attributes: Any) -> Html:
        """Return an element.

        `class_` is `class`, `aria_label` is `aria-label`; None and False are left out.
        """
        head = name
        for key, value in attributes.items():
            if value is None or value is False:
                continue
            head += f" {key.rstrip('_').replace('_', '-')}"
            if value is not True:
                head += f'="{self.text(value)}"'
        if name == "input":
            return Html(f"<{head}>")
        return Html(f"<{head}>{self.joined(content)}</{name}>")

    def joined(self, content: Iterable[Any]) -> Html:
        """Return everything that is not None side by side."""
        return Html("".join(self.text(value) for value in content if value is not None))

    def text(self, value: Any, width: int = LINE_WIDTH) -> Html:
        """Return Html as it is, and anything else as one line of limited length."""
        if isinstance(value, Html):
            return value
        text = value if isinstance(value, str) else as_text(value)
        return Html(escape(shorten(visible(self.mask(text)), width)))

    def bdi(self, value: Any, width: int = LINE_WIDTH) -> Html:
        """Return a line whose direction of writing has no effect on what is around it."""
        return self.tag("bdi", self.text(value, width))

    def peek(self, value: Any, width: int) -> Html:
        """Return one line with the beginning of a text or a JSON value."""
        return self.tag("bdi", Html(escape(shorten(visible(self.begun(value, width + 1)), width))))

    def begun(self, value: Any, most: int) -> str:
        """Return the beginning of a text or a JSON value, which may end within a secret."""
        return self.mask.torn(as_text(value)[: MAX_SEARCHED * most])[:most]

    def block(
        self, value: Any, most: int = MAX_TEXT, draw: Callable[[str], Html] | None = None
    ) -> Html:
        """Return the beginning of a text or a JSON value in its own lines.

        `draw` makes the lines of a text, if they are not plain.
        """
        text = as_text(value)
        begun = self.begun(text, most)
        lines = self.lines(begun) if draw is None else draw(begun)
        shown = self.tag("pre", self.tag("bdi", lines), tabindex=0)
        if len(text) <= most:
            return shown
        more = f"The first {len(begun):,} of {len(text):,} characters."
        return self.joined([shown, self.dim(more)])

    def lines(self, text: str) -> Html:
        """Return a text in its own lines, which the mask has seen."""
        lines = [escape(visible(line, None), quote=False) for line in text.split("\n")]
        return Html("\n".join(lines))

    def dim(self, words: str) -> Html:
        """Return a remark."""
        return self.tag("p", words, class_="dim")

    def heading(self, words: str, small: Any = None) -> Html:
        """Return the title of a part, and the note next to it."""
        if not small:
            return self.tag("h2", words)
        return self.tag("h2", words, " ", self.tag("small", small))

    def link(self, path: str, words: str) -> Html:
        """Return a link to a file on this machine.

        It is relative, so that no name in it can be a scheme or a host.
        """
        try:
            way = relpath(path, self.base)
        except ValueError:  # a null byte, or another drive
            return self.bdi(words)
        address = "/".join(quote(part, safe="", errors="surrogatepass") for part in Path(way).parts)
        return self.tag("a", self.bdi(words), href=Html(f"./{escape(address)}"))

    def whole(self, title: str, body: Iterable[Html], rules: str = "") -> Iterator[bytes]:
        """Yield the whole page. `rules` are added to its style."""
        style = (HERE / "style.css").read_text("utf-8") + rules
        script = (HERE / "script.js").read_text("utf-8")
        policy = (
            f"default-src 'none'; style-src {_hash_of(style)}; script-src {_hash_of(script)}; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        )
        yield (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
            f"<title>{self.text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        ).encode()
        yield b"<main>\n"
        for part in body:
            yield f"{self.text(part)}\n".encode()
        written = f"Written by noxcli {__version__}"
        if self.at is not None:
            written += f" on {show_moment(self.at)}"
        command = None
        if self.argv:
            line = shlex.join(["noxcli", *self.argv])
            command = self.tag("code", self.text(line, MAX_COMMAND))
        footer = self.tag("footer", written, command)
        yield f"</main>\n{footer}\n<script>{script}</script>\n</body>\n</html>\n".encode()


def show_moment(moment: datetime) -> str:
    """Return a readable time, to the minute: `27 Nov 2026 09:09 UTC`."""
    return f"{moment.astimezone(UTC):%d %b %Y %H:%M} UTC".removeprefix("0")


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
