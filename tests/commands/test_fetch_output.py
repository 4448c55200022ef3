"""`noxcli fetch-output`: the output of a run that has ended."""

from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli
from tests.sample import one_in

UNKNOWN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
ESSAY = "Grüße, 世界 🌱. " * 1500


@pytest.mark.parametrize(
    ("scenario", "options", "code", "out"),
    [
        ({"script": [Sleep(60_000)]}, [], 8, b""),
        ({"script": [Sleep(200)]}, ["--wait"], 0, b"x\n"),
        ({"status": "failed"}, ["--wait"], 1, b""),
    ],
    ids=["running", "waited for", "failed"],
)
def test_a_run_has_an_output_once_it_has_completed(
    noxcli: Noxcli, plays: Any, scenario: dict[str, Any], options: list[str], code: int, out: bytes
) -> None:
    result = noxcli("fetch-output", noxcli.start(plays(output={"A": "x"}, **scenario)), *options)
    assert (result.code, result.out, "--wait" in result.err) == (code, out, code == 8)


def test_the_same_file_is_fetched_once(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    run = noxcli.start(plays(output={"A": [ESSAY, ESSAY]}))
    document = noxcli("fetch-output", run, "--wait", "--json").json
    assert document["output"] == {"A": [ESSAY, ESSAY]}
    ids = {file["file_id"] for file in document["files"]}
    fetched = [request for request in sandbox.requests if "/v1/file/" in request.path]
    assert len(fetched) == len(ids)


@pytest.mark.parametrize(
    "named", ["{run}", "{workflow}/{run}"], ids=["started from here", "with its workflow"]
)
def test_a_run_whose_workflow_is_known_needs_no_look_up(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, named: str
) -> None:
    workflow = plays(output={"A": "x"})
    run = noxcli.ended(workflow)
    before = len(sandbox.requests)
    assert noxcli("fetch-output", named.format(workflow=workflow, run=run)).out == b"x\n"
    assert [request.path for request in sandbox.requests[before:]] == [
        f"/v1/workflows/{workflow}/runs/{run}"
    ]


@pytest.mark.parametrize(
    ("refused", "verb"),
    one_in(3, [("403", 4), ("404", 5), ("405", 6)], ["fetch-output", "stream", "wait"]),
)
def test_a_server_without_look_ups_is_told_the_workflow(
    noxcli: Noxcli, plays: Any, tmp_path: Path, verb: str, refused: tuple[str, int]
) -> None:
    status, code = refused
    workflow = plays(output={"A": "x"}, switches={"look_up": status})
    run = noxcli.ended(workflow)
    elsewhere = {"NOXCLI_STATE_DIR": str(tmp_path / "elsewhere"), "NOXCLI_RETRY_FOR": "0"}

    failed = noxcli(verb, run, environ=elsewhere)
    assert (failed.code, "give WORKFLOW_ID/RUN_ID" in failed.err) == (code, True)
    assert noxcli(verb, f"{workflow}/{run}", environ=elsewhere).code == 0
