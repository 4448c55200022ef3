"""What users write as JMESPath by habit from jq or another language, and how to write it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from shlex import quote
from typing import Any

from noxcli.expressions.interpreter import SEARCHES, nodes_in

QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|`[^`]*`|"(?:[^"\\]|\\.)*")""")
# What is wrong, where it is outside of quotes, and what to write in its place.
REPAIRS = (
    (
        "a path begins with a name, not with a dot",
        r"(^|[|(,&!\[?]\s*|[=<>]\s*)\$?\.(?=\w|$)",
        r"\1",
    ),
    ("a number is written in backticks", r"([=<>]\s*)(-?\d+(?:\.\d+)?)(?![\w.])", r"\1`\2`"),
    ("equality is ==", r"(?<![=!<>])=(?!=)|===", "=="),
)
# JMESPath's own words, and ours.
WORDS = (
    (r".*Parse error at column (\d+), token \"(.*?)\" .*", "unexpected {1!r}"),
    (r".*Unknown token '?(.*?)'?:?$", "unexpected {0!r}"),
    (r".*Unclosed (.) delimiter.*", "a {0} has no partner"),
    (r".*Incomplete expression.*", "it ends too early"),
    (r".*cannot be empty.*", "it is empty"),
)


def mistake_in(text: str, error: Exception, compile_it: Callable[[str], Any]) -> tuple[str, str]:
    """Return why an expression is not valid, and what to write instead."""
    why = " ".join(str(error).split("\n")[0].split()) or "it is nested too deeply"
    repair = _repaired(text, compile_it)
    if repair is not None:
        reason, repaired = repair
        return reason, f"write {in_shell(repaired)}"
    for pattern, words in WORDS:
        match = re.fullmatch(pattern, why)
        if match is not None:
            why = words.format(*match.groups())
            break
    return why, 'for example output.Answer or output."Long name"; see jmespath.org'


def text_as_name(text: str, tree: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a name in double quotes that is compared as if it were a text, and what is right."""
    for name in _names_as_texts(tree):
        quoted = json.dumps(name, ensure_ascii=False)
        if quoted in text:
            meant = name.replace("\\", "\\\\").replace("'", "\\'")
            return name, in_shell(text.replace(quoted, f"'{meant}'"))
    return None


def in_shell(text: str) -> str:
    """Return an expression as a shell takes it, in double quotes if it has texts in single ones."""
    if "'" in text and not any(special in text for special in '"$`\\!'):
        return f'"{text}"'
    return quote(text)


def _repaired(text: str, compile_it: Callable[[str], Any]) -> tuple[str, str] | None:
    """Return what was wrong and the expression without it, if that is then valid."""
    reasons = []
    for reason, pattern, new in REPAIRS:
        repaired = ""
        for place, part in enumerate(QUOTED.split(text)):
            is_quoted = place % 2 == 1
            repaired += part if is_quoted else re.sub(pattern, new, part)
        if repaired == text:
            continue
        reasons.append(reason)
        text = repaired
        try:
            compile_it(text)
        except (ValueError, RecursionError, IndexError):
            continue
        return ", ".join(reasons), text
    return None


def _names_as_texts(tree: Mapping[str, Any]) -> Iterator[str]:
    for node in nodes_in(tree):
        if node["type"] == "comparator":
            yield from _names_in_comparison(*node["children"])
        elif node["type"] == "function_expression" and node["value"] in SEARCHES:
            for argument in node["children"][1:]:
                if argument["type"] == "field":
                    yield argument["value"]


def _names_in_comparison(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[str]:
    if left["type"] == "field":
        if right["type"] == "field":
            yield right["value"]  # a text is usually on the right
        elif right["type"] != "literal":
            yield left["value"]
    elif right["type"] == "field" and left["type"] != "literal":
        yield right["value"]
