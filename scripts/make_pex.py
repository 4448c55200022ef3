"""Build the single file that runs noxcli, including the sandbox, on any machine with Python 3.11 or newer."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
# Packages without compiled code: with it, the file would run on one Python version and one system only.
ANY_MACHINE = {
    "compatible_tags": ["py3-none-any", "py2.py3-none-any"],
    "marker_environment": {
        "implementation_name": "cpython",
        "implementation_version": "3.11.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.11.0",
        "python_version": "3.11",
        "sys_platform": "linux",
    },
}


def make(wheel: Path | None, output: Path) -> None:
    """Write the file; without a wheel, build one from the checkout. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as scratch:
        if wheel is None:
            subprocess.run(
                [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch], cwd=ROOT, check=True
            )
            [wheel] = Path(scratch).glob("*.whl")
        # --venv and --sh-boot: from the second start on, a shell script runs an unpacked installation.
        subprocess.run(
            [
                sys.executable, "-m", "pex", f"{wheel.resolve()}[sandbox]", "--constraints", str(LOCK),
                "--complete-platform", json.dumps(ANY_MACHINE), "--console-script", "noxcli", "--venv", "--sh-boot",
                "--output-file", str(output),
            ],
            check=True,
        )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", nargs="?", type=Path, metavar="WHEEL", help="a wheel of noxcli [default: build one]")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist/noxcli", metavar="FILE")
    wanted = parser.parse_args(argv)
    try:
        make(wanted.wheel, wanted.output)
    except subprocess.CalledProcessError as error:
        print(
            f"make_pex: {error.cmd[2]} failed with exit code {error.returncode}; its message is above", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
