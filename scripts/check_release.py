"""Check that a tag may be released: version, changelog, component and address must agree with it."""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
RELEASED = re.compile(r"^## (\S+) - (.+)$", re.MULTILINE)


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


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tag", metavar="TAG", help="v1.2.3, for example")
    parser.add_argument("--notes", type=Path, metavar="FILE", help="write what changed to FILE")
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the checkout")
    wanted = parser.parse_args(argv)
    found = list(mistakes(wanted.tag, wanted.root))
    for mistake in found:
        print(f"check_release: {mistake}", file=sys.stderr)
    if not found and wanted.notes is not None:
        changelog = (wanted.root / "CHANGELOG.md").read_text(encoding="utf-8")
        wanted.notes.write_text(f"{notes_on(wanted.tag.removeprefix('v'), changelog)}\n", encoding="utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
