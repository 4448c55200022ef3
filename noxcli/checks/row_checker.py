"""The verdict on rows, whether new or stored: of --assert and --expect on each, of --min-pass on their number."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from noxcli.checks.expectations import OPTION, Coverage, Expectations
from noxcli.codec import to_json
from noxcli.errors import ExitCode, NotAsAsserted, Unfitting, UsageProblem, nearest, suggestion
from noxcli.expressions.query import Query
from noxcli.inputs.sources import Sources
from noxcli.masking import Mask
from noxcli.models import TEXT_FIELDS
from noxcli.outputs.values import as_text, pointer_to, unwrapped
from noxcli.render.text import shorten
from noxcli.reports.assertions import (
    Assertion,
    assertion_name,
    broken_assertions,
    check_assertion,
    parse_assertion,
)
from noxcli.rows.columns import EXPECT, ID

SCORE = "--score"
MAX_SCORE = 1e12
MAX_SIDE = 100  # characters of a value in a message
LOOKALIKES = str.maketrans("‘’‚“”„‐‑‒–—−", "'''\"\"\"------")  # noqa: RUF001 - these are what it is about
SAME_BEFORE = 30  # of them before the first difference
Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class RowChecker:
    """Judges lines of results. A stored line has no verdict of its own, so every call judges all of them."""

    queries: Sequence[Query]
    expected: Expectations | None
    mask: Mask
    score: Query | None = None
    by: str | None = None  # the column by whose values rows are counted

    @classmethod
    def read(
        cls, queries: Sequence[Query], expect: str | None, sources: Sources, mask: Mask
    ) -> Self:
        """Return the checker for the expressions of --assert, and for --expect. Raises UsageProblem."""
        return cls(queries, None if expect is None else Expectations.read(expect, sources), mask)

    def measuring(self, score: str | None, by: str | None) -> Self:
        """Return the checker that also measures: --score and --by. Raises UsageProblem."""
        scored = None if score is None else parse_assertion(score, of_row=True, option=SCORE)
        return replace(self, score=scored, by=by)

    @property
    def has_checks(self) -> bool:
        return bool(self.queries) or self.expected is not None or self.score is not None

    @property
    def columns(self) -> list[str]:
        """The columns and inputs that --assert and --score name, as in `row.Question`."""
        return [name for _, name in self._names_of("row")]

    @property
    def outputs(self) -> list[str]:
        """The outputs that --assert and --score name, as in `output.Answer`."""
        return [name for _, name in self._names_of("output")]

    def _names_of(self, what: str) -> Iterator[tuple[str, str]]:
        """Yield the names in all expressions, each after its option."""
        for query in self._expressions:
            option = SCORE if query is self.score else "--assert"
            yield from ((option, name) for name in query.keys_of(what))

    @property
    def _expressions(self) -> list[Query]:
        return [*self.queries, *([] if self.score is None else [self.score])]

    def require_columns(
        self, known: Collection[str], renamed: Mapping[str, str] | None = None
    ) -> None:
        """Raise UsageProblem if a check names a column that is not among these, unless none is known."""
        named = [(name, f"{option} names row.{name}") for option, name in self._names_of("row")]
        named += [] if self.by is None else [(self.by, f"--by names {self.by!r}")]
        for name, what in named if known else ():
            if name not in {ID, *known}:
                hint = suggestion((renamed or {}).get(name) or nearest(name, known), quoted=True)
                raise UsageProblem(f"{what}, but no row has such a column", hint)

    def require_outputs(
        self,
        known: Collection[str],
        where: str,
        alone: str = "",
        known_elsewhere: Collection[str] = (),
    ) -> None:
        """Raise UsageProblem if a check names an output that is not among these, unless none is known.

        `alone` is how to judge the other side, which may know the output.
        """
        for option, name in self._names_of("output"):
            if known and name not in known:
                near = None if name in known_elsewhere else nearest(name, known)
                hint = suggestion(near, alone if name in known_elsewhere else "", quoted=True)
                raise UsageProblem(
                    f"{option} names output.{name}, but {where} has no such output", hint
                )

    def require_answers(self, known: Collection[str], where: str) -> None:
        """Raise UsageProblem if a check, also of --expect, names none of these outputs, unless none is known."""
        self.require_outputs(known, where)
        if known and self.expected is not None:
            self.expected.require_outputs(known, where)

    def check_names(self, *, own: bool) -> list[str]:
        """Return the names of each row's checks; `own` says that rows have a column `$expect`."""
        expected = [OPTION] if self.expected is not None else [EXPECT] if own else []
        return [*expected, *map(assertion_name, self.queries)]

    def identity(self) -> list[Any]:
        """Return what tells these checks from others; it can be written as JSON."""
        return [
            [query.text for query in self._expressions],
            None if self.expected is None else self.expected.digest(),
        ]

    def coverage(self) -> Coverage:
        """Return what counts the rows without a check."""
        return Coverage(self.expected, self.columns)

    def judged(
        self, line: Mapping[str, Any], table: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Return the line with its assertions, and with the code 11 if one of them does not hold.

        Only a completed row is judged. --assert sees the row's inputs and kept columns as `row`. The id, the columns
        and what is expected are those of the line `table`, if another one is to ask.
        """
        result, table = line["result"], table or line
        has_checks = self.has_checks or EXPECT in (table["columns"] or ())
        if result["exit_code"] != ExitCode.OK or not has_checks:
            return line
        row = {**(line["input"] or {}), **(table["columns"] or {}), ID: table["id"]}
        document = {**result, "row": row}
        if self.score is not None:
            line = {**line, "score": (score := self._score(document))}
            if score is None:  # nothing is said of the answer
                error = NotAsAsserted(f"{SCORE} {self.score.text} finds no number").document()
                unjudged = {"ok": False, "exit_code": int(ExitCode.NOT_FINISHED), "error": error}
                return {**line, "result": {**result, **unjudged}}
        found = list(self._found(document, table))
        if not found:
            return line
        assertions = self.mask.whole([asdict(each) for each in found])
        result = {**result, "assertions": assertions}
        if trouble := broken_assertions(found, (result["run"] or {}).get("id")):
            code = int(ExitCode.NOT_AS_ASSERTED)
            result |= {
                "ok": False,
                "exit_code": code,
                "error": self.mask.whole(NotAsAsserted(trouble).document()),
            }
        return {**line, "result": result}

    def _score(self, document: Mapping[str, Any]) -> float | None:
        """Return the score of an answer, None for anything but a number of a usual size."""
        assert self.score is not None
        try:
            found = self.score.of_result(document)
        except Unfitting:
            return None
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        return float(found) if is_number and abs(found) < MAX_SCORE else None

    def _found(self, document: Mapping[str, Any], table: Mapping[str, Any]) -> Iterator[Assertion]:
        columns, output = table["columns"] or {}, document["output"]
        if self.expected is not None:
            if (wanted := self.expected.of(table["row"], table["id"])) is not None:
                yield compared(OPTION, wanted.values, wanted.texts, output, self.mask)
        elif columns.get(EXPECT) is not None:
            yield _as_the_row_expects(columns[EXPECT], output, self.mask)
        yield from (check_assertion(query, document) for query in self.queries)


def compared(
    name: str, wanted: Mapping[str, Any], texts: Collection[str], output: Any, mask: Mask
) -> Assertion:
    """Compare the outputs that `wanted` names; those in `texts` as texts, without surrounding blanks."""
    wanted = dict(wanted)
    found = (
        {key: output[key] for key in wanted if key in output} if isinstance(output, dict) else {}
    )
    for key in texts & found.keys():
        wanted[key], found[key] = wanted[key].strip(), as_text(found[key]).strip()
    place, diff = _difference(wanted, found, ()), None
    if place is not None:
        from noxcli.reports.text_diff import (
            marked_diffs,
            word_diff,
        )  # loaded where something differs

        # Hidden before they are compared: a secret may share words with what is expected.
        old, new = (
            {key: mask(as_text(value)) for key, value in side.items()} for side in (wanted, found)
        )
        differing = [key for key in old if old[key] != new.get(key, "")]
        diff = marked_diffs((key, word_diff(old[key], new.get(key, ""))) for key in differing)
    return Assertion(name, place is None, place, diff)


def _as_the_row_expects(wanted: Any, output: Any, mask: Mask) -> Assertion:
    """Compare the output with the row's `$expect`: an object by output, or the value of the only one."""
    if isinstance(wanted, dict):
        return compared(EXPECT, wanted, frozenset(), output, mask)
    outputs = list(output) if isinstance(output, dict) else []
    if len(outputs) != 1:
        return Assertion(
            EXPECT,
            False,
            f"it is for one output, but the run has {len(outputs)}; write a JSON object",
        )
    texts = {*outputs} if isinstance(wanted, str) else frozenset[str]()
    return compared(EXPECT, {outputs[0]: wanted}, texts, output, mask)


def _difference(wanted: Any, found: Any, keys: Steps) -> str | None:
    """Return the first difference as text. Only keys that `wanted` names count."""
    if not (isinstance(wanted, dict) and wanted.keys() <= TEXT_FIELDS):
        found = unwrapped(found)
    if isinstance(wanted, dict) and isinstance(found, dict):
        if missing := [key for key in wanted if key not in found]:
            return f"{pointer_to((*keys, missing[0]))} is missing"
        inner = (_difference(value, found[key], (*keys, key)) for key, value in wanted.items())
        return next(filter(None, inner), None)
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        inner = (_difference(one, found[place], (*keys, place)) for place, one in enumerate(wanted))
        return next(filter(None, inner), None)
    if wanted == found and isinstance(wanted, bool) == isinstance(
        found, bool
    ):  # 1 == True in Python
        return None
    is_, should = _where_they_differ(to_json(found), to_json(wanted))
    return f"{pointer_to(keys)} is {is_} and not {should}"


def _where_they_differ(one: str, other: str) -> tuple[str, str]:
    """Return two texts in short, from their beginning or from shortly before their first difference.

    Characters that look like others are escaped in texts that look equal.
    """
    if _as_seen(one) == _as_seen(other):
        one, other = (
            re.sub(r"[^\x00-\x7f]", lambda one: f"\\u{ord(one[0]):04x}", text)
            for text in (one, other)
        )
    pairs = enumerate(zip(one, other, strict=False))
    same, begin = (
        next((at for at, (left, right) in pairs if left != right), min(len(one), len(other))),
        0,
    )
    if max(len(one), len(other)) > MAX_SIDE and same > MAX_SIDE // 2:
        begin = same - SAME_BEFORE
    return _from(one, begin), _from(other, begin)


def _as_seen(text: str) -> str:
    """Return a text as people see it: composed, with one kind of blank, quote and dash."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(LOOKALIKES).split())


def _from(text: str, begin: int) -> str:
    return shorten(f"…{text[begin:]}" if begin else text, MAX_SIDE)
