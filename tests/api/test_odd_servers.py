"""Whole commands against servers that answer oddly: one line, a code from the table, and never a bug."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from noxcli.api import body
from noxcli.errors import ExitCode
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.timing import Clock
from tests.api.test_answers import ODD_ANSWERS, SLOW_BODY
from tests.conftest import Noxcli
from tests.faults.gate import Gate, kind_of
from tests.rawserver import Request, raw_server
from tests.sample import one_in

ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
COMMANDS = {
    "wait": ("wait", ID),
    "wait for several": ("wait", ID, f"w/{ID}"),
    "fetch-output": ("fetch-output", f"w/{ID}"),
    "stream": ("stream", f"w/{ID}", "--format", "ndjson"),
    "stop": ("stop", f"w/{ID}"),
    "run": ("run", ID, "--no-check", "q=x", "--json"),
    "run by name": ("run", "a name", "q=x"),
    "inputs": ("inputs", ID),
    "runs": ("runs",),
    "workflows": ("workflows", "--json"),
    "doctor": ("doctor",),
}
# One for each place that may fail on it; test_answers.py tries all of them call by call.
ODDEST = [
    *("chunk size -5", "chunk size of 5,000 digits", "length of 5,000 digits", "lengths that conflict", "not gzip"),
    *("encodings without end", "status 999", "version 9", "odd location", "retry after of 5,000 digits"),
    *("progress of 400 digits", "progress NaN", "progress of 5,000 digits"),
]


@pytest.mark.parametrize(("name", "verb"), one_in(3, ODDEST, COMMANDS))
def test_no_odd_answer_is_a_bug_in_a_command(name: str, verb: str, noxcli: Noxcli) -> None:
    command = COMMANDS[verb]

    def turn(peer: socket.socket) -> None:
        peer.sendall(ODD_ANSWERS[name])

    with raw_server(turn) as server:
        limit = () if command[0] == "doctor" else ("--timeout", "3")
        result = noxcli(*command, "--base-url", server.url, *limit, environ={"NOXCLI_IDLE_TIMEOUT": "1"})
    assert result.code in {int(code) for code in ExitCode} - {ExitCode.BUG}, result.err
    assert "Traceback" not in result.err
    if verb == "run":
        assert result.json["retry_safe"] is (result.code != 7 and result.json["run"] is None)
        assert [request.method for request in server.requests].count("POST") == 1


class BendingGate(Gate):
    """A gate before the sandbox that gives its own odd answer to the second request of one kind."""

    def __init__(self, url: str, kind: str, odd: bytes) -> None:
        super().__init__(url)
        self._kind, self._odd, self._count = kind, odd, 0

    def _relay(self, peer: socket.socket, request: Request) -> None:
        self._count += kind_of(request) == self._kind
        if kind_of(request) == self._kind and self._count == 2:
            peer.sendall(self._odd)
        else:
            super()._relay(peer, request)


@pytest.mark.parametrize("kind", ["start", "record", "events"])
@pytest.mark.parametrize("name", ["chunk size -5", "lengths that conflict"])
def test_an_odd_answer_costs_a_batch_its_own_row_alone(
    name: str, kind: str, noxcli: Noxcli, plays: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps({'Q': row})}\n" for row in "abcd"))
    line = "batch", plays(nodes=[input_node("Q")], output=lambda inputs: {"A": inputs["Q"]}), "rows.jsonl"
    with BendingGate(sandbox.url, kind, ODD_ANSWERS[name]) as gate:
        noxcli.environ["NOXUS_BACKEND_URL"] = gate.url
        first = noxcli(*line, "--max-parallel", "1")
        resumed = noxcli(*line, "--resume")
    assert {first.code, resumed.code} <= {0, 7}, first.err + resumed.err
    done = [row["row"] for row in first.lines + resumed.lines if row["result"]["exit_code"] == 0]
    assert len(set(done)) == len(done) >= (3 if kind == "start" else 4)


TRICKLED = {name: words for name, words in COMMANDS.items() if name not in {"doctor", "stream", "stop"}}


@pytest.mark.parametrize("command", TRICKLED.values(), ids=TRICKLED)
def test_a_body_that_trickles_holds_no_command(
    command: tuple[str, ...], noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "JSON_SECONDS", 0.4)
    noxcli.clock = Clock()
    with raw_server(SLOW_BODY) as server:
        result = noxcli(*command, "--base-url", server.url, "--retry-for", "0")
    assert result.code in {6, 7, 75}, result.err
    assert "timed out while reading" in result.err or "lost contact" in result.err
