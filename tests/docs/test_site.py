"""The documentation site: its build reports broken links, and a workflow publishes it; test_questions.py: its pages."""

import re
import shutil
from pathlib import Path

import make_site
import pytest

ROOT = make_site.ROOT
WORKFLOW = (ROOT / ".github" / "workflows" / "docs.yml").read_text()


def heading_ids(page: Path) -> set[str]:
    """The ids that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the site's source, each page only its title, in which to make a mistake."""
    for name in (*make_site.ROOT_PAGES, make_site.CONFIG):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png", "*.svg")
    )
    for page in tmp_path.rglob("*.md"):
        page.write_text(f"# {page.stem}\n")
    monkeypatch.setattr(make_site, "ROOT", tmp_path)
    return tmp_path / "docs" / "install.md"


@pytest.mark.parametrize(
    "link", ["inputs.md#nothing", pytest.param("nowhere.md", marks=pytest.mark.wide)]
)
def test_a_link_that_leads_nowhere_fails_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], link: str
) -> None:
    page = broken(tmp_path, monkeypatch)
    page.write_text(f"{page.read_text()}\n[away]({link})\n")
    assert make_site.build(tmp_path / "site") != 0
    assert "install.md" in capfd.readouterr().err
    assert not (tmp_path / "site").exists()


def test_the_links_of_readme_lead_somewhere() -> None:
    readme = ROOT / "README.md"
    for path, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", readme.read_text()):
        page = ROOT / path if path else readme
        assert page.is_file(), path
        assert not heading or heading in heading_ids(page), f"{path}#{heading}"


def test_the_workflow_publishes_what_the_test_builds() -> None:
    assert "persist-credentials: false" in WORKFLOW
    assert "permissions: {}\n" in WORKFLOW
    assert set(re.findall(r"^ +(\S+: (?:write|read))(?: #.*)?$", WORKFLOW, re.MULTILINE)) == {
        "contents: read", "pages: write", "id-token: write",
    }  # fmt: skip
    assert "run: python scripts/make_site.py\n" in WORKFLOW
