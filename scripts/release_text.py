"""What a release changes in the project's own texts: its version, its date and its address; and what they lack."""

import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from packaging.version import Version

VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
RELEASED = re.compile(r"^## (\S+) - (.+)$", re.MULTILINE)
UNRELEASED = "\n## Unreleased\n"
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
RELATIVE_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
UNNAMED, UNADDRESSED = "OWNER/noxcli", "noxcli@noxcli.invalid"
BY_PREPARE = "give `release.py prepare` --repository and --email"


def pages(root: Path) -> list[Path]:
    """Return the files that name the repository or a version."""
    return [root / "pyproject.toml", *sorted((root / "docs").glob("*.md"))]


def shown(root: Path) -> re.Pattern[str]:
    """Return what finds a version of noxcli in a text: of the action, the component, a release's files, a package."""
    name = re.escape(repository(root))
    return re.compile(rf"(?:{name}/run@v|{name}@[0-9a-f]{{40}} # v|{name}/releases/download/v|noxcli==)(\d[\w.]*\w)")


def repository(root: Path) -> str:
    """Return OWNER/NAME."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"]).removeprefix("https://github.com/")


def version_of(root: Path) -> str:
    source = (root / "noxcli/__init__.py").read_text(encoding="utf-8")
    return str(re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)[0])


def section_on(version: str, changelog: str) -> str:
    """Return the changelog's section about a version, without its heading; empty if it has no dated section."""
    for heading in RELEASED.finditer(changelog):
        if heading[1] == version and re.fullmatch(r"\d{4}-\d\d-\d\d", heading[2]):
            return changelog[heading.end() :].partition("\n## ")[0].strip()
    return ""


def notes(root: Path, commit: str) -> str:
    """Return what changed in this version, and how a workflow pins the commit, which no file of the commit can name.

    A release's page has no files beside it, so links to them name the tag.
    """
    version, files = version_of(root), f"https://github.com/{repository(root)}/blob/v{version_of(root)}"
    changed = section_on(version, (root / "CHANGELOG.md").read_text(encoding="utf-8"))
    absolute = RELATIVE_LINK.sub(
        lambda link: f"]({files}/{'CHANGELOG.md' if link[1].startswith('#') else ''}{link[1]})", changed
    )
    return f"{absolute}\n\n## As an action\n\n```yaml\nuses: {repository(root)}@{commit} # v{version}\n```\n"


def write_release(root: Path, version: str, today: date, name: str | None, email: str | None) -> Iterator[str]:
    """Write a version, its date, and the project's name and address wherever they appear; or yield what is wrong.

    Then nothing is written: all of it is done in a copy first.
    """
    if found := list(wrong_arguments(root, version, name, email)):
        yield from found
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        changing = [path.relative_to(root) for path in (*versioned(root), root / "CHANGELOG.md")]
        for file in changing:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / file, copy / file)
        name_project(copy, name, email)
        write_version(copy, version, today)
        yield from (found := list(mistakes(f"v{version}", copy)))
        for file in changing:
            if not found:
                (root / file).write_bytes((copy / file).read_bytes())


def wrong_arguments(root: Path, version: str, name: str | None, email: str | None) -> Iterator[str]:
    """Yield what no release can have: an odd version, or one that is not newer; an odd name or address."""
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    released = [heading[1] for heading in RELEASED.finditer(changelog) if VERSION.fullmatch(heading[1])]
    newest = max(released, key=Version, default=None)
    if not VERSION.fullmatch(version):
        yield f"{version!r} is not a version; write 1.2.3 or 1.2.3rc1"
    elif newest is not None and Version(version) <= Version(newest):
        yield f"{version} is not newer than {newest}, which CHANGELOG.md has as released; choose a higher version"
    elif newest is None and Version(version) < Version(version_of(root)):
        yield f"{version} is lower than {version_of(root)}, the version of noxcli/__init__.py; choose a higher version"
    if name is not None and (not REPOSITORY.fullmatch(name) or name.endswith(".git")):
        yield f"{name!r} is not a repository; write OWNER/NAME, without https:// and .git"
    if email is not None and (not ADDRESS.fullmatch(email) or email.endswith(".invalid")):
        yield f"{email!r} is not an address that works; write NAME@HOST"
    if not changelog.partition(UNRELEASED)[2].partition("\n## ")[0].strip():
        yield "CHANGELOG.md has nothing under 'Unreleased'; there is nothing to release"


def name_project(root: Path, name: str | None, email: str | None) -> None:
    """Write the repository's name (OWNER/NAME) and the authors' address wherever there is none yet."""
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(UNNAMED, name or UNNAMED).replace(UNADDRESSED, email or UNADDRESSED), "utf-8")


def versioned(root: Path) -> list[Path]:
    """Return the files that show the version, but for the changelog and generated ones."""
    return [root / "noxcli/__init__.py", root / "templates/run/template.yml", *pages(root)]


def write_version(root: Path, version: str, today: date) -> None:
    """Write a version wherever one is shown, and date what is unreleased."""
    old, changelog = version_of(root), root / "CHANGELOG.md"
    dated = f"{UNRELEASED}\n## {version} - {today}\n"
    changelog.write_text(changelog.read_text(encoding="utf-8").replace(UNRELEASED, dated, 1), encoding="utf-8")
    for path in versioned(root):
        text = path.read_text(encoding="utf-8").replace(f'__version__ = "{old}"', f'__version__ = "{version}"')
        path.write_text(shown(root).sub(lambda found: found[0].replace(old, version), text), encoding="utf-8")


def mistakes(tag: str, root: Path) -> Iterator[str]:
    """Yield a line for each thing that blocks the release: what is wrong, and how to fix it."""
    version = version_of(root)
    if not VERSION.fullmatch(version):
        yield f"noxcli/__init__.py: {version!r} is not a version; write 1.2.3 or 1.2.3rc1"
    if tag != f"v{version}":
        yield f"the tag {tag!r} is not for version {version}; tag v{version}, or change noxcli/__init__.py"
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not section_on(version, changelog):
        yield f"CHANGELOG.md says nothing of {version}; add '## {version} - YYYY-MM-DD' with what changed"
    newest = RELEASED.search(changelog)
    if newest and newest[1] != version:
        yield f"CHANGELOG.md has {newest[1]} as the newest version; put {version} first"
    if changelog.partition("\n## Unreleased\n")[2].partition("\n## ")[0].strip():
        yield f"CHANGELOG.md has changes under 'Unreleased'; move them to {version}"
    component = (root / "templates/run/template.yml").read_text(encoding="utf-8")
    if f"noxcli=={version}\n" not in component:
        yield f"templates/run/template.yml installs another version; write noxcli=={version}"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if any(author["email"].endswith(".invalid") for author in project["authors"]):
        yield f"pyproject.toml: the authors' address does not work; {BY_PREPARE}"
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        if UNNAMED in text:
            yield f"{page.relative_to(root)} has {UNNAMED}; {BY_PREPARE}"
        if others := {*shown(root).findall(text)} - {version}:
            yield f"{page.relative_to(root)} shows {', '.join(sorted(others))}; write {version}"
