"""Playing combinations, some at a time, and reducing the settings of one that fails."""

import shlex
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from tests.crossed.cells import CELLS
from tests.crossed.plan import Combination
from tests.crossed.stage import Stage, staged

# What a longer or shorter list of events, a stop, a pause or a position can change.
OF_THE_STREAM = (
    *("run-ndjson", "run-content", "run-cut", "run-failed", "run-stopped", "run-paused", "stream-live"),
    *("stream-ended", "stream-from-a-position", "stream-from-nowhere"),
)


@dataclass(frozen=True)
class Failure:
    """A cell without its expected result."""

    cell: str
    combination: Combination
    wrong: Sequence[str]

    def __str__(self) -> str:
        return "\n  ".join([command(self.cell, self.combination), *self.wrong])


@contextmanager
def quick() -> Iterator[None]:
    """Wait less for what a silent stream on this machine may still send; no clock can shorten that."""
    with ExitStack() as stack:
        stack.enter_context(patch("noxcli.runs.follow.LAST_EVENTS_GRACE", 1.0))
        stack.enter_context(patch("noxcli.runs.follow.FIRST_LOOK", 0.1))
        stack.enter_context(patch("noxcli.runs.reasons.FIRST_EVENT", 1.0))
        stack.enter_context(patch("noxcli.runs.reasons.QUIET", 1.0))
        yield


def command(cell: str, combination: Combination) -> str:
    """Return the command line that plays this cell alone."""
    settings = [f"--switch {shlex.quote(f'{name}={written(value)}')}" for name, value in combination.items()]
    return " ".join(["python -m tests.crossed --cell", cell, *settings])


def played(combination: Combination, cells: Iterable[str]) -> list[Failure]:
    """Play these cells against a server with that combination."""
    sandbox, switches = staged(combination)
    failures = []
    with sandbox, tempfile.TemporaryDirectory() as directory:
        for cell in cells:
            own = Path(directory) / cell
            own.mkdir()
            try:
                wrong = CELLS[cell](Stage(sandbox, switches, own))
            except Exception:
                wrong = [traceback.format_exc()[-1500:]]
            if wrong:
                failures.append(Failure(cell, combination, wrong))
    return failures


def all_played(
    plan: Iterable[tuple[Combination, Sequence[str]]], at_once: int = 8
) -> Iterator[tuple[list[Failure], float]]:
    """Yield the failures and the seconds of each combination, which is played with its cells."""

    def one(combination: Combination, cells: Sequence[str]) -> tuple[list[Failure], float]:
        begun = time.monotonic()
        return played(combination, cells), time.monotonic() - begun

    with quick(), ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(one, *zip(*plan, strict=True))


def cut_down(failure: Failure, fails: Callable[[str, Combination], Sequence[str]] | None = None) -> Failure:
    """Return the failure with the fewest settings that still fail: all of them are needed."""
    fails = fails or _fails
    kept, wrong = dict(failure.combination), failure.wrong
    size = max(1, len(kept) // 2)
    while kept:
        names = list(kept)
        parts = [names[at : at + size] for at in range(0, len(names), size)]
        for part in parts:
            fewer = {name: value for name, value in kept.items() if name not in part}
            if still := fails(failure.cell, fewer):
                kept, wrong = fewer, still
        if size == 1:
            break
        size = max(1, size // 2)
    return Failure(failure.cell, kept, wrong)


def _fails(cell: str, combination: Combination) -> Sequence[str]:
    return next((failure.wrong for failure in played(combination, [cell])), ())


def written(value: object) -> str:
    """Return a setting as a user types it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
