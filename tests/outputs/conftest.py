"""What tests of outputs share."""

import time
from collections.abc import Iterator

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
