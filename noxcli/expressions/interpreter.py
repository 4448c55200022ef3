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

MAX_EXPRESSION = 1000  # characters, of `matches`
MAX_TEXT = 1_000_000  # characters, of `matches`
MAX_MATCH = 0.2  # seconds of CPU: on a busy machine, a match that is waiting has not taken them
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
FENCE = "```"
MAX_COPIES = 1000  # of a value in what is found: each [@, @] in a pipe doubles it
MAX_FOUND = 300  # characters of one value in a message
# Our own nodes, around the part that they are about.
GUARD = "guard"
CONDITION = "condition"
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
DOCUMENT = ""
OUTPUT = "output"
ROW = "row"
JUDGE = "judge"
HOLDERS = {
    OUTPUT: OUTPUT,
    ROW: ROW,
    JUDGE: JUDGE,
    "result": DOCUMENT,
}  # a line of a batch has its document there
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
    """A text that is an output: its field `text` is itself, as that of an output `{"text": X}`."""

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
            why = str(error)
            if FENCE in text:
                why = f"this one has a fence ({FENCE}): ask the workflow for JSON alone"
            raise Unapplied(f"parse_json() needs a text that is JSON as a whole; {why}") from None


FUNCTIONS = TextFunctions()
KNOWN: Mapping[str, Any] = TextFunctions.FUNCTION_TABLE


def found_in(text: str, expression: str) -> bool:
    """Return whether the regular expression is found anywhere in the text.

    Raises Unapplied beyond the limits. Python looks at signals while it searches, so an expression
    that takes forever is ended by a timer.
    """
    assert threading.current_thread() is threading.main_thread(), "only there a signal is handled"
    for what, value, most in (("expression", expression, MAX_EXPRESSION), ("text", text, MAX_TEXT)):
        if len(value) > most:
            raise Unapplied(
                f"matches() takes {what}s of at most {most:,} characters, "
                f"and this one has {len(value):,}"
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
    """Let no outer guard decide about a missing output, of which more is made than its value."""
    try:
        yield
    except Absent as absent:
        raise Unapplied(str(absent)) from None


class Interpreter(TreeInterpreter):
    """Evaluates an expression. For an assertion, `outputs` are those of the document, by name.

    Then a comparison of values that can't be alike can't be applied, nor can what reads an output
    that the document lacks, unless a guard asks just that.
    """

    def __init__(self, document: Any, outputs: Mapping[str, Any] | None = None) -> None:
        super().__init__(Options(custom_functions=FUNCTIONS))
        self._document = document
        self._outputs = outputs
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
        """Return what the last step finds; each is applied to what the one before it finds."""
        last = steps[-1]
        for step in steps:
            found = self.visit(step, value)
            is_output = value is self._document and is_field(step, OUTPUT)
            if is_output and found is None and self._outputs is not None and step is not last:
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
        """Compare two values.

        In a check, raises Incomparable for what is unequal or has no order by its kind alone: most
        likely the writer of the check expected another kind.
        """
        in_check = self._outputs is not None
        with no_guard_around():
            left, right = [self.visit(side, value) for side in node["children"]]
        sign = node["value"]
        compare = self.COMPARATOR_FUNC[sign]
        is_same_kind = kind_of(left) == kind_of(right)
        if sign in ("eq", "ne"):
            is_guard = any(side["type"] == GUARD for side in node["children"])  # `… == null`
            if not in_check or is_guard or is_same_kind:
                return compare(left, right)
            if self._filters > 0:  # which looks at values of any kind
                return sign == "ne"
            raise Incomparable(_why_unlike(left, right, sign))
        has_order = is_same_kind and kind_of(left) in ("number", "string")
        # As texts, "10" comes before "9".
        are_numeric_texts = _is_number_as_text(left) and _is_number_as_text(right)
        if in_check and (are_numeric_texts or not has_order):
            raise Incomparable(_why_unlike(left, right, sign))
        if not has_order:
            return None  # as the specification has it
        return compare(left, right)

    def visit_condition(self, node: Tree, value: Any) -> Any:
        """Return whether a filter selects an element; not if its condition can't be applied."""
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
    """Find the names that a part which is applied to the owner has of the DOCUMENT, of its `output`
    and of its `row`.

    Each is found after its owner; `*` is the whole document. Return the owner of what is applied to
    the part's value: None for all other values, and those of an object's members for an object that
    the expression makes.
    """
    kind = tree["type"]
    parts = [part for part in tree["children"] if isinstance(part, Mapping)]
    match kind:
        case "field":
            return _find_field(tree["value"], owner, found)
        case "current" | "identity":
            if owner == DOCUMENT:
                found.append((DOCUMENT, "*"))
            return owner
        case "expref":
            return None  # about elements
        case "subexpression" | "pipe":
            for part in parts:
                owner = find_names(part, owner, found)
            return owner
        case "multi_select_dict":
            return {part["value"]: find_names(part["children"][0], owner, found) for part in parts}
    if kind in CHAINS:
        first, *others = parts
        find_names(first, owner, found)
        for part in others:
            find_names(part, None, found)  # about the elements of the first
        return None
    owners = [find_names(part, owner, found) for part in parts]
    if kind in LOGIC and all(each == owners[0] for each in owners):
        return owners[0]
    return None


def _find_field(name: str, owner: Any, found: list[tuple[str, str]]) -> Any:
    """Find the name of a field, and return its owner, as `find_names`."""
    if isinstance(owner, Mapping):
        return owner.get(name)
    if owner is not None:
        found.append((owner, name))
    if owner == DOCUMENT:
        return HOLDERS.get(name)
    return None


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
    """Return the tree as it is evaluated: a `guard` is around what may be a missing output, a
    `condition` in a filter.

    `!a.b` is `!(a.b)`: the grammar of JMESPath reads `(!a).b`, which is always null. Raises
    ValueError as `check_call`, and for an `&expression`, which has no value, unless this is an
    argument of a `function` that takes one.
    """
    if not isinstance(tree, Mapping):
        return tree
    kind = tree["type"]
    called = ""
    if kind == "function_expression":
        check_call(tree)
        called = tree["value"]
    if kind == "expref" and function not in TAKE_EXPRESSIONS:
        raise ValueError("&NAME is an argument of map(), max_by(), min_by() and sort_by() alone")
    children = [prepared(child, called) for child in tree["children"]]
    if kind in LOGIC or called == "type":
        children[0] = _marked(GUARD, children[0])
    elif kind == "filter_projection":
        children[2] = _marked(CONDITION, children[2])
    elif kind == "comparator" and tree["value"] in ("eq", "ne"):
        left, right = children
        if is_null(right):
            children[0] = _marked(GUARD, left)
        if is_null(left):
            children[1] = _marked(GUARD, right)
    if kind in CHAINS and children[0]["type"] == "not_expression":
        negation = children[0]
        guard = negation["children"][0]
        chain = {**tree, "children": [*guard["children"], *children[1:]]}
        return {**negation, "children": [_marked(GUARD, chain)]}
    return {**tree, "children": children}


def _marked(mark: str, part: Tree) -> Tree:
    return {"type": mark, "children": [part]}


def check_call(call: Tree) -> None:
    """Raise ValueError for an unknown function, or one with another number of arguments."""
    from noxcli.errors import ALIKE, nearest, suggestion  # after a mistake

    name = call["value"]
    count = len(call["children"])
    known = KNOWN.get(name)
    if known is None:
        problem = f"there is no function {name}()"
        if len(name) > len("in"):  # which looks like min
            near = nearest(name, KNOWN, ALIKE)
            if near is not None:
                problem += f"; {suggestion(f'{near}()')}"
        raise ValueError(problem)
    wanted = known["signature"]
    most: float = len(wanted)
    if wanted and wanted[-1].get("variadic", False):
        most = math.inf
    if not len(wanted) <= count <= most:
        arguments = "1 argument" if len(wanted) == 1 else f"{len(wanted)} arguments"
        raise ValueError(f"{name}() takes {arguments}, not {count}")


def is_field(part: Tree, name: str) -> bool:
    if part["type"] != "field":
        return False
    value: str = part["value"]
    return value == name


def shown_json(value: Any) -> str:
    """Return a value as JSON, for a message."""
    return cut_text(to_json(value))


def cut_text(text: str) -> str:
    """Return a text cut to the room of a message."""
    if len(text) <= MAX_FOUND:
        return text
    return f"{text[: MAX_FOUND - 1]}…"


def is_null(tree: Tree) -> bool:
    """True for `null`, with or without the backticks that JMESPath wants."""
    if tree["type"] == "literal":
        return tree["value"] is None
    return is_field(tree, "null")


def kind_of(value: Any) -> str:
    """Return what a value is, as JSON has it."""
    return TYPES_MAP.get(type(value).__name__, "object")


def _is_number_as_text(value: Any) -> bool:
    return isinstance(value, str) and NUMBER.fullmatch(value.strip()) is not None


def _why_unlike(left: Any, right: Any, sign: str) -> str:
    shown = f"{shown_json(left)} {SIGNS[sign]} {shown_json(right)}"
    if isinstance(left, str) and isinstance(right, str):
        return f"{shown} compares numbers as texts; use to_number()"
    hint = ""
    if {kind_of(left), kind_of(right)} == {"number", "string"}:
        hint = "; use to_number()"
    if sign in ("eq", "ne"):
        return f"{shown} compares {_a_kind(left)} and {_a_kind(right)}{hint}"
    return f"{shown} compares neither two numbers nor two texts{hint}"


def _a_kind(value: Any) -> str:
    kind = kind_of(value)
    article = "an" if kind[0] in "ao" else "a"
    return f"{article} {kind}"
