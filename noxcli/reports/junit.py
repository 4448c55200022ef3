"""JUnit XML, the report that every CI system shows: written case by case, in constant memory.

No standard defines the format. This output is valid by the schema of Jenkins' xUnit plug-in (junit-10.xsd), which
GitLab, GitHub's report actions, Azure and Buildkite read as well.
"""

import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from xml.sax.saxutils import escape, quoteattr

from noxcli.errors import Undelivered
from noxcli.files import reason_of, replacing
from noxcli.fixed import fixed
from noxcli.masking import Mask

# Characters that XML 1.0 does not allow, escaped or not (section 2.2, Char).
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SHIFTED = 1 << 16  # bytes moved at a time
MOST_CASES = 10**9  # the largest numbers of cases, and seconds, that fit into the head


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
        self._write(self._room())
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
        head = _head(self._name, self._counts, self._seconds, self._began)
        self._close_gap(head + b"\n")
        trouble = self._trouble
        try:
            # An incomplete report is not valid XML: then the previous file stays.
            self._stack.__exit__(type(trouble) if trouble else None, trouble, None)
        except Undelivered as late:
            trouble = late
        if trouble is not None and error is None:
            raise trouble

    def _room(self) -> bytes:
        """Return a head of the greatest length: it comes first, but its totals are known last."""
        return _head(self._name, Counter(dict.fromkeys(CaseVerdict, MOST_CASES)), MOST_CASES, self._began) + b"\n"

    def _close_gap(self, head: bytes) -> None:
        """Write the head, and move the rest of the file up to it."""
        place, room = len(head), len(self._room())
        self._write(head, at=0)
        if self._file is None or self._trouble is not None:
            return
        try:
            self._file.seek(room)
            while piece := self._file.read(SHIFTED):
                self._file.seek(place)
                self._file.write(piece)
                place += len(piece)
                self._file.seek(place + room - len(head))
            self._file.truncate(place)
        except OSError as error:
            self._trouble = Undelivered(f"can't write {self._path}: {reason_of(error)}")

    def _write(self, piece: bytes, at: int | None = None) -> None:
        if self._file is None or self._trouble is not None:
            return
        try:
            if at is not None:
                self._file.seek(at)
            self._file.write(piece)
        except OSError as error:
            self._trouble = Undelivered(f"can't write {self._path}: {reason_of(error)}")


def _head(name: str, counts: Counter[CaseVerdict], seconds: float, began: datetime) -> bytes:
    totals = (
        f'tests="{counts.total()}" failures="{counts[CaseVerdict.FAILURE]}" errors="{counts[CaseVerdict.ERROR]}"'
        f' skipped="{counts[CaseVerdict.SKIPPED]}" time="{seconds:.3f}"'
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={name} {totals}>\n'
        f'<testsuite name={name} {totals} timestamp="{began:%Y-%m-%dT%H:%M:%S}">'
    ).encode()


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
