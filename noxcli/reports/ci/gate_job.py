"""The gate of a CI job: `python -m noxcli.reports.ci.gate_job [INPUTS]`.

Where NOXCLI_JOB_BASE names no version, BASE is the definition in the target branch.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from noxcli.reports.ci.job_name import gate_directory

REPORTS = ("comment.md", "report.html", "report.xml")
NO_INPUTS = ("", "{}")
STDOUT = 1


def gate_line(environ: Mapping[str, str], inputs: str, directory: Path) -> list[str]:
    """Return the command line of the gate. A table has the inputs, so noxcli rejects others."""
    line = ["gate", "--timeout", environ["NOXCLI_JOB_TIMEOUT"], "--on-interrupt", "stop"]
    line += ["--allow-same", "--fresh-if-changed", "--output-dir", f"{directory}/answers"]
    line += ["--report", f"{directory}/report.html", "--junit", f"{directory}/report.xml"]
    line += ["--markdown", f"{directory}/comment.md"]
    if inputs.strip() not in NO_INPUTS:
        line += ["--inputs", inputs]
    line += _words(environ, "NOXCLI_JOB_OPTIONS")
    base = environ.get("NOXCLI_JOB_BASE")
    new = environ.get("NOXCLI_JOB_NEW")
    definition = environ.get("NOXCLI_JOB_DEFINITION")
    if base:
        line += ["--base", base]
    elif definition:
        line += ["--base-file", f"{directory}/base.json"]
    if new:
        line += ["--new", new]
    if definition:
        line += ["--new-file", definition]
    line += ["--", environ["NOXCLI_JOB_WORKFLOW"], environ["NOXCLI_JOB_TABLE"]]
    return line + _words(environ, "NOXCLI_JOB_MORE_INPUTS")


def write_base(environ: Mapping[str, str], file: Path) -> None:
    """Write the definition in the target branch, and nothing if it is unknown: noxcli says so."""
    file.unlink(missing_ok=True)
    commit = target_commit(environ)
    if commit is None:
        return
    found = _git("show", f"{commit}:{environ['NOXCLI_JOB_DEFINITION']}")
    if found.returncode == 0:
        file.write_bytes(found.stdout)


def target_commit(environ: Mapping[str, str]) -> str | None:
    """Return the commit that the pull request is merged into; None if that is unknown.

    On GitHub, it is the first parent of the merge that the job tests. A branch that was checked out
    itself may end with a merge, whose first parent is an earlier push of its own.
    """
    base = environ.get("CI_MERGE_REQUEST_DIFF_BASE_SHA")
    if base:
        _git("fetch", "--quiet", "--depth", "1", "origin", base)  # it may be here already
        return base
    tested = environ.get("GITHUB_SHA")
    checked_out = _git("rev-parse", "--quiet", "--verify", "HEAD").stdout.decode().strip()
    is_merge = _git("rev-parse", "--quiet", "--verify", "HEAD^2").returncode == 0
    if is_merge and checked_out == tested:
        return "HEAD^1"
    return None


def _git(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *words], check=False, stdout=subprocess.PIPE)  # noqa: S603, S607


def _words(environ: Mapping[str, str], variable: str) -> list[str]:
    """Return the words in a variable, one a line."""
    return [line for line in environ.get(variable, "").split("\n") if line]


def become_gate(inputs: Sequence[str]) -> None:
    """Become the gate, so that a signal reaches it; its rows are in `differs.txt`."""
    directory = gate_directory(os.environ)
    directory.mkdir(parents=True, exist_ok=True)
    for name in REPORTS:  # of an earlier attempt
        (directory / name).unlink(missing_ok=True)
    write_base(os.environ, directory / "base.json")
    noxcli = str(Path(sys.executable).with_name("noxcli"))
    line = gate_line(os.environ, "".join(inputs), directory)
    with (directory / "differs.txt").open("wb") as differs:
        os.dup2(differs.fileno(), STDOUT)
    os.execv(noxcli, [noxcli, *line])  # noqa: S606 - there is no shell


if __name__ == "__main__":
    become_gate(sys.argv[1:])
