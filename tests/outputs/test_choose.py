"""`--raw KEY`: one output or several, exactly; keys checked before anything is started."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import OutputNotDelivered
from noxcli.inputs.definition import OutputNode
from noxcli.models import Run
from noxcli.outputs.choose import keys_in, require_output
from noxcli.sandbox.scenario import File
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, posts
from tests.rawserver import Request, Turn, answer, json_answer, raw_server
from tests.sample import one_in

WORKFLOW = "11111111-1111-4111-8111-111111111111"
RECORD = {"id": "run-1", "workflow_id": WORKFLOW, "status": "completed"}
ESSAY = "Grüße, 世界 🌱. " * 1500


def definition(*labels: str | None, type: str = "OutputNodeV2") -> dict[str, Any]:
    return {
        "nodes": [
            {"id": f"n{n}", "type": type, "node_config": {"label": one}}
            for n, one in enumerate(labels)
        ]
    }


# Before the start.


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("answer", "did you mean 'Answer'?"),
        ("Anwser", "did you mean 'Answer'?"),
        ("Zzz", "its outputs: 'Answer', 'B'"),
    ],
)
def test_a_wrong_key_starts_nothing(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, key: str, hint: str
) -> None:
    result = noxcli("run", plays(output={"Answer": "x", "B": "y"}), "--raw", "B", "--raw", key)
    assert (result.code, result.out, len(posts(sandbox))) == (2, b"", 0)
    assert f"noxcli: the workflow has no output {key!r}; {hint}" in result.err


def test_without_checks_a_wrong_key_meets_the_output(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    result = noxcli("run", plays(output={"Answer": "x", "B b": "y"}), "--raw", "Bb", "--no-check")
    assert (result.code, result.out, len(posts(sandbox))) == (9, b"", 1)
    run = sandbox.requests[-1].path.rpartition("/")[2]
    assert (
        "the output has no key 'Bb', its keys: 'Answer', 'B b'; fetch it with: noxcli fetch-output"
        in result.err
    )
    line = result.err.partition("fetch it with: noxcli ")[2].splitlines()[0]
    assert run in line or "--raw 'B b'" in line
    assert noxcli(*shlex.split(line)).out == b"y"


# Keys, and how a server names outputs.


@pytest.mark.parametrize(
    ("output_keys", "verb"),
    one_in(3, ["label", "node_id", "node_id::name"], ["run", "stream", "fetch-output"]),
)
def test_a_key_is_found_however_the_server_keys(
    noxcli: Noxcli, plays: Any, verb: str, output_keys: str
) -> None:
    workflow = plays(output={"Answer": "x", "B": "y"}, switches={"output_keys": output_keys})
    document = noxcli("run", workflow, "--json").json
    run = document["run"]["id"]
    (node,) = [node["id"] for node in document["nodes"] if node["name"] == "Answer"]
    for key in ("Answer", node, f"{node}::output"):
        result = noxcli(verb, workflow if verb == "run" else run, "--raw", key)
        assert (result.code, result.out) == (0, b"x"), (key, result.err)


NODES = [
    OutputNode("n0", "A"),
    OutputNode("n1", "B"),
    OutputNode("n2", "B"),
    OutputNode("n3", None),
]


@pytest.mark.parametrize(
    ("own", "key", "fitting"),
    [
        (["A", "B"], "A", ["A"]),
        (["A"], "n0", ["A"]),
        (["A"], "n0::output", ["A"]),
        (["n0"], "A", ["n0"]),
        (["n0"], "n0::output", ["n0"]),
        (["n0::output"], "A", ["n0::output"]),
        (["n0::output"], "n0", ["n0::output"]),
        (["n0::output"], "n0::other", []),
        (["n0::a", "n0::b"], "n0", ["n0::a", "n0::b"]),
        (["n0::a", "n0::b"], "n0::b", ["n0::b"]),
        (["n1", "n2"], "B", ["n1", "n2"]),
        (["B"], "n1", []),
        (["A", "B"], "n3", []),
        (["n3"], "n3", ["n3"]),
        (["A::x"], "A", []),
        (["A", "A::x"], "A", ["A"]),
        ([""], "", [""]),
    ],
)
def test_a_key_means_one_output_or_none(own: list[str], key: str, fitting: list[str]) -> None:
    assert keys_in(dict.fromkeys(own), [key], NODES) == [fitting]


@pytest.mark.parametrize("output", [None, [], "x", {}])
def test_an_output_without_keys_has_none(output: Any) -> None:
    run = Run("run-1", "w", "completed", output=output)
    with pytest.raises(OutputNotDelivered, match="no key 'A', its keys: none") as caught:
        require_output(run, "A", keys_in(output, ["A"])[0])
    assert str(caught.value.hint) == "fetch it with: noxcli fetch-output run-1"


def test_a_label_of_two_outputs_is_not_guessed() -> None:
    run = Run("run-1", "w", "completed", output={"n1": "x", "n2": "y"})
    with pytest.raises(OutputNotDelivered, match="'B' matches several outputs: 'n1', 'n2'"):
        require_output(run, "B", keys_in(run.output, ["B"], NODES)[0])


# Several.


def test_one_is_printed_exactly_and_several_each_end_their_line(noxcli: Noxcli, plays: Any) -> None:
    values = {
        "A": "no newline",
        "B": [1, 2],
        "C": "line\n",
        "D": ESSAY,
        "E": File("e.bin", b"\0\1"),
        "F": "",
    }
    workflow = plays(output=values)
    assert noxcli("run", workflow, "--raw", "A").out == b"no newline"
    assert noxcli("run", workflow, "--raw", "F").out == b""
    result = noxcli("run", workflow, *[word for key in "CADEFB" for word in ("--raw", key)])
    expected = b"line\nno newline\n" + ESSAY.encode() + b"\n\0\1\n\n[\n  1,\n  2\n]\n"
    assert (result.code, result.out) == (0, expected)
    assert noxcli("run", workflow, "--raw", "A", "--raw", "A").out == b"no newline\n" * 2
    assert noxcli("run", workflow, "--raw", "A", "--raw", "F").out == b"no newline\n\n"


def test_none_of_several_is_printed_where_one_is_not_whole(noxcli: Noxcli) -> None:
    preview = {"has_preview": True, "text": ESSAY[:99], "file": {"id": "f-1"}}
    turns: list[Turn] = [json_answer({**RECORD, "output": {"A": "x", "B": preview}}), answer(500)]
    argv = ("fetch-output", f"{WORKFLOW}/run-1", "--raw", "A", "--raw", "B", "--retry-for", "0")
    result, _ = noxcli.against(turns, *argv)
    assert (result.code, result.out) == (9, b"")
    assert "is incomplete: /B: " in result.err


@pytest.mark.parametrize("value", [{"a": 1.50}, [1, "two"], None])
def test_an_object_where_a_text_should_be_is_that_object(
    noxcli: Noxcli, plays: Any, value: Any
) -> None:
    workflow = plays(output={"A": {"text": value}, "B": "b"})
    assert json.loads(noxcli("run", workflow, "--raw", "A").out) == value
    assert noxcli("fetch-output", "@last", "--output-dir", "out").code == 0
    assert json.loads(Path("out/A.json").read_bytes()) == value
    assert noxcli("fetch-output", "@last", "--json").json["output"]["A"] == {"text": value}


BARE = [
    ("x", b"x"),
    (["a", 1], b'[\n  "a",\n  1\n]'),
    (7, b"7"),
    (False, b"false"),
    ({"text": "x"}, b"x"),
    ({"has_preview": True, "text": "all", "file": {"id": "f"}}, b"all of it"),
    ({"uri": "spot://f", "id": "f", "name": "a.txt", "content_type": "text/plain"}, b"all of it"),
]


@pytest.mark.parametrize(
    ("labels", "bare"), one_in(3, [["Answer"], ["Answer", "Other"], None], BARE)
)
def test_a_bare_output_is_the_only_one(
    noxcli: Noxcli, labels: list[str] | None, bare: tuple[Any, bytes]
) -> None:
    output, content = bare
    run = {"id": "r-1", "workflow_id": "w-1", "status": "completed", "output": output}
    nodes = [
        {"id": label, "type": "OutputNode", "node_config": {"label": label}}
        for label in labels or ()
    ]

    def by_request(request: Request) -> Turn:
        if request.target.endswith("/file/f"):
            return answer(200, b"all of it")
        if request.target.endswith("/workflows/w-1"):
            return (
                answer(403)
                if labels is None
                else json_answer({"id": "w-1", "definition": {"nodes": nodes}})
            )
        return json_answer(run)

    with raw_server(by_request=by_request) as server:
        result = noxcli(
            "fetch-output", "w-1/r-1", "--raw", "Answer", environ={"NOXUS_BACKEND_URL": server.url}
        )
    assert (result.code, result.out) == (
        (0, content) if labels != ["Answer", "Other"] else (9, b"")
    )
