"""GitHub's jobs run in `act`, GitLab's in `gitlab-ci-local`: both without a container, and with a killed task."""

import re
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


@pytest.mark.long(8)
def test_github(farm: Farm, tmp_path: Path) -> None:
    needs_engine("act")
    workflow, store = recipe("GitHub Actions"), tmp_path / "artifacts"
    store.mkdir()
    (farm.where / ".github/workflows").mkdir(parents=True)
    (farm.where / ".github/workflows/batch.yml").write_text(workflow)
    # This noxcli is on PATH already; nothing may be installed from an index.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pip").write_text('#!/bin/sh\n[ "$*" = "install noxcli" ]\n')
    (tmp_path / "bin/pip").chmod(0o755)
    options = []
    for name, action in (("upload-artifact", UP), ("download-artifact", DOWN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "action.yml").write_text(action.format(store=store))
        commit(farm, tmp_path / name)
        (used,) = set(re.findall(rf"actions/{name}@\w+", workflow))
        options += ["--local-repository", f"{used}={tmp_path / name}"]
    commit(farm, farm.where)
    secret = ["-s", "NOXUS_API_KEY", "--env", f"NOXUS_BACKEND_URL={farm.sandbox.url}"]
    path = f"{tmp_path / 'bin'}:{farm.env['PATH']}"
    line = ["act", "workflow_dispatch", "-P", "ubuntu-latest=-self-hosted", "--action-offline-mode", *options, *secret]
    with farm.started([*line, "--env", f"PATH={path}"], PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache")) as engine:
        farm.kill(2)
        assert engine.wait(HUNG) == 0, farm.log()
    farm.run("sh", "-c", f"noxcli results {store}/shard-* > results.jsonl")
    farm.check(farm.where / "results.jsonl")


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
