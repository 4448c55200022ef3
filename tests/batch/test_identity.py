"""What makes a batch the same one: with --resume, a difference is named, unless --allow-changed-input accepts it."""

from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step
from tests.conftest import Noxcli, Result, write_rows


@pytest.fixture
def workflow(plays: Any) -> str:
    """It answers with its inputs; the text `bad` fails."""

    def script(inputs: dict[str, Any]) -> list[Step]:
        return [State("failed"), Sleep(60_000)] if inputs.get("Q") == "bad" else []

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
        ((), ("--column", "R:="), """began with columns null, and this is ["R:="]"""),
    ],
)
def test_a_difference_is_named_with_both_values(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, then: tuple[str, ...], now: tuple[str, ...], said: str
) -> None:
    noxcli.environ["S"] = "a-very-secret-word"
    file = write_rows({"Q": "a", "R": '"x"'}, {"Q": "b"})
    noxcli("batch", workflow, file, *then, "--max-failures", "1")
    result = noxcli("batch", workflow, file, *now, "--resume")
    assert (result.code, result.out, len(sandbox.runs(workflow))) == (2, b"", 2)
    assert said in result.err
    assert "or add --allow-changed-input" in result.err
    assert len(result.err.splitlines()) == 1
    assert "a-very-secret-word" not in Path("rows.jsonl.batch/batch.jsonl").read_text() + result.err
    assert noxcli("batch", workflow, file, *now, "--resume", "--allow-changed-input").code == 0
    assert noxcli("batch", workflow, file, *now, "--resume").code == 0, "as it was last accepted"


def test_long_values_differ_though_their_beginnings_are_equal(noxcli: Noxcli, workflow: str) -> None:
    file = write_rows({"Q": "a"})
    noxcli("batch", workflow, file, f"Prompt={'x' * 500}1")
    result = noxcli("batch", workflow, file, f"Prompt={'x' * 500}2", "--resume")
    assert (result.code, len(result.err) < 500) == (2, True)


def test_another_version_is_a_difference(noxcli: Noxcli, workflow: str) -> None:
    file = write_rows({"Q": "a"})
    noxcli("batch", workflow, file)
    version = "11111111-2222-4333-8444-555555555555"
    result = noxcli("batch", workflow, file, "--version-id", version, "--no-check", "--resume")
    assert (result.code, f"began with version the current one, and this is {version}" in result.err) == (2, True)


@pytest.mark.parametrize(("header", "cells"), [("R,Q", "a,b"), ("Q,Prompt", "a,b")])
def test_columns_that_are_renamed_or_swapped_are_a_difference(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, header: str, cells: str
) -> None:
    Path("rows.csv").write_text("Q,R\na,b\n")
    noxcli("batch", workflow, "rows.csv")
    Path("rows.csv").write_text(f"{header}\n{cells}\nc,d\n")
    result = noxcli("batch", workflow, "rows.csv", "--resume")
    assert (result.code, """began with columns ["Q","R"], and this is [""" in result.err) == (2, True)
    assert len(sandbox.runs(workflow)) == 1


def test_rows_may_be_appended_and_changed_before_they_start(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    file = write_rows({"Q": "a"}, {"Q": "b"})
    noxcli("batch", workflow, file)
    write_rows({"Q": "a"}, {"Q": "b"}, {"Q": "c"})
    result = noxcli("batch", workflow, file, "--resume")
    assert (result.code, numbers(result)) == (0, [3])
    write_rows({"Q": "a"}, {"Q": "B"}, {"Q": "c"})
    changed = noxcli("batch", workflow, file, "--resume")
    assert (changed.code, "row 2 (line 2) differs from the row that was started" in changed.err) == (2, True)
    write_rows({"Q": "a"})
    fewer = noxcli("batch", workflow, file, "--resume")
    assert (fewer.code, "without some of the 3 that have finished" in fewer.err) == (2, True)
    assert len(sandbox.runs(workflow)) == 3


def test_changed_rows_are_matched_by_their_ids(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    file = write_rows({"$id": "a b/c", "Q": "1"}, {"$id": "d", "Q": "bad"}, {"$id": "e", "Q": "3"})
    noxcli("batch", workflow, file)
    write_rows({"$id": "new", "Q": "0"}, {"$id": "e", "Q": "3"}, {"$id": "a b/c", "Q": "one"}, {"$id": "d", "Q": "bad"})
    assert noxcli("batch", workflow, file, "--resume").code == 2
    result = noxcli("batch", workflow, file, "--resume", "--allow-changed-input")
    assert (result.code, [(line["row"], line["id"]) for line in result.lines]) == (1, [(1, "new")])
    assert len(sandbox.runs(workflow)) == 4
    listed = [
        (line["row"], line["id"], line["result"]["exit_code"]) for line in noxcli("results", "rows.jsonl.batch").lines
    ]
    assert listed == [(1, "new", 0), (2, "e", 0), (3, "a b/c", 0), (4, "d", 1)]
    again = noxcli("batch", workflow, file, "--again", "failed")
    assert [(line["row"], line["id"]) for line in again.lines] == [(4, "d")], again.err
    assert len(Path("rows.jsonl.batch/results.jsonl").read_text().splitlines()) == 4


def test_rows_that_are_all_new_start_anew(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    file = write_rows({"$id": "a", "Q": "1"}, {"$id": "b", "Q": "2"})
    noxcli("batch", workflow, file)
    write_rows({"$id": "c", "Q": "3"})
    result = noxcli("batch", workflow, file, "--resume", "--allow-changed-input")
    assert (result.code, [line["id"] for line in result.lines]) == (0, ["c"])
    assert len(sandbox.runs(workflow)) == 3


def test_changed_rows_without_ids_are_matched_by_their_numbers(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    file = write_rows({"Q": "a"}, {"Q": "b"}, {"Q": "c"})
    noxcli("batch", workflow, file)
    write_rows({"Q": "A"}, {"Q": "b"})
    assert noxcli("batch", workflow, file, "--resume", "--allow-changed-input").code == 0
    assert len(sandbox.runs(workflow)) == 3
    assert [line["row"] for line in noxcli("results", "rows.jsonl.batch").lines] == [1, 2]


def test_rows_do_not_move_to_other_shards(noxcli: Noxcli, workflow: str) -> None:
    file = write_rows({"$id": "a", "Q": "1"}, {"$id": "b", "Q": "2"})
    noxcli("batch", workflow, file, "--shard", "1/2")
    write_rows({"$id": "b", "Q": "2"}, {"$id": "a", "Q": "1"})
    result = noxcli("batch", workflow, file, "--shard", "1/2", "--resume", "--allow-changed-input")
    assert (result.code, "may now belong to other shards" in result.err) == (2, True)
