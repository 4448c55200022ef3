"""The verdict of --assert and --expect on rows' results, whether they are new or stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

from noxcli.batch.rows import Columns, RowFile
from noxcli.encode import to_json
from noxcli.errors import ExitCode, Phase, UsageProblem
from noxcli.fixed import fixed
from noxcli.inputs.parse import Inputs
from noxcli.masking import Mask
from noxcli.outputs.values import as_text, pointer_to, unwrapped
from noxcli.query import Query
from noxcli.render.text import amount
from noxcli.reports.assertions import Assertion, assertion_name, broken_assertions, check_assertion

EXPECT = "--expect"
MOST_TOLD = 5  # ids in a message
LONGEST_SIDE = 100  # characters of a value in a message
Steps = tuple[str | int, ...]


@fixed
class Judge:
    """Judges lines of results. A stored line has no verdict of its own, so every call judges all of them."""

    queries: Sequence[Query]
    expected: "Expected | None"
    mask: Mask

    @classmethod
    def asked(cls, asserts: Sequence[str] | None, expect: str | None, mask: Mask) -> Self:
        """Return the judge for --assert and --expect. Raises UsageProblem."""
        queries = [Query.read(text, "--assert") for text in asserts or ()]
        return cls(queries, None if expect is None else Expected.read(expect), mask)

    @property
    def has_questions(self) -> bool:
        return bool(self.queries) or self.expected is not None

    @property
    def names(self) -> list[str]:
        """The names of the assertions."""
        return [*([EXPECT] if self.expected is not None else []), *map(assertion_name, self.queries)]

    def judged(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the line with its assertions, and with the code 11 if one of them does not hold.

        Only a completed row is judged. --assert sees the row's own inputs as `row`.
        """
        result = line["result"]
        if not self.has_questions or result["exit_code"] != ExitCode.OK:
            return line
        found = list(self._found(line, result))
        if not found:
            return line
        assertions = self.mask.whole([asdict(each) for each in found])
        result = {**result, "assertions": assertions}
        if trouble := broken_assertions(found, (result["run"] or {}).get("id")):
            code = int(ExitCode.NOT_AS_ASSERTED)
            result |= {"ok": False, "exit_code": code, "error": self.mask.whole(_as_error(trouble))}
        return {**line, "result": result}

    def _found(self, line: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[Assertion]:
        if self.expected is not None:
            yield from self.expected.compared(line["row"], line["id"], result["output"])
        columns = {"$id": line["id"], **(line.get("input") or {})}
        yield from (check_assertion(query, {**result, "row": columns}) for query in self.queries)


class Expected:
    """The expected outputs, all held in memory. Only keys that an expected output names count."""

    def __init__(self, by_id: Mapping[str, Inputs]) -> None:
        self._by_id = by_id

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a file in the format of the rows: a line has a row's $id, or its number, and the outputs.

        Raises UsageProblem for a file that can't be read, and for an id that appears twice.
        """
        source = RowFile(path, None, Columns({}, Inputs()), None)
        if source.is_stream:
            raise UsageProblem(f"{EXPECT} {path} is not a file", "give a JSON lines, CSV or TSV file")
        by_id: dict[str, Inputs] = {}
        for row in source.rows():
            if row.problem is not None:
                raise UsageProblem(f"{EXPECT} {path}, {row.place}: {row.problem}")
            if _key(row.number, row.id) in by_id:
                raise UsageProblem(f"{EXPECT} {path}, {row.place}: {_key(row.number, row.id)!r} appears twice")
            by_id[_key(row.number, row.id)] = row.inputs
        return cls(by_id)

    def require_rows(self, rows: RowFile) -> int:
        """Return how many rows have no expected output. Raises UsageProblem for expected outputs without a row."""
        unmatched, without = dict.fromkeys(self._by_id), 0
        for row in rows.rows():
            without += _key(row.number, row.id) not in self._by_id
            unmatched.pop(_key(row.number, row.id), None)
        if unmatched:
            told = ", ".join(map(repr, list(unmatched)[:MOST_TOLD]))
            raise UsageProblem(f"{EXPECT} has {amount(len(unmatched), 'output')} without a row: {told}")
        return without

    def compared(self, row: int, own_id: str | None, output: Any) -> Iterator[Assertion]:
        """Yield the comparison of a row's output, if one is expected."""
        expected = self._by_id.get(_key(row, own_id))
        if expected is None:
            return
        wanted = dict(expected.values)
        found = {key: output[key] for key in wanted if key in output} if isinstance(output, dict) else {}
        # Cells are texts: an output is compared with them as its text, without surrounding blanks.
        for key in expected.texts & found.keys():
            wanted[key], found[key] = wanted[key].strip(), as_text(found[key]).strip()
        place, diff = _difference(wanted, found, ()), None
        if place is not None:
            from noxcli.reports.words import line_diff  # loaded where something differs

            diff = line_diff(wanted, found, ("expected", "found"))
        yield Assertion(EXPECT, place is None, place, diff)


def _as_error(message: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"hint": None, "http_status": None, "request_id": None, "candidates": []}
    return {"phase": str(Phase.ASSERT), "message": message, **empty}


def _key(number: int, own_id: str | None) -> str:
    return str(number) if own_id is None else own_id


def _difference(wanted: Any, found: Any, keys: Steps) -> str | None:
    """Return the first difference, in words. Only keys that `wanted` names count."""
    if not (isinstance(wanted, dict) and wanted.keys() <= {"text"}):
        found = unwrapped(found)
    if isinstance(wanted, dict) and isinstance(found, dict):
        if missing := [key for key in wanted if key not in found]:
            return f"{pointer_to((*keys, missing[0]))} is missing"
        inner = (_difference(value, found[key], (*keys, key)) for key, value in wanted.items())
        return next(filter(None, inner), None)
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        inner = (_difference(one, found[place], (*keys, place)) for place, one in enumerate(wanted))
        return next(filter(None, inner), None)
    if wanted == found and isinstance(wanted, bool) == isinstance(found, bool):  # 1 == True in Python
        return None
    return f"{pointer_to(keys)} is {_short(found)} and not {_short(wanted)}"


def _short(value: Any) -> str:
    text = to_json(value)
    return text if len(text) <= LONGEST_SIDE else f"{text[: LONGEST_SIDE - 1]}…"
