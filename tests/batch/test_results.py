"""`results.jsonl`: every finished row's result with its output, once each, whatever happens to stdout."""

import json
import re
import resource
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxcli.batchdir.append_file import JournalTrouble
from noxcli.batchdir.results_file import ResultsFile, RowResult
from noxcli.errors import ExitCode, UsageProblem
from noxcli.rows.columns import Row, hash_of
from noxcli.safe_dir import SafeDir
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows
from tests.process import HUNG, environment, forked

BATCH = Path("rows.jsonl.batch")


def kept(directory: Path = BATCH) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "results.jsonl").read_text().splitlines()]


def line(number: int, run: str = "r", text: str = "") -> str:
    head = f'{{"row":{number},"id":null,"result":{{"schema":"noxcli.result/1","ok":true,"exit_code":0,"retry_safe":false'
    tail = '"error":null},"input":null,"columns":null}'
    return f'{head},"run":{{"id":{json.dumps(run)}}},"output":{{"A":{json.dumps(text)}}},{tail}\n'


def test_they_are_the_lines_of_stdout(noxcli: Noxcli, workflow: str) -> None:
    result = noxcli("batch", workflow, write_rows("a", "bad", '"b\\"'))
    assert sorted((BATCH / "results.jsonl").read_bytes().splitlines()) == sorted(
        result.out.splitlines()
    )
    assert [line["result"]["output"]["A"] for line in kept() if line["result"]["ok"]] != []


def row(number: int, run: str = "r", text: str = "") -> RowResult:
    result = json.loads(line(number, run, text))["result"]
    return RowResult(Row(number, number, 0), result, ExitCode.OK, {}, {})


def test_a_torn_end_moves_aside_and_of_two_lines_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(
        line(2, "r2", "old") + "junk\n" + line(1, "r1") + line(2, "r2", "new") + line(3)[:40]
    )
    known = [hash_of(run) for run in (None, "r1", "r2")]
    with SafeDir.open_named(tmp_path) as place:
        results = ResultsFile(place, known)
        assert (tmp_path / "results.jsonl.torn").read_text() == line(3)[:40] + "\n"
        assert list(results.places) == [hash_of("r2"), hash_of("r1")]
        assert json.loads(results.read_raw(hash_of("r1")))["row"] == 1
        assert results.read_raw(hash_of("r4")) == b""
        results.append([row(3, "r3")])
        results.append([row(1, "again")])
        results.close()
    junk, *lines = path.read_text().splitlines()
    kept = [json.loads(each) for each in lines]
    assert (junk, [(each["row"], each["result"]["run"]["id"]) for each in kept]) == (
        "junk",
        [(2, "r2"), (3, "r3"), (1, "again")],
    )
    assert kept[0]["result"]["output"] == {"A": "new"}


@pytest.mark.parametrize(
    "again",
    [
        lambda each: json.dumps(each),
        lambda each: json.dumps(each, sort_keys=True),
        lambda each: json.dumps({**each, "later": 1}),
        lambda each: re.sub(r'("duration_s": )[\d.]+', r"\g<1>2.50", json.dumps(each)),
        lambda each: json.dumps({**each, "result": {"exit_code": 0, "output": None}}),
        lambda _: "what is this?",
        lambda _: json.dumps({"row": "1"}),
        lambda _: "\0" * 100,
    ],
    ids=[
        "blanks",
        "jq -S",
        "a newer noxcli",
        "more digits",
        "no run",
        "text",
        "another document",
        "zeros",
    ],
)
def test_what_was_written_by_others_is_kept(
    noxcli: Noxcli, workflow: str, again: Callable[[Any], str]
) -> None:
    rows = write_rows("a", "b")
    noxcli("batch", workflow, rows)
    path = BATCH / "results.jsonl"
    path.write_text("".join(f"{again(each)}\n" for each in kept()))
    before = path.read_text()
    assert noxcli("batch", workflow, rows, "--resume").code == 0
    assert path.read_text().startswith(before)


def test_cut_at_every_byte_each_row_is_written_again(noxcli: Noxcli, workflow: str) -> None:
    rows = write_rows("a", "b")
    noxcli("batch", workflow, rows)
    path = BATCH / "results.jsonl"
    content = path.read_bytes()
    for cut in (*range(0, len(content), 97), len(content) - 1):
        path.write_bytes(content[:cut])
        assert noxcli("batch", workflow, rows, "--resume").code == 0
        assert sorted(each["row"] for each in kept()) == [1, 2]
        assert [(BATCH / name).exists() for name in ("batch.jsonl.torn",)] == [False]


def test_what_a_server_nests_deep_is_kept(tmp_path: Path) -> None:
    deep = line(1).replace('{"A":""}', "[" * 5000 + "]" * 5000)
    with SafeDir.open_named(tmp_path) as place:
        results = ResultsFile(place)
        (tmp_path / "results.jsonl").write_text(deep)
        results.close()
        again = ResultsFile(place)
        assert not again.places, "no noxcli writes it"
        again.append([row(1)])
        again.close()
    assert (tmp_path / "results.jsonl").read_text() == deep + row(1).line


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    path, (soft, hard) = tmp_path / "results.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    with SafeDir.open_named(tmp_path) as place:
        results = ResultsFile(place)
        results.append([row(1)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(row(1).line) + 40, hard))
        try:
            with pytest.raises(JournalTrouble, match="file too large"):
                results.append([row(2)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_text() == row(1).line
        results.append([row(2)])
        results.close()
    assert path.read_text() == row(1).line + row(2).line


def test_replaced_answers_are_removed_in_little_memory(tmp_path: Path) -> None:
    path, long = tmp_path / "results.jsonl", "x" * 50_000
    with path.open("w") as file:
        file.writelines(
            line(number, f"r{number}", text + long)
            for text in ("old", "new")
            for number in range(1, 201)
        )
    with SafeDir.open_named(tmp_path) as place:
        results = ResultsFile(place)
        tracemalloc.start()
        results.close()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 * len(long)
    lines = path.read_text().splitlines()
    assert [json.loads(each)["result"]["output"]["A"][:3] for each in lines] == ["new"] * 200


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").symlink_to("/dev/null")
    with (
        SafeDir.open_named(tmp_path) as place,
        pytest.raises(UsageProblem, match="which noxcli does not follow"),
    ):
        ResultsFile(place)


def test_stdout_may_not_be_the_same_file(sandbox: Sandbox, workflow: str) -> None:
    BATCH.mkdir()
    with (BATCH / "results.jsonl").open("wb") as out:
        done = subprocess.run(
            [*forked(), "batch", workflow, write_rows("a")],
            env=environment(sandbox.url),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=HUNG,
            check=False,
        )
    assert (done.returncode, "redirect stdout to another file" in done.stderr) == (2, True)
    assert not sandbox.runs(workflow)


def test_a_finished_row_whose_result_is_lost_is_told(noxcli: Noxcli, workflow: str) -> None:
    noxcli("batch", workflow, write_rows("a", "bad"))
    runs = {each["row"]: each["result"]["run"]["id"] for each in kept()}
    (BATCH / "results.jsonl").write_text("")
    result = noxcli("results", str(BATCH), "--junit", "report.xml")
    assert (result.code, [each["result"]["exit_code"] for each in result.lines]) == (1, [9, 1])
    assert "row 1: it completed, but results.jsonl has no result of it" in result.err
    assert f"noxcli fetch-output {runs[1]} has the output" in result.err
    assert 'errors="1"' in Path("report.xml").read_text()


@pytest.mark.parametrize(
    "odd",
    [
        {},
        *({"exit_code": code} for code in ("0", 200, None, True)),
        *[{"error": "x"}, {"error": {"message": 1}}, {"error": {"hint": []}}],
        *(
            {"run": run}
            for run in (
                ["r"],
                {"id": 1},
                {"duration_s": "1"},
                {"duration_s": 1e13},
                {"created_at": 1},
            )
        ),
        *[{"assertions": None}, {"assertions": {}}, {"assertions": ["x"]}],
    ],
    ids=str,
)
def test_a_line_that_lacks_something_is_no_result(
    noxcli: Noxcli, workflow: str, odd: dict[str, Any]
) -> None:
    noxcli("batch", workflow, write_rows("a"))
    (line,) = kept()
    result = line["result"]
    odd = (
        {**odd, "run": {**result["run"], **odd["run"]}} if isinstance(odd.get("run"), dict) else odd
    )
    line["result"] = {**result, **odd} if odd else {"run": result["run"]}
    (BATCH / "results.jsonl").write_text(f"{json.dumps(line)}\n")
    result = noxcli("results", str(BATCH), "--junit", "report.xml", "--report", "page.html")
    assert (result.code, result.lines[0]["result"]["exit_code"]) == (9, 9)


def test_a_finished_batch_that_is_sent_again_changes_nothing(noxcli: Noxcli, workflow: str) -> None:
    rows = write_rows("a", "b")
    noxcli("batch", workflow, rows)
    before = (BATCH / "results.jsonl").read_bytes()
    time.sleep(0.01)
    again = noxcli("batch", workflow, rows, "--resume")
    assert (again.code, again.text, (BATCH / "results.jsonl").read_bytes()) == (0, "", before)
    assert re.match(r"2 rows in [\d.]+s, 2 of them in earlier calls\n", again.err)
