"""Bodies over TLS, whose records are taken together: none is lost at the end or at a break, and no break is an end."""

import os
import socket
import ssl
import threading
from collections.abc import Callable

import pytest

from noxcli.api.answer import RECORD
from noxcli.errors import Unavailable
from tests.api.test_answers import connect
from tests.rawserver import hang_up, raw_server, reset

RECORDS = 6
BODY = bytes(range(256)) * (RECORD // 256) * RECORDS
HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH, LONGER = b"Content-Length: %d\r\n\r\n" % len(BODY), b"Content-Length: %d\r\n\r\n" % (len(BODY) + 1)
TO_THE_END = b"\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"1000\r\n%b\r\n" % BODY[place : place + 0x1000] for place in range(0, len(BODY), 0x1000)
)
Ending = Callable[[socket.socket], None]


def close_notify(peer: socket.socket) -> None:
    """End the TLS connection as its standard says."""
    assert isinstance(peer, ssl.SSLSocket)
    peer.unwrap()


def send_damaged_record(peer: socket.socket) -> None:
    """Send bytes that TLS can't decrypt."""
    with socket.socket(fileno=os.dup(peer.fileno())) as below:
        below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))


def received(tls: ssl.SSLContext, answer: bytes, end: Ending) -> tuple[list[bytes], str | None]:
    """Return the pieces of a file that was sent before the first of them was read, and the message of the error."""
    sent = threading.Event()

    def turn(peer: socket.socket) -> None:
        peer.sendall(answer)
        end(peer)
        sent.set()

    pieces: list[bytes] = []
    with raw_server(turn, tls=tls) as server, connect(server) as api, api.download("f") as opened:
        sent.wait(0.5)  # closing properly takes an answer, which is not given before all is read
        try:
            for piece in opened.pieces():
                pieces.append(piece)
        except Unavailable as error:
            return pieces, error.message
    return pieces, None


@pytest.mark.parametrize("end", [close_notify, hang_up], ids=["closed properly", "just closed"])
@pytest.mark.parametrize("answer", [LENGTH + BODY, TO_THE_END + BODY], ids=["length", "to the end"])
def test_records_that_have_arrived_are_read_together(tls: ssl.SSLContext, answer: bytes, end: Ending) -> None:
    pieces, error = received(tls, HEAD + answer, end)
    assert (b"".join(pieces), error) == (BODY, None)
    assert len(pieces) <= RECORDS / 2


def test_chunks_that_have_arrived_are_read_together(tls: ssl.SSLContext) -> None:
    pieces, error = received(tls, HEAD + CHUNKS + b"0\r\n\r\n", hang_up)
    assert (b"".join(pieces), error) == (BODY, None)
    assert len(pieces) < RECORDS


@pytest.mark.parametrize("end", [close_notify, hang_up, reset], ids=["closed properly", "just closed", "reset"])
@pytest.mark.parametrize("answer", [LONGER + BODY, CHUNKS], ids=["length", "chunks"])
def test_a_break_after_whole_records_is_noticed(tls: ssl.SSLContext, answer: bytes, end: Ending) -> None:
    pieces, error = received(tls, HEAD + answer, end)
    assert b"".join(pieces) == BODY or end is reset  # which drops what has not arrived
    assert error is not None


def test_a_damaged_record_is_not_the_end_of_a_body_without_a_length(tls: ssl.SSLContext) -> None:
    pieces, error = received(tls, HEAD + TO_THE_END + BODY, send_damaged_record)
    assert b"".join(pieces) == BODY
    assert error is not None
    assert error.startswith(f"the download broke after {len(BODY):,} bytes: ")
