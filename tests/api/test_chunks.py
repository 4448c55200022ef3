"""Chunks that have arrived are read at once, with the same bytes and the same failures as in http.client."""

import random
import socket
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse

import pytest

from noxcli.api.answer import Answer
from noxcli.api.limit import CURRENT, AnswerLimit

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = 64


def chunks_of(rng: random.Random) -> bytes:
    """Return a chunked body, usually a whole and valid one."""
    body = b""
    for _ in range(rng.randrange(1, 30)):
        data = rng.randbytes(rng.choice([1, 2, 15, 16, 17, 63, 64, 65, 300]))
        size = b"%x" % len(data) if rng.random() < 0.7 else b"%04X" % len(data)
        body += size + (b";name=value" if rng.random() < 0.05 else b"") + b"\r\n" + data + b"\r\n"
    body += b"0\r\n" + (b"Trailer: x\r\n" if rng.random() < 0.2 else b"") + b"\r\n"
    if rng.random() < 0.3:
        place = rng.randrange(len(body))
        damage = rng.choice([b"", b"\r", b"\n", b"-1", b"zz", b"0x", b"_", b" ", b"\r\n\r\n", b"fffffffff"])
        body = body[:place] + damage + body[place + rng.randrange(3) :]
    return body[: rng.randrange(len(body))] if rng.random() < 0.2 else body


def read_all(
    kind: Callable[[socket.socket], HTTPResponse], wire: bytes
) -> tuple[bytes, type[BaseException] | None, int]:
    """Return what was read, how it failed, and the number of reads."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(wire)
        theirs.shutdown(socket.SHUT_WR)
        got, reads = b"", 0
        response = kind(ours)
        try:
            response.begin()
            while piece := response.read1(PIECE):
                assert len(piece) <= PIECE
                got, reads = got + piece, reads + 1
        except (HTTPException, ValueError, OSError) as error:
            return got, type(error), reads
        finally:
            response.close()
        return got, None, reads


@pytest.fixture(autouse=True)
def limit() -> None:
    CURRENT.set(AnswerLimit.of_stream())


@pytest.mark.parametrize("batch", range(4))
def test_any_chunked_body_reads_as_http_client_reads_it(batch: int) -> None:
    failures = 0
    for seed in range(batch * 500, batch * 500 + 500):
        wire = HEAD + chunks_of(random.Random(seed))
        ours, theirs = read_all(Answer, wire), read_all(HTTPResponse, wire)
        assert ours[:2] == theirs[:2], f"seed {seed}"
        failures += ours[1] is not None
    assert 50 < failures < 250


def test_chunks_that_are_there_come_together() -> None:
    wire = HEAD + b"".join(b"4\r\n%04d\r\n" % number for number in range(160)) + b"0\r\n\r\n"
    got, failure, reads = read_all(Answer, wire)
    assert (len(got), failure, reads) == (640, None, 10)


def test_a_chunk_is_handed_on_while_the_next_is_only_half_there() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(HEAD + b"3\r\none\r\n3\r\ntw")
        response = Answer(ours)
        response.begin()
        assert response.read1(PIECE) == b"one"
        assert response.read1(PIECE) == b"tw"
        theirs.sendall(b"o\r\n5\r\nthree\r\n0\r\n\r\n")
        assert response.read1(PIECE) + response.read1(PIECE) == b"othree"
        assert response.read1(PIECE) == b""
        response.close()
