"""What tests of outputs share."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from noxcli.sandbox.filestore import StoredFile


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox send 25 MB of a file per second, so that an endless download takes time, but little computing."""
    whole = StoredFile.pieces

    def pieces(self: StoredFile, start: int, stop: int) -> Iterator[bytes]:
        for piece in whole(self, start, stop):
            time.sleep(0.01)
            yield piece

    monkeypatch.setattr(StoredFile, "pieces", pieces)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, if this user may mount one."""
    directory = tmp_path / "small"
    directory.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount")
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)  # an error may still hold a file open
