"""The jobs of docs/test-a-change.md in `act` and `gitlab-ci-local`: red for a change that breaks a row, then green."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.docs.test_change import BLOCKS, JOBS, failed
from tests.engines.farm import Farm, needs_engine
from tests.engines.test_ci_systems import act, commit, no_index
from tests.process import HUNG

pytestmark = [pytest.mark.engine, pytest.mark.wide]
GREEN = BLOCKS[2].splitlines()[0]  # the edit alone; the job runs the script


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Farm]:
    """The files of the page, with the change that breaks a row."""
    (tmp_path / "work").mkdir()
    with Sandbox(BUILT_IN, speed=100) as sandbox:
        farm = Farm(sandbox, "review", tmp_path / "work")
        farm.run("bash", "-euc", BLOCKS[0] + BLOCKS[1].rpartition("sh test-change.sh")[0])
        yield farm
        sandbox.break_connections()


@pytest.mark.long(10)
def test_github(project: Farm, tmp_path: Path) -> None:
    line, path = act(project, tmp_path, "pull_request", JOBS[0])
    env = {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with project.started(line, **env) as engine:
        assert engine.wait(HUNG) == 1, project.log()
    assert "exit status 11" in project.log()
    assert "::error title=noxcli gate::norway" in project.log()
    assert failed(tmp_path / "artifacts") == ["row 3 (norway)"]
    assert "<ins>No</ins>" in (tmp_path / "artifacts/report/comparison.html").read_text()

    project.run("sh", "-c", GREEN)
    with project.started(line, **env) as engine:
        assert engine.wait(HUNG) == 0, project.log()
    assert failed(tmp_path / "artifacts") == []


@pytest.mark.long(10)
def test_gitlab(project: Farm, tmp_path: Path) -> None:
    needs_engine("gitlab-ci-local", "node", "rsync")
    (project.where / ".gitlab-ci.yml").write_text(JOBS[1])
    commit(project, project.where)
    project.run("git", "remote", "add", "origin", "git@gitlab.example.com:noxcli/review.git")
    known = {name: project.env[name] for name in ("NOXUS_BACKEND_URL", "NOXUS_API_KEY")}
    known["CI_PIPELINE_SOURCE"] = "merge_request_event"
    line = ["gitlab-ci-local", "--force-shell-executor", "--no-evaluate-rule-changes"]  # it has no target branch
    line += (f"--variable={name}={known[name]}" for name in known)
    path = f"{no_index(tmp_path)}:{project.env['PATH']}"
    with project.started(line, PATH=path) as engine:
        assert engine.wait(HUNG) == 1, project.log()
    assert "FAIL 11" in project.log()
    assert "noxcli: 1 row broken (38 runs): norway" in project.log()
    assert failed(project.where / ".gitlab-ci-local/artifacts/test-change") == ["row 3 (norway)"]

    project.run("sh", "-c", GREEN)
    with project.started(line, PATH=path) as engine:
        assert engine.wait(HUNG) == 0, project.log()
