"""An HTML report, as read by an independent parser."""

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "input", "br"}
# All elements of a page; of SVG, only those that draw.
TAGS = VOID | {
    *(
        "html",
        "head",
        "title",
        "style",
        "body",
        "main",
        "script",
        "article",
        "header",
        "footer",
        "h1",
        "h2",
    ),
    *(
        "h3",
        "p",
        "small",
        "b",
        "bdi",
        "code",
        "pre",
        "span",
        "div",
        "dl",
        "dt",
        "dd",
        "ul",
        "li",
        "a",
        "details",
    ),
    *("summary", "ins", "del", "fieldset", "label", "svg", "rect", "line", "text"),
}
ATTRIBUTES = {
    *(
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "rel",
        "href",
        "class",
        "id",
        "tabindex",
        "open",
    ),
    *(
        "title",
        "type",
        "checked",
        "for",
        "aria-label",
        "aria-hidden",
        "x",
        "y",
        "dx",
        "dy",
        "x1",
        "x2",
        "y1",
    ),
    *("y2", "width", "height", "text-anchor"),
}


class PageReader(HTMLParser):
    """The content of a page, as read by an independent parser."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.said: list[str] = []
        self.meta: dict[str, str] = {}
        self._in = ""
        self.inner: dict[str, str] = {"style": "", "script": ""}
        self.feed(Path(path).read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.attributes |= given.keys()
        self._in = tag
        if "href" in given and tag != "link":
            self.links.append(str(given["href"]))
        if tag == "meta":
            self.meta[str(given.get("http-equiv") or given.get("name"))] = str(given.get("content"))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the signature is theirs
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in in self.inner:
            self.inner[self._in] += data
        else:
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())
