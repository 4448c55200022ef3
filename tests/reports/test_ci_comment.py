"""The comment of a gate on a pull request: one for each job, and never of an older push."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rawserver import RawServer, Request, answer, json_answer, raw_server

BOT = {"login": "github-actions[bot]"}
MINE, NEWER = "a" * 40, "b" * 40


class Host:
    """The comments of one pull request on GitHub, or notes of one merge request on GitLab."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.head = MINE
        self.status = 0  # of each answer to a POST, if it is refused
        self.comments: list[dict[str, Any]] = []
        self.rival: dict[str, Any] | None = None  # that another job posts at the same time
        self.server: RawServer

    def answer(self, request: Request) -> bytes:
        path, _, query = request.target.partition("?")
        last = path.rpartition("/")[2]
        if request.method == "GET" and last in ("comments", "notes"):
            page = int(query.rpartition("=")[2])
            return json_answer(self.comments[100 * page - 100 : 100 * page])
        if request.method == "GET":
            return json_answer({"head": {"sha": self.head}, "sha": self.head})
        if request.method == "POST" and self.status:
            return json_answer({"message": "Resource not accessible"}, self.status)
        if request.method == "POST":
            if self.rival is not None:
                self.comments.append(self.rival)
            self.comments.append({"id": len(self.comments) + 1, "user": BOT})
            self.comments[-1].update(json.loads(request.body))
            return json_answer(self.comments[-1])
        (known,) = [each for each in self.comments if each["id"] == int(last)]
        if request.method == "DELETE":
            self.comments.remove(known)
            return answer(204, b"")
        known.update(json.loads(request.body))
        return json_answer(known)

    @property
    def run(self) -> str:
        """The page of the job."""
        if self.kind == "gitlab":
            return "https://gitlab.example.com/noxcli/review/-/jobs/5"
        return "https://github.com/noxcli/review/actions/runs/4711"

    def environ(self, tmp_path: Path) -> dict[str, str]:
        """Return what a job has in its environment."""
        if self.kind == "gitlab":
            return {
                "CI_API_V4_URL": f"{self.server.url}/api/v4",
                "CI_PROJECT_ID": "11",
                "CI_MERGE_REQUEST_IID": "7",
                "CI_COMMIT_SHA": MINE,
                "CI_JOB_URL": self.run,
                "NOXCLI_GITLAB_TOKEN": "glpat-x",
            }
        if self.kind == "elsewhere":
            return {"GITHUB_API_URL": self.server.url}
        event = tmp_path / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": MINE}}}))
        return {
            "GITHUB_API_URL": self.server.url,
            "GITHUB_REPOSITORY": "noxcli/review",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_RUN_ID": "4711",
            "GH_TOKEN": "ghs_x",
        }


@pytest.fixture(params=["github", "gitlab"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    host = Host(request.param)
    with raw_server(by_request=host.answer) as server:
        host.server = server
        yield host


def post(host: Host, tmp_path: Path, text: str | None, name: str = "one") -> str:
    """Post a comment as a job does; return what it says."""
    directory = tmp_path / name
    directory.mkdir(exist_ok=True)
    file = directory / "comment.md"
    file.unlink(missing_ok=True)
    if text is not None:
        file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "noxcli.reports.ci.comment"],
        env={**host.environ(tmp_path), "NOXCLI_JOB_GATE": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def texts(host: Host) -> list[str]:
    return [each["body"].partition("\n")[2] for each in host.comments]


def test_a_job_has_one_comment(host: Host, tmp_path: Path) -> None:
    host.comments = [{"id": 1, "user": {"login": "reader"}, "body": "looks good"}] * 250
    assert post(host, tmp_path, "red") == "posted a comment\n"
    assert post(host, tmp_path, "green") == "replaced the comment\n"
    assert post(host, tmp_path, "other", name="two") == "posted a comment\n"
    assert texts(host)[250:] == ["green", "other"]


def test_an_older_push_replaces_nothing(host: Host, tmp_path: Path) -> None:
    post(host, tmp_path, "of the newest")
    host.head = NEWER
    assert "a newer commit was pushed" in post(host, tmp_path, "of an older push")
    assert texts(host) == ["of the newest"]


@pytest.mark.parametrize(("head", "left"), [(MINE, "mine"), (NEWER, "rival")])
def test_two_jobs_at_once_leave_one_comment(
    host: Host, tmp_path: Path, head: str, left: str
) -> None:
    host.head = head
    host.rival = {"id": 1, "user": BOT, "body": "<!-- noxcli one -->\nrival"}
    post(host, tmp_path, "mine")
    assert texts(host) == [left]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_fork_without_the_right_to_write_does_not_fail(
    host: Host, tmp_path: Path, status: int
) -> None:
    host.status = status
    assert f"may not write one (HTTP {status}); see its summary" in post(host, tmp_path, "red")


def test_a_gate_without_a_result_says_so(host: Host, tmp_path: Path) -> None:
    post(host, tmp_path, "green")
    post(host, tmp_path, None)
    (text,) = texts(host)
    assert text.startswith("### noxcli gate not judged: it has written no result\n\nRe-run the job")
    assert f"\n\n[run]({host.run})" in text


def test_no_comment_outside_a_pull_request(host: Host, tmp_path: Path) -> None:
    host.kind = "elsewhere"
    assert post(host, tmp_path, "red").startswith("no comment: this is not a pull request")
    assert host.server.requests == []
