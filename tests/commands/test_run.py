"""`noxcli run`, from the command line to stdout, stderr and exit code."""

from typing import Any

import pytest

from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import node_runs
from tests.conftest import Noxcli

ESSAY = "Grüße, 世界 🌱. " * 1500


def test_demo_prints_its_outputs(noxcli: Noxcli) -> None:
    result = noxcli("run", "demo", "User Input=hi")
    assert result.code == 0
    assert len(result.json["Essay"]) > 16_000
    assert "hi" in result.json["Answer"]


@pytest.mark.parametrize("text", ["forty\ttwo", "42\n"])
def test_a_newline_is_added_only_where_there_is_none(noxcli: Noxcli, plays: Any, text: str) -> None:
    assert noxcli("run", plays(output={"Answer": text})).out == f"{text.strip()}\n".encode()


def test_previews_are_completed_wherever_they_sit(noxcli: Noxcli, plays: Any) -> None:
    output = {"Data": {"deep": [{"x": ESSAY}, ESSAY + "2", 7]}, "N": None}
    document = noxcli("run", plays(output=output), "--json").json
    assert document["output"] == output
    assert document["complete"] is True
    assert [file["pointer"] for file in document["files"]] == ["/Data/deep/0/x", "/Data/deep/1"]
    assert all(file["bytes"] > 16_000 and len(file["sha256"]) == 64 for file in document["files"])


def test_ndjson_is_the_servers_sequence_in_a_frame(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(script=node_runs("Write", ["a", "b"]), output={"Answer": "x"})
    result = noxcli("run", workflow, "--format", "ndjson")
    assert result.events == sandbox.runs(workflow)[0].events
    assert result.own == ["started", "result"]
    assert [line["seq"] for line in result.lines] == list(range(1, len(result.lines) + 1))
    assert {line["run_id"] for line in result.lines} == {sandbox.runs(workflow)[0].id}
    assert [line["is_terminal"] for line in result.lines].count(True) == 1
    assert result.lines[-1]["data"]["ok"] is True


def test_the_json_document_tells_everything(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=node_runs("Write", ["a"]), output={"Answer": "x"})
    document = noxcli("run", workflow, "--json").json
    run = sandbox.runs(workflow)[0]
    assert document["schema"] == "noxcli.result/1"
    assert (document["ok"], document["exit_code"], document["retry_safe"]) == (True, 0, False)
    told = [document["run"][name] for name in ("id", "workflow_id", "status", "confirmed")]
    assert told == [run.id, workflow, "completed", True]
    assert document["run"]["duration_s"] >= 0
    assert document["output"] == {"Answer": "x"}
    assert document["stream"] == {
        "connects": 1,
        "reconnects": 0,
        "cursor": run.events[-1]["redisId"],
        "continuity": "proven",
    }
    assert {node["name"]: node["status"] for node in document["nodes"]}["Write"] == "completed"
    assert document["error"] is None


@pytest.mark.parametrize(
    "option", ["--raw A", "--output-dir o", "--timeout 9", "--on-pause wait", "--no-stream"]
)
def test_detach_refuses_what_it_does_not_wait_for(
    noxcli: Noxcli, sandbox: Sandbox, option: str
) -> None:
    result = noxcli("run", "qa", "Question=x", "--detach", *option.split())
    assert (result.code, sandbox.requests) == (2, [])
    assert f"--detach ends before {option.split()[0]} has an effect" in result.err
    assert noxcli("run", "qa", "Question=x", "--detach", environ={"NOXCLI_TIMEOUT": "9s"}).code == 0


def test_detach_prints_the_id_and_nothing_else(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(output={"A": "x"})
    result = noxcli("run", workflow, "--detach")
    assert result.text == f"{sandbox.runs(workflow)[0].id}\n"
    assert result.code == 0
    document = noxcli("run", workflow, "--detach", "--json").json
    assert (document["ok"], document["run"]["confirmed"]) == (True, False)
    assert document["run"]["status"] in {"queued", "running", "completed"}
