"""Make a release: `release.py check TAG`, `release.py pex`, `release.py sbom PEX`."""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
RELEASED = re.compile(r"^## (\S+) - (.+)$", re.MULTILINE)
# Packages without compiled code: with it, the single file would run on one Python version and one system only.
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


def notes_on(version: str, changelog: str) -> str:
    """Return the changelog's section about a version, without its heading; empty if it has no dated section."""
    for heading in RELEASED.finditer(changelog):
        if heading[1] == version and re.fullmatch(r"\d{4}-\d\d-\d\d", heading[2]):
            return changelog[heading.end() :].partition("\n## ")[0].strip()
    return ""


def mistakes(tag: str, root: Path) -> Iterator[str]:
    """Yield a line for each thing that blocks the release: what is wrong, and how to fix it."""
    source = (root / "noxcli/__init__.py").read_text(encoding="utf-8")
    version = str(re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)[0])
    if not VERSION.fullmatch(version):
        yield f"noxcli/__init__.py: {version!r} is not a version; write 1.2.3 or 1.2.3rc1"
    if tag != f"v{version}":
        yield f"the tag {tag!r} is not for version {version}; tag v{version}, or change noxcli/__init__.py"
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not notes_on(version, changelog):
        yield f"CHANGELOG.md says nothing of {version}; add '## {version} - YYYY-MM-DD' with what changed"
    newest = RELEASED.search(changelog)
    if newest and newest[1] != version:
        yield f"CHANGELOG.md has {newest[1]} as the newest version; put {version} first"
    if changelog.partition("\n## Unreleased\n")[2].partition("\n## ")[0].strip():
        yield f"CHANGELOG.md has changes under 'Unreleased'; move them to {version}"
    component = (root / "templates/run/template.yml").read_text(encoding="utf-8")
    if f"default: {version}\n" not in component:
        yield f"templates/run/template.yml installs another version; set its default to {version}"
    authors = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["authors"]
    if any(author["email"].endswith(".invalid") for author in authors):
        yield "pyproject.toml: the authors' address does not work; write one that does"


def check(wanted: argparse.Namespace) -> Iterator[str]:
    """Yield what blocks the release of a tag; if nothing does, write what changed."""
    found = list(mistakes(wanted.tag, wanted.root))
    if not found and wanted.notes is not None:
        changelog = (wanted.root / "CHANGELOG.md").read_text(encoding="utf-8")
        wanted.notes.write_text(f"{notes_on(wanted.tag.removeprefix('v'), changelog)}\n", encoding="utf-8")
    yield from found


def pex(wanted: argparse.Namespace) -> Iterator[str]:
    """Build the single file that runs noxcli, including the sandbox, on any machine with Python 3.11 or newer."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = wanted.wheel
        if wheel is None:
            yield from run(["hatchling", "build", "-t", "wheel", "-d", scratch], cwd=ROOT)
            [wheel] = Path(scratch).glob("*.whl")
        # --venv and --sh-boot: from the second start on, a shell script runs an unpacked installation.
        yield from run(
            [
                "pex", f"{wheel.resolve()}[sandbox]", "--constraints", str(ROOT / "requirements.lock"),
                "--complete-platform", json.dumps(ANY_MACHINE), "--console-script", "noxcli", "--venv", "--sh-boot",
                "--output-file", str(wanted.output),
            ]
        )  # fmt: skip


def sbom(wanted: argparse.Namespace) -> Iterator[str]:
    """Write the bill of materials (CycloneDX) of the single file: every package in it, with version and license."""
    with tempfile.TemporaryDirectory() as scratch:
        found = [*run(["pex.tools", str(wanted.pex), "venv", f"{scratch}/venv"])]
        yield from found or run(
            [
                "cyclonedx_py", "environment", f"{scratch}/venv/bin/python", "--output-reproducible",
                "--output-file", str(wanted.output),
            ]
        )  # fmt: skip


def run(argv: Sequence[str], cwd: Path | None = None) -> Iterator[str]:
    """Run a module of Python; yield that it failed, if it did."""
    done = subprocess.run([sys.executable, "-m", *argv], cwd=cwd, check=False)
    if done.returncode != 0:
        yield f"{argv[0]} failed with exit code {done.returncode}; its message is above"


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("check", help=check.__doc__)
    verb.set_defaults(call=check)
    verb.add_argument("tag", metavar="TAG", help="v1.2.3, for example")
    verb.add_argument("--notes", type=Path, metavar="FILE", help="write what changed to FILE")
    verb.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the checkout")
    verb = verbs.add_parser("pex", help=pex.__doc__)
    verb.set_defaults(call=pex)
    verb.add_argument("wheel", nargs="?", type=Path, metavar="WHEEL", help="a wheel of noxcli [default: build one]")
    verb.add_argument("-o", "--output", type=Path, default=ROOT / "dist/noxcli", metavar="FILE")
    verb = verbs.add_parser("sbom", help=sbom.__doc__)
    verb.set_defaults(call=sbom)
    verb.add_argument("pex", type=Path, metavar="PEX", help="what `release.py pex` has built")
    verb.add_argument("-o", "--output", type=Path, default=ROOT / "dist/noxcli.cdx.json", metavar="FILE")
    wanted = parser.parse_args(argv)
    found = list(wanted.call(wanted))
    for line in found:
        print(f"release: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
