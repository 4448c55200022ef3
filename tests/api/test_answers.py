"""Answers that no well-behaved server gives: malformed heads and bodies, interim answers, slow trickles, odd values."""

import gzip
import io
import json
import re
import socket
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import parse_headers
from typing import Any

import pytest

from noxcli.api import NoxusApi, body, client
from noxcli.codec import MAX_INT, MAX_LEVELS
from noxcli.errors import NoxError, OutputNotDelivered, RequestRejected, Unavailable
from noxcli.models import Run
from tests.api.test_client import Call, connect, start
from tests.conftest import Noxcli
from tests.process import NOXCLI, captured, environment
from tests.rawserver import (
    Request,
    Turn,
    answer,
    json_answer,
    raw_server,
    sending,
    stay_silent,
    trickle,
)
from tests.sample import one_in

SOME_ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
RECORD = {"id": "x", "workflow_id": "w", "status": "running"}
EVENT = b'data: {"type": "state", "data": {}, "redisId": "1-0"}\n\n'
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def find(api: NoxusApi) -> Run:
    return api.find_run("x")


def read_file(api: NoxusApi) -> bytes:
    with api.download("f") as opened:
        return b"".join(opened.pieces())


def take_events(api: NoxusApi) -> Any:
    return api.open_events("x").next_events(5)


def outcome(turn: Turn, call: Call, **options: Any) -> Any:
    """Return what the call returns, or the NoxError that it raises; anything else is a bug."""
    with raw_server(turn) as server, connect(server, **options) as api:
        try:
            return call(api)
        except NoxError as error:
            return error


# Interim answers.

INTERIM = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 199 Odd\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n",
]


@pytest.mark.parametrize("interim", [*INTERIM, b"".join(INTERIM), INTERIM[1] * 2000], ids=range(6))
@pytest.mark.parametrize("call", [find, start], ids=["read", "start"])
def test_interim_answers_are_skipped(interim: bytes, call: Call) -> None:
    with raw_server(interim + json_answer(RECORD)) as server, connect(server) as api:
        assert call(api).id == call(api).id == "x"


def test_interim_answers_before_other_bodies_are_skipped() -> None:
    interim = b"".join(INTERIM)
    assert isinstance(outcome(interim + answer(422), start), RequestRejected)
    assert outcome(interim + answer(200, b"all of it"), read_file) == b"all of it"
    assert [event.redis_id for event in outcome(interim + STREAM + EVENT, take_events)] == ["1-0"]


def test_an_interim_answer_alone_is_no_answer() -> None:
    error = outcome(INTERIM[1] + b"HTTP/1.1 103 On\r\nConnection: close\r\n\r\n", start)
    assert (type(error), error.sent, error.http_status) == (Unavailable, True, None)


ENDLESS = {
    "interim": trickle(b"", b"".join(INTERIM[:3]) * 1000, 0),
    "100": trickle(b"", INTERIM[0], 0),
    "head": trickle(b"HTTP/1.1 200 OK\r\n", b"x"),
}


@pytest.mark.parametrize("turn", ENDLESS.values(), ids=ENDLESS)
def test_a_head_without_end_ends_by_the_time(turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "JSON_SECONDS", 0.3)
    with ThreadPoolExecutor() as pool:  # where nobody else looks at the time
        error = pool.submit(outcome, turn, start, answer_timeout=0.3).result(timeout=10)
    assert isinstance(error, Unavailable)
    assert (error.sent, "timed out while reading" in error.message) == (True, True)


def test_a_stop_follows_to_another_path_of_its_server() -> None:
    with (
        raw_server(answer(307, Location="/v1/elsewhere"), json_answer(RECORD)) as server,
        connect(server) as api,
    ):
        assert api.stop_run("x").id == "x"
    assert [(request.method, request.target) for request in server.requests][1:] == [
        ("POST", "/v1/elsewhere")
    ]


def test_one_limit_holds_for_an_answer_and_its_redirects(monkeypatch: pytest.MonkeyPatch) -> None:
    def redirect_slowly(_: Request) -> bytes:
        time.sleep(0.3)
        return answer(302, Location="/v1/runs/x")

    monkeypatch.setattr(body, "JSON_SECONDS", 0.5)
    with (
        raw_server(by_request=redirect_slowly) as server,
        connect(server) as api,
        pytest.raises(Unavailable),
    ):
        api.find_run("x")


@pytest.mark.parametrize("call", [start, read_file])
def test_a_redirect_takes_no_time_from_a_start_or_a_file(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_slowly(request: Request) -> bytes:
        time.sleep(1)
        return (
            json_answer(RECORD)
            if request.target == "/elsewhere"
            else answer(308, Location="/elsewhere")
        )

    monkeypatch.setattr(body, "JSON_SECONDS", 1.6)
    monkeypatch.setattr(client, "READ_TIMEOUT", 1.6)
    with raw_server(by_request=answer_slowly) as server, connect(server) as api:
        call(api)


# Odd heads and bodies.

BODY = json.dumps(RECORD).encode()
HUGE = b"9" * 5000
ODD_ANSWERS = {
    "chunk size -5": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n" + BODY,
    "chunk size text": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n" + BODY,
    "chunk size of 5,000 digits": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + HUGE
    + b"\r\n"
    + BODY,
    "chunk size with underscore": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n"
    + BODY,
    "chunk size empty": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n",
    "chunk line without end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"1" * 100_000,
    "chunk size 2**63": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n"
    + BODY,
    "length of 5,000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + HUGE + b"\r\n\r\n" + BODY,
    "length of 4,000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: "
    + HUGE[:4000]
    + b"\r\n\r\n"
    + BODY,
    "length 2**63": b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n" + BODY,
    "length -1": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + BODY,
    "length text": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + BODY,
    "length unicode": b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n" + BODY,
    "lengths that conflict": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"
    + BODY,
    "lengths in a list": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n" + BODY,
    "unknown encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding: br, gzip, zstd, x\r\n\r\n" + BODY,
    "not gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + BODY,
    "encodings without end": b"HTTP/1.1 200 OK\r\nContent-Encoding: "
    + b"gzip, " * 5000
    + b"gzip\r\n\r\n"
    + BODY,
    "status 99": b"HTTP/1.1 99 Odd\r\n\r\n" + BODY,
    "status of 5,000 digits": b"HTTP/1.1 " + HUGE + b" Odd\r\n\r\n" + BODY,
    "status -200": b"HTTP/1.1 -200 Odd\r\n\r\n" + BODY,
    "status 101": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "status 999": b"HTTP/1.1 999 Odd\r\n\r\n" + BODY,
    "version 9": b"HTTP/9.9 200 OK\r\n\r\n" + BODY,
    "no version": b"200 OK\r\n\r\n" + BODY,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n" + BODY,
    "long header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n" + BODY,
    "header without colon": b"HTTP/1.1 200 OK\r\nodd\r\n: odd\r\n\r\n" + BODY,
    "header of NUL": b"HTTP/1.1 200 OK\r\nX: \x00\r\n\x00: \x00\r\n\r\n" + BODY,
    "folded header": b"HTTP/1.1 200 OK\r\nContent-Type: a\r\n b\r\n\r\n" + BODY,
    "retry after of 5,000 digits": b"HTTP/1.1 503 No\r\nRetry-After: " + HUGE + b"\r\n\r\n",
    "odd cookies": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; expires="
    + HUGE
    + b"; Max-Age="
    + HUGE
    + b"\r\n\r\n"
    + BODY,
    "odd charset": b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=\xff\x00odd\r\n\r\n"
    + BODY,
    "range of 5,000 digits": b"HTTP/1.1 206 OK\r\nContent-Range: bytes "
    + HUGE
    + b"-1/2\r\n\r\n"
    + BODY,
    "odd location": b"HTTP/1.1 302 On\r\nLocation: \xff\x00://[::1\r\n\r\n",
    "port of 5,000 digits": b"HTTP/1.1 302 On\r\nLocation: http://h:" + HUGE + b"/\r\n\r\n",
    "progress of 400 digits": json_answer({**RECORD, "progress": 10**400}),
    "progress NaN": answer(200, b'{"id": "x", "status": "running", "progress": NaN}'),
    "progress Infinity": answer(200, b'{"id": "x", "status": "running", "progress": -Infinity}'),
    "progress of 5,000 digits": answer(
        200, b'{"id": "x", "status": "running", "progress": ' + HUGE + b"}"
    ),
}


CALLS: dict[str, Call] = {"read": find, "start": start, "file": read_file, "stream": take_events}


@pytest.mark.parametrize(("odd", "call"), one_in(2, ODD_ANSWERS, CALLS))
def test_an_odd_answer_is_never_a_bug(odd: str, call: str) -> None:
    result = outcome(sending([ODD_ANSWERS[odd]]), CALLS[call])
    if isinstance(result, NoxError):
        assert "\n" not in result.line()
        assert "int()" not in result.line()
    elif isinstance(result, Run) and result.progress is not None:
        assert f"{round(result.progress)}%"


CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
UNCERTAIN = {
    "a part": answer(206, BODY, Content_Range=f"bytes 0-{len(BODY) - 1}/999"),
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED,
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKED,
    "identity": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n" + BODY,
    **{
        f"a length of {odd}": f"HTTP/1.1 200 OK\r\nContent-Length: {odd}\r\n\r\n".encode() + BODY
        for odd in ("0x10", "-1", "9.0", "9_0", "+9")
    },
}


# Newer versions of Python read the value of a header that is folded before it begins.
READS_FOLDS = parse_headers(io.BytesIO(b"A:\r\n b\r\n\r\n"))["A"] == "b"
FOLDED = [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKED,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n \r\nConnection: close\r\n\r\n" + CHUNKED,
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\t%d\r\n\r\n" % len(BODY) + BODY,
    b"HTTP/1.1 404 No\r\nTransfer-Encoding:\r\n chunked\r\nConnection: close\r\n\r\n" + CHUNKED,
]


@pytest.mark.parametrize("folded", FOLDED, ids=range(4))
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_folded_header_about_the_end_is_refused(folded: bytes, call: Call) -> None:
    error = outcome(folded, call)
    if READS_FOLDS and b":\r\n" in folded:  # then nothing is uncertain
        assert type(error) is type(
            outcome(folded.replace(b":\r\n\t", b": ").replace(b":\r\n ", b": "), call)
        )
    else:
        assert (type(error), "folded over two lines" in error.message) == (Unavailable, True), error


@pytest.mark.parametrize("odd", UNCERTAIN.values(), ids=UNCERTAIN)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_answer_whose_end_is_uncertain_is_none(odd: bytes, call: Call) -> None:
    error = outcome(odd, call)
    assert (type(error), str(error.hint)) == (Unavailable, "is a proxy in between?")


@pytest.mark.parametrize("name", ["progress of 400 digits", "progress NaN", "progress Infinity"])
def test_a_progress_that_is_no_number_is_none(name: str) -> None:
    assert outcome(ODD_ANSWERS[name], find).progress is None


# Valid JSON beyond what Python's parser accepts.


@pytest.mark.parametrize("digits", [4300, 4301, 5000, MAX_INT])
def test_a_long_integer_is_exact(digits: int) -> None:
    text = "-" + "7" * digits
    output = outcome(
        answer(200, json.dumps(RECORD)[:-1].encode() + f', "output": [{text}]}}'.encode()), find
    ).output
    assert type(output[0]) is int
    assert output[0] == -(10**digits - 1) // 9 * 7


@pytest.mark.parametrize("depth", [100, MAX_LEVELS])
@pytest.mark.parametrize(
    ("before", "after"), [("[", "]"), ('{"a": ', "}"), ('[1, {"b": [], "a": ', ', "c": 2}, ""]')]
)
def test_deep_nesting_is_read(depth: int, before: str, after: str) -> None:
    levels = before.count("[") + before.count("{") - before.count("]")
    text = before * (depth // levels) + '"in\\u00fcde"' + after * (depth // levels)
    output = outcome(
        answer(200, json.dumps(RECORD)[:-1].encode() + f', "output": {text}}}'.encode()), find
    ).output
    for _ in range(depth // levels * levels):
        output = output["a"] if isinstance(output, dict) else output[min(1, len(output) - 1)]
    assert output == "inüde"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 200_000 + "]" * 200_000, f"values nested deeper than {MAX_LEVELS} levels"),
        ('{"a":' * 100_000, f"values nested deeper than {MAX_LEVELS} levels"),
        ("9" * (MAX_INT + 1), f"an integer of more than {MAX_INT:,} digits"),
        ("[" * 1200, "something that is not JSON"),  # Python 3.12.1 reads no further than 1,500
    ],
    ids=["deep", "open", "integer", "cut"],
)
def test_beyond_the_limits_one_line_says_so(text: str, told: str) -> None:
    error = outcome(answer(200, text.encode()), find)
    assert isinstance(error, Unavailable if "JSON" in told else OutputNotDelivered)
    assert error.message.endswith(f"answered 200 with {told}")


@pytest.mark.parametrize("depth", [MAX_LEVELS, 3 * MAX_LEVELS, 20_000])
@pytest.mark.parametrize("options", [("--json", "--junit", "r.xml"), ("--raw", "A"), ()])
def test_an_output_that_is_nested_too_deeply_is_refused(
    noxcli: Noxcli, depth: int, options: tuple[str, ...]
) -> None:
    deep = b"[" * depth + b"1" + b"]" * depth
    record = b'{"id": "x", "workflow_id": "w", "status": "completed", "output": {"A": %s}}' % deep
    result, server = noxcli.against([answer(200, record)], "fetch-output", "w/x", *options)
    if depth <= MAX_LEVELS:
        assert result.code == 0
        assert b"[" * depth + b"1" in b"".join(result.out.split())
    else:
        assert (result.code, result.err.count("nested deeper than 500 levels")) == (9, 1)
        assert len(server.requests) == 1


def test_a_few_packed_bytes_do_not_fill_the_memory() -> None:
    packer = zlib.compressobj(wbits=31)
    start = b'{"id": "x", "workflow_id": "w", "status": "completed", "output": {"A": "'
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = first + 1024 * (packer.compress(b"x" * 2**20) + packer.flush(zlib.Z_FULL_FLUSH))
    assert len(packed) < 2**21
    with raw_server(answer(200, packed, Content_Encoding="gzip")) as server:
        line = ["sh", "-c", 'ulimit -v 500000; exec "$@"', "sh", *NOXCLI, "fetch-output", "w/x"]
        done = captured(line, environment(server.url))
    told = "the record of run x can't be read: the answer is larger than 64 MiB; noxcli runs shows"
    assert (done.returncode, told in done.stderr) == (9, True), done.stderr


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"0,", b'"ab",', b'"",'])
def test_packed_small_values_do_not_fill_the_memory(unit: bytes) -> None:
    start = b'{"id": "x", "workflow_id": "w", "status": "completed", "output": {"A": ['
    content = start + unit * (60 * 2**20 // len(unit)) + b"0]}}"
    packed = gzip.compress(content)
    assert len(packed) < 2**18
    with raw_server(answer(200, packed, Content_Encoding="gzip")) as server:
        line = ["sh", "-c", 'ulimit -v 700000; exec "$@"', "sh", *NOXCLI, "fetch-output", "w/x"]
        done = captured(line, environment(server.url))
    assert (done.returncode, "too many values for the memory" in done.stderr) == (9, True)


def test_many_small_texts_end_within_the_timeout() -> None:
    fields = {
        "id": "x",
        "workflow_id": "w",
        "status": "completed",
        "output": {"A": ["abc"] * 2_900_000},
    }
    with raw_server(json_answer(fields)) as server:
        began = time.monotonic()
        line = [*NOXCLI, "fetch-output", "w/x", "--timeout", "3s"]
        done = captured(line, environment(server.url))
        took = time.monotonic() - began
    assert (done.returncode, done.stdout) == (124, "")
    assert took < 12, "the limit is 3 s; a busy machine takes long to start Python and to decode"


@pytest.mark.parametrize("end", ["", "\\", '"', '\\"'])
def test_quotes_in_a_text_hide_no_values(noxcli: Noxcli, end: str) -> None:
    text = "[{,}]" * 1_000_000 + end
    values = [text] * 5 + ["a"]
    fields = {"id": "x", "workflow_id": "w", "status": "completed", "output": {"A": values}}
    result, _ = noxcli.against([json_answer(fields)], "fetch-output", "w/x", "--json")
    assert (result.code, result.json["output"]["A"] == values) == (0, True), result.err


def test_a_long_text_of_commas_is_a_text(noxcli: Noxcli) -> None:
    text = "[{,}]" * 4_000_000
    fields = {"id": "x", "workflow_id": "w", "status": "completed", "output": {"A": text}}
    result, _ = noxcli.against([json_answer(fields)], "fetch-output", "w/x", "--raw", "A")
    assert (result.code, result.text == text) == (0, True), result.err


def test_deep_details_and_events_end_no_command(noxcli: Noxcli) -> None:
    deep = b"[" * 490 + b"]" * 490
    record = b'{"id": "x", "workflow_id": "w", "status": "%s", "progress_details": {"a": %s}}'
    event = b'data: {"type": "state", "data": {"id": "n", "status": "running", "x": %s}, "redisId": "%d-0"}\n\n'
    running, done = (
        answer(200, record % (b"running", deep)),
        answer(200, record % (b"completed", deep)),
    )
    stream = sending([STREAM, *(event % (deep, number) for number in range(3))])
    for turns, options in (([running] * 3, ["--no-stream"]), ([running, stream, running], [])):
        with raw_server(*turns, done) as server:
            assert (
                noxcli("wait", "w/x", "--base-url", server.url, *options).out == b"x\tcompleted\n"
            )


# Lists.


@pytest.mark.parametrize("verb", [["workflows"], ["runs"], ["versions", SOME_ID]], ids=str)
@pytest.mark.parametrize("told", [{}, {"status": "ok"}, "up"], ids=str)
def test_an_answer_that_is_not_a_list_is_not_empty(
    noxcli: Noxcli, verb: list[str], told: Any
) -> None:
    result, server = noxcli.against([json_answer(told)], *verb, "--retry-for", "0")
    assert (result.code, result.out, len(server.requests)) == (75, b"", 1)
    assert "the answer is not a list: it has no items; is it the base URL" in result.err


def test_a_list_is_asked_for_again_if_the_answer_was_none(noxcli: Noxcli) -> None:
    turns = [json_answer({}), json_answer({"items": [{"id": SOME_ID, "name": "qa"}], "pages": 1})]
    result, server = noxcli.against(turns, "workflows")
    assert (result.code, "qa" in result.text, len(server.requests)) == (0, True, 2)


# Time.


def in_a_thread(read: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(read).result()


SLOW_BODY = trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")


@pytest.mark.parametrize(
    "turn",
    [
        SLOW_BODY,
        trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", b" " * 65536),
        trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        trickle(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        trickle(b"", INTERIM[1]),
        trickle(b"HTTP/1.1 503 No\r\nContent-Length: 99999\r\n\r\n"),
        trickle(b"H", b"T"),
        stay_silent,
    ],
    ids=[
        "body",
        "large body",
        "chunks",
        "headers",
        "interim answers",
        "error",
        "status line",
        "silence",
    ],
)
@pytest.mark.parametrize("call", [lambda read: read(), in_a_thread], ids=["main", "worker"])
def test_a_limit_bounds_the_whole_exchange(
    turn: Turn, call: Callable[[Callable[[], Any]], Any]
) -> None:
    with raw_server(turn) as server, connect(server) as api:
        began = time.monotonic()
        with pytest.raises(
            Unavailable,
            match=r"no answer from 127\.0\.0\.1:\d+( within 0\.2 s|: timed out while reading)|answered 503",
        ):
            call(lambda: api.within(0.2).get_run("w", "r"))
        assert time.monotonic() - began < 5, "a body of any length would take a minute"


def test_a_file_that_trickles_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine the head of the answer alone may take longer than a fifth of a second.
    monkeypatch.setattr(client, "READ_TIMEOUT", 1.0)
    error = outcome(SLOW_BODY, read_file)
    assert isinstance(error, Unavailable)
    assert re.fullmatch(
        r"the download broke after \d+ bytes: timed out while reading", error.message
    )


def test_a_file_may_take_its_time_as_long_as_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_TIMEOUT", 1.0)

    def turn(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 25000\r\n\r\n")
        for _ in range(25):
            peer.sendall(b"x" * 1000)
            time.sleep(0.05)

    with raw_server(turn) as server, connect(server) as api, api.download("f") as opened:
        assert len(b"".join(opened.pieces())) == 25_000


def test_a_stream_may_be_slow_and_goes_on() -> None:
    with raw_server(trickle(STREAM, EVENT)) as server, connect(server) as api:
        feed = api.open_events("x")
        assert sum(len(feed.next_events(5)) for _ in range(5)) >= 5
        feed.close()
