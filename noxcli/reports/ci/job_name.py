"""The name of a gate in a CI system: `python -m noxcli.reports.ci.job_name WORKFLOW TABLE [MORE]`.

Directory, artifact and comment have it: two gates of a pipeline never share one.
"""

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath

# What tells jobs from each other: the workflow of the CI system, the job, its place in a matrix.
OF_A_JOB = ("GITHUB_WORKFLOW", "GITHUB_JOB", "JOB_INDEX", "JOB_MATRIX", "CI_JOB_NAME")
SHOWN = ("GITHUB_JOB", "JOB_INDEX", "CI_JOB_NAME")
MOST = 80  # characters before the digest
DIGITS = 10  # of the digest


def job_name(environ: Mapping[str, str], words: Sequence[str]) -> str:
    """Return the name of the gate of this job: readable words, then a digest of all of them."""
    whole = [*words, *(environ.get(name, "") for name in OF_A_JOB)]
    digest = hashlib.sha256("\0".join(whole).encode("utf-8", "surrogatepass")).hexdigest()
    shown = [PurePath(word).name for word in words]
    shown += [environ.get(name, "") for name in SHOWN]
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(filter(None, shown))).strip("-.")
    return f"noxcli-{readable[:MOST]}-{digest[:DIGITS]}"


if __name__ == "__main__":
    print(job_name(os.environ, sys.argv[1:]))  # noqa: T201 - a program of the action
