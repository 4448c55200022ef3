"""A recording of the exchange: requests, and answers byte for byte, without keys, secrets and values."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from noxcli.redaction import Mask

RECORDING_FORMAT = "noxcli.recording/1"
LARGEST_RECORDING = 256 * 1024 * 1024  # bytes; the rest is omitted
# The headers of a request that shape its answer, and nothing that may identify a person.
SHOWN_HEADERS = ("accept", "accept-encoding", "cache-control", "content-type", "if-range", "range")
HIDDEN_HEADERS = re.compile(rb"(?im)^(set-cookie|www-authenticate|location|content-disposition):[ ]?([^\r\n]*)")
# What a client and a report need apart from values: terms of the API, and names.
SHOWN_KEYS = frozenset(
    {"status", "type", "workflow_status", "label", "name", "redisId", "loc", "source_type", "flow_version"}
)
# Everything below these keys is a value; the keys there, apart from labels and these, are values too.
VALUE_KEYS = frozenset({"input", "output", "inputs", "outputs", "content", "value", "text"})
VALUE_PARTS = frozenset(
    {b"has_preview", b"text", b"file", b"id", b"uri", b"name", b"content_type", b"source_type", b"source_metadata"}
)
UUID = rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
SHOWN_ID = re.compile(rb"(?:spot://)?" + UUID + rb"(?:::[a-z_]{1,20})?")
SHOWN_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]{5,18}(?:Z|[+-]\d\d:?\d\d)?")
TOKEN = re.compile(rb'"((?:[^"\\\x00-\x1f]|\\.)*)"(\s*:)?|([{}\[\]])|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?')


@dataclass(slots=True, eq=False, repr=False)
class TapedExchange:
    """One request and the bytes of its answer, each piece with its time in seconds since the recording began."""

    number: int
    at: float
    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None
    began: float
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    closed: float | None = None  # by the server

    def took(self, content: bytes) -> None:
        """Keep what was read; no bytes mean that the server closed the connection."""
        now = time.monotonic() - self.began
        if content:
            self.pieces.append((now, content))
        else:
            self.closed = now


class Tape:
    """All exchanges of one command, in order. Thread-safe."""

    def __init__(self, *, values: bool) -> None:
        self.values = values
        self._began = time.monotonic()
        self._recorded_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._exchanges: list[TapedExchange] = []
        self._lock = threading.Lock()

    def begin(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> TapedExchange:
        """Record a request that is about to be sent."""
        shown = {name.lower(): value for name, value in headers.items() if name.lower() in SHOWN_HEADERS}
        with self._lock:
            at = time.monotonic() - self._began
            made = TapedExchange(len(self._exchanges) + 1, at, method, target, shown, body, self._began)
            self._exchanges.append(made)
        return made

    def lines(self, mask: Mask) -> list[bytes]:
        """Return the recording as lines of JSON, with private data replaced by bytes of the same length."""
        head = {"format": RECORDING_FORMAT, "recorded_at": self._recorded_at, "values": self.values}
        lines = [_line(head)]
        size = 0
        for exchange in list(self._exchanges):
            size += sum(len(content) for _, content in exchange.pieces)
            if size > LARGEST_RECORDING:
                break
            lines += _lines_of(exchange, Hiding(mask, self.values))
        return lines


class Hiding:
    """Replaces values, key and secrets by the same number of bytes, so that the framing stays valid."""

    def __init__(self, mask: Mask, values: bool) -> None:
        self._mask = mask
        self._values = values

    def wire(self, wire: bytes) -> bytes:
        """Return the bytes of an answer without private data."""
        end = _head_end(wire)
        head = HIDDEN_HEADERS.sub(lambda match: match[1] + b": " + b"x" * len(match[2]), wire[:end])
        spans = _body_spans(head, wire, end)
        body = b"".join(wire[start:stop] for start, stop in spans)
        hidden, taken = bytearray(self._lines(head) + wire[end:]), 0
        body = self.body(body, _header(head, b"content-type"), encoded=bool(_header(head, b"content-encoding")))
        for start, stop in spans:
            hidden[start:stop] = body[taken : taken + stop - start]
            taken += stop - start
        return bytes(hidden)

    def body(self, body: bytes, content_type: bytes, *, encoded: bool = False) -> bytes:
        """Return a body likewise; of a body that is not JSON, only the length remains unless values are wanted."""
        structured = b"json" in content_type or b"event-stream" in content_type
        if encoded or not (structured or self._values):
            return b"x" * len(body)
        if structured:
            # Each line of an event stream is a separate document, and may be incomplete.
            parts = body.splitlines(keepends=True) if b"event-stream" in content_type else [body]
            body = b"".join(TOKEN.sub(Tokens(self._values, self._clean), part) for part in parts)
        return body if self._clean(body) else b"x" * len(body)

    def text(self, text: str) -> str:
        """Return a target or header value, or nothing if it contains a secret."""
        return text if self._clean(text.encode()) else "x" * len(text)

    def _lines(self, head: bytes) -> bytes:
        return b"\r\n".join(
            line if self._clean(line) else line[: line.find(b":") + 1] + b"x" * (len(line) - line.find(b":") - 1)
            for line in head.split(b"\r\n")
        )

    def _clean(self, text: bytes) -> bool:
        read = text.decode("utf-8", "replace")
        return self._mask.torn(read) == read


class Tokens:
    """Reads one JSON document, token by token, and hides values: strings and numbers below certain keys."""

    def __init__(self, values: bool, clean: Callable[[bytes], bool]) -> None:
        self._values = values
        self._clean = clean
        self._key = b""
        self._below = [0]  # for each open bracket, the number of levels of values

    def __call__(self, match: re.Match[bytes]) -> bytes:
        text, colon, bracket = match[1], match[2], match[3]
        if bracket is not None:
            self._open_or_close(bracket)
            return match[0]
        depth = self._below[-1]
        if colon is not None:
            self._key = text
            hidden = depth > 1 and not self._values and text not in VALUE_PARTS
        elif text is None:
            return _ones(match[0]) if self._is_value() else match[0]
        else:
            hidden = self._hides(text)
        if not hidden and self._clean(text):
            return match[0]
        return b'"' + b"x" * len(text) + b'"' + (colon or b"")

    def _open_or_close(self, bracket: bytes) -> None:
        if bracket in b"{[":
            self._below.append(self._below[-1] + 1 if self._is_value() or self._below[-1] else 0)
            if bracket == b"{":
                self._key = b""
        elif len(self._below) > 1:
            self._below.pop()

    def _is_value(self) -> bool:
        inside = self._below[-1] > 0 or self._key.decode("latin-1") in VALUE_KEYS
        return inside and not self._values

    def _hides(self, text: bytes) -> bool:
        if self._values or SHOWN_ID.fullmatch(text):
            return False
        key = self._key.decode("latin-1")
        return self._is_value() or not (key in SHOWN_KEYS or SHOWN_MOMENT.fullmatch(text))


def _ones(number: bytes) -> bytes:
    mantissa, mark, exponent = number.replace(b"E", b"e").partition(b"e")
    return re.sub(rb"\d", b"1", mantissa) + mark + exponent


def _lines_of(exchange: TapedExchange, hiding: Hiding) -> list[bytes]:
    body = exchange.body
    content_type = exchange.headers.get("content-type", "").encode()
    request = {
        "method": exchange.method,
        "target": hiding.text(exchange.target),
        "headers": {name: hiding.text(value) for name, value in exchange.headers.items()},
        "body": None if body is None else _written(hiding.body(body, content_type)),
    }
    lines = [_line({"n": exchange.number, "at": round(exchange.at, 4), "request": request})]
    pieces = list(exchange.pieces)
    wire, taken = hiding.wire(b"".join(content for _, content in pieces)), 0
    for at, content in pieces:
        part = wire[taken : taken + len(content)]
        taken += len(content)
        lines.append(_line({"n": exchange.number, "at": round(at, 4), "received": _written(part)}))
    if exchange.closed is not None:
        lines.append(_line({"n": exchange.number, "at": round(exchange.closed, 4), "closed": True}))
    return lines


def _written(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _head_end(wire: bytes) -> int:
    """Return the end of the final answer's head, including interim answers."""
    start = 0
    while (end := wire.find(b"\r\n\r\n", start)) >= 0:
        if not re.match(rb"HTTP/1\.\d 1\d\d", wire[start : start + 16]):
            return end + 4
        start = end + 4
    return len(wire)


def _header(head: bytes, name: bytes) -> bytes:
    found = re.search(rb"(?im)^" + name + rb":[ \t]*([^\r\n]*)", head)
    return found[1].strip().lower() if found else b""


def _body_spans(head: bytes, wire: bytes, start: int) -> list[tuple[int, int]]:
    """Return the positions of the body's bytes, without the framing of chunks."""
    if _header(head, b"transfer-encoding") != b"chunked":
        return [(start, len(wire))]
    spans = []
    while found := re.compile(rb"(?:\r\n)?([0-9A-Fa-f]{1,8})[^\r\n]*\r\n").match(wire, start):
        begin, size = found.end(), int(found[1], 16)
        if not size:
            break
        start = min(begin + size, len(wire))
        spans.append((begin, start))
    return spans
