"""Make a release: `release.py --dry-run` rehearses it all; `check`, `lock`, `pex` and `sbom` are its parts."""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
# What each lock has: all that a checkout needs, and what the action and the image install.
LOCKS = {
    "requirements.lock": ["--all-extras", "--group", "dev"],
    "requirements-run.lock": ["--group", "build", "--constraints", "requirements.lock"],
}
# What no file of the project can have.
BY_A_PERSON = (
    "at the package index: a trusted publisher for .github/workflows/release.yml with the environment 'release'",
    "at the repository: the environment 'release', and who may approve it; private vulnerability reports",
)
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


def version_of(root: Path) -> str:
    source = (root / "noxcli/__init__.py").read_text(encoding="utf-8")
    return str(re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)[0])


def mistakes(tag: str, root: Path) -> Iterator[str]:
    """Yield a line for each thing that blocks the release: what is wrong, and how to fix it."""
    version = version_of(root)
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
    for page in sorted((root / "docs").glob("*.md")):
        if "OWNER/noxcli" in page.read_text(encoding="utf-8"):
            yield f"docs/{page.name} has OWNER/noxcli; write the repository's name, and the commit of the release"


def check(wanted: argparse.Namespace) -> Iterator[str]:
    """Yield what blocks the release of a tag; if nothing does, write what changed."""
    found = list(mistakes(wanted.tag, wanted.root))
    if not found and wanted.notes is not None:
        changelog = (wanted.root / "CHANGELOG.md").read_text(encoding="utf-8")
        wanted.notes.write_text(f"{notes_on(wanted.tag.removeprefix('v'), changelog)}\n", encoding="utf-8")
    yield from found


def lock(_: argparse.Namespace) -> Iterator[str]:
    """Lock the newest versions of all packages, with their hashes; needs uv."""
    if shutil.which("uv") is None:
        yield "uv is not installed"
        return
    line = ["pip", "compile", "-q", "pyproject.toml", "--universal", "--python-version", "3.11", "--upgrade"]
    for name, chosen in LOCKS.items():
        yield from works(["uv"], *line, "--generate-hashes", "--no-annotate", "--no-header", *chosen, "-o", name)


def pex(wanted: argparse.Namespace) -> Iterator[str]:
    """Build the single file that runs noxcli, including the sandbox, on any machine with Python 3.11 or newer."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = wanted.wheel
        if wheel is None:
            yield from run(["hatchling", "build", "-t", "wheel", "-d", scratch], cwd=ROOT)
            [wheel] = Path(scratch).glob("*.whl")
        # The lock has hashes, so that the wheel needs one, too.
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest() if wheel.is_file() else ""
        needed = Path(scratch, "requirements.txt")
        needed.write_text(f"noxcli[sandbox] @ {wheel.resolve().as_uri()} --hash=sha256:{digest}\n", encoding="utf-8")
        # --venv and --sh-boot: from the second start on, a shell script runs an unpacked installation.
        yield from run(
            [
                "pex", "--requirement", str(needed), "--constraints", str(ROOT / "requirements.lock"),
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


def rehearse() -> Iterator[str]:
    """Yield what fails of all that a release does before it publishes; print what a person has to fill in."""
    with tempfile.TemporaryDirectory() as scratch:
        at = Path(scratch)
        made = [at / "packages", at / "again"]
        for directory in made:
            yield from run(["hatchling", "build", "-d", str(directory)], cwd=ROOT)
        packages = [str(path) for path in sorted(made[0].iterdir())]
        for path in map(Path, packages):
            if path.read_bytes() != (made[1] / path.name).read_bytes():
                yield f"{path.name} differs from one build to the next"
        yield from run(["twine", "check", "--strict", *packages])
        [wheel] = made[0].glob("*.whl")
        yield from run(["check_wheel_contents", str(wheel)])
        file, bill = at / "noxcli", at / "noxcli.cdx.json"
        yield from pex(argparse.Namespace(wheel=wheel, output=file))
        yield from sbom(argparse.Namespace(pex=file, output=bill))
        yield from works([str(file)], "sandbox", "--", "noxcli", "run", "demo", "User Input=hello", "--raw", "Answer")
        venv.create(at / "venv", with_pip=True)
        pip = [str(at / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check"]
        yield from works(pip, "-r", str(ROOT / "requirements-run.lock"))
        yield from works(pip, "--no-deps", str(wheel))
        yield from works([str(at / "venv/bin/noxcli")], "--version")
    version = version_of(ROOT)
    print(f"\nTo release {version}, a person fills in:")
    for line in (*mistakes(f"v{version}", ROOT), *BY_A_PERSON):
        print(f"- {line}")


def works(program: Sequence[str], *words: str) -> Iterator[str]:
    """Run a program; yield that it failed, if it did."""
    done = subprocess.run([*program, *words], cwd=ROOT, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        yield f"{Path(program[0]).name} {words[0]} failed with exit code {done.returncode}; its message is above"


def run(argv: Sequence[str], cwd: Path | None = None) -> Iterator[str]:
    """Run a module of Python; yield that it failed, if it did."""
    done = subprocess.run([sys.executable, "-m", *argv], cwd=cwd, check=False)
    if done.returncode != 0:
        yield f"{argv[0]} failed with exit code {done.returncode}; its message is above"


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.set_defaults(call=None)
    parser.add_argument("--dry-run", action="store_true", help="build and check everything, and publish nothing")
    verbs = parser.add_subparsers()
    verb = verbs.add_parser("check", help=check.__doc__)
    verb.set_defaults(call=check)
    verb.add_argument("tag", metavar="TAG", help="v1.2.3, for example")
    verb.add_argument("--notes", type=Path, metavar="FILE", help="write what changed to FILE")
    verb.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the checkout")
    verb = verbs.add_parser("lock", help=lock.__doc__)
    verb.set_defaults(call=lock)
    verb = verbs.add_parser("pex", help=pex.__doc__)
    verb.set_defaults(call=pex)
    verb.add_argument("wheel", nargs="?", type=Path, metavar="WHEEL", help="a wheel of noxcli [default: build one]")
    verb.add_argument("-o", "--output", type=Path, default=ROOT / "dist/noxcli", metavar="FILE")
    verb = verbs.add_parser("sbom", help=sbom.__doc__)
    verb.set_defaults(call=sbom)
    verb.add_argument("pex", type=Path, metavar="PEX", help="what `release.py pex` has built")
    verb.add_argument("-o", "--output", type=Path, default=ROOT / "dist/noxcli.cdx.json", metavar="FILE")
    wanted = parser.parse_args(argv)
    if wanted.dry_run == (wanted.call is not None):
        parser.error("give --dry-run, or one of check, lock, pex and sbom")
    found = list(rehearse() if wanted.dry_run else wanted.call(wanted))
    for line in found:
        print(f"release: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
