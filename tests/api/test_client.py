"""The API layer over real sockets: what each call sends, and what becomes of every kind of answer."""

import email.policy
import gzip
import io
import json
import random
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from noxcli import __version__
from noxcli.api import Http, NoxusApi
from noxcli.api.error_mapping import MAX_DETAIL, describe, retry_after_of
from noxcli.config.settings import Settings
from noxcli.errors import (
    CursorRefused,
    ExitCode,
    NotFound,
    NoxError,
    OutputNotDelivered,
    Phase,
    RequestRejected,
    StreamClosed,
    StreamUnsupported,
    Unauthorized,
    Unavailable,
)
from tests.process import HUNG
from tests.rawserver import (
    RawServer,
    Turn,
    answer,
    full_queue,
    hang_up,
    json_answer,
    raw_server,
    redirect,
)

KEY = "key with spaces & =signs"
Call = Callable[[NoxusApi], Any]
# Everything that any call needs.
RECORD = {"id": "r", "workflow_id": "w", "status": "running", "name": "n", "items": [], "pages": 1}


def connect(server: RawServer, **options: Any) -> NoxusApi:
    return NoxusApi(Http(Settings(server.url, KEY), **options))


def find(api: NoxusApi) -> Any:
    return api.find_run("r")


def start(api: NoxusApi) -> Any:
    return api.create_run("w", {"q": "?"})


UPLOAD: Call = lambda api: api.upload("a.txt", io.BytesIO(b"hello"), 5, "text/plain")  # noqa: E731


def failure(*turns: Turn, call: Call = find) -> NoxError:
    """Return the error that the call raises."""
    with raw_server(*turns) as server:
        return failure_at(server, call)


def failure_at(server: RawServer, call: Call = find) -> NoxError:
    with connect(server) as api, pytest.raises(NoxError) as caught:
        call(api)
    return caught.value


# What is sent.

CALLS: list[tuple[str, Call, str]] = [
    ("create_run", lambda api: api.create_run("w/1", {"q": 1}), "POST /v1/workflows/w%2F1/runs"),
    ("get_run", lambda api: api.get_run("w 1", "r"), "GET /v1/workflows/w%201/runs/r"),
    ("get_run within", lambda api: api.within(5).get_run("w", "r"), "GET /v1/workflows/w/runs/r"),
    ("find_run", lambda api: api.find_run("r"), "GET /v1/runs/r"),
    (
        "run_data",
        lambda api: api.get_run_data("r"),
        "GET /v1/runs/r/data?fetch_structured_data=true",
    ),
    ("stop_run", lambda api: api.stop_run("r"), "POST /v1/runs/r/stop"),
    ("list_runs", lambda api: list(api.list_runs()), "GET /v1/runs?page=1"),
    ("list_runs of", lambda api: list(api.list_runs("w")), "GET /v1/workflows/w/runs?page=1"),
    ("get_workflow", lambda api: api.get_workflow("w"), "GET /v1/workflows/w"),
    (
        "list_workflows",
        lambda api: list(api.list_workflows()),
        "GET /v1/workflows?type=flow&page=1",
    ),
    ("me", lambda api: api.get_me(), "GET /v1/admin/me"),
    ("upload", UPLOAD, "POST /v1/file"),
    ("download", lambda api: api.download("f").__exit__(None, None, None), "GET /v1/file/f"),
]
BY_NAME = [pytest.param(call, line, id=name) for name, call, line in CALLS]


@pytest.mark.parametrize(("call", "line"), BY_NAME)
def test_a_call_is_one_request_with_key_and_name(call: Call, line: str) -> None:
    with raw_server(json_answer(RECORD)) as server, connect(server) as api:
        call(api)
    (request,) = server.requests
    assert f"{request.method} {request.target}" == line
    assert request.headers["x-api-key"] == KEY
    assert request.headers["user-agent"] == f"noxcli/{__version__}"
    if line == "GET /v1/file/f":
        assert (request.headers["accept"], request.headers["accept-encoding"]) == (
            "*/*",
            "identity",
        )
    else:
        assert request.headers["accept"] == "application/json"
    assert "authorization" not in request.headers


def test_a_stream_is_requested_uncompressed_from_the_cursor() -> None:
    stream = answer(200, b"", Content_Type="text/event-stream")
    with raw_server(stream) as server, connect(server) as api:
        for cursor in (None, "1-0 &x"):
            with pytest.raises(StreamClosed):
                api.open_events("r/1", cursor).next_events(5)
    first, second = server.requests
    assert (first.target, second.target) == (
        "/v1/runs/r%2F1/events",
        "/v1/runs/r%2F1/events?etag=1-0+%26x",
    )
    assert first.headers["accept"] == "text/event-stream"
    assert first.headers["accept-encoding"] == "identity"
    assert first.headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2e", "%252e%252e"),
        ("ü 世", "%C3%BC%20%E4%B8%96"),
        ("a\r\nX: y", "a%0D%0AX%3A%20y"),
        ("@;&=+", "%40%3B%26%3D%2B"),
    ],
)
def test_an_odd_id_stays_one_path_segment(text: str, quoted: str) -> None:
    with raw_server(json_answer(RECORD)) as server, connect(server) as api:
        with pytest.raises(Unavailable, match="answered with run r"):
            api.find_run(text)
        with pytest.raises(Unavailable, match="answered with run r"):
            api.get_run(text, text)
    assert [request.target for request in server.requests] == [
        f"/v1/runs/{quoted}",
        f"/v1/workflows/{quoted}/runs/{quoted}",
    ]


@pytest.mark.parametrize("text", ["", ".", "..", "..."])
def test_dots_are_no_id_and_nothing_is_sent(text: str) -> None:
    with raw_server(json_answer(RECORD)) as server, connect(server) as api:
        for call in (api.find_run, api.stop_run, api.get_workflow, api.download):
            with pytest.raises(NotFound, match="is not a valid id"):
                call(text)
    assert server.requests == []


# Lists.


def page(count: int, first: int = 0, **envelope: Any) -> bytes:
    items = [{"id": f"r{first + n}", "status": "queued"} for n in range(count)]
    return json_answer({"items": items, **envelope})


@pytest.mark.parametrize(
    ("pages", "asked", "found"),
    [
        pytest.param([page(3, pages=2), page(1, 3, pages=2)], 2, 4, id="as the envelope says"),
        pytest.param([page(100), page(0)], 2, 100, id="until a page is empty"),
        pytest.param(
            [page(3, total=4), page(1, 3, total=4)], 2, 4, id="until all of the total are there"
        ),
        pytest.param(
            [page(3, pages=9), page(5, 1, pages=9), page(2, 4, pages=9)],
            3,
            6,
            id="until nothing is new",
        ),
        pytest.param(
            [page(3, pages=9), page(0, pages=9)], 2, 3, id="no further than there are items"
        ),
        pytest.param([json_answer([{"id": "r", "status": "queued"}])], 1, 1, id="a bare list"),
        pytest.param(
            [json_answer([{"id": f"r{n}", "status": "queued"} for n in range(150)])],
            1,
            150,
            id="a long bare list",
        ),
        pytest.param(
            [json_answer([{"id": "r", "status": "queued"}] * 2)], 1, 1, id="a run that is repeated"
        ),
        pytest.param([json_answer({"total": 0})], 1, 0, id="no items"),
        pytest.param([json_answer({"items": None})], 1, 0, id="null items"),
    ],
)
def test_a_list_is_read_to_its_end(pages: list[bytes], asked: int, found: int) -> None:
    # A request past the end fails: with an endless list, the test would hang here.
    with raw_server(*pages, answer(404)) as server, connect(server) as api:
        runs = list(api.list_runs())
    assert (len(server.requests), len(runs)) == (asked, found)
    assert [request.target for request in server.requests] == [
        f"/v1/runs?page={number}" for number in range(1, asked + 1)
    ]


def test_a_list_that_may_be_longer_is_not_whole() -> None:
    """What is missing in it is no proof: no row takes a run from such a list."""
    with raw_server(page(2, next_cursor="more")) as server, connect(server) as api:
        with pytest.raises(Unavailable, match="may be longer than the 2 items"):
            list(api.list_runs("w", whole=True))
        assert len(list(api.list_runs("w"))) == 2


MAY_BE_LONGER = "the server's list may be longer than the 2 items that it shows"


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        pytest.param(
            [page(2, next_page="c2"), page(2, next_page="c2")], [MAY_BE_LONGER], id="by cursor"
        ),
        pytest.param(
            [page(2, has_more=True), page(0, has_more=False)], [MAY_BE_LONGER], id="more, then none"
        ),
        pytest.param([page(2), page(2)], [MAY_BE_LONGER], id="page is ignored"),
        pytest.param(
            [page(2, pages=9), page(0, pages=9)], [MAY_BE_LONGER], id="fewer pages than announced"
        ),
        pytest.param([page(2, next="/2"), page(0)], [MAY_BE_LONGER], id="a link to nothing"),
        pytest.param(
            [page(1, next="/2"), page(1, 1, next=None), page(0)], [], id="links to the end"
        ),
        pytest.param([page(2, total=2, next_page="c2")], [], id="a total"),
        pytest.param([page(2, total=5), page(0, total=5)], [MAY_BE_LONGER], id="a larger total"),
        pytest.param(
            [page(2, total=5), page(2, total=5)],
            [MAY_BE_LONGER],
            id="a larger total, and the same page",
        ),
        pytest.param([page(2), page(0)], [], id="an empty page"),
    ],
)
def test_a_list_that_may_be_longer_says_so(pages: list[bytes], said: list[str]) -> None:
    warned: list[str] = []
    with raw_server(*pages, answer(404)) as server, connect(server, warn=warned.append) as api:
        assert len(list(api.list_runs())) == 2
    assert warned == said


def test_a_list_without_end_is_refused() -> None:
    with (
        raw_server(*(page(100, 100 * number) for number in range(9))) as server,
        connect(server) as api,
    ):
        runs = api.list_runs(most_pages=3)
        with pytest.raises(RequestRejected, match="the list has more than 3 pages"):
            list(runs)
    assert len(server.requests) == 3


# What the answers mean: by status.


MEANINGS: dict[tuple[type[NoxError], int, str | None], list[int]] = {
    (RequestRejected, 2, None): [300, 304, 400, 405, 409, 422, 425],
    (Unauthorized, 4, "NOXUS_API_KEY"): [401],
    (Unauthorized, 4, "flows_run"): [403],
    (NotFound, 5, "workspace"): [404, 410],
    (Unavailable, 75, None): [408, 429, 500, 502, 503, 504, 599],
}


@pytest.mark.parametrize(
    ("status", "meaning"), [(each, meaning) for meaning in MEANINGS for each in MEANINGS[meaning]]
)
@pytest.mark.parametrize("header", ["X-Request-Id", "x-noxus-request-id"])
def test_a_status_has_its_error_code_and_hint(
    status: int, meaning: tuple[type[NoxError], int, str | None], header: str
) -> None:
    kind, code, hint = meaning
    body = b"" if status == 304 else b'{"detail": "because"}'
    with raw_server(answer(status, body, **{header: "req-7"})) as server:
        error = failure_at(server)
    assert (type(error), error.exit_code, error.http_status, error.request_id) == (
        kind,
        code,
        status,
        "req-7",
    )
    reason = "" if status == 304 else ": because"
    assert error.message == f"127.0.0.1:{server.port} answered {status}{reason}"
    assert hint in str(error.hint) if hint else error.hint is None
    assert error.line().endswith("(request id req-7)")
    assert error.phase is (Phase.AUTH if code == ExitCode.AUTH else None)


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        (
            b"HTTP/1.1 404 No\r\nContent-Length: 500\r\nConnection: close\r\n\r\nwait a",
            "404: wait a",
        ),
        (
            answer(404, gzip.compress(b'{"detail": "no such thing"}'), Content_Encoding="gzip"),
            "404: no such thing",
        ),
        (answer(404, b"no gzip", Content_Encoding="gzip"), "404"),
    ],
    ids=["broken off", "compressed", "undecodable"],
)
def test_an_error_is_read_as_far_as_possible(turn: Turn, told: str) -> None:
    assert failure(turn).message.endswith(f"answered {told}")


# What an error body says.

DEEP = json.dumps({"detail": "x"}).encode()
for _ in range(400):
    DEEP = b'{"detail": [' + DEEP + b"]}"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"detail": "gone"}', "gone"),
        (b'{"detail": "two\\n  lines\\t"}', "two lines"),
        (b'{"detail": [{"loc": ["body", 0], "msg": "Field required", "type": "x"}]}', "body.0: Field required"),
        (b'{"detail": [{"loc": ["a"], "msg": "m"}, {"msg": "n"}, "o"]}', "a: m, n, o"),
        (b'{"detail": [{"loc": "odd", "msg": "m"}]}', "m"),
        (b'{"detail": {"message": "m", "code": 7}}', "m"),
        (b'{"detail": {"msg": 7, "code": "c"}}', '{"msg": 7, "code": "c"}'),
        (b'{"detail": {"code": "\xc3\xbc"}}', '{"code": "\xfc"}'),
        (b'{"detail": 7}', '{"detail": 7}'),
        (b'{"message": "m"}', "m"),
        (b'{"error": {"message": "m"}}', "m"),
        (b'{"detail": null, "message": "", "error": "e"}', "e"),
        (b'{"code": 1}', '{"code": 1}'),
        (b'"just text"', "just text"),
        (b'["a", {"msg": "b"}]', "a, b"),
        (b"{}", ""),
        (b"null", ""),
        (b"", ""),
        (b" \r\n ", ""),
        (b"upstream\r\nfailed", "upstream failed"),
        (b'{"detail": "cut of', '{"detail": "cut of'),
        (b"<html><title>502 Bad Gateway</title><body>x</body>", "a web page"),
        (b"bad \xff\xfe bytes", "bad \ufffd\ufffd bytes"),
        (b'{"detail": "\xff"}', "\ufffd"),
    ],
)  # fmt: skip
def test_an_error_body_becomes_one_readable_line(body: bytes, line: str) -> None:
    assert describe(body) == line


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"x" * 100_000, id="text"),
        pytest.param(b'{"detail": "' + b"y " * 50_000 + b'"}', id="detail"),
        pytest.param(b'{"detail": [' + b'{"msg": "m"},' * 9000 + b'"z"]}', id="list"),
        pytest.param(DEEP, id="nested"),
        pytest.param(b"[" * 60_000, id="brackets"),
        pytest.param(b'{"detail":' * 6_000, id="braces"),
    ],
)
def test_a_huge_or_deep_error_body_is_cut_to_one_line(body: bytes) -> None:
    line = failure(answer(500, body)).message
    assert "answered 500: " in line
    assert "\n" not in line
    assert len(line) <= MAX_DETAIL + 60


# Retry-After.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("120", 120.0),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("7, 8", None),
        ("Mon, 99 Foo 2026 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2024 00:00:00", 0.0),
    ],
)
def test_retry_after_is_read_or_ignored(value: str, seconds: float | None) -> None:
    assert retry_after_of({"Retry-After": value}) == seconds


@pytest.mark.parametrize("usegmt", [True, False])
def test_retry_after_may_be_a_date(usegmt: bool) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=usegmt)
    seconds = retry_after_of({"Retry-After": date})
    assert seconds is not None
    assert 98 <= seconds <= 100


def test_a_date_counts_by_the_clock_of_its_server() -> None:
    now = datetime.now(UTC) + timedelta(hours=1)
    dates = {
        name: format_datetime(now + timedelta(seconds=wait))
        for name, wait in {"Date": 0, "Retry-After": 7}.items()
    }
    assert retry_after_of(dates) == 7.0


# A success without a usable answer.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>please sign in</html>",
        b'{"id": "x", "status": "run',
        b"\xff\xfe\x00",
        b"[" * 100,
    ],
    ids=["empty", "html", "cut", "binary", "open"],
)
def test_a_200_without_json_is_trouble_not_an_answer(body: bytes) -> None:
    error = failure(answer(200, body, x_request_id="req-9"))
    assert isinstance(error, Unavailable)
    assert "answered 200 with something that is not JSON" in error.message
    assert "base URL" in str(error.hint)
    assert (error.http_status, error.request_id, error.sent) == (200, "req-9", True)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        7,
        {},
        {"id": "x"},
        {"status": "queued"},
        {"id": 7, "status": "x"},
        {"id": "", "status": "x"},
    ],
)
def test_a_record_without_id_or_status_is_no_run(body: Any) -> None:
    calls: list[Call] = [find, lambda api: api.get_run("w", "r"), lambda api: api.stop_run("r")]
    for call in calls if body == {"id": "x"} else [*calls, start]:
        assert "the answer is not a run" in failure(json_answer(body), call=call).message


@pytest.mark.parametrize("size", [0, 1, 16_384, 100_001])
def test_an_upload_is_one_part_of_exact_length(size: int) -> None:
    content = random.Random(size).randbytes(size)
    with raw_server(json_answer({"id": "f"})) as server, connect(server) as api:
        api.upload('ä "x".bin', io.BytesIO(content), size, "image/png")
    (request,) = server.requests
    assert request.headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in request.headers
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    (part,) = email.message_from_bytes(head + request.body, policy=email.policy.HTTP).iter_parts()
    assert (part.get_payload(decode=True), part.get_content_type()) == (content, "image/png")
    assert part["Content-Disposition"] == 'form-data; name="file"; filename="ä %22x%22.bin"'


@pytest.mark.parametrize("body", [None, [], {"name": "n"}, {"id": 7}])
def test_an_answer_without_id_is_no_workflow_and_no_upload(body: Any) -> None:
    assert isinstance(
        failure(json_answer(body), call=lambda api: api.get_workflow("w")), Unavailable
    )
    assert isinstance(failure(json_answer(body), call=UPLOAD), Unavailable)


@pytest.mark.parametrize(
    "odd",
    [
        {"progress": "50"},
        {"progress": True},
        {"progress_details": [1]},
        {"output": "bare"},
        {"input": None},
        {"workflow": {"name": "no id"}},
        {"workflow": "text"},
        {"created_at": 7},
        {
            "workflow": {
                "id": "w",
                "definition": {"nodes": [None, {"id": 7}, {"id": "n", "node_config": []}]},
            }
        },
    ],
)
def test_odd_fields_do_not_spoil_a_record(odd: dict[str, Any]) -> None:
    with (
        raw_server(json_answer({"id": "x", "status": "brand_new", **odd})) as server,
        connect(server) as api,
    ):
        run = api.get_run("w", "x")
    assert (run.id, run.workflow_id, run.status, run.settled) == ("x", "w", "brand_new", False)


def test_an_old_answer_of_a_cache_is_told_once() -> None:
    said: list[str] = []
    old = json_answer(RECORD, Age="120")
    with (
        raw_server(json_answer(RECORD, Age="0"), old, old) as server,
        connect(server, warn=said.append) as api,
    ):
        for _ in range(3):
            find(api)
    assert {request.headers["cache-control"] for request in server.requests} == {"no-cache"}
    host = server.url.removeprefix("http://")
    assert said == [
        f"a cache before {host} gave an answer that was 120 s old: it may be out of date"
    ]


# Connections that break.


def broken(call: Call, url: str, **options: Any) -> Unavailable:
    with NoxusApi(Http(Settings(url, KEY), **options)) as api, pytest.raises(Unavailable) as caught:
        call(api)
    return caught.value


def test_an_unknown_host_is_called_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    # A real lookup of the name would leave the machine if the resolver passes it on.
    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    error = broken(start, "https://noxus.invalid")
    assert (error.message, error.sent) == (
        "can't look up noxus.invalid: the host name is unknown",
        False,
    )


def test_a_connect_that_hangs_is_told_and_nothing_was_sent() -> None:
    with full_queue() as url, ThreadPoolExecutor() as pool:  # where nobody else looks at the time
        error = broken(start, url, connect_timeout=0.1)
        soon = lambda api: api.within(0.2).get_run("w", "r")  # noqa: E731
        late = pool.submit(broken, soon, url).result(timeout=5)
    host = url.removeprefix("http://")
    assert (error.message, error.sent) == (
        f"no answer from {host}: timed out while connecting",
        False,
    )
    assert isinstance(late, Unavailable)


def test_tls_to_a_server_without_it_sends_nothing() -> None:
    # The answer comes unrequested, since a TLS hello need not contain a line end, or anything else to read up to.
    with raw_server(hang_up, greeting=answer(400)) as server:
        error = broken(start, f"https://127.0.0.1:{server.port}")
    assert error.sent is False
    assert server.requests == []
    assert error.message == f"127.0.0.1:{server.port} does not speak TLS"


def test_a_start_is_sent_once_over_a_connection_of_its_own() -> None:
    with raw_server(*[json_answer(RECORD)] * 4, hang_up) as server, connect(server) as api:
        find(api)
        find(api)
        start(api)
        find(api)
        with pytest.raises(Unavailable):
            start(api)
    told = [(request.method, request.connection) for request in server.requests]
    assert told == [("GET", 1), ("GET", 1), ("POST", 2), ("GET", 1), ("POST", 3)], "reads share one"


def test_a_connection_that_the_server_closed_is_not_reused() -> None:
    closed = threading.Event()

    def once(peer: socket.socket) -> None:
        peer.sendall(json_answer(RECORD))
        peer.shutdown(socket.SHUT_RDWR)
        closed.set()

    with raw_server(once, json_answer(RECORD)) as server, connect(server) as api:
        find(api)
        assert closed.wait(HUNG)
        assert find(api).id == "r"
        assert start(api).id == "r"
    assert len(server.requests) == 3


# Limits.


def test_no_time_at_all_is_unavailable_whoever_is_faster() -> None:
    with raw_server(json_answer(RECORD)) as server, connect(server) as api:
        for _ in range(50):
            with pytest.raises(Unavailable):
                api.within(0).get_run("w", "r")


def test_a_redirects_body_is_not_read() -> None:
    with (
        raw_server(
            b"HTTP/1.1 302 On\r\nLocation: /v1/elsewhere\r\nContent-Length: 99999\r\n\r\nnot all of it",
            json_answer(RECORD),
        ) as server,
        connect(server) as api,
    ):
        assert api.within(1).get_run("w", "r").id == "r"
    assert [request.target for request in server.requests] == [
        "/v1/workflows/w/runs/r",
        "/v1/elsewhere",
    ]


# Redirects; where the key goes is in test_api_security.py.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_read_follows_a_redirect(status: int) -> None:
    with (
        raw_server(redirect("/other?x=1", status), json_answer(RECORD)) as server,
        connect(server) as api,
    ):
        list(api.list_runs())
    assert [request.headers["x-api-key"] for request in server.requests] == [KEY, KEY]
    assert [request.target for request in server.requests] == ["/v1/runs?page=1", "/other?x=1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "call", [start, UPLOAD, lambda api: api.stop_run("r")], ids=["start", "upload", "stop"]
)
def test_a_post_is_never_redirected_to_another_server(call: Call, status: int) -> None:
    with (
        raw_server(json_answer(RECORD)) as foreign,
        raw_server(redirect(foreign.url, status)) as server,
    ):
        error = failure_at(server, call)
    kind = (
        Unavailable if call is start and status not in {307, 308} else RequestRejected
    )  # in doubt, or not
    assert (type(error), error.message) == (
        kind,
        f"POST was redirected to http://127.0.0.1:{foreign.port}",
    )
    assert "base URL" in str(error.hint)
    assert (len(server.requests), len(foreign.requests)) == (1, 0)


def test_redirects_in_circles_end() -> None:
    with raw_server(redirect("/again")) as server:
        error = failure_at(server)
    assert (type(error), error.message) == (
        RequestRejected,
        f"127.0.0.1:{server.port} redirects in circles",
    )
    assert len(server.requests) == 6


def test_a_redirect_without_a_target_is_refused() -> None:
    assert isinstance(failure(answer(302)), RequestRejected)


# The event stream and files.


@pytest.mark.parametrize(
    ("turn", "cursor", "kind"),
    [
        *((answer(status), None, StreamUnsupported) for status in (404, 405, 406, 501)),
        (b"HTTP/1.1 204 None\r\n\r\n", None, StreamUnsupported),
        (json_answer({}), None, StreamUnsupported),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: 1\n\n", None, StreamUnsupported),
        *((answer(status), "1-0", CursorRefused) for status in (404, 410, 422)),
        (answer(401), "1-0", Unauthorized),
        (answer(429), "1-0", Unavailable),
        (answer(503), None, Unavailable),
    ],
)
def test_a_stream_that_is_none_says_what_to_do(
    turn: bytes, cursor: str | None, kind: type[NoxError]
) -> None:
    assert type(failure(turn, call=lambda api: api.open_events("r", cursor).next_events(5))) is kind


def download(*turns: Turn) -> bytes:
    with raw_server(*turns) as server, connect(server) as api, api.download("f") as opened:
        return b"".join(opened.pieces())


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "x"])
def test_a_coding_that_can_not_be_read_is_not_the_file(coding: str) -> None:
    with pytest.raises(
        OutputNotDelivered, match=re.escape(f"as {coding}, which noxcli can't read")
    ):
        download(answer(200, gzip.compress(b"all of it"), Content_Encoding=coding))
    assert download(answer(200, b"all of it", Content_Encoding="identity")) == b"all of it"
