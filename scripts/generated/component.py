"""What the component for GitLab installs: this version, and of each dependency the version that is locked."""

import re
from collections.abc import Iterator
from pathlib import Path

from release_text import INIT, version_of

COMPONENT, LOCK = "templates/run/template.yml", "requirements/run.txt"
BLOCK = re.compile(r"(?<=<<'END'\n).*?(?=^ +END$)", re.DOTALL | re.MULTILINE)
INDENT = " " * 6


def files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the component."""
    pins = re.findall(r"^(\S+==\S+) \\$", (root / LOCK).read_text(encoding="utf-8"), re.MULTILINE)
    version = version_of((root / INIT).read_text(encoding="utf-8"))
    lines = "".join(f"{INDENT}{pin}\n" for pin in [f"noxcli=={version}", *pins])
    text = (root / COMPONENT).read_text(encoding="utf-8")
    assert BLOCK.search(text), f"{COMPONENT} has lost its list of packages"
    yield COMPONENT, BLOCK.sub(lines, text, count=1)
