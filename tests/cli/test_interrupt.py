"""Interruption: what each verb does with its run, its document, and a signal at a bad moment."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pyte
import pytest

from noxcli.sandbox.faults import Answer, Hold, LostAnswer
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step
from tests.process import HUNG, NOXCLI, ended_by, forked, on_terminal, running, until

FOREVER = [Emit("Write", "hello "), Sleep(60_000)]


def until_asked(sandbox: Sandbox, part: str) -> None:
    def paths() -> list[str]:
        return [request.path for request in sandbox.requests]

    until(lambda: any(part in path for path in paths()), paths)


@pytest.mark.parametrize(
    ("options", "status"), [([], "stopped"), (["--on-interrupt", "detach"], "running")]
)
def test_off_a_terminal_run_stops_unless_told_otherwise(
    env: dict[str, str], plays: Any, sandbox: Sandbox, options: list[str], status: str
) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"})
    with running("run", workflow, "--json", *options, env=env) as process:
        until_asked(sandbox, "/events")
        out, err = ended_by(process, signal.SIGTERM)
    run = sandbox.runs(workflow)[0]
    assert process.returncode == 143
    assert (run.status == "stopped") is (status == "stopped")
    assert (json.loads(out)["run"]["status"] == "stopped") is (status == "stopped")
    assert (f"noxcli stream {run.id}".encode() in err) is (status == "running")


@pytest.mark.parametrize(
    ("options", "status"), [([], "running"), (["--on-interrupt", "stop"], "stopped")]
)
def test_on_a_terminal_run_detaches_unless_told_otherwise(
    env: dict[str, str], plays: Any, sandbox: Sandbox, options: list[str], status: str
) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"})
    with on_terminal([*forked(), "run", workflow, *options], env) as seen:
        seen.wait_for(b"hello")
        os.killpg(seen.process.pid, signal.SIGINT)
    assert seen.process.returncode == 130
    assert sandbox.runs(workflow)[0].status == status
    screen = pyte.Screen(80, 24)
    pyte.ByteStream(screen).feed(bytes(seen.raw))
    shown = "".join(screen.display)
    assert " running after " in shown, "what the events told last, not the status of the start"
    assert not screen.cursor.hidden
    assert ("noxcli stream " in shown) is (status == "running")


@pytest.mark.parametrize("verb", ["stream", "wait"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stream_and_wait_leave_the_run_alone(
    env: dict[str, str], plays: Any, sandbox: Sandbox, verb: str, number: int
) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"})
    with running("run", workflow, "--detach", env=env) as process:
        run = process.communicate(timeout=HUNG)[0].decode().strip()
    with running(verb, run, "--json", env=env) as process:
        until_asked(sandbox, "/events")
        out, err = ended_by(process, number)
    assert process.returncode == json.loads(out)["exit_code"] == 128 + number
    assert sandbox.runs(workflow)[0].status == "running"
    assert f"continue with: noxcli {verb} {run}" in err.decode()


def reads_after_events(requests: list[Any], run: str) -> list[str]:
    """The reads of the run's record that came after those of its events, which tell of its past once more."""
    paths = [request.path for request in requests]
    opened = next((place for place, path in enumerate(paths) if "/events" in path), len(paths))
    return [path for path in paths[opened:] if path.endswith(run)]


def test_a_paused_run_is_not_said_to_be_running(env: dict[str, str], sandbox: Sandbox) -> None:
    with running("run", "pauses", "--json", env=env) as process:
        run = json.loads(process.communicate(timeout=HUNG)[0])["run"]["id"]
    before = len(sandbox.requests)
    with running("stream", run, "--on-pause", "wait", env=env) as process:
        until(
            lambda: reads_after_events(sandbox.requests[before:], run),
            lambda: sandbox.requests[before:],
        )
        _, err = ended_by(process, signal.SIGTERM)
    assert process.returncode == 143
    assert f"give it in Noxus and continue with: noxcli stream {run}" in err.decode()


@pytest.mark.long(5)
def test_a_stop_that_does_not_take_is_said_within_five_seconds(
    env: dict[str, str], plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"}, switches={"stop_seconds": 60_000.0})
    with running("run", workflow, "--json", env=env) as process:
        until_asked(sandbox, "/events")
        began = time.monotonic()
        _, err = ended_by(process, signal.SIGINT)
    assert process.returncode == 130
    assert 4 < time.monotonic() - began < 7
    assert b"was asked to stop, but is still running" in err
    assert b"noxcli stop " in err


def test_a_stop_that_is_refused_is_said(env: dict[str, str], plays: Any, sandbox: Sandbox) -> None:
    forbidden = Answer(403, {"detail": "flows_run is missing"}, repeat=True)
    workflow = plays(script=FOREVER, output={"A": "x"}, faults={"stop": [forbidden]})
    with running("run", workflow, env=env) as process:
        until_asked(sandbox, "/events")
        out, err = ended_by(process, signal.SIGINT)
    assert (process.returncode, out) == (130, b"")
    assert b"could not be stopped" in err
    assert b"flows_run is missing" in err


def test_a_second_signal_leaves_at_once(env: dict[str, str], plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"}, switches={"stop_seconds": 60_000.0})
    with running("run", workflow, env=env) as process:
        until_asked(sandbox, "/events")
        process.send_signal(signal.SIGINT)
        until_asked(sandbox, "/stop")
        began = time.monotonic()
        ended_by(process, signal.SIGINT)
    assert process.returncode == 130
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ("--on-interrupt detach", {"queued", "running"}),
        ("--on-interrupt stop", {"stopped"}),
        ("--detach", {"queued", "running"}),
    ],
)
def test_a_signal_waits_for_the_answer_to_the_start(
    env: dict[str, str], plays: Any, sandbox: Sandbox, options: str, statuses: set[str]
) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"}, faults={"start": [Hold(1000)]})
    with running("run", workflow, "--json", *options.split(), env=env) as process:
        until_asked(sandbox, "/runs")
        out, _ = ended_by(process, signal.SIGINT)
    document = json.loads(out)
    (run,) = sandbox.runs(workflow)
    assert (document["run"]["id"], run.status in statuses) == (run.id, True)
    assert (process.returncode, document["retry_safe"]) == (130, False)


def test_a_run_started_just_before_a_signal_is_named_first(
    env: dict[str, str], plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"}, faults={"start": [Hold(1000)]})
    with running("run", workflow, "k=v", "--no-check", "--format", "ndjson", env=env) as process:
        until_asked(sandbox, "/runs")
        out, _ = ended_by(process, signal.SIGTERM)
    first, last = (json.loads(line) for line in out.splitlines())
    (run,) = sandbox.runs(workflow)
    assert (first["type"], first["data"]["inputs"], last["type"]) == (
        "noxcli.started",
        {"k": "v"},
        "noxcli.result",
    )
    assert {first["run_id"], first["data"]["id"], last["run_id"], last["data"]["run"]["id"]} == {
        run.id
    }


@pytest.mark.long(5)
def test_a_start_without_an_answer_ends_with_candidates(
    env: dict[str, str], plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(script=FOREVER, output={"A": "x"}, faults={"start": [LostAnswer("hold")]})
    with running("run", workflow, "k=v", "--no-check", "--json", env=env) as process:
        until(lambda: sandbox.runs(workflow))
        began = time.monotonic()
        out, err = ended_by(process, signal.SIGTERM)
    document, (run,) = json.loads(out), sandbox.runs(workflow)
    assert process.returncode == document["exit_code"] == 143
    assert 4 < time.monotonic() - began < 8
    assert document["retry_safe"] is False
    assert [one["id"] for one in document["error"]["candidates"]] == [run.id]
    assert run.id in err.decode()
    assert f"check before you start again: noxcli runs {workflow}" in err.decode()


def test_a_retry_of_the_start_is_not_waited_for(env: dict[str, str], plays: Any) -> None:
    busy = Answer(429, {"detail": "slow down"}, {"Retry-After": "30"}, repeat=True)
    workflow = plays(output={"A": "x"}, faults={"start": [busy]})
    with running("run", workflow, "--json", env=env) as process:
        assert process.stderr is not None
        while b"retrying for" not in process.stderr.readline():
            pass
        began = time.monotonic()
        out, _ = ended_by(process, signal.SIGINT)
    assert time.monotonic() - began < 2
    assert (process.returncode, json.loads(out)["retry_safe"]) == (130, True)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(
    env: dict[str, str], plays: Any, sandbox: Sandbox, name: str
) -> None:
    sent = threading.Event()

    def script(_: dict[str, Any]) -> Iterator[Step]:
        yield Emit("Write", "hello ")
        while not sent.is_set():
            yield Sleep(2)

    command = [*NOXCLI, "run", plays(script=script, output={"A": "x"})]
    ignoring = f"import os, signal; signal.signal(signal.{name}, signal.SIG_IGN); os.execv({sys.executable!r}, {command!r})"
    with running(env=env, program=[sys.executable, "-c", ignoring]) as process:
        until_asked(sandbox, "/events")
        process.send_signal(getattr(signal, name))
        sent.set()
        out, _ = process.communicate(timeout=HUNG)
    assert (process.returncode, out) == (0, b"x\n")
