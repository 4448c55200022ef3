"""Merge requests that edit a workflow, and the component of docs/test-a-change.md in `gitlab-ci-local`."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import yaml

from tests.docs.test_change import JOBS
from tests.engines.farm import ROOT, Farm, needs_engine
from tests.engines.pulls import installed, write
from tests.engines.test_ci_systems import commit
from tests.process import HUNG_INSTALLING
from tests.rawserver import Request, json_answer, raw_server

# This runner includes files, not catalogs.
PIPELINE = re.sub(r"component: \S+", "local: templates/run/template.yml", JOBS[1])
TOKEN = "glpat-of-a-bot"
OF_THE_RUNNER = (".gitlab-ci-local", "noxcli-output")


def pipeline_with(*uses: dict[str, str], **job: Any) -> dict[str, Any]:
    """Return the page's pipeline with a use of its component for each of `uses`, with other inputs.

    `job` has other keys of each job.
    """
    whole: dict[str, Any] = yaml.safe_load(PIPELINE)
    (include,) = whole["include"]
    gate = whole.pop("noxcli")
    whole["include"] = []
    for given in uses:
        whole["include"].append({**include, "inputs": {**include["inputs"], **given}})
        variables = {**gate["variables"], **job.get("variables", {})}
        whole[given.get("job", "noxcli")] = {**gate, **job, "variables": variables}
    return whole


@dataclass
class Notes:
    """The notes of a merge request on GitLab: a hundred on a page, the newest first."""

    notes: list[dict[str, Any]]
    head: str = "abc"
    may_write: bool = True
    url: str = ""
    _lock: Lock = field(default_factory=Lock)

    def answer(self, request: Request) -> bytes:
        with self._lock:  # two jobs of a pipeline may post at once
            return self._answer(request)

    def _answer(self, request: Request) -> bytes:
        assert request.target.startswith("/api/v4/projects/11/merge_requests/7")
        if request.headers["private-token"] != TOKEN:
            return json_answer(None, 401)
        if request.method != "GET" and not self.may_write:
            return json_answer({"message": "403 Forbidden"}, 403)
        if request.target.endswith("/7"):
            return json_answer({"sha": self.head})
        if request.method == "GET":
            page = int(re.findall(r"[?&]page=(\d+)", request.target)[0])
            return json_answer(list(reversed(self.notes))[100 * page - 100 : 100 * page])
        if request.method == "POST":
            self.notes.append({"id": len(self.notes)})
            number = len(self.notes) - 1
        else:
            number = int(request.target.rpartition("/")[2])
        self.notes[number].update(json.loads(request.body))
        return json_answer(self.notes[number])


@dataclass
class Merges:
    """The merge request of a project on GitLab, and its pipelines in `gitlab-ci-local`."""

    project: Farm
    api: Notes
    variables: dict[str, str]
    environment: dict[str, str]

    def use(self, pipeline: dict[str, Any]) -> None:
        """Test merge requests by this pipeline."""
        path = self.project.where / ".gitlab-ci.yml"
        path.write_text(yaml.safe_dump(pipeline, sort_keys=False, width=1000))

    def run(
        self,
        *more: str,
        meanwhile: Callable[[], object] = lambda: None,
        **variables: str,
    ) -> int:
        """Run the pipeline, or a job of it that `more` names; return the exit code of the runner."""
        # It has no target branch.
        line = ["gitlab-ci-local", "--force-shell-executor", "--no-evaluate-rule-changes", *more]
        for name, value in {**self.variables, **variables}.items():
            line.append(f"--variable={name}={value}")
        with self.project.started(line, **self.environment) as engine:
            meanwhile()
            return engine.wait(HUNG_INSTALLING)

    def forget(self) -> None:
        """Begin another pipeline, which has neither cache nor artifacts."""
        for name in OF_THE_RUNNER:
            shutil.rmtree(self.project.where / name, ignore_errors=True)

    def lose_all_but_the_cache(self) -> None:
        """Leave what a retry on another runner has, after a job in `--shell-isolation`."""
        for name in ("noxcli-output", ".gitlab-ci-local/artifacts", ".gitlab-ci-local/builds"):
            shutil.rmtree(self.project.where / name)

    @property
    def paid(self) -> int:
        """The number of runs so far."""
        return len(self.project.sandbox.runs("review"))

    @property
    def comments(self) -> list[str]:
        """The notes of jobs, without those of readers."""
        texts = [str(each["body"]) for each in self.api.notes]
        return [text for text in texts if text.startswith("<!-- noxcli ")]

    @property
    def log(self) -> str:
        return self.project.log()


def without_comments(project: Farm) -> None:
    """Leave out `after_script`, for which this runner isolates another directory."""
    template = project.where / "templates/run/template.yml"
    template.write_text(re.sub(r"(?s)  after_script:.*?(?=  artifacts:)", "", template.read_text()))


@contextmanager
def merges_of(project: Farm, tmp_path: Path, pip: dict[str, str] | None = None) -> Iterator[Merges]:
    """Serve the merge request of a project whose target has the plain prompt.

    `pip` is the environment in which jobs install noxcli; without it, they have it already.
    """
    needs_engine("gitlab-ci-local", "node", "rsync")
    (project.where / ".gitlab-ci.yml").write_text(PIPELINE)
    (project.where / "templates/run").mkdir(parents=True)
    shutil.copy(ROOT / "templates/run/template.yml", project.where / "templates/run")
    write(project, "plain")
    write(project, "plain", "other.json")
    commit(project, project.where)
    base = project.run("git", "rev-parse", "HEAD").strip()
    project.run("git", "remote", "add", "origin", "git@gitlab.example.com:noxcli/review.git")
    environment = pip
    if environment is None:
        environment = {"PATH": f"{installed(tmp_path)}:{project.env['PATH']}"}
    variables = {name: project.env[name] for name in ("NOXUS_BACKEND_URL", "NOXUS_API_KEY")}
    variables |= {
        "CI_PROJECT_ID": "11",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_PIPELINE_ID": "77",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "abc",
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "NOXCLI_GITLAB_TOKEN": TOKEN,
    }
    api = Notes([{"id": number, "body": "looks good"} for number in range(250)])
    with raw_server(by_request=api.answer) as server:
        variables["CI_API_V4_URL"] = f"{server.url}/api/v4"
        yield Merges(project, api, variables, environment)
