"""The files that one command writes: each is another one, which is checked before anything is started."""

from pathlib import Path

import pytest

from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli

RUN = "run demo User=x --no-check"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{RUN} --report r --junit ./r", "--report and --junit name the same file: ./r"),
        (f"{RUN} --junit r --dotenv linked", "--junit and --dotenv name the same file: linked"),
        (
            f"{RUN} --dotenv r --state-file sub/../r",
            "--dotenv and --state-file name the same file: sub/../r",
        ),
        (
            f"{RUN} --report o/Answer.txt --output-dir o",
            "--report o/Answer.txt is in --output-dir, among the outputs",
        ),
        (
            f"{RUN} --dotenv ./o/x/../d --output-dir o",
            "--dotenv ./o/x/../d is in --output-dir, among the outputs",
        ),
        ("rerun @last --report r --junit r", "--report and --junit name the same file: r"),
        ("wait x --report r --junit r", "--report and --junit name the same file: r"),
        (
            "batch demo rows.jsonl --report r --junit r",
            "--report and --junit name the same file: r",
        ),
        (
            "batch demo rows.jsonl --junit b/batch.jsonl --output-dir b",
            "--junit b/batch.jsonl belongs to the batch",
        ),
        (
            "batch demo rows.jsonl --report b/results.jsonl --output-dir b",
            "b/results.jsonl belongs to the batch",
        ),
        (
            "batch demo rows.jsonl --report rows.jsonl",
            "FILE and --report name the same file: rows.jsonl",
        ),
        (
            "batch demo rows.jsonl --junit ./rows.jsonl",
            "FILE and --junit name the same file: ./rows.jsonl",
        ),
        (
            "batch demo rows.jsonl --expect e.csv --report e.csv",
            "--expect and --report name the same file: e.csv",
        ),
        ("results b --junit b/results.jsonl", "--junit b/results.jsonl belongs to the batch"),
        ("results b --report r --junit r", "--report and --junit name the same file: r"),
    ],
)
def test_two_outputs_at_one_path_are_refused(
    noxcli: Noxcli, sandbox: Sandbox, line: str, said: str
) -> None:
    Path("sub").mkdir()
    Path("linked").symlink_to("r")
    Path("rows.jsonl").write_text('{"User Input": "x"}\n')
    result = noxcli(*line.split())
    assert (result.code, sandbox.requests) == (2, [])
    assert said in result.err
    assert {path.name for path in Path().iterdir() if path.name != "state"} == {
        "sub",
        "linked",
        "rows.jsonl",
    }


@pytest.mark.parametrize(
    "option", ["--report", "--junit", "--dotenv", "--state-file", "--output-dir"]
)
@pytest.mark.parametrize(
    "place",
    ["sub", "/dev/null", "file/below/r", "/proc/self/new/r", f"{'n' * 300}/new/r", "broken/new/r"],
)
def test_what_can_be_no_file_is_refused_before_the_start(
    noxcli: Noxcli, sandbox: Sandbox, option: str, place: str
) -> None:
    Path("sub").mkdir()
    Path("file").touch()
    Path("broken").symlink_to("nowhere")
    if (option, place) == ("--output-dir", "sub"):
        return
    result = noxcli(*RUN.split(), option, place)
    assert (result.code, result.err.count("\n"), sandbox.requests) == (2, 1, []), result.err
    assert "can't write" in result.err
    assert f"check {option}" in result.err


def test_reports_next_to_each_other_are_written(noxcli: Noxcli) -> None:
    options = (
        "--report",
        "o/sub/r.html",
        "--junit",
        "r.xml",
        "--dotenv",
        "r.env",
        "--output-dir",
        "o",
    )
    assert noxcli("run", "demo", "User Input=x", *options).code == 0
    assert Path("o/sub/r.html").exists()
    assert Path("o/manifest.json").exists()
