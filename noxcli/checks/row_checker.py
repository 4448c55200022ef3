"""The verdict on rows, whether new or stored: of --assert, --expect and --score."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from noxcli.checks.expectations import EMPTY, OPTION, Coverage, Expectations
from noxcli.codec import to_json
from noxcli.errors import (
    ExitCode,
    Hint,
    NotAsAsserted,
    NotFinished,
    Phase,
    Unfitting,
    UsageProblem,
    nearest,
    suggestion,
)
from noxcli.expressions.query import Query
from noxcli.inputs.sources import Sources
from noxcli.masking import Mask
from noxcli.models import TEXT_FIELDS, same_id
from noxcli.outputs.values import as_text, by_name, pointer_to, unwrapped
from noxcli.render.text import shorten
from noxcli.reports.assertions import (
    Assertion,
    assertion_name,
    broken_assertions,
    check_assertion,
    parse_assertion,
)
from noxcli.reports.failure_groups import ResultLine, brief_reason_in, run_in
from noxcli.rows.columns import EXPECT, ID

SCORE = "--score"
NEVER = "--never"
UNEXPECTED = "\uffff"  # by any check
MAX_SCORE = 1e12
MAX_SIDE = 100  # characters of a value in a message
LOOKALIKES = str.maketrans("‘’‚“”„‐‑‒–—−", "'''\"\"\"------")  # noqa: RUF001
SAME_BEFORE = 30  # of them before the first difference
Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class RowChecker:
    """Judges lines of results.

    A stored line has no verdict of its own, so every call judges all of them.
    """

    queries: Sequence[Query]
    expected: Expectations | None
    mask: Mask
    score: Query | None = None
    by: str | None = None  # the column by whose values rows are counted
    lower_is_better: bool = False  # of scores
    never: Query | None = None  # what no answer may be
    has_judge: bool = False  # a line without what the judge says is not judged yet
    version_id: str | None = None  # that was asked; None if lines are not compared with it

    @classmethod
    def read(
        cls, queries: Sequence[Query], expect: str | None, sources: Sources, mask: Mask
    ) -> Self:
        """Return the checker for the expressions of --assert, and for --expect.

        Raises UsageProblem.
        """
        expected = None
        if expect is not None:
            expected = Expectations.read(expect, sources)
        return cls(queries, expected, mask)

    def forbidding(self, never: str | None) -> Self:
        """Return the checker with what --never forbids. Raises UsageProblem."""
        if never is None:
            return self
        return replace(self, never=parse_assertion(never, of_row=True, option=NEVER))

    def measuring(self, score: str | None, by: str | None, *, has_judge: bool = False) -> Self:
        """Return the checker that also measures: --score and --by. Raises UsageProblem."""
        scored = None
        if score is not None:
            scored = parse_assertion(score, of_row=True, of_judge=has_judge, option=SCORE)
        return replace(self, score=scored, by=by, has_judge=has_judge)

    def of_version(self, version_id: str | None) -> Self:
        """Return the checker for which an answer of another version than this is none."""
        return replace(self, version_id=version_id)

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
            option = "--assert"
            if query is self.score:
                option = SCORE
            elif query is self.never:
                option = NEVER
            for name in query.keys_of(what):
                yield option, name

    @property
    def _expressions(self) -> list[Query]:
        others = [self.score, self.never]
        return [*self.queries, *(query for query in others if query is not None)]

    def require_columns(
        self, known: Collection[str], renamed: Mapping[str, str] | None = None
    ) -> None:
        """Raise UsageProblem if a check names another column than these, unless none is known."""
        if not known:
            return
        named = [(name, f"{option} names row.{name}") for option, name in self._names_of("row")]
        if self.by is not None:
            named.append((self.by, f"--by names {self.by!r}"))
        for name, what in named:
            if name == ID or name in known:
                continue
            near = (renamed or {}).get(name) or nearest(name, known)
            hint = suggestion(near, quoted=True)
            raise UsageProblem(f"{what}, but no row has such a column", hint)

    def require_outputs(
        self,
        known: Collection[str],
        where: str,
        alone: Hint | str = "",
        known_elsewhere: Collection[str] = (),
    ) -> None:
        """Raise UsageProblem if a check names another output than these, unless none is known.

        `alone` is how to judge the other side, which may know the output.
        """
        if not known:
            return
        for option, name in self._names_of("output"):
            if name in known:
                continue
            hint = alone
            if name not in known_elsewhere:
                hint = suggestion(nearest(name, known), quoted=True)
            raise UsageProblem(
                f"{option} names output.{name}, but {where} has no such output", hint
            )

    def require_answers(self, known: Collection[str], where: str) -> None:
        """Raise UsageProblem if a check, also of --expect, names another output than these."""
        self.require_outputs(known, where)
        if known and self.expected is not None:
            self.expected.require_outputs(known, where)

    def require_judge(self, known: Collection[str], judge: str) -> None:
        """Raise UsageProblem if no check reads `judge`, or one names what it does not have."""
        named = list(self._names_of("judge"))
        for option, name in named:
            if name not in known:
                hint = suggestion(
                    nearest(name, known), f"it has {', '.join(known) or 'none'}", quoted=True
                )
                raise UsageProblem(
                    f"{option} names judge.{name}, but {judge} has no such output", hint
                )
        if not named:
            raise UsageProblem(
                "no check reads what the judge says", "use judge.NAME in --assert or --score"
            )

    def check_names(self, *, own: bool) -> list[str]:
        """Return the names of each row's checks; `own` says that rows have a column `$expect`."""
        names = [assertion_name(query) for query in self.queries]
        if self.expected is not None:
            return [OPTION, *names]
        if own:
            return [EXPECT, *names]
        return names

    def identity(self) -> list[Any]:
        """Return what tells these checks from others; it can be written as JSON."""
        expected = None
        if self.expected is not None:
            expected = self.expected.digest()
        return [[query.text for query in self._expressions], expected, self.lower_is_better]

    def coverage(self) -> Coverage:
        """Return what counts the rows without a check."""
        return Coverage(self.expected, self.columns)

    def judged(
        self, line: Mapping[str, Any], table: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Return the line with its assertions, and with the code 11 if one of them does not hold.

        Only a completed row is judged. --assert sees the row's inputs and kept columns as `row`.
        The id, the columns and what is expected are those of the line `table`, if another one is to
        ask.
        """
        line = of_version(line, self.version_id)
        result = line["result"]
        table = table or line
        columns = table["columns"] or {}
        has_checks = self.has_checks or EXPECT in columns
        if result["exit_code"] != ExitCode.OK or not has_checks:
            return line
        document = {**result, "row": row_in(line, table)}
        if self.has_judge:
            if "judge" not in line:
                return line
            document["judge"] = line["judge"]
        if self.score is not None:
            score = self._score(document)
            line = {**line, "score": score}
            if score is None:  # nothing is said of the answer
                error = NotAsAsserted(f"{SCORE} {self.score.text} finds no number").document()
                return {**line, "result": _failed(result, ExitCode.NOT_FINISHED, error)}
        found = list(self._found(document, table))
        if not found:
            return line
        result = {**result, "assertions": self.mask.whole([asdict(each) for each in found])}
        trouble = broken_assertions(found, run_in(result).get("id"))
        if trouble:
            error = self.mask.whole(NotAsAsserted(trouble).document())
            result = _failed(result, ExitCode.NOT_AS_ASSERTED, error)
        return {**line, "result": result}

    @property
    def has_assertions(self) -> bool:
        return bool(self.queries) or self.expected is not None

    def can_fail(self, line: Mapping[str, Any]) -> bool:
        """Return whether another answer to this row could fail a check.

        An empty expectation is none, and an assertion that holds of an empty text and of one that
        is nowhere expected holds of anything.
        """
        columns = line.get("columns") or {}
        if self.expected is not None:
            wanted = self.expected.of(line["row"], line["id"])
            if wanted is not None and wanted.values:
                return True
        elif columns.get(EXPECT) not in (None, {}):
            return True
        if not self.queries:
            return False
        return any(self._is_false_of(line, text) for text in ("", UNEXPECTED))

    def _is_false_of(self, line: Mapping[str, Any], text: str) -> bool:
        """Return whether an assertion fails if each output is this text."""
        document = {**line["result"], "row": row_in(line)}
        document["output"] = dict.fromkeys(by_name(document["output"]), text)
        document["judge"] = dict.fromkeys(line.get("judge") or {}, text)
        return not all(check_assertion(query, document).holds for query in self.queries)

    def forbidden_in(self, line: Mapping[str, Any]) -> str | None:
        """Return how --never holds of a completed answer, None if it does not."""
        if self.never is None:
            return None
        try:
            found = self.never.of_result({**line["result"], "row": row_in(line)})
        except Unfitting as error:
            return f"{NEVER} {self.never.text} can't be applied: {error.message}"
        if found is False or found is None:
            return None
        if found is True:
            return f"{NEVER} {self.never.text} holds"
        return f"{NEVER} {self.never.text} is neither true nor false"

    def _score(self, document: Mapping[str, Any]) -> float | None:
        """Return the score of an answer, None for anything but a number of a usual size."""
        assert self.score is not None
        try:
            found = self.score.of_result(document)
        except Unfitting:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float):
            return None
        if not abs(found) < MAX_SCORE:  # also nan
            return None
        return float(found)

    def _found(self, document: Mapping[str, Any], table: Mapping[str, Any]) -> Iterator[Assertion]:
        columns = table["columns"] or {}
        output = document["output"]
        if self.expected is not None:
            wanted = self.expected.of(table["row"], table["id"])
            if wanted is not None:
                yield compared(OPTION, wanted.values, wanted.texts, output, self.mask)
        elif columns.get(EXPECT) not in EMPTY:
            yield _as_the_row_expects(columns[EXPECT], output, self.mask)
        for query in self.queries:
            yield check_assertion(query, document)


def row_in(line: Mapping[str, Any], table: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what expressions see as `row`: the inputs of a line, its kept columns and its id.

    Columns and id are those of the line `table`, if another one is to ask.
    """
    asked = table or line
    return {**(line["input"] or {}), **(asked["columns"] or {}), ID: asked["id"]}


def _failed(result: Mapping[str, Any], code: ExitCode, error: Mapping[str, Any]) -> dict[str, Any]:
    return {**result, "ok": False, "exit_code": int(code), "error": error}


def compared(
    name: str, wanted: Mapping[str, Any], texts: Collection[str], output: Any, mask: Mask
) -> Assertion:
    """Compare the outputs that `wanted` names.

    Those in `texts` as texts, without surrounding blanks.
    """
    wanted = dict(wanted)
    found = {}
    if isinstance(output, dict):
        found = {key: output[key] for key in wanted if key in output}
    for key in texts & found.keys():
        wanted[key] = wanted[key].strip()
        found[key] = as_text(found[key]).strip()
    place = _difference(wanted, found, ())
    if place is None:
        return Assertion(name, True)
    # Loaded where something differs.
    from noxcli.reports.text_diff import marked_diffs, word_diff

    diffs = []
    for key, value in wanted.items():
        # Hidden before they are compared: a secret may share words with what is expected.
        old = mask(as_text(value))
        new = ""
        if key in found:
            new = mask(as_text(found[key]))
        if old != new:
            diffs.append((key, word_diff(old, new)))
    return Assertion(name, False, place, marked_diffs(diffs))


def _as_the_row_expects(wanted: Any, output: Any, mask: Mask) -> Assertion:
    """Compare the output with the row's `$expect`: an object by output, or the only one's value."""
    if isinstance(wanted, dict):
        return compared(EXPECT, wanted, frozenset(), output, mask)
    outputs = list(output) if isinstance(output, dict) else []
    if len(outputs) != 1:
        return Assertion(
            EXPECT,
            False,
            f"it is for one output, but the run has {len(outputs)}; write a JSON object",
        )
    texts = frozenset(outputs) if isinstance(wanted, str) else frozenset()
    return compared(EXPECT, {outputs[0]: wanted}, texts, output, mask)


def _difference(wanted: Any, found: Any, keys: Steps) -> str | None:
    """Return the first difference as text. Keys that `wanted` lacks don't count."""
    expects_text_fields = isinstance(wanted, dict) and wanted.keys() <= TEXT_FIELDS
    if not expects_text_fields:
        found = unwrapped(found)  # the text alone
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in wanted:
            if key not in found:
                return f"{pointer_to((*keys, key))} is missing"
        for key, value in wanted.items():
            difference = _difference(value, found[key], (*keys, key))
            if difference is not None:
                return difference
        return None
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for place, (one, other) in enumerate(zip(wanted, found, strict=True)):
            difference = _difference(one, other, (*keys, place))
            if difference is not None:
                return difference
        return None
    both_or_no_bool = isinstance(wanted, bool) == isinstance(found, bool)  # 1 == True in Python
    if wanted == found and both_or_no_bool:
        return None
    is_, should = _where_they_differ(to_json(found), to_json(wanted))
    return f"{pointer_to(keys)} is {is_} and not {should}"


def _where_they_differ(one: str, other: str) -> tuple[str, str]:
    """Return two texts in short, from their beginning or from shortly before their first
    difference.

    Characters that look like others are escaped in texts that look equal.
    """
    if _as_seen(one) == _as_seen(other):
        one = _in_ascii(one)
        other = _in_ascii(other)
    same = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        same += 1
    begin = 0
    if max(len(one), len(other)) > MAX_SIDE and same > MAX_SIDE // 2:
        begin = same - SAME_BEFORE
    return _from(one, begin), _from(other, begin)


def _in_ascii(text: str) -> str:
    return re.sub(r"[^\x00-\x7f]", lambda letter: f"\\u{ord(letter[0]):04x}", text)


def _as_seen(text: str) -> str:
    """Return a text as people see it: composed, with one kind of blank, quote and dash."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(LOOKALIKES).split())


def _from(text: str, begin: int) -> str:
    if begin > 0:
        text = f"…{text[begin:]}"
    return shorten(text, MAX_SIDE)


# Answers that are none.


def version_in(line: ResultLine) -> str | None:
    """Return the version that the record of a line's run names, None if it names none."""
    named: str | None = run_in(line["result"]).get("version_id")
    return named


def is_of_other_version(line: ResultLine, version_id: str | None) -> bool:
    """True if the record names another version than this; one that names none proves nothing."""
    named = version_in(line)
    return named is not None and version_id is not None and not same_id(named, version_id)


def of_version(line: ResultLine, version_id: str | None) -> ResultLine:
    """Return the line as it can be judged.

    It has no answer if its run is of another version than this.
    """
    if not is_of_other_version(line, version_id):
        return line
    error = NotFinished(
        f"its record names version {version_in(line)}, not {version_id}",
        "--fresh asks every row again",
    )
    result: Mapping[str, Any] = {
        **line["result"],
        "ok": False,
        "exit_code": int(ExitCode.NOT_FINISHED),
        "error": error.document(Phase.RUN),
        "assertions": [],
    }
    return {**line, "result": result, "score": None}


def with_judgement(line: ResultLine, judgement: ResultLine) -> ResultLine:
    """Return the line of a completed answer with what its judge says; others as they are."""
    result = line["result"]
    if result["exit_code"] != ExitCode.OK:
        return line
    judged = judgement["result"]
    if judged["exit_code"] == ExitCode.OK:
        run_id = run_in(judged).get("id")
        return {**line, "judge": by_name(judged["output"]), "judge_run": run_id}
    why = brief_reason_in(judged) or ExitCode(judged["exit_code"]).words
    error = NotFinished(f"it was not judged: {why}").document(Phase.RUN)
    return {
        **line,
        "result": {**result, "ok": False, "exit_code": int(ExitCode.NOT_FINISHED), "error": error},
    }
