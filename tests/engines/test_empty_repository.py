"""The jobs of docs/ci.md from an empty repository: installed by pip with hashes, also without the index, and run."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.engines.farm import ROOT, Farm, needs_engine
from tests.engines.test_ci_systems import commit
from tests.engines.test_components import PIP
from tests.process import HUNG_INSTALLING, environment
from tests.release.conftest import built as built
from tests.reports.test_junit import valid

pytestmark = [pytest.mark.engine, pytest.mark.wide, pytest.mark.timeout(600)]
PAGE = (ROOT / "docs/ci.md").read_text()
OFFLINE = re.findall(
    r"```console\n(pip download .*?)```", (ROOT / "docs/install.md").read_text(), re.DOTALL
)


def github() -> str:
    """Return what the steps run, after those that are actions."""
    job, _ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    steps = yaml.safe_load(job)["jobs"]["ask"]["steps"]
    return "\n".join(step["run"] for step in steps if "run" in step)


def gitlab_file() -> str:
    _, job = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return str(job)


def gitlab() -> str:
    return "\n".join(yaml.safe_load(gitlab_file())["ask"]["script"])


def jenkins() -> str:
    (job,) = re.findall(r"```groovy\n(.*?)```", PAGE, re.DOTALL)
    (script,) = re.findall(r"sh '''\n(.*?)'''", job, re.DOTALL)
    return str(script)


def airgapped() -> str:
    """Return the download, and the job of GitLab whose pip gets what was carried over."""
    (lines,) = OFFLINE
    _, install = gitlab().split("\n")
    return f"{lines}\n{install}"


@pytest.fixture
def repository(tmp_path: Path, built: dict[str, Path]) -> Path:
    """A repository with the lock of a release alone, and a Python as an image has it."""
    where = tmp_path / "repository"
    where.mkdir()
    pin = [sys.executable, str(ROOT / "scripts/release.py"), "pin", str(built["wheel"])]
    subprocess.run([*pin, "--output", str(where / "noxcli.lock")], check=True)
    subprocess.run(["python3", "-m", "venv", tmp_path / "python"], check=True)
    return where


@pytest.mark.long(60)
@pytest.mark.parametrize("job", [github, gitlab, jenkins, airgapped])
def test_a_job_installs_and_runs(
    job: Callable[[], str], repository: Path, tmp_path: Path, built: dict[str, Path]
) -> None:
    with Sandbox(BUILT_IN, speed=30) as sandbox:
        env = {
            **environment(sandbox.url, sandbox.key),
            **PIP,
            "PIP_FIND_LINKS": str(built["wheel"].parent),
            "PIP_CACHE_DIR": str(tmp_path / "pip"),
            "PATH": f"{tmp_path}/python/bin:/usr/local/bin:/usr/bin:/bin",
        }
        done = subprocess.run(
            ["bash", "-e", "-c", job()],
            cwd=repository,
            env=env,
            capture_output=True,
            text=True,
            timeout=HUNG_INSTALLING,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (repository / "answer.txt").read_text().startswith("You asked: hello")
    assert len(valid(repository / "report.xml")) == 1


@pytest.mark.long(60)
def test_the_file_of_gitlab_runs_as_it_is(
    repository: Path, tmp_path: Path, built: dict[str, Path]
) -> None:
    """This runner does not know `retry`."""
    needs_engine("gitlab-ci-local", "node", "rsync")
    (repository / ".gitlab-ci.yml").write_text(gitlab_file())
    with Sandbox(BUILT_IN, speed=30) as sandbox:
        farm = Farm(sandbox, "demo", repository)
        commit(farm, repository)
        farm.run("git", "remote", "add", "origin", "git@gitlab.example.com:noxcli/ask.git")
        line = ["gitlab-ci-local", "--force-shell-executor", "--shell-isolation"]
        for name in ("NOXUS_BACKEND_URL", "NOXUS_API_KEY"):
            line.append(f"--variable={name}={farm.env[name]}")
        more = {
            **PIP,
            "PIP_FIND_LINKS": str(built["wheel"].parent),
            "PATH": f"{tmp_path}/python/bin:{farm.env['PATH']}",
        }
        with farm.started(line, **more) as engine:
            assert engine.wait(HUNG_INSTALLING) == 0, farm.log()
    of_the_runner = repository / ".gitlab-ci-local"
    (answer,) = of_the_runner.glob("artifacts/ask/answer.txt")
    assert answer.read_text().startswith("You asked: hello")
    # What pip stores there, the index decides.
    assert len([*of_the_runner.glob("cache/*noxcli-*")]) == 1, "its key is the lock file"
