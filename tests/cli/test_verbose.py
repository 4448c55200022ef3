"""`--verbose`: what support gets to see, and what it does not."""

from pathlib import Path
from typing import Any

from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import Node, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli


def test_it_tells_requests_retries_and_times_with_quiet(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    faults = {"start": [Answer(429, {"detail": ""})], "events": [Answer(502, "")]}
    workflow = plays(script=[Sleep(300)], faults=faults)
    lines = noxcli("run", workflow, "--quiet", "--verbose").err.splitlines()
    assert [line for line in lines if "answered 429; retrying for" in line]
    assert [line for line in lines if "answered 502; retrying in" in line]
    asked = [line for line in lines if line.startswith(("GET /", "POST /"))]
    assert [line for line in asked if line.startswith(f"POST /v1/workflows/{workflow}/runs 429 ")]
    assert [line for line in asked if "(request id " in line]
    assert len(asked) == len(sandbox.requests)
    assert lines[-1].startswith("exit code 0 after ")
    assert noxcli("run", workflow, "--quiet").err == ""


def test_it_tells_why_there_was_no_answer(noxcli: Noxcli) -> None:
    result = noxcli("runs", "--base-url", "http://127.0.0.1:9", "--retry-for", "0", "--verbose")
    assert result.code == 75
    assert "GET /v1/runs no answer: connection refused" in result.err


def test_it_tells_no_key_and_no_value(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    nodes = [input_node("Q"), input_node("S"), Node("doc", "FileInputNode", {"label": "Doc"})]
    workflow = plays(nodes=nodes, output={"A": "private-answer"})
    Path("text.txt").write_text("private-text")
    given = ["Q=private-question", "Doc@text.txt", "--secret", "S=S"]
    result = noxcli("run", workflow, *given, "--json", "--verbose", environ={"S": "private-secret"})
    assert (result.code, "POST /v1/file 200" in result.err) == (0, True), result.err
    assert "private" not in result.err
    assert sandbox.key not in result.err
