"""A file of variables for later jobs and steps: GitLab's `artifacts:reports:dotenv`, or what a shell sources.

GitLab docs, ci/yaml/artifacts_reports and ci/variables/dotenv_variables: one KEY=VALUE a line, no quotes, no empty
lines, no comments, 5 KB and 20 variables at most. GitLab expands `$NAME` in a value, and a shell even more, so nothing
but plain characters gets into one.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from noxcli.files import save
from noxcli.redaction import Mask

NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.:/@+-]")
LONGEST_VALUE = 200  # characters of a value


def write_dotenv(path: Path, variables: Mapping[str, object], mask: Mask | None = None) -> None:
    """Write the file whole; None leaves its variable out.

    Raises Undelivered with the reason.
    """
    mask = mask or Mask()
    lines = [f"{name}={_plain(mask(str(value)))}\n" for name, value in variables.items() if value is not None]
    save(path, [line.encode() for line in lines])


def _plain(value: str) -> str:
    return NOT_PLAIN.sub("_", value[:LONGEST_VALUE])
