"""Recordings of real exchanges, served again byte for byte; docs/rehearsing.md has the format."""

import asyncio
import base64
import json
import math
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import compare_digest
from types import TracebackType
from typing import Any, Self

FORMAT = "noxcli.recording/1"
MOST_OF_RECORDING = 512 * 1024 * 1024  # bytes
_MOST_HEAD, _MOST_BODY = 64 * 1024, 256 * 1024 * 1024
_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


@dataclass(slots=True)
class Taken:
    """One recorded exchange: its request's line, and the pieces of its answer with seconds since the request."""

    method: str
    target: str
    at: float
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    closed: bool = False


def is_recording(path: Path | str) -> bool:
    """Whether the first line of a file is that of a recording; a run in NDJSON begins differently."""
    with Path(path).open("rb") as file:
        first = file.readline(4096)
    with suppress(ValueError, RecursionError):
        head = json.loads(first)
        return isinstance(head, dict) and str(head.get("format", "")).startswith("noxcli.recording/")
    return False


def only_recording(replays: Sequence[Path], *others: object) -> Path | None:
    """The recording among the files to replay, which must be the only one served; None if there is none."""
    found = next((path for path in replays if is_recording(path)), None)
    if found is not None and (len(replays) > 1 or any(others)):
        raise ValueError(f"{found}: a recording is served alone; remove the other workflows and switches")
    return found


def load_recording(path: Path | str) -> list[Taken]:
    """All exchanges of a file, in order; ValueError says where it is wrong and how to fix it."""
    path = Path(path)
    if path.stat().st_size > MOST_OF_RECORDING:
        raise ValueError(f"{path}: larger than {MOST_OF_RECORDING} bytes; record a shorter run")
    taken: dict[int, Taken] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if number > 1:
                _read_line(taken, value)
            elif value["format"] != FORMAT:
                break
        except json.JSONDecodeError:
            raise ValueError(f"{path}: line {number}: not JSON; remove it, or record the run again") from None
        except (KeyError, TypeError, ValueError, RecursionError, AttributeError, OverflowError):
            raise ValueError(f"{path}: line {number}: not a line of a recording; remove it, or record again") from None
    else:
        if taken:
            return list(taken.values())
        raise ValueError(f"{path}: no request was recorded; record the run again")
    raise ValueError(f"{path}: this version reads {FORMAT}, not {str(value['format'])[:40]!r}; record the run again")


def _read_line(taken: dict[int, Taken], value: Mapping[str, Any]) -> None:
    number, at = int(value["n"]), float(value["at"])
    if not math.isfinite(at):
        raise ValueError
    if "request" in value:
        request = value["request"]
        taken[number] = Taken(str(request["method"]), str(request["target"]), at)
    elif "received" in value:
        taken[number].pieces.append((at - taken[number].at, _content(value["received"])))
    else:
        taken[number].closed = bool(value["closed"])


def _content(value: Mapping[str, str]) -> bytes:
    return value["text"].encode() if "text" in value else base64.b64decode(value["base64"], validate=True)


class Played:
    """A recording, served on loopback: each request gets its recorded answers in order, then the last one again."""

    def __init__(self, taken: list[Taken], *, key: str, speed: float, listener: socket.socket) -> None:
        self.key = key
        self.port = listener.getsockname()[1]
        self._speed, self._listener = speed, listener
        self._exact: dict[tuple[str, str], list[Taken]] = defaultdict(list)
        self._alike: dict[tuple[str, str], list[Taken]] = defaultdict(list)
        for each in taken:
            self._exact[each.method, each.target].append(each)
            self._alike[each.method, each.target.partition("?")[0]].append(each)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._started = threading.Event()

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, sock=self._listener, limit=_MOST_HEAD)
        self._started.set()
        await self._ending.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError)
        with suppress(ValueError, *gone):  # the client left, does not speak HTTP, or the server ends
            while await self._answered(reader, writer):
                pass
        writer.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; true if the connection can be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
        length = int(headers.get("content-length") or 0)
        if length > _MOST_BODY or "transfer-encoding" in headers:
            raise ValueError
        await reader.readexactly(length)
        refusal = self._refusal(headers)
        taken = None if refusal else self._next(method, target)
        if taken is None:
            status, detail = refusal or (404, "This request is not in the recording")
            body = json.dumps({"detail": detail}).encode()
            writer.write(f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\n".encode())
            writer.write(f"content-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            return True
        await self._play(taken, writer)
        if not taken.closed and not _is_whole(b"".join(content for _, content in taken.pieces)):
            await reader.read()  # the recorder left first: the rest is unknown
        return not taken.closed

    async def _play(self, taken: Taken, writer: asyncio.StreamWriter) -> None:
        began = self._loop.time()
        for at, content in taken.pieces:
            await asyncio.sleep(max(0.0, began + at / self._speed - self._loop.time()))
            writer.write(content)
            await writer.drain()

    def _refusal(self, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if not _HOST.fullmatch(headers.get("host", "")) or "origin" in headers:
            return 421, "The sandbox answers to programs on this machine only"
        if not compare_digest(headers.get("x-api-key", "").encode(), self.key.encode()):
            return 401, "Invalid or missing API key"
        return None

    def _next(self, method: str, target: str) -> Taken | None:
        same = self._exact.get((method, target)) or self._alike.get((method, target.partition("?")[0]))
        if not same:
            return None
        return same.pop(0) if len(same) > 1 else same[0]


def _is_whole(wire: bytes) -> bool:
    """Whether an answer marks its own end."""
    head, _, body = wire.partition(b"\r\n\r\n")
    if re.search(rb"(?im)^transfer-encoding:\s*chunked", head):
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return bool(length and len(body) >= int(length[1])) or head[9:12] in (b"204", b"304")


def replies(taken: list[Taken]) -> Iterator[str]:
    """Yield the requests in a recording, for people."""
    yield from dict.fromkeys(f"{each.method} {each.target.partition('?')[0]}" for each in taken)
