"""`--query`: part of any document, by JMESPath, for machines without jq."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.errors import UsageProblem
from noxcli.expressions.query import Query
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import node_fails, node_runs
from tests.conftest import Noxcli


def test_a_text_is_printed_raw_and_anything_else_as_json(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": 'two\n"lines"', "B": [1, {"c": None}]})
    assert noxcli("run", workflow, "--query", "output.A").out == b'two\n"lines"\n'
    assert noxcli("run", workflow, "--json", "--query", "output.B").out == b'[1,{"c":null}]\n'
    assert (
        noxcli("run", workflow, "--query", "[run.status, to_string(exit_code)] | join(' ', @)").out
        == b"completed 0\n"
    )


def test_a_failed_run_keeps_its_code(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=node_fails("Write", "no ink"), status="failed")
    result = noxcli("run", workflow, "--query", "nodes[?status=='failed'].error | [0]")
    assert (result.code, result.out) == (1, b"no ink\n")


def test_a_query_asks_each_line_and_stores_whole_results(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    workflow = plays(nodes=[input_node("Q")], output=lambda inputs: {"A": inputs["Q"].upper()})
    rows, kept = tmp_path / "rows.jsonl", tmp_path / "out"
    rows.write_text('{"$id": "a", "Q": "one"}\n{"Q": "two"}\n')
    argv = ("batch", workflow, str(rows), "--output-dir", str(kept), "--max-parallel", "1")
    refused = noxcli(*argv, "--query", "id[")
    assert (refused.code, refused.out, sandbox.runs(workflow)) == (2, b"", [])
    done = noxcli(*argv, "--query", "[row, id, result.output.A]")
    assert (done.code, done.text) == (0, '[1,"a","ONE"]\n[2,null,"TWO"]\n'), done.err
    results = [
        json.loads(line)["result"]["output"]["A"]
        for line in (kept / "results.jsonl").read_text().splitlines()
    ]
    assert results == ["ONE", "TWO"]
    assert noxcli("results", str(kept), "--query", "id").text == "a\n", "null prints nothing"
    assert noxcli("results", str(kept), "--query", "starts_with(id, 'a')").text == "true\n", (
        "nor what does not fit"
    )


@pytest.mark.parametrize(
    ("argv", "expression", "found"),
    [
        (["workflows"], "workflows[?name=='demo'].name | [0]", "demo\n"),
        (["versions", "demo"], "versions[0].name", "current\n"),
        (["inputs", "demo"], "title", "demo\n"),
        (["doctor"], "ok", "true\n"),
        (["schema"], "length(schemas) > `5`", "true\n"),
        (["runs"], "schema", "noxcli.runs/1\n"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_document_can_be_asked(
    noxcli: Noxcli, argv: list[str], expression: str, found: str
) -> None:
    if argv[0] == "versions":
        found = f"{noxcli(*argv, '--json').json['versions'][0]['name']}\n"
    result = noxcli(*argv, "--query", expression)
    assert result.text == found


def test_runs_that_are_waited_for_or_stopped_can_be_asked(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "x"})
    runs = [noxcli.start(workflow) for _ in range(2)]
    assert noxcli("wait", *runs, "--query", "results[].run.id").json == runs
    assert noxcli("wait", runs[0], "--query", "output.A").text == "x\n"
    assert noxcli("stop", runs[0], "--query", "run.status").text == "completed\n"
    assert noxcli("fetch-output", runs[0], "--query", "complete").text == "true\n"


def test_each_event_is_asked_and_null_prints_nothing(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=node_runs("Write", ["Hel", "lo"]), output={"A": "Hello"})
    events = noxcli("run", workflow, "--format", "ndjson", "--query", "data.content")
    assert events.text == "Hel\nlo\n"
    lengths = noxcli("run", workflow, "--format", "ndjson", "--query", "length(data.content)")
    assert lengths.text == "3\n2\n"  # it fits no other event
    assert (
        noxcli("run", workflow, "--format", "ndjson", "--query", "type").text.splitlines()[-1]
        == "noxcli.result"
    )


@pytest.mark.parametrize(
    "expression",
    ["output.", "output[", "nope(@)", "length(@, @)", "length()", "", "(" * 5000, "a b"],
    ids=lambda text: text[:12],
)
def test_a_bad_expression_is_refused_before_anything_starts(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, expression: str
) -> None:
    workflow = plays(output={"A": "x"})
    result = noxcli("run", workflow, "--query", expression)
    assert result.code == 2
    assert "is not a valid JMESPath expression: " in result.err
    assert result.err.count("\n") == 1
    assert result.json["error"]["phase"] == "usage"
    assert sandbox.runs(workflow) == []


def test_an_expression_that_does_not_fit_the_document_is_told(noxcli: Noxcli, plays: Any) -> None:
    result = noxcli("run", plays(output={"A": "x"}), "--query", "length(exit_code)", "--quiet")
    assert (result.code, result.out) == (9, b"")
    assert result.err.startswith("noxcli: the expression 'length(exit_code)' can't be applied: ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("other", [["--raw", "A"], ["--format", "content"]])
def test_what_prints_no_document_has_none_to_ask(noxcli: Noxcli, other: list[str]) -> None:
    result = noxcli("run", "demo", "User Input=x", "--query", "ok", *other)
    assert (result.code, "--query" in result.err) == (2, True)


@given(st.text(alphabet="ab.[]{}()'`\"&|!=<>*?,:@0-1\\ \n", max_size=30))
def test_any_expression_is_taken_or_refused(text: str) -> None:
    problem = ""
    try:
        Query(text, "--query")
    except UsageProblem as error:
        problem = error.line()
    assert "\n" not in problem


def test_a_key_that_is_no_output_is_refused_or_told(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(output={"Answer": None, "List": []})
    for option in ("--query", "--assert"):
        refused = noxcli("run", workflow, option, "output.Anwser")
        assert (
            refused.code,
            "did you mean 'Answer'?" in refused.err,
            len(sandbox.runs(workflow)),
        ) == (2, True, 0)
    told = noxcli("run", workflow, "--no-check", "--query", "output.Anwser")
    assert (told.code, told.out) == (9, b"null\n")
    assert f"noxcli fetch-output {sandbox.runs(workflow)[0].id} --raw Answer" in told.err
    assert (
        noxcli("fetch-output", "@last", "--query", "length(output.Anwser || output.List)").code == 9
    )


@pytest.mark.parametrize(
    ("expression", "found"), [("output.Answer", b"null\n"), ("output.List", b"[]\n")]
)
def test_nothing_in_an_output_is_a_result(
    noxcli: Noxcli, plays: Any, expression: str, found: bytes
) -> None:
    workflow = plays(output={"Answer": None, "List": []})
    result = noxcli("run", workflow, "--query", expression)
    assert (result.code, result.out) == (0, found), result.err
