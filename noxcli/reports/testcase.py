"""A run as a JUnit test case."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from noxcli.errors import ExitCode, NotAsAsserted
from noxcli.reports.junit import Case, CaseVerdict
from noxcli.reports.result import Outcome
from noxcli.timing import seconds_between

# The run itself failed; every other code is a problem with the verdict or the output.
FAILURES = frozenset({ExitCode.RUN_FAILED, ExitCode.RUN_STOPPED})


def verdict_on(exit_code: ExitCode) -> CaseVerdict:
    """Return the verdict for an exit code."""
    if exit_code in {ExitCode.OK, ExitCode.NOT_AS_ASSERTED}:  # each assertion is a separate case
        return CaseVerdict.PASSED
    return CaseVerdict.FAILURE if exit_code in FAILURES else CaseVerdict.ERROR


def case_of(name: str, outcome: Outcome, exit_code: ExitCode, elapsed: float) -> Case:
    """Return the case; `elapsed` is the local time in seconds, used if the record has none.

    The name should be the same in each pipeline: CI systems use it to distinguish new failures from old ones.
    """
    run, error = outcome.run, outcome.error
    seconds = seconds_between(run.created_at, run.finished_at) if run else None
    return Case(
        name=name,
        classname=run.workflow_id if run else "noxcli",
        seconds=max(0.0, elapsed if seconds is None else seconds),
        verdict=verdict_on(exit_code),
        type=type(error).__name__ if error else "",
        message=error.message if error else exit_code.meaning,
        text=f"exit code {exit_code}: {exit_code.meaning}\n{error.line() if error else ''}",
        system_out=f"run {run.id} of workflow {run.workflow_id}: {run.status}\n" if run else "",
    )


def assertion_cases(name: str, classname: str, found: Sequence[Mapping[str, Any]]) -> Iterator[Case]:
    """Yield each assertion as a separate test case, in addition to the one of its run or row."""
    for each in found:
        about = f"{name}: {each['name']}"
        if each["holds"]:
            yield Case(about, classname, None)
        else:
            text = "\n".join(filter(None, [each["message"], each["diff"]]))
            yield Case(about, classname, None, CaseVerdict.FAILURE, NotAsAsserted.__name__, each["message"] or "", text)


def unchecked_cases(name: str, classname: str, asserted: Iterable[str]) -> Iterator[Case]:
    """Yield the names of assertions that could not be checked."""
    for each in asserted:
        why = "the run has no output to check"
        yield Case(f"{name}: {each}", classname, None, CaseVerdict.SKIPPED, "NotChecked", why, why)
