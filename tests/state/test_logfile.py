"""`--log-file` and `--verbose`: what support gets, and what nobody gets."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from noxcli import __version__
from noxcli.masking import Mask
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import Node, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, node_fails, node_runs
from noxcli.state.logfile import Logbook
from tests.conftest import Noxcli
from tests.process import environment, running

LOG = "noxcli.log"


def logged(path: str = LOG) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def named(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


def test_a_line_for_what_happened_from_start_to_end(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(output={"A": "x"})
    result = noxcli("run", workflow, "--log-file", LOG)
    lines = logged()
    assert (result.code, result.text) == (0, "x\n")
    assert [lines[0]["event"], lines[1]["event"], lines[-1]["event"]] == ["start", "connect", "end"]
    assert (lines[0]["version"], lines[1]["base_url"]) == (__version__, sandbox.url)
    assert all(set(line) >= {"ts", "level", "event", "pid"} for line in lines)
    asked = named(lines, "request")
    assert ("POST", f"/v1/workflows/{workflow}/runs", 200) in [
        (one["method"], one["path"], one["status"]) for one in asked
    ]
    assert len(asked) == len(sandbox.requests) == lines[-1]["requests"]
    assert [one["request_id"] for one in asked if one["request_id"]]
    statuses = [one["status"] for one in named(lines, "run")]
    assert statuses == list(dict.fromkeys(statuses))
    assert statuses[-1] == "completed"
    assert (lines[-1]["level"], lines[-1]["exit_code"]) == ("info", 0)


def test_the_file_is_the_owners_alone_and_is_added_to(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "x"})
    for _ in range(2):
        assert noxcli("run", workflow, environ={"NOXCLI_LOG_FILE": LOG}).code == 0
    assert stat.S_IMODE(Path(LOG).stat().st_mode) == 0o600
    assert [line["event"] for line in logged()].count("end") == 2


def test_a_line_that_comes_after_the_end_goes_nowhere() -> None:
    # From a thread that outlives its command: it must not be written to the file that then has the number of the log.
    class Slow(Mask):
        other = -1

        def whole(self, value: Any) -> Any:
            log.close()
            self.other = os.open("other", os.O_WRONLY | os.O_CREAT)
            return value

    log = Logbook()
    log.open(LOG)
    log.mask = slow = Slow()
    log.note("request")
    assert Path("other").read_bytes() == b""
    os.close(slow.other)
    assert [line["event"] for line in logged()] == ["start"]


def test_the_flag_wins_over_the_variable(noxcli: Noxcli) -> None:
    noxcli("runs", "--log-file", LOG, environ={"NOXCLI_LOG_FILE": "other.log"})
    assert (Path(LOG).exists(), Path("other.log").exists()) == (True, False)


def test_no_key_no_value_and_no_file_name_is_in_it(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    words = ["private-question", "private-answer", "private-secret", "private-file", "private-said", sandbox.key]
    nodes = [
        input_node("Q"),
        input_node("S"),
        Node("doc", "FileInputNode", {"label": "Doc"}),
        Node("m", "TextGenerationNode", {}),
        Node("n", "TextGenerationNode", {}),
    ]
    quoting = Answer(503, {"detail": "can't take private-question and private-secret"})
    workflow = plays(
        nodes=nodes,
        script=[*node_runs("m", ["private-said"]), *node_fails("n", "private-answer")],
        output={"A": "private-answer"},
        status="failed",
        faults={"start": [quoting], "events": [quoting], "record": [quoting]},
    )
    Path("private-file.txt").write_text("private-question")
    given = ["Q=private-question", "Doc@private-file.txt", "--secret", "S=S"]
    for options in ([], ["--verbose", "--json"], ["--output-dir", "private-file"], ["--timeout", "0.001"]):
        noxcli("run", workflow, *given, "--log-file", LOG, *options, environ={"S": "private-secret"})
    noxcli("run", workflow, "Q=private-question", "private-secret=x", "--log-file", LOG)
    text = Path(LOG).read_text()
    assert not [word for word in words if word in text]
    assert {line.get("error") for line in named(logged(), "end")} >= {"RunFailed", "WrongInputs"}
    retries = named(logged(), "retry")
    assert retries[0]["http_status"] == 503
    assert retries[0]["reason"].endswith("answered 503")


def test_tries_and_reconnects_are_noted(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=[Sleep(300)], faults={"events": [Answer(502, "<html>"), Answer(500, {})]})
    noxcli("run", workflow, "--log-file", LOG)
    reconnects = named(logged(), "reconnect")
    assert reconnects[0]["attempt"] == 1
    assert reconnects[0]["reason"].endswith("answered 502")
    assert all(one["level"] == "warning" and one["delay_s"] >= 0 for one in reconnects)


def test_why_there_was_no_answer_is_noted(noxcli: Noxcli) -> None:
    result = noxcli("runs", "--base-url", "http://127.0.0.1:9", "--retry-for", "0", "--log-file", LOG, "--verbose")
    assert result.code == 75
    (asked,) = named(logged(), "request")
    assert (asked["status"], asked["reason"], asked["level"]) == (None, "connection refused", "warning")
    assert "GET /v1/runs no answer: connection refused" in result.err
    assert logged()[-1]["error"] == "Unavailable"


def test_each_of_many_runs_is_noted(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "x"})
    started = [noxcli("run", workflow, "--detach").text.strip() for _ in range(2)]
    noxcli("wait", *started, "--log-file", LOG)
    assert {one["run_id"] for one in named(logged(), "run") if one["status"] == "completed"} == {*started}


@pytest.mark.parametrize("path", ["none/x.log", ".", "~nobody-of-that-name/x", "pipe"])
def test_a_log_that_cannot_be_written_starts_nothing(noxcli: Noxcli, plays: Any, sandbox: Sandbox, path: str) -> None:
    os.mkfifo("pipe")
    result = noxcli("run", plays(output={"A": "x"}), "--log-file", path, "--json")
    assert (result.code, result.json["error"]["hint"], sandbox.requests) == (2, "check --log-file", [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_fails_no_run(noxcli: Noxcli, plays: Any) -> None:
    result = noxcli("run", plays(output={"A": "x"}), "--log-file", "/dev/full")
    assert (result.code, result.text) == (0, "x\n")


def test_a_log_without_an_end_is_that_of_a_killed_command() -> None:
    with running("wait", "x/y", "--log-file", LOG, env=environment("http://127.0.0.1:9")) as process:
        while not Path(LOG).exists() or not named(logged(), "retry"):
            assert process.poll() is None
        process.kill()
    assert logged()[-1]["event"] != "end"


# --verbose.


def test_verbose_tells_tries_and_times_with_quiet(noxcli: Noxcli, plays: Any) -> None:
    faults = {"start": [Answer(503, {"detail": ""})], "events": [Answer(502, "")]}
    workflow = plays(script=[Sleep(300)], faults=faults)
    quiet = noxcli("run", workflow, "--quiet", "--verbose").err
    assert "answered 503; retrying in" in quiet
    assert "answered 502; retrying in" in quiet
    assert quiet.splitlines()[-1].startswith("exit code 0 after ")
    assert f"POST /v1/workflows/{workflow}/runs 503" in quiet
    assert noxcli("run", workflow, "--quiet").err == ""
