"""What the component for GitLab installs: this version, and of each dependency the wheel that is locked."""

import re
from collections.abc import Iterator
from pathlib import Path

from release_text import INIT, version_of

COMPONENT, LOCK = "templates/run/template.yml", "requirements/component.txt"
BLOCK = re.compile(r"(?<=<<'END'\n).*?(?=^ +END$)", re.DOTALL | re.MULTILINE)
OWN = re.compile(r"(?<= noxcli==)\S+$", re.MULTILINE)
INDENT = " " * 6


def files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the component."""
    locked = (root / LOCK).read_text(encoding="utf-8").replace(" \\\n    --hash", " --hash")
    lines = "".join(f"{INDENT}{line}\n" for line in locked.splitlines())
    version = version_of((root / INIT).read_text(encoding="utf-8"))
    text = (root / COMPONENT).read_text(encoding="utf-8")
    assert BLOCK.search(text), f"{COMPONENT} has lost its list of packages"
    assert OWN.search(text), f"{COMPONENT} has lost its own version"
    text = BLOCK.sub(lines, text, count=1)
    yield COMPONENT, OWN.sub(version, text, count=1)
