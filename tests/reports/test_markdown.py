"""The Markdown of a comparison or of results: what was compared, and the rows that fail, as far as a comment holds."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows
from tests.research.hostile.corpus import PAYLOADS
from tests.sample import one_in
from tests.sides import stored

MOST = 60_000  # characters


@pytest.fixture
def sides(noxcli: Noxcli, plays: Any) -> tuple[str, str]:
    """Two batches of one workflow, which answers one of three questions differently the second time."""
    nodes = [input_node("Q"), output_node("Answer")]
    workflow = plays(
        nodes=nodes,
        output=lambda inputs: {
            "Answer": f"{inputs['Q']} {'bad' if inputs['$turn'] > 1 and inputs['Q'] == 'b' else 'good'}"
        },
    )
    Path("t.csv").write_text("id,Q,note\n1,a,first\n2,b,second\n3,c,third\n")
    for name in ("base", "new"):
        argv = ("batch", workflow, "t.csv", "--id", "id", "--keep", "note", "--output-dir", name)
        assert noxcli(*argv).code == 0
    return "base", "new"


def test_a_comment_says_what_was_compared_and_what_broke(
    noxcli: Noxcli, sides: tuple[str, str]
) -> None:
    ask = ("--assert", "contains(output.Answer, 'good')")
    result = noxcli("compare", *sides, *ask, "--markdown", "c.md", "--report", "c.html")
    assert result.code == 11
    text = Path("c.md").read_text()
    assert text.splitlines()[0] == "<!-- noxcli compare base and new -->"
    assert text.count("<h3>") == 1
    for fact in (
        "<h3>noxcli compare failed: 1 broken, 2 same</h3>",
        "workflow test_",
        "3 of 3 rows passed (100.0%)",
        "--assert contains(output.Answer, 'good')",
        "by the table of NEW (t.csv)",
        "11: of 3 rows, 1 broken: 2",
        "<p>BASE <code>b <del>good</del></code></p>",
        "<p>NEW <code>b <ins>bad</ins></code></p>",
    ):
        assert fact in text, fact
    page = Path("c.html").read_text()
    for fact in ("<main>", 'id="r2"', "second", "11: of 3 rows, 1 broken: 2", "workflow test_"):
        assert fact in page, fact
    runs = [
        json.loads(line)["result"]["run"]["id"]
        for line in Path("new/results.jsonl").read_text().splitlines()
    ]
    assert any(run in page for run in runs)


def test_results_have_one_too(noxcli: Noxcli, sides: tuple[str, str]) -> None:
    result = noxcli(
        "results", sides[1], "--assert", "contains(output.Answer, 'good')", "--markdown", "r.md"
    )
    assert result.code == 11
    text = Path("r.md").read_text()
    assert text.startswith("<!-- noxcli results new -->\n")
    assert "<h3>noxcli results failed: 1 of 3 rows failed a check</h3>" in text
    assert "t.csv" in text


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_rows_that_were_left_out_are_a_note(noxcli: Noxcli, plays: Any, form: str) -> None:
    rows = [{"Q": f"why {number}"} for number in range(6)]
    cells = [f"{row['Q']},\n" for row in rows]
    texts = {
        "csv": "".join(["Q,Q2\n", *cells[:3], ",\n", *cells[3:]]),
        "jsonl": "\n".join(map(json.dumps, rows)),
        "json": json.dumps(rows),
    }
    workflow = plays(
        nodes=[input_node("Q"), input_node("Q2", default="")],
        output=lambda inputs: {"A": inputs["Q"]},
    )
    Path(f"t.{form}").write_text(texts[form])
    for name in ("base", "new"):
        assert (
            noxcli("batch", workflow, f"t.{form}", "--limit", "2", "--output-dir", name).code == 0
        )
    left_out = f"only 2 of the 6 rows of t.{form}: --limit 2"
    compared = noxcli("compare", "base", "new", "--markdown", "c.md", "--report", "c.html")
    assert f"BASE and NEW have {left_out}\n" in compared.err
    results = noxcli(
        "results",
        "new",
        "--assert",
        "ok",
        "--min-pass",
        "90%",
        "--by",
        "Q",
        "--markdown",
        "r.md",
        "--report",
        "r.html",
    )
    assert f"noxcli: {left_out}\n" in results.err
    for file in ("c.md", "c.html", "r.md", "r.html"):
        text = Path(file).read_text()
        assert left_out in text
        assert file[0] == "c" or "--min-pass 90%" in text
        assert file[0] == "c" or "1 of 1 row passed (100.0%)" in text


def row(number: int, answer: str) -> dict[str, Any]:
    run = {"id": f"r{number}", "workflow_id": "w", "status": "completed"}
    result = {"exit_code": 0, "run": run, "output": {"Answer": answer}, "error": None}
    return {
        "row": number,
        "id": f"id{number}",
        "input": {"Q": f"q{number}"},
        "columns": None,
        "result": result,
    }


def compared(noxcli: Noxcli, base: list[dict[str, Any]], new: list[dict[str, Any]]) -> str:
    ask = ("--assert", "!(ends_with(output.Answer, 'new') || starts_with(output.Answer, 'bad'))")
    sides = stored("base", base), stored("new", new)
    assert noxcli("compare", *sides, *ask, "--markdown", "c.md").code in (0, 11)
    return Path("c.md").read_text()


def test_it_fits_into_a_comment_and_counts_what_is_left_out(noxcli: Noxcli) -> None:
    base = [row(n, f"{'word ' * 2000}old") for n in range(1, 301)]
    text = compared(noxcli, base, [row(n, f"{'word ' * 2000}new") for n in range(1, 301)])
    assert len(text) <= MOST
    left = re.search(r"<p>and (\d+) more rows</p>\n\n</details>\n\n\Z", text)
    assert left is not None
    folded = text.partition("<details>")[2]
    assert int(left[1]) + folded.count("<b><code>id") == 300
    assert "(parts of 10,003 characters before, and 10,003 now)" in text, (
        "a cut text says its length"
    )
    whole = compared(noxcli, base[:2], [row(n, f"{'word ' * 2000}new") for n in (1, 2)])
    assert whole.count("word " * 2000) == 4
    assert "parts of" not in whole


def test_it_lists_ten_rows_with_their_inputs(noxcli: Noxcli) -> None:
    new = [row(n, "new" if n in (20, 30) else "other") for n in range(1, 41)]
    text = compared(noxcli, [row(n, "old") for n in range(1, 41)], new)
    assert "<p><b><code>id20</code></b> <code>q20</code>: " in text
    assert re.findall(r"<code>changed (\w+) \((\w+)\): Answer: ", text) == [
        (f"id{n}", f"q{n}") for n in range(1, 9)
    ]
    assert "<p>and 30 more rows</p>" in text


def test_texts_of_a_server_are_text_in_it(noxcli: Noxcli) -> None:
    hostile = "<script>alert(1)</script> --> @everyone ![x](https://example.com) " + "".join(
        PAYLOADS.values()
    )
    text = compared(noxcli, [row(1, f"good {hostile}")], [row(1, f"bad {hostile}")])
    assert "<script>" not in text
    assert text.count("-->") == 1
    assert "\x1b" not in text
    outside = re.sub(r"<code>.*?</code>", "", text, flags=re.DOTALL)
    assert "@everyone" not in outside
    assert "example.com" not in outside


OLD = "3 of 3 rows passed"


@pytest.mark.parametrize("option", ["--markdown", "--report", "--junit"])
@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("compare", "base", "new"), "no row of new has the id of a row of base"),
        (
            ("compare", "base", "new", "--assert", "length("),
            "is not a valid JMESPath expression",
        ),
        (("compare", "base", "gone"), "gone is not the directory of a batch"),
        (("results", "gone"), "can&apos;t read the journal"),
        (("batch", "demo", "gone.jsonl"), "gone.jsonl"),
    ],
)
def test_no_verdict_of_an_earlier_call_stays(
    noxcli: Noxcli, sandbox: Sandbox, argv: tuple[str, ...], why: str, option: str
) -> None:
    if argv[0] == "batch" and option == "--markdown":
        option = "--report"  # a batch has no comment
    stored("base", [row(1, "a")])
    stored("new", [{**row(2, "b"), "input": {"Q": "other"}}])
    Path("verdict").write_text(OLD)
    assert noxcli(*argv, option, "verdict").code == 2
    text = Path("verdict").read_text()
    assert OLD not in text
    assert html.unescape(why) in html.unescape(text)
    if option == "--markdown":
        heading = "not judged: nothing was compared" if argv[0] == "compare" else "failed: no rows"
        assert f"<h3>noxcli {argv[0]} {heading}</h3>" in text
    assert sandbox.requests == []


CALLS = {
    "run": (("run", "demo", "User Input=x"), ("--report", "--junit", "--dotenv")),
    "batch": (("batch", "qa", "rows.jsonl", "--fresh"), ("--report", "--junit")),
    "results": (("results", "rows.jsonl.batch"), ("--report", "--junit", "--markdown")),
    "compare": (("compare", "rows.jsonl.batch", "again"), ("--report", "--junit", "--markdown")),
}
MISTAKES = (["--bogus"], ["--color", "blue"], ["--profile", "prod"])


@pytest.mark.parametrize("call", CALLS)
def test_no_verdict_stays_after_a_mistake_on_the_command_line(noxcli: Noxcli, call: str) -> None:
    argv, options = CALLS[call]
    write_rows({"Question": "x"})
    for directory in ("rows.jsonl.batch", "again"):
        assert noxcli("batch", "qa", "rows.jsonl", "--output-dir", directory).code == 0
    reports = [word for option in options for word in (option, option[2:])]
    assert noxcli(*argv, *reports).code == 0
    verdicts = {option: Path(option[2:]).read_bytes() for option in options}
    for mistake in MISTAKES[: 2 if call in ("results", "compare") else 3]:  # these ask no server
        for option, verdict in verdicts.items():
            Path(option[2:]).write_bytes(verdict)
        assert noxcli(*argv, *reports, *mistake).code == 2
        for option in options:
            text = re.sub(
                r"(?s)<style>.*?</style>|<script>.*?</script>|<footer>.*",
                "",
                Path(option[2:]).read_text(),
            )
            assert re.search(r"bogus|blue|prod|EXIT_CODE=2", text), (option, text)


def test_a_table_is_never_written(noxcli: Noxcli) -> None:
    rows = write_rows({"Question": "x"})
    before = Path(rows).read_bytes()
    assert noxcli("batch", "qa", rows, "--report", rows).code == 2
    assert noxcli("batch", "--report", rows, "qa").code == 2, "the report's name was forgotten"
    assert Path(rows).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "option"),
    one_in(2, ["batch.jsonl", "results.jsonl"], ["--markdown", "--report", "--junit"]),
)
def test_a_batch_keeps_its_own_files(
    noxcli: Noxcli, sides: tuple[str, str], name: str, option: str
) -> None:
    before = Path(f"base/{name}").read_bytes()
    for more in ([], ["--bogus"]):
        result = noxcli("compare", *sides, option, f"base/{name}", *more)
        assert result.code == 2
        assert Path(f"base/{name}").read_bytes() == before


def test_a_comment_begins_with_what_to_do(
    noxcli: Noxcli, sides: tuple[str, str], tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": "abcdef0123456789"}}}))
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_RUN_ID": "4711",
        "GITHUB_REPOSITORY": "noxcli/review",
        "GITHUB_EVENT_PATH": str(event),
    }
    ask = ("--assert", "contains(output.Answer, 'good')", "--by", "note")
    result = noxcli("compare", *sides, *ask, "--markdown", "c.md", environ=environ)
    assert result.code == 11
    before, folded = Path("c.md").read_text().split("<details>")
    lines = [line for line in before.splitlines() if line]
    assert len(lines) <= 25
    assert "Read what these rows answer now" in lines[2]
    run = "https://github.com/noxcli/review/actions/runs/4711"
    for address in (run, f"{run}#artifacts", "https://github.com/noxcli/review/commit/abcdef"):
        assert f'href="{address}' in lines[3], address
    assert "<b><code>2</code></b> <code>b</code>" in before
    assert "<p>BASE <code>Answer</code> <code>b <del>good</del></code></p>" in before
    assert "<p>NEW <code>Answer</code> <code>b <ins>bad</ins></code></p>" in before
    assert "<code>note second</code></b> fell: " in before
    assert "<table>" in folded
    assert folded.rstrip().endswith("</details>")


@pytest.mark.parametrize(("limit", "said"), [("0.01", "Re-run the job: it continues")])
def test_a_comment_without_a_verdict_says_what_to_do(noxcli: Noxcli, limit: str, said: str) -> None:
    write_rows("one", "two")
    sides = ("--base", "base", "--new", "new", "--assert", "complete", "--timeout", limit)
    result = noxcli("gate", "review", "rows.jsonl", *sides, "--markdown", "c.md")
    assert result.code in {75, 124}, result.err
    text = Path("c.md").read_text()
    assert said in text
    assert "noxcli gate review rows" not in text, "no command line"


def test_a_mistake_before_the_first_start_has_a_comment(noxcli: Noxcli) -> None:
    write_rows("one")
    result = noxcli("gate", "review", "rows.jsonl", "--base-file", "none", "--markdown", "c.md")
    assert result.code == 2
    text = Path("c.md").read_text()
    assert "Correct what the reason names" in text
    assert "NEW is missing" in text
