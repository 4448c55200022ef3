"""`noxcli runs --rows`: past runs as a table for `batch` and `gate`."""

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, Hold
from noxcli.sandbox.scenario import Scenario, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.switches import Switches
from noxcli.timing import Clock
from tests.conftest import Noxcli
from tests.process import ended_by, environment, running, until
from tests.rawserver import json_answer

LONG = "a long answer " * 2000
GONE = [Answer(404, {"detail": "File not found"}, repeat=True)]
NOWHERE = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)


def answers(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"Answer": f"about {inputs['Topic']}"}


FLOW: dict[str, Any] = {
    "nodes": [input_node("Topic"), input_node("Token", default="none"), output_node("Answer")],
    "output": answers,
}


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ask(noxcli: Noxcli, workflow: str, *topics: str) -> list[str]:
    """Run the workflow about each of these, one after the other; return the runs."""
    return [noxcli.ended(workflow, f"Topic={topic}", "--no-check") for topic in topics]


def days_ago(sandbox: Sandbox, workflow: str, *ages: float) -> None:
    """Let the workflow's runs be that old."""
    now = datetime.now(UTC)
    for run, age in zip(sandbox.runs(workflow), ages, strict=True):
        run.created_at = now - timedelta(days=age)


def test_a_row_has_inputs_by_label_with_id_and_output(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(**FLOW)
    cats, dogs = ask(noxcli, workflow, "cats", "dogs")
    topic = sandbox.runs(workflow)[0].graph.nodes[0].id
    mice = noxcli.ended(workflow, f"{topic}::input=mice", "--no-check")
    result = noxcli("runs", workflow, "--rows")
    assert (result.code, result.err) == (0, "3 rows of 3 runs\n")
    assert result.lines == [
        {"$id": run, "Topic": about, "$output": {"Answer": f"about {about}"}}
        for run, about in ((cats, "cats"), (dogs, "dogs"), (mice, "mice"))
    ]


def test_a_run_that_did_not_complete_has_no_output(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(status="failed", nodes=[input_node("Topic")])
    (run,) = ask(noxcli, workflow, "cats")
    assert noxcli("runs", workflow, "--rows").lines == [
        {"$id": run, "Topic": "cats", "$output": None}
    ]
    assert noxcli("runs", workflow, "--rows", "--status", "completed").out == b""


def test_batch_and_gate_take_the_table_as_it_is(noxcli: Noxcli) -> None:
    asked = ["When do you open?", "Where is my invoice?"]
    broken, _ = [noxcli.ended("review", f"Question={question}") for question in asked]
    Path("asked.jsonl").write_bytes(noxcli("runs", "review", "--rows").out)
    same = 'output.Answer == row."$output".Answer'
    as_before = noxcli("batch", "review", "asked.jsonl", "--assert", same)
    assert (as_before.code, set(as_before.codes.values())) == (0, {0})
    sides = ["--base", "base", "--new", "new", "--assert", same]
    gated = noxcli("gate", "review", "asked.jsonl", *sides, "--json")
    assert gated.code == 11, gated.err
    assert [row["id"] for row in gated.json["rows"] if row["class"] == "broken"] == [broken]
    for directory in ("asked.jsonl.batch", "asked.jsonl.gate"):
        left = noxcli("runs", "review", "--rows", "--not-from", directory).lines
        assert len(left) < len(noxcli("runs", "review", "--rows").lines)
    both = ["--not-from", "asked.jsonl.batch", "--not-from", "asked.jsonl.gate"]
    assert len(noxcli("runs", "review", "--rows", *both).lines) == len(asked)
    assert len(noxcli("runs", "review", *both).text.splitlines()) == len(asked)


def test_of_equal_inputs_the_oldest_run_stays(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(**FLOW)
    cats, dogs, _ = ask(noxcli, workflow, "cats", "dogs", "cats")
    rows = noxcli("runs", workflow, "--rows", "--unique").lines
    assert [row["$id"] for row in rows] == [cats, dogs]
    ask(noxcli, workflow, "dogs")
    assert noxcli("runs", workflow, "--rows", "--unique").lines == rows


def test_a_period_a_limit_and_no_limit(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(**FLOW)
    runs = ask(noxcli, workflow, "a", "b", "c", "d")
    days_ago(sandbox, workflow, 9, 6.5, 6, 1)
    last_week = noxcli("runs", workflow, "--rows", "--since", "7d", "--until", "2d").lines
    assert [row["$id"] for row in last_week] == runs[1:3]
    newest = noxcli("runs", workflow, "--rows", "--limit", "2").lines
    assert [row["$id"] for row in newest] == runs[2:]
    day = (datetime.now(UTC) - timedelta(days=6, hours=6)).isoformat()
    listed = noxcli("runs", workflow, "--since", day).text.splitlines()
    assert [line.split("\t")[0] for line in listed] == runs[:1:-1]


@pytest.mark.parametrize("text", ["7x", "20260131", "2026", "yesterday", ""])
def test_what_may_mean_several_times_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, text: str
) -> None:
    result = noxcli("runs", "demo", "--since", text)
    assert (result.code, sandbox.requests) == (2, [])
    assert f"{text!r} is not a valid time; write 7d, 12h, 2026-01-31" in result.err


def a_page(ages: list[int | None], pages: int, first: int) -> bytes:
    """A page of runs, each this many hours old at noon."""
    runs: list[dict[str, Any]] = []
    for number, age in enumerate(ages, first):
        run: dict[str, Any] = {"id": f"r{number}", "status": "queued", "workflow_id": "w"}
        if age is not None:
            run["created_at"] = (NOON - timedelta(hours=age)).isoformat()
        runs.append(run)
    return json_answer({"items": runs, "pages": pages})


@pytest.mark.parametrize(
    ("first", "requests"),
    [
        ([*range(100)], 2),  # newest first: older pages are not read
        ([*range(100)][::-1], 4),
        ([5] * 100, 4),  # one time shows no order
        ([None] * 100, 4),
    ],
)
def test_without_a_shown_order_the_whole_list_is_read(
    noxcli: Noxcli, first: list[int | None], requests: int
) -> None:
    pages = [
        a_page(first, 4, 0),
        a_page([*range(100, 200)], 4, 100),
        a_page([*range(200, 300)], 4, 200),
        a_page([1], 4, 300),
    ]
    since = (NOON - timedelta(hours=99)).isoformat()
    result, server = noxcli.against(pages, "runs", "--since", since, "--limit", "1000")
    assert (result.code, len(server.requests)) == (0, requests)
    assert ("r300" in result.text) == (requests == 4)


def test_a_saved_version_by_its_name(noxcli: Noxcli) -> None:
    noxcli.ended("review", "Question=a")
    of_new = noxcli.ended("review", "Question=b", "--version-id", "new")
    rows = noxcli("runs", "review", "--rows", "--version-id", "new").lines
    assert [row["$id"] for row in rows] == [of_new]
    assert noxcli("runs", "review", "--rows", "--version-id", "knew").code == 5


def test_previews_are_completed(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Topic"), output_node("Answer")], output={"Answer": LONG})
    Path("topic.txt").write_text(LONG)
    noxcli.ended(workflow, "Topic=@topic.txt")
    (row,) = noxcli("runs", workflow, "--rows").lines
    assert (row["Topic"], row["$output"]) == (LONG, {"Answer": LONG})


def test_a_text_that_is_gone_leaves_its_run_out(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"Answer": LONG}, faults={"file": GONE})
    run = noxcli.ended(workflow, "--no-check")
    result = noxcli("runs", workflow, "--rows")
    assert (result.code, result.out) == (0, b"")
    assert f"left out 1 run with a text that no longer exists: {run}\n" in result.err


def test_a_file_is_the_one_that_was_sent(noxcli: Noxcli, sandbox: Sandbox) -> None:
    Path("a.txt").write_text("one")
    noxcli.ended("document", "Document@a.txt")
    (row,) = noxcli("runs", "document", "--rows").lines
    assert row["Document"]["name"] == "a.txt"
    Path("rows.jsonl").write_text(json.dumps(row))
    assert noxcli("batch", "document", "rows.jsonl").code == 0
    (workflow,) = {run["workflow_id"] for run in noxcli("runs", "document", "--json").json["runs"]}
    first, second = sandbox.runs(workflow)
    assert first.input == second.input


def test_a_file_that_is_gone_leaves_its_run_out(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[input_node("Document", type="File")])
    Path("a.txt").write_text("one")
    run = noxcli.ended(workflow, "Document@a.txt")
    sandbox.runs(workflow)[0].input["Document"]["id"] = NOWHERE
    result = noxcli("runs", workflow, "--rows")
    assert (result.code, result.out) == (0, b"")
    assert f"left out 1 run with a file that no longer exists: {run}\n" in result.err


def test_secrets_of_this_machine_are_omitted_and_named(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(**FLOW)
    environ = {"TOKEN": "tok-0000-secret"}
    argv = ["run", workflow, "Topic=cats"]
    noxcli(*argv, "--secret", "Token=TOKEN", environ=environ)
    token = sandbox.runs(workflow)[0].graph.nodes[1].id
    noxcli(*argv, "--secret", f"{token}=TOKEN", environ=environ)
    result = noxcli("runs", workflow, "--rows")
    assert [row["Topic"] for row in result.lines] == ["cats", "cats"]
    assert "tok-0000" not in result.text
    assert "omitted the secret input 'Token' of 2 runs: add it with --secret\n" in result.err
    elsewhere = noxcli("runs", workflow, "--rows", environ={"NOXCLI_STATE_DIR": "none"})
    assert len(elsewhere.lines) == 2, "nothing that another machine knows leaves a run out"


def test_runs_of_a_part_are_counted_and_named(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(**FLOW)
    whole, *parts = ask(noxcli, workflow, *"abcdef")
    for run in sandbox.runs(workflow)[1:]:
        run.body["node_ids"] = ["x"]
    result = noxcli("runs", workflow, "--rows")
    assert [row["$id"] for row in result.lines] == [whole]
    named = f"{parts[0]}, {parts[1]}, {parts[2]} and 2 more"
    assert f"left out 5 runs of a part of the workflow: {named}\n" in result.err


def test_a_run_that_was_deleted_meanwhile_is_named(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(faults={"record": [Answer(404, {"detail": "Run not found"}, repeat=True)]})
    run = noxcli.start(workflow, "--no-check")
    result = noxcli("runs", workflow, "--rows")
    assert (result.code, result.out) == (0, b"")
    assert f"left out 1 run that no longer exists: {run}\n" in result.err


def test_an_outage_ends_it_after_whole_lines(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(**FLOW, faults={"record": [Answer(503, {}, repeat=True)]})
    noxcli.start(workflow, "Topic=a", "--no-check")
    result = noxcli("runs", workflow, "--rows", "--retry-for", "1s")
    assert (result.code, result.out) == (75, b"")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--rows"], "--rows needs a WORKFLOW"),
        (["--version-id", "new"], "--version-id needs a WORKFLOW"),
        (["demo", "--unique"], "--unique is about rows; add --rows"),
        (["demo", "--rows", "--json"], "--rows prints JSON lines"),
        (["demo", "--rows", "--query", "x"], "--rows prints JSON lines"),
        (["demo", "--not-from", "."], "can't read the journal"),
    ],
)
def test_mistakes_ask_the_server_nothing(
    noxcli: Noxcli, sandbox: Sandbox, argv: list[str], said: str
) -> None:
    result = noxcli("runs", *argv)
    assert (result.code, sandbox.requests) == (2, [])
    assert said in result.err + result.text


@pytest.mark.long(4)
def test_the_servers_limit_slows_the_reads(noxcli: Noxcli) -> None:
    noxcli.clock = Clock()
    switches = Switches(rate_limit=20)
    with Sandbox([], speed=1000, switches=switches) as server:
        workflow = server.add(Scenario("limited", **FLOW))
        here = {"NOXUS_BACKEND_URL": server.url}
        Path("rows.jsonl").write_text("".join(f'{{"Topic": "{n}"}}\n' for n in range(30)))
        noxcli("batch", workflow, "rows.jsonl", environ=here)
        result = noxcli("runs", workflow, "--rows", environ=here)
        assert (result.code, len(result.lines)) == (0, 30), result.err


def test_ctrl_c_keeps_whole_lines(plays: Any, noxcli: Noxcli, sandbox: Sandbox) -> None:
    slow = plays(**FLOW, faults={"record": [Hold(0.3, repeat=True)]})
    for number in range(40):
        noxcli.start(slow, f"Topic={number}", "--no-check")
    out = Path("rows.jsonl")
    with (
        out.open("wb") as file,
        running("runs", slow, "--rows", env=environment(sandbox.url), stdout=file) as process,
    ):
        until(lambda: out.stat().st_size > 0)
        ended_by(process, signal.SIGINT)
    lines = out.read_text().splitlines()
    assert process.returncode == 130
    assert 0 < len(lines) < 40
    assert [json.loads(line)["Topic"] for line in lines] == [str(n) for n in range(len(lines))]
