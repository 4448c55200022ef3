"""What goes wrong before a run: one line for people, one code for scripts, and a document if it was promised."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, Fault
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.workspace import LIMITED_KEY
from noxcli.timing import Clock
from tests.conftest import Noxcli, QuickClock, Result, posts
from tests.rawserver import json_answer, raw_server, stay_silent, trickle
from tests.sample import one_in

UNKNOWN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
UNREACHABLE = "http://127.0.0.1:9"
LOST_503 = Answer(503, "no healthy upstream")
HTML = "<html><head><title>502 Bad Gateway</title></head><body><script>x()</script></body></html>"
ERROR_422 = {"detail": [{"loc": ["body", "callback_url"], "msg": "not a URL", "type": "url"}]}

OLD = {"id": UNKNOWN, "status": "queued", "created_at": "2025-01-01T00:00:00Z"}
ELSEWHERE = {"id": UNKNOWN, "status": "queued", "workflow_id": UNKNOWN}


@dataclass(frozen=True)
class Case:
    """A command line that can't work. In `argv`, WORKFLOW stands for one that exists and obeys `start`."""

    name: str
    argv: tuple[str, ...]
    code: int
    phase: str
    told: tuple[str, ...]
    hint: bool = True
    retry_safe: bool | None = True
    environ: Mapping[str, str] = field(default_factory=dict)
    start: Fault | None = None


RUN = ("run", "WORKFLOW")
CASES = [
    # The key.
    Case("empty key", RUN, 4, "auth", ("NOXUS_API_KEY is empty",), environ={"NOXUS_API_KEY": ""}),
    Case("blank key", RUN, 4, "auth", ("NOXUS_API_KEY is empty",), environ={"NOXUS_API_KEY": " \n"}),
    Case("key with newline", RUN, 4, "auth", ("API_KEY contains a line break",), environ={"NOXUS_API_KEY": "a\nb"}),
    Case("no key file", (*RUN, "--api-key-file", "no.key"), 4, "auth", ("no.key", "--api-key-file")),
    Case("key file of nobody", (*RUN, "--api-key-file", "~no-such-user/k"), 4, "auth", ("~no-such-user",)),
    Case("wrong key", RUN, 4, "auth", ("127.0.0.1:", "401", "NOXUS_API_KEY"), environ={"NOXUS_API_KEY": "wrong-key"}),
    Case("weak key", RUN, 4, "auth", ("403", "flows_run"), environ={"NOXUS_API_KEY": LIMITED_KEY}),
    # The server.
    Case("no URL", (*RUN, "--base-url", "backend"), 2, "config", ("'backend'", "https://")),
    Case("broken URL", (*RUN, "--base-url", "https://[x"), 2, "config", ("base URL",), hint=False),
    Case("plain http", (*RUN, "--base-url", "http://example.invalid"), 2, "config", ("example.invalid", "ALLOW_HTTP")),
    Case("unreachable", ("run", UNKNOWN, "--base-url", UNREACHABLE), 75, "preflight", ("127.0.0.1:9", "refused")),
    Case("unreachable name", ("run", "x", "--base-url", UNREACHABLE), 75, "preflight", ("127.0.0.1:9", "refused")),
    Case("400", RUN, 2, "start", ("400: no version",), hint=False, start=Answer(400, {"detail": "no version"})),
    Case("409", RUN, 2, "start", ("409: Conflict",), hint=False, start=Answer(409)),
    Case("422", RUN, 2, "start", ("422: body.callback_url: not a URL",), hint=False, start=Answer(422, ERROR_422)),
    Case("429", RUN, 75, "start", ("429", "wait 1.0s"), start=Answer(429, None, {"Retry-After": "1"}, repeat=True)),
    Case("503", RUN, 7, "start", ("503: busy",), retry_safe=False, start=Answer(503, {"detail": "busy"})),
    Case("503 of a gateway", RUN, 7, "start", ("503: no", "before you start again"), retry_safe=False, start=LOST_503),
    Case("500", RUN, 7, "start", ("500", "before you start again"), retry_safe=False, start=Answer(500, "x")),
    Case("HTML 502", RUN, 7, "start", ("502: a web page",), retry_safe=False, start=Answer(502, HTML)),
    Case("200 of HTML", RUN, 7, "start", ("not JSON",), retry_safe=False, start=Answer(200, HTML)),
    Case("another workflow", RUN, 7, "start", (f"workflow {UNKNOWN}",), retry_safe=False, start=Answer(200, ELSEWHERE)),
    Case("an older run", RUN, 7, "start", ("began 2025-01",), retry_safe=False, start=Answer(200, OLD)),
    # Ids.
    Case("unknown workflow", ("run", UNKNOWN), 5, "preflight", ("404", "check the id")),
    Case("unknown name", ("run", "DEMMO"), 5, "preflight", ("'DEMMO'", "'demo'")),
    Case("unknown run to stream", ("stream", UNKNOWN), 5, "follow", ("404", "check the id"), retry_safe=None),
    Case("unknown run to fetch", ("fetch-output", UNKNOWN), 5, "follow", ("404", "check the id"), retry_safe=None),
    Case("no run id", ("stream", "a/b/c"), 2, "usage", ("'a/b/c'", "WORKFLOW_ID/RUN_ID"), retry_safe=None),
    Case("dots", ("fetch-output", "x/.."), 2, "usage", ("'x/..'", "WORKFLOW_ID/RUN_ID"), retry_safe=None),
    # Inputs.
    Case("no operator", (*RUN, "question"), 2, "usage", ("'question'", "KEY=VALUE")),
    Case("broken JSON", (*RUN, "k:={"), 2, "usage", ("'k'", "line 1, column 2", "KEY=VALUE")),
    Case("binary file", (*RUN, "k=@binary"), 2, "usage", ("binary", "'k'", "UTF-8", "k@binary")),
    # Options.
    Case("file for directory", (*RUN, "--output-dir", "file"), 2, "usage", ("directory file", "--output-dir")),
    Case("under a file", (*RUN, "--output-dir", "file/x"), 2, "usage", ("directory file/x", "--output-dir")),
    Case("unknown option", (*RUN, "--nope"), 2, "usage", ("--nope", "noxcli run --help")),
    Case("unknown command", ("nope",), 2, "usage", ("'nope'", "noxcli --help")),
    Case("no argument", ("run",), 2, "usage", ("WORKFLOW", "noxcli run --help")),
    Case("no value", (*RUN, "--timeout"), 2, "usage", ("--timeout", "--help")),
    Case("bad duration", (*RUN, "--timeout", "soon"), 2, "usage", ("--timeout", "'soon'", "30s")),
    Case("negative duration", (*RUN, "--stall-timeout", "-5"), 2, "usage", ("--stall-timeout", "'-5'", "30s")),
    Case("no time to wait", (*RUN, "--poll-interval", "0"), 2, "usage", ("--poll-interval",)),
    Case("bad colour", (*RUN, "--color", "pink"), 2, "usage", ("pink", "always")),
]  # fmt: skip


def named(value: Any) -> str | None:
    return value.name if isinstance(value, Case) else None


@pytest.fixture
def call(noxcli: Noxcli, plays: Any, tmp_path: Path) -> Any:
    """Calls a case in a directory with a file in the way, and checks that it writes nothing there."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    def run(case: Case, *options: str) -> Result:
        workflow = plays(output={"A": "x"}, faults={"start": [case.start]} if case.start else {})
        words = [workflow if word == "WORKFLOW" else word for word in case.argv]
        retries = (
            []
            if case.argv in {("nope",), ("run",)} or "--timeout" in case.argv
            else ["--retry-for", "0"]
        )
        result = noxcli(words[0], *retries, *options, *words[1:], environ=dict(case.environ))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["binary", "file"]
        assert (tmp_path / "file").read_text() == "precious"
        return result

    return run


def check_line(case: Case, result: Result) -> None:
    assert result.code == case.code, result.err
    assert result.err.startswith("noxcli: "), result.err
    assert result.err.endswith("\n")
    assert len(result.err.splitlines()) == 1, result.err
    assert len(result.err) < 500
    for words in case.told:
        assert words in result.err, result.err
    assert "Traceback" not in result.err


def check_document(case: Case, document: Any, line: str) -> None:
    assert (document["schema"], document["ok"], document["exit_code"]) == (
        "noxcli.result/1",
        False,
        case.code,
    )
    assert (document["run"], document["output"], document["files"]) == (None, None, [])
    error = document["error"]
    assert error["phase"] == case.phase
    assert error["message"] in line
    assert error["hint"] is None or error["hint"] in line
    assert not case.hint or error["hint"], "it says how to fix it"
    if case.retry_safe is not None:
        assert document["retry_safe"] is case.retry_safe


@pytest.mark.parametrize(
    ("options", "case"), one_in(2, ["", "--json", "--format ndjson"], CASES), ids=named
)
def test_a_mistake_is_one_line_and_one_document(
    call: Any, sandbox: Sandbox, case: Case, options: str
) -> None:
    result = call(case, *options.split())
    check_line(case, result)
    if case.code == 2 and case.phase != "start":
        assert not posts(sandbox), "it starts nothing"
    if options:
        assert result.out.count(b"\n") == 1
        check_document(
            case, result.json if options == "--json" else result.lines[0]["data"], result.err
        )
    else:
        assert result.out == b""


@pytest.mark.parametrize(
    "argv", [("compare", "x" * 300, "new"), ("results", "x" * 300)], ids=["compare", "results"]
)
def test_a_long_name_is_no_bug(noxcli: Noxcli, argv: tuple[str, ...]) -> None:
    assert noxcli(*argv).code == 2


def test_no_key_at_all(noxcli: Noxcli) -> None:
    del noxcli.environ["NOXUS_API_KEY"]
    result = noxcli("run", "demo", "--json")
    case = Case("no key", (), 4, "auth", ("no API key", "NOXUS_API_KEY", "--api-key-file"))
    check_line(case, result)
    check_document(case, result.json, result.err)
    on_github = noxcli("run", "demo", environ={"CI": "true", "GITHUB_ACTIONS": "true"})
    assert "::error title=demo%3A no access::no API key" in on_github.err


def test_retrying_for_nothing_waits_for_nothing(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(
        faults={"start": [Answer(429, repeat=True)], "lookup": [Answer(503, repeat=True)]}
    )
    for argv in (
        ("run", workflow),
        ("run", UNKNOWN, "--base-url", UNREACHABLE),
        ("wait", UNKNOWN, "--base-url", UNREACHABLE),
        ("stream", UNKNOWN, "--base-url", UNREACHABLE),
        ("fetch-output", UNKNOWN, "--base-url", UNREACHABLE),
    ):
        clock = noxcli.clock = QuickClock()
        result = noxcli(*argv, "--retry-for", "0")
        assert (result.code in {6, 75}, clock.slept) == (True, []), argv


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ("--raw A --json", "drop --raw or --format"),
        ("--json --format ndjson", "remove one of them"),
        ("--format content --json", "remove one of them"),
    ],
)
def test_formats_that_contradict_each_other(
    noxcli: Noxcli, sandbox: Sandbox, options: str, hint: str
) -> None:
    result = noxcli("run", "demo", *options.split())
    case = Case("", (), 2, "usage", (hint,))
    check_line(case, result)
    check_document(case, result.json, result.err)
    assert sandbox.requests == []


def test_an_unwritable_directory_leaves_a_run_undelivered(noxcli: Noxcli, plays: Any) -> None:
    Path("file").touch()
    run = noxcli.ended(plays(output={"A": "x"}))
    result = noxcli("fetch-output", run, "--output-dir", "file", "--json")
    assert (result.code, result.json["error"]["phase"], result.json["retry_safe"]) == (
        9,
        "deliver",
        False,
    )
    assert len(result.err.splitlines()) == 1


# Nothing from outside counts as a bug in noxcli (70).


ODD_IDS = ["\udcff", "", " ", ".", "\x00", "a\nb", "x" * 5000, "/", "//", "a/", "/a", "..%2f"]


@pytest.mark.parametrize(
    ("command", "text"), one_in(3, ["stream", "wait", "fetch-output", "run"], ODD_IDS)
)
def test_an_odd_id_is_no_bug(noxcli: Noxcli, command: str, text: str) -> None:
    result = noxcli(command, "--json", "--", text)
    assert result.code in {2, 5}, result.err
    assert len(result.err.splitlines()) == 1
    assert json.loads(result.out)["exit_code"] == result.code


# Limits also hold with a slow server.


SLOW = {"silent": stay_silent, "slow": trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")}
AT_THE_LIMIT = [
    (("wait", "w/r"), 124),
    (("wait", UNKNOWN), 124),
    (("wait", UNKNOWN, "w/r"), 124),
    (("stream", UNKNOWN), 124),
    (("fetch-output", UNKNOWN), 124),
    (("run", "a name"), 75),
    (("run", UNKNOWN), 75),
    (("run", UNKNOWN, "--no-check"), 7),
    (("inputs", UNKNOWN), 75),
    (("runs",), 75),
    (("workflows",), 75),
    (("versions", UNKNOWN), 75),
    (("inspect", UNKNOWN), 124),
    (("stop", "w/r"), 6),
]


@pytest.mark.parametrize(("slow", "line"), one_in(2, SLOW, AT_THE_LIMIT))
def test_the_time_limit_holds_whatever_the_server_does(
    noxcli: Noxcli, slow: str, line: tuple[tuple[str, ...], int]
) -> None:
    argv, code = line
    noxcli.clock = Clock()
    for _ in range(3):  # a busy machine may hold up one of them, the first also for what it loads
        with raw_server(SLOW[slow]) as server:
            began = time.monotonic()
            result = noxcli(*argv, "--timeout", "200ms", "--json", "--base-url", server.url)
            took = time.monotonic() - began
        if result.code == code and took < 1.2:
            break
    assert result.code == code, result.err
    assert took < 1.2


FINISHED = {"id": "r", "workflow_id": "w", "status": "completed", "output": {"A": "x"}}


@pytest.mark.parametrize("command", ["wait", "stream", "fetch-output"])
@pytest.mark.parametrize("limit", ["0", "400000d"])
def test_a_limit_of_nothing_checks_once_and_one_of_ages_is_none(
    noxcli: Noxcli, command: str, limit: str
) -> None:
    result, server = noxcli.against(
        [json_answer(FINISHED)], command, "w/r", "--quiet", "--timeout", limit
    )
    assert (result.code, result.err) == (0, "")
    assert server.requests[0].target == "/v1/workflows/w/runs/r"


def test_what_is_no_json_does_not_reach_stdout(noxcli: Noxcli) -> None:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not part of JSON")

    no_json = json_answer({**FINISHED, "output": {"A": float("nan"), "B": [float("-inf")]}})
    result, _ = noxcli.against([no_json], "fetch-output", "w/r", "--json", "--retry-for", "0")
    assert json.loads(result.out, parse_constant=refuse)["exit_code"] == result.code


def test_the_home_of_an_unknown_user_is_no_bug(noxcli: Noxcli) -> None:
    result = noxcli("batch", "demo", "~no-such-user/x")
    assert (result.code, result.err.count("\n")) == (2, 1)
