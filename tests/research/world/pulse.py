"""How slow the machine is: a thread that does a little work now and then, and takes its time."""

import threading
import time
from types import TracebackType

EVERY = 0.5  # seconds between two beats
WORK = 0.005  # seconds of a CPU that a beat needs
USUAL = 2.5  # times as long as alone: what plans that are played at once do to each other


class Pulse:
    """A thread that beats as long as a plan is played."""

    def __init__(self) -> None:
        self.beats: list[tuple[float, float]] = []  # when, and how many times as long as alone
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(EVERY):
            began = time.monotonic()
            used = time.thread_time()
            while time.thread_time() - used < WORK:
                pass
            took = time.monotonic() - began
            self.beats.append((time.time(), took / WORK))

    def slowness(self, began: float, ended: float) -> float:
        """Return by how much more than usual the machine was slow between two times; at least 1."""
        found = [slow for when, slow in self.beats if began <= when <= ended + EVERY]
        if not found:
            return 1.0
        return max(1.0, sum(found) / len(found) / USUAL)
