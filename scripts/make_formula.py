"""Write the Homebrew formula of an sdist, with its dependencies at the versions of requirements.lock."""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from make_pex import ANY_MACHINE, LOCK, ROOT

TEMPLATE = ROOT / "packaging/noxcli.rb.in"


def resources() -> Iterator[tuple[str, str, str]]:
    """Yield name, address and SHA-256 of each package that noxcli and its sandbox need. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as scratch:
        lock = Path(scratch) / "lock.json"
        subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch], cwd=ROOT, check=True)
        [wheel] = Path(scratch).glob("*.whl")
        subprocess.run(
            [
                sys.executable, "-m", "pex.cli", "lock", "create", f"{wheel}[sandbox]", "--constraints", str(LOCK),
                "--complete-platform", json.dumps(ANY_MACHINE), "--output", str(lock),
            ],
            check=True,
        )  # fmt: skip
        [resolved] = json.loads(lock.read_text(encoding="utf-8"))["locked_resolves"]
    for needed in resolved["locked_requirements"]:
        if needed["project_name"] != "noxcli":
            [artifact] = needed["artifacts"]
            yield needed["project_name"], artifact["url"], artifact["hash"]


def formula(sdist: Path, url: str) -> str:
    """Return the formula that installs the sdist from this address. Raises CalledProcessError."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    blocks = [
        f'  resource "{name}" do\n    url "{address}"\n    sha256 "{digest}"\n  end\n'
        for name, address, digest in sorted(resources())
    ]
    values = {
        "DESCRIPTION": project["description"],
        "HOMEPAGE": project["urls"]["Documentation"],
        "URL": url,
        "SHA256": hashlib.sha256(sdist.read_bytes()).hexdigest(),
        "RESOURCES": "\n".join(blocks),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sdist", type=Path, metavar="SDIST", help="the sdist that is released")
    parser.add_argument("url", metavar="URL", help="where it can be downloaded")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist/noxcli.rb", metavar="FILE")
    wanted = parser.parse_args(argv)
    if not wanted.sdist.is_file():
        parser.error(f"{wanted.sdist} is not a file; build it with: python -m hatchling build -t sdist")
    try:
        wanted.output.write_text(formula(wanted.sdist, wanted.url), encoding="utf-8")
    except subprocess.CalledProcessError as error:
        print(f"make_formula: {error.cmd[2]} failed with exit code {error.returncode}; see above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
