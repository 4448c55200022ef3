"""The events of one run, in order: written by its player, read by any number of streams."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

from noxcli.sandbox.documents import encoded


class EventLog:
    """Events as sent, each with a cursor of the form `<ms>-<seq>`."""

    def __init__(self, redis_ids: str) -> None:
        self.payloads: list[bytes] = []
        self.cursors: list[str] = []
        self._places: dict[str, int] = {}
        self._redis_ids = redis_ids
        self._last = (0, 0)
        self._grown = asyncio.Event()

    def __len__(self) -> int:
        return len(self.payloads)

    def append(self, type: str, data: Any, cursor: str | None = None) -> None:
        """Add an event and wake the streams that wait for one."""
        cursor = cursor or self._next_cursor()
        envelope = {"type": type, "data": data}
        if self._redis_ids == "all" or (self._redis_ids == "some" and len(self) % 2 == 0):
            envelope["redisId"] = cursor
        self._places.setdefault(cursor, len(self))
        self.cursors.append(cursor)
        self.payloads.append(encoded(envelope))
        self._grown.set()

    def place(self, cursor: str) -> int | None:
        """The position of the event with that cursor, if known."""
        return self._places.get(cursor)

    def envelopes(self) -> list[dict[str, Any]]:
        """All events as a client decodes them."""
        return [json.loads(payload) for payload in self.payloads]

    def wake(self) -> None:
        """Wake waiting streams: something other than the events changed."""
        self._grown.set()

    async def growth(self, timeout: float | None) -> None:
        """Wait for a change, or for the timeout. Call it only after reading everything."""
        self._grown.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._grown.wait(), timeout)

    def _next_cursor(self) -> str:
        now = time.time_ns() // 1_000_000
        last, number = self._last
        self._last = (now, 0) if now > last else (last, number + 1)
        return f"{self._last[0]}-{self._last[1]}"
