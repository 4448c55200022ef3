"""`noxcli doctor`: each check with good and bad settings and servers, its fix, and the exit code of the worst."""

import re
import socket
import ssl
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from noxcli.commands import doctor
from noxcli.sandbox.faults import NO_EVENTS, Cut
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep
from noxcli.sandbox.workspace import LIMITED_KEY
from tests.batch.test_addresses import resolve_to
from tests.conftest import Noxcli, Result
from tests.faults.gateway import NGINX_502, forwarded, relayed
from tests.otherside import STREAM
from tests.proxies import proxying
from tests.rawserver import (
    RawServer,
    Request,
    Turn,
    accepting,
    answer,
    json_answer,
    raw_server,
    redirect,
    stay_silent,
)
from tests.sample import one_in

FOR_EVER = [Sleep(600_000)]
BEHIND_A_PROXY = {
    "NOXUS_API_KEY": "k",
    "NOXUS_BACKEND_URL": "http://api.example",
    "NOXCLI_ALLOW_HTTP": "1",
}
ALL = ["host", "tls", "clock", "key", "events"]


def checks(result: Result) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in result.json["checks"]}


def verdicts(result: Result) -> dict[str, str]:
    return {name: check["verdict"] for name, check in checks(result).items()}


# The report.


def test_all_is_well(noxcli: Noxcli, plays: Any) -> None:
    noxcli("run", plays(script=FOR_EVER), "--detach")
    result = noxcli("doctor", "--json")
    assert (result.code, result.json["schema"], result.json["ok"]) == (0, "noxcli.doctor/1", True)
    assert verdicts(result) == dict.fromkeys(ALL, "ok")


def test_there_is_a_line_for_each_check(noxcli: Noxcli, sandbox: Sandbox) -> None:
    result = noxcli("doctor")
    assert result.code == 0
    assert [line.split()[1] for line in result.text.splitlines()] == ALL
    assert re.search(r"^ok\thost\t127\.0\.0\.1:\d+ answers in \d+ ms$", result.text, re.MULTILINE)
    assert "unchecked\tevents\tno run to test with; try noxcli doctor --run RUN" in result.text
    assert sandbox.key not in result.text + result.err
    assert result.err == ""
    assert {request.method for request in sandbox.requests} == {"GET"}


# Settings and key.


@pytest.mark.parametrize(
    ("options", "environ", "code", "finding", "told"),
    [
        (["--base-url", "http://h"], {}, 2, {"settings": "failed"}, "NOXCLI_ALLOW_HTTP"),
        ([], {"NOXUS_API_KEY": ""}, 4, {"settings": "failed"}, "NOXUS_API_KEY is empty"),
        (
            [],
            {"NOXCLI_API_KEY_FILE": "no-such"},
            4,
            {"settings": "failed"},
            "can't read the key file no-such",
        ),
        ([], {"NOXUS_API_KEY": "wrong-S3CRET"}, 4, {"key": "failed"}, "401"),
        (
            [],
            {"NOXUS_API_KEY": LIMITED_KEY},
            0,
            {"key": "warning"},
            "give the key the permission flows_run",
        ),
        (["--base-url", "http://127.0.0.1:9"], {}, 75, {"host": "failed"}, "connection refused"),
        (["--run", "00000000-0000-4000-8000-000000000000"], {}, 5, {"events": "failed"}, "404"),
        (["--run", "nope"], {}, 2, {"events": "failed"}, "'nope' is not a run id"),
    ],
)
def test_a_finding_has_its_code_and_ends_what_depends_on_it(
    noxcli: Noxcli,
    options: list[str],
    environ: dict[str, str],
    code: int,
    finding: dict[str, str],
    told: str,
) -> None:
    result = noxcli("doctor", "--json", *options, environ=environ)
    ((name, verdict),) = finding.items()
    before = ALL[: ALL.index(name)] if name in ALL else []
    expected = dict.fromkeys(before, "ok") | finding
    found = verdicts(result)
    assert (result.code, {each: found[each] for each in expected}) == (code, expected)
    assert verdict == "warning" or set(found) == set(expected)
    assert told in f"{checks(result)[name]['message']}; {checks(result)[name]['hint']}"
    assert b"S3CRET" not in result.out


def test_the_profile_and_the_projects_file_are_named(noxcli: Noxcli, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        "default_profile = 'work'\n[profile.work.defaults]\ntimeout = '10m'\n"
    )
    Path(".noxcli.toml").write_text("[aliases]\nreport = 'demo'\n")
    told = checks(noxcli("doctor", "--json", environ={"NOXCLI_CONFIG": str(tmp_path / "c.toml")}))[
        "settings"
    ]
    assert (told["verdict"], told["hint"]) == ("ok", None)
    assert re.fullmatch(
        r"profile 'work' \(.*c\.toml.*\), project file /.*/\.noxcli\.toml", told["message"]
    )


def test_a_profiles_key_is_not_tried_elsewhere(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        "default_profile = 'p'\n[profile.p]\napi_key_command = ['touch', 'ran']\n"
    )
    result = Noxcli({"NOXCLI_CONFIG": "c.toml"})("doctor", "--json", "--base-url", sandbox.url)
    assert (result.code, verdicts(result)["settings"]) == (2, "failed")
    assert not (tmp_path / "ran").exists()
    assert not sandbox.requests


ME = {"id": "1", "name": "ci", "value": "S3CRET", "permissions": ["flows_run"]}
NO_RUNS = json_answer({"items": [], "pages": 0})


def against(*turns: Turn, tls: ssl.SSLContext | None = None) -> Result:
    """Ask a server of raw bytes: about its connection, then about the key, then for runs."""
    with raw_server(*turns, tls=tls) as server:
        return Noxcli({"NOXUS_API_KEY": "k", "NOXUS_BACKEND_URL": server.url})("doctor", "--json")


def test_the_key_itself_is_not_shown_where_the_server_tells_it() -> None:
    result = against(json_answer(ME), NO_RUNS)
    assert result.code == 0
    assert "(ci)" in checks(result)["key"]["message"]
    assert b"S3CRET" not in result.out


@pytest.mark.parametrize("status", [403, 404])
def test_a_key_that_may_not_ask_about_itself_is_tried_otherwise(status: int) -> None:
    unknown = json_answer({"detail": "no"}, status)
    assert verdicts(against(unknown, NO_RUNS, NO_RUNS))["key"] == "ok"
    refused = against(unknown, json_answer({"detail": "no"}, 401))
    assert (refused.code, verdicts(refused)["key"]) == (4, "failed")


# The connection.


@pytest.mark.parametrize(
    ("turn", "code", "check", "verdict", "told"),
    [
        (json_answer({"detail": "down"}, 503), 75, "key", "unchecked", "answered 503: down"),
        (NGINX_502, 75, "key", "unchecked", "answered 502: a web page"),
        (
            redirect("https://moved.example/"),
            2,
            "host",
            "failed",
            "GET was redirected to https://moved.example",
        ),
    ],
    ids=["in trouble", "a gateway's page", "moved"],
)
def test_a_server_that_does_not_serve_is_told(
    turn: Turn, code: int, check: str, verdict: str, told: str
) -> None:
    result = against(turn)
    assert (result.code, verdicts(result)[check]) == (code, verdict)
    assert checks(result)[check]["message"].endswith(told)


def test_tls_is_told(tls: ssl.SSLContext) -> None:
    result = against(json_answer(ME), NO_RUNS, tls=tls)
    assert (result.code, checks(result)["tls"]["message"]) == (
        0,
        "encrypted, and the certificate is trusted",
    )


@pytest.mark.parametrize(
    ("verb", "variable"),
    one_in(
        2,
        [("doctor",), ("run", "demo"), ("wait", "w/r-000001"), ("workflows",)],
        ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"],
    ),
)
def test_a_bundle_that_is_missing_or_empty_ends_at_once(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...], variable: str
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, "ca.pem")
    for content, reason in ((None, "no such file or directory"), ("", "it has no certificate")):
        if content is not None:
            Path("ca.pem").write_text(content)
        result = noxcli(*verb, "--base-url", "https://127.0.0.1:9")
        told = f"can't read ca.pem, which {variable} names: {reason}"
        assert (result.code, told in result.err + result.out.decode()) == (2, True), result


def test_a_certificate_that_nobody_trusts_is_told_with_a_hint(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    result = against(json_answer(ME), tls=tls)
    assert (result.code, verdicts(result)["host"]) == (2, "failed")
    assert (
        checks(result)["host"]["hint"]
        == "is the base URL right? A private CA belongs in REQUESTS_CA_BUNDLE"
    )


@pytest.mark.parametrize(
    ("seconds", "verdict", "message"),
    [
        (0, "ok", "agrees with the server's"),
        (25, "ok", "agrees with the server's"),
        (-25, "ok", "agrees with the server's"),
        (100, "warning", r"1m(3[5-9]|4\d)s behind the server's"),
        (-100, "warning", r"1m(3[5-9]|4\d)s ahead of the server's"),
        (None, "unchecked", "the server does not report its time"),
    ],
)
def test_the_clock_is_held_against_the_servers(
    seconds: float | None, verdict: str, message: str
) -> None:
    answer = json_answer(ME)
    if seconds is not None:
        answer = json_answer(
            ME, Date=format_datetime(datetime.now(UTC) + timedelta(seconds=seconds))
        )
    result = against(answer, NO_RUNS)
    assert verdicts(result)["clock"] == verdict
    assert re.fullmatch(message, checks(result)["clock"]["message"])


def test_a_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(json_answer(ME), NO_RUNS) as server:
        monkeypatch.setenv("http_proxy", f"http://user:S3CRET@127.0.0.1:{server.port}")
        result = Noxcli(BEHIND_A_PROXY)("doctor", "--json")
    assert result.code == 0
    assert checks(result)["host"]["message"].endswith(
        f" through the proxy http://127.0.0.1:{server.port}"
    )
    assert verdicts(result)["tls"] == "warning"
    assert b"S3CRET" not in result.out


def test_a_proxy_that_refuses_says_nothing_about_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(answer(407, b"", Proxy_Authenticate='Basic realm="p"')) as server:
        monkeypatch.setenv("http_proxy", server.url)
        result = Noxcli(BEHIND_A_PROXY)("doctor", "--json")
    assert (result.code, verdicts(result)) == (2, {"host": "failed"})
    assert f"the proxy {server.url} answered 407" in checks(result)["host"]["message"]


def test_what_a_proxy_answers_for_the_host_says_nothing_about_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = answer(503, b"<html>no such host</html>", Content_Type="text/html")
    with raw_server(page, page, page, page, page) as server:
        monkeypatch.setenv("http_proxy", server.url)
        result = Noxcli(BEHIND_A_PROXY)("doctor", "--json")
    assert (result.code, verdicts(result)) == (75, {"host": "unchecked"})
    message = checks(result)["host"]["message"]
    assert message.startswith("not known: api.example answered 503: a web page")


def test_a_key_that_gets_no_answer_is_not_known() -> None:
    refused = json_answer({"detail": "not for this key"}, 403)
    with raw_server(refused, *[lambda _: None] * 5) as server:
        environ = {"NOXUS_API_KEY": "k", "NOXUS_BACKEND_URL": server.url}
        result = Noxcli(environ)("doctor", "--json")
    assert (result.code, verdicts(result)["key"]) == (75, "unchecked")
    assert checks(result)["key"]["message"].startswith("not known: ")


# The event stream.


BUFFER = 4096  # bytes


def proxy(upstream: str, way: str) -> AbstractContextManager[RawServer]:
    """A proxy that passes streams on as they come, holds them until they end or a buffer is full, or collects them."""

    def stream(peer: socket.socket, request: Request) -> None:
        with forwarded(request, upstream) as server, suppress(OSError):
            came, kept = HTTPResponse(server), b""
            came.begin()
            if way == "collects":
                peer.sendall(answer(200, came.read(), Content_Type="text/event-stream"))
                return
            peer.sendall(
                STREAM.replace(
                    b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", way == "compresses"
                )
            )
            if way == "holds":
                peer.sendall(came.read())
            while piece := came.read1(BUFFER):
                kept += piece
                full = len(kept) // BUFFER * BUFFER if way == "fills" else len(kept)
                peer.sendall(kept[:full])
                kept = kept[full:]

    def turn(request: Request) -> Turn:
        streamed = "/events" in request.target and way != "passes"
        return (lambda peer: stream(peer, request)) if streamed else relayed(request, upstream)

    return raw_server(by_request=turn)


@pytest.mark.parametrize(
    ("way", "verdict", "message"),
    [
        ("passes", "ok", "come as they are sent"),
        (
            "holds",
            "warning",
            "nothing came from run RUN, which is running: something in between is holding events back",
        ),
        (
            "fills",
            "warning",
            "run RUN went silent in the middle of an event: something in between is holding the rest back",
        ),
        ("compresses", "warning", "something in between buffers or compresses the stream"),
    ],
)
def test_a_proxy_that_holds_a_running_runs_events_is_found(
    noxcli: Noxcli,
    sandbox: Sandbox,
    plays: Any,
    monkeypatch: pytest.MonkeyPatch,
    way: Any,
    verdict: str,
    message: str,
) -> None:
    # Only where events are held, the whole time passes.
    monkeypatch.setattr(doctor, "WATCHED", 0.6 if way == "holds" else 30)
    talk = [Emit("Talker", content="word " * 2_000)]  # in which the last full buffer ends for sure
    run = noxcli.start(plays(script=[*(talk if way == "fills" else []), *FOR_EVER]))
    with proxy(sandbox.url, way) as server:
        result = noxcli("doctor", "--json", "--base-url", server.url)
    assert result.code == 0
    assert verdicts(result)["events"] == verdict
    assert re.fullmatch(message.replace("RUN", run), checks(result)["events"]["message"])
    assert ("proxy_buffering off" in str(checks(result)["events"]["hint"])) is (
        verdict == "warning"
    )
    assert noxcli("stop", run).code == 0  # which also ends the proxy's reading


IDLE_LIMIT = """
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {server}; proxy_buffering off; proxy_read_timeout 1s; }}
  }}
"""


TALKS = Emit("Talker", content="word")


def test_an_idle_limit_that_was_met_is_named(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, tmp_path: Path
) -> None:
    run = noxcli.start(plays(script=[TALKS, *FOR_EVER]))
    with proxying("nginx", IDLE_LIMIT, tmp_path, server=sandbox.url) as url:
        result = noxcli("doctor", "--json", "--base-url", url, "--run", run)
    assert (result.code, verdicts(result)["events"]) == (0, "warning")
    assert re.fullmatch(
        rf"the stream of run {run} was closed after \d\.\ds of silence, while the run continues: "
        "an idle limit",
        checks(result)["events"]["message"],
    )
    assert "proxy_read_timeout" in checks(result)["events"]["hint"]


def test_a_stream_that_is_cut_after_the_end_shows_no_limit(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, tmp_path: Path
) -> None:
    silent = {"events": [Cut(after=1, how="silent")]}
    run = noxcli.start(plays(script=[TALKS, Sleep(700)], faults=silent))
    with proxying("nginx", IDLE_LIMIT, tmp_path, server=sandbox.url) as url:
        result = noxcli("doctor", "--json", "--base-url", url, "--run", run)
    assert (result.code, verdicts(result)["events"]) == (0, "unchecked")


def test_a_stream_with_a_length_was_collected(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    run = noxcli("run", plays(), "--json").json["run"]["id"]
    with proxy(sandbox.url, "collects") as server:
        result = noxcli("doctor", "--json", "--base-url", server.url, "--run", run)
    assert verdicts(result)["events"] == "warning"


@pytest.mark.parametrize("named", [True, False])
def test_a_run_that_has_ended_tells_nothing(noxcli: Noxcli, plays: Any, named: bool) -> None:
    run = noxcli("run", plays(), "--json").json["run"]["id"]
    assert_unchecked(noxcli, run, "it has ended", ["--run", run] if named else [])


def test_a_run_that_sends_nothing_more_tells_nothing(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=FOR_EVER, faults={"events": [Cut()]}))
    assert_unchecked(noxcli, run, "its stream has ended", ["--run", run])
    run = noxcli.ended("pauses")
    assert_unchecked(noxcli, run, "it is paused", ["--run", run])


def assert_unchecked(noxcli: Noxcli, run: str, why: str, named: list[str]) -> None:
    result = noxcli("doctor", "--json", *named)
    assert (result.code, verdicts(result)["events"]) == (0, "unchecked")
    assert checks(result)["events"]["message"].endswith(
        f"cannot test buffering on run {run}, because {why}"
    )


def test_a_server_without_streams_is_a_warning(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=FOR_EVER, faults={"events": [NO_EVENTS]}))
    result = noxcli("doctor", "--json", "--run", run)
    assert (result.code, verdicts(result)["events"]) == (0, "warning")
    assert checks(result)["events"]["hint"] == "noxcli polls instead"


def test_a_mistake_on_the_command_line_stays_one(noxcli: Noxcli) -> None:
    assert noxcli("doctor", "--nope", "--json").json["error"]["phase"] == "usage"


def test_a_list_that_fails_is_a_finding(noxcli: Noxcli) -> None:
    result, _ = noxcli.against([json_answer(ME), json_answer({}, 500)], "doctor", "--json")
    assert (result.code, verdicts(result)["events"]) == (75, "unchecked")
    assert checks(result)["events"]["message"].startswith("not known: ")


def test_what_the_key_may_not_ask_is_not_known(noxcli: Noxcli) -> None:
    turns = [json_answer(ME), json_answer({"detail": "no"}, 403)]
    result, _ = noxcli.against(turns, "doctor", "--json")
    assert (result.code, verdicts(result)["events"]) == (4, "unchecked")
    assert "answered 403: no" in checks(result)["events"]["message"]


def test_remote_words_act_on_no_terminal() -> None:
    turns = [json_answer({**ME, "name": "\x1b[2J::error::"}), NO_RUNS]
    result, _ = Noxcli({"NOXUS_API_KEY": "k"}).against(turns, "doctor")
    assert "\x1b" not in result.text
    assert "\\x1b[2J" in result.text


def test_each_address_of_a_host_is_tried(
    noxcli: Noxcli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sandbox.url.replace("127.0.0.1", "localhost")
    resolve_to(monkeypatch, "127.0.0.9", "127.0.0.1")
    result = noxcli("doctor", "--json", "--base-url", url)
    found = checks(result)["addresses"]
    assert (result.code, found["verdict"], verdicts(result)["host"]) == (0, "warning", "ok")
    assert found["message"].startswith("1 of 2 give no answer: 127.0.0.9 (")


@pytest.mark.long(8)
def test_a_silent_address_is_named_beside_one_that_answers(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "EACH_ADDRESS", 0.5)
    resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    with raw_server(*[json_answer(ME)] * 2, NO_RUNS) as server:
        silent = RawServer([stay_silent], socket.create_server(("127.0.0.2", server.port)))
        with accepting(silent):
            url = f"http://localhost:{server.port}"
            result = noxcli("doctor", "--json", "--base-url", url)
    found = checks(result)["addresses"]
    assert (found["verdict"], verdicts(result)["host"]) == ("warning", "ok"), result.text
    assert "1 of 2 give no answer: 127.0.0.2 (no answer from " in found["message"]
