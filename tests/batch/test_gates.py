"""Gates: how many rows must be good, and which rows run at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from noxcli.batch.gates import MinPass
from noxcli.errors import worst
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step
from tests.conftest import Noxcli


@pytest.fixture
def workflow(plays: Any) -> str:
    """It answers with its input; the texts `bad` and `ask` fail and wait for a human."""

    def script(inputs: dict[str, Any]) -> list[Step]:
        ends = {"bad": "failed", "ask": "awaiting_human_feedback"}
        return [State(ends[inputs["Q"]]), Sleep(60_000)] if inputs["Q"] in ends else []

    return str(plays(nodes=[input_node("Q")], script=script, output=lambda inputs: {"A": inputs["Q"]}))


def write(*texts: str) -> str:
    Path("rows.jsonl").write_text("".join(f"{json.dumps({'Q': text})}\n" for text in texts))
    return "rows.jsonl"


@pytest.mark.parametrize(
    ("asked", "codes", "rows", "code"),
    [
        ("90%", [0] * 9 + [1], 10, 0),
        ("90%", [0] * 9 + [11], 10, 0),
        ("90.1%", [0] * 9 + [1], 10, 11),
        ("90%", [0] * 9 + [12], 11, 11),
        ("50%", [0, 1, 3, 9], 4, 11),
        ("25%", [0, 1, 3, 9], 4, 0),
        ("0%", [1, 1], 2, 0),
        ("0%", [], 0, 0),
        ("1%", [], 0, 11),
        ("100%", [0, 0], 2, 0),
        ("33.34%", [0, 1, 1], 3, 11),
        *(("10%", [0, 0, code], 3, code) for code in (2, 4, 5, 6, 7, 8, 10, 70, 75, 124)),
        ("90%", [0, 8], 2, 11),
    ],
)
def test_a_share_replaces_verdicts_but_no_trouble(asked: str, codes: list[int], rows: int, code: int) -> None:
    gate = MinPass.read(asked)
    assert gate is not None
    assert worst(gate.codes(codes, codes.count(0), rows)) == code


@pytest.mark.parametrize("text", ["900%", "100.1%", "-1%", "0.9", "90", "90 %", "", "%", "1e1%", "٩٠%"])
def test_what_is_not_a_share_is_refused(noxcli: Noxcli, sandbox: Sandbox, workflow: str, text: str) -> None:
    result = noxcli("batch", workflow, write("a"), f"--min-pass={text}")
    assert (result.code, result.out, sandbox.runs(workflow)) == (2, b"", [])
    assert result.err == f"noxcli: --min-pass {text} is not a valid share; write 90%, from 0% to 100%\n"


def test_a_batch_passes_by_its_share(noxcli: Noxcli, workflow: str) -> None:
    batch = ("batch", workflow, write("a", "bad", "c", "d"))
    result = noxcli(*batch, "--min-pass", "75%")
    assert (result.code, "3 of 4 rows are good (75.0 %; --min-pass 75%)" in result.err) == (0, True)
    again = noxcli(*batch, "--min-pass", "75.1%", "--resume")
    assert (again.code, again.out) == (11, b"")
    assert "noxcli: 3 of 4 rows are good (75.0 %; --min-pass 75.1%); run the failed rows again with" in again.err
    judged = noxcli(*batch, "--min-pass", "75%", "--assert", "output.A != 'd'", "--resume")
    assert judged.code == 11
    assert noxcli(*batch, "--min-pass", "50%", "--assert", "output.A != 'd'", "--resume").code == 0


def test_rows_that_were_not_started_are_not_good(noxcli: Noxcli, workflow: str) -> None:
    file = write("bad", *("a" for _ in range(9)))
    result = noxcli("batch", workflow, file, "--max-failures", "1", "--max-parallel", "1", "--min-pass", "20%")
    assert (result.code, "0 of 10 rows are good (0.0 %; --min-pass 20%)" in result.err) == (11, True)


def test_what_is_in_the_way_of_a_verdict_stays(noxcli: Noxcli, workflow: str) -> None:
    assert noxcli("batch", workflow, write("a", "ask"), "--min-pass", "0%").code == 10


def test_a_limit_takes_the_first_rows_of_the_file(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    batch = ("batch", workflow, write("a", "b", "c", "d", "e"))
    assert {line["row"] for line in noxcli(*batch, "--limit", "3", "--shard", "1/2").lines} == {1, 3}
    Path("expected.jsonl").write_text('{"A": "a"}\n' + '{"A": "x"}\n' * 4)
    options = (*batch, "--output-dir", "all", "--expect", "expected.jsonl", "--resume")
    few = noxcli(*options, "--limit", "1")
    assert ([line["row"] for line in few.lines], few.code) == ([1], 0), few.err
    more = noxcli(*options, "--limit", "3")
    assert ({line["row"] for line in more.lines}, more.code) == ({2, 3}, 11)
    fewer = noxcli(*options, "--limit", "1")
    assert (fewer.code, fewer.out, "1 row in" in fewer.err) == (0, b"", True), fewer.err
    assert len(sandbox.runs(workflow)) == 5
    assert noxcli(*batch, "--limit", "0").code == 2
