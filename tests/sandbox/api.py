"""A small client for these tests, independent of noxcli."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.server import Sandbox
from tests.process import HUNG

FINAL = ("completed", "failed", "stopped", "awaiting_human_feedback")


class Api:
    """Requests to one sandbox, with its key."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = sandbox.key

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.sandbox.url + path, timeout=HUNG, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.post(self.sandbox.url + path, json=body, timeout=HUNG, **options)

    def delete(self, path: str) -> requests.Response:
        return self.session.delete(self.sandbox.url + path, timeout=HUNG)

    def plays(self, name: str = "played", **parts: Any) -> str:
        """Serve a scenario made of these parts; return the workflow's id."""
        return self.sandbox.add(Scenario(name, **parts))

    def start(
        self, workflow_id: str, inputs: dict[str, Any] | None = None, **body: Any
    ) -> dict[str, Any]:
        answer = self.post(f"/v1/workflows/{workflow_id}/runs", {"input": inputs or {}, **body})
        assert answer.ok, answer.text
        run: dict[str, Any] = answer.json()
        return run

    def record(self, run: dict[str, Any], **query: Any) -> Any:
        return self.get(f"/v1/workflows/{run['workflow_id']}/runs/{run['id']}", params=query).json()

    def finished(self, run: dict[str, Any]) -> dict[str, Any]:
        """The record once the run has ended or paused."""
        deadline = time.monotonic() + HUNG
        while time.monotonic() < deadline:
            record: dict[str, Any] = self.record(run)
            if record["status"] in FINAL:
                return record
            time.sleep(0.005)
        raise AssertionError(f"run {run['id']} did not end")

    def completed(self, workflow_id: str, inputs: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start a run and return its record at the end."""
        return self.finished(self.start(workflow_id, inputs))

    def stream(
        self, run: dict[str, Any], etag: str | None = None, **options: Any
    ) -> requests.Response:
        params = {} if etag is None else {"etag": etag}
        return self.get(f"/v1/runs/{run['id']}/events", params=params, stream=True, **options)

    def raw(self, run: dict[str, Any], etag: str | None = None) -> bytes:
        """The whole body of an event stream that ends."""
        with self.stream(run, etag) as answer:
            return answer.content

    def require_silence(self, run: dict[str, Any]) -> None:
        """Read an event stream until nothing more comes, though it stays open."""
        with self.stream(run) as answer:
            connection: Any = answer.raw.connection
            connection.sock.settimeout(0.2)
            with pytest.raises(requests.ConnectionError, match="timed out"):
                list(answer.iter_content(None))

    def events(self, run: dict[str, Any], etag: str | None = None) -> list[dict[str, Any]]:
        """The envelopes of an event stream that ends."""
        return list(decoded(self.raw(run, etag)))


def decoded(body: bytes) -> Iterator[dict[str, Any]]:
    """The envelopes of whole frames; a torn one is dropped."""
    for frame in body.split(b"\n\n")[:-1]:
        lines = frame.split(b"\n")
        if b"event: message" in lines or not any(line.startswith(b"event:") for line in lines):
            data = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
            if data:
                yield json.loads(b"\n".join(data))


def cursors(events: list[dict[str, Any]]) -> list[str]:
    """The redisId of each event."""
    return [event["redisId"] for event in events]
