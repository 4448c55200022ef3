"""Recordings served again: byte for byte, only with the key, and only what is in them."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from noxcli.sandbox.recordings import Played, load_recording
from noxcli.sandbox.server import listening

HEAD = json.dumps({"format": "noxcli.recording/1", "recorded_at": "2026-01-01T00:00:00+00:00", "values": True})
ODD = [  # as a server may split and frame it: odd chunks, a split within a character, lower and upper case
    b"HTTP/1.1 200 Fine\r\ncontent-TYPE: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nda",
    b"t\r\n00005\r\na: \xe2\x82",
    b"\r\n2\r\n\xac\n\r\n1\r\n\n\r\n0\r\n\r\n",
]
STATED = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"


def written(tmp_path: Path, *lines: object, head: str = HEAD) -> Path:
    path = tmp_path / "run.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join([head, *texts, ""]), encoding="utf-8", errors="surrogateescape")
    return path


def exchange(number: int, target: str, *pieces: bytes, closed: bool = False) -> list[object]:
    """The lines of one exchange, all bytes in base64."""
    import base64

    request: dict[str, object] = {"method": "GET", "target": target, "headers": {}, "body": None}
    lines: list[object] = [{"n": number, "at": 1.0, "request": request}]
    lines += [
        {"n": number, "at": 1.0 + at / 100, "received": {"base64": base64.b64encode(piece).decode()}}
        for at, piece in enumerate(pieces)
    ]
    return [*lines, *([{"n": number, "at": 2.0, "closed": True}] if closed else [])]


def asked(played: Played, target: str, key: str | None = None, host: str = "localhost", size: int = 10_000) -> bytes:
    """The raw bytes of one answer, until the server closes or has been silent for a moment."""
    with socket.create_connection(("127.0.0.1", played.port)) as peer:
        peer.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key or played.key}\r\n\r\n".encode())
        peer.settimeout(0.3)
        found = b""
        try:
            while len(found) < size and (piece := peer.recv(4096)):
                found += piece
        except TimeoutError:
            pass
        return found


def test_answers_are_served_byte_for_byte_one_after_the_other(tmp_path: Path) -> None:
    lines = [
        *exchange(1, "/v1/a?x=1", *ODD),
        *exchange(2, "/v1/a?x=2", STATED),
        *exchange(3, "/v1/a?x=2", CUT, closed=True),
    ]
    with Played(load_recording(written(tmp_path, *lines)), key="key", speed=1, listener=listening(0)) as played:
        assert asked(played, "/v1/a?x=1") == b"".join(ODD)
        assert [asked(played, "/v1/a?x=2") for _ in range(3)] == [STATED, CUT, CUT]
        assert asked(played, "/v1/a?x=3") == b"".join(ODD)  # another query: the first of that path
        assert b"404" in asked(played, "/v1/b")[:20]


@pytest.mark.parametrize(("key", "host", "status"), [("no", "localhost", b"401"), (None, "evil.example", b"421")])
def test_the_door_is_closed(tmp_path: Path, key: str | None, host: str, status: bytes) -> None:
    path = written(tmp_path, *exchange(1, "/v1/a", STATED))
    with Played(load_recording(path), key="key", speed=1, listener=listening(0)) as played:
        assert asked(played, "/v1/a", key, host)[9:12] == status


REQUEST = {"n": 1, "at": 0, "request": {"method": "GET", "target": "/x", "headers": {}, "body": None}}


@pytest.mark.parametrize(
    ("lines", "head", "told"),
    [
        ([], HEAD, "no request was recorded"),
        (["{"], HEAD, "line 2: not JSON"),
        (["[1]"], HEAD, "line 2: not a line of a recording"),
        ([{"n": 1}], HEAD, "line 2: not a line"),
        ([{"n": 5, "at": 0, "received": {"text": "x"}}], HEAD, "line 2: not a line"),
        ([REQUEST, {"n": 1, "at": 0, "received": {"base64": "%%%"}}], HEAD, "line 3: not"),
        ([REQUEST, {"n": 1, "at": "soon", "received": {"text": ""}}], HEAD, "line 3: not"),
        (['{"n": 1e999, "at": 0}'], HEAD, "line 2: not"),
        ([REQUEST, '{"n": 1, "at": 1e999, "received": {"text": ""}}'], HEAD, "line 3: not"),
        (["[" * 100_000], HEAD, "line 2: not"),
        ([REQUEST], HEAD.replace("/1", "/9"), "this version reads noxcli.recording/1"),
    ],
)
def test_a_broken_file_gets_one_line(tmp_path: Path, lines: list[object], head: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"run\.jsonl") as caught:
        load_recording(written(tmp_path, *lines, head=head))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_from_a_shell_a_recording_is_served_alone(tmp_path: Path) -> None:
    path = written(tmp_path, *exchange(1, "/v1/a", STATED))
    command = [sys.executable, "-m", "noxcli", "sandbox", "--replay", str(path)]
    alone = subprocess.run(
        [*command, "--", "sh", "-c", 'test -n "$NOXUS_API_KEY" && exit 5'], capture_output=True, check=False
    )
    beside = subprocess.run([*command, "--switch", "versions=404", "--", "true"], capture_output=True, check=False)
    assert (alone.returncode, alone.stderr) == (5, b"")
    assert (beside.returncode, beside.stderr.count(b"\n")) == (2, 1)
    assert b"a recording is served alone" in beside.stderr
