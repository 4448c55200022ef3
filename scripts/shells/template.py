"""The scripts' fixed parts live in files of their own, in their own language; the rest goes where @NAME@ is."""

from collections.abc import Iterable
from pathlib import Path

MADE_BY = "Made by scripts/make_completions.py from the options that the commands declare. Edit those, not this file."


def fill(template: str, **places: Iterable[str]) -> str:
    """Return the template with each @NAME@, which has a line to itself, replaced by lines that keep its indent."""
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
