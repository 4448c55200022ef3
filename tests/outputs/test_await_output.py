"""The delivered output comes from the run's own record, even if look-ups are empty and records lag."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Noxcli, QuickClock
from tests.rawserver import RawServer, Request, Turn, answer, json_answer, raw_server
from tests.runner import outputs
from tests.sample import one_in

WORKFLOW = "11111111-1111-4111-8111-111111111111"
RUN_ID = "22222222-2222-4222-8222-222222222222"
RUN = {"id": RUN_ID, "workflow_id": WORKFLOW, "status": "completed", "input": {"q": "x"}}
EMPTY: list[Any] = [{}, None, "missing"]


def record(output: Any = "missing", **more: Any) -> bytes:
    return json_answer({**RUN, **({} if output == "missing" else {"output": output}), **more})


def workflow(*types: str) -> dict[str, Any]:
    nodes = [
        {"id": f"n{n}", "type": type_, "node_config": {"label": f"L{n}"}}
        for n, type_ in enumerate(types)
    ]
    return {"id": WORKFLOW, "name": "odd", "definition": {"nodes": nodes}}


ANSWERS = json_answer(workflow("InputNodeV2", "OutputNodeV2"))
SILENT = json_answer(workflow("InputNode"))
WITH_ANSWER = record({"A": "the answer"})


def paths(server: RawServer) -> list[str]:
    """The requests, in order, in short form."""
    return [
        f"{request.method} {request.target}".replace("/v1/", "")
        .replace(WORKFLOW, "W")
        .replace(RUN_ID, "R")
        for request in server.requests
    ]


def slept(noxcli: Noxcli) -> float:
    assert isinstance(noxcli.clock, QuickClock)
    return sum(noxcli.clock.slept)


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
@pytest.mark.parametrize("verb", ["fetch-output", "stream"])
def test_a_look_up_by_the_id_alone_is_never_delivered(
    noxcli: Noxcli, verb: str, empty: Any
) -> None:
    for output in (empty, {"A": "older"}):
        embedded = record(output, workflow=workflow("OutputNode"))
        result, server = noxcli.against([embedded, WITH_ANSWER], verb, RUN_ID)
        assert (result.code, result.text) == (0, "the answer\n")
        assert paths(server) == ["GET runs/R", "GET workflows/W/runs/R"]


@pytest.mark.parametrize("verb", ["fetch-output", "stream"])
@pytest.mark.parametrize(("status", "code"), [("failed", 1), ("stopped", 3)])
def test_the_verdict_is_that_of_the_record(
    noxcli: Noxcli, verb: str, status: str, code: int
) -> None:
    found = record({}, workflow=workflow("OutputNode"))
    result, _ = noxcli.against(
        [found, record({"A": "half"}, status=status)], verb, RUN_ID, "--json"
    )
    assert (result.code, result.json["run"]["status"], result.json["complete"]) == (
        code,
        status,
        False,
    )


def test_a_look_up_that_is_ahead_of_the_record_ends_nothing(noxcli: Noxcli) -> None:
    result, _ = noxcli.against([record({}), record({}, status="running")], "fetch-output", RUN_ID)
    assert (result.code, result.out) == (8, b"")


@pytest.mark.parametrize("status", [400, 405, 422])
def test_a_record_that_is_refused_is_lost_contact(noxcli: Noxcli, status: int) -> None:
    result, _ = noxcli.against([record({"A": "older"}), answer(status)], "fetch-output", RUN_ID)
    assert (result.code, result.out) == (6, b"")
    assert f"the record of run {RUN_ID} can't be read" in result.err


# Records whose output lags their verdict.


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
def test_an_output_that_comes_late_is_waited_for(noxcli: Noxcli, empty: Any) -> None:
    turns: list[Turn] = [
        record(empty),
        ANSWERS,
        record(empty),
        answer(503),
        record({"A": "x"}, status="running"),
        WITH_ANSWER,
    ]
    result, server = noxcli.against(turns, "fetch-output", f"{WORKFLOW}/{RUN_ID}", "--json")
    assert (result.code, result.json["output"], result.json["complete"]) == (
        0,
        {"A": "the answer"},
        True,
    )
    assert len(server.requests) == 6


def test_a_late_output_is_asked_for_no_sooner_than_allowed(noxcli: Noxcli) -> None:
    turns: list[Turn] = [record({}), ANSWERS, json_answer({}, 429, Retry_After="7"), WITH_ANSWER]
    result, _ = noxcli.against(turns, "fetch-output", f"{WORKFLOW}/{RUN_ID}")
    assert (result.code, result.text) == (0, "the answer\n")
    assert isinstance(noxcli.clock, QuickClock)
    assert max(noxcli.clock.slept) >= 7


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
@pytest.mark.parametrize("options", [("--json",), (), ("--raw", "A"), ("--output-dir", "out")])
def test_an_output_that_never_comes_is_undelivered(
    noxcli: Noxcli, options: tuple[str, ...], empty: Any
) -> None:
    turns: list[Turn] = [record(empty), ANSWERS, record(empty)]
    result, _ = noxcli.against(turns, "fetch-output", f"{WORKFLOW}/{RUN_ID}", *options)
    assert result.code == 9
    assert (
        f"run {RUN_ID} completed, but its record has no output yet; try again: noxcli fetch-output {RUN_ID}"
        in result.err
    )
    assert 2 < slept(noxcli) < 15
    if options == ("--json",):
        assert (result.json["complete"], result.json["error"]["phase"]) == (False, "deliver")
    else:
        assert result.out == b""
    assert not list(Path().glob("out/*"))


def test_a_later_step_gets_no_output_that_was_never_there(noxcli: Noxcli) -> None:
    out = Path("out.txt").absolute()
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(out)}
    for turns, told in (
        ([record({}), ANSWERS, record({})], None),
        ([WITH_ANSWER], '{"A":"the answer"}'),
    ):
        with raw_server(*turns) as server:
            noxcli(
                "fetch-output",
                f"{WORKFLOW}/{RUN_ID}",
                environ={**environ, "NOXUS_BACKEND_URL": server.url},
            )
        assert outputs(out).get("output") == told
        out.unlink()


def test_a_paused_run_has_one_output_however_it_is_named(noxcli: Noxcli) -> None:
    paused = {"status": "awaiting_human_feedback"}
    own = record({"A": "so far"}, **paused)
    for named, before in ((RUN_ID, [record(**paused)]), (f"{WORKFLOW}/{RUN_ID}", [])):
        result, _ = noxcli.against([*before, own], "fetch-output", named, "--json")
        assert (result.code, result.json["output"]) == (10, {"A": "so far"})


def test_the_limit_ends_the_wait_for_an_output(noxcli: Noxcli) -> None:
    argv = ("fetch-output", f"{WORKFLOW}/{RUN_ID}", "--timeout", "1s")
    result, _ = noxcli.against([record({}), ANSWERS, record({})], *argv)
    assert result.code == 9
    assert slept(noxcli) < 1


def test_a_workflow_without_outputs_has_none(noxcli: Noxcli) -> None:
    argv = ("fetch-output", f"{WORKFLOW}/{RUN_ID}", "--json")
    for before in ([], [answer(502)]):
        result, server = noxcli.against([record({}), *before, SILENT], *argv)
        assert (result.code, result.json["complete"], result.json["output"]) == (0, True, {})
        assert paths(server) == ["GET workflows/W/runs/R", *["GET workflows/W"] * (len(before) + 1)]


def test_output_nodes_that_were_skipped_have_no_output(noxcli: Noxcli) -> None:
    skipped = record({}, progress_details={"skipped_nodes": ["n1"]})
    result, server = noxcli.against(
        [skipped, ANSWERS], "fetch-output", f"{WORKFLOW}/{RUN_ID}", "--json"
    )
    assert (result.code, result.json["complete"], len(server.requests)) == (0, True, 2)
    other = record({}, progress_details={"skipped_nodes": ["n0"]})
    result, _ = noxcli.against(
        [other, ANSWERS, other, WITH_ANSWER], "fetch-output", f"{WORKFLOW}/{RUN_ID}"
    )
    assert (result.code, result.text) == (0, "the answer\n"), "another node was skipped"


UNREAD = [answer(403), answer(404), answer(500), json_answer({"id": WORKFLOW})]


@pytest.mark.parametrize(("unread", "empty"), one_in(3, UNREAD, EMPTY))
def test_without_a_definition_an_output_is_waited_for(
    noxcli: Noxcli, unread: Turn, empty: Any
) -> None:
    argv = ("fetch-output", f"{WORKFLOW}/{RUN_ID}", "--json")
    result, _ = noxcli.against([record(empty), unread, record(empty)], *argv)
    assert (result.code, result.json["complete"]) == (9, False)
    result, _ = noxcli.against([record(empty), unread, record(empty), WITH_ANSWER], *argv)
    assert (result.code, result.json["output"], result.json["complete"]) == (
        0,
        {"A": "the answer"},
        True,
    )


@pytest.mark.parametrize(
    ("late", "code"), [(WITH_ANSWER, 0), (record({}), 9)], ids=["late", "never"]
)
def test_a_new_run_and_a_batch_wait_for_the_output(noxcli: Noxcli, late: Turn, code: int) -> None:
    turns: list[Turn] = [ANSWERS, record({}, status="queued"), record({}), record({}), late]
    result, server = noxcli.against(turns, "run", WORKFLOW, "L0=x", "--no-stream")
    assert (result.code, result.text) == (code, "the answer\n" if code == 0 else "")
    assert paths(server)[:3] == [
        "GET workflows/W",
        "POST workflows/W/runs",
        "GET workflows/W/runs/R",
    ]
    assert set(paths(server)[3:]) == {"GET workflows/W/runs/R"}
    Path("rows.jsonl").write_text('{"L0": "x"}\n')
    result, _ = noxcli.against(turns, "batch", WORKFLOW, "rows.jsonl")
    document = json.loads(result.out)["result"]
    assert (result.code, document["exit_code"], document["complete"]) == (code, code, code == 0)
    assert document["output"] == ({"A": "the answer"} if code == 0 else {})


# What `complete` is worth.


def test_wait_reads_the_output_of_a_run_that_ended_long_ago(noxcli: Noxcli) -> None:
    result, server = noxcli.against([record(), WITH_ANSWER], "wait", RUN_ID, "--json")
    assert (result.code, result.json["output"], result.json["complete"]) == (
        0,
        {"A": "the answer"},
        True,
    )
    assert len(server.requests) == 2
    result, server = noxcli.against([record(), WITH_ANSWER], "wait", RUN_ID)
    assert (result.text, len(server.requests)) == (f"{RUN_ID}\tcompleted\n", 1)


@pytest.mark.parametrize("refusal", [answer(403), answer(404), answer(405), answer(500)])
def test_wait_knows_the_verdict_without_the_output(noxcli: Noxcli, refusal: Turn) -> None:
    for timeout in ((), ("--timeout", "1s")):
        result, _ = noxcli.against(
            [record({"A": "older"}), refusal], "wait", RUN_ID, "--json", *timeout
        )
        assert (result.code, result.json["run"]["status"], result.json["complete"]) == (
            0,
            "completed",
            False,
        )


def test_wait_for_several_reads_each_output(noxcli: Noxcli) -> None:
    found, own = record(workflow_id="w"), record({"A": "x"}, workflow_id="w")

    def by_request(request: Request) -> bytes:
        answered = own if request.target.startswith("/v1/workflows/") else found
        return answered.replace(RUN_ID.encode(), request.target.rpartition("/")[2].encode())

    with raw_server(by_request=by_request) as server:
        result = noxcli(
            "wait",
            RUN_ID,
            "33333333-3333-4333-8333-333333333333",
            "--json",
            environ={"NOXUS_BACKEND_URL": server.url},
        )
    assert [one["complete"] for one in result.json["results"]] == [True, True]


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
def test_wait_calls_no_empty_output_complete(noxcli: Noxcli, empty: Any) -> None:
    result, _ = noxcli.against([record(), record(empty)], "wait", RUN_ID, "--json")
    assert (result.code, result.json["complete"]) == (0, False)


@pytest.mark.parametrize("status", ["failed", "stopped", "running"])
def test_only_a_completed_run_has_a_complete_output(noxcli: Noxcli, status: str) -> None:
    argv = ("wait", f"{WORKFLOW}/{RUN_ID}", "--json", "--timeout", "0")
    result, _ = noxcli.against([record({"A": "half"}, status=status)], *argv)
    assert (result.json["output"], result.json["complete"]) == ({"A": "half"}, False)
