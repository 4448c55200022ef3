"""JUnit XML, the report that every CI system shows: written case by case, in constant memory.

No standard defines the format. This output is valid by the schema of Jenkins' xUnit plug-in (junit-10.xsd), which
GitLab, GitHub's report actions, Azure and Buildkite read as well.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self
from xml.sax.saxutils import escape, quoteattr

from noxcli.errors import ExitCode, NotAsAsserted, Undelivered
from noxcli.files import reason_of, replacing
from noxcli.fixed import fixed
from noxcli.masking import Mask
from noxcli.reports.result import Outcome
from noxcli.timing import seconds_between

if TYPE_CHECKING:
    from noxcli.reports.comparison import Pair

# Characters that XML 1.0 does not allow, escaped or not (section 2.2, Char).
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The run itself failed; every other code is a problem with the verdict or the output.
FAILURES = frozenset({ExitCode.RUN_FAILED, ExitCode.RUN_STOPPED})
LONGEST_TOTALS = 110  # characters of the totals in the head: a billion cases of each kind, and seconds


class CaseVerdict(StrEnum):
    """The verdict of a case; all but `passed` are elements of the format."""

    PASSED = "passed"
    FAILURE = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@fixed
class Case:
    """One test case. `seconds` is None if no time was measured.

    `type`, `message` and `text` (the long form) belong to a verdict other than passed.
    """

    name: str
    classname: str
    seconds: float | None = 0.0
    verdict: CaseVerdict = CaseVerdict.PASSED
    type: str = ""
    message: str = ""
    text: str = ""
    system_out: str = ""


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
        classname="noxcli",
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


def cases_of_row(line: Mapping[str, Any], classname: str, asserted: Iterable[str]) -> Iterator[Case]:
    """Yield a batch's row as a test case, then each of its assertions; `asserted` names those of the other rows."""
    result = line["result"]
    run, error, found = result["run"] or {}, result["error"] or {}, result.get("assertions", ())
    code = ExitCode.of(result["exit_code"])
    name = _name_of(line)
    name += f", repetition {line['repetition']}" if "repetition" in line else ""
    message, text = error.get("message") or code.meaning, f"run {run['id']}" if run else ""
    yield Case(name, classname, run.get("duration_s"), verdict_on(code), code.name, message, text)
    yield from assertion_cases(name, classname, found)
    if not found and code is not ExitCode.OK:
        yield from unchecked_cases(name, classname, asserted)


def case_of_pair(pair: "Pair", verdict: CaseVerdict) -> Case:
    """Return a row of a comparison as a test case; one that did not pass has what differs, line by line."""
    from noxcli.reports.words import line_diff  # loaded only for a comparison

    shown = (pair.new or pair.base)[0]["result"]["run"] or {}
    case = Case(_name_of(pair.first), shown.get("workflow_id") or "noxcli", pair.seconds[1], verdict)
    if verdict is CaseVerdict.PASSED:
        return case
    diff = ""
    if pair.base and pair.new:
        base, new = (side[0]["result"]["output"] for side in (pair.base, pair.new))
        diff = line_diff(base, new, ("base", "new"))
    what = pair.what()
    return replace(case, type=str(pair.change), message=what, text="\n".join(filter(None, [what, diff])))


def _name_of(line: Mapping[str, Any]) -> str:
    return f"row {line['row']}" + (f" ({line['id']})" if line["id"] is not None else "")


def unchecked_cases(name: str, classname: str, asserted: Iterable[str]) -> Iterator[Case]:
    """Yield the names of assertions that could not be checked."""
    for each in asserted:
        why = "the run has no output to check"
        yield Case(f"{name}: {each}", classname, None, CaseVerdict.SKIPPED, "NotChecked", why, why)


class JunitReport:
    """A report with one suite. It is put in place complete when the block ends, for every outcome.

    Entering raises Undelivered if the file can't be created; `files.check_target` reports that as a UsageProblem
    before anything is started. A disk that becomes full later does not end the block, but raises Undelivered at its
    end.
    """

    def __init__(self, path: Path, name: str, mask: Mask | None = None) -> None:
        self._path = path
        self._mask = mask or Mask()
        self._name = _attribute(name)
        self._began = datetime.now(UTC)
        self._counts: Counter[CaseVerdict] = Counter()
        self._seconds = 0.0
        self._stack = ExitStack()
        self._file: IO[bytes] | None = None
        self._trouble: Undelivered | None = None

    def __enter__(self) -> Self:
        self._file = self._stack.enter_context(replacing(self._path))
        self._write(self._head())
        return self

    def add(self, case: Case) -> None:
        """Write one case."""
        self._counts[case.verdict] += 1
        self._seconds += case.seconds or 0.0
        self._write(_testcase(Case(**self._mask.whole(asdict(case)))).encode())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(b"</testsuite>\n</testsuites>\n")
        self._write(self._head(), at=0)
        trouble = self._trouble
        try:
            # An incomplete report is not valid XML: then the previous file stays.
            self._stack.__exit__(type(trouble) if trouble else None, trouble, None)
        except Undelivered as late:
            trouble = late
        if trouble is not None and error is None:
            raise trouble

    def _head(self) -> bytes:
        """Return the head, as long for any totals: it comes first, but they are known last."""
        counts = self._counts
        totals = (
            f'tests="{counts.total()}" failures="{counts[CaseVerdict.FAILURE]}" errors="{counts[CaseVerdict.ERROR]}"'
            f' skipped="{counts[CaseVerdict.SKIPPED]}" time="{self._seconds:.3f}"'
        )
        name, blanks = self._name, " " * 2 * (LONGEST_TOTALS - len(totals))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={name} {totals}>\n'
            f'<testsuite name={name} {totals} timestamp="{self._began:%Y-%m-%dT%H:%M:%S}">{blanks}\n'
        ).encode()

    def _write(self, piece: bytes, at: int | None = None) -> None:
        assert self._file is not None
        try:
            if at is not None:
                self._file.seek(at)
            self._file.write(piece)
        except OSError as error:
            self._trouble = Undelivered(f"can't write {self._path}: {reason_of(error)}")


def _testcase(case: Case) -> str:
    name, classname = _attribute(case.name), _attribute(case.classname)
    inner = ""
    if case.verdict is not CaseVerdict.PASSED:
        about = f"type={_attribute(case.type)} message={_attribute(case.message)}"
        inner += f"<{case.verdict} {about}>{_text(case.text)}</{case.verdict}>\n"
    if case.system_out:
        inner += f"<system-out>{_text(case.system_out)}</system-out>\n"
    time = "" if case.seconds is None else f' time="{case.seconds:.3f}"'
    return f"<testcase name={name} classname={classname}{time}>\n{inner}</testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(ILLEGAL.sub("\ufffd", text))


def _text(text: str) -> str:
    return escape(ILLEGAL.sub("\ufffd", text), {"\r": "&#13;"})
