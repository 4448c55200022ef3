"""`noxcli export`: bundles to the byte, and definitions that git likes."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import Version, fixed_input, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.rawserver import answer, json_answer, raw_server

ID = "0b6e2d0e-6f36-4b2f-9a39-00000000000f"
NODES = [
    input_node("Question"),
    input_node("Count", type="int", default=3),
    fixed_input("Prompt", "Be brief."),
]
BUNDLE = b"---\r\nkind: x\n# \xff\x00 \x1b[31m\nno newline at the end"


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ([], "version=v4&include_dependencies=true"),
        (["--no-dependencies"], "version=v4&include_dependencies=false"),
        (["--version-id", "one"], f"version=v4&include_dependencies=true&version_id={ID}"),
    ],
)
def test_a_bundle_is_printed_as_it_is(noxcli: Noxcli, options: list[str], query: str) -> None:
    versions = (
        [json_answer([{"id": ID, "name": "one", "definition": {}}])]
        if "--version-id" in options
        else []
    )
    done, server = noxcli.against([*versions, answer(200, BUNDLE)], "export", ID, *options)
    assert (done.code, done.out, done.err) == (0, BUNDLE, "")
    assert server.requests[-1].target == f"/v1/workflows/{ID}/export?{query}"
    assert (server.requests[-1].method, server.requests[-1].body) == ("POST", b"")


def definition(chance: random.Random) -> dict[str, Any]:
    """The same workflow, as a server may give it after nodes were moved and saved again."""

    def shuffled(record: dict[str, Any]) -> dict[str, Any]:
        return dict(chance.sample(list(record.items()), len(record)))

    def node(number: int) -> dict[str, Any]:
        config = {
            "label": f"Label {number}",
            "display": "shown",
            "created_at": "kept",
            "position": [3, 1, 2],
        }
        place = {"x": chance.random(), "y": chance.random()}
        moved = {
            "display": {"position": place},
            "position": place,
            "updated_at": str(chance.random()),
        }
        return shuffled(
            {"id": f"n{number}", "type": "InputNode", "node_config": shuffled(config), **moved}
        )

    edges: list[dict[str, Any]] = [
        shuffled({"source": "n1", "target": f"n{number}", "created_at": str(chance.random())})
        for number in (2, 3)
    ]
    edges += [
        {"from_id": {"node_id": f"n{number}"}, "to_id": {"node_id": "n9"}} for number in (4, 5)
    ]
    nodes = [node(number) for number in range(9)]
    return shuffled(
        {
            "flow_version": "v1",
            "nodes": chance.sample(nodes, len(nodes)),
            "edges": chance.sample(edges, len(edges)),
            "viewport": {"zoom": chance.random()},
            "last_saved_at": str(chance.random()),
        }
    )


def test_a_definition_changes_only_with_what_runs(noxcli: Noxcli) -> None:
    def text(seed: int, **more: Any) -> bytes:
        body = {**definition(random.Random(seed)), **more}
        with raw_server(json_answer({"id": ID, "name": "w", "definition": body})) as server:
            return noxcli("export", ID, "--definition", "--base-url", server.url).out

    first = text(1)
    assert {text(seed) for seed in range(2, 12)} == {first}
    assert text(1, description="another") != first
    read = json.loads(first)
    assert first.endswith(b"\n}\n")
    assert [node["id"] for node in read["nodes"]] == [f"n{number}" for number in range(9)]
    assert read["nodes"][0] == {
        "id": "n0",
        "node_config": {
            "created_at": "kept",
            "display": "shown",
            "label": "Label 0",
            "position": [3, 1, 2],
        },
        "type": "InputNode",
    }


def test_a_definition_keeps_all_digits(noxcli: Noxcli) -> None:
    odd = b'{"id": "w", "definition": {"nodes": [{"id": "n", "a": 1.10, "b": 9007199254740993000000, "c": "\\ud800"}]}}'
    with raw_server(answer(200, odd)) as server:
        text = noxcli("export", ID, "--definition", "--base-url", server.url).text
    assert '"a": 1.10' in text
    assert '"b": 9007199254740993000000' in text
    assert "\\ud800" in text


def exported(noxcli: Noxcli, workflow: str, file: Path, *options: str) -> Path:
    done = noxcli("export", workflow, "--definition", "-o", str(file), *options)
    assert (done.code, done.out, done.err) == (0, b"", f"wrote {file}\n")
    return file


def test_a_file_is_replaced_only_by_a_whole_export(
    noxcli: Noxcli, plays: Any, tmp_path: Path
) -> None:
    workflow = plays(nodes=[*NODES, output_node("A")], versions=[Version("first")])
    file = exported(noxcli, workflow, tmp_path / "flow.json")
    before = file.read_bytes()
    missing = noxcli("export", workflow, "--definition", "--version-id", "frist", "-o", str(file))
    assert (missing.code, "did you mean 'first'?" in missing.err, file.read_bytes()) == (
        5,
        True,
        before,
    )
    assert noxcli("export", workflow, "--definition", "--version-id", "first").out == before
    assert noxcli("export", workflow, "-o", "-").out.startswith(b"---\nkind: bundle")


def test_wrong_calls_send_nothing(noxcli: Noxcli, sandbox: Sandbox, tmp_path: Path) -> None:
    for argv, said in {
        (
            "export",
            "demo",
            "--definition",
            "--no-dependencies",
        ): "drop --no-dependencies or --definition",
        ("export", "demo", "-o", str(tmp_path)): "not a regular file",
    }.items():
        done = noxcli(*argv)
        assert (done.code, said in done.err) == (2, True), done.err
    assert sandbox.requests == []
