"""Texts that became files: whole in what is stored, judged and compared, as paths in the line of `batch`."""

import json
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import File, input_node
from tests.conftest import Noxcli, write_rows

LONG = "t" * 20_000


def lines_of(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.fixture
def long(plays: Any) -> str:
    """A workflow with a long answer, which has its input only behind the first 16,000 characters, and with a file."""

    def output(inputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "Answer": f"{LONG} {inputs['Q']}",
            "Doc": File("d.pdf", b"%PDF", "application/pdf"),
            "N": 1,
        }

    return str(plays(nodes=[input_node("Q")], output=output))


def test_stored_and_joined_results_have_whole_texts(noxcli: Noxcli, long: str) -> None:
    batch = (
        "batch",
        long,
        write_rows("one"),
        "--output-dir",
        "out",
        "--assert",
        "length(output.Answer) == `20004`",
    )
    (printed,) = noxcli(*batch).lines
    assert (printed["result"]["exit_code"], printed["result"]["output"]["Answer"].keys()) == (
        0,
        {"$file"},
    )
    (stored,) = lines_of("out/results.jsonl")
    assert stored["result"]["output"]["Answer"] == f"{LONG} one"
    assert stored["result"]["output"]["Doc"] == printed["result"]["output"]["Doc"], (
        "a file stays a file"
    )
    (joined,) = noxcli("results", "out", "--csv", "table.csv").lines
    assert joined["result"]["output"] == stored["result"]["output"]
    assert f"{LONG} one" in Path("table.csv").read_text()
    assert (
        noxcli("batch", long, "rows.jsonl", "--fresh", "--query", "result.output.N").text == "1\n"
    )


def test_a_text_is_found_whatever_its_key_has(noxcli: Noxcli, plays: Any) -> None:
    key = "a~1b/c"
    workflow = plays(nodes=[input_node("Q")], output={key: LONG})
    assert noxcli("batch", workflow, write_rows("one"), "--output-dir", "out").code == 0
    assert [line["result"]["output"] for line in lines_of("out/results.jsonl")] == [{key: LONG}]


def test_long_answers_are_compared_as_texts(noxcli: Noxcli, long: str) -> None:
    rows = write_rows({"$id": "a", "Q": "one"})
    for more in ((), ("--output-dir", "new"), ("--output-dir", "other")):
        noxcli("batch", long, rows, *more)
    for base, new, is_saved in (("rows.jsonl.batch", "new", False), ("new", "other", True)):
        judged = noxcli("compare", base, new, "--assert", "ends_with(output.Answer, row.Q)")
        assert judged.code == 0, judged.err
        document = noxcli("compare", base, new, "--json").json
        classes = {name: count for name, count in document["classes"].items() if count}
        assert classes == ({"same": 1} if is_saved else {"changed": 1})
        if not is_saved:  # one side kept the server's name of the file
            assert document["rows"][0]["what"].startswith("Doc: ")


def test_a_text_is_compared_as_it_was_answered(noxcli: Noxcli, long: str) -> None:
    for directory in ("base", "new"):
        rows = write_rows({"$id": "a", "Q": "one"}, {"$id": "b", "Q": "two"})
        noxcli("batch", long, rows, "--output-dir", directory)
    Path("new/000001-a/Answer.txt").write_text("x" * 20_004)
    assert noxcli("compare", "base", "new").code == 0, "the results have the whole text"
