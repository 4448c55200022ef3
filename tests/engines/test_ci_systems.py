"""GitHub's jobs run in `act`, GitLab's in `gitlab-ci-local`: both without a container, and with a killed task."""

import re
import signal
from pathlib import Path

import pytest

from tests.engines.farm import Farm, needs_engine, recipe
from tests.process import HUNG

pytestmark = [pytest.mark.engine, pytest.mark.wide]

UP = """\
name: upload
inputs: {{name: {{required: true}}, path: {{required: true}}, overwrite: {{}}}}
runs: {{using: composite, steps: [{{shell: bash, run: 'cp -r "${{{{ inputs.path }}}}" "{store}/"'}}]}}
"""
DOWN = """\
name: download
runs: {{using: composite, steps: [{{shell: bash, run: 'cp -r {store}/. .'}}]}}
"""


def commit(farm: Farm, where: Path) -> None:
    identity = ("-c", "user.email=noxcli@example.com", "-c", "user.name=noxcli")
    for line in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "Rows")):
        farm.run("git", "-C", str(where), *line)


def act(farm: Farm, tmp_path: Path, event: str, workflow: str) -> tuple[list[str], str]:
    """Commit the workflow, and return the command line that runs it, and the PATH of its steps.

    What the steps upload is in `artifacts`.
    """
    needs_engine("act")
    store = tmp_path / "artifacts"
    store.mkdir()
    (farm.where / ".github/workflows").mkdir(parents=True)
    (farm.where / ".github/workflows/job.yml").write_text(workflow)
    options = ["--env", f"NOXUS_BACKEND_URL={farm.sandbox.url}", "-s", "NOXUS_API_KEY"]
    for name, action in (("upload-artifact", UP), ("download-artifact", DOWN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "action.yml").write_text(action.format(store=store))
        commit(farm, tmp_path / name)
        for used in {*re.findall(rf"actions/{name}@\w+", workflow)}:
            options += ["--local-repository", f"{used}={tmp_path / name}"]
    commit(farm, farm.where)
    path = f"{no_index(tmp_path)}:{farm.env['PATH']}"
    return [
        "act",
        event,
        "-P",
        "ubuntu-latest=-self-hosted",
        "--action-offline-mode",
        *options,
        "--env",
        f"PATH={path}",
    ], path


def no_index(tmp_path: Path) -> Path:
    """Return a directory with a pip that installs nothing from an index: this noxcli is on PATH already."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pip").write_text('#!/bin/sh\n[ "$*" = "install noxcli" ]\n')
    (tmp_path / "bin/pip").chmod(0o755)
    return tmp_path / "bin"


@pytest.mark.long(14)
def test_github(farm: Farm, tmp_path: Path) -> None:
    """A killed task fails its job; running the jobs again continues it, and the report is uploaded both times."""
    line, path = act(farm, tmp_path, "workflow_dispatch", recipe("GitHub Actions"))
    env = {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    report = tmp_path / "artifacts/report"
    with farm.started(line, **env) as engine:
        farm.kill(2)
        assert engine.wait(HUNG) == 1, farm.log()
    assert "errors=" in (report / "report.xml").read_text()
    with farm.started([*line, "--env", "GITHUB_RUN_ATTEMPT=2"], **env) as engine:
        assert engine.wait(HUNG) == 0, farm.log()
    assert 'errors="0"' in (report / "report.xml").read_text()
    farm.check(report / "results.jsonl")


@pytest.mark.long(10)
def test_github_cancels_a_task(farm: Farm, tmp_path: Path) -> None:
    """The runner signals the step's own process; what it had started is continued by the next attempt."""
    line, path = act(farm, tmp_path, "workflow_dispatch", recipe("GitHub Actions"))
    env = {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with farm.started(line, **env) as engine:
        task = farm.task(2)
        parent = (Path("/proc") / str(task) / "stat").read_text().rpartition(") ")[2].split()[1]
        assert b"bash" not in (Path("/proc") / parent / "cmdline").read_bytes(), "a shell in between gets the signal"
        farm.kill(2, signal.SIGINT)
        assert engine.wait(HUNG) == 1, farm.log()
    assert "exit status 130" in farm.log()


@pytest.mark.long(19)
def test_gitlab(farm: Farm) -> None:
    """This runner does not know `retry`, so the pipeline is run again, with the artifacts instead of the cache."""
    needs_engine("gitlab-ci-local", "node", "rsync")
    (farm.where / ".gitlab-ci.yml").write_text(recipe("GitLab"))
    commit(farm, farm.where)
    farm.run("git", "remote", "add", "origin", "git@gitlab.example.com:noxcli/batch.git")
    variables = [f"--variable={name}={farm.env[name]}" for name in ("NOXUS_BACKEND_URL", "NOXUS_API_KEY")]
    line = ["gitlab-ci-local", "--force-shell-executor", *variables]
    with farm.started(line) as engine:
        farm.kill(2)
        assert engine.wait(HUNG) == 1, farm.log()
    assert "FAIL 137" in farm.log()
    with farm.started(line) as engine:
        assert engine.wait(HUNG) == 0, farm.log()
    farm.check(farm.where / "results.jsonl")
