"""Whole commands against servers that answer oddly: one line, a code from the table, and never a bug."""

import pytest

from noxcli.errors import ExitCode
from tests.api.test_answers import ODD_ANSWERS
from tests.conftest import Noxcli
from tests.rawserver import raw_server, sending
from tests.sample import one_in

ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
COMMANDS = {
    "wait": ("wait", ID),
    "wait for several": ("wait", ID, f"w/{ID}"),
    "fetch-output": ("fetch-output", f"w/{ID}"),
    "stream": ("stream", f"w/{ID}", "--format", "ndjson"),
    "stop": ("stop", f"w/{ID}"),
    "run": ("run", ID, "--no-check", "q=x", "--json"),
    "run by name": ("run", "a name", "q=x"),
    "inputs": ("inputs", ID),
    "runs": ("runs",),
    "workflows": ("workflows", "--json"),
    "doctor": ("doctor",),
}
# One for each place that may fail on it; test_answers.py tries all of them call by call.
ODDEST = [
    *("chunk size -5", "chunk size of 5,000 digits", "length of 5,000 digits", "lengths that conflict", "not gzip"),
    *("encodings without end", "status 999", "version 9", "odd location", "retry after of 5,000 digits"),
    *("progress of 400 digits", "progress NaN", "progress of 5,000 digits"),
]


@pytest.mark.parametrize(("name", "verb"), one_in(3, ODDEST, COMMANDS))
def test_no_odd_answer_is_a_bug_in_a_command(name: str, verb: str, noxcli: Noxcli) -> None:
    command = COMMANDS[verb]
    with raw_server(sending([ODD_ANSWERS[name]])) as server:
        limit = () if command[0] == "doctor" else ("--timeout", "3")
        result = noxcli(*command, "--base-url", server.url, *limit, environ={"NOXCLI_IDLE_TIMEOUT": "1"})
    assert result.code in {int(code) for code in ExitCode} - {ExitCode.BUG}, result.err
    assert "Traceback" not in result.err
    if verb == "run":
        assert result.json["retry_safe"] is (result.code != 7 and result.json["run"] is None)
        assert [request.method for request in server.requests].count("POST") == 1
