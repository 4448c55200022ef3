"""The name of a gate in a CI system: `python -m noxcli.reports.ci.job_name` begins one on GitHub.

Directory, artifact and comment have it: two gates of a pipeline never share one.
"""

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath

# What the user names: the workflow, the table, and a word to tell two of these in one job.
OF_THE_USER = ("NOXCLI_JOB_WORKFLOW", "NOXCLI_JOB_TABLE", "NOXCLI_JOB_REPORT")
# What tells jobs from each other: the workflow of the CI system, the job, its place in a matrix.
OF_A_JOB = (
    "GITHUB_WORKFLOW",
    "GITHUB_JOB",
    "JOB_INDEX",
    "JOB_MATRIX",
    "CI_JOB_NAME",
    "CI_NODE_INDEX",
)
SHOWN = ("GITHUB_JOB", "JOB_INDEX", "CI_JOB_NAME", "CI_NODE_INDEX")
MOST = 80  # characters before the digest
DIGITS = 10  # of the digest
DIRECTORY = "noxcli-output"  # where the user names none


def job_name(environ: Mapping[str, str]) -> str:
    """Return the name of the gate of this job: readable words, then a digest of all of them."""
    whole = [environ.get(name, "") for name in (*OF_THE_USER, *OF_A_JOB)]
    digest = hashlib.sha256("\0".join(whole).encode("utf-8", "surrogatepass")).hexdigest()
    shown = [PurePath(environ.get(name, "")).name for name in OF_THE_USER]
    shown += [environ.get(name, "") for name in SHOWN]
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(filter(None, shown))).strip("-.")
    return f"noxcli-{readable[:MOST]}-{digest[:DIGITS]}"


def gate_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of the gate of this job."""
    begun = environ.get("NOXCLI_JOB_GATE")
    if begun:
        return Path(begun)
    return Path(environ.get("NOXCLI_JOB_DIRECTORY") or DIRECTORY, job_name(environ))


def claim_name(environ: Mapping[str, str]) -> str:
    """Claim a name in the job; return its step outputs. Without a table, there is no gate.

    Raises FileExistsError if the job already has a gate of this name.
    """
    if not environ["NOXCLI_JOB_TABLE"]:
        return f"name={environ['NOXCLI_JOB_REPORT']}\n"
    name = job_name(environ)
    Path(environ["RUNNER_TEMP"], f"gate-of-{name}").mkdir()
    return f"name={name}\ndirectory={gate_directory(environ)}\n"


if __name__ == "__main__":
    try:
        print(claim_name(os.environ), end="")  # noqa: T201 - a program of the action
    except FileExistsError:
        what = f"{os.environ['NOXCLI_JOB_WORKFLOW']} and {os.environ['NOXCLI_JOB_TABLE']}"
        message = f"this job already has a gate of {what}; give this one another report-name"
        # Of stdout, the action makes step outputs.
        print(f"::error::{message}", file=sys.stderr)  # noqa: T201, TID251
        raise SystemExit(2) from None
