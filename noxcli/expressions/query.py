"""JMESPath expressions (https://jmespath.org): parsed at first, then applied to documents."""

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from noxcli.codec import to_json
from noxcli.errors import Unfitting, UsageProblem
from noxcli.models import is_wrapped

MAX_FOUND = 5  # comparisons in a message
MAX_CHARACTERS = 10_000  # of an expression: what is wrong in one is searched for in all of it
FAULTS = (ValueError, TypeError, RecursionError, OverflowError)  # JMESPath's own are ValueErrors


class Query:
    """One expression. The first one loads `jmespath`."""

    def __init__(self, text: str, option: str) -> None:
        """Read the expression of an option.

        Raises UsageProblem for one that is not valid JMESPath.
        """
        if len(text) > MAX_CHARACTERS:
            raise UsageProblem(
                f"{option} has {len(text):,} characters, more than {MAX_CHARACTERS:,}",
                "write a shorter expression",
            )
        self.text = text
        try:
            self.tree = _parse(text)
        except (ValueError, RecursionError, IndexError) as error:
            from noxcli.expressions.hints import mistake_in  # loaded only after a mistake

            why, hint = mistake_in(text, error, _parse)
            raise UsageProblem(
                f"{option} {text!r} is not a valid JMESPath expression: {why}", hint
            ) from None
        if '"' in text:
            from noxcli.expressions.hints import text_as_name  # such a name is rare

            found = text_as_name(text, self.tree)
            if found is not None:
                name, meant = found
                what = f'{option} {text!r} compares with "{name}", which is a name'
                raise UsageProblem(what, f"a text is written in single quotes: {meant}")

    def of(self, document: Any) -> Any:
        """Return what the expression finds.

        Raises Unfitting if it can't be applied to this document.
        """
        from noxcli.expressions.interpreter import Interpreter

        return self._found(Interpreter(document), document)

    def of_result(self, document: Mapping[str, Any]) -> Any:
        """Return what an assertion finds in a result document.

        Raises Unfitting if it can't be applied to it.

        An output `{"text": X}` is X, and so is its `.text`. What reads an output that the document
        lacks, or compares values that can't be alike, can't be applied.
        """
        return self._found(*_for_assertion(document))

    def _found(self, interpreter: Any, document: Any) -> Any:
        try:
            return interpreter.visit(self.tree, document)
        except FAULTS as error:
            from noxcli.expressions.interpreter import cut_text  # after a mistake

            why = " ".join(str(error).split()) or type(error).__name__
            found = ", ".join(islice(_filled(self.tree, interpreter, document), MAX_FOUND))
            if isinstance(error, TypeError) and found:
                why = found  # instead of Python's own words about a function's arguments
            raise Unfitting(
                f"the expression {self.text!r} can't be applied: {cut_text(why)}"
            ) from None

    def keys_of(self, name: str) -> list[str]:
        """Return the names that the expression has of a part of the document, of itself for "".

        Parts are `output`, `row` and `judge`.
        """
        from noxcli.expressions.interpreter import DOCUMENT, find_names

        found: list[tuple[str, str]] = []
        find_names(self.tree, DOCUMENT, found)
        return list(dict.fromkeys(key for owner, key in found if owner == name))

    def operands(self, document: Mapping[str, Any]) -> str:
        """Return its comparisons and calls, with the values that they are about."""
        return ", ".join(islice(_filled(self.tree, *_for_assertion(document)), MAX_FOUND))


def _for_assertion(document: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return what evaluates an assertion, and the document as it sees it."""
    from noxcli.expressions.interpreter import Interpreter

    seen = {**document}
    outputs: dict[str, Any] = {}
    if isinstance(document.get("output"), dict):
        outputs = seen["output"] = _texts_marked(document["output"])
    if isinstance(document.get("judge"), dict):
        seen["judge"] = _texts_marked(document["judge"])
    return Interpreter(seen, outputs), seen


def _texts_marked(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs with each text as one that is its own field `text`."""
    from noxcli.expressions.interpreter import OutputText

    marked = {}
    for name, value in outputs.items():
        text = value["text"] if is_wrapped(value) else value
        if isinstance(text, str):
            text = OutputText(text)
        marked[name] = text
    return marked


def _parse(text: str) -> Mapping[str, Any]:
    """Return the tree of an expression.

    Raises ValueError, RecursionError or IndexError for one that is not valid.
    """
    import jmespath

    from noxcli.expressions.interpreter import MAX_COPIES, copies_made, prepared

    with warnings.catch_warnings():
        # `word`, without quotes inside the backticks, is how older versions of JMESPath wrote a
        # string.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        parsed: Mapping[str, Any] = prepared(jmespath.compile(text).parsed)
    if copies_made(parsed) > MAX_COPIES:
        raise ValueError(f"it may repeat a value more than {MAX_COPIES:,} times")
    return parsed


def found_line(query: Query | None, document: Mapping[str, Any]) -> str:
    """Return the line of one document among many; empty if the query finds nothing in it."""
    if query is None:
        return as_line(document)
    try:
        found = query.of(document)
    except Unfitting:
        return ""  # documents differ: an expression that fits one need not fit the next
    if found is None:
        return ""
    return as_line(found)


def as_line(value: Any, *, indent: int | None = None) -> str:
    """Return a value as a query prints it: a string raw, anything else as JSON."""
    if isinstance(value, str):
        return f"{value}\n"
    return f"{to_json(value, indent=indent)}\n"


def _filled(tree: Mapping[str, Any], interpreter: Any, document: Any) -> Iterator[str]:
    from noxcli.expressions.interpreter import LOGIC, SIGNS, shown_json

    kind = tree["type"]
    children = tree["children"]
    if kind in LOGIC:
        for child in children:
            yield from _filled(child, interpreter, document)
        return
    if kind not in {"comparator", "function_expression"}:
        return
    if any(child["type"] == "expref" for child in children):
        return
    try:
        values = [shown_json(interpreter.visit(child, document)) for child in children]
    except FAULTS:
        return  # what comes before it has decided
    if kind == "comparator":
        left, right = values
        yield f"{left} {SIGNS[tree['value']]} {right}"
    else:
        yield f"{tree['value']}({', '.join(values)})"
