"""Markdown tables, whose cells show their text unchanged."""

import re
from collections.abc import Iterable, Sequence

Cells = Sequence[str]


def escaped(text: str) -> str:
    """Return plain text as Markdown for a table cell that shows it unchanged; only `code` keeps its meaning."""
    pieces = re.split(r"(`[^`]*`)", " ".join(text.split()))
    shown = [
        piece if place % 2 else re.sub(r"([*\\])", r"\\\1", piece.replace("<", "&lt;"))
        for place, piece in enumerate(pieces)
    ]
    return "".join(shown).replace("|", "\\|")


def code(text: str) -> str:
    """Return a text as code for a cell."""
    return f"`{text}`".replace("|", "\\|")


def table(head: Cells, rows: Iterable[Cells]) -> str:
    """Return a Markdown table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"|{'|'.join(f' {cell} ' if cell != '---' else cell for cell in line)}|\n" for line in lines
    )
