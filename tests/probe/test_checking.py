"""`doctor --check-recording`: which facts about the API a recording confirms or contradicts."""

from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import output_node
from noxcli.sandbox.steps import node_runs
from tests.conftest import Noxcli


def verdicts(noxcli: Noxcli, plays: Any, path: Path, **switches: Any) -> dict[str, str]:
    script = node_runs("Think", ["a", "b"])
    workflow = plays(nodes=[output_node("A")], script=script, output={"A": "x" * 20_000}, switches=switches)
    assert noxcli("run", workflow, "--record", str(path), "--quiet").code == 0
    done = noxcli("doctor", "--check-recording", str(path), "--json", environ={"NOXUS_API_KEY": ""})
    assert done.code == 0
    return {check["name"]: check["verdict"] for check in done.json["checks"]}


def test_a_server_as_documented_contradicts_nothing(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    found = verdicts(noxcli, plays, tmp_path / "run.jsonl")
    assert {name for name, verdict in found.items() if verdict == "warning"} == set()
    assert {name for name, verdict in found.items() if verdict == "unchecked"} == {
        "errors",
        "look_up",
        "reason",
        "lists",
    }


@pytest.mark.parametrize(
    ("switches", "contradicted"),
    [
        ({"null_data": True}, {"envelope"}),
        ({"redis_ids": "some"}, {"cursors"}),
        ({"create_status": 201}, {"start_status"}),
        ({"end_announced_by": "state"}, {"end"}),
        ({"closing_event": "done"}, {"frames"}),
    ],
)
def test_another_server_is_told_apart(
    noxcli: Noxcli, plays: Any, tmp_path: Path, switches: dict[str, Any], contradicted: set[str]
) -> None:
    found = verdicts(noxcli, plays, tmp_path / "run.jsonl", **switches)
    assert {name for name, verdict in found.items() if verdict == "warning"} == contradicted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "can't read"),
        ("", "line 1 is not a line"),
        ("{}", "line 1 is not a line"),
        ("[]\n", "line 1 is not a line"),
        ('{"format": "noxcli.recording/2"}', "not a recording of the form"),
        ('{"format": "noxcli.recording/1"}', "contains no request"),
        ('{"format": "noxcli.recording/1"}\n{"n": 1, "received": {"text": "x"}}', "line 2 is not a line"),
        ('{"format": "noxcli.recording/1"}\n' + "[" * 100_000, "line 2 is not a line"),
        ('{"format": "noxcli.recording/1"}\n{"n": 1e999}', "line 2 is not a line"),
        ('{"seq": 1, "type": "noxcli.started", "data": {}}', "line 1 is not a line"),
    ],
)
def test_a_file_that_is_none_gets_one_line(noxcli: Noxcli, tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "run.jsonl"
    if text is not None:
        path.write_text(text)
    done = noxcli("doctor", "--check-recording", str(path))
    assert (done.code, done.out, len(done.err.splitlines())) == (2, b"", 1)
    assert told in done.err


def test_a_record_with_a_status_of_any_kind_contradicts_a_fact(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    verdicts(noxcli, plays, path)
    path.write_text(path.read_text().replace('\\"status\\":\\"completed\\"', '\\"status\\":[]'))
    done = noxcli("doctor", "--check-recording", str(path), "--json")
    assert (done.code, done.err) == (0, "")
    assert "statuses" in {check["name"] for check in done.json["checks"] if check["verdict"] == "warning"}
