"""Write everything that is generated again, in order: `regenerate.py`; `--check` names what is stale."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent
IN_ORDER = ["make_completions", "make_man", "make_reference", "make_fidelity", "make_architecture"]


def main(argv: list[str]) -> int:
    """Run each generator with these arguments, and return the worst code."""
    return max(subprocess.run([sys.executable, SCRIPTS / f"{name}.py", *argv]).returncode for name in IN_ORDER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
