"""A partial file: what it says about its bytes, however many there are."""

from pathlib import Path

import pytest

from noxcli.errors import Undelivered
from noxcli.outputs.directory import Part

PIECE = bytes(range(256)) * 1024


def test_a_full_disk_is_told_although_closing_meets_it_again() -> None:
    def last_bytes() -> None:
        with Part(Path("/dev/full").open("wb"), "it") as part:
            part.write(b"x")  # stays in Python's buffer
            part.read_back()

    with pytest.raises(Undelivered, match="can't write it: no space left"):
        last_bytes()
