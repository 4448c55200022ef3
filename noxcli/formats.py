"""Versions of noxcli's own files: those of a newer noxcli are rejected."""

import re
from pathlib import Path

from noxcli.errors import UsageProblem


def require_readable(path: Path, found: object, known: str) -> None:
    """Raise UsageProblem if a file has a later version than `known`, which is `noxcli.NAME/NUMBER`."""
    name, _, number = known.rpartition("/")
    later = re.fullmatch(rf"{re.escape(name)}/(\d{{1,9}})", found) if isinstance(found, str) else None
    if later is not None and int(later[1]) > int(number):
        raise UsageProblem(
            f"a newer noxcli wrote {path}: it has version {found}, and this noxcli reads up to {known}",
            "upgrade noxcli",
        )
