"""A file while it is written: the system writes it to disk from the beginning, not only at the end."""

import os
from pathlib import Path

import pytest

from noxcli.outputs.directory import WRITTEN_OUT_EVERY, FolderPart
from noxcli.place import Place

PIECE = bytes(1024 * 1024)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What the system was asked to write: start and length."""
    seen: list[tuple[int, int]] = []
    real = os.posix_fadvise

    def note(handle: int, start: int, length: int, advice: int) -> None:
        seen.append((start, length))
        real(handle, start, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", note)
    return seen


def part_in(directory: Path) -> FolderPart:
    return FolderPart(Place.named(directory), directory / "a.bin", 0o644)


def test_a_large_file_goes_to_the_disk_piece_by_piece(tmp_path: Path, begun: list[tuple[int, int]]) -> None:
    with part_in(tmp_path) as part:
        for _ in range(2 * WRITTEN_OUT_EVERY // len(PIECE) + 3):
            part.write(PIECE)
        assert part.keep().bytes == (tmp_path / "a.bin").stat().st_size
    assert begun == [(0, WRITTEN_OUT_EVERY), (WRITTEN_OUT_EVERY, WRITTEN_OUT_EVERY)]


def test_a_file_that_begins_anew_does_so_as_well(tmp_path: Path, begun: list[tuple[int, int]]) -> None:
    with part_in(tmp_path) as part:
        for _ in range(WRITTEN_OUT_EVERY // len(PIECE)):
            part.write(PIECE)
        part.restart()
        for _ in range(WRITTEN_OUT_EVERY // len(PIECE)):
            part.write(PIECE)
    assert begun == [(0, WRITTEN_OUT_EVERY)] * 2


def test_a_small_file_is_left_to_the_end(tmp_path: Path, begun: list[tuple[int, int]]) -> None:
    with part_in(tmp_path) as part:
        part.write(PIECE)
        part.keep()
    assert begun == []
