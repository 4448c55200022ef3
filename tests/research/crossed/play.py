"""Playing combinations, some at a time, and reducing the settings of one that fails."""

import shlex
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from tests.research.crossed.cells import CELLS
from tests.research.crossed.plan import Combination
from tests.research.crossed.stage import Stage, staged


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
        stack.enter_context(patch("noxcli.runs.stream.LAST_EVENTS_GRACE", 1.0))
        stack.enter_context(patch("noxcli.runs.follow.FIRST_LOOK", 0.1))
        stack.enter_context(patch("noxcli.runs.failure.FIRST_EVENT", 1.0))
        stack.enter_context(patch("noxcli.runs.failure.QUIET", 1.0))
        yield


def command(cell: str, combination: Combination) -> str:
    """Return the command line that plays this cell alone."""
    settings = [f"--switch {shlex.quote(f'{name}={written(value)}')}" for name, value in combination.items()]
    return " ".join(["python -m tests.research.crossed --cell", cell, *settings])


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


def all_played(plan: Iterable[tuple[Combination, Sequence[str]]], pool: Executor) -> Iterator[list[Failure]]:
    """Yield what fails of each combination, which is played with its cells in one of the pool's threads or forks.

    It counts if it fails again alone: a second may be too short for a replay while a busy machine plays seven others.
    """
    with quick(), pool:
        for failures in pool.map(played, *zip(*plan, strict=True)):
            yield [again for each in failures for again in played(each.combination, [each.cell])]


def cut_down(failure: Failure, fails: Callable[[str, Combination], Sequence[str]] | None = None) -> Failure:
    """Return the failure with settings that all are needed for it."""
    kept, wrong = dict(failure.combination), failure.wrong
    for name in failure.combination:
        fewer = {other: value for other, value in kept.items() if other != name}
        if still := (fails or _fails)(failure.cell, fewer):
            kept, wrong = fewer, still
    return Failure(failure.cell, kept, wrong)


def _fails(cell: str, combination: Combination) -> Sequence[str]:
    return next((failure.wrong for failure in played(combination, [cell])), ())


def written(value: object) -> str:
    """Return a setting as a user types it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
