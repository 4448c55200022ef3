"""The comment of a job on its pull request: `python -m noxcli.reports.ci.comment NAME FILE`.

A job has one comment, known by its name. An older push never replaces the comment of the newest.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TIMEOUT = 60  # seconds
ON_A_PAGE = 100
NO_RIGHT = (401, 403, 404)  # HTTP: the job of a fork may not write
BOT = "github-actions[bot]"
NO_RESULT = (
    "### noxcli gate not judged: it has written no result\n\n"
    "Re-run the job; its log says what happened.\n"
)


class Comment(NamedTuple):
    """A comment of this job."""

    id: int
    text: str


class Pull:
    """A pull request on GitHub, a merge request on GitLab, and the commit that this job tests."""

    def __init__(self, url: str, token: Mapping[str, str], commit: str) -> None:
        self.commit = commit
        self._url = url
        self._headers = {**token, "Content-Type": "application/json"}

    def head(self) -> str:
        """Return its newest commit."""
        raise NotImplementedError

    def own(self, mark: str) -> list[Comment]:
        """Return the comments that begin with the mark, the oldest first."""
        raise NotImplementedError

    def create(self, text: str) -> int:
        """Post a comment, and return its id."""
        raise NotImplementedError

    def update(self, comment_id: int, text: str) -> None:
        """Replace a comment."""
        raise NotImplementedError

    def delete(self, comment_id: int) -> None:
        """Remove a comment."""
        raise NotImplementedError

    def ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        """Return the JSON of an answer. Raises HTTPError and OSError."""
        content = None if body is None else json.dumps(body).encode()
        request = Request(  # noqa: S310 - the address is that of the CI system
            f"{self._url}{path}", content, self._headers, method=method
        )
        with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - as above
            text = answer.read()
        return json.loads(text) if text else None

    def pages(self, path: str) -> list[Any]:
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

    def __init__(self, environ: Mapping[str, str], event: Mapping[str, Any]) -> None:
        pull = event["pull_request"]
        self._number = pull.get("number") or event["number"]
        super().__init__(
            f"{environ['GITHUB_API_URL']}/repos/{environ['GITHUB_REPOSITORY']}",
            {"Authorization": f"Bearer {environ['GH_TOKEN']}"},
            pull["head"]["sha"],
        )

    def head(self) -> str:
        return str(self.ask("GET", f"/pulls/{self._number}")["head"]["sha"])

    def own(self, mark: str) -> list[Comment]:
        found = []
        for each in self.pages(f"/issues/{self._number}/comments"):
            body = each["body"] or ""
            if body.startswith(mark) and each["user"]["login"] == BOT:
                found.append(Comment(each["id"], body))
        return sorted(found)

    def create(self, text: str) -> int:
        made = self.ask("POST", f"/issues/{self._number}/comments", {"body": text})
        return int(made["id"])

    def update(self, comment_id: int, text: str) -> None:
        self.ask("PATCH", f"/issues/comments/{comment_id}", {"body": text})

    def delete(self, comment_id: int) -> None:
        self.ask("DELETE", f"/issues/comments/{comment_id}")


class GitLabPull(Pull):
    """A merge request: API v4, merge_requests and notes. A job token may not write notes."""

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

    def own(self, mark: str) -> list[Comment]:
        found = []
        for each in self.pages("/notes"):
            if each["body"].startswith(mark):
                found.append(Comment(each["id"], each["body"]))
        return sorted(found)

    def create(self, text: str) -> int:
        return int(self.ask("POST", "/notes", {"body": text})["id"])

    def update(self, comment_id: int, text: str) -> None:
        self.ask("PUT", f"/notes/{comment_id}", {"body": text})

    def delete(self, comment_id: int) -> None:
        self.ask("DELETE", f"/notes/{comment_id}")


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


def comment(environ: Mapping[str, str], name: str, file: str) -> str:
    """Post the comment in a file, and return what was done. Raises HTTPError and OSError."""
    pull = pull_of(environ)
    if pull is None:
        return "no comment: this is not a pull request, or there is no token"
    path = Path(file)
    text = path.read_text(encoding="utf-8") if path.exists() else NO_RESULT
    mark = f"<!-- noxcli {name} -->\n"
    try:
        return post(pull, mark, f"{mark}{text}")
    except HTTPError as error:
        if error.code not in NO_RIGHT:
            raise
        return f"no comment: this job may not write one (HTTP {error.code}); see its summary"


if __name__ == "__main__":
    print(comment(os.environ, *sys.argv[1:]))  # noqa: T201 - a program of the action
