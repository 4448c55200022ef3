"""Pull requests that edit a workflow, and the jobs of docs/test-a-change.md that test them."""

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import yaml

from noxcli.sandbox.scenario import Scenario, Version, fixed_input, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.docs.test_change import JOBS
from tests.engines import github
from tests.engines.farm import Farm
from tests.engines.github import GitHub
from tests.engines.test_ci_systems import commit
from tests.engines.test_components import act_line
from tests.process import HUNG_INSTALLING, until

PASSED, BROKEN = "noxcli gate passed", "1 broken"  # in a comment
ROWS = 40
# A directory, which each artifact is, under its own name.
UP = """\
name: upload
inputs: {{name: {{required: true}}, path: {{required: true}}, overwrite: {{}}}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {{TO: "{store}/${{{{ inputs.name }}}}", FROM: "${{{{ inputs.path }}}}"}}
      run: '[ ! -e "$FROM" ] || {{ rm -rf "$TO"; cp -rT "$FROM" "$TO"; }}'
"""
# A python3 whose new environments are that of the tests, so that a job installs nothing.
INSTALLED = """\
#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3/bin"
  for name in python noxcli; do
    printf '#!/bin/sh\\nexec "{bin}/%s" "$@"\\n' "$name" > "$3/bin/$name"
  done
  printf '#!/bin/sh\\n[ -z "$NO_INDEX" ] || {{ rm "$(dirname "$0")/python"; exit 1; }}\\n' > "$3/bin/pip"
  exec chmod +x "$3/bin/python" "$3/bin/noxcli" "$3/bin/pip"
fi
exec "{bin}/python" "$@"
"""


def answer(inputs: dict[str, Any]) -> dict[str, str]:
    """A curt prompt breaks one row, a hasty one three of ten answers."""
    question, prompt = str(inputs["Question"]), str(inputs["Prompt"])
    luck = crc32(f"{question} {inputs['$turn']}".encode()) % 10
    wrong = ("curt" in prompt and question == "question 3") or ("hasty" in prompt and luck < 3)
    return {"Answer": "no idea" if wrong else f"the answer to {question}"}


def grade(inputs: dict[str, Any]) -> dict[str, int]:
    return {"Score": 5 if inputs["expected"] in inputs["Answer"] else 1}


def scenarios() -> list[Scenario]:
    """The workflow of the page, and its judge."""
    nodes = [input_node("Question"), fixed_input("Prompt", "plain"), output_node("Answer")]
    review = Scenario("review", nodes=nodes, output=answer, versions=[Version("base", nodes=nodes)])
    inputs = [input_node("Answer"), input_node("expected")]
    judge = Scenario("grade", nodes=[*inputs, output_node("Score")], output=grade)
    return [review, judge]


def installed(tmp_path: Path) -> str:
    """Return a directory whose python3 has all that a job would install."""
    place = tmp_path / "installed"
    place.mkdir()
    (place / "python3").write_text(INSTALLED.format(bin=Path(sys.executable).parent))
    (place / "python3").chmod(0o755)
    return str(place)


def write(project: Farm, prompt: str, file: str = "review.json") -> None:
    """Write the prompt of a pull request into the definition."""
    project.run("noxcli", "export", "review", "--definition", "-o", file)
    path = project.where / file
    text = path.read_text()
    assert "plain" in text
    path.write_text(text.replace("plain", prompt))


def push(project: Farm) -> None:
    """Commit what is there as a pull request, checked out as GitHub does: merged into its target."""
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com")
    project.run("git", "add", "-A", "*.json", "questions.csv")
    tree = project.run("git", "write-tree").strip()
    made = (*git, "commit-tree", tree, "-m", "edit", "-p", "target")
    pull = project.run(*made).strip()
    merged = project.run(*made, "-p", pull).strip()
    project.run("git", "reset", "-q", "--soft", merged)


def kill_gate(project: Farm, paid: int, number: int = signal.SIGKILL) -> None:
    """Kill the gate in its middle, after this number of earlier runs."""
    until(lambda: len(project.sandbox.runs("review")) > paid + 10, project.log, HUNG_INSTALLING)
    os.kill(next(pid for pid, _ in project.processes("gate")), number)


def job_with(**steps: dict[str, Any]) -> dict[str, Any]:
    """Return the page's workflow with these steps in place of its gate, each with other inputs."""
    # YAML 1.1 has `on` for true.
    whole: dict[str, Any] = yaml.safe_load(JOBS[0].replace("on: {pull", '"on": {pull', 1))
    job = whole["jobs"]["test-change"]
    checkout, gate = job["steps"]
    job["steps"] = [checkout]
    for name, given in steps.items():
        job["steps"].append({**gate, "name": name, "with": {**gate["with"], **given}})
    return whole


@dataclass
class Pulls:
    """The pull request of a project on GitHub, and its attempts in `act`."""

    project: Farm
    api: GitHub
    line: list[str]
    tmp_path: Path

    @property
    def artifacts(self) -> Path:
        return self.tmp_path / "artifacts"

    def use(self, workflow: dict[str, Any]) -> None:
        """Test pull requests by this workflow."""
        path = self.project.where / ".github/workflows/test-change.yml"
        path.write_text(yaml.safe_dump(workflow, sort_keys=False, width=1000))

    def run(
        self,
        *more: str,
        attempt: int = 1,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> int:
        """Run the jobs on the pushed commit; return the exit code of `act`."""
        line = [*self.line, f"--env=GITHUB_RUN_ATTEMPT={attempt}", *more]
        cache = str(self.tmp_path / "cache")
        with self.project.started(line, XDG_CACHE_HOME=cache) as engine:
            meanwhile()
            return engine.wait(HUNG_INSTALLING)

    def lose_artifacts(self) -> None:
        for path in [*self.artifacts.iterdir(), *self.project.where.glob("noxcli-output*")]:
            shutil.rmtree(path)

    @property
    def paid(self) -> int:
        """The number of runs so far."""
        return len(self.project.sandbox.runs("review"))

    @property
    def comments(self) -> list[str]:
        """The comments of jobs, without that of a reader."""
        return [each["body"] for each in self.api.comments[1:]]

    @property
    def log(self) -> str:
        return self.project.log()


@contextmanager
def pulls_of(project: Farm, tmp_path: Path, *, installs: bool = False) -> Iterator[Pulls]:
    """Serve the pull request of a project whose target has the plain prompt."""
    line = act_line(project, tmp_path, "pull_request", JOBS[0], UP)
    if not installs:
        place = installed(tmp_path)
        line = [re.sub(r"^PATH=", f"PATH={place}:", word) for word in line]
    (project.where / ".github/workflows").mkdir(parents=True)
    (project.where / ".github/workflows/test-change.yml").write_text(JOBS[0])
    event = tmp_path / "event.json"
    pull = {"number": 7, "head": {"sha": "abc"}}
    event.write_text(json.dumps({"number": 7, "pull_request": pull}))
    write(project, "plain")
    commit(project, project.where)
    project.run("git", "branch", "-f", "target")
    with github.serving(tmp_path / "artifacts") as api:
        api.head = "abc"
        environment = {**api.environment(), "GITHUB_REPOSITORY": "noxcli/review"}
        line += ["-e", str(event), "-s", "GITHUB_TOKEN=ghs_of-act"]
        line += [f"--env={name}={value}" for name, value in environment.items()]
        yield Pulls(project, api, line, tmp_path)


@contextmanager
def project_in(tmp_path: Path) -> Iterator[Farm]:
    """Yield a project with the two files of the page."""
    where = tmp_path / "work"
    where.mkdir()
    lines = [f"{row},question {row},the answer to question {row},\n" for row in range(1, ROWS + 1)]
    (where / "questions.csv").write_text("".join(["id,Question,expected,notes\n", *lines]))
    with Sandbox(scenarios(), speed=1000) as sandbox:
        yield Farm(sandbox, "review", where)
        sandbox.break_connections()
