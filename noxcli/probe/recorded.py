"""A recording, read back: each request with its answer, and the events of an event stream."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noxcli.errors import UsageProblem
from noxcli.files import reason_of

RECORDING_START = "noxcli.recording/"
READ_FORMAT = RECORDING_START + "1"
LARGEST_READ = 512 * 1024 * 1024  # bytes
RECORD_AGAIN = "record the run again with --record"
CHUNK = re.compile(rb"(?:\r\n)?([0-9A-Fa-f]{1,8})[^\r\n]*\r\n")


@dataclass
class RecordedExchange:
    """One request, and the bytes of its answer."""

    method: str
    target: str
    wire: bytearray = field(default_factory=bytearray)

    @property
    def path(self) -> Sequence[str]:
        """The parts of the path after the version."""
        return self.target.partition("?")[0].strip("/").split("/")[1:]

    @property
    def status(self) -> int | None:
        """The answer's status, None if there is no answer."""
        found = re.search(rb"(?:^|\r\n\r\n)HTTP/1\.\d ([2-5]\d\d)", self.wire)
        return int(found[1]) if found else None

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, names in lower case."""
        head = bytes(self.wire).partition(b"\r\n\r\n")[0].decode("latin-1")
        pairs = (line.partition(":") for line in head.split("\r\n")[1:])
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    @property
    def body(self) -> bytes:
        """The answer's body without its framing."""
        body = bytes(self.wire).partition(b"\r\n\r\n")[2]
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return body
        parts, at = [], 0
        while (found := CHUNK.match(body, at)) and int(found[1], 16):
            at = found.end() + int(found[1], 16)
            parts.append(body[found.end() : at])
        return b"".join(parts)

    @property
    def json(self) -> Any:
        """The body's value, None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def is_stream(self) -> bool:
        """True for the event stream of a run."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def events(self) -> list[tuple[str, Any]]:
        """The name and the value of each whole frame with data."""
        text = self.body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        found = []
        for frame in text.split("\n\n")[:-1]:
            fields = [line.partition(":") for line in frame.split("\n")]
            data = "\n".join(value.removeprefix(" ") for key, _, value in fields if key == "data")
            name = next((value.strip() for key, _, value in fields if key == "event"), "message")
            if data:
                found.append((name, _value(data)))
        return found


def read_recording(path: Path) -> list[RecordedExchange]:
    """Return the exchanges of a file, in order. Raises UsageProblem, with the line, for any other file."""
    try:
        if path.stat().st_size > LARGEST_READ:
            raise UsageProblem(f"{path} is larger than {LARGEST_READ >> 20} MiB", "record a shorter run")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageProblem(f"can't read {path}: {reason_of(error)}", "check --check-recording") from None
    found: dict[int, RecordedExchange] = {}
    for number, line in enumerate(lines, 1):
        try:
            if number == 1:
                _check_head(path, json.loads(line))
            elif line.strip():
                _take(found, json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            raise UsageProblem(f"{path}: line {number} is not a line of a recording", RECORD_AGAIN) from None
    if not found:
        raise UsageProblem(f"{path} contains no request", RECORD_AGAIN)
    return list(found.values())


def _check_head(path: Path, head: Any) -> None:
    if head["format"] != READ_FORMAT:
        raise UsageProblem(f"{path} is not a recording of the form {READ_FORMAT}", RECORD_AGAIN)


def _take(found: dict[int, RecordedExchange], value: Mapping[str, Any]) -> None:
    number = int(value["n"])
    if "request" in value:
        request = value["request"]
        found[number] = RecordedExchange(str(request["method"]), str(request["target"]))
    elif "received" in value:
        part = value["received"]
        found[number].wire += part["text"].encode() if "text" in part else base64.b64decode(part["base64"])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
