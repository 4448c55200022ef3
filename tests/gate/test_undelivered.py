"""Answers of a gate that completed, and whose output could not be fetched or written."""

from typing import Any

import pytest

from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import File, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows
from tests.process import until

GONE = Answer(404, {"detail": "gone"})


def gate_of(plays: Any, output: dict[str, Any], *faults: Answer) -> tuple[str, ...]:
    """Return a gate of a workflow with this output."""

    def nodes(word: str) -> list[Any]:
        return [input_node("Q"), input_node("P", default=word), output_node("A")]

    versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
    workflow = plays(
        nodes=nodes("base"), output=output, versions=versions, faults={"file": list(faults)}
    )
    rows = write_rows("1", "2")
    sides = ("--base", "base", "--new", "new", "--assert", "ok")
    return ("gate", workflow, rows, *sides)


@pytest.mark.parametrize("with_files", [True, False], ids=["files", "no files"])
def test_an_output_that_was_not_fetched_is_fetched_again(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, with_files: bool
) -> None:
    argv = gate_of(plays, {"A": "t" * 20_000}, GONE)
    own = ("--output-dir", "out") if with_files else ()
    result = noxcli(*argv, *own)
    assert (result.code, len(sandbox.runs(argv[1]))) == (0, 4), result.err


def test_an_output_that_stays_gone_ends_the_gate(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    argv = gate_of(plays, {"A": "t" * 20_000}, *[GONE] * 16)
    for _ in range(2):
        result = noxcli(*argv, "--max-runs", "304")
        assert (result.code, len(sandbox.runs(argv[1]))) == (9, 4), result.err
        assert "is not here: " in result.err
        assert "continue with: noxcli gate" in result.err
        assert result.text == ""
    result = noxcli(*argv, "--max-runs", "304")
    assert (result.code, len(sandbox.runs(argv[1]))) == (0, 4), result.err


def test_a_file_that_does_not_fit_is_fetched_again(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, small_disk: Any
) -> None:
    """The journal and the results do fit."""
    argv = gate_of(plays, {"Big": File("a.bin", b"x", size=30_000), "Small": "y"})
    argv = (*argv, "--output-dir", f"{small_disk}/out")
    (small_disk / "ballast").write_bytes(bytes(150_000))
    first = noxcli(*argv)
    assert (first.code, "no space left on device" in first.err) == (9, True), first.err
    until(lambda: all(run.status == "completed" for run in sandbox.runs(argv[1])))
    (small_disk / "ballast").unlink()
    again = noxcli(*argv)
    assert (again.code, len(sandbox.runs(argv[1]))) == (0, 4), again.err
    assert len([*small_disk.glob("out/*/Small.txt")]) == 4
