"""The table: payloads down, renderers across; each cell has the fields that showed the payload, and what leaked."""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from noxcli.sandbox.server import Sandbox
from tests.research.hostile.corpus import NAMES
from tests.research.hostile.judge import Leak, leaks, shown
from tests.research.hostile.views import FIELDS, SHOWS, Theatre

Cells = dict[tuple[str, str], set[str]]


def table(cells: Cells, renderers: Iterable[str]) -> str:
    """Return lines of text: the renderers by number, a row for each payload."""
    numbers = {renderer: str(n) for n, renderer in enumerate(renderers, 1)}
    widths = {r: max(len(numbers[r]), *(len(cells[name, r]) for name in NAMES)) for r in numbers}
    lines = [f"{letter}  {what}" for letter, what in FIELDS.items()]
    lines += ["", *(f"{number:>2}  {renderer}" for renderer, number in numbers.items()), ""]
    lines.append(f"{'':20}" + " ".join(f"{numbers[r]:<{widths[r]}}" for r in numbers))
    for name in NAMES:
        row = " ".join(f"{''.join(sorted(cells[name, r])) or '.':<{widths[r]}}" for r in numbers)
        lines.append(f"{name:20}{row}".rstrip())
    return "\n".join(lines)


def main() -> int:
    """Print the table; return 1 if anything leaked."""
    for name in [name for name in os.environ if name.startswith(("NOXUS_", "NOXCLI_")) or name.endswith("_PROXY")]:
        del os.environ[name]
    cells: Cells = defaultdict(set)
    renderers: dict[str, None] = {}
    found: list[tuple[str, Leak]] = []
    with Sandbox(speed=1000) as sandbox, tempfile.TemporaryDirectory() as directory:
        theatre = Theatre(sandbox, Path(directory))
        for show in SHOWS:
            for view in show(theatre):
                renderers[view.renderer] = None
                for field, payload in shown(view.data):
                    cells[payload, view.renderer].add(field)
                found += [(view.renderer, leak) for leak in leaks(view.data, view.columns, view.form)]
    print(table(cells, renderers))
    places = sum(len(fields) for fields in cells.values())
    print(f"\n{len(NAMES)} payloads in {places} places of {len(renderers)} renderers: {len(found)} leaks")
    for renderer, leak in found:
        print(f"{renderer}: {leak.payload} in {FIELDS.get(leak.field, 'some field')}: {leak.what}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
