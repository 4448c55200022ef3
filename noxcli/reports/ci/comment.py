"""The comment of a job on its pull request: `python -m noxcli.reports.ci.comment`.

A job has one comment, known by its name. An older push never replaces the comment of the newest.
"""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from noxcli.reports.ci.job_name import gate_directory
from noxcli.reports.ci.links import links_of

TIMEOUT = 60  # seconds
ON_A_PAGE = 100
NO_RIGHT = (401, 403, 404)  # HTTP: the job of a fork may not write
NO_RESULT = (
    "### noxcli gate not judged: it has written no result\n\n"
    "Re-run the job; its log says what happened.\n\n"
)


class Comment(NamedTuple):
    """A comment of this job."""

    id: int
    text: str


class Pull(ABC):
    """A pull request on GitHub, a merge request on GitLab, and the commit that this job tests.

    `all_path` has its comments, and `each_path` has each of them by its id.
    """

    all_path: str
    each_path: str
    replaced_by: str  # the HTTP method
    author: str | None = None  # of a job's comments, None if the token may be of any user

    def __init__(self, url: str, token: Mapping[str, str], commit: str) -> None:
        self.commit = commit
        self._url = url
        self._headers = {**token, "Content-Type": "application/json"}

    @abstractmethod
    def head(self) -> str:
        """Return its newest commit."""

    def own(self, mark: str) -> list[Comment]:
        """Return the comments that begin with the mark, the oldest first."""
        found = []
        for each in self._pages(self.all_path):
            if self.author is not None and each["user"]["login"] != self.author:
                continue
            text = each["body"] or ""
            if text.startswith(mark):
                found.append(Comment(each["id"], text))
        return sorted(found)

    def create(self, text: str) -> int:
        """Post a comment, and return its id."""
        return int(self.ask("POST", self.all_path, {"body": text})["id"])

    def update(self, comment_id: int, text: str) -> None:
        """Replace a comment."""
        self.ask(self.replaced_by, f"{self.each_path}/{comment_id}", {"body": text})

    def delete(self, comment_id: int) -> None:
        """Remove a comment."""
        self.ask("DELETE", f"{self.each_path}/{comment_id}")

    def ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        """Return the JSON of an answer. Raises HTTPError and OSError."""
        content = None if body is None else json.dumps(body).encode()
        # Not by requests, which would send what a .netrc file has for this host in place of the
        # token.
        request = Request(  # noqa: S310 - the address is that of the CI system
            f"{self._url}{path}", content, self._headers, method=method
        )
        with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - as above
            text = answer.read()
        return json.loads(text) if text else None

    def _pages(self, path: str) -> list[Any]:
        """Return the items of all pages. Raises as `ask`."""
        items: list[Any] = []
        page = 1
        while True:
            found = self.ask("GET", f"{path}?per_page={ON_A_PAGE}&page={page}")
            items += found
            if len(found) < ON_A_PAGE:
                return items
            page += 1


class GitHubPull(Pull):
    """A pull request: REST API, issues/comments and pulls/pulls."""

    each_path = "/issues/comments"
    replaced_by = "PATCH"
    author = "github-actions[bot]"

    def __init__(self, environ: Mapping[str, str], event: Mapping[str, Any]) -> None:
        pull = event["pull_request"]
        self._number = pull.get("number") or event["number"]
        self.all_path = f"/issues/{self._number}/comments"
        super().__init__(
            f"{environ['GITHUB_API_URL']}/repos/{environ['GITHUB_REPOSITORY']}",
            {"Authorization": f"Bearer {environ['GH_TOKEN']}"},
            pull["head"]["sha"],
        )

    def head(self) -> str:
        return str(self.ask("GET", f"/pulls/{self._number}")["head"]["sha"])


class GitLabPull(Pull):
    """A merge request: API v4, merge_requests and notes. A job token may not write notes."""

    all_path = "/notes"
    each_path = "/notes"
    replaced_by = "PUT"

    def __init__(self, environ: Mapping[str, str]) -> None:
        project = f"{environ['CI_API_V4_URL']}/projects/{environ['CI_PROJECT_ID']}"
        source = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA")  # of a merged result
        super().__init__(
            f"{project}/merge_requests/{environ['CI_MERGE_REQUEST_IID']}",
            {"PRIVATE-TOKEN": environ["NOXCLI_GITLAB_TOKEN"]},
            source or environ["CI_COMMIT_SHA"],
        )

    def head(self) -> str:
        return str(self.ask("GET", "")["sha"])


def pull_of(environ: Mapping[str, str]) -> Pull | None:
    """Return what this job tests; None outside a pull request, and without a token."""
    event_path = environ.get("GITHUB_EVENT_PATH")
    if event_path and environ.get("GH_TOKEN"):
        event = json.loads(Path(event_path).read_text(encoding="utf-8"))
        return GitHubPull(environ, event) if "pull_request" in event else None
    if environ.get("CI_MERGE_REQUEST_IID") and environ.get("NOXCLI_GITLAB_TOKEN"):
        return GitLabPull(environ)
    return None


def post(pull: Pull, mark: str, text: str) -> str:
    """Post the text, or replace that of an earlier job; return what was done."""
    earlier = pull.own(mark)
    if earlier:
        if pull.head() != pull.commit:
            return "kept the comment: a newer commit was pushed"
        pull.update(earlier[0].id, text)
        return "replaced the comment"
    made = pull.create(text)
    first = pull.own(mark)[0].id
    if first != made:  # another job has posted at the same time
        if pull.head() == pull.commit:
            pull.update(first, text)
        pull.delete(made)
        return "replaced the comment of another job"
    return "posted a comment"


def comment(environ: Mapping[str, str]) -> str:
    """Post the comment of the job's gate; return what was done. Raises HTTPError and OSError."""
    pull = pull_of(environ)
    if pull is None:
        return "no comment: this is not a pull request, or there is no token"
    directory = gate_directory(environ)
    file = directory / "comment.md"
    if file.exists():
        text = file.read_text(encoding="utf-8")
    else:
        text = NO_RESULT + " · ".join(f"[{word}]({url})" for word, url in links_of(environ))
    mark = f"<!-- noxcli {directory.name} -->\n"
    try:
        return post(pull, mark, f"{mark}{text}")
    except HTTPError as error:
        if error.code not in NO_RIGHT:
            raise
        return f"no comment: this job may not write one (HTTP {error.code}); see its summary"


if __name__ == "__main__":
    print(comment(os.environ))  # noqa: T201 - a program of the action
