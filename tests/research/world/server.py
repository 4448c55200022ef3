"""The server: its answers are fixed by seed, version and input; what goes wrong with which request, a plan says."""

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property
from hashlib import sha256
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tests.rawserver import Request, Turn, answer, hang_up, json_answer, reset

CUT, PAGE, RETAINED = 300, 3, 4  # characters of a text in a record, items of a page, events of a trimmed stream
STEP, LAG = 0.01, 0.3  # seconds: between two looks at the clock, and behind which a stale replica is
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
OF_ID = r"([^/]+)"
KINDS = {
    "start": rf"POST workflows/{OF_ID}/runs",
    "record": rf"GET workflows/[^/]+/runs/{OF_ID}",
    "list": r"GET (workflows/[^/]+/)?runs",
    "lookup": rf"GET runs/{OF_ID}",
    "events": rf"GET runs/{OF_ID}/events",
    "stop": rf"POST runs/{OF_ID}/stop",
    "file": rf"GET file/{OF_ID}",
    "versions": rf"GET workflows/{OF_ID}/versions",
    "workflow": rf"GET workflows/{OF_ID}",
}


def dice(*parts: object) -> Random:
    """Return random numbers that are the same for the same parts, in any process."""
    return Random(repr(parts))


def uuid_of(*parts: object) -> str:
    return str(UUID(bytes=sha256(repr(parts).encode()).digest()[:16], version=4))


WORKFLOW, WRITER = uuid_of("workflow"), uuid_of("node", "Write")
VERSIONS = {name: uuid_of("version", name) for name in ("v1", "v2", "v3")}  # the workflow is v1 now


@dataclass(frozen=True)
class Course:
    """What becomes of a run: how long it takes, how it ends, whether its answer is right, and its whole output."""

    seconds: float
    status: str
    right: bool
    output: Mapping[str, str | bytes]  # bytes are a file


@dataclass(frozen=True)
class Answers:
    """The answers of each version to each input: to some questions wrong for good, and some by chance."""

    seed: int
    outputs: tuple[str, ...] = ("Answer",)
    slowest: float = 0.6
    wrong: Mapping[str, float] = field(default_factory=lambda: {"v1": 0.15, "v2": 0.4, "v3": 0.15})
    failing: float = 0.12
    noise: float = 0.05

    def course(self, version: str, input: Any, asked: int) -> Course:
        """Return what becomes of a run with an input with which the version was asked so often before."""
        question = json.dumps(input, sort_keys=True)
        known, luck = dice(self.seed, version, question), dice(self.seed, version, question, asked)
        right = (known.random() >= self.wrong[version]) is not (luck.random() < self.noise)
        fails, text = known.random() < self.failing, f"{'right' if right else 'wrong'} {version} {luck.random()} äß"
        long = f"{text} {' '.join(str(luck.getrandbits(16)) for _ in range(luck.choice([1, 40, 400])))}"
        every: dict[str, str | bytes] = {"Answer": text, "Text": long, "Doc": luck.randbytes(luck.choice([10, 9000]))}
        output = {} if fails else {name: every[name] for name in self.outputs}
        return Course(0.03 + luck.random() * self.slowest, "failed" if fails else "completed", right, output)


@dataclass
class Run:
    """A run, and who started and stopped it, by the keys of commands; times are seconds since 1970."""

    id: str
    version: str
    named: str | None  # the version in its record
    input: Any
    key: str
    course: Course
    answered: bool  # its start got a whole answer
    born: float = field(default_factory=time.time)
    stopped: float = float("inf")
    stoppers: set[str] = field(default_factory=set)

    def status(self, at: float) -> str:
        end = self.born + self.course.seconds
        if self.stopped < min(at, end):
            return "stopped"
        return "queued" if at < self.born + STEP else "running" if at < end else self.course.status

    @property
    def truth(self) -> str:
        """How it has ended, or will."""
        return self.status(float("inf"))

    @property
    def ends(self) -> float:
        return min(self.born + self.course.seconds, self.stopped)

    def file(self, name: str) -> str:
        return uuid_of("file", self.id, name)

    def shown(self, name: str) -> Any:
        """Return an output as the record has it: a long text cut, a file as a value."""
        id, whole = self.file(name), self.course.output[name]
        if isinstance(whole, bytes):
            return {"id": id, "uri": f"spot://{id}", "name": "doc.bin", "content_type": "application/octet-stream"}
        return whole if len(whole) <= CUT else {"has_preview": True, "text": whole[:CUT], "file": {"id": id}}

    @cached_property
    def events(self) -> list[tuple[float, str, dict[str, Any]]]:
        """Its events, unless it is stopped: when each comes, its type and data."""
        text, working = str(self.course.output.get("Answer", "")), {"id": WRITER, "status": "running"}
        pieces = [{**working, "content": text[place : place + 7]} for place in range(0, len(text), 7)]
        found: list[dict[str, Any]] = [{"status": "queued"}, {"status": "running"}, *pieces]
        found += [{"id": WRITER, "status": self.course.status, "workflow_status": self.course.status}]
        apart = self.course.seconds / (len(found) - 1)
        return [
            (self.born + place * apart, "content" if "id" in each else "state", each)
            for place, each in enumerate(found)
        ]


Fault = Mapping[str, Any]
Asked = tuple[str, str, int]  # who asks, for what, and how often by now


class World:
    """The server's whole state. `climate` is what it is like all the time, a fault what one request meets."""

    def __init__(self, seed: int, climate: Mapping[str, Any]) -> None:
        self.answers = Answers(seed, tuple(climate["outputs"]), climate["slowest"])
        self.runs: dict[str, Run] = {}
        self.faults: dict[Asked, Fault] = {}
        self.met: Counter[str] = Counter()  # faults, by what they did
        self.watch: Callable[[Asked], None] = lambda _: None  # gets each request before its answer
        self._climate, self._seed, self._lock = climate, seed, threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def turn(self, request: Request) -> Turn:
        """Return what the request gets: an answer, or what happens to its connection."""
        line = f"{request.method} {urlsplit(request.target).path.removeprefix('/v1/')}"
        found = ((kind, match) for kind, form in KINDS.items() if (match := re.fullmatch(form, line)))
        kind, match = next(found, ("other", None))
        key = request.headers.get("x-api-key", "")
        with self._lock:
            self._counts[key, kind] += 1
            self._counts["", kind] += 1
            asked = key, kind, self._counts[key, kind]
            fault = self.faults.get(asked, {})
            self.met[kind] += bool(fault)
            takes = fault.get("effect", fault.get("do") not in {"status", "reset", "drop"})
            real = self._answered(kind, match[1] if match else "", request, fault) if takes else b""
        self.watch(asked)
        return _spoiled(real, fault, key) if "do" in fault else real

    def _answered(self, kind: str, id: str, request: Request, fault: Fault) -> Turn:
        stale = kind == "record" and self._climate["stale"] and self._counts["", kind] % self._climate["stale"] == 0
        at = time.time() - (LAG if stale else 0) - fault.get("stale", 0)
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}
        match kind:
            case "start":
                return self._start(json.loads(request.body), request.headers["x-api-key"], fault)
            case "workflow":
                return self._json({"id": WORKFLOW, "name": "world", "definition": self._definition("v1")})
            case "versions":
                saved = VERSIONS.items()
                return self._json(
                    [{"id": each, "name": name, "definition": self._definition(name)} for name, each in saved]
                )
            case "list":
                return self._json(self._page(int(query.get("page", "1")), at, fault))
            case "file":
                whole = next(
                    (
                        run.course.output[name]
                        for run in self.runs.values()
                        for name in run.course.output
                        if run.file(name) == id
                    ),
                    b"",
                )
                content = (whole[:CUT] if "preview" in fault else whole).encode() if isinstance(whole, str) else whole
                return answer(200, content, Content_Type="application/octet-stream")
            case "record" | "lookup" | "stop" | "events" if id in self.runs and self.runs[id].born <= at:
                run = self.runs[id]
                if kind == "events":
                    return lambda peer: self._stream(peer, run, query.get("etag", ""), fault)
                if kind == "stop":
                    run.stoppers.add(request.headers["x-api-key"])
                    run.stopped = min(run.stopped, time.time())
                return self._json(self._record(run, at, whole=kind != "lookup"))
        return self._json({"detail": "Not found"}, 404)

    def _start(self, body: Any, key: str, fault: Fault) -> bytes:
        named, input = body.get("workflow_version_id"), body["input"]
        version = next((name for name, each in VERSIONS.items() if each == named), "v1")
        before = [run for run in self.runs.values() if (run.version, run.input) == (version, input)]
        course, id = self.answers.course(version, input, len(before)), uuid_of("run", self._seed, len(self.runs))
        run = self.runs[id] = Run(id, version, named, input, key, course, fault.get("do", "late") in {"late", "slow"})
        hasty = {"status": "completed", "output": {"Answer": "not yet"}} if self._climate["hasty"] else {}
        return self._json(self._record(run, run.born) | hasty)

    def _record(self, run: Run, at: float, *, whole: bool = True) -> dict[str, Any]:
        status = run.status(at)
        output = {name: run.shown(name) for name in run.course.output} if status == "completed" else {}
        ended = None if status in {"queued", "running"} else self._time(run.ends)
        known = {"id": run.id, "workflow_id": WORKFLOW, "workflow_version_id": run.named, "input": run.input}
        known |= {"status": status, "progress": 50, "created_at": self._time(run.born), "finished_at": ended}
        return known | ({"output": output} if whole else {})

    def _time(self, moment: float) -> str:
        form = self._climate["times"]
        now = datetime.fromtimestamp(moment + self._climate["skew"], UTC)
        text = now.isoformat(timespec="seconds" if form == "whole" else "milliseconds")
        return text.replace("+00:00", "" if form == "naive" else "Z")

    def _json(self, value: Any, status: int = 200) -> bytes:
        now = datetime.fromtimestamp(time.time() + self._climate["skew"], UTC)
        return json_answer(value, status, Date=format_datetime(now, usegmt=True))

    def _definition(self, version: str) -> dict[str, Any]:
        nodes = [
            ("InputNode", {"label": label, "type": type}) for label, type in (("Question", "str"), ("Count", "int"))
        ]
        nodes += [
            ("TextGenerationNode", {"prompt": version}),
            *(("OutputNode", {"label": name}) for name in self.answers.outputs),
        ]
        ids = [WRITER if kind[0] == "T" else uuid_of("node", config) for kind, config in nodes]
        return {
            "nodes": [
                {"id": id, "type": kind, "node_config": each} for id, (kind, each) in zip(ids, nodes, strict=True)
            ]
        }

    def _page(self, page: int, at: float, fault: Fault) -> dict[str, Any]:
        """Return a page of the runs, the newest first; it lags behind, and may repeat an item of the one before."""
        runs = [run for run in self.runs.values() if run.born <= at - self._climate["lag"]][::-1]
        items = [self._record(run, at) for run in runs["without" in fault :]]
        if self._climate["pages"] == "cursor":
            return {"items": items[:PAGE], "next_cursor": "more" if len(items) > PAGE else None}
        begin = max(0, (page - 1) * PAGE - self._climate["twice"])
        return {"items": items[begin : page * PAGE], "total": len(items), "page": page, "pages": -(-len(items) // PAGE)}

    def _stream(self, peer: socket.socket, run: Run, cursor: str, fault: Fault) -> None:
        """Send the run's events as they come, from a cursor on, until its end or the fault."""
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        there, asked = (
            sum(when <= time.time() for when, _, _ in run.events),
            int(cursor.removesuffix("-0") or 999) - 1000,
        )
        place = max(there - RETAINED if self._climate["trimmed"] else 0, asked + (not self._climate["inclusive"]))
        for number, (when, kind, data) in enumerate(run.events):
            if number < place:
                continue
            while time.time() < min(when, run.ends):
                time.sleep(STEP)
            if run.ends < when:
                break
            if self._climate["cumulative"] and "content" in data:
                data = {**data, "content": "".join(each.get("content", "") for _, _, each in run.events[: number + 1])}
            frame = f"data: {json.dumps({'type': kind, 'data': data, 'redisId': f'{1000 + number}-0'})}\n\n".encode()
            if number - place == fault.get("after"):
                return _cut(peer, frame, fault["how"])
            for _ in range(1 + self._climate["twice"]):
                peer.sendall(b"%x\r\n%s\r\n" % (len(frame), frame))
        return peer.sendall(b"0\r\n\r\n")


def _cut(peer: socket.socket, frame: bytes, how: str) -> None:
    """End an event stream before a frame: as if it were over, within the frame, at once, or not at all."""
    if how == "silent":
        _wait(peer, 6)
    elif how == "abort":
        reset(peer)
    else:
        peer.sendall(b"%x\r\n%s" % (len(frame), frame[:20]) if how == "torn" else b"0\r\n\r\n")


def _wait(peer: socket.socket, seconds: float) -> None:
    """Say nothing for so long, unless the client closes the connection."""
    peer.settimeout(seconds)
    with suppress(OSError):
        peer.recv(1)


def _spoiled(real: Turn, fault: Fault, key: str) -> Turn:
    """Return what a request gets instead of its real answer."""
    does, seconds = fault["do"], fault.get("seconds", 0.5)
    if does == "status":
        headers = {"Retry_After": str(fault["retry"])} if "retry" in fault else {}
        html = fault.get("body") == "html"
        given = answer(fault["status"], HTML, Content_Type="text/html", **headers)
        return given if html else json_answer({"detail": f"refused for {key}"}, fault["status"], **headers)
    if does in {"reset", "drop"} or not isinstance(real, bytes):
        return reset if does == "reset" else hang_up if does == "drop" else real

    def turn(peer: socket.socket) -> None:
        half = real.index(b"\r\n\r\n") + 4 + len(real) // 3
        if does == "silent":
            return _wait(peer, seconds)
        peer.sendall(b"" if does == "late" else real[:half])
        if does != "cut":
            time.sleep(seconds)
            peer.sendall(real if does == "late" else real[half:])
        return None

    return turn
