"""Write the completion scripts in completions/ from the options that the commands declare."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from shells import bash, fish, powershell, zsh
from shells.vocabulary import Program, read_program

from noxcli.app import app

DIRECTORY = Path(__file__).parents[1] / "completions"
RENDERERS = {
    "noxcli.bash": bash.render,
    "_noxcli": zsh.render,
    "noxcli.fish": fish.render,
    "noxcli.ps1": powershell.render,
}


def stale(program: Program, directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each stale file with its correct content."""
    for name, render in RENDERERS.items():
        path, wanted = directory / name, render(program).encode()
        if not path.is_file() or path.read_bytes() != wanted:
            yield path, wanted


def main(argv: Sequence[str] | None = None) -> int:
    """Write the stale files, or with --check only list them; return 1 if --check found any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a script is stale")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    found = list(stale(read_program(app), arguments.directory))
    for path, wanted in found:
        if arguments.check:
            print(f"{path.name} is stale: run python scripts/make_completions.py", file=sys.stderr)
        else:
            arguments.directory.mkdir(exist_ok=True)
            path.write_bytes(wanted)
            print(f"wrote {path.name}")
    return 1 if arguments.check and found else 0


if __name__ == "__main__":
    raise SystemExit(main())
