"""What the user demands of a completed run (--assert, --expect), and what was found instead."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from noxcli.encode import to_json
from noxcli.errors import ExitCode, NotAsAsserted, Unfitting
from noxcli.fixed import fixed
from noxcli.query import Query
from noxcli.redaction import Mask
from noxcli.reports.result import Outcome

LONGEST_SEEN = 300  # characters of what was found in place of true


@fixed
class Assertion:
    """One demand and its outcome; `name` is the option that made it."""

    name: str
    holds: bool
    message: str | None = None
    diff: str | None = None


def assertion_name(query: Query) -> str:
    """Return what reports call an assertion."""
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


def require_as_asserted(outcome: Outcome, found: Sequence[Assertion]) -> None:
    """Note in a completed run's outcome what was found.

    Raises NotAsAsserted for the first that does not hold.
    """
    outcome.assertions = [asdict(each) for each in found]
    broken = [each for each in found if not each.holds]
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        run = f"run {outcome.run.id} " if outcome.run is not None else ""
        raise NotAsAsserted(f"{run}completed, but {broken[0].name} does not hold: {broken[0].message}{more}")


def require_queries(queries: Sequence[Query], outcome: Outcome, mask: Mask) -> None:
    """Hold a completed run's result against what --assert demands of it. Raises NotAsAsserted."""
    if queries:
        document = outcome.document(ExitCode.OK, mask)
        require_as_asserted(outcome, [check_assertion(query, document) for query in queries])
