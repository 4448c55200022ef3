"""The assertions about a completed run (--assert, --expect), and their results."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from noxcli.codec import to_json
from noxcli.errors import ExitCode, NotAsAsserted, Unfitting, UsageProblem, nearest, suggestion
from noxcli.expressions.query import Query
from noxcli.masking import Mask
from noxcli.reports.result import Outcome

# What a result document has, whose schema a test holds this to; `*` is the whole document.
OF_A_RESULT = frozenset(
    [
        "schema",
        "ok",
        "exit_code",
        "retry_safe",
        "run",
        "output",
        "complete",
        "files",
        "nodes",
        "stream",
        "error",
        "*",
    ]
)
MAX_SEEN = 300  # characters of a value that was found instead of true


@dataclass(frozen=True, slots=True)
class Assertion:
    """One assertion and its outcome; `name` is its option."""

    name: str
    holds: bool
    message: str | None = None
    diff: str | None = None


def parse_assertion(
    text: str, *, of_row: bool = False, of_judge: bool = False, option: str = "--assert"
) -> Query:
    """Return the expression of --assert or another option, about a run, `of_row` or `of_judge`.

    Raises UsageProblem for one that is not valid, that could never fail, or that has a name which
    nothing has.
    """
    from noxcli.expressions.interpreter import DOCUMENT, JUDGE, ROW, SEARCHES, nodes_in

    query = Query(text, option)
    named = query.keys_of(DOCUMENT)
    known = set(OF_A_RESULT)
    if of_row:
        known.add(ROW)
    if of_judge:
        known.add(JUDGE)
    if (known - {ROW}).isdisjoint(named):
        meant = suggestion(_first_near(named), "name an output, as in output.Answer")
        raise UsageProblem(
            f"{option} {text!r} names nothing of the result, so it checks nothing", meant
        )
    for name in named:
        if name not in known and name != "null":
            raise UsageProblem(
                f"{option} {text!r} names {name!r}, which no result has", _meant(name, known)
            )
    for node in nodes_in(query.tree):
        is_search = node["type"] == "function_expression" and node["value"] in SEARCHES
        if is_search and node["children"][1].get("value") == "":
            what = f"{node['value']}() finds the empty text in every text"
            raise UsageProblem(
                f"{option} {text!r} checks nothing: {what}", "write what it should find"
            )
    return query


def _first_near(names: Iterable[str]) -> str | None:
    """Return what the first of the names that is near to a name of the result may mean."""
    for name in names:
        close = nearest(name, OF_A_RESULT)
        if close:
            return close
    return None


def _meant(name: str, known: Collection[str]) -> str:
    match name.casefold():
        case "none":
            return "write `null`"
        case "true" | "false" as literal:
            return f"write `{literal}`"
    advice = f"a text is '{name}', an output is output.{name}"
    if "row" in known:
        advice += f", a column is row.{name}"
    return suggestion(nearest(name, known), advice, quoted=True)


def assertion_name(query: Query) -> str:
    """Return the name of an assertion in reports."""
    return f"--assert {query.text}"


def check_assertion(query: Query, document: Mapping[str, Any]) -> Assertion:
    """Return whether the expression is true of the document, and nothing but true."""
    name = assertion_name(query)
    try:
        found = query.of_result(document)
    except Unfitting as error:
        return Assertion(name, False, error.message)
    if found is True:
        return Assertion(name, True)
    reasons = []
    if found is not False:
        reasons.append(f"it is {to_json(found)[:MAX_SEEN]} but not true")
    seen = query.operands(document)
    if seen:
        reasons.append(seen)
    return Assertion(name, False, "; ".join(reasons) or "it is false")


def broken_assertions(found: Sequence[Assertion], run_id: str | None) -> str | None:
    """Return the message about assertions that do not hold, None if all do."""
    broken = [each for each in found if not each.holds]
    if not broken:
        return None
    first = broken[0]
    message = f"completed, but {first.name} does not hold: {first.message}"
    if run_id is not None:
        message = f"run {run_id} {message}"
    if len(broken) > 1:
        message += f" (and {len(broken) - 1} more)"
    return message


def require_queries(
    queries: Sequence[Query], outcome: Outcome, mask: Mask, output: Any = None
) -> None:
    """Check a completed run's result against --assert, and record that in its outcome.

    `output` is judged in place of what was delivered, which may be a part. Raises NotAsAsserted
    for the first one that fails.
    """
    if not queries:
        return
    document = outcome.document(ExitCode.OK, mask)
    if output is not None:
        document["output"] = output
    found = [check_assertion(query, document) for query in queries]
    outcome.asserted([asdict(each) for each in found])
    run_id = outcome.run.id if outcome.run is not None else None
    broken = broken_assertions(found, run_id)
    if broken:
        raise NotAsAsserted(broken)
