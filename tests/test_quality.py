"""The lock file, and what no tool checks: names, words, and what the project says of itself."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST_NAME = 60  # characters of a test's name


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_file_covers_every_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    wanted = [
        *project["project"]["dependencies"],
        *(
            name
            for group in project["dependency-groups"].values()
            for name in group
            if isinstance(name, str)
        ),
        *(r for e in extras for r in e),
    ]
    locked = re.findall(
        r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE
    )
    assert {normal(re.split(r"[<>=\[ ;]", name)[0]) for name in wanted} <= set(map(normal, locked))


def test_what_is_installed_from_a_lock_is_bound_by_hashes() -> None:
    pins = {
        path.stem: path.read_text().split("\n") for path in (ROOT / "requirements").rglob("*.txt")
    }
    engines = {"act", "airflow", "envoy", "schemas", "snakemake"}
    assert {*pins} == {"dev", "run", "component", "pex", "build", "release"} | engines
    for name, lines in pins.items():
        pinned = [number for number, line in enumerate(lines) if "==" in line]
        assert pinned
        assert all("--hash=sha256:" in lines[number + 1] for number in pinned), name
    named = {
        name: {line.split()[0] for line in lines if "==" in line} for name, lines in pins.items()
    }
    ours = {*named} - engines
    assert [name for name in ours if not named[name] <= named["dev"]] == [], "another version"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name, wanted in (
        ("run", project["project"]["dependencies"]),
        ("build", project["build-system"]["requires"]),
    ):
        packages = {normal(line.partition("==")[0]) for line in named[name]}
        assert {normal(re.split(r"[<>=]", each)[0]) for each in wanted} <= packages


def test_what_npm_installs_is_bound_by_hashes() -> None:
    lock = json.loads((ROOT / "requirements/engines/package-lock.json").read_text())
    own = lock["packages"].pop("")
    assert {
        f"node_modules/{name}" for name in own["dependencies"] | own["optionalDependencies"]
    } <= {*lock["packages"]}
    assert all(package["integrity"].startswith("sha512-") for package in lock["packages"].values())


def test_the_project_speaks_of_itself_alone() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    host = re.compile(rb"(p[y]pi\.org|p[y]thonhosted|n[p]mjs|deb\.d[e]bian|/r[o]ot/|/h[o]me/)")
    assert "README.md" in listed, "without git there is no list of what is published"
    for name in listed:
        path = ROOT / name
        if path.is_file():
            assert not host.search(path.read_bytes()), name


def test_names_of_tests_are_short() -> None:
    tests = [
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    ]
    assert len(tests) > 1000
    assert [name for name in tests if len(name) > LONGEST_NAME] == []
