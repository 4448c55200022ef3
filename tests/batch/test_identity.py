"""What makes a batch the same one, and a row the same one: what it asks, wherever it is in the table."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noxcli.batchdir.header import BatchHeader, differences
from noxcli.sandbox.faults import RATE_LIMITED, Answer, Fault, Hold, LostAnswer
from noxcli.sandbox.scenario import Scenario, Version, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step
from tests.conftest import Noxcli, Result, write_rows
from tests.faults.gateway import NGINX_502, Forward, Gateway
from tests.rawserver import Request

BASE, NEW = (f"{digit * 8}-2222-4333-8444-555555555555" for digit in "ab")


@pytest.fixture
def workflow(plays: Any) -> str:
    """It answers with its inputs; the text `bad` fails."""

    def script(inputs: dict[str, Any]) -> list[Step]:
        return [State("failed")] if inputs.get("Q") == "bad" else []

    nodes = [input_node("Q"), input_node("R", default="x"), input_node("Prompt", default="y")]
    return str(plays(nodes=nodes, script=script, output=lambda inputs: {"A": inputs}))


def numbers(result: Result) -> list[int]:
    return sorted(line["row"] for line in result.lines)


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        (("Prompt=A",), ("Prompt=B",), """began with 'Prompt' "A", and this is "B\""""),
        (("Prompt=A",), (), """began with 'Prompt' "A", and this is not given"""),
        ((), ("Prompt=B",), """began with 'Prompt' not given, and this is "B\""""),
        (("Prompt=A",), ("Prompt:=1",), """began with 'Prompt' "A", and this is 1"""),
        (("--secret", "Prompt=S"), (), """began with secrets ["Prompt"], and this is []"""),
    ],
)
def test_a_difference_is_named_with_both_values(
    noxcli: Noxcli,
    sandbox: Sandbox,
    workflow: str,
    then: tuple[str, ...],
    now: tuple[str, ...],
    said: str,
) -> None:
    noxcli.environ["S"] = "a-very-secret-word"
    file = write_rows({"Q": "a", "R": '"x"'}, {"Q": "b"})
    noxcli("batch", workflow, file, *then, "--max-failures", "1")
    result = noxcli("batch", workflow, file, *now, "--resume")
    assert (result.code, result.out, len(sandbox.runs(workflow))) == (2, b"", 2)
    assert said in result.err
    assert "start over with --fresh, or choose another --output-dir" in result.err
    assert len(result.err.splitlines()) == 1
    assert "a-very-secret-word" not in Path("rows.jsonl.batch/batch.jsonl").read_text() + result.err
    assert noxcli("batch", workflow, file, *then, "--resume").code == 0


def test_a_batch_does_not_continue_on_another_server(noxcli: Noxcli, sandbox: Sandbox) -> None:
    scenario, file = Scenario("on two servers", nodes=[input_node("Q")]), write_rows("a", "b")
    workflow = sandbox.add(scenario)
    noxcli("batch", workflow, file, "--limit", "1")
    with Sandbox([scenario], speed=1000) as other:
        environ = {"NOXUS_BACKEND_URL": other.url}
        result = noxcli("batch", workflow, file, "--resume", environ=environ)
        assert (result.code, result.out, other.runs(workflow)) == (2, b"", [])
        assert f"is for server {sandbox.url}, and this is {other.url}" in result.err


def test_long_values_differ_though_their_beginnings_are_equal(
    noxcli: Noxcli, workflow: str
) -> None:
    file = write_rows({"Q": "a"})
    noxcli("batch", workflow, file, f"Prompt={'x' * 500}1")
    result = noxcli("batch", workflow, file, f"Prompt={'x' * 500}2", "--resume")
    assert (result.code, len(result.err) < 500) == (2, True)


def test_another_version_is_a_difference(noxcli: Noxcli, workflow: str) -> None:
    file = write_rows({"Q": "a"})
    noxcli("batch", workflow, file)
    version = "11111111-2222-4333-8444-555555555555"
    result = noxcli("batch", workflow, file, "--version-id", version, "--no-check", "--resume")
    assert (
        result.code,
        f"began with version the current one, and this is {version}" in result.err,
    ) == (2, True)


def test_saved_versions_differ_though_definitions_are_equal() -> None:
    then = BatchHeader("w", "v1", "h", "s", "1/1", {}, [], None, definition="d")
    assert [each.what for each in differences(then, replace(then, version_id="v2"))] == ["version"]
    assert not [*differences(then, replace(then, version_id=None))], "the current one was saved"


def test_a_shared_file_is_known_by_its_content(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q"), input_node("doc", type="file")])
    file = write_rows({"Q": "a"})
    Path("one.txt").write_text("text")
    batch = ("batch", workflow, file)
    assert noxcli(*batch, "doc@one.txt").code == 0
    Path("one.txt").rename("two.txt")
    assert noxcli(*batch, "doc@two.txt", "--resume").code == 0
    Path("two.txt").write_text("TEXT")
    result = noxcli(*batch, "doc@two.txt", "--resume")
    assert (result.code, "began with 'doc'" in result.err) == (2, True), result.err


def test_columns_may_be_in_another_order(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    Path("rows.csv").write_text("Q,R\na,b\n")
    noxcli("batch", workflow, "rows.csv")
    Path("rows.csv").write_text("R,Q\nb,a\nd,c\n")
    result = noxcli("batch", workflow, "rows.csv", "--resume")
    assert (result.code, numbers(result), len(sandbox.runs(workflow))) == (0, [2], 2)


@pytest.mark.parametrize("ids", [False, True])
def test_a_renamed_column_is_told_with_what_it_costs(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, *, ids: bool
) -> None:
    workflow = plays(nodes=[input_node(name, default="x") for name in ("Q", "R", "Prompt")])
    rows = [f"{number},{number}" if ids else f"x,{number}" for number in range(4)]
    first = "$id" if ids else "Prompt"
    Path("rows.csv").write_text("\n".join([f"{first},Q", *rows]) + "\n")
    batch = ("batch", workflow, "rows.csv")
    assert noxcli(*batch).code == 0
    Path("rows.csv").write_text("\n".join([f"{first},R", *rows]) + "\n")
    result = noxcli(*batch, "--resume")
    assert (result.code, len(sandbox.runs(workflow))) == (2, 4), result.err
    if ids:
        assert "4 rows of rows.csv had another input when they ran: '0', '1'" in result.err
    else:
        said = "rows.csv lacks 4 of the 4 rows that finished, and has 4 other rows"
        assert f"{said} (columns 'Q' then, 'R' now)" in result.err
    assert "--again edited" in result.err
    again = noxcli(*batch, "--again", "edited")
    assert (again.code, len(sandbox.runs(workflow))) == (0, 8), again.err


def test_a_text_and_its_value_are_one_row(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    """As a spreadsheet writes them again: what is sent is what counts."""
    workflow = plays(nodes=[input_node("n", type="number")])
    Path("rows.csv").write_text("n\n1.0\n2.50\n")
    assert noxcli("batch", workflow, "rows.csv").code == 0
    Path("rows.csv").write_text("n\n2.5\n1\n")
    again = noxcli("batch", workflow, "rows.csv", "--resume")
    assert (again.code, again.out, len(sandbox.runs(workflow))) == (0, b"", 2), again.err


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("first", [(), ("--no-check",)])
def test_rows_stay_the_same_whether_they_are_checked(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, *, first: tuple[str, ...], ids: bool
) -> None:
    workflow = plays(nodes=[input_node("n", type="number", default=1)])
    lines = [f"id {n},{n}.0" if ids else f",{n}.0" for n in (1, 2, 3)]
    Path("rows.csv").write_text("\n".join(["$id,n", *lines]) + "\n")
    assert noxcli("batch", workflow, "rows.csv", *first).code == 0
    for options in ((), ("--no-check",), ()):
        again = noxcli("batch", workflow, "rows.csv", "--resume", *options)
        assert (again.code, again.out, len(sandbox.runs(workflow))) == (0, b"", 3), again.err


@pytest.mark.parametrize("ids", [False, True])
def test_rows_are_known_wherever_they_are(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, *, ids: bool
) -> None:
    def table(*texts: str) -> None:
        rows = [{"$id": f"id {text}", "Q": text} if ids else {"Q": text} for text in texts]
        write_rows(*rows)

    def answers() -> list[tuple[int, str]]:
        lines = noxcli("results", "rows.jsonl.batch").lines
        return [(line["row"], line["result"]["output"]["A"]["Q"]) for line in lines]

    batch = ("batch", workflow, "rows.jsonl", "--resume")
    table(*"abcd")
    assert noxcli(*batch).code == 0
    table(*"dcba")
    assert (noxcli(*batch).out, answers()) == (b"", [*enumerate("dcba", 1)]), "sorted"
    table(*"da")
    shorter = noxcli(*batch)
    assert (shorter.code, answers()) == (0, [(1, "d"), (2, "a")]), shorter.err
    assert "2 finished rows no longer in rows.jsonl: kept, and left out of results" in shorter.err
    everything = noxcli("results", "rows.jsonl.batch", "--all")
    assert [line["result"]["output"]["A"]["Q"] for line in everything.lines] == [*"dacb"]
    table(*"daxcyb")
    longer = noxcli(*batch)
    assert (longer.code, numbers(longer)) == (0, [3, 5]), "in the middle"
    assert answers() == [*enumerate("daxcyb", 1)]
    assert sorted(run.input["Q"] for run in sandbox.runs(workflow)) == [*"abcdxy"]
    stored = Path("rows.jsonl.batch/results.jsonl").read_text().splitlines()
    kept = {line["row"]: line["input"]["Q"] for line in map(json.loads, stored)}
    assert kept == dict(enumerate("daxcyb", 1)), "each once, with its place now"


def test_of_equal_rows_each_has_its_own_result(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    turns = iter(range(100))
    workflow = plays(nodes=[input_node("Q")], output=lambda _: {"A": next(turns)})
    batch = ("batch", workflow, write_rows(*"aab"), "--max-parallel", "1")
    assert noxcli(*batch).code == 0
    write_rows(*"baaa")
    assert (noxcli(*batch, "--resume").code, len(sandbox.runs(workflow))) == (0, 4)
    lines = noxcli("results", "rows.jsonl.batch").lines
    found = [line["result"]["output"]["A"] for line in lines]
    assert (found[:3], found[3] in found[:3]) == ([2, 0, 1], False)


@pytest.mark.parametrize("gains", [False, True])
def test_a_table_may_gain_or_lose_its_ids(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, *, gains: bool
) -> None:
    plain = [{"Q": text} for text in "aab"]
    named = [{"$id": str(number), **row} for number, row in enumerate(plain)]
    before, after = (plain, named) if gains else (named, plain)
    batch = ("batch", workflow, "rows.jsonl", "--resume")
    write_rows(*before)
    assert noxcli(*batch).code == 0
    write_rows(*reversed(after))
    for _ in range(2):
        again = noxcli(*batch)
        assert (again.code, again.out, len(sandbox.runs(workflow))) == (0, b"", 3), again.err
    lines = noxcli("results", "rows.jsonl.batch").lines
    assert [line["id"] for line in lines] == (["2", "1", "0"] if gains else [None] * 3)
    if gains:  # from now on, the id says which row it is
        write_rows({"$id": "1", "Q": "x"}, named[0], named[2])
        refused = noxcli(*batch)
        assert (refused.code, "had another input when it ran: '1'" in refused.err) == (2, True)


def test_other_rows_in_place_of_most_are_refused(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    batch = ("batch", workflow, write_rows(*"abcd"))
    assert noxcli(*batch).code == 0
    before = Path("rows.jsonl.batch/batch.jsonl").read_bytes()
    write_rows(*"axyz")
    refused = noxcli(*batch, "--resume")
    assert (refused.code, len(sandbox.runs(workflow))) == (2, 4)
    assert (
        "rows.jsonl lacks 3 of the 4 rows that finished, and has 3 other rows; restore it, run the "
        "other rows with --again edited, or start over with --fresh" in refused.err
    )
    assert Path("rows.jsonl.batch/batch.jsonl").read_bytes() == before
    write_rows(*"abyz")
    assert (noxcli(*batch, "--resume").code, len(sandbox.runs(workflow))) == (0, 6), "half of them"
    write_rows(*"1234")
    assert noxcli(*batch, "--resume").code == 2
    assert (noxcli(*batch, "--again", "edited").code, len(sandbox.runs(workflow))) == (0, 10)


def test_rows_that_are_gone_never_start(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    batch = ("batch", workflow, write_rows("a", "c", "bad", "b"), "--max-parallel", "1")
    assert noxcli(*batch, "--max-failures", "1").code == 1
    write_rows("b", "a", "c")
    rest = noxcli(*batch, "--again", "failed")
    assert (rest.code, [line["row"] for line in rest.lines]) == (0, [1]), rest.err
    assert sorted(run.input["Q"] for run in sandbox.runs(workflow)) == ["a", "b", "bad", "c"]
    assert [line["row"] for line in noxcli("results", "rows.jsonl.batch").lines] == [1, 2, 3]


def test_the_run_of_a_row_that_is_gone_is_followed(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], script=lambda _: [Sleep(2000)], output={"A": "x"})
    batch = ("batch", workflow, write_rows("a", "b"))
    assert noxcli(*batch, "--timeout", "1s").code == 124
    write_rows("b")
    rest = noxcli(*batch, "--resume")
    assert (rest.code, [line["row"] for line in rest.lines]) == (0, [1]), rest.err
    assert len(sandbox.runs(workflow)) == 2
    everything = noxcli("results", "rows.jsonl.batch", "--all")
    assert [line["input"]["Q"] for line in everything.lines] == ["b", "a"]
    assert everything.code == 0


def test_a_doubtful_row_that_is_gone_is_named(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], faults={"start": [LostAnswer()]})
    batch = ("batch", workflow, write_rows("a"))
    assert noxcli(*batch).code == 7
    (lost,) = (run.id for run in sandbox.runs(workflow) if run.input["Q"] == "a")
    write_rows("b")
    rest = noxcli(*batch, "--resume")
    assert (rest.code, f"no longer has is in doubt: candidates: {lost}" in rest.err) == (0, True), (
        rest.err
    )
    assert [run.input["Q"] for run in sandbox.runs(workflow)].count("a") == 1


# Documents.


@pytest.fixture
def documents(plays: Any) -> str:
    nodes = [input_node("Q", default="q"), input_node("doc", type="file")]
    return str(plays(nodes=nodes, output={"A": "x"}))


@pytest.mark.parametrize("ids", [False, True])
def test_an_edited_document_is_an_edited_row(
    noxcli: Noxcli, sandbox: Sandbox, documents: str, *, ids: bool
) -> None:
    for name in "abc":
        Path(f"{name}.txt").write_text(name)
    rows = [{"doc": f"{name}.txt", **({"$id": name} if ids else {})} for name in "abc"]
    batch = ("batch", documents, write_rows(*rows), "--column", "doc@")
    assert noxcli(*batch).code == 0
    status = Path("b.txt").stat()
    Path("b.txt").write_text("B")
    os.utime("b.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    result = noxcli(*batch, "--resume")
    if ids:
        assert (result.code, "when it ran: 'b'" in result.err) == (2, True), result.err
        result = noxcli(*batch, "--again", "edited")
    assert (result.code, [line["row"] for line in result.lines]) == (0, [2]), result.err
    assert len(sandbox.runs(documents)) == 4
    assert [line["row"] for line in noxcli("results", "rows.jsonl.batch").lines] == [1, 2, 3]


def test_a_document_may_be_in_another_place(
    noxcli: Noxcli, sandbox: Sandbox, documents: str
) -> None:
    Path("a.txt").write_text("a")
    batch = ("batch", documents, write_rows({"doc": "a.txt"}), "--column", "doc@", "--resume")
    assert noxcli(*batch).code == 0
    Path("a.txt").rename("b.txt")
    write_rows({"doc": "b.txt"})
    assert (noxcli(*batch).out, len(sandbox.runs(documents))) == (b"", 1)


@pytest.mark.parametrize("column", ["doc@", "Q=@"])
def test_a_document_that_changes_while_it_waits_is_not_sent(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, column: str
) -> None:
    """Even with the size and the time that it had."""
    key = column.rstrip("=@")
    kinds = {"doc": "file", "Q": "text"}

    def script(_: dict[str, Any]) -> list[Step]:
        status = Path("b.txt").stat()
        Path("b.txt").write_text("B")
        os.utime("b.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
        return []

    workflow = plays(nodes=[input_node(key, type=kinds[key])], script=script, output={"A": "x"})
    for name in "ab":
        Path(f"{name}.txt").write_text(name)
    rows = write_rows({key: "a.txt"}, {key: "b.txt"})
    batch = ("batch", workflow, rows, "--column", column, "--max-parallel", "1")
    result = noxcli(*batch)
    assert (result.code, len(sandbox.runs(workflow))) == (8, 1), result.err
    assert "edited after the table was read" in result.err
    plays(nodes=[input_node(key, type=kinds[key])], output={"A": "x"})
    rest = noxcli(*batch, "--resume")
    assert (rest.code, [line["row"] for line in rest.lines]) == (0, [2]), rest.err


def test_a_table_that_changes_while_it_runs_starts_no_other_row(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    def write(*texts: str) -> str:
        return write_rows(*(text * 50_000 for text in texts))  # more than is read ahead

    def script(_: dict[str, Any]) -> list[Step]:
        write("a", "X", "c")
        return []

    workflow = plays(nodes=[input_node("Q")], script=script, output={"A": "x"})
    batch = ("batch", workflow, write("a", "b", "c"), "--max-parallel", "1")
    result = noxcli(*batch)
    assert (result.code, [run.input["Q"][0] for run in sandbox.runs(workflow)]) == (2, ["a"])
    assert "row 2 (line 2) of rows.jsonl was edited while the batch ran" in result.err
    assert noxcli(*batch, "--resume").code == 0
    assert sorted(run.input["Q"][0] for run in sandbox.runs(workflow)) == ["X", "a", "c"]


def test_files_of_rows_stay_apart_when_rows_move(noxcli: Noxcli, workflow: str) -> None:
    batch = ("batch", workflow, write_rows("a", "b"), "--output-dir", "out", "--resume")
    assert noxcli(*batch).code == 0
    write_rows("x", "a", "b")
    assert noxcli(*batch).code == 0
    lines = noxcli("results", "out").lines
    texts = [Path(line["result"]["files"][0]["path"]).read_text() for line in lines]
    assert [json.loads(text)["Q"] for text in texts] == ["x", "a", "b"]


# The workflow's definition.


UNREADABLE = Answer(403, {"detail": "no permission"}, repeat=True)


def changed(plays: Any, prompt: str, **faults: list[Fault]) -> str:
    """The same workflow, with another prompt."""
    nodes = [input_node("Q"), input_node("Prompt", default=prompt)]
    return str(plays(nodes=nodes, output=lambda inputs: {"A": inputs["Prompt"]}, faults=faults))


def test_another_definition_is_refused_by_its_nodes(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow, file = changed(plays, "one"), write_rows("a", "b")
    noxcli("batch", workflow, file, "--limit", "1")
    assert changed(plays, "two") == workflow
    result = noxcli("batch", workflow, file, "--resume")
    assert (result.code, result.out, sandbox.runs(workflow)) == (2, b"", [])
    assert (
        "the workflow has changed since the batch in rows.jsonl.batch began: 'Prompt'" in result.err
    )
    assert "add --version-id VERSION" in result.err
    assert len(result.err.splitlines()) == 1
    changed(plays, "one")
    assert noxcli("batch", workflow, file, "--resume").code == 0


def test_a_saved_version_with_the_first_definition_continues(noxcli: Noxcli, plays: Any) -> None:
    first = [input_node("Q"), input_node("Prompt", default="one")]
    versions = [
        Version("v1", nodes=first),
        Version("v2", nodes=[input_node("Q"), input_node("Prompt", default="2")]),
    ]
    workflow, file = plays(nodes=first, versions=versions), write_rows("a", "b")
    noxcli("batch", workflow, file, "--limit", "1")
    plays(nodes=[input_node("Q"), input_node("Prompt", default="two")], versions=versions)
    assert noxcli("batch", workflow, file, "--resume").code == 2
    assert noxcli("batch", workflow, file, "--resume", "--version-id", "v2").code == 2
    assert noxcli("batch", workflow, file, "--resume", "--version-id", "v1").code == 0
    assert noxcli("batch", workflow, file, "--resume", "--version-id", "v1").code == 0


def test_an_answer_of_another_version_is_none(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    made: list[str] = []

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        for run in sandbox.runs(made[0]):
            if run.input["Q"] == inputs["Q"] == "a":
                run.body["workflow_version_id"] = BASE
            elif run.input["Q"] == inputs["Q"] == "b":
                run.body["workflow_version_id"] = None
        return {"A": "x"}

    versions = [Version("base", id=BASE), Version("new", id=NEW)]
    made.append(plays(nodes=[input_node("Q")], output=output, versions=versions))
    batch = ("batch", made[0], write_rows("a", "b", "c"), "--version-id", "new")
    said = f"its record names version {BASE}, not {NEW}"
    first = noxcli(*batch)
    assert (first.code, first.codes) == (8, {1: 8, 2: 0, 3: 0}), first.err
    again = noxcli(*batch, "--resume")
    assert (again.code, len(sandbox.runs(made[0]))) == (8, 3), "it is not asked again"
    joined = noxcli("results", "rows.jsonl.batch")
    assert (joined.code, joined.codes) == (8, {1: 8, 2: 0, 3: 0})
    for result in (first, joined):
        assert said in result.err
        assert "--fresh asks every row again" in result.err
        assert "--resume" not in result.err, "which does not mend it"


def test_without_a_check_no_definition_is_compared(noxcli: Noxcli, plays: Any) -> None:
    workflow, file = changed(plays, "one"), write_rows("a", "b")
    noxcli("batch", workflow, file, "--limit", "1")
    changed(plays, "two")
    result = noxcli("batch", workflow, file, "--resume", "--no-check")
    assert (result.code, "not compared with the one that the batch began with" in result.err) == (
        0,
        True,
    )
    assert noxcli("batch", workflow, file, "--resume").code == 2, "it is still known"


@pytest.mark.parametrize("options", [("--resume",), ("--again", "red")])
def test_a_definition_that_cannot_be_read_starts_nothing(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, options: tuple[str, ...]
) -> None:
    """Nothing converts the texts of the remaining rows then: a row of the same table would send another type."""
    workflow, file = changed(plays, "one"), write_rows("a", "b")
    noxcli("batch", workflow, file, "--limit", "1")
    before = Path("rows.jsonl.batch/batch.jsonl").read_bytes()
    changed(plays, "one", workflow=[UNREADABLE])
    result = noxcli("batch", workflow, file, *options)
    assert (result.code, result.out, sandbox.runs(workflow)) == (75, b"", [])
    assert "can't be read now, and the batch in rows.jsonl.batch began with one" in result.err
    assert Path("rows.jsonl.batch/batch.jsonl").read_bytes() == before
    changed(plays, "one")
    assert noxcli("batch", workflow, file, *options, "--assert", "ok").code == 0


def test_a_change_while_the_batch_runs_is_a_warning(noxcli: Noxcli, plays: Any) -> None:
    workflow = changed(plays, "one")

    def ends(_: dict[str, Any]) -> list[Step]:
        changed(plays, "two")
        return []

    plays(nodes=[input_node("Q"), input_node("Prompt", default="one")], script=ends)
    result = noxcli("batch", workflow, write_rows("a"))
    assert (
        result.code,
        "the workflow has changed while the batch ran ('Prompt')" in result.err,
    ) == (0, True)
    assert "each row of this call may have run with either" in result.err


def test_the_last_look_at_a_workflow_waits_as_the_first(noxcli: Noxcli, plays: Any) -> None:
    refused: dict[str, Any] = {"workflow": [RATE_LIMITED, Answer(503)]}

    def ends(_: dict[str, Any]) -> list[Step]:
        plays(nodes=[input_node("Q"), input_node("Prompt", default="two")], faults=refused)
        return []

    workflow = plays(nodes=[input_node("Q"), input_node("Prompt", default="one")], script=ends)
    result = noxcli("batch", workflow, write_rows("a"))
    changed = "the workflow has changed while the batch ran ('Prompt')"
    assert (result.code, changed in result.err) == (0, True), result.err


# Doubtful rows.


def test_a_doubtful_row_takes_no_run_of_another_version(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    versions = [Version("base", id=BASE), Version("new", id=NEW)]
    workflow = plays(
        nodes=[input_node("Q")], versions=versions, faults={"start": [Hold(0), LostAnswer()]}
    )
    file = write_rows("a", "b")
    batch = ("batch", workflow, file, "--max-parallel", "1")
    assert noxcli(*batch, "--version-id", "base", "--output-dir", "base").code == 7
    (lost,) = (run.id for run in sandbox.runs(workflow) if run.input["Q"] == "b")
    assert noxcli(*batch, "--version-id", "new", "--output-dir", "new").code == 0
    result = noxcli(*batch, "--version-id", "base", "--output-dir", "base", "--resume")
    assert (result.code, [line["result"]["run"]["id"] for line in result.lines]) == (0, [lost])
    assert len(sandbox.runs(workflow)) == 4


@pytest.mark.parametrize("unread", ["its own", "the lost one"])
def test_without_every_record_a_row_stays_in_doubt(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, unread: str
) -> None:
    """Another run with the same input would be taken for the row's own where that one could not be read."""
    hidden: set[str] = set()

    def hide(request: Request, _: Forward) -> bytes | None:
        return NGINX_502 if hidden & {*re.split("[/?]", request.target)} else None

    faults: dict[str, list[Fault]] = {"start": [Hold(0), LostAnswer()]}
    workflow = plays(nodes=[input_node("Q")], versions=[Version("base", id=BASE)], faults=faults)
    batch = ("batch", workflow, write_rows("a", "b"), "--max-parallel", "1", "--version-id", "base")
    with Gateway(sandbox.url, hide) as gateway:
        noxcli.environ["NOXUS_BACKEND_URL"] = gateway.url
        assert noxcli(*batch).code == 7
        own, lost = (run.id for run in sandbox.runs(workflow))
        noxcli("run", workflow, "Q=b", "--version-id", "base")
        hidden.add(own if unread == "its own" else lost)
        result = noxcli(*batch, "--resume")
    assert (result.code, len(sandbox.runs(workflow))) == (7, 3), result.err
    other = sandbox.runs(workflow)[2].id
    assert [run for run in (lost, other) if run in result.err] == (
        [lost, other] if unread == "its own" else [other]
    )


def test_without_an_own_run_a_row_stays_in_doubt(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")], faults={"start": [LostAnswer()]})
    file = write_rows("a")
    assert noxcli("batch", workflow, file).code == 7
    result = noxcli("batch", workflow, file, "--resume")
    assert (result.code, len(sandbox.runs(workflow))) == (7, 1)
    assert sandbox.runs(workflow)[0].id in result.err


# Shards.


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        (("Prompt=A",), ("Prompt=B",), "the input 'Prompt' differs"),
        (("--secret", "Prompt=S"), (), "the set of secrets differs"),
        (("--secret", "Prompt=S"), ("Prompt=B",), "the input 'Prompt' differs"),
        ((), ("--column", "R:="), "the set of columns differs"),
    ],
)
def test_shards_that_differ_are_not_joined(
    noxcli: Noxcli, workflow: str, one: tuple[str, ...], two: tuple[str, ...], said: str
) -> None:
    noxcli.environ["S"] = "a-very-secret-word"
    file = write_rows({"Q": "a", "R": '"x"'}, {"Q": "b", "R": '"x"'})
    noxcli("batch", workflow, file, "--shard", "1/2", "--output-dir", "s1", *one)
    noxcli("batch", workflow, file, "--shard", "2/2", "--output-dir", "s2", *two)
    result = noxcli("results", "s1", "s2")
    assert (result.code, result.out, said in result.err) == (2, b"", True), result.err


@pytest.mark.parametrize("unread", [1, 2])
def test_shards_of_which_one_read_no_definition_are_not_joined(
    noxcli: Noxcli, plays: Any, unread: int
) -> None:
    file = write_rows("d", "c", "a")  # one for each shard
    for number in (1, 2, 3):
        workflow = changed(plays, "one", workflow=[UNREADABLE] if number == unread else [])
        noxcli("batch", workflow, file, "--shard", f"{number}/3", "--output-dir", f"s{number}")
    result = noxcli("results", "s1", "s2", "s3")
    assert (result.code, result.out) == (2, b"")
    assert "are not from one batch: only one of them has the workflow's definition" in result.err


def test_a_shard_without_runs_needs_no_definition(noxcli: Noxcli, plays: Any) -> None:
    for number, prompt in enumerate(("one", "two", "one"), 1):
        workflow = changed(plays, prompt, workflow=[UNREADABLE] if number == 3 else [])
        noxcli(
            "batch",
            workflow,
            write_rows("d", "c"),  # of the first two shards
            "--shard",
            f"{number}/3",
            "--output-dir",
            f"s{number}",
        )
    assert noxcli("results", "s3", "s1").code == 8, "a shard is missing"
    assert "the definition differs" in noxcli("results", "s3", "s1", "s2").err, (
        "the first directory hides nothing"
    )


def test_one_empty_directory_hides_no_other(noxcli: Noxcli, workflow: str) -> None:
    file = write_rows({"Q": "e"}, {"Q": "a"})
    noxcli("batch", workflow, file, "--shard", "1/2", "--output-dir", "s1")
    Path("s2").mkdir()
    for _ in range(2):
        result = noxcli("results", "s2", "s1")
        assert (result.code, [line["result"]["exit_code"] for line in result.lines]) == (8, [0, 8])
        assert "no batch has begun in s2" in result.err
        Path("s2/batch.jsonl").touch()


@pytest.mark.parametrize("journal", [None, "", "header"])
def test_results_without_their_journal_start_nothing(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, journal: str | None
) -> None:
    file, place = write_rows({"Q": "a"}, {"Q": "b"}), Path("rows.jsonl.batch/batch.jsonl")
    assert noxcli("batch", workflow, file).code == 0
    lines = place.read_text().splitlines(keepends=True)
    place.unlink()
    if journal is not None:
        place.write_text(lines[0] if journal else "")
    result = noxcli("batch", workflow, file, "--resume")
    assert (result.code, len(sandbox.runs(workflow))) == (2, 2), result.err
    assert (
        "results.jsonl with rows that its journal batch.jsonl lacks; fetch the same batch's batch.jsonl"
        in result.err
    )
    assert noxcli("batch", workflow, file, "--fresh").code == 0


def test_another_number_of_shards_starts_nothing(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    file = write_rows(*({"Q": each} for each in "eafb"))
    assert noxcli("batch", workflow, file, "--shard", "1/2", "--output-dir", "s1").code == 0
    result = noxcli("batch", workflow, file, "--shard", "2/4", "--output-dir", "s2")
    assert (result.code, len(sandbox.runs(workflow)), Path("s2").exists()) == (2, 2, False), (
        result.err
    )
    assert (
        "s1 has shard 1/2 of the same table, and this is 2/4; keep the number of shards"
        in result.err
    )
    assert noxcli("batch", workflow, file, "--shard", "2/2", "--output-dir", "s2").code == 0
    write_rows(*({"Q": each} for each in "eafbc"))  # a row was appended
    assert noxcli("batch", workflow, file, "--shard", "2/4", "--output-dir", "s3").code == 2
    other = write_rows({"Q": "e"}, name="other.jsonl")
    assert noxcli("batch", workflow, other, "--shard", "1/4", "--output-dir", "o1").code == 0
    another = sandbox.add(Scenario("another", nodes=[input_node("Q")]))
    assert noxcli("batch", another, file, "--shard", "1/4", "--output-dir", "a1").code == 0
