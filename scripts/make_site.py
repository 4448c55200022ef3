"""Build the documentation site from docs/ and the pages at the root into site/: one command, no warning allowed."""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIG = "zensical.toml"
ROOT_PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
# Pages about the project, which would outrank the guide.
NOT_SEARCHED = ("decisions/*.md", "architecture.md", "CHANGELOG.md", "CONTRIBUTING.md")


def lay_out(source: Path) -> None:
    """Write the source of the site: docs/ and the pages at the root, with links adjusted."""
    docs = source / "docs"
    shutil.copytree(ROOT / "docs", docs)
    for name in ROOT_PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        (docs / name).write_text(re.sub(r"\]\(docs/", "](", text), encoding="utf-8")
    for page in docs.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        upwards = "../" * len(page.relative_to(docs).parts)
        for name in ROOT_PAGES:
            text = text.replace(f"]({upwards}{name}", f"]({upwards.removesuffix('../')}{name}")
        # GitHub needs the backslash before a bar in a table's code; this generator would show it.
        text = re.sub(
            r"(?m)^\|.*$",
            lambda row: re.sub("`[^`]*`", lambda code: code[0].replace(r"\|", "|"), row[0]),
            text,
        )
        page.write_text(text, encoding="utf-8")
    for page in (page for pattern in NOT_SEARCHED for page in docs.glob(pattern)):
        page.write_text(
            f"---\nsearch:\n  exclude: true\n---\n\n{page.read_text(encoding='utf-8')}",
            encoding="utf-8",
        )
    config = (ROOT / CONFIG).read_text(encoding="utf-8")
    decisions = "".join(
        f'  "{page.relative_to(docs)}",\n' for page in sorted((docs / "decisions").glob("*.md"))
    )
    (source / CONFIG).write_text(
        config.replace("  ] },\n]", f'  ] }},\n  {{ "Decisions" = [\n{decisions}  ] }},\n]')
    )


def pages_of(navigation: Any) -> Iterator[str]:
    """Yield the path of each page in a navigation."""
    for entry in navigation:
        inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from [inner] if isinstance(inner, str) else pages_of(inner)


def build(target: Path) -> int:
    """Build the site into a directory, which is replaced; return the generator's exit code.

    A link to a missing page or heading, and a page outside of the navigation, are errors.
    """
    with tempfile.TemporaryDirectory() as place:
        source = Path(place)
        lay_out(source)
        named = {
            *pages_of(
                tomllib.loads((source / CONFIG).read_text(encoding="utf-8"))["project"]["nav"]
            )
        }
        there = {str(page.relative_to(source / "docs")) for page in (source / "docs").rglob("*.md")}
        if named != there:
            print(
                f"{CONFIG}: its nav and docs/ differ in {', '.join(sorted(named ^ there))}",
                file=sys.stderr,
            )
            return 1
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", CONFIG]
        code = subprocess.run(command, cwd=source, check=False).returncode
        if code == 0:
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source / "site", target)
    return code


if __name__ == "__main__":
    raise SystemExit(build(ROOT / "site"))
