"""Reading SSE: the conformance cases whole, byte by byte and split at every position, and over real HTTP bodies."""

import base64
import gzip
import json
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from noxcli.api.event_stream import ENDINGS, KEEP_ALIVES, Framer, parse_events, parse_frames
from noxcli.codec import decode_json, to_json
from noxcli.errors import StreamClosed, StreamUnsupported, Unavailable
from noxcli.models import RunEvent
from tests.api.test_client import connect
from tests.rawserver import RawServer, raw_server, sending

CASES = json.loads((Path(__file__).parents[1] / "data" / "sse_cases.json").read_text())
BY_NAME = [pytest.param(case, id=case["name"]) for case in CASES]


def read(pieces: list[bytes]) -> list[tuple[str, str]]:
    framer = Framer()
    return [event for piece in pieces for event in parse_frames(framer.feed(piece))]


def expected(case: dict[str, Any]) -> list[tuple[str, str]]:
    # Ids are left out: a Noxus stream's position is `redisId` in the JSON.
    return [(event["event"], event["data"]) for event in case["expected"]]


def test_there_are_cases() -> None:
    assert len(CASES) == 87
    assert sum(bool(case["expected"]) for case in CASES) > 60


@pytest.mark.parametrize("case", BY_NAME)
def test_a_case_reads_the_same_however_it_is_cut(case: dict[str, Any]) -> None:
    raw = base64.b64decode(case["bytes_b64"])

    assert read([raw]) == expected(case), "whole"
    assert read([raw[place : place + 1] for place in range(len(raw))]) == expected(case), (
        "byte by byte"
    )
    for place in range(len(raw) + 1):
        assert read([raw[:place], raw[place:]]) == expected(case), f"cut at {place}"


def test_an_empty_piece_between_cr_and_lf_changes_nothing() -> None:
    assert read([b"data: a\r", b"", b"\n\r\ndata: b\r\n\r\n"]) == [
        ("message", "a"),
        ("message", "b"),
    ]


def test_a_frame_over_the_limit_is_refused_before_it_is_whole() -> None:
    framer = Framer(limit=1000)
    framer.feed(b"data: " + b"x" * 900)
    with pytest.raises(StreamUnsupported, match="longer"):
        framer.feed(b"x" * 200)


@pytest.mark.parametrize("line", [b"data: x\n", b"id\n", b"data: " + b"x" * 900 + b"\n"])
def test_an_event_of_too_many_lines_is_refused_at_once(line: bytes) -> None:
    began = time.process_time()
    assert len(read([line * 1000 + b"\n"])) == (line != b"id\n")
    with pytest.raises(StreamUnsupported, match="more than 1,000 lines"):
        read([b"data: first\n\n" + line * min(100_000, 5_000_000 // len(line)) + b"\n"])
    assert time.process_time() - began < 2


def test_a_large_event_in_small_pieces_is_read_once() -> None:
    text = "ä" * 300_000
    raw = f"data: {text}\n\n".encode()
    assert read([raw[place : place + 64] for place in range(0, len(raw), 64)]) == [
        ("message", text)
    ]


def envelope(kind: str, data: Any, redis_id: str | None = "1-0") -> bytes:
    return (
        b"data: " + json.dumps({"type": kind, "data": data, "redisId": redis_id}).encode() + b"\n\n"
    )


def test_an_envelope_becomes_an_event_with_its_data_untouched() -> None:
    data = {"id": "n", "content": "Hel", "big": 123456789012345678901234567890, "new": [None, 1.5]}
    events, ending = parse_events(envelope("content", data, "1234567890-0"))
    assert (events, ending) == ([RunEvent("content", data, "1234567890-0")], None)


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (envelope("state", None), RunEvent("state", None, "1-0")),
        (envelope("content", {}, None), RunEvent("content", {}, None)),
        (b'data: {"type":"content","data":1}\n\n', RunEvent("content", 1, None)),
        (b'data: {"type":"x","data":{},"redisId":7}\n\n', RunEvent("x", {}, "7")),
        (b"data: [1]\n\n", RunEvent("message", [1], None)),
        (b"event: news\ndata: hello\n\n", RunEvent("news", "hello", None)),
    ],
)
def test_odd_events_are_passed_on(frame: bytes, event: RunEvent) -> None:
    assert parse_events(frame) == ([event], None)


def test_keep_alives_are_no_events() -> None:
    assert parse_events(b": hello\n\nevent: ping\ndata: 1\n\n") == ([], None)


@pytest.mark.parametrize("name", ["done", "timeout", "error"])
def test_the_servers_own_endings_end_the_stream(name: str) -> None:
    frames = (
        envelope("state", {}) + f'event: {name}\ndata: {{"message": "worker lost"}}\n\n'.encode()
    )
    events, ending = parse_events(frames + envelope("state", {}))
    assert len(events) == 1
    assert ending is not None
    assert name in ending.message
    assert "worker lost" in ending.message


@pytest.mark.parametrize(
    "said", ["", "ping", "[DONE]", "{oops", '{"type": "state", "data": ', "<html>"]
)
def test_a_message_that_is_no_json_ends_nothing(said: str) -> None:
    events, ending = parse_events(
        envelope("state", {"n": 1}) + f"data: {said}\n\n".encode() + envelope("state", {"n": 2})
    )
    assert [(event.type, event.data) for event in events] == [
        ("state", {"n": 1}),
        ("unknown", said),
        ("state", {"n": 2}),
    ]
    assert ending is None


@pytest.mark.parametrize(
    "filling", [b"\n", b":\n\n", b":\n", b"\n:", b": keep-alive\n\n", b"\r\n", b": x\r\n\r\n"]
)
def test_a_megabyte_between_two_events_costs_next_to_nothing(filling: bytes) -> None:
    framer, began = Framer(), time.process_time()
    raw = envelope("state", {}) + filling * (2**20 // len(filling)) + b"\n" + envelope("state", {})
    events = [
        event
        for place in range(0, len(raw), 2**15)
        for event in parse_events(framer.feed(raw[place : place + 2**15]))[0]
    ]
    assert [event.type for event in events] == ["state", "state"]
    assert time.process_time() - began < 0.5


# -- the short way beside the long one, which is sseclient-py on each frame ------------------------------------------

FORMS = [
    'event: message\ndata: {"type":"content","data":{"id":"a","status":"running","content":"x"},"redisId":"1-0"}\n\n',
    'data: {"type": "state", "data": {"status": "running", "n": [1, 2.5, null]}, "redisId": null}\n\n',
    'id: 7\nevent:message\ndata:{"type":"x","data":null}\n\n',
    'data: {"type":"content","data":"\\ud83d\\u00e4 {[","redisId":"2-0"}\n\n',
    'data: {"redisId":"3-0","type":"content","data":{}}\n\n',
    "event: ping\ndata: {}\n\n",
    ": comment\n\n",
    'event: done\ndata: {"message": "over"}\n\n',
    'data: {"type":"content",\ndata: "data":{"id":1}}\n\n',
    "data: [1]\n\n",
]
MARKS = ["\n", "\n\n", " ", "\t", '"', "\\", "{", "}", "[", ",", ":", "-", "\x00", "\x7f", "ä"]
WORDS = [
    "data: ",
    "event: news\n",
    "id: \n",
    "retry: 1\n",
    "NaN",
    "1e999",
    "Infinity",
    "null",
    '"data":1,',
    "\\u0000",
]
STUFF = ["", *MARKS, *WORDS, "9" * 5000, "[" * 600]


def mutated(rng: random.Random) -> str:
    frames = "".join(
        rng.choices(FORMS, weights=[8, 3, 3, 2, 2, 1, 1, 0.2, 1, 1], k=rng.randint(1, 6))
    )
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        place = rng.randrange(len(frames))
        frames = frames[:place] + rng.choice(STUFF) + frames[place + rng.choice([0, 0, 1, 2]) :]
    return frames + "\n\n"


def told(events: list[RunEvent]) -> list[str]:
    # Compared as text: NaN is not equal to itself.
    return [to_json([event.type, event.data, event.redis_id]) for event in events]


def by_the_long_way(frames: bytes) -> tuple[list[RunEvent], bool]:
    """Return the events, and whether something ended the stream."""
    events: list[RunEvent] = []
    for name, text in parse_frames(frames):
        if name in ENDINGS:
            return events, True
        if name in KEEP_ALIVES:
            continue
        try:
            said = decode_json(text)
        except ValueError:
            events.append(RunEvent("unknown" if name == "message" else name, text))
            continue
        if isinstance(said, dict) and isinstance(said.get("type"), str):
            redis_id = said.get("redisId")
            events.append(
                RunEvent(
                    said["type"], said.get("data"), None if redis_id is None else str(redis_id)
                )
            )
        else:
            events.append(RunEvent(name, said))
    return events, False


@pytest.mark.parametrize(
    "batch", [0, *(pytest.param(batch, marks=pytest.mark.wide) for batch in (1, 2, 3))]
)
def test_frames_of_every_form_are_read_as_sseclient_reads_them(batch: int) -> None:
    short = 0
    for seed in range(batch * 5000, batch * 5000 + 5000):
        frames = mutated(random.Random(seed)).encode()
        events, ending = parse_events(frames)
        expected_events, ended = by_the_long_way(frames)
        assert (told(events), ending is not None) == (told(expected_events), ended), f"seed {seed}"
        for event in events:
            if event.raw is not None:
                short += 1
                assert "\n" not in event.raw
                assert to_json(decode_json(event.raw)) == to_json(event.data), f"seed {seed}"
                for plain in filter(None, (event.type, event.redis_id)):
                    assert json.dumps(plain, ensure_ascii=False) == f'"{plain}"', f"seed {seed}"
    assert short > 4000, "most are read as they are"


# -- over real sockets ---------------------------------------------------------------------------------------------

Body = Callable[[bytes], list[bytes]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def chunked(raw: bytes) -> list[bytes]:
    step = max(1, len(raw) // 7)
    parts = [raw[place : place + step] for place in range(0, len(raw), step)]
    return [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        *(b"%x\r\n%s\r\n" % (len(part), part) for part in parts),
        b"0\r\n\r\n",
    ]


def one_byte_chunks(raw: bytes) -> list[bytes]:
    chunks = [b"1\r\n" + raw[place : place + 1] + b"\r\n" for place in range(len(raw))]
    return [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"".join(chunks), b"0\r\n\r\n"]


def close_delimited(raw: bytes) -> list[bytes]:
    return [HEAD + b"Connection: close\r\n\r\n", raw]


def content_length(raw: bytes) -> list[bytes]:
    return [
        HEAD + b"Content-Length: %d\r\n\r\n" % len(raw),
        raw[: len(raw) // 2],
        raw[len(raw) // 2 :],
    ]


def gzipped(raw: bytes) -> list[bytes]:
    packer = zlib.compressobj(wbits=31)
    flushed = [
        packer.compress(raw[:10]) + packer.flush(zlib.Z_SYNC_FLUSH),
        packer.compress(raw[10:]) + packer.flush(),
    ]
    assert gzip.decompress(b"".join(flushed)) == raw
    return [HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", *flushed]


def take_all(server: RawServer) -> tuple[list[RunEvent], Exception]:
    with connect(server) as api:
        feed = api.open_events("run")
        events: list[RunEvent] = []
        while True:
            try:
                events += feed.next_events(5)
            except (Unavailable, StreamUnsupported) as ending:
                return events, ending


@pytest.mark.parametrize(
    "body", [chunked, one_byte_chunks, close_delimited, content_length, gzipped]
)
def test_all_cases_over_real_http(body: Body) -> None:
    with raw_server(
        *(sending(body(base64.b64decode(case["bytes_b64"]))) for case in CASES)
    ) as server:
        for case in CASES:
            events, ending = take_all(server)
            assert_same(case, events, ending)


def assert_same(case: dict[str, Any], events: list[RunEvent], ending: Exception) -> None:
    """Compare with the parser's result for the whole case: the transport must not add or lose anything."""
    framer = Framer()
    parsed, ended = parse_events(framer.feed(base64.b64decode(case["bytes_b64"])))
    assert events == parsed, case["name"]
    if ended is not None:
        assert str(ended) == str(ending), case["name"]
    else:
        assert isinstance(ending, StreamClosed) is not framer.is_within_a_frame, case["name"]


@pytest.mark.parametrize(
    "answer",
    [
        close_delimited(envelope("state", {"n": 1}) + b'data: {"type": "con'),
        chunked(envelope("state", {"n": 1}) + b'data: {"type": "con')[:-1],
        content_length(envelope("state", {"n": 1}) + b'data: {"type": "con')[:-1],
        [*content_length(envelope("state", {"n": 1}) + b"data: x")[:-1], b"data: {}\n"],
    ],
    ids=["close", "chunked", "length", "newline"],
)
def test_a_torn_last_frame_is_never_an_event(answer: list[bytes]) -> None:
    with raw_server(sending(answer)) as server:
        events, ending = take_all(server)
    assert [event.data for event in events] in ([{"n": 1}], [])
    assert type(ending) is Unavailable, "no clean end"


def chunks_of(count: int, wait: Callable[[], object]) -> Iterator[bytes]:
    """Yield the answer's head and events, each as one chunk and after a wait, and no end of the body."""
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for number in range(count):
        wait()
        frame = envelope("content", {"n": number}, f"{number}-0")
        yield b"%x\r\n%b\r\n" % (len(frame), frame)


def test_a_server_waits_for_a_reader_that_is_slow() -> None:
    sent, text = [0], "x" * 1000
    frame = envelope("content", text)
    chunk = b"%x\r\n%b\r\n" % (len(frame), frame)

    def flood() -> Iterator[bytes]:
        yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        for _ in range(50_000):
            sent[0] += 1
            yield chunk
        yield b"0\r\n\r\n"

    with raw_server(sending(flood())) as server, connect(server) as api:
        feed = api.open_events("run")
        assert feed.next_events(5)
        time.sleep(0.5)
        assert sent[0] < 20_000, "what fits between the two: the buffers of the system, and ours"
        count = 1
        with suppress(StreamClosed):
            while events := feed.next_events(5):
                count += len(events)
    assert 49_000 < count <= 50_000


def test_events_with_time_between_them_are_handed_on_one_by_one() -> None:
    taken = threading.Semaphore()
    chunks = chunks_of(10, lambda: taken.acquire(timeout=5))
    with raw_server(sending(chunks)) as server, connect(server) as api:
        feed = api.open_events("run")
        bursts = []
        for _ in range(10):
            bursts.append(feed.next_events(5))
            taken.release()
    assert [[event.data["n"] for event in burst] for burst in bursts] == [
        [number] for number in range(10)
    ]
