"""JMESPath as noxcli evaluates it: functions for texts, comparisons, and missing outputs."""

import math
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from jmespath.functions import REVERSE_TYPES_MAP, TYPES_MAP, Functions, signature
from jmespath.visitor import Options, TreeInterpreter

from noxcli.codec import Number, decode_json, to_json

MAX_EXPRESSION, MAX_TEXT = 1000, 1_000_000  # characters, of `matches`
MAX_MATCH = 0.2  # seconds of CPU: on a busy machine, a match that is waiting has not taken them
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
FENCE = "```"
MAX_COPIES = 1000  # of a value in what is found: each [@, @] in a pipe doubles it
MAX_FOUND = 300  # characters of one value in a message
GUARD, CONDITION = "guard", "condition"  # our own nodes, around the part that they are about
LOGIC = frozenset({"and_expression", "or_expression", "not_expression", GUARD})
CHAINS = frozenset(
    {
        "subexpression",
        "index_expression",
        "projection",
        "filter_projection",
        "value_projection",
        "flatten",
    }
)
SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
TAKE_EXPRESSIONS = frozenset({"map", "max_by", "min_by", "sort_by"})
DOCUMENT, OUTPUT, ROW = "", "output", "row"
HOLDERS = {OUTPUT: OUTPUT, ROW: ROW, "result": DOCUMENT}  # a line of a batch has its document there
SEARCHES = frozenset({"contains", "starts_with", "ends_with", "matches"})
TEXT: Any = {"types": ["string"]}
# JMESPath knows a type by the name of its class.
TYPES_MAP[Number.__name__] = "number"
REVERSE_TYPES_MAP["number"] += (Number.__name__,)
TYPES_MAP["OutputText"] = "string"
REVERSE_TYPES_MAP["string"] += ("OutputText",)
Tree = Any  # a node of the parsed expression: its type, its children, perhaps a value


class Unapplied(ValueError):
    """A part of the expression can't be applied to this document."""


class Incomparable(Unapplied):
    """A comparison of values that can't be alike, or of which none is larger."""


class Absent(Unapplied):
    """The document lacks an output that the expression reads."""


class OutputText(str):
    """A text that is an output: its field `text` is the text itself, as that of an output `{"text": X}`."""

    __slots__ = ()


class TextFunctions(Functions):
    """The functions of JMESPath, and those that checks of answers need."""

    _func_lower = signature(TEXT)(lambda _, text: text.lower())
    _func_upper = signature(TEXT)(lambda _, text: text.upper())
    _func_trim = signature(TEXT)(lambda _, text: text.strip())
    _func_matches = signature(TEXT, TEXT)(lambda _, text, expression: found_in(text, expression))

    @signature(TEXT)
    def _func_parse_json(self, text: str) -> Any:
        try:
            return decode_json(text)
        except ValueError as error:
            why = (
                f"this one has a fence ({FENCE}): ask the workflow for JSON alone"
                if FENCE in text
                else str(error)
            )
            raise Unapplied(f"parse_json() needs a text that is JSON as a whole; {why}") from None


FUNCTIONS = TextFunctions()
KNOWN: Mapping[str, Any] = TextFunctions.FUNCTION_TABLE


def found_in(text: str, expression: str) -> bool:
    """Return whether the regular expression is found anywhere in the text. Raises Unapplied beyond the limits.

    Python looks at signals while it searches, so an expression that takes forever is ended by a timer.
    """
    assert threading.current_thread() is threading.main_thread(), "only there a signal is handled"
    for what, value, most in (("expression", expression, MAX_EXPRESSION), ("text", text, MAX_TEXT)):
        if len(value) > most:
            raise Unapplied(
                f"matches() takes {what}s of at most {most:,} characters, and this one has {len(value):,}"
            )
    signal.signal(signal.SIGVTALRM, _end_match)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_MATCH)
        return re.search(expression, text) is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise Unapplied(f"{expression!r} is not a valid regular expression: {error}") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _end_match(_: int, __: FrameType | None) -> None:
    raise Unapplied(f"matches() took longer than {MAX_MATCH}s; write a simpler expression")


@contextmanager
def no_guard_around() -> Iterator[None]:
    """Let no guard that is further out decide about a missing output: what is made of it is not just its value."""
    try:
        yield
    except Absent as absent:
        raise Unapplied(str(absent)) from None


class Interpreter(TreeInterpreter):
    """Evaluates an expression. For an assertion, `outputs` are those of the document, by name.

    Then a comparison of values that can't be alike can't be applied, nor can what reads an output that the document
    lacks, unless a guard asks just that.
    """

    def __init__(self, document: Any, outputs: Mapping[str, Any] | None = None) -> None:
        super().__init__(Options(custom_functions=FUNCTIONS))
        self._document, self._outputs = document, outputs
        self._filters = 0  # whose conditions are being evaluated

    def visit_field(self, node: Tree, value: Any) -> Any:
        name = node["value"]
        if value is self._outputs and value is not None and name not in value:
            raise Absent(f"there is no output {name!r}")
        if isinstance(value, OutputText) and name == "text":
            return value
        return super().visit_field(node, value)

    def visit_subexpression(self, node: Tree, value: Any) -> Any:
        return self._visit_steps(node["children"], value)

    def visit_pipe(self, node: Tree, value: Any) -> Any:
        return self._visit_steps(node["children"], value)

    def _visit_steps(self, steps: Sequence[Tree], value: Any) -> Any:
        """Return what the last step finds in what the others find, each in that of the one before."""
        for place, step in enumerate(steps):
            found = self.visit(step, value)
            is_output = value is self._document and is_field([step], OUTPUT)
            if is_output and found is None and self._outputs is not None and steps[place + 1 :]:
                raise Absent("there are no outputs")
            value = found
        return value

    def visit_function_expression(self, node: Tree, value: Any) -> Any:
        with no_guard_around():
            return super().visit_function_expression(node, value)

    def visit_or_expression(self, node: Tree, value: Any) -> Any:
        with no_guard_around():
            return super().visit_or_expression(node, value)

    def visit_and_expression(self, node: Tree, value: Any) -> Any:
        with no_guard_around():
            return super().visit_and_expression(node, value)

    def visit_comparator(self, node: Tree, value: Any) -> Any:
        with no_guard_around():
            sides = [self.visit(side, value) for side in node["children"]]
        sign = node["value"]
        kinds = [kind_of(side) for side in sides]
        if sign in ("eq", "ne"):
            against_null = any(side["type"] == GUARD for side in node["children"])
            if self._outputs is None or against_null or kinds[0] == kinds[1]:
                return self.COMPARATOR_FUNC[sign](*sides)
            if self._filters:
                return sign == "ne"
            raise Incomparable(_why_unlike(sides, sign))
        alike = kinds[0] == kinds[1] and kinds[0] in ("number", "string")
        are_numbers = all(
            isinstance(side, str) and NUMBER.fullmatch(side.strip()) for side in sides
        )
        if self._outputs is not None and (not alike or are_numbers):
            raise Incomparable(_why_unlike(sides, sign))
        return self.COMPARATOR_FUNC[sign](*sides) if alike else None  # as the specification has it

    def visit_condition(self, node: Tree, value: Any) -> Any:
        """Return whether a filter selects an element, False if its condition can't be applied to that."""
        self._filters += 1
        try:
            with no_guard_around():
                return self.visit(node["children"][0], value)
        except Incomparable:
            return False
        finally:
            self._filters -= 1

    def visit_guard(self, node: Tree, value: Any) -> Any:
        """Return what a part selects, None if it reads a missing output."""
        try:
            return self.visit(node["children"][0], value)
        except Absent:
            return None


def find_names(tree: Tree, owner: Any, found: list[tuple[str, str]]) -> Any:
    """Find the names that a part which is applied to the owner has of the DOCUMENT, of its `output` and of its `row`.

    Each is found after its owner; `*` is the whole document. Return the owner of what is applied to the part's value:
    None for all other values, and those of an object's members for an object that the expression makes.
    """
    kind, parts = tree["type"], [part for part in tree["children"] if isinstance(part, Mapping)]
    match kind:
        case "field" if isinstance(owner, Mapping):
            return owner.get(tree["value"])
        case "field" | "current" | "identity":
            name = tree["value"] if kind == "field" else "*"
            if owner is not None and (kind == "field" or owner == DOCUMENT):
                found.append((owner, name))
            return owner if kind != "field" else HOLDERS.get(name) if owner == DOCUMENT else None
        case "expref":
            return None  # about elements
        case "subexpression" | "pipe":
            for part in parts:
                owner = find_names(part, owner, found)
            return owner
        case "multi_select_dict":
            return {part["value"]: find_names(part["children"][0], owner, found) for part in parts}
    is_chain = kind in CHAINS  # whose first part has the elements that the others are about
    owners = [
        find_names(part, None if is_chain and place else owner, found)
        for place, part in enumerate(parts)
    ]
    return owners[-1] if kind in LOGIC and all(each == owners[0] for each in owners) else None


def nodes_in(tree: Tree) -> Iterator[Tree]:
    """Yield each node of the tree."""
    yield tree
    for child in tree["children"]:
        if isinstance(child, Mapping):
            yield from nodes_in(child)


def copies_made(tree: Tree) -> int:
    """Return how often a value can be in what the tree finds in it, at most."""
    if tree["type"] == "literal":
        return 0
    parts = [part for part in tree["children"] if isinstance(part, Mapping)]
    copies = [copies_made(part) for part in parts if part["type"] != CONDITION]
    takes_expression = tree["type"] == "function_expression" and tree["value"] in TAKE_EXPRESSIONS
    if tree["type"] in CHAINS or tree["type"] == "pipe" or takes_expression:
        return math.prod(copies)
    return max(1, sum(copies))


def prepared(tree: Any, function: str = "") -> Any:
    """Return the tree as it is evaluated: a `guard` is around what may be a missing output, a `condition` in a filter.

    `!a.b` is `!(a.b)`: the grammar of JMESPath reads `(!a).b`, which is always null. Raises ValueError as `check_call`,
    and for an `&expression`, which has no value, unless this is an argument of a `function` that takes one.
    """
    if not isinstance(tree, Mapping):
        return tree
    kind = tree["type"]
    called = tree["value"] if kind == "function_expression" else ""
    if called:
        check_call(tree)
    if kind == "expref" and function not in TAKE_EXPRESSIONS:
        raise ValueError("&NAME is an argument of map(), max_by(), min_by() and sort_by() alone")
    children = [prepared(child, called) for child in tree["children"]]
    marks: dict[int, str] = {}
    if kind in LOGIC or called == "type":
        marks = {0: GUARD}
    elif kind == "filter_projection":
        marks = {2: CONDITION}
    elif kind == "comparator" and tree["value"] in ("eq", "ne"):
        marks = {place: GUARD for place, other in enumerate(reversed(children)) if is_null(other)}
    for place, mark in marks.items():
        children[place] = {"type": mark, "children": [children[place]]}
    if kind in CHAINS and children[0]["type"] == "not_expression":
        negation, (guard,) = children[0], children[0]["children"]
        chain = {**tree, "children": [*guard["children"], *children[1:]]}
        return {**negation, "children": [{**guard, "children": [chain]}]}
    return {**tree, "children": children}


def check_call(call: Tree) -> None:
    """Raise ValueError for an unknown function, or one with another number of arguments."""
    from noxcli.errors import ALIKE, nearest, suggestion  # after a mistake

    name, count = call["value"], len(call["children"])
    if (known := KNOWN.get(name)) is None:
        near = (
            nearest(name, KNOWN, ALIKE) if len(name) > len("in") else None
        )  # which looks like min
        meant = suggestion(near and f"{near}()")
        raise ValueError(f"there is no function {name}()" + (f"; {meant}" if meant else ""))
    wanted = known["signature"]
    variadic = bool(wanted) and wanted[-1].get("variadic", False)
    if count < len(wanted) or (count > len(wanted) and not variadic):
        raise ValueError(
            f"{name}() takes {len(wanted)} argument{'s' * (len(wanted) != 1)}, not {count}"
        )


def is_field(parts: Sequence[Tree], name: str) -> bool:
    return [(part["type"], part.get("value")) for part in parts] == [("field", name)]


def shown_json(value: Any) -> str:
    """Return a value as JSON, for a message."""
    return cut_text(to_json(value))


def cut_text(text: str) -> str:
    """Return a text cut to the room of a message."""
    return text if len(text) <= MAX_FOUND else f"{text[: MAX_FOUND - 1]}…"


def is_null(tree: Tree) -> bool:
    """True for `null`, with or without the backticks that JMESPath wants."""
    return is_field([tree], "null") or (tree["type"] == "literal" and tree["value"] is None)


def kind_of(value: Any) -> str:
    """Return what a value is, as JSON has it."""
    return TYPES_MAP.get(type(value).__name__, "object")


def _why_unlike(sides: Sequence[Any], sign: str) -> str:
    shown = f"{shown_json(sides[0])} {SIGNS[sign]} {shown_json(sides[1])}"
    if all(isinstance(side, str) for side in sides):
        return f"{shown} compares numbers as texts; use to_number()"
    hint = "; use to_number()" if {*map(kind_of, sides)} == {"number", "string"} else ""
    if sign in ("eq", "ne"):
        kinds = " and ".join(
            f"{'an' if kind[0] in 'ao' else 'a'} {kind}" for kind in map(kind_of, sides)
        )
        return f"{shown} compares {kinds}{hint}"
    return f"{shown} compares neither two numbers nor two texts{hint}"
