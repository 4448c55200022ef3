"""What makes a batch the same one: with --resume, a difference is named, unless --allow-changed-input accepts it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noxcli.batchdir.header import BatchHeader, differences
from noxcli.sandbox.faults import RATE_LIMITED, Answer, Fault, Hold, LostAnswer
from noxcli.sandbox.scenario import Scenario, Version, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import State, Step
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
        ((), ("--column", "R:="), """began with columns null, and this is ["R:="]"""),
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
    assert "or add --allow-changed-input" in result.err
    assert len(result.err.splitlines()) == 1
    assert "a-very-secret-word" not in Path("rows.jsonl.batch/batch.jsonl").read_text() + result.err
    assert noxcli("batch", workflow, file, *now, "--resume", "--allow-changed-input").code == 0
    assert noxcli("batch", workflow, file, *now, "--resume").code == 0, "as it was last accepted"


def test_a_batch_does_not_continue_on_another_server(noxcli: Noxcli, sandbox: Sandbox) -> None:
    scenario, file = Scenario("on two servers", nodes=[input_node("Q")]), write_rows("a", "b")
    workflow = sandbox.add(scenario)
    noxcli("batch", workflow, file, "--limit", "1")
    with Sandbox([scenario], speed=1000) as other:
        environ = {"NOXUS_BACKEND_URL": other.url}
        for options in (["--resume"], ["--resume", "--allow-changed-input"]):
            result = noxcli("batch", workflow, file, *options, environ=environ)
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


@pytest.mark.parametrize(("header", "cells"), [("R,Q", "a,b"), ("Q,Prompt", "a,b")])
def test_columns_that_are_renamed_or_swapped_are_a_difference(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, header: str, cells: str
) -> None:
    Path("rows.csv").write_text("Q,R\na,b\n")
    noxcli("batch", workflow, "rows.csv")
    Path("rows.csv").write_text(f"{header}\n{cells}\nc,d\n")
    result = noxcli("batch", workflow, "rows.csv", "--resume")
    assert (result.code, """began with columns ["Q","R"], and this is [""" in result.err) == (
        2,
        True,
    )
    assert len(sandbox.runs(workflow)) == 1


def test_rows_may_be_appended_and_changed_before_they_start(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    file = write_rows({"Q": "a"}, {"Q": "b"})
    noxcli("batch", workflow, file)
    write_rows({"Q": "a"}, {"Q": "b"}, {"Q": "c"})
    result = noxcli("batch", workflow, file, "--resume")
    assert (result.code, numbers(result)) == (0, [3])
    write_rows({"Q": "a"}, {"Q": "B"}, {"Q": "c"})
    changed = noxcli("batch", workflow, file, "--resume")
    assert (
        changed.code,
        "row 2 (line 2) differs from the row that was started" in changed.err,
    ) == (2, True)
    for rows in ([{"Q": "a"}, {"Q": "b"}], [{"Q": "a"}]):
        write_rows(*rows)
        fewer = noxcli("batch", workflow, file, "--resume")
        assert (fewer.code, "without some of the 3 that have finished" in fewer.err) == (2, True)
    assert len(sandbox.runs(workflow)) == 3


def test_changed_rows_are_matched_by_their_ids(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    file = write_rows({"$id": "a b/c", "Q": "1"}, {"$id": "d", "Q": "bad"}, {"$id": "e", "Q": "3"})
    noxcli("batch", workflow, file)
    write_rows(
        {"$id": "new", "Q": "0"},
        {"$id": "e", "Q": "3"},
        {"$id": "a b/c", "Q": "one"},
        {"$id": "d", "Q": "bad"},
    )
    assert noxcli("batch", workflow, file, "--resume").code == 2
    result = noxcli("batch", workflow, file, "--resume", "--allow-changed-input")
    assert (result.code, [(line["row"], line["id"]) for line in result.lines]) == (1, [(1, "new")])
    assert len(sandbox.runs(workflow)) == 4
    listed = [
        (line["row"], line["id"], line["result"]["exit_code"])
        for line in noxcli("results", "rows.jsonl.batch").lines
    ]
    assert listed == [(1, "new", 0), (2, "e", 0), (3, "a b/c", 8), (4, "d", 1)], (
        "its run had another input"
    )
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


def test_rows_do_not_move_to_other_shards(noxcli: Noxcli, workflow: str) -> None:
    file = write_rows({"$id": "a", "Q": "1"}, {"$id": "b", "Q": "2"})
    noxcli("batch", workflow, file, "--shard", "1/2")
    write_rows({"$id": "b", "Q": "2"}, {"$id": "a", "Q": "1"})
    result = noxcli("batch", workflow, file, "--shard", "1/2", "--resume", "--allow-changed-input")
    assert (result.code, "may now belong to other shards" in result.err) == (2, True)


# The workflow's definition.


UNREADABLE = Answer(403, {"detail": "no permission"}, repeat=True)


def changed(plays: Any, prompt: str, **faults: list[Fault]) -> str:
    """The same workflow, with another prompt."""
    nodes = [input_node("Q"), input_node("Prompt", default=prompt)]
    return str(plays(nodes=nodes, output=lambda inputs: {"A": inputs["Prompt"]}, faults=faults))


@pytest.mark.parametrize("options", [(), ("--allow-changed-input",)], ids=["plain", "allowed"])
def test_another_definition_is_refused_by_its_nodes(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, options: tuple[str, ...]
) -> None:
    workflow, file = changed(plays, "one"), write_rows("a", "b")
    noxcli("batch", workflow, file, "--limit", "1")
    assert changed(plays, "two") == workflow
    result = noxcli("batch", workflow, file, "--resume", *options)
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


@pytest.mark.parametrize(
    "options", [("--resume",), ("--resume", "--allow-changed-input"), ("--again", "red")]
)
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
    file = write_rows("a", "b", "c")
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
            write_rows("a", "b"),
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
    file = write_rows({"Q": "a"}, {"Q": "b"})
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


def test_rows_that_were_dropped_may_keep_their_results(noxcli: Noxcli, workflow: str) -> None:
    rows = [{"$id": each, "Q": each} for each in "abc"]
    assert noxcli("batch", workflow, write_rows(*rows)).code == 0
    for _ in range(2):
        assert (
            noxcli(
                "batch", workflow, write_rows(*rows[1:]), "--resume", "--allow-changed-input"
            ).code
            == 0
        )
    assert noxcli("batch", workflow, write_rows(*rows[1:]), "--resume").code == 0


def test_another_number_of_shards_starts_nothing(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    file = write_rows(*({"Q": each} for each in "abcd"))
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
    write_rows(*({"Q": each} for each in "abcde"))  # a row was appended
    assert noxcli("batch", workflow, file, "--shard", "2/4", "--output-dir", "s3").code == 2
    other = write_rows({"Q": "e"}, name="other.jsonl")
    assert noxcli("batch", workflow, other, "--shard", "1/4", "--output-dir", "o1").code == 0
    another = sandbox.add(Scenario("another", nodes=[input_node("Q")]))
    assert noxcli("batch", another, file, "--shard", "1/4", "--output-dir", "a1").code == 0
