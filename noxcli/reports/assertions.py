"""The assertions about a completed run (--assert, --expect), and their results."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from noxcli.codec import to_json
from noxcli.errors import ExitCode, NotAsAsserted, Unfitting
from noxcli.masking import Mask
from noxcli.query import Query
from noxcli.reports.result import Outcome

LONGEST_SEEN = 300  # characters of a value that was found instead of true


@dataclass(frozen=True, slots=True)
class Assertion:
    """One assertion and its outcome; `name` is its option."""

    name: str
    holds: bool
    message: str | None = None
    diff: str | None = None


def assertion_name(query: Query) -> str:
    """Return the name of an assertion in reports."""
    return f"--assert {query.text}"


def check_assertion(query: Query, document: Mapping[str, Any]) -> Assertion:
    """Return whether the expression is true of the document, and nothing but true."""
    try:
        found = query.of(document)
    except Unfitting as error:
        return Assertion(assertion_name(query), False, error.message)
    if found is True:
        return Assertion(assertion_name(query), True)
    seen = query.operands(document)
    instead = "" if found is False else f"it is {to_json(found)[:LONGEST_SEEN]} but not true"
    return Assertion(assertion_name(query), False, "; ".join(filter(None, [instead, seen])) or "it is false")


def broken_assertions(found: Sequence[Assertion], run_id: str | None) -> str | None:
    """Return the message about assertions that do not hold, None if all do."""
    broken = [each for each in found if not each.holds]
    if not broken:
        return None
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    run = f"run {run_id} " if run_id is not None else ""
    return f"{run}completed, but {broken[0].name} does not hold: {broken[0].message}{more}"


def require_queries(queries: Sequence[Query], outcome: Outcome, mask: Mask) -> None:
    """Check a completed run's result against --assert, and record that in its outcome.

    Raises NotAsAsserted for the first one that fails.
    """
    if not queries:
        return
    document = outcome.document(ExitCode.OK, mask)
    found = [check_assertion(query, document) for query in queries]
    outcome.assertions = [asdict(each) for each in found]
    if broken := broken_assertions(found, outcome.run.id if outcome.run is not None else None):
        raise NotAsAsserted(broken)
