"""Pre-flight: mistakes in the inputs are reported before anything is started, all at once."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import RATE_LIMITED, Answer, Drop, Hold
from noxcli.sandbox.scenario import Node, Version, fixed_input, input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, posts, write_rows

QUESTION = input_node("User Question")


def node(label: str | None, type: str | None = "str", *, name: str = "", **config: Any) -> Node:
    named = {} if label is None else {"label": label}
    typed = {} if type is None else {"type": type}
    return Node(name or f"input {label}", "InputNode", {**named, **typed, **config})


def reads(sandbox: Sandbox) -> list[str]:
    """Requests for a definition."""
    return [
        request.path
        for request in sandbox.requests
        if request.method == "GET" and "/runs" not in request.path
    ]


def test_four_mistakes_are_told_at_once(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    inputs = [
        QUESTION,
        input_node("Count", type="int"),
        input_node("Tags", type="list", default=[]),
        input_node("Mood"),
    ]
    result = noxcli(
        "run",
        workflow := plays(nodes=inputs),
        "User Qestion=hi",
        "Count=many",
        "Tags:={}",
        "--json",
    )
    error = result.json["error"]
    assert (result.code, error["phase"], result.json["retry_safe"]) == (2, "preflight", True)
    assert error["message"] == (
        "4 mistakes in the inputs: unknown input 'User Qestion', did you mean 'User Question'?; "
        "'Count' takes an int (Count:=3); 'Tags' takes a list (Tags:=JSON); "
        "the required input 'Mood' is missing"
    )
    assert error["hint"] == f"see: noxcli inputs {workflow}"
    assert len(result.err.splitlines()) == 1
    assert posts(sandbox) == []


def test_a_point_that_may_part_thousands_is_no_int(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    told = noxcli("run", plays(nodes=[input_node("Count", type="int")]), "Count=1.000")
    assert (told.code, "'Count' takes an int (Count:=3)" in told.err) == (2, True), told.err
    assert posts(sandbox) == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_label_id_and_node_input_all_pass(noxcli: Noxcli, plays: Any, version: str) -> None:
    workflow = plays(
        nodes=[QUESTION], output=lambda values: {"A": values["User Question"]}, flow_version=version
    )
    node_id = json.loads(noxcli("inputs", workflow, "--json").out)["properties"]["User Question"][
        "description"
    ][-36:]
    for key in ("User Question", node_id, f"{node_id}::input"):
        assert noxcli("run", workflow, f"{key}=hi").out == b"hi\n"
    twice = noxcli("run", workflow, "User Question=a", f"{node_id}=b")
    assert (twice.code, "are the same input" in twice.err) == (2, True)
    wrong = noxcli("run", workflow, f"{node_id}::inptu=b")
    assert (wrong.code, f"did you mean '{node_id}::input'?" in wrong.err) == (2, True)


def test_without_a_near_name_all_names_are_told(noxcli: Noxcli, plays: Any) -> None:
    assert (
        "takes 'User Question'"
        in noxcli("run", plays(nodes=[QUESTION]), "User Question=x", "zzz=1").err
    )
    assert "takes none" in noxcli("run", plays(output={"A": "x"}), "zzz=1").err


def test_no_check_leaves_it_all_to_the_server(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(nodes=[QUESTION], output={"A": "x"}, switches={"missing_input": "accept"})
    result = noxcli("run", workflow, "zzz=1", "--no-check", "--quiet")
    assert (result.code, reads(sandbox)) == (0, [])
    assert sandbox.runs(workflow)[0].input == {"zzz": "1"}


@pytest.mark.parametrize(
    ("type", "item", "sent"),
    [
        ("int", "k=3", 3),
        ("int", "k=-12345678901234567890123", -12345678901234567890123),
        ("Integer", "k= 3 ", 3),
        ("float", "k=1.10", 1.1),
        ("number", "k=2", 2),
        ("bool", "k=true", True),
        ("bool", "k=False", False),
        ("dict", 'k={"a": [1]}', {"a": [1]}),
        ("list", "k=[1, 2]", [1, 2]),
    ],
)
def test_text_that_is_of_the_type_is_sent_as_such(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, type: str, item: str, sent: Any
) -> None:
    workflow = plays(nodes=[node("k", type)], output={"A": "x"})
    result = noxcli("run", workflow, item)
    assert (
        result.code,
        f"its text is sent as k:={json.dumps(sent, separators=(',', ':'))}" in result.err,
    ) == (0, True)
    value = sandbox.runs(workflow)[0].input["k"]
    assert (value, type_of(value)) == (sent, type_of(sent))


def type_of(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize(
    ("type", "item"),
    [
        ("str", "k=3"),
        ("int", "k:=3"),
        ("int", "k:=3.0"),
        ("float", "k:=3"),
        ("bool", "k:=false"),
        ("dict", "k:={}"),
        ("list", "k:=[]"),
        ("File", 'k:={"uri": "https://example.com/a.pdf", "name": "a.pdf"}'),
        ("Any", "k:=3"),
        (None, "k:={}"),
        ("str", "k:=null"),
    ],
)
def test_what_fits_is_sent_without_a_word(
    noxcli: Noxcli, plays: Any, type: str | None, item: str
) -> None:
    result = noxcli("run", plays(nodes=[node("k", type)], output={"A": "x"}), item, "--detach")
    assert (result.code, len(result.err.splitlines())) == (0, 2), result.err


@pytest.mark.parametrize(
    ("type", "item", "told"),
    [
        ("str", "k:=3", "'k' takes text (k=TEXT)"),
        ("int", "k=three", "'k' takes an int (k:=3)"),
        ("int", "k=1.5", "takes an int"),
        ("int", "k=", "takes an int"),
        ("int", 'k:="3"', "takes an int"),
        ("int", "k:=true", "takes an int"),
        ("int", "k:=3.5", "takes an int"),
        ("float", "k=NaN", "a number"),
        ("bool", "k:=1", "'k' takes true or false (k:=true)"),
        ("dict", "k:=[]", "'k' takes an object (k:=JSON)"),
        ("list", "k=a,b", "'k' takes a list"),
        ("File", "k=a.pdf", "'k' takes a file (k@FILE)"),
        ("Image", "k:={}", "'k' takes a file (k@FILE)"),
    ],
)
def test_a_mismatch_is_told_with_its_fix(
    noxcli: Noxcli, plays: Any, type: str, item: str, told: str
) -> None:
    result = noxcli("run", plays(nodes=[node("k", type)]), item)
    assert (result.code, told in result.err) == (2, True), result.err


def test_a_list_of_anything_takes_a_list(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[node("k", "str", is_list=True)], output={"A": "x"})
    assert noxcli("run", workflow, 'k:=["a"]').code == 0
    assert noxcli("run", workflow, "k=a").code == 2


def test_a_label_of_two_inputs_asks_for_ids(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[node("k", name="one"), node("k", name="two")], output={"A": "x"})
    error = noxcli("run", workflow, "k=v", "--json").json["error"]["message"]
    assert error.startswith("2 inputs are labeled 'k', use their ids: ")
    ids = error.rpartition(": ")[2].split(", ")
    missing = noxcli("run", workflow, f"{ids[0]}=1").err
    assert f"the required input '{ids[1]}' is missing" in missing
    assert noxcli("run", workflow, *(f"{node_id}=1" for node_id in ids), "--detach").code in {0, 2}


def test_inputs_without_labels_go_by_id_or_by_number(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(
        nodes=[node(None, name="bare")], output={"A": "x"}, switches={"missing_input": "accept"}
    )
    error = noxcli("run", workflow, "--json").json["error"]["message"]
    node_id = error.split("'")[1]
    assert noxcli("run", workflow, f"{node_id}=x").code == 0
    numbered = noxcli("run", workflow, "Input 1=x")
    assert (numbered.code, "warning: 'Input 1' is not checked" in numbered.err) == (0, True)


@pytest.mark.parametrize("key", ["input", "body", "Input 7", "anything"])
def test_any_key_may_mean_an_input_without_a_label(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, key: str
) -> None:
    nodes = [node(None, name="bare"), QUESTION]
    workflow = plays(
        nodes=nodes,
        output={"A": "x"},
        switches={"missing_input": "accept", "unknown_input": "accept"},
    )
    result = noxcli("run", workflow, f"{key}=x", "User Question=y")
    assert (result.code, f"warning: {key!r} is not checked, since" in result.err) == (0, True), (
        result.err
    )
    assert sandbox.runs(workflow)[0].input == {key: "x", "User Question": "y"}
    alone = noxcli("run", workflow, f"{key}=x").err
    assert alone.startswith("noxcli: the required input 'User Question' is missing")
    near = noxcli("run", workflow, "User Question=x", "User Qestion=y").err
    assert "warning: 'User Qestion' is not checked, since" in near
    assert "did you mean 'User Question'?" in near


def test_an_unlabelled_input_may_be_missing(noxcli: Noxcli, plays: Any) -> None:
    nodes = [node(None, name="bare"), node("k", name="one"), node("k", name="two")]
    for item in ([], ["k=x"]):
        assert " is missing" in noxcli("run", plays(nodes=nodes), *item).err


# An empty text.


@pytest.mark.parametrize("type", ["str", "Any", None])
@pytest.mark.parametrize("item", ["k=", 'k:=""', "k=@empty.txt"])
def test_an_empty_text_for_a_required_input_is_missing(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, type: str | None, item: str
) -> None:
    Path("empty.txt").touch()
    workflow = plays(
        nodes=[node("k", type)], output={"A": "x"}, switches={"missing_input": "accept"}
    )
    result = noxcli("run", workflow, item, "--json")
    assert (result.code, result.json["retry_safe"]) == (2, True)
    assert result.json["error"]["message"] == "the required input 'k' is missing: its text is empty"
    assert not posts(sandbox)
    assert noxcli("run", workflow, item, "--no-check").code == 0
    assert sandbox.runs(workflow)[0].input == {"k": ""}


def test_an_empty_text_replaces_the_workflows_value(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(
        nodes=[node("k", value="dry"), fixed_input("P", "fixed"), QUESTION], output={"A": "x"}
    )
    assert noxcli("run", workflow, "k=", "P=", "User Question= ").code == 0
    assert sandbox.runs(workflow)[0].input == {"k": "", "P": "", "User Question": " "}


def test_a_batch_names_the_rows_whose_text_is_empty(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[QUESTION, node("k", value="dry")], output={"A": "x"})
    Path("rows.jsonl").write_text('{"User Question": ""}\n{"User Question": "x", "k": ""}\n')
    Path("rows.csv").write_text("User Question,k\n,y\nx,\n")
    for rows, told in (("rows.jsonl", "is missing: its text is empty"), ("rows.csv", "is missing")):
        result = noxcli("batch", workflow, rows)
        assert result.code == 2
        assert (
            f"(line {1 if rows == 'rows.jsonl' else 2}): the required input 'User Question' {told}"
            in result.err
        )
        assert "1 of 2 rows is wrong" in result.err
    assert not posts(sandbox)


def definition(nodes: Any) -> dict[str, Any]:
    return {"id": "w", "name": "w", "definition": {"flow_version": "v2", "nodes": nodes}}


def test_nodes_inside_a_scope_are_no_inputs(noxcli: Noxcli, plays: Any) -> None:
    config = {"node_config": {"label": "inner"}}
    inner = {"id": "a", "type": "InputNodeV2", "parent_id": "loop", **config}
    nodes = [
        inner,
        {"id": "b", "type": "FileInputNode", "node_config": {"label": "doc"}},
        {"id": "c", "type": "OutputNodeV2", **config},
        {"id": 1},
    ]
    result = noxcli("run", plays(faults={"workflow": [Answer(200, definition(nodes))]}), "inner=x")
    assert (
        "unknown input 'inner', the workflow takes 'doc'; the required input 'doc' is missing"
        in result.err
    )


@pytest.mark.parametrize(
    "fault",
    [
        Answer(403, {"detail": "no"}),
        Answer(500, {"detail": "no"}),
        Answer(200, {"id": "w"}),
        Answer(200, definition("odd")),
        Answer(200, definition([1])),
        Answer(200, []),
        Drop(),
        Hold(30_000),
    ],
    ids=repr,
)
def test_an_unreadable_definition_is_a_warning(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr("noxcli.cli.start.MAX_READ", 1.0)
    workflow = plays(output={"A": "x"}, faults={"workflow": [fault, Answer(500, repeat=True)]})
    result = noxcli("run", workflow, "zzz=1")
    assert (result.code, result.out) == (0, b"x\n"), result.err
    assert re.search("^warning: ", result.err, re.MULTILINE)
    paths = [request.path for request in sandbox.requests]
    asked = [place for place, path in enumerate(paths) if path == f"/v1/workflows/{workflow}"]
    assert 0 < len(asked) <= paths.index(f"/v1/workflows/{workflow}/runs"), (
        "the live view must not ask again"
    )


@pytest.mark.parametrize(("status", "code"), [(401, 4), (404, 5)])
def test_a_refused_key_and_an_unknown_workflow_end_it(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, status: int, code: int
) -> None:
    result = noxcli("run", plays(faults={"workflow": [Answer(status, {"detail": "no"})]}), "--json")
    assert (result.code, result.json["retry_safe"], posts(sandbox)) == (code, True, [])


NO_JSON = Answer(200, "x", headers={"Content-Type": "text/plain"})


@pytest.mark.parametrize(
    "fault", [RATE_LIMITED, Answer(502, "<p>"), Answer(500, {}), NO_JSON, Drop()], ids=repr
)
@pytest.mark.parametrize("verb", ["run", "batch"])
def test_a_failure_that_passes_leaves_no_input_unchecked(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, fault: Any, verb: str
) -> None:
    workflow = plays(nodes=[QUESTION], faults={"workflow": [fault]})
    result = noxcli(verb, workflow, "zzz=1" if verb == "run" else write_rows({"zzz": "1"}))
    assert (result.code, "retrying for" in result.err, posts(sandbox)) == (2, True, [])


def test_no_row_is_spent_on_a_gateway_without_a_server(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[QUESTION], faults={"workflow": [Answer(502, "<p>", repeat=True)]})
    result = noxcli("run", workflow, "User Question=x", "--json")
    assert (result.code, result.json["retry_safe"], posts(sandbox)) == (75, True, [])


def test_the_definition_is_read_once_and_names_the_nodes(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[QUESTION], output={"A": "x"})
    result = noxcli("run", workflow, "User Question=x", "--json")
    assert [each["name"] for each in result.json["nodes"]] == ["User Question", "A"]
    assert reads(sandbox) == [f"/v1/workflows/{workflow}"]


def test_by_name_the_list_has_it_all(noxcli: Noxcli, sandbox: Sandbox) -> None:
    assert noxcli("run", "qa", "Question=x").code == 0
    assert noxcli("run", "qa", "zzz=x", "Question=x", "--no-check").code == 0
    assert {path.partition("?")[0] for path in reads(sandbox)} == {"/v1/workflows"}


def test_a_saved_version_is_checked_by_its_own_definition(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[QUESTION], output={"A": "x"}, versions=[Version("one")])
    old = {
        "id": "v",
        "definition": {
            "nodes": [{"id": "n", "type": "InputNode", "node_config": {"label": "Old"}}]
        },
    }
    plays(nodes=[QUESTION], versions=[Version("one")], faults={"workflow": [Answer(200, [old])]})
    result = noxcli("run", workflow, "User Question=x", "--version-id", "v")
    assert (
        result.code,
        "unknown input 'User Question', the workflow takes 'Old'" in result.err,
    ) == (2, True)
    assert [path.partition("?")[0] for path in reads(sandbox)] == [
        f"/v1/workflows/{workflow}/versions"
    ]


# --dry-run.


def test_a_dry_run_prints_the_request_and_sends_nothing(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[input_node("n", type="int")])
    argv = ["run", workflow, "n=3", "--callback-url", "https://x.example", "--dry-run"]
    result = noxcli(*argv)
    body = {"input": {"n": 3}, "callback_url": "https://x.example"}
    assert (result.code, result.json) == (0, body)
    document = noxcli(*argv, "--json").json
    assert document["request"] == {
        "method": "POST",
        "path": f"/v1/workflows/{workflow}/runs",
        "body": body,
    }
    assert (document["ok"], document["run"], document["retry_safe"]) == (True, None, True)
    assert noxcli(*argv, "--format", "ndjson").lines[-1]["data"]["request"]["body"] == body
    assert posts(sandbox) == []
