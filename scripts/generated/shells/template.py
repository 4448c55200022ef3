"""The fixed parts of the scripts, as files in the shell's own language; generated lines replace @NAME@."""

from collections.abc import Iterable
from pathlib import Path

MADE_BY = "Made by scripts/regenerate.py from the options that the commands declare: edit those instead."


def fill(template: str, **places: Iterable[str]) -> str:
    """Return the template with each @NAME@ replaced by lines that are indented as it is."""
    filled = []
    for line in (Path(__file__).parent / template).read_text(encoding="utf-8").splitlines():
        mark = line.strip()
        if mark.startswith("@") and mark.endswith("@"):
            indent = line[: line.index("@")]
            filled += [f"{indent}{made}" for made in places.pop(mark.strip("@").lower())]
        else:
            filled.append(line.replace("@MADE_BY@", MADE_BY))
    if places:
        raise ValueError(f"{template} has no place for {', '.join(places)}")
    return "".join(f"{line}\n" for line in filled)
