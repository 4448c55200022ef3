"""`noxcli inputs`: the table, the line to paste, the schema."""

import json
import shlex
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import Node, fixed_input, input_node
from noxcli.sandbox.server import Sandbox
from tests import forks
from tests.conftest import Noxcli
from tests.process import environment, in_bash

REQUIRED = {
    "Question": "str",
    "Count": "int",
    "Ratio": "float",
    "Flag": "bool",
    "Data": "dict",
    "Tags": "list",
    "a=b:@\\ it's $HOME": "str",
    "-x": "str",
}
EVERYTHING = [
    *(input_node(label, type=type) for label, type in REQUIRED.items()),
    input_node("Tone", default="dry"),
    fixed_input("Prompt", "Be kind.\nAlways.\t!"),
    Node("bare", "InputNode", {}),
    Node("doc", "FileInputNode", {"label": "Doc"}),
]


def sample_of(err: str) -> str:
    return next(line.removeprefix("try: ") for line in err.splitlines() if line.startswith("try: "))


def test_a_line_for_each_input_with_tabs_between(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=EVERYTHING)
    result = noxcli("inputs", workflow)
    rows = [line.split("\t") for line in result.text.splitlines()]
    assert {row[0]: row[2:] for row in rows} == {
        **{
            label: [type, "yes", "", ""]
            for label, type in {**REQUIRED, "": "", "Doc": "File"}.items()
        },
        "Tone": ["str", "no", "", "dry"],
        "Prompt": ["str", "no", "Be kind. Always. !", ""],
    }
    assert len(sandbox.requests) == 1


def test_on_a_terminal_the_columns_are_aligned_and_harmless(noxcli: Noxcli, plays: Any) -> None:
    hostile = fixed_input("\x1b[31mred\u202e", "x" * 100)
    workflow = plays(nodes=[input_node("A"), hostile])
    lines = noxcli.on_screen("inputs", workflow)
    assert len({line.find(" str ") for line in lines[1:]}) == 1
    assert not {"\x1b", "\u202e"} & {*"".join(lines)}
    assert max(map(len, lines)) <= 80
    assert "xxx" in lines[2]


def test_the_line_can_be_pasted_and_runs(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(nodes=EVERYTHING, output={"A": "done"}, switches={"missing_input": "accept"})
    line = sample_of(noxcli("inputs", workflow).err)
    done = in_bash(line, {**environment(sandbox.url), "PATH": f"{forks.directory()}:/usr/bin:/bin"})
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    given = sandbox.runs(workflow)[0].input
    assert (given["Question"], given["Count"], given["Ratio"], given["Flag"]) == (
        "hello",
        3,
        0.5,
        True,
    )
    assert (given["Data"], given["Tags"], given["-x"]) == (
        {"key": "value"},
        ["one", "two"],
        "hello",
    )
    assert given["a=b:@\\ it's $HOME"] == "hello"
    assert given["Doc"]["uri"].startswith("spot://")


@pytest.mark.parametrize("name", ["demo", "v2", "qa", "fixed-inputs", "structured", "many-nodes"])
def test_the_samples_of_the_sandboxes_own_workflows_run(noxcli: Noxcli, name: str) -> None:
    words = shlex.split(sample_of(noxcli("inputs", name).err))
    assert words[0] == "noxcli"
    result = noxcli(*words[1:])
    assert result.code == 0
    assert "mistake" not in result.err


def test_a_label_that_could_act_on_a_terminal_goes_by_its_id(noxcli: Noxcli, plays: Any) -> None:
    line = sample_of(noxcli("inputs", plays(nodes=[input_node("a\x1b[2J\nb")])).err)
    assert shlex.split(line)[3].removesuffix("=hello").count("-") == 4


def test_the_schema_of_unlabelled_inputs_is_open(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[Node("odd", "InputNode", {"type": "str"})])
    assert noxcli("inputs", workflow, "--json").json["additionalProperties"] is True


def test_the_schema_describes_what_inputs_takes(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=EVERYTHING[:10], output={"A": "x"})
    schema = noxcli("inputs", workflow, "--json").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    names = {
        "str": "string",
        "int": "integer",
        "float": "number",
        "bool": "boolean",
        "dict": "object",
        "list": "array",
    }
    types = {label: names[type] for label, type in REQUIRED.items()} | {
        "Tone": "string",
        "Prompt": "string",
    }
    assert {key: value.get("type") for key, value in schema["properties"].items()} == types
    assert schema["required"] == [*REQUIRED]
    assert (schema["properties"]["Tone"]["default"], schema["title"]) == ("dry", schema["title"])
    assert noxcli("run", workflow, "--inputs", json.dumps(schema["examples"][0])).code == 0


def test_a_mistake_is_told_in_the_document(noxcli: Noxcli) -> None:
    result = noxcli("inputs", "dema", "--json")
    assert (result.code, result.json["error"]["hint"]) == (5, "did you mean 'demo'?")


def test_a_definition_that_cannot_be_read_is_an_error_here(noxcli: Noxcli, plays: Any) -> None:
    odd = plays(faults={"workflow": [Answer(200, {"id": "w"}, repeat=True)]})
    assert noxcli("inputs", odd).code == 75
    assert noxcli("inputs", plays(faults={"workflow": [Answer(403)]})).code == 4


def test_a_version_has_its_own_inputs(noxcli: Noxcli) -> None:
    assert noxcli("inputs", "demo", "--version-id", "nope").code == 5
