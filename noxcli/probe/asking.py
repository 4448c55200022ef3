"""Requests to the probed server: no more than allowed, not too fast, and within its own rate limit."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from noxcli.api.http import Http
from noxcli.errors import NoxError
from noxcli.probe.raw import RawAnswer, RawRequest, RawStream, raw_answer
from noxcli.waiting import sleep

APART = 0.1  # minimum seconds between two requests
LONGEST_REFUSAL = 30.0  # maximum seconds to wait after a 429
MOST_REFUSALS = 3  # in a row
EVENT_HEADERS = {"Accept": "text/event-stream", "Cache-Control": "no-store", "Accept-Encoding": "identity"}


class RequestsSpent(Exception):
    """All allowed requests have been sent."""


class Asker:
    """Sends each request once, and again only after a 429; each one counts. Raises RequestsSpent, Unavailable."""

    def __init__(self, http: Http, most: int) -> None:
        self.sent = 0
        self.refusals: list[RawAnswer] = []
        self.answers: list[RawAnswer] = []
        self.errors: list[RawAnswer] = []  # of those whose bodies were read
        self._http = http
        self._most = most
        self._last = float("-inf")

    def get(
        self, *parts: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> RawAnswer:
        """Read a JSON document."""
        return self.send(RawRequest("GET", ("v1", *parts), params or {}, headers or {}))

    def post(self, *parts: str, body: Mapping[str, Any] | None = None) -> RawAnswer:
        """Send a POST, which is repeated only after a 429."""
        content = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self.send(RawRequest("POST", ("v1", *parts), headers=headers, body=content))

    def let_go(self, run_id: str) -> None:
        """Stop one of the probe's own runs, even beyond the allowed requests: it must not run on unattended."""
        with suppress(NoxError):
            raw_answer(self._http, RawRequest("POST", ("v1", "runs", run_id, "stop")))

    def send(self, request: RawRequest) -> RawAnswer:
        """Send any request."""
        for _ in range(MOST_REFUSALS):
            self._count()
            answer = raw_answer(self._http, request)
            if request.reads:
                self.answers.append(answer)
            if request.reads and answer.status >= 400:
                self.errors.append(answer)
            if answer.status != 429:
                break
            self._wait_out(answer)
        return answer

    def watch(self, run_id: str, cursor: str | None = None) -> RawStream:
        """Open a run's event stream; returns when its headers have arrived, or the stream has failed."""
        params = {} if cursor is None else {"etag": cursor}
        request = RawRequest("GET", ("v1", "runs", run_id, "events"), params, EVENT_HEADERS)
        for _ in range(MOST_REFUSALS):
            self._count()
            stream = RawStream(self._http, request)
            while stream.head is None and stream.ended is None:
                stream.wait(1.0)
            if stream.head is None:
                break
            self.answers.append(stream.head)
            if stream.head.status != 429:
                break
            stream.close()
            self._wait_out(stream.head)
        return stream

    def _count(self) -> None:
        if self.sent >= self._most:
            raise RequestsSpent
        self.sent += 1
        sleep(max(0.0, self._last + APART - time.monotonic()))
        self._last = time.monotonic()

    def _wait_out(self, answer: RawAnswer) -> None:
        self.refusals.append(answer)
        sleep(min(LONGEST_REFUSAL, _retry_after(answer.headers.get("retry-after", ""))))


def _retry_after(text: str) -> float:
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 1.0
