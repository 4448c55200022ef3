"""`--only`: the rows of a batch whose ids a file lists; others are left out, neither missing nor removed."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, asked, write_rows

ROWS = "abcdef"


def rows(*names: str) -> str:
    return write_rows(*[{"$id": f"id-{name}", "Q": name} for name in names or ROWS])


def only(*names: str, file: str = "ids.txt") -> tuple[str, str]:
    Path(file).write_text("".join(f"id-{name}\n" for name in names))
    return "--only", file


def test_only_rows_with_these_ids_run(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    batch = ("batch", workflow, rows())
    few = noxcli(*batch, *only("b", "e"), "--junit", "few.xml", "--max-parallel", "1")
    assert (few.code, [line["id"] for line in few.lines]) == (0, ["id-b", "id-e"]), few.err
    assert "2 rows in" in few.err
    header = json.loads(Path("rows.jsonl.batch/batch.jsonl").read_text().splitlines()[0])
    assert header["only"] == [2, 5], "it is in the journal before the first start"
    stored = noxcli("results", "rows.jsonl.batch")
    assert (stored.code, [line["row"] for line in stored.lines]) == (0, [2, 5]), (
        "others are not missing"
    )
    rest = noxcli(*batch, "--resume", *only("e", "f"), "--junit", "junit.xml")
    assert (rest.code, [line["row"] for line in rest.lines], asked(sandbox, workflow)) == (
        0,
        [6],
        Counter("bef"),
    )
    assert 'tests="2"' in Path("junit.xml").read_text()
    assert [line["row"] for line in noxcli("results", "rows.jsonl.batch").lines] == [2, 5, 6]
    whole = noxcli(*batch, "--resume")
    assert (whole.code, asked(sandbox, workflow)) == (0, Counter(ROWS)), whole.err


def test_ids_may_be_written_on_windows(noxcli: Noxcli, workflow: str) -> None:
    Path("ids.txt").write_bytes(b"\xef\xbb\xbfid-b\r\nid-e\r\n")
    few = noxcli("batch", workflow, rows(), "--only", "ids.txt")
    assert (few.code, sorted(line["id"] for line in few.lines)) == (0, ["id-b", "id-e"]), few.err


def test_ids_that_results_print_select_rows_of_a_shard(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    assert noxcli("batch", workflow, rows("a", "b", "c"), "--output-dir", "first").code == 0
    Path("ids.txt").write_bytes(noxcli("results", "first", "--query", "id").out)
    batch = ("batch", workflow, rows(), "--only", "ids.txt", "--repeat", "2")
    for shard in ("1/2", "2/2"):
        assert noxcli(*batch, "--shard", shard, "--output-dir", f"s{shard[0]}").code == 0
    joined = noxcli("results", "s1", "s2")
    assert [(line["row"], line["repetition"]) for line in joined.lines] == [
        (row, repetition) for row in (1, 2, 3) for repetition in (1, 2)
    ]
    assert (joined.code, asked(sandbox, workflow)) == (0, Counter("abc" * 3)), joined.err


def test_a_selected_row_that_did_not_run_is_missing(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "x"}, status="failed")
    result = noxcli(
        "batch",
        workflow,
        rows(),
        *only("b", "d", "e"),
        "--max-failures",
        "1",
        "--max-parallel",
        "1",
    )
    assert result.code == 1, result.err
    stored = noxcli("results", "rows.jsonl.batch")
    assert [(line["row"], line["result"]["exit_code"]) for line in stored.lines] == [
        (2, 1),
        (4, 8),
        (5, 8),
    ]
    assert stored.code == 1


def test_rows_left_out_are_neither_missing_nor_removed(noxcli: Noxcli, workflow: str) -> None:
    assert noxcli("batch", workflow, rows(), "--output-dir", "base").code == 0
    assert noxcli("batch", workflow, rows(), "--output-dir", "new", *only("a", "f")).code == 0
    result = noxcli("compare", "base", "new", "--fail-on", "removed", "--json")
    assert (result.code, result.json["classes"]["same"], result.json["classes"]["removed"]) == (
        0,
        2,
        0,
    ), result.err
    assert "4 rows of BASE, left out of NEW by --limit or --only, were not compared" in result.err
    back = noxcli("compare", "new", "base", "--fail-on", "new")
    assert (back.code, "4 rows of NEW, left out of BASE" in back.err) == (0, True), back.err


@pytest.mark.parametrize("less", [("--limit", "2"), ("--only", "ids.txt")])
def test_a_batch_that_ran_whole_has_left_no_row_out(
    noxcli: Noxcli, workflow: str, less: tuple[str, str]
) -> None:
    only("a", "f")
    assert noxcli("batch", workflow, rows(*"abcdefg"), "--output-dir", "base").code == 0
    new = ("batch", workflow, rows(), "--output-dir", "new")
    assert noxcli(*new).code == 0
    assert noxcli(*new, "--resume", *less).code == 0
    removed = noxcli("compare", "base", "new", "--fail-on", "removed")
    assert (removed.code, "1 removed" in removed.err, "left out" in removed.err) == (
        11,
        True,
        False,
    ), removed.err
    assert noxcli("compare", "new", "base", "--fail-on", "new").code == 11
    assert [line["row"] for line in noxcli("results", "new").lines] == [1, 2, 3, 4, 5, 6]


def test_only_these_rows_are_asked_again(noxcli: Noxcli, sandbox: Sandbox, workflow: str) -> None:
    batch = ("batch", workflow, rows("a", "b", "c"), "--assert", "output.A == 'a'")
    assert noxcli(*batch).code == 11
    again = noxcli(*batch, "--again", "red", *only("b"))
    assert ([line["id"] for line in again.lines], asked(sandbox, workflow)) == (
        ["id-b"],
        Counter("abbc"),
    ), again.err
    lines = {line["id"]: line["asked"] for line in noxcli("results", "rows.jsonl.batch").lines}
    assert lines == {"id-a": 1, "id-b": 2, "id-c": 1}


def test_an_edit_that_is_left_out_waits_for_its_turn(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str
) -> None:
    batch = ("batch", workflow, rows("a", "b", "c"))
    assert noxcli(*batch).code == 0
    write_rows(*[{"$id": f"id-{name}", "Q": name if name == "a" else name * 2} for name in "abc"])
    assert noxcli(*batch, "--again", "edited", *only("b")).code == 0
    assert asked(sandbox, workflow) == Counter(["a", "b", "bb", "c"])
    stored = noxcli("results", "rows.jsonl.batch")
    assert (stored.code, [line["result"]["exit_code"] for line in stored.lines]) == (8, [0, 0, 8])
    assert noxcli(*batch, "--resume").code == 0
    assert asked(sandbox, workflow) == Counter(["a", "b", "bb", "c", "cc"])


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("", [], "names no row; write one id a line"),
        (" \n\n", [], "names no row"),
        (
            "id-a\nid-bb\n",
            [],
            "names 'id-bb', but no row of rows.jsonl has such an id; did you mean 'id-b'?",
        ),
        ("id-a\n", ["--limit", "2"], "--only and --limit both say which rows to run"),
        (None, [], "can't read --only ids.txt: no such file"),
        (b"\xff\n", [], "--only ids.txt is not UTF-8 text"),
    ],
)
def test_a_mistake_starts_nothing(
    noxcli: Noxcli,
    sandbox: Sandbox,
    workflow: str,
    content: str | bytes | None,
    options: list[str],
    said: str,
) -> None:
    if content is not None:
        Path("ids.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    result = noxcli("batch", workflow, rows(), "--only", "ids.txt", *options)
    assert (result.code, said in result.err, asked(sandbox, workflow)) == (2, True, Counter()), (
        result.err
    )


def test_rows_without_ids_are_told_how_to_name_them(noxcli: Noxcli, workflow: str) -> None:
    Path("rows.csv").write_text("Nr,Q\nx,a\ny,b\n")
    Path("ids.txt").write_text("\ufeffy\r\n")
    batch = ("batch", workflow, "rows.csv", "--only", "ids.txt", "--keep", "Nr")
    result = noxcli(*batch)
    assert (result.code, "name the column of the ids with --id" in result.err) == (2, True), (
        result.err
    )
    assert [line["row"] for line in noxcli(*batch, "--id", "Nr").lines] == [2]


def test_a_journal_with_other_rows_is_refused(noxcli: Noxcli, workflow: str) -> None:
    batch = ("batch", workflow, rows(), *only("b"))
    assert noxcli(*batch).code == 0
    journal = Path("rows.jsonl.batch/batch.jsonl")
    journal.write_text(journal.read_text().replace('"only":[2]', '"only":["2"]', 1))
    assert noxcli("results", "rows.jsonl.batch").code == 2
