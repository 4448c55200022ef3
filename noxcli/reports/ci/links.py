"""Where a report can be seen from a pull request: the run of a CI system, its files, the commit."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

SHOWN_OF_COMMIT = 8  # characters


def links_of(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return words and addresses; none outside a CI system."""
    if "GITHUB_RUN_ID" in environ and "GITHUB_REPOSITORY" in environ:
        return list(_of_github(environ))
    if "CI_JOB_URL" in environ:
        return list(_of_gitlab(environ))
    return []


def _of_github(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    server = environ.get("GITHUB_SERVER_URL", "https://github.com")
    project = f"{server}/{environ['GITHUB_REPOSITORY']}"
    run = f"{project}/actions/runs/{environ['GITHUB_RUN_ID']}"
    yield "run", run
    yield "report", f"{run}#artifacts"
    commit = _head_of_event(environ) or environ.get("GITHUB_SHA", "")
    if commit:
        yield f"commit {commit[:SHOWN_OF_COMMIT]}", f"{project}/commit/{commit}"


def _head_of_event(environ: Mapping[str, str]) -> str:
    """Return the newest commit of the pull request: the job itself has a merge checked out."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        return str(event["pull_request"]["head"]["sha"])
    return ""


def _of_gitlab(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    job = environ["CI_JOB_URL"]
    yield "run", job
    yield "report", f"{job}/artifacts/browse"
    commit = environ.get("CI_COMMIT_SHA", "")
    project = environ.get("CI_PROJECT_URL", "")
    if commit and project:
        yield f"commit {commit[:SHOWN_OF_COMMIT]}", f"{project}/-/commit/{commit}"
