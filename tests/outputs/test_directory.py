"""A partial file: what it says about its bytes, however many there are."""

import hashlib
import io
from pathlib import Path

import pytest

from noxcli.errors import Undelivered
from noxcli.outputs.directory import Part

PIECE = bytes(range(256)) * 1024


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_the_digest_is_that_of_the_bytes(size: int) -> None:
    content = (PIECE * (size // len(PIECE) + 1))[:size]
    with Part(io.BytesIO(), "a part") as part:
        for place in range(0, size, len(PIECE)):
            part.write(content[place : place + len(PIECE)])
        assert part.sha256 == hashlib.sha256(content).hexdigest()
        part.write(b"more")
        assert part.sha256 == hashlib.sha256(content + b"more").hexdigest()
        assert part.read_back().read() == content + b"more"


def test_a_part_that_begins_again_forgets_its_bytes() -> None:
    with Part(io.BytesIO(), "a part", most=5) as part:
        part.write(b"12345")
        part.restart()
        part.write(b"kept")
        assert (part.size, part.sha256) == (4, hashlib.sha256(b"kept").hexdigest())
        with pytest.raises(Undelivered, match="a part has more than 5 bytes"):
            part.write(b"67")
        assert part.read_back().read() == b"kept"


def test_a_full_disk_is_told_although_closing_meets_it_again() -> None:
    def last_bytes() -> None:
        with Part(Path("/dev/full").open("wb"), "it") as part:
            part.write(b"x")  # stays in Python's buffer
            part.read_back()

    with pytest.raises(Undelivered, match="can't write it: no space left"):
        last_bytes()
