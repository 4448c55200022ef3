"""Write the bill of materials (CycloneDX) of the single file: every package in it, with version and license."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pex", type=Path, metavar="PEX", help="what scripts/make_pex.py has built")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist/noxcli.cdx.json", metavar="FILE")
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        for line in (
            ["pex.tools", str(wanted.pex), "venv", f"{scratch}/venv"],
            [
                "cyclonedx_py", "environment", f"{scratch}/venv/bin/python", "--output-reproducible",
                "--output-file", str(wanted.output),
            ],
        ):  # fmt: skip
            done = subprocess.run([sys.executable, "-m", *line], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                print(f"make_sbom: {line[0]} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
