"""The jobs of docs/test-a-change.md in `act` and `gitlab-ci-local`: pull requests that are red, worse, right."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_change import JOBS
from tests.engines.farm import ROOT, Farm, needs_engine
from tests.engines.pulls import ROWS, kill_gate, project_in, pulls_of, push, write
from tests.engines.test_ci_systems import commit
from tests.engines.test_components import PIP
from tests.process import HUNG_INSTALLING
from tests.rawserver import Request, json_answer, raw_server
from tests.release.conftest import built as built

pytestmark = [pytest.mark.engine("gh"), pytest.mark.wide, pytest.mark.timeout(1000)]
RIGHT, BROKEN, WORSE = "noxcli gate passed", "1 broken", "NEW is worse as a whole"
NO_VERDICT = "noxcli gate not judged: it has written no result"
# What a pull request makes of the prompt, and the code and the words that its gate ends with.
PULL_REQUESTS = (("curt", 1, BROKEN), ("hasty", 1, WORSE), ("polite", 0, RIGHT))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Farm]:
    """The two files of the page."""
    with project_in(tmp_path) as farm:
        yield farm


@pytest.mark.long(150)
def test_github(project: Farm, tmp_path: Path) -> None:
    with pulls_of(project, tmp_path, installs=True) as pulls:
        api = pulls.api
        for prompt, code, words in PULL_REQUESTS:
            write(project, prompt)
            push(project)
            assert pulls.run() == code, project.log()
            _, comment = api.comments  # and that of a reader
            assert words in comment["body"], project.log()
            paid = pulls.paid
            assert pulls.run(attempt=2) == code, project.log()
            assert pulls.paid == paid, "another attempt has all answers"
            pulls.lose_artifacts()
        write(project, "curt")
        push(project)
        assert pulls.run(meanwhile=lambda: kill_gate(project, paid)) == 1, project.log()
        assert NO_VERDICT in comment["body"], "not that of the right one before it"
        assert pulls.run(attempt=2) == 1, project.log()
        assert BROKEN in comment["body"], project.log()
        pulls.lose_artifacts()
        assert pulls.run(attempt=2) == 1, project.log()
        assert "attempt 2 of the job found no gate" in comment["body"], project.log()
        api.head = "newer"
        (project.where / "review.json").write_text("no definition")
        push(project)
        assert pulls.run() == 1, project.log()
        assert BROKEN in comment["body"], "an older push replaces nothing"
        api.head = "abc"
        assert pulls.run() == 1, project.log()
        assert "review.json is not a definition" in comment["body"], project.log()
        assert len(api.comments) == 2
    assert project.sandbox.key not in project.log()


@contextmanager
def gitlab(notes: list[dict[str, Any]]) -> Iterator[str]:
    """Serve the notes of a merge request, a hundred on a page, the newest first; yield the address of the API."""

    def turn(request: Request) -> bytes:
        assert request.target.startswith("/api/v4/projects/11/merge_requests/7")
        if request.headers["private-token"] != "glpat-of-a-bot":
            return json_answer(None, 401)
        if request.target.endswith("/7"):
            return json_answer({"sha": "abc"})
        if request.method == "GET":
            page = int(re.findall(r"[?&]page=(\d+)", request.target)[0])
            return json_answer(list(reversed(notes))[100 * page - 100 : 100 * page])
        number = len(notes) if request.method == "POST" else int(request.target.rpartition("/")[2])
        notes[number:] = notes[number:] or [{"id": number}]
        notes[number].update(json.loads(request.body))
        return json_answer(notes[number])

    with raw_server(by_request=turn) as server:
        yield f"{server.url}/api/v4"


@pytest.fixture
def merge_request(
    project: Farm, built: dict[str, Path]
) -> Callable[..., AbstractContextManager[Any]]:
    """Starts the pipeline of a merge request; only the component's address differs from the page.

    This runner includes files, not catalogs.
    """
    needs_engine("gitlab-ci-local", "node", "rsync")
    text = re.sub(r"component: \S+", "local: templates/run/template.yml", JOBS[1])
    (project.where / ".gitlab-ci.yml").write_text(text)
    (project.where / "templates/run").mkdir(parents=True)
    shutil.copy(ROOT / "templates/run/template.yml", project.where / "templates/run")
    write(project, "plain")
    commit(project, project.where)
    base = project.run("git", "rev-parse", "HEAD").strip()
    project.run("git", "remote", "add", "origin", "git@gitlab.example.com:noxcli/review.git")

    def started(url: str, *options: str) -> AbstractContextManager[Any]:
        known = {name: project.env[name] for name in ("NOXUS_BACKEND_URL", "NOXUS_API_KEY")}
        known |= {
            "CI_API_V4_URL": url,
            "CI_PROJECT_ID": "11",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_PIPELINE_ID": "77",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "abc",
        }
        known |= {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "NOXCLI_GITLAB_TOKEN": "glpat-of-a-bot",
        }
        # It has no target branch.
        line = ["gitlab-ci-local", "--force-shell-executor", "--no-evaluate-rule-changes", *options]
        line += (f"--variable={name}={value}" for name, value in known.items())
        return project.started(line, **{**PIP, "PIP_FIND_LINKS": str(built["wheel"].parent)})

    return started


@pytest.mark.long(120)
def test_gitlab(project: Farm, merge_request: Any) -> None:
    notes: list[dict[str, Any]] = [{"id": number, "body": "looks good"} for number in range(250)]
    output = project.where / "noxcli-output"
    with gitlab(notes) as url:
        for prompt, code, words in PULL_REQUESTS:
            write(project, prompt)
            for name in (
                ".gitlab-ci-local",
                "noxcli-output",
            ):  # another pipeline has neither cache nor artifacts
                shutil.rmtree(project.where / name, ignore_errors=True)
            with merge_request(url) as engine:
                assert engine.wait(HUNG_INSTALLING) == code, project.log()
            assert words in str(notes[-1]["body"]), project.log()
        write(project, "curt")
        shutil.rmtree(project.where / ".gitlab-ci-local")
        (gate,) = output.iterdir()
        shutil.rmtree(gate / "answers")  # and the comment of the right one is left there
        paid = len(project.sandbox.runs("review"))
        with merge_request(url) as engine:
            kill_gate(project, paid)
            assert engine.wait(HUNG_INSTALLING) == 1, project.log()
        assert NO_VERDICT in str(notes[-1]["body"]), project.log()
        with merge_request(url) as engine:
            assert engine.wait(HUNG_INSTALLING) == 1, project.log()
        assert BROKEN in str(notes[-1]["body"]), project.log()
        shutil.rmtree(output)
        (project.where / "review.json").write_text("no definition")
        with merge_request(url) as engine:
            assert engine.wait(HUNG_INSTALLING) == 1, project.log()
        assert "review.json is not a definition" in str(notes[-1]["body"]), project.log()
    assert len(notes) == 251


@pytest.mark.long(60)
def test_a_killed_job_on_gitlab_continues_through_its_cache(
    project: Farm, merge_request: Any
) -> None:
    """This runner would take the cache from the other directory that it has for `after_script`."""
    template = project.where / "templates/run/template.yml"
    template.write_text(re.sub(r"(?s)  after_script:.*?(?=  artifacts:)", "", template.read_text()))
    write(project, "curt")
    with gitlab([]) as url:
        with merge_request(url, "--shell-isolation") as engine:
            kill_gate(project, 0)
            assert engine.wait(HUNG_INSTALLING) == 1, project.log()
        paid = len(project.sandbox.runs("review"))
        assert paid < 2 * ROWS, "in its middle"
        for name in ("noxcli-output", ".gitlab-ci-local/artifacts", ".gitlab-ci-local/builds"):
            shutil.rmtree(project.where / name)  # of its own job, a retry has the cache alone
        with merge_request(url, "--shell-isolation") as engine:
            assert engine.wait(HUNG_INSTALLING) == 1, project.log()
    doubts = project.log().count("has no known outcome")
    assert "1 row is broken" in project.log()
    assert len(project.sandbox.runs("review")) <= 2 * ROWS + 4 + 24 + doubts, "as without a kill"
    print(
        f"{paid} runs before the kill, {doubts} in doubt, {len(project.sandbox.runs('review'))} in all"
    )
