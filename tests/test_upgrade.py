"""Files of other versions: what noxcli 0.1.0 wrote is read, and what a later one wrote is rejected in one line.

`tests/data/0.1.0` has what version 0.1.0 wrote: a batch that was killed after two of four rows, and a run's state file,
output directory and history. Only the address of its server is replaced here.
"""

import json
import shutil
from pathlib import Path

import pytest

from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli

OLD = Path(__file__).parent / "data/0.1.0"
THEN = "http://127.0.0.1:38387"
WORKFLOW = "11111111-2222-4333-8444-555555555555"
RUN = "6f8829e8-376a-462d-82d6-d6fb1697bbf4"
PLACES = {
    "noxcli.batch": "batch/batch.jsonl",
    "noxcli.state": "run.state",
    "noxcli.manifest": "out/manifest.json",
    "noxcli.entry": f"state/{RUN}.json",
}


@pytest.fixture
def kept(tmp_path: Path, sandbox: Sandbox) -> Path:
    """The files of 0.1.0 in the working directory, and a server that still has the workflow."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    for name in PLACES.values():
        (tmp_path / name).write_text((tmp_path / name).read_text().replace(THEN, sandbox.url))
    scenario = Scenario(
        "asks", nodes=[input_node("Q")], output=lambda inputs: {"A": inputs["Q"]}, workflow_id=WORKFLOW
    )  # fmt: skip
    assert sandbox.add(scenario) == WORKFLOW
    return tmp_path


@pytest.mark.usefixtures("kept")
def test_a_batch_of_0_1_0_is_resumed_and_merged(noxcli: Noxcli, sandbox: Sandbox) -> None:
    # One at a time: two that start together may reach the server in either order.
    done = noxcli("batch", WORKFLOW, "rows.jsonl", "--output-dir", "batch", "--resume", "--max-parallel", "1")
    assert done.code == 0, done.err
    assert [line["row"] for line in done.lines] == [3, 4]
    assert [run.input for run in sandbox.runs(WORKFLOW)] == [{"Q": "three"}, {"Q": "four"}]
    merged = noxcli("results", "batch")
    assert [(line["row"], line["exit_code"]) for line in merged.lines] == [(1, 0), (2, 0), (3, 0), (4, 0)]


def test_an_output_directory_of_0_1_0_is_written_to_again(noxcli: Noxcli, kept: Path) -> None:
    assert noxcli("run", WORKFLOW, "Q=again", "--output-dir", "out").code == 0
    assert (kept / "out/A.txt").read_text() == "again"


@pytest.mark.parametrize("line", ["stop --state-file run.state", "wait @last"])
def test_a_run_that_0_1_0_noted_is_found(noxcli: Noxcli, kept: Path, line: str) -> None:
    """The server is another one, so the answer that the run is unknown comes from the server."""
    done = noxcli(*line.split(), "--verbose", environ={"NOXCLI_STATE_DIR": str(kept / "state")})
    assert done.code == 5
    assert RUN in done.err


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("noxcli.batch", f"batch {WORKFLOW} rows.jsonl --output-dir batch --resume"),
        ("noxcli.batch", f"batch {WORKFLOW} rows.jsonl --output-dir batch"),
        ("noxcli.batch", "results batch"),
        ("noxcli.state", "stop --state-file run.state"),
        ("noxcli.entry", "wait @last"),
        ("noxcli.manifest", f"run {WORKFLOW} Q=x --output-dir out"),
    ],
)
def test_what_a_later_noxcli_wrote_is_refused_and_left_alone(
    noxcli: Noxcli, sandbox: Sandbox, kept: Path, name: str, line: str
) -> None:
    path = kept / PLACES[name]
    later = path.read_text().replace(f"{name}/1", f"{name}/2")
    if name == "noxcli.entry":  # 0.1.0 wrote no version
        later = json.dumps({"schema": "noxcli.entry/2", "host": sandbox.url, "run": RUN})
    if name == "noxcli.batch":
        later = later.replace('"shard"', '"share"')  # a later version may have other fields
    path.write_text(later)
    done = noxcli(*line.split(), environ={"NOXCLI_STATE_DIR": str(kept / "state")})
    assert (done.code, done.out) == (2, b""), done.err
    [told] = done.err.splitlines()
    assert told.startswith("noxcli: a newer noxcli wrote ")
    assert f"{PLACES[name]}: it has version {name}/2, and this noxcli reads up to {name}/1; upgrade noxcli" in told
    assert path.read_text() == later
    assert sandbox.runs(WORKFLOW) == []
    path.unlink()  # it fits no schema of this version


def test_a_run_of_a_later_noxcli_is_found_by_its_id(noxcli: Noxcli, sandbox: Sandbox, kept: Path) -> None:
    """Only @last needs the file: an id can be looked up on the server."""
    run = noxcli("run", WORKFLOW, "Q=x", "--json").json["run"]["id"]
    state = kept / "state"
    (state / f"{run}.json").write_text(json.dumps({"schema": "noxcli.entry/2", "host": sandbox.url}))
    assert noxcli("wait", run, environ={"NOXCLI_STATE_DIR": str(state)}).text == f"{run}\tcompleted\n"


def test_a_new_entry_has_its_version(noxcli: Noxcli, kept: Path) -> None:
    run = noxcli("run", WORKFLOW, "Q=x", "--json", environ={"NOXCLI_STATE_DIR": str(kept / "new")}).json["run"]["id"]
    assert json.loads((kept / f"new/{run}.json").read_text())["schema"] == "noxcli.entry/1"
