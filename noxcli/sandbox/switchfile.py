"""Switches from TOML files; docs/reference/switches.md has the format."""

import tomllib
from pathlib import Path
from typing import Any

from noxcli.sandbox.switches import Switches, with_overrides

SWITCHES_FORMAT = "noxcli.switches/1"
MOST_OF_SWITCHES = 1024 * 1024  # bytes
_KEYS = {"format", "switches"}


def load_switches(path: Path | str) -> dict[str, Any]:
    """The switches that a file sets, by name; ValueError says where the file is wrong and how to fix it."""
    path = Path(path)
    with path.open("rb") as file:
        content = file.read(MOST_OF_SWITCHES + 1)
    if len(content) > MOST_OF_SWITCHES:
        raise ValueError(f"{path}: larger than {MOST_OF_SWITCHES} bytes; give a file of switches")
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}; correct that line") from None
    if document.get("format") != SWITCHES_FORMAT:
        raise ValueError(f'{path}: not a switches file of this version; begin it with format = "{SWITCHES_FORMAT}"')
    if unknown := sorted(document.keys() - _KEYS):
        raise ValueError(f"{path}: {unknown[0]!r} is not known here; put switches under [switches]")
    table = document.get("switches", {})
    if not isinstance(table, dict):
        raise ValueError(f"{path}: switches is not a table; begin it with [switches]")  # noqa: TRY004 - a wrong file
    try:
        with_overrides(Switches(), table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; correct or remove that line") from None
    return table
