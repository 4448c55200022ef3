"""What a release changes in the project's own texts: its version, its date and its address; and what they lack."""

import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from packaging.version import Version

VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
RELEASED = re.compile(r"^## (\S+) - (.+)$", re.MULTILINE)
UNRELEASED = "\n## Unreleased\n"
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
RELATIVE_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
UNNAMED, UNADDRESSED = "OWNER/noxcli", "noxcli@noxcli.invalid"
INIT, CHANGELOG = "noxcli/__init__.py", "CHANGELOG.md"
BY_PREPARE = "give `release.py prepare` --repository and --email"


Texts = dict[str, str]  # of files, by their paths in the project


def texts_of(root: Path) -> Texts:
    """Return the changelog, and the files that name the repository or a version, but for generated ones."""
    fixed = (CHANGELOG, INIT, "templates/run/template.yml", "pyproject.toml")
    pages = (f"docs/{page.name}" for page in sorted((root / "docs").glob("*.md")))
    return {name: (root / name).read_text(encoding="utf-8") for name in (*fixed, *pages)}


def shown(texts: Texts) -> re.Pattern[str]:
    """Return what finds a version of noxcli in a text: of the action, the component, a release's files, a package."""
    name = re.escape(repository(texts))
    return re.compile(
        rf"(?:{name}/run@v|{name}@[0-9a-f]{{40}} # v|{name}/releases/download/v|noxcli==)(\d[\w.]*\w)"
    )


def project_of(texts: Texts) -> dict[str, Any]:
    """Return pyproject.toml's part on the project."""
    project: dict[str, Any] = tomllib.loads(texts["pyproject.toml"])["project"]
    return project


def repository(texts: Texts) -> str:
    """Return OWNER/NAME."""
    return str(project_of(texts)["urls"]["Repository"]).removeprefix("https://github.com/")


def version_of(source: str) -> str:
    """Return the version that noxcli/__init__.py has."""
    return str(re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)[0])


def section_on(version: str, changelog: str) -> str:
    """Return the changelog's section about a version, without its heading; empty if it has no dated section."""
    for heading in RELEASED.finditer(changelog):
        if heading[1] == version and re.fullmatch(r"\d{4}-\d\d-\d\d", heading[2]):
            return changelog[heading.end() :].partition("\n## ")[0].strip()
    return ""


def unreleased(changelog: str) -> str:
    """Return what the changelog has under "Unreleased"."""
    return changelog.partition(UNRELEASED)[2].partition("\n## ")[0].strip()


def candidates_of(version: str, changelog: str) -> list[str]:
    """Return the released candidates of a final version, newest first: 1.2.3rc2 and 1.2.3rc1 of 1.2.3."""
    if not VERSION.fullmatch(version) or Version(version).is_prerelease:
        return []
    return [
        heading[1]
        for heading in RELEASED.finditer(changelog)
        if VERSION.fullmatch(heading[1]) and Version(heading[1]).base_version == version
    ]


def notes(texts: Texts, commit: str) -> str:
    """Return what changed in this version, and how a workflow pins the commit, which no file of the commit can name.

    A release's page has no files next to it, so links to them name the tag.
    """
    version, name = version_of(texts[INIT]), repository(texts)
    absolute = RELATIVE_LINK.sub(
        lambda link: (
            f"](https://github.com/{name}/blob/v{version}/{CHANGELOG if link[1][0] == '#' else ''}{link[1]})"
        ),
        section_on(version, texts[CHANGELOG]),
    )
    return f"{absolute}\n\n## As an action\n\n```yaml\nuses: {name}@{commit} # v{version}\n```\n"


def write_release(
    root: Path, version: str, today: date, name: str | None, email: str | None
) -> Iterator[str]:
    """Write a version, its date, and the project's name and address wherever they appear; or yield what is wrong.

    Then nothing is written.
    """
    texts = texts_of(root)
    if found := list(wrong_arguments(texts, version, name, email)):
        yield from found
        return
    released = with_version(with_name(texts, name, email), version, today)
    yield from (found := list(mistakes(f"v{version}", released)))
    for file, text in released.items() if not found else ():
        (root / file).write_text(text, encoding="utf-8")


def wrong_arguments(
    texts: Texts, version: str, name: str | None, email: str | None
) -> Iterator[str]:
    """Yield what no release can have: an odd version, or one that is not newer; an odd name or address."""
    released = [
        heading[1]
        for heading in RELEASED.finditer(texts[CHANGELOG])
        if VERSION.fullmatch(heading[1])
    ]
    newest = max(released, key=Version, default=None)
    if not VERSION.fullmatch(version):
        yield f"{version!r} is not a version; write 1.2.3 or 1.2.3rc1"
    elif newest is not None and Version(version) <= Version(newest):
        yield f"{version} is not newer than {newest}, which CHANGELOG.md has as released; choose a higher version"
    elif newest is None and Version(version) < Version(written := version_of(texts[INIT])):
        yield f"{version} is lower than {written}, the version of {INIT}; choose a higher version"
    if name is not None and (not REPOSITORY.fullmatch(name) or name.endswith(".git")):
        yield f"{name!r} is not a repository; write OWNER/NAME, without https:// and .git"
    if email is not None and (not ADDRESS.fullmatch(email) or email.endswith(".invalid")):
        yield f"{email!r} is not an address that works; write NAME@HOST"
    if not unreleased(texts[CHANGELOG]) and not candidates_of(version, texts[CHANGELOG]):
        yield "CHANGELOG.md has nothing under 'Unreleased'; there is nothing to release"


def with_name(texts: Texts, name: str | None, email: str | None) -> Texts:
    """Return the texts with the repository's name (OWNER/NAME) and the authors' address wherever there is none yet."""
    known = {UNNAMED: name or UNNAMED, UNADDRESSED: email or UNADDRESSED}
    pattern = re.compile("|".join(known))
    return {file: pattern.sub(lambda found: known[found[0]], text) for file, text in texts.items()}


def with_version(texts: Texts, version: str, today: date) -> Texts:
    """Return the texts with a version wherever one is shown, and a date for what is unreleased."""
    old, pattern = version_of(texts[INIT]), shown(texts)
    new = {
        file: pattern.sub(lambda found: found[0].replace(old, version), text)
        for file, text in texts.items()
    }
    new[INIT] = texts[INIT].replace(f'__version__ = "{old}"', f'__version__ = "{version}"')
    new[CHANGELOG] = dated(texts[CHANGELOG], version, today)
    return new


def dated(changelog: str, version: str, today: date) -> str:
    """Return the changelog with a date for what is unreleased.

    The sections on candidates of the version become part of its own: most readers skip candidates.
    """
    head, first, *older = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)
    candidates = candidates_of(version, changelog)
    news = [first.partition("\n")[2].strip()]
    kept = []
    for section in older:
        heading, _, text = section.partition("\n")
        if heading.split()[1] in candidates:
            news.append(text.strip())
        else:
            kept.append(section)
    content = "\n\n".join(filter(None, news))
    released = f"## {version} - {today}\n\n{content}\n\n"
    return "".join([head, "## Unreleased\n\n", released, *kept]).rstrip() + "\n"


def mistakes(tag: str, texts: Texts) -> Iterator[str]:
    """Yield a line for each thing that blocks the release: what is wrong, and how to fix it."""
    version, changelog, pattern = version_of(texts[INIT]), texts[CHANGELOG], shown(texts)
    if not VERSION.fullmatch(version):
        yield f"{INIT}: {version!r} is not a version; write 1.2.3 or 1.2.3rc1"
    if tag != f"v{version}":
        yield f"the tag {tag!r} is not for version {version}; tag v{version}, or change {INIT}"
    if not section_on(version, changelog):
        yield f"{CHANGELOG} says nothing of {version}; add '## {version} - YYYY-MM-DD' with what changed"
    newest = RELEASED.search(changelog)
    if newest and newest[1] != version:
        yield f"{CHANGELOG} has {newest[1]} as the newest version; put {version} first"
    if unreleased(changelog):
        yield f"{CHANGELOG} has changes under 'Unreleased'; move them to {version}"
    if any(author["email"].endswith(".invalid") for author in project_of(texts)["authors"]):
        yield f"pyproject.toml: the authors' address does not work; {BY_PREPARE}"
    for file, text in texts.items():
        if UNNAMED in text:
            yield f"{file} has {UNNAMED}; {BY_PREPARE}"
        if file != CHANGELOG and (others := {*pattern.findall(text)} - {version}):
            yield f"{file} shows {', '.join(sorted(others))}; write {version}"
