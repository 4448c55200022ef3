"""Whole commands against servers that answer oddly: one line, a code of the table, and never a bug."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import ExitCode
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.faults.gate import Gate, kind_of
from tests.rawserver import Request, raw_server
from tests.test_answers import ODD_ANSWERS

ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
COMMANDS = {
    "wait": ("wait", ID),
    "wait for several": ("wait", ID, f"w/{ID}"),
    "fetch-output": ("fetch-output", f"w/{ID}"),
    "stream": ("stream", f"w/{ID}", "--format", "ndjson", "--idle-timeout", "1"),
    "stop": ("stop", f"w/{ID}"),
    "run": ("run", ID, "--no-check", "q=x", "--json"),
    "run by name": ("run", "a name", "q=x"),
    "inputs": ("inputs", ID),
    "runs": ("runs",),
    "workflows": ("workflows", "--json"),
    "doctor": ("doctor",),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("odd", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_no_odd_answer_is_a_bug_in_a_command(odd: bytes, command: tuple[str, ...], noxcli: Noxcli) -> None:
    def turn(peer: socket.socket) -> None:
        peer.sendall(odd)

    with raw_server(turn) as server:
        result = noxcli(*command, "--base-url", server.url, *(() if command[0] == "doctor" else ("--timeout", "3")))
    assert result.code in {int(code) for code in ExitCode} - {ExitCode.BUG}, result.err
    assert "Traceback" not in result.err


class BendingGate(Gate):
    """A gate before the sandbox that gives an odd answer of its own to the second request of one kind."""

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
@pytest.mark.parametrize("name", ["chunk size -5", "chunk size of 5,000 digits", "lengths that conflict", "version 9"])
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
