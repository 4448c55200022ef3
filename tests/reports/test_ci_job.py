"""What a job of a CI system calls around its gate: a name of its own, and the definition in the target branch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noxcli.reports.ci.job_name import gate_directory, job_name

ROOT = Path(__file__).parents[2]
BASE = {
    "GITHUB_WORKFLOW": "w",
    "GITHUB_JOB": "test",
    "JOB_INDEX": "0",
    "JOB_MATRIX": "null",
    "NOXCLI_JOB_WORKFLOW": "review",
    "NOXCLI_JOB_TABLE": "tables/a b.csv",
    "NOXCLI_JOB_REPORT": "noxcli-report",
}
ON_GITLAB = {
    "CI_JOB_NAME": "ask: [a b, c/d]",
    "CI_NODE_INDEX": "2",
    "NOXCLI_JOB_WORKFLOW": "review",
    "NOXCLI_JOB_TABLE": "tables/a b.csv",
}


def module(name: str, where: Path, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Call a program of a job in its checkout, with the standard library alone: it runs before pip."""
    return subprocess.run(
        [sys.executable, "-S", "-P", "-m", f"noxcli.reports.ci.{name}"],
        cwd=where,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_gate_has_a_name_of_its_own() -> None:
    names = {job_name(BASE), job_name(ON_GITLAB)}
    for name in BASE:
        names.add(job_name({**BASE, name: "other"}))
    for name in ON_GITLAB:
        names.add(job_name({**ON_GITLAB, name: "other"}))
    names.add(job_name({**BASE, "NOXCLI_JOB_TABLE": "tables-a b.csv"}))
    assert len(names) == 2 + len(BASE) + len(ON_GITLAB) + 1
    assert job_name(BASE).startswith("noxcli-review-a-b.csv-noxcli-report-test-0-")
    assert job_name(ON_GITLAB).startswith("noxcli-review-a-b.csv-ask-a-b-c-d-2-")
    assert not [name for name in names if set(name) & set("/ \"'\\:[]")]


def test_a_gate_is_below_the_output_directory() -> None:
    assert gate_directory(ON_GITLAB) == Path("noxcli-output", job_name(ON_GITLAB))
    elsewhere = {**BASE, "NOXCLI_JOB_DIRECTORY": "out"}
    assert gate_directory(elsewhere) == Path("out", job_name(BASE))


def test_a_second_gate_of_a_name_is_refused(tmp_path: Path) -> None:
    environ = {**BASE, "RUNNER_TEMP": str(tmp_path), "NOXCLI_JOB_DIRECTORY": "out"}
    first = module("job_name", tmp_path, environ)
    name = job_name(BASE)
    assert (first.returncode, first.stdout) == (0, f"name={name}\ndirectory=out/{name}\n")
    second = module("job_name", tmp_path, environ)
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.startswith("::error::this job already has a gate of review and tables/")
    other = module("job_name", tmp_path, {**environ, "NOXCLI_JOB_REPORT": "second"})
    assert other.returncode == 0
    run = module("job_name", tmp_path, {**environ, "NOXCLI_JOB_TABLE": ""})
    assert (run.returncode, run.stdout) == (0, "name=noxcli-report\n")


class Checkout:
    """A pull request's merge, as GitHub checks it out: into a target with its own definition."""

    def __init__(self, where: Path) -> None:
        self.where = where
        where.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit("in the target")
        self.target = self.git("rev-parse", "HEAD")
        self.git("switch", "-qc", "branch")
        self.commit("an earlier push")
        self.commit("the newest push")
        self.branch = self.git("rev-parse", "HEAD")
        self.git("switch", "-q", "--detach", "main")
        self.git("merge", "-q", "--no-ff", "-m", "merge", "branch")
        self.merge = self.git("rev-parse", "HEAD")

    def git(self, *words: str) -> str:
        author = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        done = subprocess.run(
            ["git", *author, *words], cwd=self.where, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, definition: str) -> None:
        (self.where / "review.json").write_text(definition)
        self.git("add", "-A")
        self.git("commit", "-qm", definition)

    def base(self, environ: dict[str, str]) -> str | None:
        """Return the definition that a job compares with, None if it is unknown."""
        given = {
            **environ,
            "NOXCLI_JOB_WORKFLOW": "review",
            "NOXCLI_JOB_TABLE": "rows.csv",
            "NOXCLI_JOB_DEFINITION": "review.json",
            "NOXCLI_JOB_TIMEOUT": "1s",
            "NOXCLI_JOB_GATE": "gate",
        }
        module("gate_job", self.where, given)
        file = self.where / "gate/base.json"
        return file.read_text() if file.exists() else None


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def test_the_target_of_a_merge_is_compared_with(checkout: Checkout) -> None:
    assert checkout.base({"GITHUB_SHA": checkout.merge}) == "in the target"


def test_a_branchs_own_earlier_push_is_not(checkout: Checkout) -> None:
    checkout.git("switch", "-q", "branch")
    assert checkout.base({"GITHUB_SHA": checkout.merge}) is None
    checkout.git("merge", "-q", "--no-ff", "-m", "main into branch", checkout.merge)
    checkout.commit("after it")
    checkout.git("merge", "-q", "--no-ff", "-s", "ours", "-m", "again", "main")
    checkout.git("commit", "-q", "--amend", "--allow-empty", "-m", "a merge as the newest push")
    assert checkout.base({"GITHUB_SHA": checkout.merge}) is None


def test_a_checkout_of_one_commit_has_no_target(checkout: Checkout, tmp_path: Path) -> None:
    origin = f"file://{checkout.where}"
    checkout.git("branch", "merged")
    shallow = tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", "-b", "merged", origin, shallow], check=True
    )
    checkout.where = shallow
    assert checkout.base({"GITHUB_SHA": checkout.merge}) is None


def test_gitlab_fetches_the_target(checkout: Checkout, tmp_path: Path) -> None:
    origin = f"file://{checkout.where}"
    checkout.git("config", "uploadpack.allowAnySHA1InWant", "true")
    shallow = tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", "-b", "branch", origin, shallow], check=True
    )
    base = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": checkout.target, "CI_JOB_NAME": "ask"}
    checkout.where = shallow
    assert checkout.base(base) == "in the target"


def test_no_merge_request_has_no_target(checkout: Checkout) -> None:
    """The index, which `git show :review.json` would print, is the branch's own."""
    assert checkout.base({"CI_MERGE_REQUEST_DIFF_BASE_SHA": "", "CI_JOB_NAME": "ask"}) is None


def test_an_earlier_attempt_leaves_no_verdict(checkout: Checkout) -> None:
    gate = checkout.where / "gate"
    gate.mkdir()
    for name in ("base.json", "comment.md", "report.html", "report.xml", "differs.txt"):
        (gate / name).write_text("green")
    assert checkout.base({}) is None
    comment = (gate / "comment.md").read_text()
    assert "noxcli gate not judged" in comment
    assert "base.json: no such file or directory" in comment
    assert "if it has one, check out the pull request&#x27;s merge" in comment.replace(
        "'", "&#x27;"
    )
    assert "green" not in (gate / "report.html").read_text() + (gate / "report.xml").read_text()


def test_a_table_takes_no_inputs_of_a_run(checkout: Checkout) -> None:
    environ = {
        **BASE,
        "NOXCLI_JOB_TIMEOUT": "1s",
        "NOXCLI_JOB_GATE": "gate",
        "NOXCLI_JOB_BASE": "base",
        "NOXCLI_JOB_NEW": "new",
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(checkout.where / "outputs"),
        "GITHUB_STEP_SUMMARY": str(checkout.where / "summary"),
        "PATH": os.environ["PATH"],
    }
    line = [sys.executable, "-P", "-m", "noxcli.reports.ci.gate_job", '{"Q": "x"}']
    done = subprocess.run(
        line, cwd=checkout.where, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    for place in (done.stderr, *[(checkout.where / "gate/comment.md").read_text()]):
        assert "no such option: --inputs" in place
    assert "no such option: --inputs" in (checkout.where / "summary").read_text()


def test_a_module_of_the_checkout_is_not_loaded(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.where / "json.py").write_text("raise SystemExit('loaded')")
    (checkout.where / "noxcli").mkdir()
    (checkout.where / "noxcli/__init__.py").write_text("raise SystemExit('loaded')")
    environ = {**BASE, "RUNNER_TEMP": str(tmp_path)}
    for name in ("job_name", "comment"):
        done = module(name, checkout.where, environ)
        assert (done.returncode, done.stderr) == (0, "")
