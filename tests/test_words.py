"""The words of help, messages, comments and docs: those that readers stumble over stay out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Each with what says the same in plain words.
WORSE = {
    r"(?<!there )\b(is|are) no (?!longer\b|more\b)": "is not a",
    r"\bleave (one of|--)": "remove one of them, drop --x",
    r"\bbehind (this|that|the (last|event|cursor|end|id))\b": "after",
    r"(?<!data-)\b(told|tells? of)\b": "reported, said",
    r"\b(nobody|whoever)\b": "no user, anyone who",
    r"\bcome what may\b": "in any case",
    r"\bg(o|oes|oing|one) on (?!stdout|stderr|the\b)": "continue",
    r"\b(come|comes|came) back\b": "return, arrive",
    r"\banew\b": "again",
    r"\bwhat is left (?!open)": "the rest",
    r"\bheld? against\b": "compared with",
    r"\bin force\b": "current",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bfor so (long|many)\b": "this long, this many",
    r"\ball the same\b": "still",
}
ANY = re.compile("|".join(WORSE), re.IGNORECASE)  # much faster than one after the other
# Texts of the demo workflows, which a model would write.
DEMO = {"noxcli/sandbox/builtin.py", "noxcli/sandbox/builtin_trouble.py"}
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "action.yml", "templates/run/template.yml"]


def modules() -> Iterator[Path]:
    for directory in ("noxcli", "scripts"):
        yield from (path for path in (ROOT / directory).rglob("*.py") if str(path.relative_to(ROOT)) not in DEMO)


def prose_in(module: Path) -> Iterator[str]:
    """Yield docstrings, comments, and the constant parts of strings that have a blank."""
    text = module.read_text()
    yield from re.findall(r"(?<!\S)# .*", text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.value


def pages() -> Iterator[Path]:
    yield from (ROOT / name for name in PAGES)
    for pattern in ("docs/**/*.md", "man/*.1", "noxcli/schemas/*.json", "completions/*noxcli*"):
        yield from ROOT.glob(pattern)


def found_in(text: str) -> Iterator[str]:
    flat = re.sub(r"`[^`]*`", "`", " ".join(text.split()))  # a name in code may be any word
    if not ANY.search(flat):
        return
    for worse, better in WORSE.items():
        for match in re.finditer(worse, flat, re.IGNORECASE):
            yield f"{flat[max(0, match.start() - 40) : match.end() + 20]!r}: say {better!r}"


def test_no_page_has_words_that_readers_stumble_over() -> None:
    found = [f"{path.relative_to(ROOT)}: {each}" for path in pages() for each in found_in(path.read_text())]
    assert found == []


def test_no_message_or_comment_has_words_that_readers_stumble_over() -> None:
    texts = ((path, text) for path in modules() for text in prose_in(path))
    found = [f"{path.relative_to(ROOT)}: {each}" for path, text in texts for each in found_in(text)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    ["5x is no duration", "leave one of the two", "Resume behind this redis_id", "it is gone on trying", "try it anew"],
)
def test_such_words_are_found(text: str) -> None:
    assert list(found_in(text))
