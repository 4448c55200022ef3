"""What ruff can't check: words that readers stumble over, and functions that are too long to be read at once."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "noxcli").rglob("*.py"))
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "man").glob("*.1")]
LONGEST = 60  # lines, including the docstring
WORSE = re.compile(
    r"(?<!there )\b(is|are) no (JSON|duration|input|run|number|URL|file|directory|option|workflow|list|text)\b"
    r"|\bleave (one of|--)|\bcome what may\b|\b(nobody|whoever)\b|\banew\b|\bmend(s|ed|ing)?\b|\bheld? against\b",
    re.IGNORECASE,
)


def test_texts_have_no_words_that_readers_stumble_over() -> None:
    texts = {path: path.read_text() for path in PAGES}
    assert len(texts) > 50
    assert WORSE.search("5x is no duration")
    assert {str(path): found[0] for path, text in texts.items() if (found := WORSE.search(text))} == {}


def test_functions_can_be_read_at_once() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > 500
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
