"""GitHub beside `act`: the API that `gh` asks about attempts and for comments, and the store of artifacts."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

RUN = "4711"
# `gh` speaks plain HTTP to this host alone. Its name leads nowhere, so requests go to the proxy, which is our server.
HOST = "github.localhost"
STEPS = ("Run the batch", "Keep the journal")
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


class GitHub(ThreadingHTTPServer):
    """The jobs of each attempt, as `act` has logged them, and the artifacts."""

    daemon_threads = True

    def __init__(self, store: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.store = store
        self.jobs: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = [
            {
                "id": 1,
                "user": {"login": "a-reader"},
                "body": "<!-- noxcli test-change test-change noxcli-report -->\nlooks good",
            }
        ]
        self.broken: set[str] = set()  # last words of the paths that are answered with 500

    def begin(self, attempt: int, names: Sequence[str]) -> None:
        """List the jobs of an attempt as going on; the others, which are not run again, as they were before."""
        kept = [job | {"run_attempt": attempt} for job in self.jobs if job["run_attempt"] == attempt - 1]
        started = f"2030-01-01T00:{attempt:02}:00Z"
        self.jobs += [job for job in kept if job["name"] not in names]
        self.jobs += [
            {"name": name, "run_attempt": attempt, "status": "in_progress", "conclusion": None, "started_at": started}
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
                    results = {line["step"]: line["stepResult"] for line in own if "stepResult" in line}
                    job["steps"] = [{"name": step, "conclusion": results.get(step, "skipped")} for step in STEPS]
                    job |= {
                        "status": "completed",
                        "conclusion": "failure" if "failure" in results.values() else "success",
                    }

    def environment(self) -> dict[str, str]:
        """Return what leads `gh` here, and nothing else."""
        proxy = f"http://127.0.0.1:{self.server_port}"
        return {"GH_HOST": HOST, "HTTP_PROXY": proxy, "NO_PROXY": "127.0.0.1", "GITHUB_RUN_ID": RUN}


class Answers(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        words = url.path.strip("/").split("/")
        if words[-1] in self.server.broken:
            self._send(500, "application/json", b'{"message": "Server Error"}')
        elif words[-1] == "zip":
            self._send(200, "application/zip", self._zipped(words[-2]))
        elif words[-1] == "jobs":
            self._send_json({"total_count": len(self.server.jobs), "jobs": self.server.jobs})
        elif words[-1] == "comments":
            self._send_json(self.server.comments)
        else:
            named = parse_qs(url.query).get("name")
            listed = [path.name for path in self.server.store.iterdir() if named in (None, [path.name])]
            base = f"http://api.{HOST}/repos/noxcli/batch/actions/artifacts"
            found = [{"name": name, "expired": False, "archive_download_url": f"{base}/{name}/zip"} for name in listed]
            self._send_json({"total_count": len(found), "artifacts": found})

    def do_POST(self) -> None:
        comment = {"id": len(self.server.comments) + 1, "user": {"login": "github-actions[bot]"}, **self._body()}
        self.server.comments.append(comment)
        self._send_json(comment)

    def do_PATCH(self) -> None:
        number = int(self.path.rpartition("/")[2])
        [comment] = [each for each in self.server.comments if each["id"] == number]
        comment |= self._body()
        self._send_json(comment)

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def _zipped(self, name: str) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in (self.server.store / name).rglob("*"):
                if path.is_file():
                    archive.write(path, path.relative_to(self.server.store / name))
        return packed.getvalue()

    def _send_json(self, answer: object) -> None:
        self._send(200, "application/json", json.dumps(answer).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(store: Path) -> Iterator[GitHub]:
    with GitHub(store) as github:
        threading.Thread(target=github.serve_forever, daemon=True).start()
        yield github
        github.shutdown()
