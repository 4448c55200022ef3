"""One start over raw sockets: what was sent decides whether it is safe to repeat the command, in every ending."""

import json
import os
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from noxcli.api import parsing as records
from noxcli.errors import RequestAborted, Unavailable
from noxcli.runs.resolve import MAX_CANDIDATES
from noxcli.runs.start import InputDigests, StartAttempt, StartRequest
from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.api.test_client import connect
from tests.conftest import Noxcli, QuickClock, Result, WrongClock
from tests.process import HUNG, call, ended_by, environment, running
from tests.rawserver import (
    RawServer,
    Request,
    Turn,
    answer,
    full_queue,
    hang_up,
    json_answer,
    raw_server,
    redirect,
    sending,
    stay_silent,
    trickle,
)
from tests.sample import one_in

WORKFLOW, OTHER = "11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-666666666666"
INPUT = {"Question": "why"}
RUN, OLD = "aaaaaaaa-2222-4333-8444-555555555555", "bbbbbbbb-2222-4333-8444-555555555555"
STARTS = re.compile(rf"/v1/workflows/{WORKFLOW}/(runs|moved)$")
NGINX_502 = answer(
    502, b"<html><center><h1>502 Bad Gateway</h1></center></html>", content_type="text/html"
)
NGINX_503 = NGINX_502.replace(b"502", b"503")
PROXY_503 = json_answer(
    {"message": "Service Unavailable"}, 503
)  # as AWS's API Gateway and Kong say it
OWN_503 = json_answer({"detail": "shutting down"}, 503)
SLOW = answer(429)
MOVED, ELSEWHERE = f"/v1/workflows/{WORKFLOW}/moved", "https://api.example/"


def record(run_id: str = RUN, **fields: Any) -> dict[str, Any]:
    created = datetime.now(UTC).isoformat()
    known = {
        "id": run_id,
        "workflow_id": WORKFLOW,
        "status": "completed",
        "output": {"A": "x"},
        "created_at": created,
    }
    return known | fields


def http_date(later: timedelta = timedelta()) -> str:
    return format_datetime(datetime.now(UTC) + later, usegmt=True)


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def listing(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(runs), "total": len(runs), "page": 1, "size": 100, "pages": 1}


@contextmanager
def serving(
    *starts: Turn, listed: Any = None, before: dict[str, Any] | None = None
) -> Iterator[RawServer]:
    """Answers each start in turn, the list of runs with `listed`, and the record of our run."""
    left = list(starts)

    def by_request(request: Request) -> Turn:
        if request.method == "POST":
            assert STARTS.match(request.target)
            return left.pop(0) if len(left) > 1 else left[0]
        if "/events" in request.target:
            return answer(404)
        if re.search(r"/runs(\?|$)", request.target):
            return json_answer(listing() if listed is None else listed)
        return json_answer(record() if before is None else before)

    with raw_server(by_request=by_request) as server:
        yield server


def run_at(noxcli: Noxcli, url: str, *options: str) -> Result:
    return noxcli(
        "run", WORKFLOW, "Question=why", "--no-check", *options, environ={"NOXUS_BACKEND_URL": url}
    )


def posts(server: RawServer) -> int:
    return sum(request.method == "POST" for request in server.requests)


def tried(
    noxcli: Noxcli, *starts: Turn, options: Sequence[str] = ("--json",), **known: Any
) -> tuple[Result, int]:
    """Run once against such a server; return the result, and how many starts were sent."""
    with serving(*starts, **known) as server:
        return run_at(noxcli, server.url, *options), posts(server)


def assert_in_doubt(result: Result, *candidates: str) -> None:
    assert (result.code, result.json["retry_safe"], result.json["run"]) == (7, False, None), (
        result.err
    )
    assert [one["id"] for one in result.json["error"]["candidates"]] == list(candidates)
    assert all(run_id in result.json["error"]["message"] for run_id in candidates)


# A gateway answers, and the run was created: the list never shows that it was not.


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
LOST: list[Turn] = [
    *(
        NGINX_502,
        NGINX_503,
        PROXY_503,
        OWN_503,
        json_answer({"detail": "later"}, 503, Retry_After="1"),
    ),
    *(
        hang_up,
        SWITCH,
        sending([INTERIM]),
        INTERIM + OWN_503,
        answer(504),
        answer(500),
        answer(408),
    ),
    *(answer(200, b"<"), answer(204), answer(302), redirect(MOVED, 303), answer(304)),
]
# The input of the run that was started, as the list has it: later, cut, with other blanks, with other keys, filled.
SHOWN = [
    None,
    {"Question": "wh"},
    {"Question": "why\n"},
    {"question": "why"},
    {"Question": "why", "Tone": "kind"},
]


@pytest.mark.parametrize(("lost", "shown"), one_in(4, LOST, SHOWN))
def test_what_may_have_been_taken_is_never_sent_again(
    noxcli: Noxcli, lost: Turn, shown: dict[str, str] | None
) -> None:
    tried(noxcli, json_answer(record(OLD)), before=record(OLD))
    listed = listing(record(OLD, input=INPUT), *([record(input=shown)] if shown else []))
    result, sent = tried(noxcli, lost, json_answer(record()), listed=listed)
    assert sent == 1
    assert_in_doubt(result, OLD)


@pytest.mark.parametrize(
    "slow", [SLOW, json_answer({"detail": "slow"}, 429, Retry_After="1"), INTERIM + SLOW]
)
def test_only_what_asks_to_slow_down_is_sent_again(noxcli: Noxcli, slow: bytes) -> None:
    result, sent = tried(noxcli, slow, slow, json_answer(record()))
    assert (result.code, sent) == (0, 3)


@pytest.mark.parametrize(
    ("wait", "options", "told"),
    [
        ("61", (), "asks to wait 1m01s"),
        (http_date(timedelta(hours=1)), (), "asks to wait "),
        ("7", ("--retry-for", "5s"), "asks to wait 7.0s"),
        ("7", ("--timeout", "5s"), "asks to wait 7.0s"),
    ],
    ids=["seconds", "date", "retries", "timeout"],
)
def test_a_wait_that_is_too_long_ends_at_once(
    noxcli: Noxcli, wait: str, options: Sequence[str], told: str
) -> None:
    clock = noxcli.clock = QuickClock()
    slow = json_answer({"detail": "slow"}, 429, Retry_After=wait)
    result, sent = tried(noxcli, slow, options=("--json", *options))
    assert (result.code, result.json["retry_safe"], sent, clock.slept) == (75, True, 1, [])
    assert told in result.err


REFUSALS = [(400, 2), (401, 4), (403, 4), (404, 5), (409, 2), (410, 5), (422, 2), (425, 2)]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        *((json_answer({"detail": "no"}, status), code) for status, code in REFUSALS),
        *((answer(status, b"no"), code) for status, code in REFUSALS if status in {401, 403, 404}),
        (redirect(ELSEWHERE, 307), 2),
    ],
)
def test_a_refused_start_is_safe_to_repeat(noxcli: Noxcli, refusal: bytes, code: int) -> None:
    result, sent = tried(noxcli, refusal)
    assert (result.code, result.json["retry_safe"], sent) == (code, True, 1)


@pytest.mark.parametrize("first", [SLOW, redirect(MOVED, 307)], ids=["refusal", "redirect"])
def test_doubt_stays_doubt_after_another_answer(noxcli: Noxcli, first: bytes) -> None:
    result, sent = tried(noxcli, first, NGINX_502, json_answer(record()))
    assert_in_doubt(result)
    assert sent == 2


# Unexpected errors after the first byte.


@pytest.mark.parametrize("error", [MemoryError(), OverflowError("date value out of range")])
def test_a_bug_while_the_answer_is_read_is_not_safe_to_repeat(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(records, "_text", fail)
    result, sent = tried(noxcli, json_answer(record()))
    assert (result.code, result.json["retry_safe"], sent) == (70, False, 1)


# Answers to the start.


def test_an_id_alone_is_a_start(noxcli: Noxcli) -> None:
    result, _ = tried(noxcli, json_answer({"id": RUN}))
    assert (result.code, result.json["run"]["id"], result.json["output"]) == (0, RUN, {"A": "x"})
    assert tried(noxcli, json_answer({"id": RUN}, 201), options=["--detach"])[0].text == f"{RUN}\n"


def test_without_the_servers_date_no_run_is_too_old(noxcli: Noxcli) -> None:
    assert tried(noxcli, json_answer(record(created_at=hours_ago(216))))[0].code == 0


@pytest.mark.parametrize("status", [307, 308])
def test_a_start_follows_a_redirect_on_its_server(noxcli: Noxcli, status: int) -> None:
    with serving(redirect(MOVED, status), json_answer(record())) as server:
        assert run_at(noxcli, server.url).code == 0
        first, second = (request for request in server.requests if request.method == "POST")
    assert json.loads(second.body) == json.loads(first.body) == {"input": {"Question": "why"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"workflow_id": OTHER},
        {"id": OLD},
        {"created_at": "2025-11-27T00:00:00+02:00"},
        {"created_at": "2024-01-01T00:00:00"},
        {"created_at": hours_ago(25)},
    ],
    ids=["workflow", "earlier run", "a year", "years", "hours"],
)
def test_an_answer_about_another_start_is_not_taken(noxcli: Noxcli, fields: dict[str, Any]) -> None:
    date = http_date()
    with serving(
        json_answer(record(OLD)), json_answer(record() | fields, Date=date), before=record(OLD)
    ) as server:
        assert run_at(noxcli, server.url).code == 0
        result = run_at(noxcli, server.url, "--json")
        assert posts(server) == 2
    assert_in_doubt(result)


@pytest.mark.parametrize(
    "fields",
    [
        {"input": {"Question": "something else"}},
        {"input": None},
        {"created_at": "1970-01-01T00:00:00Z"},
        {"created_at": "0001-01-01T00:00:00Z"},
        {"created_at": None},
        {"created_at": "soon"},
        {"created_at": hours_ago(23)},
        {"created_at": hours_ago(-9600)},
        {"workflow_id": None},
        {"workflow_id": WORKFLOW.upper()},
        {"status": "preparing"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_no_other_sign_counts(noxcli: Noxcli, fields: dict[str, Any]) -> None:
    assert tried(noxcli, json_answer(record() | fields, Date=http_date()))[0].code == 0


# The connection is still being made: not a byte has left.


@contextmanager
def mute_tls() -> Iterator[str]:
    """A port that takes connections, and never shakes hands."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("stuck", [full_queue, mute_tls])
def test_the_limit_before_the_first_byte_is_safe_to_repeat(stuck: Callable[[], Any]) -> None:
    with stuck() as url:
        began = time.monotonic()
        argv = ["run", WORKFLOW, "k=v", "--no-check", "--json", "--timeout", "1s"]
        done = call(*argv, env=environment(url), limit=HUNG)
    document = json.loads(done.stdout)
    assert (done.returncode, document["exit_code"], document["retry_safe"]) == (75, 75, True), (
        done.stderr
    )
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("stuck", [full_queue, mute_tls])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_first_byte_is_safe_to_repeat(
    stuck: Callable[[], Any], number: int, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    os.mkfifo(key)
    with (
        stuck() as url,
        running(
            "run",
            WORKFLOW,
            "k=v",
            "--no-check",
            "--json",
            "--api-key-file",
            str(key),
            env=environment(url),
        ) as process,
    ):
        key.write_text(
            "sandbox-key"
        )  # waits until noxcli reads it, which it does right before it connects
        time.sleep(0.5)
        began = time.monotonic()
        out, err = ended_by(process, number)
    document = json.loads(out)
    assert (process.returncode, document["retry_safe"]) == (128 + number, True), err
    assert "candidates" not in err.decode()
    assert "outcome is unknown" not in err.decode()
    assert time.monotonic() - began < 3


def test_a_start_that_was_given_up_is_not_sent() -> None:
    """Its thread may connect all the same."""
    with raw_server(json_answer(record())) as server, connect(server) as api:
        attempt = StartAttempt(api, StartRequest(WORKFLOW, INPUT, InputDigests()))
        assert attempt.abort()
        with pytest.raises(RequestAborted):
            attempt.send()
    assert (server.requests, attempt.may_be_sent) == ([], False)
    assert not attempt.may_be_repeated(Unavailable("no connection", sent=False))


def test_the_limit_after_the_last_byte_leaves_doubt(noxcli: Noxcli) -> None:
    options = ("--json", "--timeout", "1s")
    assert_in_doubt(
        tried(noxcli, stay_silent, options=options, listed=listing(record(input=INPUT)))[0], RUN
    )


@contextmanager
def untrusted(certificate: Path) -> Iterator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with raw_server(json_answer(record()), tls=context) as server:
        yield server


@contextmanager
def without_tls(_: Path) -> Iterator[RawServer]:
    # Unrequested, since a TLS hello need not contain a line end.
    with raw_server(hang_up, greeting=answer(400)) as server:
        yield server


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(untrusted, "is not trusted: self-signed certificate"), (without_tls, "does not speak TLS")],
)
@pytest.mark.parametrize("options", [["--no-check"], []], ids=["start", "read"])
def test_a_server_without_trusted_tls_is_told_at_once(
    noxcli: Noxcli, certificate: Path, wrong: Any, told: str, options: list[str]
) -> None:
    clock = noxcli.clock = QuickClock()
    with wrong(certificate) as server:
        url = f"https://127.0.0.1:{server.port}"
        result = noxcli(
            "run", WORKFLOW, "Question=why", "--json", *options, environ={"NOXUS_BACKEND_URL": url}
        )
        assert (server.requests, server.connections) == ([], 1)
    assert (result.code, result.json["retry_safe"], clock.slept) == (2, True, [])
    assert told in result.err


def test_a_start_sent_on_to_no_server_is_safe_to_repeat(noxcli: Noxcli) -> None:
    def by_request(_: Request) -> Turn:
        server.listener.close()
        return redirect(MOVED, 307).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    with raw_server(by_request=by_request) as server:
        result = run_at(noxcli, server.url, "--json", "--retry-for", "0")
    assert (result.code, result.json["retry_safe"]) == (75, True), result.err


# Candidates.


POSSIBLE = ("now", "later", "slow clock", "untimed", "oddly timed", "not timed", "at the end")


def test_candidates_have_the_same_input_and_are_no_older(noxcli: Noxcli) -> None:
    seconds = {
        "now": 0,
        "later": 300,
        "slow clock": -45,
        "too old": -90,
        "another start": 0,
        "other": 0,
    }
    now = datetime.now(UTC)
    times: dict[str, Any] = {
        name: (now + timedelta(seconds=away)).isoformat() for name, away in seconds.items()
    }
    times |= {
        "untimed": None,
        "oddly timed": "yesterday",
        "not timed": [],
        "never": "0001-01-01T00:00:00+14:00",
    }
    times |= {"at the beginning": "0001-01-01T00:00:00Z", "at the end": "9999-12-31T23:59:59Z"}
    ids = {name: f"{number:08}-2222-4333-8444-555555555555" for number, name in enumerate(times)}
    runs = [
        record(ids[name], created_at=time, input=INPUT, status="running")
        for name, time in times.items()
    ]
    runs[5]["input"] = {"Question": "what"}
    first = json_answer(record(ids["another start"]))
    with serving(
        first, NGINX_502, listed=listing(*runs), before=record(ids["another start"])
    ) as server:
        assert run_at(noxcli, server.url).code == 0
        result = run_at(noxcli, server.url, "--json")
    assert (result.code, result.json["retry_safe"]) == (7, False)
    assert [one["id"] for one in result.json["error"]["candidates"]] == [
        ids[name] for name in POSSIBLE
    ]
    known = {"id": ids["now"], "status": "running", "created_at": times["now"]}
    assert result.json["error"]["candidates"][0] == known
    assert (
        f"runs with the same input: {ids['now']} (running), {ids['later']} (running)" in result.err
    )
    assert f"; check before you start again: noxcli runs {WORKFLOW}" in result.err


@pytest.mark.parametrize("hours", [-12, -5, 0, 5.5, 14])
def test_candidates_are_found_in_times_of_any_zone(noxcli: Noxcli, hours: float) -> None:
    created = (datetime.now(UTC) + timedelta(hours=hours)).replace(tzinfo=None)
    old = (created - timedelta(hours=27)).isoformat()
    runs = [
        record(RUN, created_at=created.isoformat(), input=INPUT),
        record(OLD, created_at=old, input=INPUT),
    ]
    assert_in_doubt(tried(noxcli, NGINX_502, listed=listing(*runs))[0], RUN)


def test_only_so_many_candidates_are_listed_and_fewer_named(noxcli: Noxcli) -> None:
    runs = [
        record(f"{number:08}-2222-4333-8444-555555555555", input=INPUT)
        for number in range(MAX_CANDIDATES + 50)
    ]
    result, _ = tried(noxcli, NGINX_502, listed=listing(*runs))
    assert (result.code, len(result.json["error"]["candidates"])) == (7, MAX_CANDIDATES)
    assert f" (completed) and {MAX_CANDIDATES - 5} more; check before" in result.err


@pytest.mark.parametrize(("newest_first", "pages"), [(True, 3), (False, 4)])
def test_a_list_is_read_back_to_the_start_in_either_order(
    noxcli: Noxcli, newest_first: bool, pages: int
) -> None:
    old = [
        record(f"{number:08}-2222-4333-8444-555555555555", created_at=hours_ago(1 + number))
        for number in range(350)
    ]
    runs = [record(input=INPUT), *old] if newest_first else [*reversed(old), record(input=INPUT)]
    asked: list[str] = []

    def by_request(request: Request) -> Turn:
        if request.method == "POST":
            return NGINX_502
        asked.append(request.target)
        start = 100 * (int(request.target.rpartition("=")[2]) - 1)
        return json_answer({**listing(*runs[start : start + 100]), "total": len(runs), "pages": 4})

    with raw_server(by_request=by_request) as server:
        assert_in_doubt(run_at(noxcli, server.url, "--json"), RUN)
    assert len(asked) == pages


def test_a_list_that_recovers_has_the_candidates(noxcli: Noxcli) -> None:
    lists = [NGINX_502, json_answer(listing()), json_answer(listing(record(input=INPUT)))]
    noxcli.clock = clock = QuickClock()

    def by_request(request: Request) -> Turn:
        return NGINX_502 if request.method == "POST" else lists.pop(0)

    with raw_server(by_request=by_request) as server:
        assert_in_doubt(run_at(noxcli, server.url, "--json"), RUN)
    assert sum(clock.slept) <= 10


@pytest.mark.parametrize(("options", "most"), [((), 10), (("--timeout", "2500ms"), 2.5)])
def test_a_search_without_candidates_ends(
    noxcli: Noxcli, options: Sequence[str], most: float
) -> None:
    noxcli.clock = clock = QuickClock()
    began = clock.monotonic()
    assert_in_doubt(tried(noxcli, NGINX_502, options=("--json", *options))[0])
    # A busy machine spends a part of the search on the requests themselves.
    assert most - 1 < clock.monotonic() - began
    assert sum(clock.slept) <= most


@pytest.mark.parametrize("listed", [[RUN], []], ids=["listed", "no answer"])
def test_a_signal_while_candidates_are_read_leaves_doubt(listed: list[str]) -> None:
    reading = threading.Event()

    def by_request(request: Request) -> Turn:
        if request.method == "POST":
            return NGINX_502
        first = not reading.is_set()
        reading.set()
        if first:
            return stay_silent
        return json_answer(listing(record(input=INPUT))) if listed else trickle(b"", b"")

    argv = ["run", WORKFLOW, "Question=why", "--no-check", "--json"]
    with (
        raw_server(by_request=by_request) as server,
        running(*argv, env=environment(server.url)) as process,
    ):
        assert reading.wait(HUNG)
        began = time.monotonic()
        out, err = ended_by(process, signal.SIGTERM)
    document = json.loads(out)
    assert (process.returncode, document["retry_safe"]) == (143, False), err
    assert [one["id"] for one in document["error"]["candidates"]] == listed
    assert time.monotonic() - began < 5
    assert b"interrupted by SIGTERM during the start, whose outcome is unknown; " in err


def test_what_could_not_be_compared_is_said(noxcli: Noxcli) -> None:
    other = listing(record(input={"inputs.Question": "why"}))
    assert (
        "but the server may list other keys"
        in tried(noxcli, NGINX_502, listed=other, options=())[0].err
    )
    with raw_server(NGINX_502) as server:
        assert "the run list can't be read at the moment" in run_at(noxcli, server.url).err


def test_a_secret_input_is_compared_without_its_value(noxcli: Noxcli) -> None:
    """The server may list it masked."""
    noxcli.environ["TOKEN"] = "hidden-one"
    other = record(OLD, input={"Question": "else", "token": "hidden-one"})
    listed = listing(record(input={**INPUT, "token": "***"}), other)
    result, _ = tried(
        noxcli, NGINX_502, listed=listed, options=("--secret", "token=TOKEN", "--json")
    )
    assert_in_doubt(result, RUN)
    assert "hidden-one" not in result.err + result.text


@pytest.mark.parametrize(
    "off", [timedelta(seconds=3), timedelta(hours=1), timedelta(days=-400)], ids=str
)
@pytest.mark.parametrize("options", [[], ["--no-check"]], ids=["checked", "unchecked"])
def test_the_run_is_found_whatever_our_clock_says(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, off: timedelta, options: list[str]
) -> None:
    workflow = plays(nodes=[input_node("Question")], faults={"start": [LostAnswer()]})
    noxcli.clock = WrongClock(off)
    result = noxcli("run", workflow, "Question=why", "--json", *options)
    assert_in_doubt(result, *[run.id for run in sandbox.runs(workflow)])


def answering_after(seconds: float) -> Turn:
    """Answer a start late."""

    def turn(peer: socket.socket) -> None:
        time.sleep(seconds)
        peer.sendall(json_answer({"id": RUN, "workflow_id": WORKFLOW, "status": "queued"}))

    return turn


@pytest.mark.parametrize(("limit", "code"), [("1s", 7), ("5s", 0)])
def test_the_answer_to_a_start_has_a_limit_of_its_own(
    noxcli: Noxcli, limit: str, code: int
) -> None:
    noxcli.environ["NOXCLI_ANSWER_TIMEOUT"] = limit
    result, sent = tried(noxcli, answering_after(1.6), options=["--detach", "--json"])
    assert (result.code, sent) == (code, 1)
    if code:
        assert (
            "timed out while reading after 1.0s (answer_timeout)" in result.json["error"]["message"]
        )
        assert result.json["retry_safe"] is False


@pytest.mark.wide
def test_a_start_may_take_longer_than_a_read_by_default(noxcli: Noxcli) -> None:
    result, sent = tried(noxcli, answering_after(35), options=["--detach", "--json"])
    assert (result.code, sent) == (0, 1)
