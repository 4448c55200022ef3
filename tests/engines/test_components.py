"""The action for GitHub and the component for GitLab, as a project uses them: installed, run, used, and canceled."""

import json
import os
import re
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from release_text import repository, texts_of

from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.steps import Sleep
from tests.engines.farm import ROOT, Farm, needs_engine
from tests.engines.test_ci_systems import UP, commit
from tests.process import HUNG_INSTALLING, until
from tests.release.conftest import build
from tests.release.conftest import built as built

pytestmark = [pytest.mark.engine, pytest.mark.wide, pytest.mark.timeout(1000)]

PAGE = (ROOT / "docs/github.md").read_text() + (ROOT / "docs/gitlab.md").read_text()
# Shell and YAML syntax in an input must reach the workflow unchanged.
HOSTILE = (
    """@README.md What's new? Say "hi" C:\\temp $(touch pwned) `touch pwned` "; touch pwned; ' # ${HOME} $HOME """
    "%0A::error::x"
)
# What pip needs to install packages on this machine.
PIP = {
    name: value
    for name, value in os.environ.items()
    if name.startswith(("PIP_", "SSL_", "REQUESTS_"))
}


def snippet(heading: str) -> str:
    """Return the YAML block under that heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return str(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0])


@pytest.fixture
def workflow(farm: Farm) -> str:
    """A workflow that answers with its question, after the requested number of milliseconds."""

    def script(inputs: Mapping[str, object]) -> list[Sleep]:
        return [Sleep(int(str(inputs["ms"])))]

    nodes = [input_node("Q"), input_node("ms")]
    return farm.sandbox.add(
        Scenario("ask", nodes=nodes, script=script, output=lambda inputs: {"A": inputs["Q"]})
    )


DOWN = """\
name: download
inputs: {{name: {{required: true}}, path: {{required: true}}}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {{TO: "${{{{ inputs.path }}}}"}}
      run: mkdir -p "$TO" && cp -rT "{store}/$(basename "$TO")" "$TO"
"""


def act_line(farm: Farm, tmp_path: Path, event: str, text: str, upload: str = UP) -> list[str]:
    """Return the command line that runs the project's jobs, with this checkout as the action that `text` uses.

    What the steps upload is in `artifacts`.
    """
    needs_engine("act")
    source = build("sdist", ROOT, tmp_path / "sdist")
    shutil.unpack_archive(source, tmp_path, filter="data")
    store, places = (
        tmp_path / "artifacts",
        {repository(texts_of(ROOT)): tmp_path / source.name.removesuffix(".tar.gz")},
    )
    store.mkdir()
    for name, action in (("upload", upload), ("download", DOWN)):
        places[f"actions/{name}-artifact"] = stub = tmp_path / name
        stub.mkdir()
        (stub / "action.yml").write_text(action.format(store=store))
    options = []
    for name, place in places.items():
        commit(farm, place)
        (used,) = set(re.findall(rf"{name}@\w+", text + (ROOT / "action.yml").read_text()))
        options += ["--local-repository", f"{used}={place}"]
    for name, value in {
        **PIP,
        "NOXUS_BACKEND_URL": farm.sandbox.url,
        "PATH": farm.env["PATH"],
    }.items():
        options += ["--env", f"{name}={value}"]
    secret = ["-s", f"NOXUS_API_KEY={farm.sandbox.key}"]
    return [
        "act",
        event,
        "-P",
        "ubuntu-latest=-self-hosted",
        "--action-offline-mode",
        *options,
        *secret,
    ]


@pytest.fixture
def act(farm: Farm, tmp_path: Path) -> list[str]:
    """The command line that runs the project's workflow, with this checkout as the action."""
    return act_line(farm, tmp_path, "push", snippet("As an action"))


def write_workflow(farm: Farm, workflow: str, inputs: str, more: str = "") -> None:
    text = snippet("As an action")
    text = text.replace("workflow: demo", f"workflow: {workflow}")
    text = text.replace(
        '{"User Input": "hello"}\n', f"{inputs}\n          more-inputs: {json.dumps(more)}\n"
    )
    text = text.replace("jq -r .Answer", f"jq -r .A > {farm.where}/answer.txt").replace(
        "noxcli-output/Answer.txt", "noxcli-output/A.txt"
    )
    (farm.where / ".github/workflows").mkdir(parents=True)
    (farm.where / ".github/workflows/ask.yml").write_text(
        f"name: ask\non: push\npermissions: {{}}\n{text}"
    )
    commit(farm, farm.where)


@pytest.mark.long(20)
@pytest.mark.parametrize("given", ["as text", "in files"])
def test_the_action_runs_a_workflow(
    farm: Farm, act: list[str], workflow: str, tmp_path: Path, given: str
) -> None:
    (farm.where / "inputs.json").write_text(f'{{"ms": "100"{" " * 200_000}}}')
    (farm.where / "a file.txt").write_text(HOSTILE)
    given_as = {
        "as text": (json.dumps({"Q": HOSTILE}), "ms=100"),
        "in files": (f"@{farm.where}/inputs.json", f"Q=@{farm.where}/a file.txt"),
    }
    write_workflow(farm, workflow, *given_as[given])
    with farm.started(act, XDG_CACHE_HOME=str(tmp_path / "cache")) as engine:
        assert engine.wait(HUNG_INSTALLING) == 0, farm.log()
    [run] = farm.sandbox.runs(workflow)
    assert run.input["Q"] == HOSTILE
    assert (farm.where / "answer.txt").read_text() == f"{HOSTILE}\n"
    assert 'failures="0"' in (tmp_path / "artifacts/noxcli.xml").read_text()
    assert not [*tmp_path.rglob("pwned")]
    assert farm.sandbox.key not in farm.log()


def step_of(farm: Farm) -> int:
    """Return the process of the step that runs the workflow: the one that a runner signals."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"run" in words and f"NOXUS_BACKEND_URL={farm.sandbox.url}".encode() in (
                (process / "environ").read_bytes().split(b"\0")
            ):
                script = (process / "stat").read_text().rpartition(") ")[2].split()[1]
                assert b"bash" not in Path(f"/proc/{script}/cmdline").read_bytes(), (
                    "a shell in between gets the signal"
                )
                return int(process.name)
    raise AssertionError(farm.log())


@pytest.mark.long(20)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_canceled_action_stops_its_run(
    farm: Farm, act: list[str], workflow: str, tmp_path: Path, number: signal.Signals
) -> None:
    """GitHub's runner sends SIGINT, then SIGTERM, then kills; `act` does not, so the test does."""
    write_workflow(farm, workflow, json.dumps({"Q": "?", "ms": "600000000"}))
    with farm.started(act, XDG_CACHE_HOME=str(tmp_path / "cache")) as engine:
        until(lambda: "run running" in farm.log(), farm.log, HUNG_INSTALLING)
        os.kill(step_of(farm), number)
        assert engine.wait(HUNG_INSTALLING) == 1, farm.log()
    [run] = farm.sandbox.runs(workflow)
    assert run.status == "stopped"
    assert "Success - Main Leave nothing running" in farm.log()
    assert (tmp_path / "artifacts/noxcli.xml").exists() == (number == signal.SIGINT)


@pytest.mark.long(10)
@pytest.mark.parametrize("given", ["in a variable", "in a file"])
def test_the_component_runs_a_workflow(
    farm: Farm, built: dict[str, Path], workflow: str, given: str
) -> None:
    """Only its address differs from the page: this runner includes files, not catalogs."""
    needs_engine("gitlab-ci-local", "node", "rsync")
    text = re.sub(r"component: \S+", "local: templates/run/template.yml", snippet("As a component"))
    text = text.replace("workflow: demo", f"workflow: {workflow}").replace("Answer.txt", "A.txt")
    inputs = {"Q": HOSTILE, "ms": "100"}
    if given == "in a variable":
        text = text.replace("""'{"User Input": "What''s new?"}'""", json.dumps(json.dumps(inputs)))
    else:
        text = text.replace(
            f"workflow: {workflow}\n",
            f"workflow: {workflow}\n      inputs-file: some inputs.json\n",
        )
        (farm.where / "some inputs.json").write_text(json.dumps(inputs))
    (farm.where / ".gitlab-ci.yml").write_text(text)
    (farm.where / "templates/run").mkdir(parents=True)
    shutil.copy(ROOT / "templates/run/template.yml", farm.where / "templates/run")
    commit(farm, farm.where)
    farm.run("git", "remote", "add", "origin", "git@gitlab.example.com:noxcli/batch.git")
    known = {name: farm.env[name] for name in ("NOXUS_BACKEND_URL", "NOXUS_API_KEY")}
    line = [
        "gitlab-ci-local",
        "--force-shell-executor",
        *(f"--variable={name}={known[name]}" for name in known),
    ]
    with farm.started(line, **{**PIP, "PIP_FIND_LINKS": str(built["wheel"].parent)}) as engine:
        assert engine.wait(HUNG_INSTALLING) == 0, farm.log()
    print(farm.log())
    [run] = farm.sandbox.runs(workflow)
    assert run.input["Q"] == HOSTILE
    assert f"run {run.id}, completed" in farm.log()
    assert not [*farm.where.rglob("pwned")]
