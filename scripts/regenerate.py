"""Write everything that is generated again: `regenerate.py [KIND]...`; `--check` names what is stale."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from generated import completions, component, man, pictures, reference, report_pictures

ROOT = Path(__file__).parents[1]
Files = Callable[[Path], Iterator[tuple[str, str | bytes | None]]]
# In this order: the manual pages take their settings from the reference.
KINDS: dict[str, Files] = {
    "completions": completions.files,
    "reference": reference.files,
    "man": man.files,
    "component": component.files,
}
# These take minutes and programs, and are never the same twice.
ON_REQUEST: dict[str, Files] = {
    "pictures": pictures.files,
    "report-pictures": report_pictures.files,
}


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the stale files of these kinds, or with --check only name them; return 1 if --check found any."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [*KINDS, *ON_REQUEST]
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"{', '.join(names)} [default: {', '.join(KINDS)}]"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file is stale"
    )
    wanted = parser.parse_args(argv)
    if unknown := set(wanted.kinds) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    stale = 0
    for kind in wanted.kinds or KINDS:
        for name, content in (KINDS | ON_REQUEST)[kind](root):
            stale += _is_stale(root / name, content, check=wanted.check)
    return int(wanted.check and stale > 0)


def _is_stale(path: Path, content: str | bytes | None, *, check: bool) -> bool:
    """Write a file unless it has this content already, or name it; None is for a file that must not exist."""
    data = content.encode() if isinstance(content, str) else content
    now = path.read_bytes() if path.is_file() else None
    if now == data:
        return False
    if check:
        print(f"{path.name} is stale: run python scripts/regenerate.py", file=sys.stderr)
    elif data is None:
        path.unlink()
        print(f"removed {path.name}")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"wrote {path.name}")
    return True


if __name__ == "__main__":
    sys.exit(main())
