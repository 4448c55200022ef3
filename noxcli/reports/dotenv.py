"""The file of variables for later jobs and steps: GitLab's `artifacts:reports:dotenv`, or a file to source.

GitLab docs, ci/yaml/artifacts_reports and ci/variables/dotenv_variables: one KEY=VALUE per line, no quotes, no empty
lines, no comments, at most 5 KB and 20 variables. GitLab expands `$NAME` in a value, and a shell expands more, so
values have plain characters only.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from noxcli.files import save
from noxcli.masking import Mask

NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.:/@+-]")
LONGEST_VALUE = 200  # characters of a value


def write_dotenv(path: Path, variables: Mapping[str, object], mask: Mask | None = None) -> None:
    """Write the complete file; a variable with None is omitted.

    Raises Undelivered with the reason.
    """
    mask = mask or Mask()
    lines = [f"{name}={_plain(mask(str(value)))}\n" for name, value in variables.items() if value is not None]
    save(path, [line.encode() for line in lines])


def _plain(value: str) -> str:
    return NOT_PLAIN.sub("_", value[:LONGEST_VALUE])
