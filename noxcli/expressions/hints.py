"""What users write as JMESPath by habit from jq or another language: why it is wrong, and how to write it."""

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
    if (repaired := _repaired(text, compile_it)) is not None:
        return repaired[0], f"write {in_shell(repaired[1])}"
    for pattern, words in WORDS:
        if match := re.fullmatch(pattern, why):
            why = words.format(*match.groups())
            break
    return why, 'for example output.Answer or output."Long name"; see jmespath.org'


def text_as_name(text: str, tree: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a name in double quotes that is compared as if it were a text, and what to write instead."""
    for name in _names_as_texts(tree):
        quoted = json.dumps(name, ensure_ascii=False)
        if quoted in text:
            meant = name.replace("\\", "\\\\").replace("'", "\\'")
            return name, in_shell(text.replace(quoted, f"'{meant}'"))
    return None


def in_shell(text: str) -> str:
    """Return an expression as a shell takes it, in double quotes if it has texts in single ones."""
    return f'"{text}"' if "'" in text and not {*'"$`\\!'} & {*text} else quote(text)


def _repaired(text: str, compile_it: Callable[[str], Any]) -> tuple[str, str] | None:
    """Return what was wrong and the expression without it, if that is then valid."""
    reasons = []
    for reason, pattern, new in REPAIRS:
        parts = QUOTED.split(text)
        repaired = "".join(
            part if place % 2 else re.sub(pattern, new, part) for place, part in enumerate(parts)
        )
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
            left, right = node["children"]
            for one, other in ((left, right), (right, left)):
                if one["type"] == "field" and other["type"] not in {"field", "literal"}:
                    yield one["value"]
            if left["type"] == right["type"] == "field":
                yield right["value"]
        elif node["type"] == "function_expression" and node["value"] in SEARCHES:
            yield from (
                child["value"] for child in node["children"][1:] if child["type"] == "field"
            )
