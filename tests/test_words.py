"""Plain words in pages, messages and help; one word for one thing in code, comments and tests (CONTRIBUTING: Words)."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "man").glob("*.1")]
CLIENT = [path for path in sorted((ROOT / "noxcli").rglob("*.py")) if "sandbox" not in path.parts]
CODE = [*CLIENT, *(ROOT / "noxcli" / "sandbox").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
MOST_DOUBLED = 5  # public names that two modules of the client define
# Not in pages, messages, help, and not in the client's comments either.
PLAIN = re.compile(
    r"(?<!there )\b(is|are) no (JSON|duration|input|run|number|URL|file|directory|option|workflow|list|text)\b"
    r"|\bleave (one of|--)|\bcome what may\b|(?<!~)\b(nobody|whoever)\b|\banew\b|\bmend(s|ed|ing)?\b|\bheld? against\b",
    re.IGNORECASE,
)
# What the glossary rules out: places in time and in files are `after`, and a fix is a `fix` or a `hint`.
RULED_OUT = re.compile(
    r"\bbehind (an? |the |that |this )?(end|number|event|id)\b|\b(rows|lines|events) behind\b|\bthe mend\b|\bmends\b"
    r"|\bsettle(d|s)? (for|on) (the )?(verdict|status)\b|\bjudge(s|d)? the (input|answer of the server)\b",
    re.IGNORECASE,
)


def words_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts and comments of a module, with their line."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield token.start[0], token.string


def found(pattern: re.Pattern[str], paths: list[Path]) -> dict[str, str]:
    return {
        f"{path.relative_to(ROOT)}:{line}": match[0]
        for path in paths
        if pattern.search(path.read_text())  # to split a module into its words takes long
        for line, text in words_of(path)
        if (match := pattern.search(text))
    }


def test_pages_have_no_words_that_readers_stumble_over() -> None:
    assert len(PAGES) > 50
    assert PLAIN.search("5x is no duration")
    texts = {str(path): path.read_text() for path in PAGES}
    assert {path: match[0] for path, text in texts.items() if (match := PLAIN.search(text))} == {}


def test_messages_and_help_have_none_either() -> None:
    assert len(CLIENT) > 100
    assert found(PLAIN, CLIENT) == {}


@pytest.mark.parametrize("phrase", ["close it behind an end", "rows behind that number", "all of them and the mend"])
def test_phrases_that_the_glossary_rules_out_are_found(phrase: str) -> None:
    assert RULED_OUT.search(phrase)


def test_code_and_tests_use_the_words_of_the_glossary() -> None:
    assert found(RULED_OUT, [path for path in CODE if path != Path(__file__)]) == {}


def test_a_name_stands_for_one_thing() -> None:
    where = defaultdict[str, set[str]](set)
    for path in CLIENT:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                where[node.name].add(str(path.relative_to(ROOT)))
    doubled = {name: sorted(paths) for name, paths in where.items() if len(paths) > 1}
    assert {"Options", "execute"} <= doubled.keys(), "each verb has these two"
    assert len(doubled) - 2 <= MOST_DOUBLED, doubled


# What reads or writes beyond this process: by the name that is called, or by whose method it is.
REACHING = re.compile(
    r"(.*\.)?(open|keep_trying|(read|write|open|save|send|fetch|upload|download|resolve|connect|print)_\w+)"
    r"|(.*\.)?_?(api|http|terminal|place|os)\.\w+"
)
PARTICIPLES = {
    "begun",
    "drawn",
    "found",
    "given",
    "kept",
    "known",
    "left",
    "made",
    "met",
    "sent",
    "shown",
    "taken",
    "told",
}


def is_participle(name: str) -> bool:
    first = name.strip("_").partition("_")[0]
    return first in PARTICIPLES or (first.endswith("ed") and first not in {"feed", "need"})


def quiet_names(source: str) -> Iterator[str]:
    """Yield the properties and participles whose function reaches beyond this process."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            is_value = is_participle(node.name) or any("property" in ast.unparse(each) for each in node.decorator_list)
            calls = [ast.unparse(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)]
            if is_value and any(map(REACHING.fullmatch, calls)):
                yield node.name


def test_a_participle_that_reads_a_file_is_found() -> None:
    assert [*quiet_names("def resolved(noxus):\n    return noxus.api.get_run('r')")] == ["resolved"]
    assert [*quiet_names("@property\ndef size(self):\n    return os.stat(self.path)")] == ["size"]


def test_what_reaches_disk_network_or_terminal_is_a_verb() -> None:
    assert {path.name: names for path in CLIENT if (names := [*quiet_names(path.read_text())])} == {}
