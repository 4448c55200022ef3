"""A partial file: what it says about its bytes, however many there are."""

import hashlib
import io
import threading
import tracemalloc
from pathlib import Path

import pytest

from noxcli.errors import Undelivered
from noxcli.outputs.partial import ASIDE_FROM, BATCH, HASHED_AHEAD, ROOM, Digest, Part

PIECE = bytes(range(256)) * 1024


@pytest.mark.parametrize("size", [0, 1, ASIDE_FROM - 1, ASIDE_FROM, ASIDE_FROM + 1, 3 * ASIDE_FROM])
def test_the_digest_is_that_of_the_bytes(size: int) -> None:
    content = (PIECE * (size // len(PIECE) + 1))[:size]
    with Part(io.BytesIO(), "a part") as part:
        for place in range(0, size, len(PIECE)):
            part.write(content[place : place + len(PIECE)])
        assert part.sha256 == hashlib.sha256(content).hexdigest()
        part.write(b"more")
        assert part.sha256 == hashlib.sha256(content + b"more").hexdigest()
        assert part.read_back().read() == content + b"more"


@pytest.mark.parametrize("length", [1000, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 1])
def test_pieces_of_any_length_are_hashed_in_order(length: int) -> None:
    digest, real = Digest(), hashlib.sha256()
    for number in range((ASIDE_FROM + 3 * BATCH) // length + 2):
        piece = number.to_bytes(4) * (length // 4) + bytes(length % 4)
        digest.update(piece)
        real.update(piece)
    assert digest.hexdigest() == real.hexdigest()


def fill(part: Part, content: bytes, step: int) -> set[int]:
    """Let the part take the content as if read into its memory; return which memory that was."""
    used = set()
    left = memoryview(content)
    while left:
        room = part.room()
        used.add(id(room.obj))
        count = min(len(room), step, len(left))
        room[:count] = left[:count]
        part.took(count)
        left = left[count:]
    return used


@pytest.mark.parametrize("step", [100_003, BATCH - 1, BATCH, ROOM])
@pytest.mark.parametrize("size", [BATCH // 2, ASIDE_FROM - 1, 2 * ASIDE_FROM + 1])
def test_bytes_read_into_the_parts_memory_are_written_and_hashed(size: int, step: int) -> None:
    content = (PIECE * (size // len(PIECE) + 1))[:size]
    with Part(io.BytesIO(), "a part") as part:
        assert len(fill(part, content, step)) <= HASHED_AHEAD + 2, "the memory is used again"
        assert part.size == size
        assert part.sha256 == hashlib.sha256(content).hexdigest()
        part.write(b"more")
        fill(part, content, step)
        whole = content + b"more" + content
        assert part.read_back().read() == whole
        assert part.sha256 == hashlib.sha256(whole).hexdigest()


def test_a_finished_part_keeps_no_memory(tmp_path: Path) -> None:
    content = PIECE * (2 * ASIDE_FROM // len(PIECE))
    tracemalloc.start()
    try:
        with (tmp_path / "a.bin").open("wb") as file, Part(file, "a part") as part:
            fill(part, content, BATCH)
            assert tracemalloc.get_traced_memory()[0] > ROOM
            assert part.sha256 == hashlib.sha256(content).hexdigest()
            assert tracemalloc.get_traced_memory()[0] < ROOM
    finally:
        tracemalloc.stop()


def test_bytes_in_memory_are_dropped_with_the_rest() -> None:
    with Part(io.BytesIO(), "a part") as part:
        fill(part, b"dropped", 7)
        part.restart()
        fill(part, b"kept", 4)
        assert (part.size, part.read_back().read()) == (4, b"kept")
        assert part.sha256 == hashlib.sha256(b"kept").hexdigest()


def test_bytes_in_memory_count_for_the_limit() -> None:
    with Part(io.BytesIO(), "a part", most=5) as part:
        fill(part, b"12345", 5)
        with pytest.raises(Undelivered, match="a part has more than 0 MiB"):
            fill(part, b"6", 1)


def test_a_part_that_begins_again_or_is_given_up_leaves_no_thread() -> None:
    before = threading.active_count()
    with Part(io.BytesIO(), "a part") as part:
        for _ in range(ASIDE_FROM // len(PIECE) + 5):
            part.write(PIECE)
        assert threading.active_count() == before + 1
        part.restart()
        assert threading.active_count() == before
        part.write(b"anew")
        assert part.sha256 == hashlib.sha256(b"anew").hexdigest()
        for _ in range(ASIDE_FROM // len(PIECE) + 5):
            part.write(PIECE)
    assert threading.active_count() == before


def test_a_full_disk_is_told_although_closing_meets_it_again() -> None:
    def last_bytes() -> None:
        with Part(Path("/dev/full").open("wb"), "it") as part:
            part.write(b"x")  # stays in Python's buffer
            part.read_back()

    with pytest.raises(Undelivered, match="can't write it: no space left"):
        last_bytes()
