"""Reads over raw sockets: a gateway's page passes, the API's own word is believed if it lasts, failures end in time."""

import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from noxcli.timing import Clock
from tests.conftest import Noxcli, write_rows
from tests.otherside import OTHER, RUN, WORKFLOW, record
from tests.process import NOXCLI, ended_by, environment, running, until
from tests.rawserver import RawServer, Request, Turn, answer, json_answer, raw_server, trickle
from tests.sample import one_in

GONE = json_answer({"detail": "Run not found"}, 404)
PAGES = {
    "traefik": answer(404, b"404 page not found\n", Content_Type="text/plain; charset=utf-8"),
    "ingress": answer(404, b"default backend - 404", Content_Type="text/plain"),
    "firewall": answer(403, b"<html>Request blocked</html>", Content_Type="text/html"),
    "sign in": answer(401, b"<html>Sign in</html>", Content_Type="text/html"),
    "empty": answer(404),
    "bad JSON": answer(404, b"404 page", Content_Type="application/json"),
    "JSON as text": answer(404, b'{"detail": "no route"}', Content_Type="text/plain"),
}
REFUSED = {
    "401": (json_answer({"detail": "Invalid key"}, 401), 4),
    "403": (json_answer({"message": "Forbidden"}, 403), 4),
    "404": (GONE, 5),
    "410": (json_answer({"error": "gone"}, 410), 5),
}
RUNNING, DONE = record("running"), record("completed")
NAMED = f"{WORKFLOW}/{RUN}"
FOLLOWS = {
    "wait": ("wait", NAMED, "--no-stream"),
    "stream": ("stream", NAMED, "--no-stream"),
    "fetch-output": ("fetch-output", NAMED, "--wait"),
}
READ = re.compile(r"/runs/([0-9a-f-]{36})$")


@contextmanager
def reading(*reads: Turn, start: Turn = RUNNING, other: Turn = DONE) -> Iterator[RawServer]:
    """Answers the reads of RUN in turn, the last one forever, and each read of another run with `other`."""
    left = list(reads)

    def by_request(request: Request) -> Turn:
        path = request.target.partition("?")[0]
        if request.method == "POST":
            return start if path.endswith("/runs") else record("stopped")
        found = READ.search(path)
        if found is None:
            return answer(405)
        if found[1] != RUN:
            return other
        return left.pop(0) if len(left) > 1 else left[0]

    with raw_server(by_request=by_request) as server:
        yield server


def reads(server: RawServer) -> int:
    return sum(
        request.method == "GET" and request.target.endswith(RUN) for request in server.requests
    )


def at(server: RawServer) -> dict[str, str]:
    return {"NOXUS_BACKEND_URL": server.url}


@pytest.mark.parametrize(
    ("command", "page"),
    one_in(3, [*FOLLOWS.values(), ("run", WORKFLOW, "--no-check", "--no-stream")], PAGES.values()),
)
def test_a_gateways_page_is_temporary_trouble(
    noxcli: Noxcli, command: Sequence[str], page: bytes
) -> None:
    with reading(RUNNING, *[page] * 9, DONE) as server:
        result = noxcli(*command, environ=at(server))
    assert result.code == 0, result.err


@pytest.mark.parametrize("page", [PAGES["traefik"], PAGES["firewall"]])
def test_a_gateways_page_for_good_is_lost_contact(noxcli: Noxcli, page: bytes) -> None:
    with reading(RUNNING, page) as server:
        result = noxcli(*FOLLOWS["wait"], "--retry-for", "20s", environ=at(server))
    assert (result.code, "this was not the API" in result.err or "lost contact" in result.err) == (
        6,
        True,
    ), result.err
    assert f"continue with: noxcli wait {RUN}" in result.err


@pytest.mark.parametrize(("command", "refused"), one_in(3, FOLLOWS.values(), REFUSED.values()))
def test_one_refusal_of_the_api_in_the_middle_is_forgiven(
    noxcli: Noxcli, command: Sequence[str], refused: tuple[bytes, int]
) -> None:
    refusal, code = refused
    with reading(RUNNING, refusal, RUNNING, refusal, refusal, DONE) as server:
        assert noxcli(*command, environ=at(server)).code == 0
    with reading(RUNNING, refusal) as server:
        result = noxcli(*command, environ=at(server))
        assert 3 < reads(server) < 20
    assert result.code == code
    assert f"run {RUN} may still be running; continue with: noxcli wait {RUN}" in result.err


@pytest.mark.parametrize(("refusal", "code"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("verb", ["wait", "stream", "fetch-output", "stop"])
def test_a_first_refusal_in_json_is_believed_at_once(
    noxcli: Noxcli, verb: str, refusal: bytes, code: int
) -> None:
    with reading(refusal) as server:
        assert noxcli(verb, RUN, environ=at(server)).code == code
        assert reads(server) == 1


@pytest.mark.parametrize("verb", ["wait", "stream", "fetch-output", "stop"])
def test_a_first_refusal_in_another_form_is_read_again(noxcli: Noxcli, verb: str) -> None:
    with reading(*[PAGES["traefik"]] * 5, DONE) as server:
        assert noxcli(verb, RUN, environ=at(server)).code == 0
    with reading(PAGES["traefik"]) as server:
        result = noxcli(verb, RUN, environ=at(server))
        assert (result.code, reads(server)) == (5, 11), result.err
    assert "retrying for up to 10s" in result.err


# A new run, in another process than the one that started it.


def started(noxcli: Noxcli, server: RawServer, age: float = 0.0) -> None:
    """Start the run with --detach, so many seconds ago."""
    assert noxcli("run", WORKFLOW, "--no-check", "--detach", environ=at(server)).text == f"{RUN}\n"
    entry = Path(noxcli.environ["NOXCLI_STATE_DIR"]) / f"{RUN}.json"
    os.utime(entry, (entry.stat().st_atime, entry.stat().st_mtime - age))


YOUNG = [
    ("wait", RUN),
    ("stream", RUN),
    ("stop", RUN),
    ("fetch-output", "@last", "--wait"),
    ("wait", NAMED),
]


@pytest.mark.parametrize("command", YOUNG, ids=str)
def test_a_young_run_may_be_unknown_to_a_replica(noxcli: Noxcli, command: Sequence[str]) -> None:
    with reading(*[GONE] * 4, DONE) as server:
        started(noxcli, server)
        assert noxcli(*command, environ=at(server)).code == 0
    with reading(GONE) as server:
        started(noxcli, server)
        result = noxcli(*command, environ=at(server))
        assert (result.code, reads(server)) == (5, 11)
    assert f"run {RUN} may still be running; continue with: noxcli wait {RUN}" in result.err


def test_an_older_run_is_not_asked_for_again(noxcli: Noxcli) -> None:
    with reading(GONE) as server:
        started(noxcli, server, age=20.0)
        assert noxcli("wait", RUN, environ=at(server)).code == 5
        assert reads(server) == 1


def test_the_commands_own_limit_comes_first(noxcli: Noxcli) -> None:
    with reading(GONE, other=record("completed", OTHER)) as server:
        started(noxcli, server)
        once = noxcli("wait", RUN, "--timeout", "0", environ=at(server))
        assert (once.code, reads(server)) == (8, 1), once.err
        assert noxcli("wait", RUN, "--timeout", "4s", environ=at(server)).code == 124
        assert noxcli("wait", RUN, OTHER, "--timeout", "0", environ=at(server)).code == 8


# Many runs.


@pytest.mark.parametrize("order", [[OTHER, RUN], [RUN, OTHER]], ids=["last", "first"])
def test_a_deleted_run_is_not_found_in_either_order(noxcli: Noxcli, order: list[str]) -> None:
    with reading(GONE, other=record("running", OTHER)) as server:
        result = noxcli("wait", *order, "--timeout", "0", environ=at(server))
    assert result.code == 5, result.err


@pytest.mark.parametrize("refusal", [PAGES["traefik"], PAGES["firewall"], GONE, REFUSED["401"][0]])
def test_one_of_many_runs_is_read_again(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, refusal: bytes
) -> None:
    noxcli.clock = Clock()
    argv = ("wait", RUN, OTHER, "--poll-interval", "50ms")
    other = record("completed", OTHER)
    with reading(RUNNING, refusal, refusal, DONE, other=other) as server:
        result = noxcli(*argv, environ=at(server))
        assert (result.code, sorted(result.text.split())) == (
            0,
            sorted([RUN, OTHER, *["completed"] * 2]),
        )
    monkeypatch.setattr("noxcli.retry.BELIEVED_AFTER", 0.3)
    with reading(RUNNING, refusal, other=other) as server:
        result = noxcli(*argv, "--retry-for", "500ms", environ=at(server))
        assert reads(server) >= 3
    assert result.code in {4, 5, 6}
    assert f"noxcli wait {RUN}" in result.err or result.code == 6, result.err


@pytest.mark.parametrize("refusal", [PAGES["traefik"], PAGES["firewall"], GONE, REFUSED["401"][0]])
def test_a_row_is_read_again(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, refusal: bytes
) -> None:
    noxcli.clock = Clock()
    argv = ("batch", WORKFLOW, write_rows("a"), "--no-check", "--poll-interval", "100ms")
    with reading(RUNNING, *[refusal] * 3, DONE) as server:
        assert noxcli(*argv, environ=at(server)).code == 0
    monkeypatch.setattr("noxcli.retry.BELIEVED_AFTER", 0.5)
    with reading(RUNNING, refusal) as server:
        result = noxcli(*argv, "--fresh", "--retry-for", "1s", environ=at(server))
    assert result.code in {4, 5, 6}
    assert f"continue with: noxcli wait {NAMED}" in result.lines[0]["result"]["error"]["hint"]


@pytest.mark.long(10)
def test_few_rows_are_lost_to_a_gateways_pages(noxcli: Noxcli) -> None:
    noxcli.clock = Clock()
    posts: list[float] = []

    def by_request(request: Request) -> Turn:
        if request.method == "POST":
            posts.append(time.monotonic())
            is_restarting = posts[-1] < posts[0] + 1.0
            return (
                PAGES["traefik"]
                if is_restarting
                else record("completed", f"{len(posts):08}{RUN[8:]}")
            )
        found = READ.search(request.target.partition("?")[0])
        return record("completed", found[1]) if found else json_answer({"id": WORKFLOW})

    rows = write_rows(*map(str, range(60)))
    with raw_server(by_request=by_request) as server:
        result = noxcli("batch", WORKFLOW, rows, "--max-failures", "0", environ=at(server))
        lost = sum(code == 75 for code in result.codes.values())
        assert (result.code, 0 < lost < 30, len(posts)) == (75, True, 60), result.codes
        assert noxcli("batch", WORKFLOW, rows, "--resume", environ=at(server)).code == 0


@pytest.mark.parametrize("times", [1, 9, 99])
def test_a_later_page_of_a_list_is_asked_for_again(noxcli: Noxcli, times: int) -> None:
    asked: list[str] = []

    def by_request(request: Request) -> Turn:
        asked.append(request.target)
        if (
            request.target.endswith("page=2")
            and sum(one.endswith("page=2") for one in asked) <= times
        ):
            return GONE
        number = int(request.target[-1])
        items = [{"id": f"{number}{RUN[1:]}", "workflow_id": WORKFLOW, "status": "completed"}]
        return json_answer({"items": items, "total": 2, "page": number, "pages": 2})

    with raw_server(by_request=by_request) as server:
        result = noxcli("runs", environ=at(server))
    assert (result.code, len(result.text.splitlines())) == ((0, 2) if times < 10 else (5, 0)), (
        result.err
    )


# Starts and keys.


@pytest.mark.parametrize("page", [*PAGES.values(), answer(405, b"<html>"), answer(400, b"<html>")])
def test_a_gateways_page_to_a_start_started_nothing(noxcli: Noxcli, page: bytes) -> None:
    turns = [json_answer({"id": WORKFLOW, "definition": {"nodes": []}}), page]
    result, server = noxcli.against(turns, "run", WORKFLOW, "--json")
    assert (result.code, result.json["retry_safe"], result.json["error"]["phase"]) == (
        75,
        True,
        "start",
    ), result.err
    assert [request.method for request in server.requests] == ["GET", "POST"]


def test_a_start_that_is_too_large_for_a_gateway_stays_so(noxcli: Noxcli) -> None:
    turns = [json_answer({"id": WORKFLOW, "definition": {"nodes": []}}), answer(413, b"<html>")]
    assert noxcli.against(turns, "run", WORKFLOW, "--json")[0].code == 2


def test_a_first_rejected_key_names_the_other_addresses(noxcli: Noxcli) -> None:
    refusal = REFUSED["401"][0]
    result, _ = noxcli.against([refusal], "runs")
    for address in (
        "https://backend.noxus.ai",
        "https://api.app.noxus.ai",
        "https://app.noxus.ai/api/backend",
    ):
        assert address in result.err
    with reading(RUNNING, refusal) as server:
        later = noxcli(*FOLLOWS["wait"], environ=at(server))
    assert (later.code, "for this host?" in later.err, "noxus.ai" in later.err) == (4, True, False)


def test_a_stop_that_a_replica_refused_is_asked_for_again(noxcli: Noxcli) -> None:
    posts: list[str] = []

    def by_request(request: Request) -> Turn:
        if request.method == "POST":
            posts.append(request.target)
            return GONE if len(posts) < 3 else RUNNING
        return record("stopped") if len(posts) > 2 else RUNNING

    with raw_server(by_request=by_request) as server:
        result = noxcli("stop", NAMED, environ=at(server))
    assert (result.code, len(posts), result.text) == (0, 3, f"{RUN}\tstopped\n"), result.err


# --retry-for: from the first failure, by attempts and time awake, whatever the answers do.

BROKEN = answer(500, b"oops")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.long(5)
def test_a_pause_of_the_process_is_no_outage() -> None:
    with raw_server(RUNNING, BROKEN, BROKEN, DONE) as server:
        options = ["--no-stream", "--poll-interval", "500ms", "--retry-for", "2s"]
        with running(
            "wait", NAMED, *options, env=environment(server.url), program=NOXCLI
        ) as process:
            until(lambda: len(server.requests) == 2)
            process.send_signal(signal.SIGSTOP)
            time.sleep(3)
            out, err = ended_by(process, signal.SIGCONT)
    assert (process.returncode, out) == (0, f"{RUN}\tcompleted\n".encode()), err


@pytest.mark.parametrize(
    ("verb", "requests", "code"),
    [("inputs", 2, 75), ("wait", 2, 6), ("wait on", 3, 6), ("runs", 2, 75), ("wait for two", 4, 6)],
)
def test_an_answer_that_trickles_in_is_a_failure(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: str, requests: int, code: int
) -> None:
    monkeypatch.setattr("noxcli.retry.MIN_ATTEMPT", 0.3)
    noxcli.clock = Clock()
    argv = {
        "inputs": ["inputs", WORKFLOW],
        "wait": ["wait", NAMED, "--no-stream"],
        "wait on": ["wait", NAMED, "--no-stream", "--poll-interval", "100ms"],
        "runs": ["runs"],
        "wait for two": ["wait", NAMED, f"{WORKFLOW}/{OTHER}", "--poll-interval", "100ms"],
    }[verb]
    began = time.monotonic()
    before = [RUNNING] if verb == "wait on" else []
    with raw_server(*before, trickle(HEAD)) as server:
        assert noxcli(*argv, "--retry-for", "100ms", "--base-url", server.url).code == code
        assert len(server.requests) == requests, "never one failure alone"
    assert time.monotonic() - began < 10
