"""`noxcli runs` and `noxcli workflows`: newest first, on terminals and in pipes."""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.models import Run
from noxcli.render.table import Layout, age, format_table
from noxcli.render.terminal import Terminal
from noxcli.runs.resolve import EVIDENCE, newest
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli, piped
from tests.otherside import WORKFLOW
from tests.rawserver import Request, Turn, answer, hang_up, json_answer, raw_server

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FOREVER = [Sleep(60_000)]


def start(noxcli: Noxcli, workflow: str, count: int = 1) -> list[str]:
    return [noxcli.start(workflow, "--no-check") for _ in range(count)]


# Runs.


def test_a_line_a_run_newest_first_with_the_id_in_front(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "x"})
    one, two = start(noxcli, workflow, 2)
    noxcli("wait", one, two)
    result = noxcli("runs", workflow)
    rows = [line.split("\t") for line in result.text.splitlines()]
    assert [row[:3] for row in rows] == [[two, "completed", workflow], [one, "completed", workflow]]
    assert all(datetime.fromisoformat(row[3]).tzinfo for row in rows)
    assert all(float(row[4]) < 10 for row in rows)
    assert (result.code, result.err) == (0, "")


def test_all_of_the_workspace_with_the_workflows_names(noxcli: Noxcli, plays: Any) -> None:
    (mine,), (theirs,) = start(noxcli, plays(script=FOREVER)), start(noxcli, "fails")
    rows = [line.split("\t") for line in noxcli("runs").text.splitlines()]
    assert [row[0::2] for row in rows] == [
        [theirs, "fails", rows[0][4]],
        [mine, "test_all_of_the_workspace_with_the_workflows_names", ""],
    ], "a run that goes on has no duration yet"


def test_a_server_that_lists_the_oldest_first_changes_nothing(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=FOREVER, switches={"list_order": "oldest"})
    started = start(noxcli, workflow, 3)
    listed = noxcli("runs", workflow, "--limit", "2").text.splitlines()
    assert [line.split("\t")[0] for line in listed] == started[:0:-1]


def test_only_those_in_a_status_and_stop_takes_them(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = plays(script=FOREVER)
    stopped, *going = start(noxcli, workflow, 3)
    noxcli("stop", stopped)
    listed = noxcli("runs", workflow, "--status", "queued", "--status", "running")
    assert {line.split("\t")[0] for line in listed.text.splitlines()} == {*going}
    monkeypatch.setattr("sys.stdin", piped(listed.text))
    assert noxcli("stop", "-").code == 0
    assert noxcli("runs", workflow, "--status", "running").out == b""


def test_a_slip_in_a_status_is_refused(noxcli: Noxcli, sandbox: Sandbox) -> None:
    slip = noxcli("runs", "--status", "Runing")
    assert (slip.code, slip.err) == (
        2,
        "noxcli: --status Runing is not known; did you mean running?\n",
    )
    other = noxcli("runs", "--status", "hibernating")
    assert (other.code, "write one of awaiting_human_feedback, completed" in other.err) == (2, True)
    assert sandbox.requests == []


def test_the_document_has_the_apis_names(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "x"})
    (only,) = start(noxcli, workflow)
    noxcli("wait", only)
    document = noxcli("runs", "--json").json
    (listed,) = document.pop("runs")
    assert document == {"schema": "noxcli.runs/1", "ok": True, "exit_code": 0, "limit": 30}
    assert list(listed) == [
        *(
            "id",
            "workflow_id",
            "workflow_name",
            "version_id",
            "status",
            "progress",
            "created_at",
            "finished_at",
            "duration_s",
        )
    ]
    assert (listed["id"], listed["status"], listed["progress"]) == (only, "completed", 100)
    assert (listed["workflow_id"], listed["workflow_name"]) == (
        workflow,
        "test_the_document_has_the_apis_names",
    )
    assert noxcli("runs", workflow, "--json").json["runs"][0]["workflow_name"] is None
    assert (
        noxcli("inspect", "--json").json["run"]["workflow_name"]
        == "test_the_document_has_the_apis_names"
    )


def test_no_runs_are_an_empty_list_and_no_mistake(noxcli: Noxcli) -> None:
    result = noxcli("runs", "demo")
    assert (result.code, result.out, result.err) == (0, b"", "no runs\n")
    assert noxcli("runs", "--json", "--quiet").json["runs"] == []
    assert noxcli.on_screen("runs") == []


def test_trouble_that_remains_is_in_the_document(noxcli: Noxcli, plays: Any) -> None:
    assert noxcli("runs", plays(faults={"list": [Answer(503, {})]})).code == 0
    gone = noxcli("runs", "3c90c3cc-0d44-4b50-8888-8dd25736052a", "--json")
    assert (gone.code, gone.json["schema"], gone.json["error"]["http_status"]) == (
        5,
        "noxcli.result/1",
        404,
    )


def a_page(first: int, count: int, pages: int) -> bytes:
    """A page of runs, a second apart, newest first."""
    runs = [
        {
            "id": f"r{number}",
            "status": "queued",
            "workflow_id": "w",
            "created_at": (NOW - timedelta(seconds=number)).isoformat(),
        }
        for number in range(first, first + count)
    ]
    return json_answer({"items": runs, "pages": pages})


@pytest.mark.parametrize("verb", ["runs", "workflows", "versions w"])
def test_a_limit_without_end_is_refused(noxcli: Noxcli, sandbox: Sandbox, verb: str) -> None:
    result = noxcli(*verb.split(), "--limit", str(10**20))
    assert (result.code, sandbox.requests, result.err.count("\n")) == (2, [], 1)
    assert "is not a number from 1 to 1000000" in result.err


@pytest.mark.parametrize(("limit", "requests"), [(1, 1), (100, 1), (101, 2), (200, 2), (999, 3)])
def test_no_page_is_read_that_the_limit_does_not_ask_for(
    noxcli: Noxcli, limit: int, requests: int
) -> None:
    # Two runs that started between the pages pushed two others onto the next.
    pages = a_page(0, 100, 3), a_page(98, 102, 3), a_page(200, 50, 3)
    result, server = noxcli.against([*pages], "runs", "--limit", str(limit))
    assert len(server.requests) == requests
    listed = [line.split("\t")[0] for line in result.text.splitlines()]
    assert listed == [f"r{number}" for number in range(min(limit, 250))]


def test_more_than_the_usual_number_is_told(noxcli: Noxcli) -> None:
    with raw_server(a_page(0, 100, 1), a_page(0, 100, 1)) as server:
        here = {"NOXUS_BACKEND_URL": server.url}
        result = noxcli("runs", environ=here)
        assert len(result.out.splitlines()) == 30
        assert "showing the newest 30; list more with --limit N" in result.err
        assert noxcli("runs", "--limit", "30", "--quiet", environ=here).err == ""


# Workflows.


def test_workflows_by_id_name_and_change(noxcli: Noxcli) -> None:
    rows = [line.split("\t") for line in noxcli("workflows").text.splitlines()]
    assert ["demo", "2026-01-01T09:00:00Z"] in [row[1:] for row in rows]
    noxcli("run", rows[0][0], "User Input=x", "--detach")
    document = noxcli("workflows", "--json", "--limit", "1").json
    (first,) = document.pop("workflows")
    assert document == {"schema": "noxcli.workflows/1", "ok": True, "exit_code": 0, "limit": 1}
    assert list(first) == [
        *("id", "name", "description", "runs_count", "created_at", "last_updated_at", "last_run_at")
    ]
    assert (first["id"], first["runs_count"]) == (rows[0][0], 1)


def test_a_hostile_name_breaks_neither_a_line_nor_a_terminal(noxcli: Noxcli) -> None:
    name = "a\tb\nc\r\x1b[2J\u202e"
    with Sandbox([Scenario(name)]) as sandbox:
        here = {**noxcli.environ, "NOXUS_BACKEND_URL": sandbox.url}
        (line,) = noxcli("workflows", environ=here).text.splitlines()
        assert line.split("\t")[1] == "a b c \x1b[2J\u202e"
        shown = Noxcli(here).on_screen("workflows")
        assert "a b c \\x1b[2J\\u202e" in shown[1]


# On a terminal.


def test_a_terminal_gets_columns_a_header_and_ages(noxcli: Noxcli, plays: Any) -> None:
    (only,) = start(noxcli, plays(output={"A": "x"}))
    noxcli("wait", only)
    header, row = noxcli.on_screen("runs")
    assert header.split() == ["ID", "STATUS", "WORKFLOW", "CREATED", "DURATION"]
    assert row.startswith(f"{only}  ✓ completed  ")
    assert "s ago" in row
    assert re.fullmatch(r"\d\.\ds", row[header.index("DURATION") :])


@pytest.mark.parametrize(("columns", "width"), [("200", 76), ("70", 70), ("20", 36 + 2 + 8)])
def test_a_narrow_terminal_cuts_names_and_never_ids(
    monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    terminal = Terminal(io.BytesIO(), io.TextIOWrapper(io.BytesIO(), "utf-8"), environ={})
    table = format_table(
        terminal,
        Layout(["ID", "NAME"], cut=["NAME"]),
        [["i" * 36, "\u4e16" * 19], ["i" * 36, "short"]],
    )
    lines = table.splitlines()
    assert all("i" * 36 in line for line in lines[1:])
    assert len(lines[1]) + lines[1].count("\u4e16") in {width, width - 1}
    assert ("…" in table) == (columns != "200")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0s"), (60, "1m"), (7190, "1h"), (86400, "1d"), (3e7, "347d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, shown: str) -> None:
    told = age((datetime.now(UTC) - timedelta(seconds=seconds)).isoformat())
    assert told == f"{shown} ago"


# The order, whatever the server's.


def runs_of(ages: list[int | None]) -> list[Run]:
    times = [None if age is None else (NOW - timedelta(seconds=age)).isoformat() for age in ages]
    return [Run(f"r{place}", "w", "queued", created_at=time) for place, time in enumerate(times)]


@given(st.lists(st.integers(0, 9), max_size=EVIDENCE))
def test_any_order_becomes_newest_first(ages: list[int | None]) -> None:
    runs = runs_of(ages)
    listed = [run.created_at or "" for run in newest(runs, len(runs))]
    assert listed == sorted((run.created_at or "" for run in runs), reverse=True)


def test_what_has_no_time_comes_last() -> None:
    assert [run.id for run in newest(runs_of([None, 5, 1]), 3)] == ["r2", "r1", "r0"]
    assert (
        json.dumps([run.created_at for run in newest(runs_of([None, None]), 2)]) == "[null, null]"
    )


def test_statuses_have_marks_and_colors_and_fit_eighty_columns(noxcli: Noxcli, plays: Any) -> None:
    paused = noxcli.ended(plays(status="awaiting_human_feedback"), "--no-check")
    row = noxcli.on_screen("runs", COLUMNS="80", NO_COLOR="")[1]
    assert "\x1b[35m‖ paused\x1b[0m" in row
    assert len(re.sub(r"\x1b\[[0-9;]*m", "", row)) <= 80
    assert row.startswith(paused), "an id can be copied whole"
    assert [
        line.split("\t")[:2] for line in noxcli("runs", "--status", "paused").text.splitlines()
    ] == [[paused, "awaiting_human_feedback"]]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (100, ["ID", "STATUS", "WORKFLOW", "CREATED", "DURATION"]),
        (80, ["ID", "STATUS", "WORKFLOW", "CREATED", "DURATION"]),
        (77, ["ID", "STATUS", "WORKFLOW", "CREATED"]),
        (60, ["ID", "STATUS", "WORKFLOW"]),
        (50, ["ID", "STATUS"]),
        (40, ["ID", "STATUS"]),
    ],
)
def test_columns_give_way_in_their_order_and_a_status_never(
    noxcli: Noxcli, plays: Any, columns: int, shown: list[str]
) -> None:
    noxcli("run", plays(status="completed", output={"A": "x"}))
    header, row = noxcli.on_screen("runs", COLUMNS=str(columns))
    assert header.split() == shown
    assert "✓ completed" in row
    assert all(len(line) <= max(columns, 50) for line in (header, row))


@pytest.mark.parametrize("failed", [answer(429), answer(503), hang_up])
@pytest.mark.parametrize("argv", [["runs"], ["workflows"], ["versions", WORKFLOW]])
def test_a_page_that_failed_is_read_again_alone(
    noxcli: Noxcli, argv: list[str], failed: Turn
) -> None:
    asked: list[int] = []
    pages = 9

    def serve(request: Request) -> Turn:
        if "page=" not in request.target:
            return answer(403)  # the workflow's own record
        number = int(re.findall(r"page=(\d+)", request.target)[0])
        asked.append(number)
        if len(asked) % 2 == 0:
            return failed
        item = {"id": f"id-{number}", "workflow_id": "w", "status": "completed", "name": "n"}
        return json_answer({"items": [item], "page": number, "pages": pages, "total": pages})

    with raw_server(by_request=serve) as server:
        line = [*argv, "--limit", "100", "--retry-for", "2s"]
        result = noxcli(*line, environ={"NOXUS_BACKEND_URL": server.url})
    assert (result.code, len(result.text.splitlines())) == (0, pages), result.err
    assert asked == [1, *(number for each in range(2, pages + 1) for number in (each, each))]
