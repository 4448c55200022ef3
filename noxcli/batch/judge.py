"""The verdict of --assert and --expect on rows' results, whether they are new or stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from noxcli.batch.expected import EXPECT, Expected
from noxcli.errors import ExitCode, Phase
from noxcli.fixed import fixed
from noxcli.masking import Mask
from noxcli.query import Query
from noxcli.reports.assertions import Assertion, assertion_name, broken_assertions, check_assertion


@fixed
class Judge:
    """Judges lines of results. A stored line has no verdict of its own, so every call judges all of them."""

    queries: Sequence[Query]
    expected: Expected | None
    mask: Mask

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


def _as_error(message: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"hint": None, "http_status": None, "request_id": None, "candidates": []}
    return {"phase": str(Phase.ASSERT), "message": message, **empty}
