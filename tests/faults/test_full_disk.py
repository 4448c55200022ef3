"""A full disk: no answer is asked again, each run is known, and the same line continues."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from noxcli.batchdir.append_file import PIECE
from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli, write_rows
from tests.process import until

DISK = 256 * 1024  # bytes
TABLE = 1  # pieces of the disk
# How many pieces are free, beside the table: fewer than are kept, as many, and more.
OFTEN = (1, 4, 5, 6, 8, 11, 14)
FREE = [pytest.param(free, marks=() if free in OFTEN else pytest.mark.wide) for free in range(32)]


def nodes(word: str) -> list[Any]:
    return [input_node("Q"), input_node("P", default=word), output_node("A")]


@pytest.fixture
def workflow(plays: Any) -> str:
    versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
    return str(
        plays(
            nodes=nodes("base"),
            script=[Sleep(100)],
            output=lambda inputs: {"A": inputs["Q"] * 1500},
            versions=versions,
        )
    )


def leave(disk: Path, free: int) -> Path:
    """Fill a disk but for this number of pieces, and return what fills it."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(DISK - PIECE * (free + TABLE)))
    return ballast


def recover(
    noxcli: Noxcli, sandbox: Sandbox, ballast: Path, argv: tuple[str, ...], again: str = ""
) -> None:
    """Run a line on the full disk, and again once there is space."""
    workflow, disk = argv[1], ballast.parent
    first = noxcli(*argv, "--max-parallel", "3")
    told = first.text + first.err
    runs = sandbox.runs(workflow)
    journal = "".join(path.read_text() for path in disk.glob("*/batch.jsonl"))
    assert first.code in {0, 2, 9}, told
    assert first.code == 0 or "no space left on device" in told
    assert [run.id for run in runs if run.id not in journal and run.id not in told] == []
    assert "Traceback" not in told
    until(lambda: all(run.status == "completed" for run in runs))
    ballast.unlink()
    second = noxcli(*argv, *filter(None, [again]))
    assert second.code == 0, second.err


@pytest.mark.parametrize("with_files", [True, False], ids=["files", "no files"])
@pytest.mark.parametrize("free", FREE)
def test_a_gate_on_a_full_disk_asks_nothing_again(
    noxcli: Noxcli,
    sandbox: Sandbox,
    workflow: str,
    small_disk: Path,
    free: int,
    with_files: bool,
) -> None:
    rows = write_rows(*"1234", name=str(small_disk / "rows.jsonl"))
    own = ("--output-dir", f"{small_disk}/out") if with_files else ()
    argv = ("gate", workflow, rows, "--base", "base", "--new", "new", "--assert", "ok", *own)
    recover(noxcli, sandbox, leave(small_disk, free), argv)
    assert Counter(run.input["Q"] for run in sandbox.runs(workflow)) == dict.fromkeys("1234", 2)


@pytest.mark.parametrize("with_files", [True, False], ids=["files", "no files"])
@pytest.mark.parametrize("free", FREE)
def test_a_batch_on_a_full_disk_asks_no_equal_row_again(
    noxcli: Noxcli,
    sandbox: Sandbox,
    workflow: str,
    small_disk: Path,
    free: int,
    with_files: bool,
) -> None:
    """No search could tell the runs of equal rows apart: the journal names each."""
    rows = write_rows(*"111111", name=str(small_disk / "rows.jsonl"))
    own = ("--output-dir", f"{small_disk}/out") if with_files else ()
    argv = ("batch", workflow, rows, *own)
    recover(noxcli, sandbox, leave(small_disk, free), argv, "--resume")
    assert len(sandbox.runs(workflow)) == 6
