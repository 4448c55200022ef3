"""A key that is replaced while a command works: its command is called again after a 401."""

import json
import re
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows
from tests.faults.gateway import forwarded, whole_of
from tests.rawserver import Request, json_answer, raw_server

WORKFLOW, RUN = "11111111-2222-4333-8444-555555555555", "aaaaaaaa-2222-4333-8444-555555555555"
REJECTED = json_answer({"detail": "invalid key"}, 401)


class Rotating:
    """Replaces its key, and what the user's command prints, once it has answered some requests."""

    def __init__(self, after: int, new: str = "new-key") -> None:
        self.after = after
        self.new = new
        self.keys: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()
        self.runs: dict[str, str] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> bytes:
        with self._lock:
            key = request.headers["x-api-key"]
            self.keys[key] += 1
            if self.keys.total() == self.after:
                Path("key").write_text(self.new)
            valid = "old-key" if self.keys.total() <= self.after else "new-key"
            if key != valid:
                return REJECTED
            return self._answer(request)

    def _answer(self, request: Request) -> bytes:
        if request.method == "POST":
            given = json.loads(request.body)["input"]["Q"]
            self.starts[given] += 1
            run = f"{len(self.runs):08}{RUN[8:]}"
            self.runs[run] = given
            return json_answer({"id": run, "workflow_id": WORKFLOW, "status": "queued"})
        found = re.search(r"/runs/([^/?]+)$", request.target)
        if found is None:
            return json_answer({"id": WORKFLOW, "name": "n", "definition": {}})
        fields = {"workflow_id": WORKFLOW, "status": "completed", "output": {"A": "x"}}
        return json_answer({"id": found[1], **fields})


@pytest.fixture
def with_profile(noxcli: Noxcli) -> Noxcli:
    """A user whose key is what a command prints, which notes each call."""
    Path("key").write_text("old-key")
    Path("ask").write_text(f"cd {Path.cwd()}; echo called >> calls; cat key")
    environ = {"NOXCLI_STATE_DIR": "state", "NOXCLI_CONFIG": "config.toml", "NOXCLI_PROFILE": "p"}
    noxcli.environ = environ
    return noxcli


def write_profile(url: str) -> None:
    ask = Path("ask").absolute()
    text = f'[profile.p]\nbase_url = "{url}"\napi_key_command = ["sh", "{ask}"]\n'
    Path("config.toml").write_text(text)


def calls() -> int:
    return len(Path("calls").read_text().splitlines())


@pytest.mark.parametrize(("verb", "after"), [("run", 1), ("batch", 6), ("batch", 17)])
def test_a_replaced_key_ends_no_command(with_profile: Noxcli, verb: str, after: int) -> None:
    rotating = Rotating(after)
    argv = ["run", WORKFLOW, "Q=0", "--no-check", "--no-stream"]
    rows = ["0"]
    if verb == "batch":
        rows = [str(number) for number in range(20)]
        argv = ["batch", WORKFLOW, write_rows(*rows), "--no-check", "--poll-interval", "50ms"]
    with raw_server(by_request=rotating) as server:
        write_profile(server.url)
        result = with_profile(*argv)
    assert result.code == 0, result.err
    assert rotating.starts == Counter(rows)
    assert (calls(), rotating.keys["new-key"] > 0) == (2, True)
    assert "old-key" not in result.err
    assert "new-key" not in result.err


def test_a_wait_goes_on_with_a_replaced_key(with_profile: Noxcli) -> None:
    running = json_answer({"id": RUN, "workflow_id": WORKFLOW, "status": "running"})
    rotating = Rotating(3)

    def serve(request: Request) -> bytes:
        found = rotating(request)
        if found != REJECTED and "old-key" in rotating.keys and not rotating.keys["new-key"]:
            return running
        return found

    with raw_server(by_request=serve) as server:
        write_profile(server.url)
        polls = ["--no-stream", "--poll-interval", "50ms"]
        result = with_profile("wait", f"{WORKFLOW}/{RUN}", *polls)
    assert (result.code, result.text) == (0, f"{RUN}\tcompleted\n"), result.err
    assert calls() == 2
    assert result.err.count("the key was rejected (401); ") == 1


@pytest.mark.parametrize("after", [4, 7, 9])
def test_a_gate_goes_on_with_a_replaced_key(
    with_profile: Noxcli, sandbox: Sandbox, plays: Any, after: int
) -> None:
    nodes = [input_node("Q"), output_node("A")]
    versions = [Version("base", "", nodes), Version("new", "", nodes)]
    workflow = plays(nodes=nodes, output={"A": "good"}, versions=versions)
    write_rows(*map(str, range(6)))
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def serve(request: Request) -> bytes:
        with lock:
            key = request.headers["x-api-key"]
            asked[key] += 1
            if asked.total() == after:
                Path("key").write_text("new-key")
            if key != ("old-key" if asked.total() <= after else "new-key"):
                return REJECTED
        headers = {**request.headers, "x-api-key": sandbox.key}
        with forwarded(replace(request, headers=headers), sandbox.url) as behind:
            return whole_of(behind)

    with raw_server(by_request=serve) as server:
        write_profile(server.url)
        sides = ["--base", "base", "--new", "new", "--allow-same"]
        checks = ["--assert", "output.A == 'good'"]
        result = with_profile("gate", workflow, "rows.jsonl", *sides, *checks)
    assert result.code == 0, result.err
    assert (calls(), asked["new-key"] > 0) == (2, True)
    inputs = Counter(str(run.input) for run in sandbox.runs(workflow))
    assert set(inputs.values()) == {1}, "no start was sent twice"


def test_the_same_key_is_rejected_as_without_a_command(with_profile: Noxcli) -> None:
    rotating = Rotating(2, new="old-key")
    argv = ["batch", WORKFLOW, write_rows(*"abcdef"), "--no-check", "--max-parallel", "1"]
    with raw_server(by_request=rotating) as server:
        write_profile(server.url)
        result = with_profile(*argv, "--retry-for", "0")
    assert (result.code, calls()) == (4, 2)


def test_a_key_that_was_never_accepted_is_not_asked_for_twice(with_profile: Noxcli) -> None:
    with raw_server(REJECTED) as server:
        write_profile(server.url)
        result = with_profile("workflows", "--retry-for", "0")
    assert (result.code, calls()) == (4, 1)
