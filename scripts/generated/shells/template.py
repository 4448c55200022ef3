"""The fixed parts of the scripts, as files in the shell's own language; generated lines replace @NAME@."""

from collections.abc import Iterable
from pathlib import Path

from noxcli.state.known_names import DEFAULT_URL, SERVER_NAMES, server_key

CONSTANTS = {
    "@MADE_BY@": "Made by scripts/regenerate.py from the options that the commands declare: edit those instead.",
    "@DEFAULT_KEY@": server_key(DEFAULT_URL),
    "@RECENT@": "20",  # runs to offer before anything is typed; the others are offered after that
}


def server_names(option: str, variable: str) -> list[str]:
    """Return the ways to name the server, the strongest first, in the shell's own syntax: `{}` is the name."""
    return [(option if name.startswith("-") else variable).format(name) for name in SERVER_NAMES]


def fill(template: str, **places: Iterable[str]) -> str:
    """Return the template with each @NAME@ replaced: by a constant, or by lines with the indentation of @NAME@."""
    filled = []
    for line in (Path(__file__).parent / template).read_text(encoding="utf-8").splitlines():
        mark = line.strip()
        if mark.startswith("@") and mark.endswith("@"):
            indent = line[: line.index("@")]
            filled += [f"{indent}{made}" for made in places.pop(mark.strip("@").lower())]
        else:
            for constant, text in CONSTANTS.items():
                line = line.replace(constant, text)
            filled.append(line)
    if places:
        raise ValueError(f"{template} has no place for {', '.join(places)}")
    return "".join(f"{line}\n" for line in filled)
