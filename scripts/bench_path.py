"""Measure where the time of one event goes: the CPU time of each step of the event path, in microseconds.

Usage: python scripts/bench_path.py [EVENTS [ROUNDS]]. Events arrive over a socket, one per chunk, and pass through the
steps of `noxcli stream --format ndjson`, here in one thread, so that each can be timed; stdout is /dev/null.
"""

import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any, TypeVar

from bench_events import DEFINITION, NAMES, at_once

from noxcli.api.answer import Answer
from noxcli.api.feed import READ_SIZE
from noxcli.api.limit import CURRENT, AnswerLimit
from noxcli.api.sse import Framer, parse_events
from noxcli.models import Run, RunEvent, Workflow
from noxcli.redaction import Mask
from noxcli.render.pipe import Ndjson
from noxcli.render.terminal import Terminal
from noxcli.runs.events import place_of_end
from noxcli.runs.ledger import Ledger
from noxcli.runs.progress import Progress
from noxcli.state.history import CursorKeeper
from noxcli.timing import Clock

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECES_AHEAD = 2
T = TypeVar("T")


class Stopwatch:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    def of(self, step: str, call: Callable[..., T], *args: Any) -> T:
        """Return the result of the call; the threads that it waits for count as well."""
        began = time.process_time()
        try:
            return call(*args)
        finally:
            self.taken[step] += time.process_time() - began  # type: ignore[assignment]  # counts of seconds


class Echo:
    """Another thread that returns each item: twice the way from the reader to the main thread."""

    def __init__(self) -> None:
        self._there: Queue[list[RunEvent]] = Queue(PIECES_AHEAD)
        self._back: Queue[list[RunEvent]] = Queue(PIECES_AHEAD)
        threading.Thread(target=self._hand_back, daemon=True).start()

    def hand_over(self, events: list[RunEvent]) -> list[RunEvent]:
        self._there.put(events)
        return self._back.get(timeout=60)

    def _hand_back(self) -> None:
        while True:
            self._back.put(self._there.get())


def opened(body: bytes) -> Answer:
    """Return the answer with the body, which another process sends."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        theirs.sendall(HEAD + body)
        os._exit(0)
    theirs.close()
    CURRENT.set(AnswerLimit.of_stream())
    answer = Answer(ours)
    answer.begin()
    return answer


def walk(body: bytes, null: Terminal, cursor: Path) -> Counter[str]:
    """Pass all events along the path; return the seconds of each step."""
    watch, echo, answer = Stopwatch(), Echo(), opened(body)
    framer, ledger, writer = Framer(), Ledger(), Ndjson(null)
    workflow = Workflow("workflow", "bench", {name: name for name in NAMES}, DEFINITION)
    progress = Progress(Run("run", "workflow", "running"), Clock(), workflow)
    ledger.opened()
    with CursorKeeper(cursor, Mask(key="bench-key")) as keeper:
        while piece := watch.of("read the socket, decode the chunks", answer.read1, READ_SIZE):
            frames = watch.of("split into frames", framer.feed, piece)
            events, _ = watch.of("read the fields and the JSON", parse_events, frames)
            watch.of("pass to the main thread and back", echo.hand_over, events)
            watch.of("check for the end", place_of_end, events)
            fresh = watch.of("find what is new", ledger.accept, events)
            steps = watch.of("update the progress", progress.take, fresh)
            watch.of("write the lines", writer.show, steps)
            watch.of("save the cursor", keeper.show, steps)
    os.wait()
    return watch.taken


def steps_taken(events: int, rounds: int) -> dict[str, float]:
    """Return the median microseconds of each step for one event."""
    body = at_once(events, 1)
    with tempfile.TemporaryDirectory() as directory, Path(os.devnull).open("wb") as null:
        terminal = Terminal(null, sys.stderr)
        taken = [walk(body, terminal, Path(directory) / "run.cursor") for _ in range(rounds)]
    return {step: statistics.median(one[step] for one in taken) * 1e6 / events for step in taken[0]}


def main() -> None:
    """Print the medians."""
    events, rounds = (int(text) for text in (*sys.argv[1:], *["50000", "5"][len(sys.argv) - 1 :]))
    each = steps_taken(events, rounds)
    for step, microseconds in {**each, "total": sum(each.values())}.items():
        print(f"{step:42}{microseconds:6.2f}")


if __name__ == "__main__":
    main()
