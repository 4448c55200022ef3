"""`--report` and `noxcli report`: one page from a run or a batch, in which remote text is text."""

import base64
import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from noxcli import __version__
from noxcli.batchdir.results_file import parse_result_line
from noxcli.checks.row_class import PassRule, RowClass, classified_pair
from noxcli.errors import ExitCode
from noxcli.masking import Mask
from noxcli.reports.html.batch_page import BatchAbout, rows_page
from noxcli.reports.html.comparison_page import comparison_page
from noxcli.reports.html.markup import Page
from noxcli.reports.html.parts import show_took
from noxcli.reports.html.run_page import run_page
from noxcli.reports.junit import cases_of_row
from noxcli.reports.result import EndedRun, Outcome
from noxcli.reports.text_diff import marked_diffs, word_diff
from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.faults import Cut
from noxcli.sandbox.scenario import File, Node, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Raw, Sleep, State, Step, node_fails, node_runs
from tests.conftest import Noxcli, Result, write_rows
from tests.reports.pages import ATTRIBUTES, TAGS, PageReader
from tests.research.hostile.corpus import NAMES, PAYLOADS, all_marked


def read(path: str | Path) -> PageReader:
    """Return a page that keeps to the allowed elements."""
    reader = PageReader(path)
    assert reader.tags <= TAGS
    assert reader.attributes <= ATTRIBUTES
    assert all(re.match(r"\./|#r\d+(\.\d+)?$", link) for link in reader.links), reader.links
    return reader


def test_a_failed_run_tells_which_node_why_and_what_to_do(noxcli: Noxcli) -> None:
    with Sandbox(BUILT_IN, speed=1) as slow:  # in which nodes are timed
        assert (
            noxcli(
                "run", "fails", "--report", "out/run.html", environ={"NOXUS_BACKEND_URL": slow.url}
            ).code
            == 1
        )
    page = read("out/run.html")
    assert re.search(
        r"✗ fails failed after \d\.\d s \d+ \w+ \d{4} \d\d:\d\d UTC · run [0-9a-f]{8} run failed at 'Summ",
        page.text,
    )
    assert "failed at 'Summarise': The model refused the text" in page.text
    assert page.text.count("noxcli inspect ") == 1
    assert "1: the run failed" in page.text
    assert f"Written by noxcli {__version__} on " in page.text
    assert page.text.endswith("noxcli run fails --report out/run.html")
    html = Path("out/run.html").read_text()
    bars = re.findall(r'<rect class="span" x="([\d.]+)%" width="([\d.]+)%"', html)
    assert len(bars) == 2, "the nodes that worked have a bar"
    (first, took), (second, _) = [(float(x), float(width)) for x, width in bars]
    rounding = 4  # percent of the axis: two times to the millisecond
    assert first + took <= second + rounding, "the second began when the first had ended"
    assert re.search(r'<details class="node bad" open>', html)


def test_the_policy_names_the_hashes_of_style_and_script(noxcli: Noxcli) -> None:
    noxcli("run", "qa", "Question=x", "--report", "run.html")
    page = read("run.html")
    policy = page.meta["Content-Security-Policy"]
    for kind in ("style", "script"):
        digest = base64.b64encode(sha256(page.inner[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_files_and_assertions_are_on_the_page(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(
        nodes=[input_node("Q"), Node("Plan")], script=node_runs("Plan"), output={"A": "x"}
    )
    more = ("--output-dir", "out", "--assert", "ok", "--report", "a.html")
    assert noxcli("run", workflow, "Q=<b>hi</b>", *more).code == 0
    page = read("a.html")
    assert "<b>hi</b>" in page.text
    assert "./out/A.txt" in page.links
    assert "1 of 1 hold" in page.text


def test_a_run_of_the_server_has_a_page_without_inputs(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(
        nodes=[input_node("Token"), Node("W")], script=node_fails("W", "no"), status="failed"
    )
    noxcli("run", workflow, "--secret", "Token=TOKEN", environ={"TOKEN": "hunter2-hunter2"})
    result = noxcli("report", "@last")
    assert result.code == 0
    Path("run.html").write_bytes(result.out)
    assert "✗ test_a_run_of_the_server_has_a_page_without_inputs failed" in read("run.html").text
    assert b"Inputs" not in result.out
    assert b"hunter2" not in result.out


def test_a_run_that_is_going_on_has_a_page(noxcli: Noxcli, plays: Any) -> None:
    run_id = noxcli.start(plays(script=[Emit("W"), Sleep(10**6)]))
    assert noxcli("report", run_id, "-o", "run.html").code == 0
    page = read("run.html").text
    assert "! test_a_run_that_is_going_on_has_a_page not finished" in page
    assert page.count(f"noxcli wait {run_id}") == 1
    assert "received" not in page, "nobody knows yet whether all events arrive"


def test_secrets_are_in_no_page_even_where_the_run_repeats_them(noxcli: Noxcli, plays: Any) -> None:
    secret = "hunter2-hunter2"
    script = node_runs("W", [f"said {secret}"])
    workflow = plays(
        nodes=[input_node("Token"), input_node("Q"), Node("W")],
        script=script,
        output={"A": f"<{secret}>"},
    )
    argv = (
        "run",
        workflow,
        "--secret",
        "Token=TOKEN",
        f"Q=is it {secret}?",
        "--report",
        "run.html",
    )
    result = noxcli(*argv, "--format", "ndjson", environ={"TOKEN": secret})
    page = read("run.html")
    assert secret not in Path("run.html").read_text()
    assert "Token ***" in page.text
    assert "is it ***?" in page.text
    assert "<***>" in page.text
    assert result.lines[0]["data"]["inputs"] == {"Q": "is it ***?", "Token": "***"}


def show_run(**parts: Any) -> None:
    """Write the page of a result document with these parts."""
    document = {**Outcome().document(ExitCode.OK), **parts}
    Path("run.html").write_bytes(b"".join(run_page(Page(Mask()), [EndedRun("", document)])))


def test_a_node_that_may_have_failed_is_not_called_good() -> None:
    show_run(
        exit_code=1,
        nodes=[{"id": "a", "status": "executed", "started_s": None, "duration_s": None}],
    )
    assert "Not timed: a (executed)" in read("run.html").text


def test_nothing_is_said_of_a_stream_before_its_run_has_ended() -> None:
    for status, said in (
        ("running", "1 connection, the run is still running"),
        ("failed", "1 connection, every event received"),
    ):
        stream = {"continuity": "proven", "connects": 1}
        show_run(exit_code=8, run={"id": "r", "status": status, "confirmed": True}, stream=stream)
        assert f"Event stream {said} " in read("run.html").text


# What can't be known.


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything in a document, itself left out."""
    if above:
        yield above
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:2])
        if isinstance(value, list)
        else ()
    )
    for key, each in inner:
        yield from places(each, (*above, key))


@pytest.mark.parametrize("odd", [[], {}, 1e999, "\ud800"], ids=repr)
def test_an_edited_result_is_none_or_has_a_page(noxcli: Noxcli, odd: Any) -> None:
    row = {"row": 1, "id": "a", "result": noxcli("run", "fails", "--json").json}
    for place in places(row):
        changed = copy.deepcopy(row)
        holder: Any = changed
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = odd
        if (line := parse_result_line(changed)) is not None:
            written([line])
            assert list(cases_of_row(line, "w", []))


def test_a_deeply_nested_output_costs_no_page() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    show_run(output={"A": deep, "B": "x"})
    assert "B x" in read("run.html").text


# Batches.


@pytest.fixture
def rows(plays: Any) -> str:
    """A workflow that fails for some rows, and a file with seven of them."""

    def script(inputs: dict[str, Any]) -> list[Step]:
        return [*node_fails("W", "too long"), State("failed")] if "bad" in inputs["Q"] else []

    texts = ["a", "b", "bad 1", "d", "bad 2", "f", "<i>g</i>"]
    write_rows(*({"$id": f"id {text}", "Q": text} for text in texts))
    nodes = [input_node("Q"), Node("W")]
    return str(plays(nodes=nodes, script=script, output=lambda inputs: {"A": inputs["Q"]}))


def test_a_batch_has_a_page_with_reasons_and_the_line_to_retry(noxcli: Noxcli, rows: str) -> None:
    argv = ("batch", rows, "rows.jsonl", "--output-dir", "out", "--report", "page/batch.html")
    result = noxcli(*argv)
    assert result.code == 1
    page = read("page/batch.html")
    assert (
        "test_a_batch_has_a_page_with_reasons_and_the_line_to_retry: 2 of 7 rows did not complete"
        in page.text
    )
    assert re.search(
        r"not complete \d+ \w+ \d{4} \d\d:\d\d UTC · in [\d.]+ m?s · rows.jsonl ", page.text
    )
    assert "2 failed at 'W': too long rows 3 5" in page.text, "both for one reason"
    assert f"noxcli {' '.join(argv)} --again failed" in page.text
    assert "id <i>g</i>" in page.text
    assert {"#r3", "#r5", "./../out/000001-id%20a"} <= set(page.links)
    for text in re.findall(
        r'<label for="f\w+">([^<]*)</label>', Path("page/batch.html").read_text()
    ):
        assert text in {"All 7", "Completed 5", "Failed 2"}


def test_completed_rows_with_a_failed_assertion_fail(
    noxcli: Noxcli, plays: Any, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    summary.touch()
    write_rows(*"abc")
    workflow = plays(nodes=[input_node("Q")], output=lambda inputs: {"A": inputs["Q"]})
    argv = (
        "batch",
        workflow,
        "rows.jsonl",
        "--assert",
        "ok && row.Q != 'b'",
        "--report",
        "batch.html",
    )
    assert (
        noxcli(*argv, environ={"NOXCLI_CI": "github", "GITHUB_STEP_SUMMARY": str(summary)}).code
        == 11
    )
    page = read("batch.html")
    noxcli("results", "rows.jsonl.batch", "--report", "later.html")
    assert "3 of 3 rows completed" in read("later.html").text, "what is stored has no assertions"
    assert "1 of 3 rows failed a check" in page.text
    assert "Reasons 1 row 1 --assert ok && row.Q != 'b' does not hold row 2" in page.text
    assert "rows completed" not in page.text
    assert "1 of 3 rows failed a check" in summary.read_text()


def test_a_batch_and_its_stored_results_give_the_same_rows(noxcli: Noxcli, rows: str) -> None:
    noxcli("batch", rows, "rows.jsonl", "--report", "live.html")
    noxcli("results", "rows.jsonl.batch", "--report", "merged.html")
    for page in ("live.html", "merged.html"):
        read(page)
    live, merged = (
        sorted(re.findall(r'<details id="r.*', Path(page).read_text()))
        for page in ("live.html", "merged.html")
    )
    assert len(live) == 7
    assert live == merged
    command = f"noxcli batch {rows} rows.jsonl --report live.html --again failed"
    assert command in read("merged.html").text, "the batch's own, to retry"


def test_shards_are_joined_and_each_gets_its_line(noxcli: Noxcli, rows: str) -> None:
    for index in (1, 3):
        files = ("--output-dir", f"s{index}", "--report", f"{index}.html")
        noxcli("batch", rows, "rows.jsonl", "--shard", f"{index}/3", *files)
    assert "of 3 rows did not complete" in read("1.html").text, (
        "a shard's own page has its own rows"
    )
    noxcli("results", "s1", "s3", "--report", "all.html")
    page = read("all.html")
    assert "3 of 7 rows did not complete" in page.text
    assert "missing the journals of shards 2/3" in page.text
    assert "--shard 3/3 --output-dir s3 --report 3.html --again failed" in page.text
    assert "the journal of shard 2/3 is not here" in page.text


def many(count: int, message: str) -> list[dict[str, Any]]:
    return [
        {"row": n, "id": f"id {n}", "input": None, "columns": {}, "result": {
            "run": {"id": f"{n:08}-1111-4222-8333-444455556666", "duration_s": n % 91 / 10},
            "exit_code": int(n % 7 == 0), "output": None, "error": {"message": message} if n % 7 == 0 else None}}
        for n in range(1, count + 1)
    ]  # fmt: skip


def a_row(
    number: int, text: str, checks: Sequence[Mapping[str, Any]] = (), **more: Any
) -> dict[str, Any]:
    """Return a row with a text in all its places; it passed if no checks are given."""
    code, run = (11 if checks else 0), {"id": f"run-{number}", "workflow_name": "qa"}
    result = {
        "exit_code": code,
        "run": run,
        "output": {"A": f"a {text}"},
        "assertions": list(checks),
        "error": None,
    }
    row = {"row": number, "id": f"case-{number}", "result": result, "input": {"Q": f"q {text}"}}
    return {**row, "columns": {"notes": f"n {text}"}, **more}


def written(rows: Sequence[Mapping[str, Any]], mask: Mask | None = None) -> PageReader:
    """The page of lines; what they lack is empty."""
    nothing = {"run": None, "output": None, "error": None}
    about = {"id": None, "input": None, "columns": None}
    lines = [{**about, **row, "result": {**nothing, **row["result"]}} for row in rows]
    Path("batch.html").write_bytes(
        b"".join(rows_page(Page(mask or Mask()), BatchAbout("rows.jsonl"), lambda: lines))
    )
    return read("batch.html")


def test_a_row_unfolds_to_all_that_is_known_of_it() -> None:
    diff = marked_diffs([("A", word_diff("the old answer", "the new answer"))])
    checks = [
        {"name": "--assert ok", "holds": True, "message": None, "diff": None},
        {
            "name": "--assert length(output.A) > `200`",
            "holds": False,
            "message": "length(output.A) = 171, wanted > 200",
        },
        {"name": "--expect", "holds": False, "message": "/A is new and not old", "diff": diff},
    ]
    page = written([a_row(1, "x" * 300, checks), a_row(2, "short")])
    assert "✗ qa: 1 of 2 rows failed a check" in page.text
    assert "Row Q A Status Time 1 case-1 " in page.text
    told = [
        "--assert length(output.A) > `200`: length(output.A) = 171, wanted > 200; --expect: /A is new and not old",
        "✗ --assert length(output.A) > `200` length(output.A) = 171, wanted > 200",
        "✗ --expect /A is new and not",
        "A: the old new answer",
        "✓ --assert ok",
        f"Inputs Q 302 characters q {'x' * 300}",
        f"Columns notes 302 characters n {'x' * 300}",
        f"Outputs A 302 characters a {'x' * 300}",
        "run run-1",
    ]
    places = [page.text.index(part) for part in told]
    assert places == sorted(places)
    assert "<del>old</del><ins>new</ins>" in Path("batch.html").read_text()
    assert "2 case-2 q short a short completed Columns notes n short run run-2" in page.text, (
        "nothing is told twice"
    )


def test_repetitions_of_a_row_have_their_own_place() -> None:
    checks = [{"name": "--assert ok", "holds": False, "message": "it is false"}]
    page = written([a_row(1, "", repetition=1), a_row(1, "", checks, repetition=2)])
    assert "--assert ok does not hold row 1.2" in page.text
    assert page.links == ["#r1.2"]
    assert 'id="r1.2"' in Path("batch.html").read_text()


def test_a_long_message_of_a_row_is_below_its_line() -> None:
    failed = {"exit_code": 1, "error": {"message": f"run failed at 'W': {'x' * 400}"}}
    assert (
        f"run failed at 'W': {'x' * 400} run unknown"
        in written([{"row": 1, "result": failed}]).text
    )


def test_a_page_has_the_verdict_of_the_gate(noxcli: Noxcli, rows: str) -> None:
    for share, code, sign in (("60%", 0, "✓"), ("90%", 11, "✗")):
        argv = (
            "batch",
            rows,
            "rows.jsonl",
            "--min-pass",
            share,
            "--fresh",
            "--report",
            "batch.html",
        )
        assert noxcli(*argv).code == code
        shown = read("batch.html").text
        verdict = f"{sign} test_a_page_has_the_verdict_of_the_gate: 5 of 7 rows passed (71.4%; --min-pass {share})"
        assert verdict in shown
        noxcli("results", "rows.jsonl.batch", "--min-pass", share, "--report", "later.html")
        assert verdict in read("later.html").text


def test_rows_that_did_not_pass_are_shown_first() -> None:
    checks = [{"name": "--assert ok", "holds": False, "message": "it is false"}]
    for rows, choice in (
        ([a_row(1, ""), a_row(2, "", checks)], "11"),
        ([a_row(1, ""), a_row(2, "", checks), {"row": 3, "result": {"exit_code": 1}}], "bad"),
        ([a_row(1, ""), a_row(2, "")], "all"),
        ([a_row(1, "", checks)], "all"),
    ):
        written(rows)
        assert re.findall(r'id="f(\w+)" checked', Path("batch.html").read_text()) == [choice]


@pytest.mark.wide
@pytest.mark.parametrize("letter", "x&\U000e0041")
def test_the_largest_page_stays_below_five_megabytes(letter: str) -> None:
    checks = [
        {
            "name": "--assert ok",
            "holds": False,
            "message": letter * 300,
            "diff": f"A: [-{letter * 900}-]{{+b+}}",
        }
    ]
    rows = [
        a_row(number, letter * 4000, checks if number % 120 == 0 else ())
        for number in range(1, 12_001)
    ]
    page = b"".join(rows_page(Page(Mask()), BatchAbout("rows.jsonl"), lambda: rows))
    assert 3_000_000 < len(page) < 5_000_000
    if letter == "x":
        assert page.count(b'<details id="r') == 10_000
        assert page.count(b'class="c11 bad"') == 100, "what did not pass is never left out"
        assert page.count(b"x" * 4000) == 300, "and is whole: its input, column and output"
        assert b"<small>4,002 characters</small>" in page
        assert b"2,000 more rows" in page


def test_the_durations_of_rows_are_summed_up() -> None:
    rows = many(910, "")
    for number, row in enumerate(rows):
        minute = f"2026-11-27T09:{number % 60:02}"
        row["result"]["run"] |= {"created_at": f"{minute}:00Z", "finished_at": f"{minute}:30Z"}
    shown = written(rows).text
    assert " 27 Nov 2026 09:00 UTC · in 59:30 min · rows.jsonl " in shown
    assert (
        " Durations 910 rows Median 4.50 s 95 of 100 within 8.60 s Longest 9.00 s Details" in shown
    )


@pytest.mark.parametrize(
    ("seconds", "longest", "shown"),
    [
        (0.0421, None, "42 ms"),
        (0.0421, 1.5, "0.04 s"),
        (59.9, None, "59.9 s"),
        (59.96, None, "1:00 min"),
        (5.0, 64.4, "0:05 min"),
        (3599.4, None, "59:59 min"),
        (3725.0, None, "1:02:05 h"),
        (64.4, 7200.0, "0:01:04 h"),
    ],
)
def test_durations_of_a_column_have_one_unit(
    seconds: float, longest: float | None, shown: str
) -> None:
    assert show_took(seconds, longest) == shown


# Hostile text.


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_not_html_is_text(name: str) -> None:
    page = Page(Mask(["secret-value"]))
    text = f"secret-value {PAYLOADS[name]}"
    made = page.tag("td", text, page.tag("b", "x"), title=text, aria_label=None, hidden=True)
    inner = made.removeprefix('<td title="').removesuffix("<b>x</b></td>")
    title, _, content = inner.partition('" hidden>')
    assert title == content == page.text(text)
    assert title.startswith("*** ")
    assert not re.search(r"[<>\"']|secret-value", title)
    assert title.isprintable() or "\u200d" in title


def hostile_page(noxcli: Noxcli, plays: Any, path: str) -> Result:
    """Write the page of a failed run with the whole corpus in each field that a server fills."""
    boxes = [Node(name, id=f"box-{n}") for n, name in enumerate(all_marked("b"))]
    said = zip(boxes, all_marked("d"), all_marked("f"), strict=True)
    script: list[Step] = []
    for box, status, text in said:
        script += [Raw("content", {"id": box.id, "status": status})]
        script += [Raw("content", {"id": box.id, "status": "failed", "content": text})]
    outs = [
        Node(f"out {n}", "OutputNode", {"label": key}, f"out-{n}")
        for n, key in enumerate(all_marked("g"))
    ]
    output = {f"out {n}": value for n, value in enumerate(all_marked("h"))}
    reasons = [
        Cut(0, "clean", f"event: error\ndata: {json.dumps(one)}\n\n") for one in all_marked("s")[:5]
    ]
    workflow = plays(
        nodes=[*boxes, *outs],
        script=script,
        output=output,
        status="failed",
        faults={"events": reasons},
    )
    return noxcli("run", workflow, "--format", "ndjson", "--report", path)


def hostile_rows() -> list[dict[str, Any]]:
    """Return rows with the whole corpus in each place that a server or a table fills."""
    rows = []
    fields = zip(*(all_marked(field) for field in "bcdefghijkl"), strict=True)
    for number, (
        own,
        key,
        value,
        column,
        note,
        out,
        output,
        name,
        message,
        diff,
        error,
    ) in enumerate(fields, 1):
        checks = [
            {
                "name": name,
                "holds": False,
                "message": message,
                "diff": f"{diff}: [-{diff}-]{{+{diff} x+}} {diff}",
            }
        ]
        row = a_row(
            number,
            "",
            checks,
            id=own,
            input={key: value, "L": {key: value}},
            columns={column: note},
        )
        row["result"] |= {"output": {out: output, "L": [output]}, "error": {"message": error}}
        failed = a_row(1000 + number, "", id=own, input={}, columns={})
        failed["result"] |= {"exit_code": 1, "output": None, "error": {"message": error}}
        rows += [row, failed]
    return rows


def hostile_comparison(path: str) -> None:
    """Write the page of rows that changed, with the whole corpus in ids, inputs and outputs."""
    pairs = []
    for row in hostile_rows():
        after = copy.deepcopy(row)
        after["result"]["output"] = {
            key: f"new {value}" for key, value in (row["result"]["output"] or {}).items()
        }
        pairs.append(classified_pair([[row], [after]], PassRule()))
    side: dict[str, Any] = {"record_version_ids": [PAYLOADS["lf"]]}
    side |= dict.fromkeys(("score", "p95_s", "version_id", "began_at", "ended_at"))
    side |= dict.fromkeys(("source", "version_name", "table"), PAYLOADS["lf"])
    side |= dict.fromkeys(("workflow_id", "workflow_name"), PAYLOADS["nul"])
    side |= {"rows": 1, "passed": 1, "pass_rate": 1.0, "median_s": 0.5}
    compared = {
        "by": "id",
        "questions": [PAYLOADS["lf"]],
        "repeat": 1,
        "pass_each": 1,
        "constants": [],
    }
    counts = {str(change): len(pairs) * (change is RowClass.CHANGED) for change in RowClass}
    totals = {
        "base": side,
        "new": side,
        "classes": counts,
        "exit_code": 11,
        "reason": PAYLOADS["lf"],
    }
    totals |= {"compared": compared, "gate": None, "groups": [], "notes": [PAYLOADS["lf"]]}
    Path(path).write_bytes(b"".join(comparison_page(Page(Mask()), totals, pairs)))


@pytest.mark.parametrize(
    ("kind", "fields"), [("run", "bf"), ("batch", "bcdefghijkl"), ("comparison", "bcdgh")]
)
def test_the_whole_corpus_is_text_in_a_page(
    noxcli: Noxcli, plays: Any, kind: str, fields: str
) -> None:
    if kind == "run":
        hostile_page(noxcli, plays, "run.html")
    elif kind == "batch":
        written(hostile_rows())
    else:
        hostile_comparison("comparison.html")
    shown = read(f"{kind}.html").text
    for field in fields:
        assert set(re.findall(rf"Q{field}(\d\d\d)Q", shown)) == {
            f"{n:03}" for n in range(len(NAMES))
        }, field
    raw = Path(f"{kind}.html").read_text()
    assert not [letter for letter in raw if not letter.isprintable() and letter not in "\n\u200d"]


def test_secrets_are_in_no_row_not_even_where_it_is_cut() -> None:
    secret, checks = (
        "hunter2-hunter2",
        [{"name": "--assert ok", "holds": False, "message": "hunter2-hunter2"}],
    )
    for length in range(100, 125):
        page = written([a_row(1, f"{'x' * length}{secret} {secret}", checks)], Mask([secret]))
        assert "hunt" not in Path("batch.html").read_text()
        assert "***" in page.text


def test_a_file_of_any_name_is_linked_below_the_page(noxcli: Noxcli, plays: Any) -> None:
    names = [
        "javascript:alert(1)",
        "//evil.example/x",
        "data:text/html,x",
        "a b#c?d%e",
        "..",
        'x.html" onclick="y',
    ]
    output = {name: File(name, b"x") for name in names}
    noxcli("run", plays(output=output), "--output-dir", "out", "--report", "run.html")
    page = read("run.html")
    assert len(set(page.links)) == len(names)
    assert all(re.fullmatch(r"\./out/[\w.%~-]+", link) for link in page.links), page.links


def test_a_saved_path_of_any_form_is_no_link_to_elsewhere() -> None:
    paths = [
        "https://evil.example/x",
        "javascript:alert(1)",
        "/etc/passwd",
        "\0",
        "a\nb",
        "\\\\evil\\x",
        "//evil/x",
    ]
    files = [
        {"pointer": "/a", "file_id": None, "path": path, "bytes": 1, "sha256": "0" * 64}
        for path in paths
    ]
    show_run(files=files, output={"a": {"$file": "javascript:alert(2)"}})
    assert all(not re.match(r"[a-z]+:|/", link) for link in read("run.html").links)
