"""The version that a run's record names.

An answer of another version than was asked is no answer.
"""

from collections.abc import Mapping
from typing import Any

from noxcli.errors import ExitCode, NotFinished, Phase
from noxcli.models import same_id
from noxcli.reports.failure_groups import ResultLine, run_in


def version_in(line: ResultLine) -> str | None:
    """Return the version that the record of a line's run names, None if it names none."""
    named: str | None = run_in(line["result"]).get("version_id")
    return named


def is_of_other_version(line: ResultLine, version_id: str | None) -> bool:
    """True if the record names another version than this; one that names none proves nothing."""
    named = version_in(line)
    return named is not None and version_id is not None and not same_id(named, version_id)


def of_version(line: ResultLine, version_id: str | None) -> ResultLine:
    """Return the line as it can be judged.

    It has no answer if its run is of another version than this.
    """
    if not is_of_other_version(line, version_id):
        return line
    error = NotFinished(
        f"its record names version {version_in(line)}, not {version_id}",
        "--fresh asks every row again",
    )
    result: Mapping[str, Any] = {
        **line["result"],
        "ok": False,
        "exit_code": int(ExitCode.NOT_FINISHED),
        "error": error.document(Phase.RUN),
        "assertions": [],
    }
    return {**line, "result": result, "score": None}
