"""Plain words in pages, messages and help; one word for one thing in code, comments and tests (CONTRIBUTING: Words)."""

import ast
import io
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "man").glob("*.1")]
CLIENT = [path for path in sorted((ROOT / "noxcli").rglob("*.py")) if "sandbox" not in path.parts]
CODE = [*CLIENT, *(ROOT / "noxcli" / "sandbox").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
MOST_DOUBLED = 0  # public names that two modules of the client define, but for Options and execute of each verb
MOST_IN_THE_GUIDE = 2
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


# A phrase, and what a reader understands at once.
PLAINER = {
    r"""(?<!~)\b(nobody|anybody|somebody|whoever|whichever|whatever)\b""": "nobody → no one; name the subject",
    r"""\b(is|are|was|were|be|been|being) told\b|\bcan(?:'t|not) (?:be told|tell (?:\w+ ){1,4}from)\b""": "reported; cannot distinguish",  # noqa: E501
    r"""\b(runs?|batch|it|that|they|which|may|to|list) (go|goes|going|went) on\b""": "continues, is still running",
    r"""\b(what|that|which|none) (is|are|was|were) left\b(?! (out|blank)\b)|\bleft as (it|they) (is|are)\b|\bwas left \{""": "remaining, still running",  # noqa: E501
    r"""\b(ask|asks|asked|asking)\b[^.;|]{0,40}\b(again|once more)\b""": "re-run, retry",
    r"""\bso many\b(?! that\b)""": "give the number or parameter",
    r"""\b(is|are|was|were|be) good\b(?! (for|at|enough)\b)|\bfinds? good\b|\bgood (rows?|answers?|repetitions?)\b""": "passes",
    r"""\b(ask|asks|asked) for\b""": "requests",
    r"""\bstands? (in|beside|at|below|above|next|among|where|on)\b""": "is in",
    r"""\bmay have left\b(?! out)|\bbytes?\b[^.;|]{0,25}\b(leaves?|left)\b""": "may have been sent",
    r"""\bat once\b""": "immediately, or together",
    r"""\bas far as\b""": "if known, where",
    r"""\b(this|which|each|every|other|its|cross|these|whose) rooms?\b(?! (for|to)\b)|\bground floor\b|\bthree trips\b|\bits twin\b|\btells? (its|the) (story|rest)\b""": "package, layer",  # noqa: E501
    r"""\ba person\b|\b(for|what|and) people\b|\bpeople (type|read|know|should|write)\b|\b(for|by) eyes\b""": "user; human-readable",  # noqa: E501
    r"""\b(is|are|was|were|be|been) (waited for|borne|let go)\b|\bis forgiven\b|\bare forgiven\b""": "active voice",
    r"""\bany more\b""": "no longer",
    r"""\bthe whole(?=[.;,):|\"])""": "full output",
    r"""\b(take|takes|taken|took|taking) (it|them|that|this|those|any \w+(?: \w+)?) for\b|\btaken for\b""": "treat as",
    r"""\b(is|are|was|were) not there\b|\bthat there (is|are) not\b|\bwhat is there\b""": "missing, does not exist",
    r"""\blook(s|ed)? (once|again|inside)\b|\bto look at\b|\b(a|one|last) look\b(?!-)""": "poll, check",
    r"""\b(in|by) words\b|\bby what in words\b""": "as text; word diff",
    r""", too\b""": "also",
    r"""\bha(s|ve|d) had (its|their)\b|\bbec(ame|omes) of\b""": "result, exceeded",
    r"""\bbesides?\b""": "next to, also",
    r"""\bof then\b|\bby then\b|\bjust now\b""": "earlier, recently",
}
# Hits that may stay, each for its reason: maxima, which may only fall.
ALLOWED = {
    "re-run, retry": 2,  # the names of notes in JSON ("asked again") are promises
    "no one; name the subject": 2,  # a sentence of the sandbox's answers
    "also": 1,  # "too short to hide": too is "more than is allowed" there
}


def words_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts and comments of a module with their line: an f-string as one text, adjacent comments as one."""
    source = path.read_text()
    tree = ast.parse(source)
    within = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}"
                    for part in node.values
                ),
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in within
        ):
            yield node.lineno, node.value
    comment: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comment.append(token.string.lstrip("# "))
        elif comment and token.type != tokenize.NL:
            yield token.start[0], " ".join(comment)
            comment = []


def hits(texts: Iterable[str]) -> Counter[str]:
    """Return how often each phrase is in the texts, by what is plainer."""
    counted = Counter[str]()
    apart = "\0.\0".join(
        re.sub(r"\s+", " ", text) for text in texts
    )  # no phrase reaches into another text
    for phrase, plainer in PLAINER.items():
        counted[plainer.partition(" \u2192 ")[2] or plainer] += len(
            re.findall(phrase, apart, re.IGNORECASE)
        )
    return +counted


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


def test_code_and_help_use_the_plainer_phrase() -> None:
    code = (text for path in (ROOT / "noxcli").rglob("*.py") for _, text in words_of(path))
    manual = (path.read_text().replace("\\-", "-") for path in (ROOT / "man").glob("*.1"))
    schemas = (path.read_text() for path in (ROOT / "noxcli" / "schemas").glob("*.json"))
    assert hits(["rows are good; ask it again"]) == {"passes": 1, "re-run, retry": 1}
    assert {
        plainer: count
        for plainer, count in hits([*code, *manual, *schemas]).items()
        if count > ALLOWED.get(plainer, 0)
    } == {}


def test_the_guide_gets_no_more_of_them() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert sum(hits(path.read_text() for path in pages).values()) <= MOST_IN_THE_GUIDE


def test_a_text_is_read_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(
        'what = f"{1} rows to be asked {2}" " again"\n# as far\n# as it is at\n# once\n'
    )
    assert hits(text for _, text in words_of(tmp_path / "x.py")) == {
        "re-run, retry": 1,
        "if known, where": 1,
        "immediately, or together": 1,
    }


@pytest.mark.parametrize(
    "phrase", ["close it behind an end", "rows behind that number", "all of them and the mend"]
)
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
        if isinstance(node, ast.FunctionDef) and (
            is_participle(node.name)
            or any("property" in ast.unparse(each) for each in node.decorator_list)
        ):
            calls = [
                ast.unparse(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)
            ]
            if any(map(REACHING.fullmatch, calls)):
                yield node.name


def test_a_participle_that_reads_a_file_is_found() -> None:
    assert [*quiet_names("def resolved(noxus):\n    return noxus.api.get_run('r')")] == ["resolved"]
    assert [*quiet_names("@property\ndef size(self):\n    return os.stat(self.path)")] == ["size"]


def test_what_reaches_disk_network_or_terminal_is_a_verb() -> None:
    assert {
        path.name: names for path in CLIENT if (names := [*quiet_names(path.read_text())])
    } == {}
