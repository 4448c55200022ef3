"""What runs GitHub's jobs in `act`, without a container; and GitLab's in `gitlab-ci-local`, with a killed task."""

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


def commit(farm: Farm, where: Path) -> None:
    identity = ("-c", "user.email=noxcli@example.com", "-c", "user.name=noxcli")
    for line in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "Rows")):
        farm.run("git", "-C", str(where), *line)


def act(
    farm: Farm, tmp_path: Path, event: str, workflow: str, upload: str = UP
) -> tuple[list[str], str]:
    """Commit the workflow, and return the command line that runs it, and the PATH of its steps.

    What the steps upload is in `artifacts`.
    """
    needs_engine("act")
    store = tmp_path / "artifacts"
    store.mkdir()
    (farm.where / ".github/workflows").mkdir(parents=True)
    (farm.where / ".github/workflows/job.yml").write_text(workflow)
    options = ["--env", f"NOXUS_BACKEND_URL={farm.sandbox.url}", "-s", "NOXUS_API_KEY"]
    (tmp_path / "upload-artifact").mkdir()
    (tmp_path / "upload-artifact/action.yml").write_text(upload.format(store=store))
    commit(farm, tmp_path / "upload-artifact")
    for used in {*re.findall(r"actions/upload-artifact@\w+", workflow)}:
        options += ["--local-repository", f"{used}={tmp_path / 'upload-artifact'}"]
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
    (tmp_path / "bin/pip").write_text(
        '#!/bin/sh\n[ -z "$NO_INDEX" ] && [ "$*" = "install --require-hashes -r noxcli.lock" ]\n'
    )
    (tmp_path / "bin/pip").chmod(0o755)
    return tmp_path / "bin"


@pytest.mark.long(19)
def test_gitlab(farm: Farm) -> None:
    """This runner does not know `retry`, so the pipeline is run again, with the artifacts instead of the cache."""
    needs_engine("gitlab-ci-local", "node", "rsync")
    (farm.where / ".gitlab-ci.yml").write_text(recipe("GitLab"))
    commit(farm, farm.where)
    farm.run("git", "remote", "add", "origin", "git@gitlab.example.com:noxcli/batch.git")
    variables = [
        f"--variable={name}={farm.env[name]}" for name in ("NOXUS_BACKEND_URL", "NOXUS_API_KEY")
    ]
    line = ["gitlab-ci-local", "--force-shell-executor", *variables]
    farm.failing.add(1)
    with farm.started(line) as engine:
        farm.kill(2)
        assert engine.wait(HUNG) == 1, farm.log()
    assert "FAIL 137" in farm.log()
    assert (farm.where / "results.jsonl").exists(), "of the shards that failed, too"
    with farm.started(line) as engine:
        assert engine.wait(HUNG) == 1, farm.log()
    assert "FAIL 137" not in farm.log()
    farm.check(farm.where / "results.jsonl")
