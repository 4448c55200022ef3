"""How few functions a start passes: each is a place where somebody looks for what happens to it."""

import sys
import threading
from types import FrameType
from typing import Any

import pytest

from tests.conftest import Noxcli

MOST = 10  # functions of noxcli from the verb's first one until requests has the start


def path_to(frame: FrameType | None) -> list[str]:
    """The functions of noxcli that called each other, the first one first."""
    path = list[str]()
    while frame is not None:
        if "/noxcli/" in frame.f_code.co_filename:
            path.insert(
                0, f"{frame.f_code.co_filename.rpartition('/noxcli/')[2]}:{frame.f_code.co_name}"
            )
        frame = frame.f_back
    return path


@pytest.fixture
def starts() -> Any:
    """The paths to each start that requests gets, across threads."""
    before, found = dict[threading.Thread, list[str]](), list[list[str]]()

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name not in {"start", "send"}:
            return
        path = before.get(threading.current_thread(), []) + path_to(frame)
        if code is threading.Thread.start.__code__:
            before[frame.f_locals["self"]] = path
        elif "/requests/" in code.co_filename and frame.f_locals["request"].method == "POST":
            found.append(path)

    threading.setprofile(profile)
    sys.setprofile(profile)
    yield found
    sys.setprofile(None)
    threading.setprofile(None)


def test_a_start_passes_few_functions(noxcli: Noxcli, starts: list[list[str]]) -> None:
    assert noxcli("run", "demo", "User Input=hello").code == 0
    (path,) = starts
    path = path[path.index("commands/run.py:execute") :]
    assert len(path) <= MOST, path
