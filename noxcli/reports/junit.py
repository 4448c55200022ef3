"""JUnit XML, the report that every CI system shows: written case by case, in constant memory.

No standard defines the format. This output is valid by the schema of Jenkins' xUnit plug-in
(junit-10.xsd), which GitLab, GitHub's report actions, Azure and Buildkite read as well.
"""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from noxcli.errors import COMPLETED, ENDED_BADLY, ExitCode
from noxcli.files import replacing
from noxcli.masking import Mask
from noxcli.reports.failure_groups import row_name, run_in

if TYPE_CHECKING:
    from noxcli.reports.row_pair import RowPair

# Characters that XML 1.0 does not allow, escaped or not (section 2.2, Char).
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TAIL = b"</testsuite>\n</testsuites>\n"
MAX_TOTALS = 110  # characters of the totals in the head: a billion cases of each kind, and seconds


class CaseVerdict(StrEnum):
    """The verdict of a case; all but `passed` are elements of the format."""

    PASSED = "passed"
    FAILURE = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
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


def cases_of(
    name: str,
    classname: str,
    result: Mapping[str, Any],
    asserted: Iterable[str],
    elapsed: float | None = None,
) -> Iterator[Case]:
    """Yield a result document as a test case, then each of its assertions.

    The name should be the same in each pipeline: CI systems use it to distinguish new failures from
    old ones. `asserted` names the assertions if none was checked. `elapsed` is the local time in
    seconds, used if the record has none.
    """
    run = run_in(result)
    code = ExitCode(result["exit_code"])
    if code in COMPLETED and run.get("status") != "completed":
        why = "the run was not waited for" if run else "nothing was started"
        yield _skipped(name, classname, why)
        return
    yield _case_of_run(name, classname, result, elapsed)
    found = result.get("assertions", ())
    for each in found:
        yield Case(
            f"{name}: {each['name']}",
            classname,
            seconds=None,
            verdict=CaseVerdict.PASSED if each["holds"] else CaseVerdict.FAILURE,
            type=ExitCode.NOT_AS_ASSERTED.name,
            message=each["message"] or "",
            text="\n".join(filter(None, [each["message"], each["diff"]])),
        )
    if found:
        return
    for unchecked in asserted:
        yield _skipped(f"{name}: {unchecked}", classname, "the run has no output to check")


def _case_of_run(
    name: str, classname: str, result: Mapping[str, Any], elapsed: float | None
) -> Case:
    """Return the case of the run itself, which passes if the run completed."""
    run = run_in(result)
    error = result["error"] or {}
    code = ExitCode(result["exit_code"])
    if code in COMPLETED:  # each assertion is a separate case
        verdict = CaseVerdict.PASSED
    elif code in ENDED_BADLY:
        verdict = CaseVerdict.FAILURE
    else:
        verdict = CaseVerdict.ERROR
    seconds = elapsed
    if run.get("duration_s") is not None:
        seconds = max(0.0, run["duration_s"])
    message = error.get("message") or code.meaning
    advice = "; ".join(filter(None, [message, error.get("hint")]))
    system_out = ""
    if run:
        of_workflow = f"run {run.get('id')} of workflow {run.get('workflow_id')}"
        system_out = f"{of_workflow}: {run.get('status')}\n"
    return Case(
        name=name,
        classname=classname,
        seconds=seconds,
        verdict=verdict,
        type=code.name,
        message=message,
        text=f"exit code {code}: {code.meaning}\n{advice}",
        system_out=system_out,
    )


def _skipped(name: str, classname: str, why: str) -> Case:
    return Case(name, classname, None, CaseVerdict.SKIPPED, "NOT_CHECKED", why, why)


def cases_of_row(
    line: Mapping[str, Any], classname: str, asserted: Iterable[str]
) -> Iterator[Case]:
    """Yield a batch's row as a test case, then each of its assertions.

    `asserted` names those of the other rows.
    """
    name = row_name(line)
    if "repetition" in line:
        name += f", repetition {line['repetition']}"
    # Of a row that completed, an assertion that was not checked is not its own.
    if line["result"]["exit_code"] == ExitCode.OK:
        asserted = ()
    return cases_of(name, classname, line["result"], asserted)


def case_of_pair(pair: "RowPair", verdict: CaseVerdict) -> Case:
    """Return a row of a comparison as a test case.

    One that did not pass has what differs, word by word.
    """
    from noxcli.reports.text_diff import marked_diffs  # loaded only for a comparison

    lines = pair.new or pair.base
    classname = run_in(lines[0]["result"]).get("workflow_id") or "noxcli"
    case = Case(row_name(pair.first), classname, pair.seconds[1], verdict)
    if verdict is CaseVerdict.PASSED:
        return case
    what = pair.what()
    text = "\n".join(filter(None, [what, marked_diffs(pair.differences())]))
    return replace(case, type=str(pair.change), message=what, text=text)


@dataclass(slots=True)
class Suite:
    """The one suite of a report: where it is, and the totals that its head has."""

    target: Path
    name: str
    began: datetime
    counts: Counter[CaseVerdict]
    seconds: float = 0.0

    @property
    def has_trouble(self) -> bool:
        """True if a case has a failure or an error."""
        return self.counts[CaseVerdict.FAILURE] + self.counts[CaseVerdict.ERROR] > 0

    def count(self, case: Case) -> None:
        self.counts[case.verdict] += 1
        if case.seconds is not None:
            self.seconds += case.seconds

    def head(self) -> bytes:
        """Return the head, as long for any totals: it comes first, but they are known last."""
        failures = self.counts[CaseVerdict.FAILURE]
        errors = self.counts[CaseVerdict.ERROR]
        skipped = self.counts[CaseVerdict.SKIPPED]
        totals = (
            f'tests="{self.counts.total()}" failures="{failures}" errors="{errors}"'
            f' skipped="{skipped}" time="{self.seconds:.3f}"'
        )
        about = f"name={_attribute(self.name)} {totals}"
        blanks = " " * 2 * (MAX_TOTALS - len(totals))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {about}>\n'
            f'<testsuite {about} timestamp="{self.began:%Y-%m-%dT%H:%M:%S}">{blanks}\n'
        ).encode()


def write_junit(target: Path, name: str, cases: Iterable[Case], mask: Mask) -> Suite:
    """Write a report with one suite, completely or not at all.

    Raises OutputNotDelivered if writing fails, and what `cases` raises.
    """
    suite = Suite(target, name, datetime.now(UTC), Counter())
    with replacing(target) as file:
        file.write(suite.head())
        for case in cases:
            suite.count(case)
            file.write(_testcase(case, mask))
        file.write(TAIL)
        file.seek(0)
        file.write(suite.head())
    return suite


def add_ending(suite: Suite, code: ExitCode, message: str, mask: Mask) -> None:
    """Add a case for a command that ended with a code which no other case explains.

    Raises OutputNotDelivered.
    """
    verdict = CaseVerdict.FAILURE if code in ENDED_BADLY | COMPLETED else CaseVerdict.ERROR
    text = f"exit code {code}: {code.meaning}\n{message}"
    case = Case(
        f"exit code {int(code)}", "noxcli", None, verdict, code.name, message or code.meaning, text
    )
    with replacing(suite.target) as file, suite.target.open("rb") as before:
        shutil.copyfileobj(before, file)
        suite.count(case)
        file.seek(-len(TAIL), os.SEEK_END)
        file.write(_testcase(case, mask))
        file.write(TAIL)
        file.seek(0)
        file.write(suite.head())


def _testcase(case: Case, mask: Mask) -> bytes:
    case = Case(**mask.whole(asdict(case)))
    attributes = f"name={_attribute(case.name)} classname={_attribute(case.classname)}"
    if case.seconds is not None:
        attributes += f' time="{case.seconds:.3f}"'
    inner = ""
    if case.verdict is not CaseVerdict.PASSED:
        about = f"type={_attribute(case.type)} message={_attribute(case.message)}"
        inner += f"<{case.verdict} {about}>{_text(case.text)}</{case.verdict}>\n"
    if case.system_out:
        inner += f"<system-out>{_text(case.system_out)}</system-out>\n"
    return f"<testcase {attributes}>\n{inner}</testcase>\n".encode()


def _attribute(text: str) -> str:
    return quoteattr(ILLEGAL.sub("\ufffd", text))


def _text(text: str) -> str:
    return escape(ILLEGAL.sub("\ufffd", text), {"\r": "&#13;"})
