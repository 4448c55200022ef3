"""`--expect FILE`: the rows' expected outputs, by the rows' ids, and the differences of an output."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Self

from noxcli.batch.rows import Columns, Row, RowFile
from noxcli.encode import to_json
from noxcli.errors import ExitCode, UsageProblem
from noxcli.inputs.parse import Inputs
from noxcli.outputs.values import as_text, pointer_to
from noxcli.query import Query
from noxcli.redaction import Mask
from noxcli.render.text import amount
from noxcli.reports.assertions import Assertion, check_assertion, require_as_asserted
from noxcli.reports.result import Outcome

EXPECT = "--expect"
MOST_TOLD = 5  # ids in a message
LONGEST_SIDE = 100  # characters of a value in a message
MOST_LINES = 1000  # of each side of a diff
Steps = tuple[str | int, ...]


class ExpectAs(StrEnum):
    """How to compare an output: all of it, only the expected keys, or these as texts, ignoring spaces."""

    EXACT = "exact"
    SUBSET = "subset"
    TEXT = "text"


class Expected:
    """The expected outputs, all held in memory."""

    def __init__(self, by_id: Mapping[str, Mapping[str, Any]], how: ExpectAs) -> None:
        self._by_id = by_id
        self._how = how

    @classmethod
    def read(cls, path: str, how: ExpectAs) -> Self:
        """Read a file in the format of the rows: a line has a row's $id, or its number, and the outputs.

        Raises UsageProblem for a file that can't be read, and for an id that appears twice.
        """
        source = RowFile(path, None, Columns({}, Inputs()), None)
        if source.is_stream:
            raise UsageProblem(f"{EXPECT} {path} is not a file", "give a JSON lines, CSV or TSV file")
        by_id: dict[str, Mapping[str, Any]] = {}
        for row in source.rows():
            if row.problem is not None:
                raise UsageProblem(f"{EXPECT} {path}, {row.place}: {row.problem}")
            if _key(row) in by_id:
                raise UsageProblem(f"{EXPECT} {path}, {row.place}: {_key(row)!r} appears twice")
            by_id[_key(row)] = row.inputs.values
        return cls(by_id, how)

    def require_rows(self, rows: RowFile) -> int:
        """Return how many rows have no expected output. Raises UsageProblem for expected outputs without a row."""
        unmatched, without = dict.fromkeys(self._by_id), 0
        for row in rows.rows():
            without += _key(row) not in self._by_id
            unmatched.pop(_key(row), None)
        if unmatched:
            told = ", ".join(map(repr, list(unmatched)[:MOST_TOLD]))
            raise UsageProblem(f"{EXPECT} has {amount(len(unmatched), 'output')} without a row: {told}")
        return without

    def held_against(self, row: Row, output: Any) -> Iterator[Assertion]:
        """Yield the comparison of the row's output, if one is expected."""
        wanted = self._by_id.get(_key(row))
        if wanted is None:
            return
        found = {key: output[key] for key in wanted if key in output} if isinstance(output, dict) else output
        found = output if self._how is ExpectAs.EXACT else found
        try:
            place = _difference(wanted, found, (), self._how)
        except RecursionError:
            yield Assertion(EXPECT, False, "the output is nested too deeply to compare")
            return
        if place is None:
            yield Assertion(EXPECT, True)
        else:
            yield Assertion(EXPECT, False, place, self._diff(wanted, found))

    def _diff(self, wanted: Any, found: Any) -> str:
        one, other = (_lines(side, self._how) for side in (wanted, found))
        return "\n".join(difflib.unified_diff(one, other, "expected", "found", lineterm=""))


def judge_row(queries: Sequence[Query], expected: Expected | None, mask: Mask, row: Row, outcome: Outcome) -> None:
    """Check a completed row's assertions; --assert sees the row's own columns as `row`.

    Raises NotAsAsserted.
    """
    if not queries and expected is None:
        return
    document = outcome.document(ExitCode.OK, mask)
    found = list(expected.held_against(row, document["output"])) if expected is not None else []
    columns = {"$id": row.id, **row.inputs.shown()}
    found += [check_assertion(query, {**document, "row": columns}) for query in queries]
    require_as_asserted(outcome, found)


def _key(row: Row) -> str:
    return str(row.number) if row.id is None else row.id


def _difference(wanted: Any, found: Any, keys: Steps, how: ExpectAs) -> str | None:
    """Return the first difference, in words."""
    if isinstance(wanted, dict) and isinstance(found, dict) and (how is not ExpectAs.TEXT or not keys):
        return _difference_of_objects(wanted, found, keys, how)
    if how is not ExpectAs.TEXT and _are_of_one_length(wanted, found):
        pairs = enumerate(zip(wanted, found, strict=True))
        inner = (_difference(one, other, (*keys, place), how) for place, (one, other) in pairs)
        return next(filter(None, inner), None)
    if _is_same(wanted, found, how):
        return None
    return f"{pointer_to(keys) or 'the output'} is {_short(found)} and not {_short(wanted)}"


def _difference_of_objects(
    wanted: Mapping[str, Any], found: Mapping[str, Any], keys: Steps, how: ExpectAs
) -> str | None:
    if missing := [key for key in wanted if key not in found]:
        return f"{pointer_to((*keys, missing[0]))} is missing"
    if how is ExpectAs.EXACT and (extra := [key for key in found if key not in wanted]):
        return f"{pointer_to((*keys, extra[0]))} is not expected"
    inner = (_difference(value, found[key], (*keys, key), how) for key, value in wanted.items())
    return next(filter(None, inner), None)


def _are_of_one_length(wanted: Any, found: Any) -> bool:
    """True for two lists whose values can be compared one by one."""
    return isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found)


def _is_same(wanted: Any, found: Any, how: ExpectAs) -> bool:
    if how is ExpectAs.TEXT:
        return _plain(wanted) == _plain(found)
    return bool(wanted == found) and isinstance(wanted, bool) == isinstance(found, bool)  # 1 == True in Python


def _plain(value: Any) -> str:
    return " ".join(as_text(value).split())


def _short(value: Any) -> str:
    text = to_json(value)
    return text if len(text) <= LONGEST_SIDE else f"{text[: LONGEST_SIDE - 1]}…"


def _lines(value: Any, how: ExpectAs) -> list[str]:
    if how is ExpectAs.TEXT and isinstance(value, dict):
        lines = [f"{key}: {line}" for key in sorted(value) for line in as_text(value[key]).splitlines() or [""]]
    else:
        ordered = {key: value[key] for key in sorted(value)} if isinstance(value, dict) else value
        lines = to_json(ordered, indent=2).splitlines()
    return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], f"({len(lines) - MOST_LINES} more lines)"]
