"""The input language: `key=value`, `key:=json`, uploads, secrets and whole objects, parsed."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from math import isfinite
from shlex import quote
from typing import Any

from noxcli.codec import MAX_LEVELS, is_deep, is_deeper, parse_number
from noxcli.errors import CommandLine, Hint, UsageProblem
from noxcli.inputs.sources import OnlyFiles, Sources
from noxcli.inputs.uploads import Upload, parse_upload
from noxcli.masking import HIDDEN
from noxcli.value_class import value_class

# A key up to the first operator that no backslash escapes, the longest one there (`:=@` before
# `:=`), and the rest.
ITEM = r"(?s)((?:\\[=:@\\]|(?!:=|[=@]).)*+)(:?=@?|@)(.*)"
HOW_TO_WRITE = Hint(
    "write KEY=VALUE, in quotes if it has blanks, or KEY:=JSON; ",
    CommandLine("inputs", "WORKFLOW"),
    " lists the keys",
)
VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
ESCAPED = r"\\([=:@\\])"
MARK = "\ufeff"  # editors on Windows write it before JSON


@value_class(frozen=True, slots=True)
class Inputs:
    """The input object, with an Upload for each file that must still be stored.

    `texts` are the keys whose values were written as text, which says nothing about their type.
    `veiled` are those whose values may be secret: they are not shown, but compared like others.
    """

    values: dict[str, Any] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    veiled: frozenset[str] = frozenset()

    def shown(self) -> dict[str, Any]:
        """Return the object with secrets, and possible secrets, masked."""
        hidden = self.secret | self.veiled
        shown = {key: HIDDEN if key in hidden else value for key, value in self.values.items()}
        return {
            key: value.described() if isinstance(value, Upload) else value
            for key, value in shown.items()
        }


def parse_inputs(
    items: Sequence[str],
    whole: str | None = None,
    sources: Sources | None = None,
    *,
    secrets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Inputs:
    """Return the inputs; items and `secrets` (--secret) override `whole` (--inputs).

    `sources` knows the other readers of stdin. Raises UsageProblem with the item, what is wrong and
    how to fix it.
    """
    sources = sources or Sources()
    given: dict[str, Any] = {}
    texts = set()
    secret = set()
    for item in items:
        key, operator, text = split_item(item)
        require_text(key, "the key of an input")
        if key in given:
            raise UsageProblem(f"the input {key!r} is given twice", "remove one of them")
        given[key] = parse_value(key, operator, text, sources)
        if operator in {"=", "=@"}:
            texts.add(key)
    for item in secrets:
        key, text = parse_secret(item, environ or {})
        if key in given:
            raise UsageProblem(f"the input {key!r} is given twice", "remove one of them")
        given[key] = text
        texts.add(key)
        secret.add(key)
    values = _read_whole(whole, sources) if whole is not None else {}
    return Inputs({**values, **given}, frozenset(texts), frozenset(secret))


def split_item(item: str) -> tuple[str, str, str]:
    """Return key, operator and the text after it: the first unescaped operator wins, longest first.

    Raises UsageProblem without an operator or a key.
    """
    found = re.fullmatch(ITEM, item)
    if found is None:
        raise UsageProblem(f"{item!r} is not an input", HOW_TO_WRITE)
    key, operator, text = found.groups()
    if not key:
        way = (
            f"--inputs {item}, or KEY={item}"
            if operator == "@"
            else f"KEY=VALUE, without blanks around {operator}"
        )
        raise UsageProblem(f"the input {item!r} has no key", f"write {way}")
    return re.sub(ESCAPED, r"\1", key), operator, text


def item_start(key: str, kind: str | None) -> str:
    """Return how an item begins: the key, and the operator for values of that kind, if known."""
    escaped = re.sub(r"[=:@\\]", r"\\\g<0>", key)
    match kind:
        case "file":
            return f"{escaped}@"
        case "text" | None:
            return f"{escaped}="
        case _:
            return f"{escaped}:="


def parse_json(text: str, what: str) -> Any:
    """Return the JSON in `text`.

    Raises UsageProblem, naming `what` and the place, for bad JSON, NaN, infinities, keys that
    appear twice, and nesting deeper than 500 levels.
    """
    try:
        value = STRICT.decode(text)
    except RecursionError:
        too_deep = True
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UsageProblem(
            f"{what} is not valid JSON: {error.msg} at {where}", "to send text, write KEY=VALUE"
        ) from None
    except ValueError as error:
        # Python's message names its own limit for digits, which users can't set here.
        reason = str(error).partition(";")[0]
        raise UsageProblem(f"{what} is not JSON that can be sent: {reason}") from None
    else:
        too_deep = is_deep(text) and is_deeper(value, MAX_LEVELS)
    if too_deep:
        raise UsageProblem(f"{what} is nested deeper than {MAX_LEVELS} levels", "flatten it")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} appears twice")
    return made


def _finite(text: str) -> float:
    number = parse_number(text)
    if not isfinite(number):
        raise ValueError(f"the number {text} is too large")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not part of JSON")


STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
)


def parse_value(key: str, operator: str, text: str, sources: Sources | None = None) -> Any:
    """Return the value of an input written as `KEY`, operator and text.

    Without `sources`, it is in a file of rows, which is read more than once. Raises UsageProblem
    naming the key.
    """
    sources = sources or OnlyFiles()
    match operator:
        case "=":
            return require_text(
                text[1:] if text.startswith("\\@") else text, f"the value of {key!r}"
            )
        case ":=":
            return parse_json(require_text(text, f"the value of {key!r}"), f"the value of {key!r}")
        case "=@":
            return _read_text(text, key, operator, sources)
        case ":=@":
            name = "stdin" if text == "-" else f"the file {text}"
            return parse_json(
                _read_text(text, key, operator, sources).removeprefix(MARK), f"{name} for {key!r}"
            )
        case _:
            _require_named(text, key, operator)
            return parse_upload(text, key, sources)


def parse_secret(text: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return key and value of `--secret KEY=ENVNAME`.

    Raises UsageProblem, which quotes the text in place of a name only if it looks like a name, not
    like a secret.
    """
    key, _, name = text.rpartition("=")
    key = re.sub(ESCAPED, r"\1", key)
    if not key:
        raise UsageProblem(
            "--secret takes KEY=ENVNAME",
            "write the name of an environment variable, not the secret",
        )
    named = re.fullmatch(VARIABLE_NAME, name) and name.isupper()
    shown = f"variable {name}" if named else "environment variable it names"
    what = f"--secret {key!r}: the {shown}"
    if name not in environ:
        raise UsageProblem(f"{what} is not set", "write KEY=ENVNAME, and export ENVNAME")
    value = environ[name]
    if not value:
        # CI systems pass an unset secret like this.
        raise UsageProblem(f"{what} is empty", f"send an empty text with {key}=")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageProblem(f"{what} is not UTF-8 text") from None
    return key, value


def require_text(text: str, what: str) -> str:
    """Return the text of a command line or a variable.

    Raises UsageProblem, without the text, if its bytes are not UTF-8: their meaning is unknown.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageProblem(
            f"{what} is not UTF-8 text",
            "convert it, or put the bytes into a file and upload it with KEY@FILE",
        ) from None
    return text


def _require_named(name: str, key: str, operator: str) -> None:
    """Raise UsageProblem for `KEY@` without a file."""
    if not name:
        item = f"{key}{operator}"
        raise UsageProblem(
            f"{item!r} names no file",
            f"write {item}FILE, {item}- for stdin, or '{key}=\\@' to send an @",
        )


def _read_text(name: str, key: str, operator: str, sources: Sources) -> str:
    _require_named(name, key, operator)
    what = f"{'stdin' if name == '-' else f'the file {name}'} for {key!r}"
    return sources.read_text(name, f"{key}{operator}{name}", what, f"upload it with {key}@{name}")


def _require_json(text: str) -> None:
    """Raise UsageProblem for what was probably not meant as the JSON of --inputs."""
    if re.match("/dev/fd/|/proc/self/fd/", text):
        hint = "for the output of a command, write --inputs @<(COMMAND)"
    elif os.path.isfile(text):  # noqa: PTH113 - a text may be too long for pathlib
        hint = f"for the file, write --inputs {quote(f'@{text}')}"
    elif "=" in text and re.match(r"\s*\w", text):
        hint = f"write an input without --inputs: {quote(text)}"
    else:
        return
    raise UsageProblem("--inputs takes a JSON object", hint)


def _read_whole(source: str, sources: Sources) -> dict[str, Any]:
    option = f"--inputs {source}"
    if source == "-":
        what = "--inputs from stdin"
        text = sources.read_text("-", option, what).removeprefix(MARK)
    elif source.startswith("@"):
        what = option
        text = sources.read_text(source[1:], option, what).removeprefix(MARK)
    else:
        what = "--inputs"
        text = require_text(source, what)
        _require_json(text)
    inputs = parse_json(text, what)
    if not isinstance(inputs, dict):
        raise UsageProblem(f"{what} is not a JSON object", 'write {"KEY": VALUE, …}')
    return inputs
