"""JMESPath expressions: parsed before anything starts, applied to documents (https://jmespath.org)."""

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise
from typing import Any, Self

from noxcli.codec import to_json
from noxcli.errors import Unfitting, UsageProblem

LONGEST_FOUND = 300  # characters of one value in a message
MOST_FOUND = 5  # comparisons in a message
FAULTS = (ValueError, TypeError, RecursionError, OverflowError)  # JMESPath's own are ValueErrors
LOGIC = frozenset({"and_expression", "or_expression", "not_expression"})
SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


class Query:
    """One expression. The first one loads `jmespath`."""

    def __init__(self, text: str, tree: Any) -> None:
        self.text = text
        self._tree = tree

    @classmethod
    def read(cls, text: str, option: str) -> Self:
        """Return the expression of an option. Raises UsageProblem for one that is not valid JMESPath."""
        import jmespath

        try:
            with warnings.catch_warnings():
                # `word`, without quotes inside the backticks, is how older versions of JMESPath wrote a string.
                warnings.simplefilter("ignore", PendingDeprecationWarning)
                tree = jmespath.compile(text)
            for name, count in _calls(tree.parsed):
                _check_call(name, count)
        except (ValueError, RecursionError, IndexError) as error:
            why = " ".join(str(error).split("\n")[0].split()) or "it is nested too deeply"
            hint = 'for example output.Answer or output."Long name"; see jmespath.org'
            raise UsageProblem(f"{option} {text!r} is not a valid JMESPath expression: {why}", hint) from None
        return cls(text, tree)

    def of(self, document: Any) -> Any:
        """Return what the expression finds. Raises Unfitting if it can't be applied to this document."""
        try:
            return self._tree.search(document)
        except FAULTS as error:
            why = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, TypeError):  # Python's own words about a function's arguments
                why = self.operands(document) or why
            raise Unfitting(f"the expression {self.text!r} can't be applied: {_short(why)}") from None

    def keys_of(self, name: str) -> list[str]:
        """Return the keys that the expression names in the document's `output`, `row` and so on."""
        return list(dict.fromkeys(_keys_of(name, self._tree.parsed)))

    def operands(self, document: Any) -> str:
        """Return its comparisons and calls, with values in place of what they compare and are called with."""
        return ", ".join(islice(_filled(self._tree.parsed, document), MOST_FOUND))


def found_line(query: Query | None, document: Mapping[str, Any]) -> str:
    """Return the line of one document among many, empty if the query finds nothing or can't be applied to it."""
    if query is None:
        return as_line(document)
    try:
        found = query.of(document)
    except Unfitting:
        return ""  # documents differ: an expression that fits one need not fit the next
    return "" if found is None else as_line(found)


def as_line(value: Any, *, indent: int | None = None) -> str:
    """Return a value as a query prints it: a string raw, anything else as JSON."""
    return f"{value if isinstance(value, str) else to_json(value, indent=indent)}\n"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_FOUND else f"{text[: LONGEST_FOUND - 1]}…"


def _keys_of(name: str, tree: Mapping[str, Any]) -> Iterator[str]:
    parts = [part for part in tree["children"] if isinstance(part, Mapping)]
    for step, following in pairwise(parts if tree["type"] == "subexpression" else ()):
        key = following["children"][0] if following["type"] == "index_expression" else following
        if (step["type"], step.get("value"), key["type"]) == ("field", name, "field"):
            yield key["value"]
    for part in parts:
        yield from _keys_of(name, part)


def _calls(tree: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield each called function, and its number of arguments."""
    if tree["type"] == "function_expression":
        yield tree["value"], len(tree["children"])
    for child in tree["children"]:
        if isinstance(child, Mapping):
            yield from _calls(child)


def _check_call(name: str, count: int) -> None:
    from jmespath.functions import Functions

    known = Functions.FUNCTION_TABLE.get(name)
    if known is None:
        raise ValueError(f"there is no function {name}()")
    wanted = known["signature"]
    variadic = bool(wanted) and wanted[-1].get("variadic", False)
    if count < len(wanted) or (count > len(wanted) and not variadic):
        raise ValueError(f"{name}() takes {len(wanted)} arguments, not {count}")


def _filled(tree: Any, document: Any) -> Iterator[str]:
    from jmespath.visitor import TreeInterpreter

    kind, children = tree["type"], tree["children"]
    if kind in LOGIC:
        for child in children:
            yield from _filled(child, document)
    elif kind in {"comparator", "function_expression"} and all(child["type"] != "expref" for child in children):
        try:
            values = [_short(to_json(TreeInterpreter().visit(child, document))) for child in children]
        except FAULTS:
            return  # what comes before it has decided
        sign = SIGNS.get(tree["value"])
        yield f"{values[0]} {sign} {values[1]}" if sign else f"{tree['value']}({', '.join(values)})"
