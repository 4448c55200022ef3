"""Files of a later noxcli: they are rejected in one line, and left alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows


@pytest.fixture
def workflow(noxcli: Noxcli, plays: Any) -> str:
    """A workflow whose runs have left each kind of file in the working directory."""
    made = plays(nodes=[input_node("Q")], output=lambda inputs: {"A": inputs["Q"]})
    write_rows("one", "two")
    noxcli.environ["NOXCLI_STATE_DIR"] = str(Path("state").absolute())
    assert noxcli("batch", made, "rows.jsonl", "--output-dir", "batch").code == 0
    assert noxcli("run", made, "Q=x", "--output-dir", "out", "--state-file", "run.state").code == 0
    return str(made)


@pytest.mark.parametrize(
    ("name", "place", "line"),
    [
        (
            "noxcli.batch",
            "batch/batch.jsonl",
            "batch {workflow} rows.jsonl --output-dir batch --resume",
        ),
        ("noxcli.batch", "batch/batch.jsonl", "batch {workflow} rows.jsonl --output-dir batch"),
        ("noxcli.batch", "batch/batch.jsonl", "results batch"),
        ("noxcli.state", "run.state", "stop --state-file run.state"),
        ("noxcli.state", "state/{run}.json", "wait @last"),
    ],
)
def test_what_a_later_noxcli_wrote_is_refused_and_left_alone(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, name: str, place: str, line: str
) -> None:
    started = sandbox.runs(workflow)
    path = Path(place.format(run=started[-1].id))
    known = 2 if name == "noxcli.batch" else 1
    later = (
        path.read_text()
        .replace(f"{name}/{known}", f"{name}/{known + 1}")
        .replace('"workflow_id"', '"workflow"')
    )
    path.write_text(later)  # with other fields, as a later version may have
    done = noxcli(*line.format(workflow=workflow).split())
    assert (done.code, done.out) == (2, b""), done.err
    [told] = done.err.splitlines()
    assert told.startswith("noxcli: a newer noxcli wrote ")
    assert (
        f"{path}: it has version {name}/{known + 1}, and this noxcli reads up to {name}/{known}; "
        "upgrade noxcli" in told
    )
    assert path.read_text() == later
    assert len(sandbox.runs(workflow)) == len(started)
    path.unlink()  # it fits no schema of this version


def test_a_run_of_a_later_noxcli_is_found_by_its_id(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    """Only @last needs the file: an id can be looked up on the server."""
    run = sandbox.runs(workflow)[-1].id
    Path(f"state/{run}.json").write_text(
        json.dumps({"schema": "noxcli.state/2", "base_url": sandbox.url})
    )
    assert noxcli("wait", run).text == f"{run}\tcompleted\n"


def test_a_run_whose_file_is_damaged_is_not_the_last(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    *of_batch, last = (run.id for run in sandbox.runs(workflow))
    earlier = noxcli("wait", "@last").text
    assert earlier.startswith(last)
    path = Path(f"state/{last}.json")
    for damaged in (
        '{"base_url": "x"',
        json.dumps({**json.loads(path.read_text()), "secret_inputs": 7}),
    ):
        path.write_text(damaged)
        assert noxcli("wait", "@last").text.partition("\t")[0] in of_batch
