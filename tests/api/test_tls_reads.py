"""Bodies over TLS: none of their bytes is lost at the end or at a break, and no break is an end."""

import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator

import pytest

from noxcli.api.transport import trust
from noxcli.errors import Unavailable
from tests.api.test_client import connect
from tests.conftest import Noxcli, write_rows
from tests.process import ended_by, running
from tests.rawserver import hang_up, json_answer, raw_server, reset, sending

RUN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
RECORD = 16 * 1024  # bytes; TLS decrypts one record of at most this size at a time (RFC 8446, 5.1)
BODY = bytes(range(256)) * (RECORD // 256) * 6
HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH, LONGER = (
    b"Content-Length: %d\r\n\r\n" % len(BODY),
    b"Content-Length: %d\r\n\r\n" % (len(BODY) + 1),
)
TO_THE_END = b"\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"1000\r\n%b\r\n" % BODY[place : place + 0x1000] for place in range(0, len(BODY), 0x1000)
)
Ending = Callable[[socket.socket], None]


def close_notify(peer: socket.socket) -> None:
    """End the TLS connection as its standard says."""
    assert isinstance(peer, ssl.SSLSocket)
    peer.settimeout(5)
    peer.unwrap()


def send_damaged_record(peer: socket.socket) -> None:
    """Send bytes that TLS can't decrypt."""
    with socket.socket(fileno=os.dup(peer.fileno())) as below:
        below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))


def received(tls: ssl.SSLContext, answer: bytes, end: Ending) -> tuple[bytes, str | None]:
    """Return the bytes of a file, and the message of the error."""
    pieces: list[bytes] = []
    with (
        raw_server(sending([answer], end), tls=tls) as server,
        connect(server) as api,
        api.download("f") as opened,
    ):
        try:
            for piece in opened.pieces():
                pieces.append(piece)
        except Unavailable as error:
            return b"".join(pieces), error.message
    return b"".join(pieces), None


@pytest.mark.parametrize("end", [close_notify, hang_up], ids=["closed properly", "just closed"])
@pytest.mark.parametrize("answer", [LENGTH + BODY, CHUNKS + b"0\r\n\r\n"], ids=["length", "chunks"])
def test_a_body_with_an_end_of_its_own_is_whole(
    tls: ssl.SSLContext, answer: bytes, end: Ending
) -> None:
    assert received(tls, HEAD + answer, end) == (BODY, None)


def test_close_notify_ends_a_body_without_a_length(tls: ssl.SSLContext) -> None:
    assert received(tls, HEAD + TO_THE_END + BODY, close_notify) == (BODY, None)


@pytest.mark.parametrize(
    "end", [hang_up, reset, send_damaged_record], ids=["just closed", "reset", "damaged"]
)
def test_anything_else_leaves_a_body_without_a_length_cut(tls: ssl.SSLContext, end: Ending) -> None:
    body, error = received(tls, HEAD + TO_THE_END + BODY, end)
    assert body == BODY or end is reset  # which drops what has not arrived
    assert error is not None
    assert "_ssl.c" not in error
    assert error.startswith(f"the download broke after {len(body):,} bytes: ")


@pytest.mark.parametrize(
    "end", [close_notify, hang_up, reset], ids=["closed properly", "just closed", "reset"]
)
@pytest.mark.parametrize("answer", [LONGER + BODY, CHUNKS], ids=["length", "chunks"])
def test_a_break_after_whole_records_is_noticed(
    tls: ssl.SSLContext, answer: bytes, end: Ending
) -> None:
    body, error = received(tls, HEAD + answer, end)
    assert body == BODY or end is reset
    assert error is not None


def test_a_record_that_tls_cut_is_no_answer(tls: ssl.SSLContext) -> None:
    said = json_answer({"id": "x", "status": "completed"}).replace(b"Content-Length", b"X-Length")
    with (
        raw_server(sending([said]), tls=tls) as server,
        connect(server) as api,
        pytest.raises(Unavailable),
    ):
        api.find_run("x")


@pytest.mark.usefixtures("tls")
def test_certificates_are_read_once() -> None:
    assert trust() is trust(), "by far the longest part of a start would be repeated for each row"


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a pipe in place of the certificates, into which nobody writes."""
    os.mkfifo("ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "ca.pem")
    yield "ca.pem"
    os.close(os.open("ca.pem", os.O_RDWR | os.O_NONBLOCK))  # so that no thread waits for ever


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize(
    "argv",
    [("workflows",), ("run", "demo"), ("wait", RUN), ("batch", "demo", "r.jsonl")],
    ids=lambda argv: argv[0],
)
def test_certificates_that_never_end_are_left_in_time(
    noxcli: Noxcli, argv: tuple[str, ...]
) -> None:
    write_rows("1", name="r.jsonl")
    environ = {"NOXUS_BACKEND_URL": "https://127.0.0.1:9"}
    result = noxcli(*argv, "--timeout", "300ms", environ=environ)
    said = "out of time before the start: the certificates of REQUESTS_CA_BUNDLE were not read"
    assert (result.code, said in result.err) == (75, True), result.err


def test_a_signal_ends_the_read_of_certificates(env: dict[str, str], endless: str) -> None:
    own = {**env, "NOXUS_BACKEND_URL": "https://127.0.0.1:9", "REQUESTS_CA_BUNDLE": endless}
    with running("doctor", env=own) as process:
        time.sleep(1)
        _, err = ended_by(process, signal.SIGTERM)
    assert process.returncode == 143, err
