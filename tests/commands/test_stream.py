"""`noxcli stream`: following a run that somebody else started."""

from collections.abc import Iterator
from typing import Any

import pytest

from noxcli.models import RunEvent
from noxcli.sandbox.faults import Cut
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step, node_runs
from noxcli.state.history import History
from tests.conftest import Noxcli

SCRIPT = [Emit("Write", f"piece {n} ") for n in range(6)]


def test_a_running_run_is_followed_to_its_output(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(
        plays(script=[*SCRIPT, Sleep(100), *node_runs("Write", ["end"])], output={"A": "x"})
    )
    assert noxcli("stream", run).out == b"x\n"


def test_a_finished_run_is_replayed_from_the_start(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(script=SCRIPT, output={"A": "x"})
    run = noxcli.ended(workflow)
    result = noxcli("stream", f"{workflow}/{run}", "--format", "ndjson")
    assert result.events == sandbox.runs(workflow)[0].events
    assert result.lines[-1]["data"]["stream"]["continuity"] == "assumed", "it was opened later"
    assert noxcli("stream", run, "--format", "content").text == "".join(
        f"piece {n} " for n in range(6)
    )


def test_a_resumed_text_with_nothing_left_is_whole(noxcli: Noxcli) -> None:
    run = noxcli.ended("qa", "Question=x")
    first = noxcli("stream", run, "--format", "content")
    assert (first.code, first.out != b"") == (0, True), first.err
    rest = noxcli("stream", run, "--format", "content", "--resume")
    assert (rest.code, rest.out) == (0, b""), rest.err


def test_etag_resumes_behind_the_cursor(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=SCRIPT, output={"A": "x"})
    run = noxcli.ended(workflow)
    events = sandbox.runs(workflow)[0].events
    result = noxcli("stream", run, "--etag", events[3]["redisId"], "--format", "ndjson")
    assert result.events == events[4:]
    assert result.lines[-1]["data"]["stream"]["continuity"] == "assumed"


@pytest.mark.parametrize("form", ["ndjson", "content"])
def test_what_was_trimmed_during_a_break_is_a_gap(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, form: str
) -> None:
    """The server goes on with the oldest event that it has left, and says nothing."""
    pieces = [Emit("Write", f"piece {n} ") for n in range(40)]

    def script(_: dict[str, Any]) -> Iterator[Step]:
        """A client that came later than all events would see the last ones, and no break."""
        while not any(request.path.endswith("/events") for request in sandbox.requests):
            yield Sleep(10)
        yield Sleep(10)
        yield from pieces

    switches = {"retained_events": 5, "on_unknown_cursor": "accepted"}
    faults = {"events": [Cut(10, "abort")]}
    workflow = plays(script=script, output={"A": "x"}, switches=switches, faults=faults)
    result = noxcli("run", workflow, "--format", form)
    assert "gap: the server did not send the last event again" in result.err
    if form == "content":
        assert result.code == 9
        assert 0 < result.text.count("piece") < len(pieces)
        assert "noxcli fetch-output" in result.err
    else:
        assert result.lines[-1]["data"]["stream"]["continuity"] == "broken"


def test_a_document_of_an_ended_run_is_the_same_on_a_terminal(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli("run", plays(script=node_runs("Think", ["a"]), output={"A": "x"}), "--json").json[
        "run"
    ]["id"]
    assert (
        noxcli("stream", run, "--json", tty=True).json["nodes"]
        == noxcli("stream", run, "--json").json["nodes"]
    )


@pytest.mark.parametrize("kept", [0, 5])
def test_resuming_on_this_machine_shows_what_was_trimmed(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, kept: int
) -> None:
    """The last event that was read has to come again; a server that has dropped it goes on without a word."""
    workflow = plays(script=SCRIPT, output={"A": "x"}, switches={"retained_events": kept})
    run = noxcli.ended(workflow)
    events = sandbox.runs(workflow)[0].events
    with History(noxcli.environ).keep_cursor(run) as keeper:
        keeper.show([(RunEvent("content", {}, one["redisId"]), ()) for one in events[:3]])
    result = noxcli("stream", run, "--resume", "--format", "ndjson")
    assert (result.events, result.own.count("gap")) == (
        (events[-kept:], 1) if kept else (events[3:], 0)
    )
    assert result.lines[-1]["data"]["stream"]["continuity"] == ("broken" if kept else "assumed")
