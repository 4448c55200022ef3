"""Lone surrogates, which JSON can carry and UTF-8 can't: `\\udXXX` in JSON, U+FFFD elsewhere, said once."""

import json
import shlex
from pathlib import Path

import pytest

from noxcli.sandbox.scenario import Node, Scenario, Version, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit
from tests.conftest import Noxcli, write_rows

ODD, SHOWN = "a\ud800b\udfff", "a\ufffdb\ufffd"
SAID = "warning: lone surrogates, which UTF-8 can't carry, became U+FFFD; --json keeps them"
NODES = [input_node("Q"), Node(f"N{ODD}", config={"p": ODD})]
SCENARIO = Scenario(
    ODD,
    nodes=NODES,
    versions=[Version("one", nodes=NODES), Version(ODD, nodes=NODES[:1], id="two")],
    script=[Emit(f"N{ODD}", ODD)],
    output={"A": ODD, ODD: {"inner": ODD}},
)
ONE_RUN = [
    "fetch-output {run}",
    "fetch-output {run} --raw A",
    "fetch-output {run} --query output.A",
    "inspect {run}",
]
STREAMED = ["stream {run} --format content", "stream {run} --format ndjson --query data.content"]
LISTS = ["workflows", "versions {workflow}", "inputs {workflow}", "runs"]
MANY = [
    *(
        "batch {workflow} rows.jsonl --output-dir new --query result.output.A",
        "results base --query result.output.A",
    ),
    *(
        "results base --csv all.csv --report all.html --junit all.xml",
        "compare base other",
        "compare base other --json",
    ),
]


@pytest.fixture
def names(noxcli: Noxcli, sandbox: Sandbox) -> dict[str, str]:
    workflow = sandbox.add(SCENARIO)
    write_rows("one", "two")
    assert noxcli("batch", workflow, "rows.jsonl", "--output-dir", "base").code == 0
    assert (
        noxcli("batch", workflow, "rows.jsonl", "--output-dir", "other", "--version-id", "one").code
        == 0
    )
    return {"workflow": workflow, "run": noxcli.ended(workflow, "Q=x")}


def test_every_command_prints_what_utf8_can_carry(noxcli: Noxcli, names: dict[str, str]) -> None:
    shown = set[str]()
    for line in [*ONE_RUN, *STREAMED, *LISTS, *MANY]:
        result = noxcli(*shlex.split(line.format(**names)))
        assert result.code == 0, (line, result.err)
        replaced = SHOWN in result.text
        assert ("\ufffd" in result.text) == replaced, line
        assert result.err.count(SAID) == (1 if replaced or "--csv" in line else 0), line
        shown |= {line.split()[0]} if replaced else set()
    assert shown >= {"fetch-output", "workflows", "batch"}


def test_json_keeps_them_and_files_are_utf8(noxcli: Noxcli, names: dict[str, str]) -> None:
    result = noxcli("fetch-output", names["run"], "--json")
    assert (result.json["output"], SAID in result.err) == ({"A": ODD, ODD: {"inner": ODD}}, False)
    assert b'"a\\ud800b\\udfff"' in result.out
    result = noxcli("fetch-output", names["run"], "--output-dir", "out")
    assert (result.code, result.err.count(SAID)) == (0, 1)
    assert Path("out/A.txt").read_text() == SHOWN
    (other,) = {*Path("out").iterdir()} - {Path("out/A.txt"), Path("out/manifest.json")}
    assert json.loads(other.read_text()) == {"inner": ODD}
