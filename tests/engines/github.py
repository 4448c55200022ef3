"""GitHub beside `act`: the API that `gh` asks about attempts and for comments, and the store of artifacts."""

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.rawserver import Request, answer, json_answer, raw_server

RUN = "4711"
# `gh` speaks plain HTTP to this host alone. Its name leads nowhere, so requests go to the proxy, which is our server.
HOST = "github.localhost"
STEPS = ("Run the batch", "Keep the journal")
QUOTE = "<!-- noxcli noxcli-review-questions.csv -->\nlooks good"
OF_A_READER = {"id": 1, "user": {"login": "a-reader"}, "body": QUOTE}
UPLOAD = """\
name: upload
inputs: {{name: {{required: true}}, path: {{required: true}}}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {{NAME: "${{{{ inputs.name }}}}", FROM: "${{{{ inputs.path }}}}"}}
      run: '[ ! -e "$FROM" ] || cp -rT "$FROM" "{store}/$NAME"'
"""


@dataclass
class GitHub:
    """The jobs of each attempt, as `act` has logged them, the artifacts, and the comments of a pull request."""

    store: Path
    url: str = ""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=lambda: [{**OF_A_READER}])
    head: str = ""  # the newest commit of the pull request
    may_write: bool = True  # comments, which the job of a fork may not
    broken: set[str] = field(
        default_factory=set
    )  # last words of the paths that are answered with 500

    def begin(self, attempt: int, names: Sequence[str]) -> None:
        """List the jobs of an attempt as going on; the others, which are not run again, as they were before."""
        kept = [
            job | {"run_attempt": attempt} for job in self.jobs if job["run_attempt"] == attempt - 1
        ]
        started = f"2030-01-01T00:{attempt:02}:00Z"
        self.jobs += [job for job in kept if job["name"] not in names]
        self.jobs += [
            {
                "name": name,
                "run_attempt": attempt,
                "status": "in_progress",
                "conclusion": None,
                "started_at": started,
            }
            | {"steps": [{"name": step, "conclusion": None} for step in STEPS]}
            for name in names
        ]

    def end(self, attempt: int, log: str) -> None:
        """Give the jobs of an attempt the ends that the log has. A job that it does not end had its runner lost."""
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        for job in self.jobs:
            if job["run_attempt"] == attempt and job["status"] == "in_progress":
                own = [line for line in lines if job["name"] in line.get("job", "")]
                if any("jobResult" in line for line in own):
                    results = {
                        line["step"]: line["stepResult"] for line in own if "stepResult" in line
                    }
                    job["steps"] = [
                        {"name": step, "conclusion": results.get(step, "skipped")} for step in STEPS
                    ]
                    job |= {
                        "status": "completed",
                        "conclusion": "failure" if "failure" in results.values() else "success",
                    }

    def environment(self) -> dict[str, str]:
        """Return what leads `gh` here, and nothing else."""
        return {
            "GITHUB_API_URL": self.url,
            "GH_HOST": HOST,
            "HTTP_PROXY": self.url,
            "NO_PROXY": "127.0.0.1",
            "GITHUB_RUN_ID": RUN,
        }

    def answer(self, request: Request) -> bytes:
        """Answer a request of `gh`."""
        url = urlsplit(request.target)
        words = url.path.strip("/").split("/")
        if request.method != "GET" and not self.may_write:
            return json_answer({"message": "Resource not accessible by integration"}, 403)
        if request.method == "POST":
            self.comments.append(
                {"id": len(self.comments) + 1, "user": {"login": "github-actions[bot]"}}
            )
        if request.method in ("POST", "PATCH"):
            number = len(self.comments) if request.method == "POST" else int(words[-1])
            [comment] = [each for each in self.comments if each["id"] == number]
            comment |= json.loads(request.body)
            return json_answer(comment)
        if request.method == "DELETE":
            self.comments = [each for each in self.comments if each["id"] != int(words[-1])]
            return answer(204, b"")
        if words[-2] == "pulls":
            return json_answer({"head": {"sha": self.head}})
        if words[-1] in self.broken:
            return json_answer({"message": "Server Error"}, 500)
        if words[-1] == "zip":
            return answer(200, self._zipped(words[-2]), Content_Type="application/zip")
        if words[-1] == "jobs":
            return json_answer({"total_count": len(self.jobs), "jobs": self.jobs})
        if words[-1] == "comments":
            return json_answer(self.comments)
        named = parse_qs(url.query).get("name")
        listed = [path.name for path in self.store.iterdir() if named in (None, [path.name])]
        base = f"http://api.{HOST}/repos/noxcli/batch/actions/artifacts"
        found = [
            {"name": name, "expired": False, "archive_download_url": f"{base}/{name}/zip"}
            for name in listed
        ]
        return json_answer({"total_count": len(found), "artifacts": found})

    def _zipped(self, name: str) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in (self.store / name).rglob("*"):
                if path.is_file():
                    archive.write(path, path.relative_to(self.store / name))
        return packed.getvalue()


@contextmanager
def serving(store: Path) -> Iterator[GitHub]:
    github = GitHub(store)
    with raw_server(by_request=github.answer) as server:
        github.url = server.url
        yield github
