"""Outputs that are files: where they go, and what is said if they can't."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, CutBody
from noxcli.sandbox.scenario import File, input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli

PICTURE = bytes(range(256)) * 400
CAT = File("cat.png", PICTURE, "image/png")


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_only_output_is_a_file_whose_bytes_are_written(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"Picture": CAT})
    result = noxcli("run", workflow, "--no-check", "-o", "cat.png")
    assert (result.code, Path("cat.png").read_bytes()) == (0, PICTURE)
    for verb in ("stream", "fetch-output"):
        assert noxcli(verb, "@last", "-o", f"{verb}.png").code == 0
        assert Path(f"{verb}.png").read_bytes() == PICTURE
    assert noxcli("rerun", "@last", "--no-check", "-o", "again.png").code == 0
    assert Path("again.png").read_bytes() == PICTURE


def test_a_cut_download_is_continued_and_checked(noxcli: Noxcli, plays: Any) -> None:
    cut = [CutBody(1000)]
    workflow = plays(output={"Picture": CAT}, faults={"file": cut})
    assert noxcli("run", workflow, "--no-check", "-o", "cat.png").code == 0
    written = hashlib.sha256(Path("cat.png").read_bytes())
    assert written.digest() == hashlib.sha256(PICTURE).digest()


def test_json_stdout_and_several_outputs_stay(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"Picture": CAT})
    run = noxcli.ended(workflow, "--no-check")
    assert noxcli("fetch-output", run, "--json", "-o", "cat.json").code == 0
    assert b'"Picture"' in Path("cat.json").read_bytes()
    assert b'"uri"' in noxcli("fetch-output", run).out
    both = plays(output={"Picture": CAT, "Text": "x"})
    assert noxcli("run", both, "--no-check", "-o", "both.json").code == 0
    assert b'"Text": "x"' in Path("both.json").read_bytes()


def test_a_file_that_is_gone_leaves_the_old_one(noxcli: Noxcli, plays: Any) -> None:
    gone = [Answer(404, {"detail": "File not found"}, repeat=True)]
    workflow = plays(output={"Picture": CAT}, faults={"file": gone})
    Path("cat.png").write_bytes(b"old")
    result = noxcli("run", workflow, "--no-check", "-o", "cat.png")
    assert (result.code, Path("cat.png").read_bytes()) == (9, b"old")


def test_a_full_disk_is_named_with_the_file(noxcli: Noxcli, plays: Any, small_disk: Path) -> None:
    workflow = plays(output={"Picture": File("big.png", bytes(1_000_000), "image/png")})
    target = small_disk / "cat.png"
    result = noxcli("run", workflow, "--no-check", "-o", str(target))
    assert result.code == 9
    assert "no space left on device" in result.err
    assert "report it" not in result.err
    assert "stdout" not in result.err
    text = plays(output={"Text": "x" * 600_000})
    result = noxcli("run", text, "--no-check", "-o", str(target))
    assert (result.code, target.exists()) == (9, False)
    assert f"can't write {target}: no space left on device" in result.err
    assert "report it" not in result.err


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "qa", "Question=x", "--output-dir", "s3://bucket/out"],
        ["run", "qa", "Question=x", "-o", "gs://bucket/out.txt"],
        ["batch", "qa", "rows.jsonl", "--output-dir", "s3://bucket/out"],
        [
            "gate",
            "qa",
            "rows.jsonl",
            "--base",
            "x",
            "--new",
            "y",
            "--output-dir",
            "s3://bucket/out",
        ],
        ["results", "b", "--csv", "https://example.com/out.csv"],
    ],
)
def test_an_address_is_no_place_for_files(
    noxcli: Noxcli, sandbox: Sandbox, argv: list[str]
) -> None:
    Path("rows.jsonl").write_text('{"Question": "x"}\n')
    result = noxcli(*argv)
    assert (result.code, sandbox.requests) == (2, [])
    assert "takes a path on this machine, not an address" in result.err
    assert [path.name for path in Path().iterdir()] == ["rows.jsonl"]


def test_last_is_the_last_run_of_a_batch_and_of_a_gate(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[input_node("Q")])
    Path("rows.jsonl").write_text('{"Q": "a"}\n{"Q": "b"}\n')
    assert noxcli("batch", workflow, "rows.jsonl").code == 0
    last = noxcli("inspect", "@last", "--json").json["run"]["id"]
    assert last in {run.id for run in sandbox.runs(workflow)}
    sides = ["--base", "base", "--new", "new", "--assert", "ok"]
    Path("asked.jsonl").write_text('{"Question": "Where is my invoice?"}\n')
    noxcli("gate", "review", "asked.jsonl", *sides)
    after = noxcli("inspect", "@last", "--json").json["run"]
    assert after["workflow_name"] == "review"
