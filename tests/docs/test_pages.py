"""The guide is short: words in all, paragraphs, and a line on each page that names the sandbox's workflows."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from noxcli.app import verb_named
from noxcli.cli.verbs import VERBS
from noxcli.sandbox.builtin import BUILT_IN

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
OTHERS = {"architecture", "fidelity", "performance", "index"}  # about the project, not about a task
LONGEST_PARAGRAPH = 90  # words
MOST_WORDS = 20_750
MOST_IN_README = 750
MOST_LINES_OF_CHANGES = 70


def paragraphs(page: Path) -> Iterator[str]:
    """Yield the paragraphs and list items of a page, without code and tables."""
    text = re.sub(
        r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    yield from re.split(r"\n\n+|\n(?=[*-] |\d+\. )", text)


def workflows_in(page: Path) -> set[str]:
    """Return the sandbox's workflows that a page's commands run."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"(?<!`)(?:``)?`[^`]+`", text))
    verbs = "run|batch|gate|inputs|export|versions|runs"
    named = set(re.findall(rf"\bnoxcli\W+(?:{verbs})\W+([\w-]+)", blocks))
    named.update(re.findall(r"--judge\W+([\w-]+)", blocks))
    return named & {each.name for each in BUILT_IN}


def named_at_the_head(page: Path) -> set[str]:
    head = "\n".join(page.read_text(encoding="utf-8").splitlines()[:12])
    line = re.search(r"^(`.*) workflows? of the \[sandbox\]", head, re.MULTILINE)
    return set(re.findall(r"`([\w-]+)`", line[1])) if line else set()


def test_the_guide_is_short() -> None:
    assert sum(len(page.read_text(encoding="utf-8").split()) for page in PAGES) <= MOST_WORDS
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= MOST_IN_README
    assert (
        len((ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines())
        <= MOST_LINES_OF_CHANGES
    )


def test_no_paragraph_is_long() -> None:
    long = [
        f"{page.name}: {text.strip()[:60]}"
        for page in [*PAGES, ROOT / "README.md"]
        for text in paragraphs(page)
        if len(text.split()) > LONGEST_PARAGRAPH
    ]
    assert long == []


def test_a_page_names_the_workflows_of_the_sandbox() -> None:
    pages = [page for page in PAGES if page.stem not in OTHERS]
    wrong = [
        f"{each.name}: {sorted(workflows_in(each))}"
        for each in pages
        if workflows_in(each) != named_at_the_head(each)
    ]
    assert wrong == []


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the words after `noxcli` of each command line in a page's blocks and in its prose."""
    blocks = re.findall(r"^ *```.*?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for line in [
        *"\n".join(blocks).replace("\\\n", " ").splitlines(),
        *re.findall(r"`([^`\n]+)`", prose),
    ]:
        for _, words in re.findall(
            r"(^|[\s\[(`])noxcli ([a-z-]+[^|;&>)\]#]*)", re.sub(r"'[^']*'|\"[^\"]*\"", "X", line)
        ):
            yield words.split()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_each_command_line_has_a_verb_and_its_options(page: Path) -> None:
    for verb, *words in command_lines(page.read_text(encoding="utf-8")):
        if verb in {"--version", "--help"}:
            continue
        assert verb in VERBS, words
        offered = {name for param in verb_named(verb).params for name in param.opts} | {
            "-h",
            "--help",
        }
        own = words[: words.index("--")] if "--" in words else words
        unknown = {
            word.partition("=")[0] for word in own if word.startswith("-") and word != "-"
        } - offered
        assert not unknown, (verb, *words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_one_title(page: Path) -> None:
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
