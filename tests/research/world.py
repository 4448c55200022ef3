"""A random user of noxcli against a random server, and what must hold whatever happens."""

import argparse
import csv
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from noxcli.sandbox import run as sandbox
from noxcli.sandbox.scenario import File, Node, Scenario, Version, id_of, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, node_runs
from noxcli.sandbox.switches import Switches, with_overrides
from tests import forks
from tests.documents import check_stdout
from tests.rawserver import RawServer, Request, Turn, answer, json_answer, reset

Plan = dict[str, Any]  # a seed, the server's climate and switches, and steps; as JSON
Step = dict[str, Any]  # a file to write, or a command line, with what goes wrong meanwhile
Fault = Mapping[str, Any]  # what one request meets
Asked = tuple[str, str, int]  # who asks, for what, and how often by now

# ---- The server: the sandbox, whose answers are fixed by seed, version and input, behind a gateway with troubles.

WORKFLOW = id_of("world")
VERSIONS = {name: id_of(f"world {name}") for name in ("v1", "v2", "v3")}  # the workflow is v1 now
WRONG = {"v1": 0.15, "v2": 0.4, "v3": 0.15}  # of the questions, for good; some answers also differ by chance
FAILING, PAUSING, NOISE, PREVIEW = 0.12, 0.06, 0.05, 300
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
OF_ONE_HOP = {"content-length", "transfer-encoding", "connection", "date", "server", "host"}
KEPT = forks.ROOT / "tests/data/world"  # plans, defects to plant, and what the user says and meets
SAYS = tomllib.loads((KEPT / "user.toml").read_text())
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")


def dice(*parts: object) -> Random:
    """Return random numbers that are the same for the same parts, in any process."""
    return Random(repr(parts))


def course(plan: Plan, version: str, question: str, asked: int) -> Scenario:
    """Return what becomes of a run with a question that the version was asked so often: fixed by the plan's seed."""
    climate, known = plan["climate"], dice(plan["seed"], version, question)
    luck = dice(plan["seed"], version, question, asked)
    right = (known.random() >= WRONG[version]) is not (luck.random() < NOISE)
    fate, text = known.random(), f"{'right' if right else 'wrong'} {version} {luck.random()} äß"
    pauses = climate["pauses"] and fate > 1 - PAUSING
    ended = "failed" if fate < FAILING else sandbox.PAUSED if pauses else "completed"
    long = f"{text} {' '.join(str(luck.getrandbits(16)) for _ in range(luck.choice([1, 40, 400])))}"
    every = {"Answer": text, "Text": long, "Doc": File("doc.bin", luck.randbytes(luck.choice([10, 9000])))}
    said, size = str(every[climate["outputs"][0]]), max(7, len(long) // 40)
    pieces = [said[place : place + size] for place in range(0, len(said), size)]
    script = node_runs("Write", pieces, 0.03 + luck.random() * climate["slowest"])
    script = script if ended == "completed" else [*script[:-1], Emit("Write", "no", ended)]
    return Scenario("world", script=script, status=ended, output={name: every[name] for name in climate["outputs"]})


class Run:
    """A run, and what it has ended as, or will."""

    def __init__(self, run: sandbox.Run, answered: bool, cut: bool, stoppers: set[str]) -> None:
        self.id, self.key, self.born = run.id, run.body["key"], run.created_at.timestamp()
        self.input, self.question = run.input, str(run.input["Question"])
        self.named = run.body.get("workflow_version_id")  # the version in its record
        self.truth = run.status if run.ended or run.status == sandbox.PAUSED else run.course.status
        output: Any = run.course.output
        self.output = {name: value.content if isinstance(value, File) else value for name, value in output.items()}
        self.right = not str(self.output.get("Answer", "")).startswith("wrong")
        self.answered, self.cut, self.stoppers = answered, cut, stoppers  # its start, but for a cut; keys


class World:
    """The sandbox, and what happens on the way to it."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.climate = plan, plan["climate"]
        self.faults: dict[Asked, Fault] = {}
        self.met: Counter[str] = Counter()  # faults, by the kind of request
        self.sent: Counter[tuple[str, str]] = Counter()  # starts that got no 4xx, by key and question
        self.watch: Callable[[Asked], None] = lambda _: None  # gets each request before its answer
        self._counts: Counter[tuple[str, str]] = Counter()
        self._turns: Counter[tuple[str, str]] = Counter()
        self._answered: set[str] = set()
        self._downs: list[float] = []  # when it broke all connections
        self._stoppers: dict[str, set[str]] = defaultdict(set)
        self._records: dict[str, Any] = {}  # the last one of each run that was read
        self._lock, self.over = threading.Lock(), False
        nodes = [input_node("Question"), input_node("Count", type="int"), input_node("Paper", type="file", default="")]
        nodes += [output_node(name) for name in self.climate["outputs"]]
        own = {name: [*nodes, Node("Write", config={"prompt": name})] for name in VERSIONS}
        versions = [Version(name, nodes=own[name], id=id) for name, id in VERSIONS.items()]
        scenario = Scenario("world", nodes=own["v1"], versions=versions, course=self._course)
        self.sandbox = Sandbox([scenario], switches=with_overrides(Switches(), plan["switches"]))

    @property
    def runs(self) -> dict[str, Run]:
        """All runs by id, the oldest first."""
        runs = self.sandbox.runs(WORKFLOW)
        cut = {run.id for run in runs for down in self._downs if abs(run.created_at.timestamp() - down) < 1}
        return {run.id: Run(run, run.id in self._answered, run.id in cut, self._stoppers[run.id]) for run in runs}

    def _course(self, version_id: str | None, input: Mapping[str, Any]) -> Scenario:
        version = next((name for name, id in VERSIONS.items() if id == version_id), "v1")
        self._turns[version, input["Question"]] += 1
        return course(self.plan, version, input["Question"], self._turns[version, input["Question"]])

    def listen(self, port: int = 0, seconds: float = 0.0) -> None:
        time.sleep(seconds)
        with self._lock, suppress(OSError):  # the second time that it comes back
            if self.over:
                return
            self.gateway = RawServer([], socket.create_server(("127.0.0.1", port)), by_request=self._turn)
            threading.Thread(target=self.gateway.accept, daemon=True).start()

    def _turn(self, request: Request) -> Turn:
        """Return what the request gets: an answer, or what happens to its connection."""
        line = f"{request.method} {urlsplit(request.target).path.removeprefix('/v1/')}"
        forms = SAYS["requests"].items()
        kind, id = next((kind, match[1]) for kind, form in forms if (match := re.fullmatch(form, line)))
        key = request.headers.get("x-api-key", "")
        with self._lock:
            self._counts[key, kind] += 1
            asked = key, kind, self._counts[key, kind]
        fault = self.faults.get(asked, {})
        self.met[kind] += bool(fault)
        takes = fault.get("effect") or fault.get("do") not in {"status", "reset", "drop", "down", "silent"}
        real = self._real(asked, id, request, fault) if takes or "after" in fault else b""
        given = _spoiled(real, fault, key)
        if kind == "start" and not (isinstance(given, bytes) and given[9:10] == b"4"):
            self.sent[key, json.loads(request.body)["input"]["Question"]] += 1
        self.watch(asked)
        if fault.get("do") == "down":  # what follows is refused
            self._downs.append(time.time())
            self.gateway.close()
            threading.Thread(target=self.listen, args=(self.gateway.port, fault["seconds"]), daemon=True).start()
        return given

    def _ask(self, request: Request) -> HTTPResponse:
        """Return the sandbox's answer, not read yet."""
        headers = {name: value for name, value in request.headers.items() if name not in OF_ONE_HOP}
        body = request.body or None
        if body and request.target.endswith("/runs"):
            body = json.dumps({**json.loads(body), "key": headers["x-api-key"]}).encode()
        upstream = HTTPConnection("127.0.0.1", urlsplit(self.sandbox.url).port, timeout=60)
        headers |= {"x-api-key": self.sandbox.key, "connection": "close"}  # its socket is then the answer's
        upstream.request(request.method, request.target, body, headers)
        return upstream.getresponse()

    def _real(self, asked: Asked, id: str, request: Request, fault: Fault) -> Turn:
        key, kind, number = asked
        if kind == "events":
            return lambda peer: self._stream(peer, request, fault)
        if kind == "stop":
            self._stoppers[id].add(key)
        with closing(self._ask(request)) as response:
            status, body = response.status, response.read()
        skew = timedelta(seconds=self.climate["skew"])
        headers = {name: value for name, value in response.getheaders() if name.lower() not in OF_ONE_HOP}
        if status < 300 and response.headers.get_content_type() == "application/json":
            body = json.dumps(self._changed(kind, number, id, json.loads(body), fault.get("do", ""))).encode()
            digits = self.climate["digits"]
            moved = lambda found: (datetime.fromisoformat(found[0]) + skew).isoformat()[:digits]  # noqa: E731
            body = MOMENT.sub(moved, body.decode()).encode()
        elif fault.get("do") == "preview" and response.headers.get_content_maintype() == "text":
            body = body.decode()[:PREVIEW].encode()
        return answer(status, body, **headers, Date=format_datetime(datetime.now(UTC) + skew, usegmt=True))

    def _changed(self, kind: str, number: int, id: str, document: Any, does: str) -> Any:
        """Return an answer as a server gives it that is hasty, or a replica that is behind."""
        climate = self.climate
        if kind == "start":
            self._answered |= {document["id"]} if does in {"", "late", "slow"} else set()
            return document | ({"status": "completed", "output": {"Answer": "not yet"}} if climate["hasty"] else {})
        if kind == "record":
            stale = does == "stale" or (climate["stale"] and number % climate["stale"] == 0)
            before, self._records[id] = self._records.get(id, document), document
            return before if stale else document
        if kind == "list":
            known = {id for id, run in self.runs.items() if run.born <= time.time() - climate["lag"]}
            items = [each for each in document["items"] if each["id"] in known][does == "without" :]
            items += items[-1:] if climate["twice"] else []
            more = {"next_cursor": "more" if document["page"] < document["pages"] else None}
            return {"items": items, **more} if climate["cursors"] else {**document, "items": items}
        return document

    def _stream(self, peer: socket.socket, request: Request, fault: Fault) -> None:
        """Pass on the run's events, until their end or the fault."""
        with closing(self._ask(request)) as response:
            if response.status != 200:
                return peer.sendall(answer(response.status, response.read(), Connection="close"))
            peer.sendall(STREAM)
            frame, passed = b"", 0
            for line in response:
                frame += line
                if line.strip():
                    continue
                chunk, frame = b"%x\r\n%s\r\n" % (len(frame), frame), b""
                if b"data:" in chunk and passed == fault.get("after"):
                    part = {"torn": chunk[: len(chunk) // 2], "clean": b"0\r\n\r\n"}.get(fault["do"], b"")
                    return _broken(peer, fault["do"], part, b"", 6)
                passed += b"data:" in chunk
                peer.sendall(chunk * (1 + self.climate["twice"]))
            return peer.sendall(b"0\r\n\r\n")


def _broken(peer: socket.socket, does: str, part: bytes, rest: bytes, seconds: float) -> None:
    """Send a part; then break the connection, or say nothing for a while, and send the rest if it is only late."""
    peer.sendall(part)
    if does in {"late", "slow", "silent"}:
        peer.settimeout(seconds)
        with suppress(OSError):
            peer.recv(1)  # until the client closes it
    if does in {"late", "slow"}:
        peer.sendall(rest)
    elif does == "reset":
        reset(peer)


def _spoiled(real: Turn, fault: Fault, key: str) -> Turn:
    """Return what a request gets instead of its real answer."""
    does = fault.get("do", "")
    if does == "status":
        headers = {"Retry_After": str(fault["retry"])} if "retry" in fault else {}
        html = answer(fault["status"], HTML, Content_Type="text/html", **headers)
        said = json_answer({"detail": f"refused for {key}"}, fault["status"], **headers)
        return html if fault.get("body") == "html" else said
    if does in {"", "stale", "without", "preview"} or not isinstance(real, bytes):
        return real
    place = real.index(b"\r\n\r\n") + 4 + len(real) // 3 if does in {"slow", "cut"} else 0
    return lambda peer: _broken(peer, does, real[:place], real[place:], fault.get("seconds", 0.5))


# ---- The user: what is called, in which order, and what goes wrong meanwhile.


def invent(seed: int) -> Plan:
    """Return the plan of a seed: a story of rows or of a run, and some more of runs."""
    user = User(seed)
    first = user.rng.choice([user.rows, user.rows, user.pair, user.pair, user.gate, user.one])
    for story in [first, user.one, user.one, user.one]:
        story()
    return user.plan


class User:
    """One random user; each story adds its steps."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = dice("user", seed)
        climate, rare = self.pick(SAYS["climate"]), {each for each in SAYS["switches"] if rng.random() < 0.12}
        switches = {"preview_limit": PREVIEW, "preview_characters": PREVIEW} | {
            name: value for name, value in self.pick(SAYS["switches"]).items() if name in rare
        }
        self.steps: list[Step] = [{"file": "paper.txt", "text": "some paper"}]
        self.plan: Plan = {"seed": seed, "climate": climate, "switches": switches, "steps": self.steps}
        saves = "Doc" in climate["outputs"] or rng.random() < 0.3
        judges = "Answer" in climate["outputs"] and rng.random() < 0.6
        self.words = {"W": WORKFLOW, **SAYS["words"], **{name.upper(): id for name, id in VERSIONS.items()}}
        self.words |= {"JUDGE": "RIGHT" * judges, "OUT": "--output-dir out#" * saves}
        self.words |= {"DIR": "--output-dir [dir#|dir#|small/dir#]" * saves}

    def pick(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return a table with one of each list."""
        return {name: self.rng.choice(each) if isinstance(each, list) else each for name, each in table.items()}

    def line(self, name: str) -> list[str]:
        """Return a command line: for each word its meaning, of each choice one, the innermost first."""
        text = str(SAYS["lines"][name])
        while (more := re.sub(r"\b[A-Z]\w*\b", lambda word: self.words.get(word[0], word[0]), text)) != text:
            text = more
        while "[" in text:
            text = re.sub(r"\[([^][]*)\]", lambda found: self.rng.choice(found[1].split("|")), text)
        return shlex.split(text.replace("#", str(len(self.steps))))

    def call(self, argv: list[str], *, calm: bool = False) -> str:
        """Add a call, with trouble unless it is to be `calm`, and return its name."""
        trouble = {} if calm or self.rng.random() < 0.15 else self._trouble(argv)
        self.steps.append({"name": f"s{len(self.steps)}", "argv": argv, **trouble})
        return str(self.steps[-1]["name"])

    def _trouble(self, argv: list[str]) -> Step:
        rng, kinds, trouble = self.rng, SAYS["kinds"].get(argv[0], SAYS["kinds"]["run"]), Step()
        met = [each for each in SAYS["together"] if re.match(each["lines"], " ".join(argv))]
        if met and rng.random() < 0.4:
            return {name: each for name, each in rng.choice(met).items() if name != "lines"}
        for kind in rng.choices(kinds, k=rng.choice([0, 1, 1, 2, 3, 4])):
            fault = self.pick({"times": [1, 1, 1, 2, 4, 40], **SAYS["faults"][rng.choice(SAYS["trouble"][kind])]})
            trouble.setdefault("faults", []).append({"at": [kind, rng.choice([1, 1, 1, 2, 2, 3, 5])], **fault})
        if rng.random() < 0.55:
            name, at = rng.choice(["KILL"] * 3 + ["TERM", "TERM", "INT", "HUP"]), rng.choice(["start", *kinds])
            number, delay = rng.choice([1, 1, 1, 2, 3]), rng.choice([0, 0, 0.02, 0.1, 0.3])
            trouble["signals"] = [[name, at, number, delay + more] for more in rng.choice([[0]] * 9 + [[0, 0.3]])]
        elif rng.random() < 0.24:
            trouble |= rng.choice([{"close": rng.choice([0, 1, 50, 400])}, {} if "-o" in argv else {"twins": True}])
        return trouble

    def one(self) -> None:
        """A run, and what becomes of it."""
        first = self.call(self.line("start"))
        for _ in range(self.rng.randint(0, 2)):
            self.words["RUN"] = self.rng.choice([f"{{{first}}}", f"{{{first}}}", "@last"])
            self.call(self.line("then"))
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            self.call(["fetch-output", f"{{{first}}}", "--wait", "--json"], calm=True)

    def rows(self) -> None:
        """A batch that is continued until it is done, and then asked for more."""
        rng, table = self.rng, self.table()
        line = self.line("batch")
        self.through(line)
        if rng.random() < 0.3 and "--expect" not in line:
            table[rng.randrange(0, len(table), 2)] = ("r-x", "an edited row")
            self.write(line[2], [*table, ("r-y", "an added row")])
            self.through([*line, "--resume", "--allow-changed-input"])
        elif rng.random() < 0.6:
            again = rng.choice(["failed", "failed", "red", "red", "doubtful", "stopped"])
            for _ in range(rng.randint(1, 3)):
                self.call([*line, "--again", again])
            self.through([*line, "--resume"])
        self.settle("results", line)

    def pair(self) -> None:
        """A table in two versions, compared, or in two shards, joined."""
        self.table()
        verb = self.rng.choice(["compare", "results"])
        lines = [self.line(f"{verb} {place}") for place in "12"]
        for line in lines:
            self.through(line)
        self.settle(verb, *lines)

    def gate(self) -> None:
        """Two versions over one table, repeated as far as chance may explain what differs."""
        self.table(2, 4)
        self.through(self.line("gate"), resume="")

    def through(self, line: list[str], resume: str = "--resume") -> None:
        """Call a batch, with trouble, and continue it until it is done; then once more."""
        again = line if resume in (*line, "") else [*line, resume]
        for turn in range(self.rng.randint(1, 3)):
            self.call(again if turn else line)
            is_lost = any(fault["at"] == ["start", 1] for fault in self.steps[-1].get("faults", []))
            version = line[line.index("--version-id") :][:2] if "--version-id" in line else []
            for number in range(3) if self.rng.random() < (0.7 if is_lost else 0.1) else []:  # somebody else asks it
                question = f"Question=question {number}"
                self.call(["run", WORKFLOW, question, "Count=7", *version, "--detach"], calm=True)
        if any(word.startswith("small/") for word in line):
            self.steps.append({"grow": True})
        for _ in range(self.rng.choice([1, 2])):
            self.call(again, calm=True)

    def settle(self, verb: str, *lines: list[str]) -> None:
        """Ask twice what has become of batches."""
        dirs = [Call("", line, {}).directory for line in lines]
        for _ in range(2):
            self.call([verb, *dirs, *self.line("judge")], calm=True)

    def table(self, *sizes: int) -> list[tuple[str, str]]:
        """Write a table, a file with some of its ids, and one that expects another answer of its first row."""
        form, size = self.rng.choice(["csv --id id", "jsonl"]), self.rng.choice(sizes or (2, 4, 8, 12))
        rows = [(f"r{number}", f"question {number}") for number in range(size)]
        self.words["TABLE"] = f"rows.{form}"
        self.write(f"rows.{form}".split()[0], rows)
        other = json.dumps({"$id": "r0", self.plan["climate"]["outputs"][0]: "another"})
        self.steps += [{"file": "other.jsonl", "text": other}, {"file": "ids", "text": "r1\n"}]
        return rows

    def write(self, file: str, rows: list[tuple[str, str]]) -> None:
        lines = ["id,Question,Count", *(f"{id},{question},7" for id, question in rows)]
        if file.endswith("jsonl"):
            lines = [json.dumps({"$id": id, "Question": question, "Count": 7}) for id, question in rows]
        self.steps.append({"file": file, "text": "".join(f"{line}\n" for line in lines)})


# ---- A plan played: real processes of noxcli in a directory of their own.

LONGEST = 100.0  # seconds of one call, after which it hangs
SLACK, SOON = 2.5, 0.5  # seconds: for a busy machine, and after which an answer has arrived
TIGHT, WIDE = "size=32k", "remount,size=8m"  # of the disk below small/, until it grows
PLACES = {"HOME": "home", "TMPDIR": "tmp", "NOXCLI_STATE_DIR": "state", "NOXCLI_CACHE_DIR": "cache"}


@cache
def noxcli() -> str:
    """Return the command, once the process that it forks from has loaded it."""
    command = str(forks.directory() / "noxcli")
    subprocess.run([command, "--version"], stdout=subprocess.DEVNULL, check=True)
    return command


@dataclass
class Call:
    """One process of noxcli, from its command line to its end; times are seconds since 1970."""

    name: str
    argv: list[str]
    step: Step
    key: str = field(default_factory=lambda: f"sk-{uuid4()}")
    began: float = 0.0
    ended: float = 0.0
    code: int = 0
    out: bytes = b""  # or what -o has written
    err: str = ""
    sent: list[tuple[float, str]] = field(default_factory=list)  # signals, while it ran
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.verb, self.faults = self.argv[0], self.step.get("faults", [])
        self.directory = self.option("--output-dir") or (f"{self.argv[2]}.batch" if self.verb == "batch" else "")
        disturbed = self.step.keys() & {"faults", "signals", "close", "twins"} or "--timeout" in self.argv
        self.limit = float(self.option("--timeout").rstrip("s") or LONGEST - SLACK - 1)
        self.calm = not disturbed and not self.directory.startswith("small/")
        self.repeat, self.shard = int(self.option("--repeat") or 1), (self.option("--shard") or "1/1").split("/")

    @property
    def killed(self) -> bool:
        """True if it was left no time to clean up."""
        return any(name == "KILL" for _, name in self.sent) or len(self.sent) > 1

    def option(self, name: str) -> str:
        return self.argv[self.argv.index(name) + 1] if name in self.argv else ""

    def meets(self, *kinds: str) -> bool:
        """True if something may go wrong with a request of these kinds."""
        return any(fault["at"][0] in kinds or fault["do"] == "down" for fault in self.faults)

    def send(self, name: str) -> None:
        if self.process is not None and self.process.poll() is None:
            self.sent.append((time.time(), name))
            with suppress(ProcessLookupError):
                self.process.send_signal(getattr(signal, f"SIG{name}"))


@dataclass
class Story:
    """A plan as it is played."""

    plan: Plan
    world: World
    place: Path
    cwd: Path
    calls: list[Call] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)  # the texts of files, by name
    adopted: set[str] = field(default_factory=set)

    def play_all(self) -> Iterator[Call]:
        """Play each step, and yield each call once it has ended."""
        for step in self.plan["steps"]:
            if "file" in step:
                self.tables[step["file"]] = step["text"]
                (self.cwd / step["file"]).write_text(step["text"])
            elif "grow" in step:
                mount(WIDE, self.cwd / "small")
            else:
                yield from self._play(step)

    def _play(self, step: Step) -> list[Call]:
        keys = {call.key: f"{{{call.name}}}" for call in self.calls}
        own = {keys[run.key]: run.id for run in self.world.runs.values() if run.key in keys}
        argv = [own.get(word, str(UUID(int=7))) if word.startswith("{") else word for word in step["argv"]]
        calls = [Call(step["name"] + more, argv, step) for more in (["", "+"] if "twins" in step else [""])]
        for fault in calls[0].faults:
            kind, first = fault["at"]
            self.world.faults |= {(calls[0].key, kind, first + more): fault for more in range(fault.get("times", 1))}
        self.world.watch = lambda asked: self._signal(calls[0], asked)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._run, calls))
        self.calls += calls
        return calls

    def _run(self, call: Call) -> None:
        env = {name: str(self.place / each) for name, each in PLACES.items()} | {"PATH": os.environ["PATH"]}
        env |= {"NOXUS_BACKEND_URL": self.world.gateway.url, "NOXUS_API_KEY": call.key, "LANG": "C.UTF-8"}
        command, env["NOXCLI_IDLE_TIMEOUT"] = [noxcli(), *call.argv], "2s"
        with tempfile.TemporaryFile() as err:
            call.began = time.time()
            call.process = subprocess.Popen(
                command, cwd=self.cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err
            )
            timer = threading.Timer(LONGEST, call.process.kill)
            timer.start()
            with call.process.stdout as out:  # type: ignore[union-attr]  # a pipe
                call.out = out.read(call.step.get("close", -1))
            call.code, call.ended = call.process.wait(), time.time()
            timer.cancel()
            err.seek(0)
            call.err = err.read().decode()
        if (kept := call.option("-o")) and (self.cwd / kept).exists():
            call.out = (self.cwd / kept).read_bytes()

    def _signal(self, call: Call, asked: Asked) -> None:
        """Send a call its signals once it asks for what they wait for."""
        for name, kind, number, delay in call.step.get("signals", ()):
            if asked == (call.key, kind, number):
                threading.Timer(delay, call.send, (name,)).start()


@contextmanager
def playing(plan: Plan) -> Iterator[Story]:
    """Yield a plan that is ready to be played; afterwards, nothing of it is left."""
    place = Path(tempfile.mkdtemp(prefix="world-"))
    for name in ("cwd/small", "state", "tmp"):
        (place / name).mkdir(parents=True)
    mounted, world = {"grow": True} in plan["steps"] and mount(TIGHT, place / "cwd/small"), World(plan)
    try:
        with world.sandbox:
            world.listen()
            yield Story(plan, world, place, place / "cwd")
    finally:
        world.over = True
        world.gateway.close()
        if mounted:
            subprocess.run(["umount", "--lazy", place / "cwd/small"], check=False)
        shutil.rmtree(place)


def mount(options: str, place: Path) -> bool:
    """Return whether this user may do that."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


# ---- The oracle.

ORDER = [129, 130, 143, 141, 70, 2, 4, 7, 6, 75, 5, 124, 10, 1, 3, 11, 9, 8, 0]  # § 7: the first one of several
SIGNALS = {129: "HUP", 130: "INT", 143: "TERM"}
ENDED = {"completed": 0, "failed": 1, "stopped": 3, sandbox.PAUSED: 10}
STARTING, READING, OF_A_TABLE = {"run", "rerun"}, {"run", "rerun", "stream", "fetch-output"}, {"batch", "gate"}
OF_A_SIDE = 21  # places of a row and a side in a gate
Said = Iterator[str]


class Oracle:
    """What a call that has just ended has broken of what must hold whatever happens; § is a section of the contract."""

    def __init__(self, story: Story, call: Call) -> None:
        self.story, self.call, self.runs = story, call, story.world.runs
        self.calls = [each for each in story.calls if each.directory and each.directory == call.directory]  # one batch
        self.own = self.started(call)
        self.is_table = call.verb in OF_A_TABLE
        self.stored = self.read(call.directory) if self.is_table else []
        self.form = "json" if "--json" in call.argv else call.option("--format") or "text"
        lines = [json.loads(line) for line in call.out.splitlines() if line[:1] == b"{" and line[-1:] == b"}"]
        lines = [line.get("result") or (line["data"] if "seq" in line else line) for line in lines]
        self.results = [each for each in lines if each and each.get("schema") == "noxcli.result/1"]  # that it printed
        # The run that it is about: the one that it has started, or that it names.
        self.run = self.own[0] if self.own else None if call.verb in STARTING else self.runs.get(call.argv[1])
        self.own_keys = {each.key for each in self.calls}

    def problems(self) -> list[str]:
        """What the call has broken: a check is a method whose text begins with its section."""
        checks = {name: check for name, check in vars(Oracle).items() if (check.__doc__ or "").startswith("§")}
        return [f"{self.call.name} {name}: {said}" for name, check in checks.items() for said in check(self)]

    def started(self, *calls: Call) -> list[Run]:
        return [run for run in self.runs.values() if run.key in {call.key for call in calls}]

    def table(self, call: Call) -> dict[str, str]:
        """The ids, by question, of the rows that a call is to run."""
        text, limit, (part, parts) = self.story.tables[call.argv[2]], call.option("--limit"), call.shard
        is_json = text.startswith("{")
        lines = map(json.loads, text.splitlines()) if is_json else csv.DictReader(text.splitlines())
        rows = {line["Question"]: line.get("$id") or line["id"] for line in lines}
        only = self.story.tables["ids"].split() if "--only" in call.argv else [*rows.values()]
        return {row: rows[row] for row in [*rows][int(part) - 1 :: int(parts)][: int(limit or 99)] if rows[row] in only}

    def read(self, directory: str) -> list[tuple[dict[str, Any], Run | None]]:
        """The stored results of a directory, each with its run."""
        path = self.story.cwd / directory / "results.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return [(line, self.runs.get((line["result"]["run"] or {}).get("id", ""))) for line in whole]

    def code_of(self, run: Run | None) -> int:
        """The exit code of a run, judged as the call judges."""
        if run is None or run.truth != "completed":
            return ENDED[run.truth] if run else 7
        other = "--expect" in self.call.argv and run.question == "question 0"
        return 11 if other or ("--assert" in self.call.argv and not run.right) else 0

    def is_unsure(self) -> bool:
        """True if a start of the batch may have got no answer."""
        refused = "gateway_refusals" in self.story.plan["switches"]
        return refused or any(each.killed or each.meets("start") or each.sent for each in self.calls)

    def documents_parse(self) -> Said:
        """§ 4 to 6: --json is one document, ndjson one event a line and the result last, both with the exit code."""
        call, lines = self.call, self.call.out.splitlines()
        if call.killed or "close" in call.step:
            return
        check_stdout(call.out)
        if call.verb in READING and self.form in {"json", "ndjson"}:
            codes, parsed = [each["exit_code"] for each in self.results], [json.loads(line) for line in lines]
            if codes != [call.code] or (self.form == "json" and len(lines) != 1):
                yield f"{len(lines)} lines and results with {codes} at exit code {call.code}: {call.out[-300:]!r}"
            elif self.form == "ndjson" and [line["seq"] for line in parsed] != [*range(1, len(lines) + 1)]:
                yield f"lines {[line['seq'] for line in parsed]}"
            elif self.form == "ndjson" and (parsed[0]["type"] == "noxcli.started") is (self.results[0]["run"] is None):
                yield f"the first event is {parsed[0]['type']}, and the run is {self.results[0]['run']}"

    def codes_have_causes(self) -> Said:
        """§ 7: never 70, nor a code that is nobody's; what a signal, a limit or a reader ends with has had one."""
        call, sent = self.call, {name for _, name in self.call.sent}
        is_known = call.code in ORDER or (call.code == -9 and "KILL" in sent)
        causeless = SIGNALS.get(call.code, "") not in {"", *sent} or (call.code == 141 and "close" not in call.step)
        if not is_known or call.code == 70 or "Traceback" in call.err:
            yield f"exit code {call.code}: {call.err[-1500:]}"
        if causeless or (call.code == 124 and "--timeout" not in call.argv):
            yield f"exit code {call.code} without a cause: {call.err[-500:]}"

    def time_is_bounded(self) -> Said:
        """§ 9: --timeout is exceeded by 1 s at most, a signal by an answer (5 s), a stop (5 s) and 1 s."""
        call = self.call
        began, most = (call.sent[0][0], 11.0) if call.sent else (call.began, call.limit + 1)
        if call.ended - began > most + SLACK:
            yield f"took {call.ended - began:.1f} s instead of {most} s {call.sent}"

    def nothing_is_elsewhere(self) -> Said:
        """§ 15, 16: the key is nowhere; nothing is written but what was named, nor left half unless it was killed."""
        calls, printed = self.story.calls, self.call.out.decode(errors="replace") + self.call.err
        named = [*self.story.tables, *(each.option("-o") for each in calls), *(each.directory for each in calls)]
        for path in filter(lambda path: path.is_file(), self.story.place.rglob("*")):
            top, _, own = str(path.relative_to(self.story.place)).partition("/")
            printed += path.read_text(errors="replace")
            known = top in {"state", "cache"} or any(name and own.startswith(name) for name in named)
            if not (known and path.suffix != ".part") and not any(each.killed for each in calls):
                yield f"{path} was written"
        if self.call.key in printed:
            yield "the key is in a file or was printed"

    def one_start_for_one_intent(self) -> Said:
        """§ 5, 7, 8, 12: a start is sent once; what may be repeated (75), or is a mistake (2), has started nothing."""
        call, is_gate = self.call, self.call.verb == "gate"
        most = 2 * OF_A_SIDE if is_gate else call.repeat * (call.verb in {*STARTING, "batch"})
        for (key, question), sent in self.story.world.sent.items():
            if key == call.key and sent > most:
                yield f"{question!r} was sent {sent} times"
        safe = call.code == 75 or (call.code == 2 and not is_gate) or any(each["retry_safe"] for each in self.results)
        whole = call.verb in {*STARTING, "gate"} and "twins" not in call.step  # one of two waits for the other
        if safe and whole and self.started(*(self.calls if is_gate else [call])):
            yield f"a run exists, and the code is {call.code}: {call.err[-300:]}"

    def runs_are_named(self) -> Said:
        """§ 8, 10: once its start is answered, a run is in the history or the batch's journal, even after kill -9."""
        call, known = self.call, str([*(self.story.place / "state").iterdir()])
        if self.is_table:
            known = self.journal() + call.err * call.directory.startswith("small/")  # a disk without room
        delayed = max([0.0, *(fault.get("seconds", 0.0) for fault in call.faults if fault["at"][0] == "start")])
        end = call.sent[0][0] if call.killed else call.began + call.limit  # later answers may not have been read
        for run in self.own:
            if run.answered and not run.cut and run.born < end - delayed - SOON and run.id not in known:
                yield f"run {run.id} of {run.input} is named nowhere: {call.code} {call.err[-500:]}"

    def journal(self) -> str:
        path = self.story.cwd / self.call.directory / "batch.jsonl"
        return path.read_text() if self.is_table and path.exists() else ""

    def rows_start_once(self) -> Said:
        """§ 10: --resume repeats nothing that finished or may have been started; --again what it names, once."""
        runs = self.started(*self.calls) if self.call.verb == "batch" else []
        for place, run in enumerate(runs):
            if run.key == self.call.key:
                same = [each for each in runs[:place] if each.question == run.question][-self.call.repeat :]
                if len(same) == self.call.repeat and not any(map(self.is_excused, same)):
                    yield f"{run.input} was started again: {[(each.id, each.truth) for each in [*same, run]]}"

    def is_excused(self, run: Run) -> bool:
        """True if a run is a reason to start its row again in this call."""
        first = next(place for place, each in enumerate(self.calls) if each.key == run.key)
        begun, later = self.calls[first], self.calls[first : self.calls.index(self.call)]
        is_over = any(each.code in {0, 1, 9, 11} for each in later)
        why = {run.truth} | ({"doubtful"} if not run.answered or run.cut or begun.killed or begun.sent else set())
        why |= {"red"} if self.code_of(run) and (is_over or begun.option("--again") != "red") else set()
        asked = {each.option("--again") for each in [*later[1:], self.call] if each is not begun}
        return bool(why & asked) or (run.truth == "stopped" and bool(run.stoppers & self.own_keys))

    def only_what_fits_is_adopted(self) -> Said:
        """§ 10, 12: a row in doubt adopts the one run that fits; of several, none. A gate adopts nothing."""
        journal, adopted = self.journal(), self.story.adopted
        theirs = [run for run in self.runs.values() if not (run.key in self.own_keys and run.answered)]
        sees = not self.story.plan["climate"]["lag"] and not self.call.meets("list")
        for run in [run for run in theirs if run.id in journal and run.id not in adopted]:
            adopted.add(run.id)
            like = [each for each in theirs if (each.input, each.named) == (run.input, run.named)]
            fits = [each for each in like if each.born < self.call.began]
            if self.call.verb == "gate" or (sees and len(fits) > self.call.repeat):
                yield f"run {run.id} of {run.input} was adopted, one of {len(fits)}"

    def inputs_are_sent_as_meant(self) -> Said:
        """§ 3, 10: a text that parses as the declared type is sent as that, and by --resume as before."""
        earlier = [run.input["Count"] for run in self.started(*self.calls) if run.key != self.call.key]
        for run in self.own:
            if run.input["Count"] != 7 and (7 in earlier or not self.call.meets("workflow", "versions")):
                yield f"sent {run.input}"

    def verdicts_are_true(self) -> Said:
        """§ 1, 5, 10: a result is of a run of this intent, with the status of its record and its whole output."""
        if "--detach" in self.call.argv:
            return  # 0 only says that it was started
        for result in [*self.results, *(line["result"] for line, _ in self.stored)]:
            code, run = result["exit_code"], self.runs.get((result["run"] or {}).get("id", ""))
            if code in {0, 1, 3, 10, 11} or (run is None and result["run"] is not None):
                told = run and (result["run"]["status"], code)
                if not run or told not in {(run.truth, ENDED[run.truth]), (run.truth, 11)}:
                    yield f"{told} of a run that has {run and run.truth}: {result}"
                elif code in {0, 11} and self.call.verb != "wait":
                    yield from self.differing(run, result["output"])

    def differing(self, run: Run, output: Any) -> Said:
        """Yield how an output differs from the whole one."""
        for name, whole in run.output.items():
            there = value = output.get(name)
            if isinstance(value, dict):
                content = (self.story.cwd / value["$file"]).read_bytes() if "$file" in value else b""
                there = content if isinstance(whole, bytes) else content.decode() or value.get("text")
                there = whole if "uri" in value else there
            if there != whole:
                yield f"{name} of run {run.id} is {value!r:.200} instead of {whole!r:.200}"

    def text_is_whole(self) -> Said:
        """§ 4, 9: text is on stdout as a whole if the code is 0, or not at all; content is all of it, or 9."""
        call, run, text = self.call, self.run, self.call.out.decode(errors="replace")
        if call.verb not in READING or {"--json", "ndjson", "--detach"} & {*call.argv} or "close" in call.step:
            return
        if call.code and text and self.form == "text" and not call.killed and not (call.code == 9 and call.directory):
            yield f"exit code {call.code}, and stdout has {text[:100]!r}"
        if call.code or run is None:
            return
        whole = next(iter(run.output.values()))
        if "--output-dir" in call.argv:
            yield from [f"{path} is no file" for path in text.splitlines() if not (self.story.cwd / path).is_file()]
        elif self.form == "text" and len(run.output) > 1:
            yield from self.differing(run, json.loads(text))
        elif text.removesuffix("\n") != whole and not (len(run.output) > 1 and "warning" in call.err):
            yield f"{text!r:.200} instead of {whole!r:.200}"

    def files_are_whole(self) -> Said:
        """§ 16: what a manifest lists is there, and is that output of that run."""
        for path in self.story.cwd.rglob("manifest.json"):
            document = json.loads(path.read_text())
            for entry in document["files"]:
                whole = self.runs[document["run"]["id"]].output[entry["pointer"].split("/")[1]]
                content, there = whole if isinstance(whole, bytes) else whole.encode(), path.parent / entry["name"]
                if there.read_bytes() != content or entry["sha256"] != sha256(content).hexdigest():
                    yield f"{there} has {there.read_bytes()[:80]!r} instead of {content[:80]!r}"

    def calm_calls_are_right(self) -> Said:
        """§ 7, 10: undisturbed, the exit code is that of the truth; a row that noxcli has stopped is started again."""
        call, runs = self.call, list[Run | None]()
        if not call.calm or "--detach" in call.argv:
            return
        for line, run in self.stored if call.verb == "batch" and call.code in {0, 1, 3} else []:
            if run and run.truth == "stopped" and run.stoppers & self.own_keys:
                yield f"row {line['row']} keeps run {run.id}, which noxcli itself has stopped"
        if call.verb in READING:
            runs = [self.run] if self.run and (call.code, self.form) != (9, "content") else []
        elif call.verb == "batch" and not {"--repeat", "--again"} & {*call.argv} and not self.is_unsure():
            own = {run.question: run for run in self.started(*self.calls)}
            runs = [own.get(question) for question in self.table(call)]
        if runs and call.code != (code := min(map(self.code_of, runs), key=ORDER.index)):
            yield f"exit code {call.code} instead of {code}: {call.err[-600:]}"

    def results_are_stored_once(self) -> Said:
        """§ 10, 12: results.jsonl has every result once, of its row and side; no answered start is in doubt."""
        call, counted = self.call, Counter((line["row"], line["id"]) for line, _ in self.stored)
        if not call.sent and call.code != 75:
            yield from [f"{row} has several results" for row, count in counted.items() if count > 1]
        for line, run in self.stored:
            if run and run.question != line["input"]["Question"]:
                yield f"row {line['row']} has the run of another: {line['input']}, {run.input}"
            if run and call.verb == "gate":
                row, side = divmod((line["row"] - 1) // OF_A_SIDE, 2)
                if (run.question, run.named) != ([*self.table(call)][row], call.option(["--base", "--new"][side])):
                    yield f"answer {line['row']} is run {run.id} of {run.named} for {run.question}"
        if call.verb == "batch" and call.code == 7 and not self.is_unsure():
            yield f"in doubt without a lost start: {call.err[-500:]}"

    def results_agree(self) -> Said:
        """§ 10: results has one line for each row of all shards, and the worst row's code."""
        call, batches = self.call, [each for each in self.story.calls if each.verb == "batch"]
        last = {each.directory: each for each in batches if each.directory in self.call.argv}.values()
        if call.verb == "results" and call.code != 2 and last:
            lines, repeat = [json.loads(line) for line in call.out.splitlines()], max(each.repeat for each in last)
            rows, codes = sum(len(self.table(each)) for each in last), [line["result"]["exit_code"] for line in lines]
            if len(lines) != rows * repeat or len({line["row"] for line in lines}) != rows:
                yield f"{len(lines)} lines of {rows} rows"
            elif repeat == 1 and call.code != min(codes, key=ORDER.index):
                yield f"exit code {call.code} of rows with {codes}"

    def comparisons_agree(self) -> Said:
        """§ 12: a row that is good in BASE and bad in NEW is broken, and 11."""
        call = self.call
        if call.verb == "compare" and "--assert" in call.argv and call.code != 2:
            base, new = ({line["id"]: run for line, run in self.read(place) if run} for place in call.argv[1:3])
            both = [each for each in {*base} & {*new} if base[each].input == new[each].input]
            broken = {each for each in both if not self.code_of(base[each]) and self.code_of(new[each]) in {1, 11}}
            told = {line.split("\t")[1] for line in call.out.decode().splitlines() if line.startswith("broken\t")}
            if told != broken or (call.code == 11) is not bool(broken):
                yield f"exit code {call.code}, {told} instead of {broken} are broken: {call.err[-400:]}"

    def the_same_line_changes_nothing(self) -> Said:
        """§ 2, 10, 12: the same line again, undisturbed, starts nothing and says the same."""
        call, before = self.call, self.story.calls[max(0, self.story.calls.index(self.call) - 1)]
        again = call.verb == "gate" and self.story.plan["climate"]["pauses"]  # asks once more what has no answer
        again |= "--again" in call.argv
        if again or not (call.calm and before.calm and before is not call and before.argv == call.argv):
            return
        outputs = [[one["output"] or None for one in Oracle(self.story, each).results] for each in (before, call)]
        if self.is_table and before.code in {0, 1, 11} and (self.own or (call.out and call.verb == "batch")):
            yield f"it has started {len(self.own)} runs, and printed {call.out[:200]!r}"
        elif call.verb != "batch" and (before.code, outputs[0]) != (call.code, outputs[1]):
            yield f"exit code {before.code}, then {call.code}: {before.out[-300:]!r}, then {call.out[-300:]!r}"


# ---- Many plans.


def found_by(plan: Plan, counted: Counter[str] | None = None) -> list[str]:
    """Play a plan, up to the first call that breaks something, and return what it breaks."""
    with playing(plan) as story:
        found = next(filter(None, (Oracle(story, call).problems() for call in story.play_all())), [])
        if counted is not None:
            sent = [name for call in story.calls for _, name in call.sent]
            counted.update(commands=len(story.calls), runs=len(story.world.runs), faults=story.world.met.total())
            counted.update(kills=sent.count("KILL"), signals=len(sent) - sent.count("KILL"))
        return found


def smaller(plan: Plan) -> Iterator[Plan]:
    """Yield the plan without some of its steps, many at first, and then without each thing that goes wrong."""
    steps, size = plan["steps"], len(plan["steps"]) // 2
    while size:
        for place in range(len(steps) - size, -1, -size):
            yield {**plan, "steps": steps[:place] + steps[place + size :]}
        size //= 2
    for place, step in enumerate(steps):
        for name in step.keys() & {"faults", "signals", "close", "twins"}:
            parts = step[name] if name in {"faults", "signals"} else []
            for less in [parts[:without] + parts[without + 1 :] for without in range(len(parts))] or [[]]:
                rest = {key: value for key, value in step.items() if key != name} | ({name: less} if less else {})
                yield {**plan, "steps": [*steps[:place], rest, *steps[place + 1 :]]}
    for name in plan["switches"]:
        yield {**plan, "switches": {key: value for key, value in plan["switches"].items() if key != name}}


def shrunk(plan: Plan, found: list[str], seconds: float = 180) -> Plan:
    """Return the smallest plan that breaks the same, as far as it is found in that time."""
    broken, end = found[0].split()[1], time.monotonic() + seconds

    def breaks(plan: Plan) -> bool:
        return time.monotonic() < end and any(said.split()[1] == broken for said in found_by(plan))

    while less := next(filter(breaks, smaller(plan)), None):
        plan = less
    return plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--plan", type=Path, help="play this plan instead")
    parser.add_argument("--keep", type=Path, help="shrink what fails, and keep it in this directory")
    options = parser.parse_args()
    began, counted, failed = time.monotonic(), Counter[str](), 0
    plans = [invent(seed) for seed in range(options.first, options.first + options.count)]
    plans = [json.loads(options.plan.read_text())] if options.plan else plans
    with ThreadPoolExecutor(2) as pool:
        for plan, found in zip(plans, pool.map(lambda plan: found_by(plan, counted), plans), strict=True):
            if found:
                failed += 1
                print(f"seed {plan['seed']}: {'; '.join(found)}", flush=True)
            if found and options.keep:
                small = json.dumps({**shrunk(plan, found), "found": found}, indent=1, ensure_ascii=False)
                (options.keep / f"{plan['seed']}.json").write_text(f"{small}\n")
    told = ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))
    print(f"{len(plans)} scenarios in {time.monotonic() - began:.0f} s, {failed} of them broken: {told}")
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
