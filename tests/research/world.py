"""A random user of noxcli against a random server, and what must hold whatever happens."""

import argparse
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
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
from tests.rawserver import Request, Turn, answer, raw_server, reset

Plan = dict[str, Any]  # a seed, the server's climate and switches, and steps; as JSON
Step = dict[str, Any]  # a file to write, or a command line, with what goes wrong meanwhile
Fault = Mapping[str, Any]  # what one request meets

# ---- The server: the sandbox, whose answers are fixed by seed, version and input, behind a gateway with troubles.

WORKFLOW = id_of("world")
VERSIONS = {name: id_of(f"world {name}") for name in ("v1", "v2", "v3")}  # the workflow is v1 now
WRONG = {
    "v1": 0.15,
    "v2": 0.4,
    "v3": 0.15,
}  # of the questions, for good; some answers also differ by chance
FAILING, PAUSING, NOISE, PREVIEW = 0.12, 0.06, 0.05, 300
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
OF_ONE_HOP = {"content-length", "transfer-encoding", "connection", "date", "server", "host"}
KEPT = forks.ROOT / "tests/data/world"  # plans, defects to plant, and what the user says and meets
SAYS = tomllib.loads((KEPT / "user.toml").read_text())
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")


class Run:
    """A run, and what it has ended as, or will."""

    def __init__(self, run: sandbox.Run, answered: bool, stoppers: set[str]) -> None:
        self.id, self.key, self.born = run.id, run.body["key"], run.created_at.timestamp()
        self.input, self.question = run.input, str(run.input["Question"])
        self.named = run.body.get("workflow_version_id")  # the version in its record
        self.truth = run.status if run.ended or run.status == sandbox.PAUSED else run.course.status
        output: Any = run.course.output
        self.output = {
            name: value.content if isinstance(value, File) else value
            for name, value in output.items()
        }
        self.right = str(self.output["Answer"]).startswith("right")
        self.answered, self.stoppers = answered, stoppers  # its start, but for a cut; keys


class World:
    """The sandbox, and what happens on the way to it."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.climate = plan, plan["climate"]
        self.calls: dict[str, Call] = {}  # by key
        self._turns: Counter[str] = Counter()
        self._answered: set[str] = set()
        self._stoppers: dict[str, set[str]] = defaultdict(set)
        self._lock = threading.Lock()
        nodes = [
            input_node("Question"),
            input_node("Count", type="int"),
            input_node("Paper", type="file", default=""),
        ]
        nodes += [output_node(name) for name in self.climate["outputs"]]
        own = [[*nodes, Node("Write", config={"prompt": name})] for name in VERSIONS]
        versions = [
            Version(name, nodes=each, id=VERSIONS[name])
            for name, each in zip(VERSIONS, own, strict=True)
        ]
        scenario = Scenario("world", nodes=own[0], versions=versions, course=self._course)
        self.sandbox = Sandbox([scenario], switches=with_overrides(Switches(), plan["switches"]))

    @property
    def runs(self) -> dict[str, Run]:
        """All runs by id, the oldest first."""
        runs = self.sandbox.runs(WORKFLOW)
        return {run.id: Run(run, run.id in self._answered, self._stoppers[run.id]) for run in runs}

    def _course(self, version_id: str | None, input: Mapping[str, Any]) -> Scenario:
        """Return what becomes of a run: fixed by seed, version, question, and how often it was asked."""
        version = next((name for name, id in VERSIONS.items() if id == version_id), "v1")
        asked = f"{self.plan['seed']} {version} {input['Question']}"
        self._turns[asked] += 1
        known, luck = Random(asked), Random(f"{asked} {self._turns[asked]}")
        right = (known.random() >= WRONG[version]) is not (luck.random() < NOISE)
        fate, noise = known.random(), luck.randbytes(luck.choice([4, 40, 2000])).hex()
        pauses = self.climate["pauses"] and fate > 1 - PAUSING
        ended = "failed" if fate < FAILING else sandbox.PAUSED if pauses else "completed"
        text = f"{'right' if right else 'wrong'} {version} äß {noise}"
        every = {
            "Answer": text,
            "Text": f"{text}.",
            "Doc": File("doc.bin", luck.randbytes(luck.choice([10, 9000]))),
        }
        pieces = re.findall(f".{{1,{max(7, len(text) // 40)}}}", text)
        script = node_runs("Write", pieces, 0.03 + luck.random() * self.climate["slowest"])
        script = script if ended == "completed" else [*script[:-1], Emit("Write", "no", ended)]
        output = {name: every[name] for name in self.climate["outputs"]}
        return Scenario("world", script=script, status=ended, output=output)

    def turn(self, request: Request) -> Turn:
        """Return what the request gets: an answer, or what happens to its connection."""
        line = f"{request.method} {urlsplit(request.target).path.removeprefix('/v1/')}"
        matches = ((kind, re.fullmatch(form, line)) for kind, form in SAYS["requests"].items())
        kind, id = next((kind, match[1]) for kind, match in matches if match)
        call = self.calls[request.headers["x-api-key"]]
        with self._lock:
            call.asked[kind] += 1
            met = call.meeting(kind)
        fault = next((each for each in reversed(met) if "do" in each), {})
        takes = fault.get("effect") or fault.get("do") not in {"status", "reset", "drop", "silent"}
        real = self._real(call.key, kind, id, request, fault) if takes or "after" in fault else b""
        given = _spoiled(real, fault, call.key)
        if kind == "start" and not (isinstance(given, bytes) and given[9:10] == b"4"):
            call.starts[json.loads(request.body)["input"]["Question"]] += 1
        for each in met:
            if "signal" in each:
                threading.Timer(each["delay"], call.send, (each["signal"],)).start()
        return given

    def _ask(self, request: Request) -> HTTPResponse:
        """Return the sandbox's answer, not read yet."""
        headers = {name: value for name, value in request.headers.items() if name not in OF_ONE_HOP}
        body = request.body or None
        if body and request.target.endswith("/runs"):
            body = json.dumps({**json.loads(body), "key": headers["x-api-key"]}).encode()
        upstream = HTTPConnection("127.0.0.1", urlsplit(self.sandbox.url).port, timeout=60)
        headers |= {
            "x-api-key": self.sandbox.key,
            "connection": "close",
        }  # its socket is then the answer's
        target = (
            re.sub(r"\bpage=\d+", "page=1", request.target)
            if self.climate["cursors"]
            else request.target
        )
        upstream.request(request.method, target, body, headers)
        return upstream.getresponse()

    def _real(self, key: str, kind: str, id: str, request: Request, fault: Fault) -> Turn:
        if kind == "events":
            return lambda peer: self._stream(peer, request, fault)
        if kind == "stop":
            self._stoppers[id].add(key)
        with closing(self._ask(request)) as response:
            status, body = response.status, response.read()
        skew, digits = timedelta(seconds=self.climate["skew"]), self.climate["digits"]
        headers = {
            name: value for name, value in response.getheaders() if name.lower() not in OF_ONE_HOP
        }
        if status < 300 and response.headers.get_content_type() == "application/json":
            body = json.dumps(self._changed(kind, json.loads(body), fault.get("do", ""))).encode()
            moved = lambda found: (datetime.fromisoformat(found[0]) + skew).isoformat()[:digits]  # noqa: E731
            body = MOMENT.sub(moved, body.decode()).encode()
        elif fault.get("do") == "preview" and response.headers.get_content_maintype() == "text":
            body = body.decode()[:PREVIEW].encode()
        return answer(
            status, body, **headers, Date=format_datetime(datetime.now(UTC) + skew, usegmt=True)
        )

    def _changed(self, kind: str, document: Any, does: str) -> Any:
        """Return an answer as a server gives it that is hasty, or whose lists are behind."""
        climate = self.climate
        if kind == "start":
            self._answered |= {document["id"]} if does in {"", "late", "slow"} else set()
            return document | (
                {"status": "completed", "output": {"Answer": "not yet"}} if climate["hasty"] else {}
            )
        if kind == "list":
            known = {
                id for id, run in self.runs.items() if run.born <= time.time() - climate["lag"]
            }
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
                    part = {"torn": chunk[: len(chunk) // 2], "clean": b"0\r\n\r\n"}.get(
                        fault["do"], b""
                    )
                    return _broken(peer, fault, part)
                passed += b"data:" in chunk
                peer.sendall(chunk * (1 + self.climate["twice"]))
            return peer.sendall(b"0\r\n\r\n")


def _broken(peer: socket.socket, fault: Fault, part: bytes, rest: bytes = b"") -> None:
    """Send a part; then break the connection, or say nothing for a while, and send the rest if it is only late."""
    peer.sendall(part)
    if fault["do"] in {"late", "slow", "silent"}:
        peer.settimeout(fault.get("seconds", 6))
        with suppress(OSError):
            peer.recv(1)  # until the client closes it
    if fault["do"] in {"late", "slow"}:
        peer.sendall(rest)
    elif fault["do"] == "reset":
        reset(peer)


def _spoiled(real: Turn, fault: Fault, key: str) -> Turn:
    """Return what a request gets instead of its real answer."""
    does = fault.get("do", "")
    if does == "status":
        body, form = json.dumps({"detail": f"refused for {key}"}).encode(), "application/json"
        body, form = (HTML, "text/html") if fault.get("body") == "html" else (body, form)
        headers = {"Retry_After": str(fault["retry"])} if "retry" in fault else {}
        return answer(fault["status"], body, Content_Type=form, **headers)
    if does in {"", "without", "preview"} or not isinstance(real, bytes):
        return real
    place = real.index(b"\r\n\r\n") + 4 + len(real) // 3 if does in {"slow", "cut"} else 0
    return lambda peer: _broken(peer, fault, real[:place], real[place:])


# ---- The user: what is called, in which order, and what goes wrong meanwhile.


def invent(seed: int) -> Plan:
    """Return the plan of a seed: a story of rows, and three of runs."""
    user = User(seed)
    user.rows(user.rng.choice(["batch", "batch", "compare", "results", "gate"]))
    for _ in range(3):
        user.one()
    return user.plan


class User:
    """One random user; each story adds its steps."""

    def __init__(self, seed: int) -> None:
        self.rng, self.steps = Random(f"user {seed}"), list[Step]()
        climate, switches = self.pick(SAYS["climate"]), self.pick(SAYS["switches"])
        rare = {name: each for name, each in switches.items() if self.rng.random() < 0.12}
        rare |= {"preview_limit": PREVIEW, "preview_characters": PREVIEW}
        self.plan: Plan = {"seed": seed, "climate": climate, "switches": rare, "steps": self.steps}
        self.words = {
            "W": WORKFLOW,
            **SAYS["words"],
            **{name.upper(): id for name, id in VERSIONS.items()},
        }

    def pick(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return a table with one of each list."""
        return {
            name: self.rng.choice(each) if isinstance(each, list) else each
            for name, each in table.items()
        }

    def line(self, name: str) -> list[str]:
        """Return a command line: for each word its meaning, of each choice one, the innermost first."""
        text = str(SAYS["lines"][name])
        while (
            more := re.sub(r"\b[A-Z]\w*\b", lambda word: self.words.get(word[0], word[0]), text)
        ) != text:
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
        rng, kinds, trouble = (
            self.rng,
            SAYS["kinds"].get(argv[0], SAYS["kinds"]["run"]),
            Step(faults=[]),
        )
        met = [each for each in SAYS["together"] if re.match(each["lines"], " ".join(argv))]
        if met and rng.random() < 0.4:
            return {"faults": rng.choice(met)["faults"]}
        for kind in rng.choices(kinds, k=rng.choice([0, 1, 1, 2, 3, 4])):
            fault = self.pick(
                {"times": [1, 1, 1, 2, 4, 40], **SAYS["faults"][rng.choice(SAYS["trouble"][kind])]}
            )
            trouble["faults"].append({"at": [kind, rng.choice([1, 1, 1, 2, 2, 3, 5])], **fault})
        if rng.random() < 0.12 and "-o" not in argv:
            trouble |= rng.choice([{"close": rng.choice([0, 1, 50, 400])}, {"twins": True}])
        return trouble

    def one(self) -> None:
        """A run, and what becomes of it."""
        first = self.call(self.line("start"))
        for _ in range(self.rng.randint(0, 2)):
            self.words["RUN"] = self.rng.choice([f"{{{first}}}", f"{{{first}}}", "@last"])
            self.call(self.line("then"))
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            self.call(["fetch-output", f"{{{first}}}", "--wait", "--json"], calm=True)

    def rows(self, verb: str) -> None:
        """Rows asked in one call, or in two to be compared or joined; then what has become of them."""
        size = self.rng.choice((2, 4) if verb == "gate" else (2, 4, 8, 12))
        table = [[f"r{number}", f"question {number}"] for number in range(size)]
        self.steps.append({"file": "rows.csv", "rows": table})
        lines = [self.line(name) for name in SAYS["lines"] if name.split()[0] == verb]
        for line in lines:
            self.through(line)
        if verb == "batch":
            self.more(lines[0], table)
        asked = [
            "results" if verb == "batch" else verb,
            *(Call("", line, {}).directory for line in lines),
        ]
        asked += self.line("judge")
        for _ in range(0 if verb == "gate" else 2):
            self.call(asked, calm=True)

    def more(self, line: list[str], table: list[list[str]]) -> None:
        """Edit rows of a batch, or ask some again."""
        if self.rng.random() < 0.3 and "--expect" not in line:
            place = self.rng.randrange(0, len(table), 2)
            edited = [
                *table[:place],
                ["r-x", "an edited row"],
                *table[place + 1 :],
                ["r-y", "an added row"],
            ]
            self.steps.append({"file": line[2], "rows": edited})
            self.through([*line, "--resume", "--allow-changed-input"])
        elif self.rng.random() < 0.6:
            again = self.rng.choice(["failed", "failed", "red", "red", "doubtful", "stopped"])
            for _ in range(self.rng.randint(1, 3)):
                self.call([*line, "--again", again])
            self.through([*line, "--resume"])

    def through(self, line: list[str]) -> None:
        """Call a batch, with trouble, and continue it until it is done; then once more."""
        again = line if line[0] == "gate" or "--resume" in line else [*line, "--resume"]
        for turn in range(self.rng.randint(1, 3)):
            self.call(again if turn else line)
            version = line[line.index("--version-id") :][:2] if "--version-id" in line else []
            for number in (
                range(3) if self.rng.random() < 0.3 else []
            ):  # somebody else asks the same
                others = [
                    "run",
                    WORKFLOW,
                    f"Question=question {number}",
                    "Count=7",
                    *version,
                    "--detach",
                ]
                self.call(others, calm=True)
        self.steps.append({"grow": True})
        for _ in range(self.rng.choice([1, 2])):
            self.call(again, calm=True)


# ---- A plan played: real processes of noxcli in a directory of their own.

LONGEST = 100.0  # seconds of one call, after which it hangs
SLACK, SOON = 2.5, 0.5  # seconds: for a busy machine, and after which an answer has arrived
TIGHT, WIDE = "size=32k", "remount,size=8m"  # of the disk below small/, until it grows
PLACES = {"HOME": "home", "TMPDIR": "tmp", "NOXCLI_STATE_DIR": "state", "NOXCLI_CACHE_DIR": "cache"}


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
    asked: Counter[str] = field(default_factory=Counter)  # its requests, by kind
    starts: Counter[str] = field(default_factory=Counter)  # those that got no 4xx, by question
    met: int = 0  # faults
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.verb, self.faults = self.argv[0], self.step.get("faults", [])
        self.directory = self.option("--output-dir") or (
            f"{self.argv[2]}.batch" if self.verb == "batch" else ""
        )
        disturbed = self.faults or {"close", "twins"} & self.step.keys() or "--timeout" in self.argv
        self.limit = float(self.option("--timeout").rstrip("s") or LONGEST - SLACK - 1)
        self.calm = not disturbed and not self.directory.startswith("small/")
        self.repeat, self.shard = (
            int(self.option("--repeat") or 1),
            (self.option("--shard") or "1/1").split("/"),
        )

    @property
    def killed(self) -> bool:
        """True if it was left no time to clean up."""
        return any(name == "KILL" for _, name in self.sent) or len(self.sent) > 1

    def option(self, name: str) -> str:
        return self.argv[self.argv.index(name) + 1] if name in self.argv else ""

    def meeting(self, kind: str) -> list[Fault]:
        """Return what goes wrong with its latest request of a kind."""
        near = [
            (each, self.asked[kind] - each["at"][1])
            for each in self.faults
            if each["at"][0] == kind
        ]
        met = [each for each, later in near if later in range(each.get("times", 1))]
        self.met += any("do" in each for each in met)
        return met

    def meets(self, *kinds: str) -> bool:
        """True if something may go wrong with a request of these kinds."""
        return any("do" in each and each["at"][0] in kinds for each in self.faults)

    def send(self, name: str) -> None:
        if self.process is not None and self.process.poll() is None:
            self.sent.append((time.time(), name))
            with suppress(ProcessLookupError):
                self.process.send_signal(getattr(signal, f"SIG{name}"))


class Story:
    """A plan as it is played."""

    def __init__(self, world: World, place: Path, url: str) -> None:
        self.world, self.url, self.place, self.cwd = world, url, place, place / "cwd"
        self.tables: dict[str, list[list[str]]] = {}  # ids and questions, by file
        self.adopted: set[str] = set()

    def play_all(self) -> Iterator[Call]:
        """Play each step, and yield each call once it has ended."""
        for step in self.world.plan["steps"]:
            if "argv" in step:
                yield from self._play(step)
            elif "grow" in step:
                mount(WIDE, self.cwd / "small")
            else:
                self.tables[step["file"]] = step["rows"]
                lines = [
                    "id,Question,Count",
                    *(f"{id},{question},7" for id, question in step["rows"]),
                ]
                (self.cwd / step["file"]).write_text("\n".join(lines))

    def _play(self, step: Step) -> list[Call]:
        known = self.world.calls
        ids = {f"{{{known[run.key].name}}}": run.id for run in self.world.runs.values()}
        argv = [
            ids.get(word, str(UUID(int=7))) if word.startswith("{") else word
            for word in step["argv"]
        ]
        calls = [Call(step["name"], argv, step)]
        calls += [Call(f"{step['name']}+", argv, {"twins": True})] * ("twins" in step)
        known |= {call.key: call for call in calls}
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._run, calls))
        return calls

    def _run(self, call: Call) -> None:
        env = {name: str(self.place / each) for name, each in PLACES.items()} | {
            "PATH": os.environ["PATH"]
        }
        env |= {"NOXUS_BACKEND_URL": self.url, "NOXUS_API_KEY": call.key, "LANG": "C.UTF-8"}
        command, env["NOXCLI_IDLE_TIMEOUT"] = [str(forks.directory() / "noxcli"), *call.argv], "2s"
        with tempfile.TemporaryFile() as err:
            call.began = time.time()
            call.process = subprocess.Popen(
                command,
                cwd=self.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
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


@contextmanager
def playing(plan: Plan) -> Iterator[Story]:
    """Yield a plan that is ready to be played; afterwards, nothing of it is left."""
    world = World(plan)
    subprocess.run(
        [forks.directory() / "noxcli", "--version"], stdout=subprocess.DEVNULL, check=True
    )  # loads it
    with (
        tempfile.TemporaryDirectory() as directory,
        world.sandbox,
        raw_server(by_request=world.turn) as gateway,
    ):
        story = Story(world, Path(directory), gateway.url)
        for name in ("cwd/small", "state", "tmp"):
            (story.place / name).mkdir(parents=True)
        for name, text in SAYS["files"].items():
            (story.cwd / name).write_text(text)
        mount(TIGHT, story.cwd / "small")
        try:
            yield story
        finally:
            subprocess.run(
                ["umount", "--lazy", story.cwd / "small"], capture_output=True, check=False
            )


def mount(options: str, place: Path) -> None:
    """Mount a disk, if this user may do that."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False
    )


# ---- The oracle.

ORDER = [
    129,
    130,
    143,
    141,
    70,
    2,
    4,
    7,
    6,
    75,
    5,
    124,
    10,
    1,
    3,
    11,
    9,
    8,
    0,
]  # § 7: the first one of several
ENDED = {"completed": 0, "failed": 1, "stopped": 3, sandbox.PAUSED: 10}
STARTING, READING, OF_A_TABLE = (
    {"run", "rerun"},
    {"run", "rerun", "stream", "fetch-output"},
    {"batch", "gate"},
)
OF_A_SIDE = 21  # places of a row and a side in a gate


class Oracle:
    """What must hold whatever happens, after a call that has just ended; § is a section of the contract."""

    def __init__(self, story: Story, call: Call) -> None:
        self.story, self.call, self.runs = story, call, story.world.runs
        self.everything = [*story.world.calls.values()]
        self.calls = [
            each for each in self.everything if each.directory and each.directory == call.directory
        ]
        self.own_keys = {each.key for each in self.calls}  # of the calls of this batch
        self.own = self.started(call)
        self.is_table = call.verb in OF_A_TABLE
        self.stored = self.read(call.directory) if self.is_table else []
        journal = story.cwd / call.directory / "batch.jsonl"
        self.journal = journal.read_text() if self.is_table and journal.exists() else ""
        self.form = "json" if "--json" in call.argv else call.option("--format") or "text"
        lines = [
            json.loads(line)
            for line in call.out.splitlines()
            if line[:1] == b"{" and line[-1:] == b"}"
        ]
        lines = [line.get("result") or (line["data"] if "seq" in line else line) for line in lines]
        self.results = [
            each for each in lines if each and each.get("schema") == "noxcli.result/1"
        ]  # that it printed
        # The run that it is about: the one that it has started, or that it names.
        self.run = (
            self.own[0]
            if self.own
            else None
            if call.verb in STARTING
            else self.runs.get(call.argv[1])
        )

    def problems(self) -> Iterator[str]:
        """Yield what the call has broken: a check is a method whose text begins with its section."""
        for name, check in vars(Oracle).items():
            if (check.__doc__ or "").startswith("§"):
                try:
                    check(self)
                except AssertionError as error:
                    yield f"{self.call.name} {name}: {error}"

    def started(self, *calls: Call) -> list[Run]:
        return [run for run in self.runs.values() if run.key in {call.key for call in calls}]

    def table(self, call: Call) -> dict[str, str]:
        """The ids, by question, of the rows that a call is to run."""
        (part, parts), limit = call.shard, int(call.option("--limit") or 99)
        rows = self.story.tables[call.argv[2]][int(part) - 1 :: int(parts)][:limit]
        return {
            question: id
            for id, question in rows
            if "--only" not in call.argv or id in SAYS["files"]["ids"]
        }

    def run_of(self, result: dict[str, Any]) -> Run | None:
        return self.runs.get((result["run"] or {}).get("id", ""))

    def read(self, directory: str) -> list[tuple[dict[str, Any], Run | None]]:
        """The stored results of a directory, each with its run."""
        path = self.story.cwd / directory / "results.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return [(line, self.run_of(line["result"])) for line in whole]

    def code_of(self, run: Run | None) -> int:
        """The exit code of a run, judged as the call judges."""
        if run is None or run.truth != "completed":
            return ENDED[run.truth] if run else 7
        other = "--expect" in self.call.argv and run.question == "question 0"
        return 11 if other or ("--assert" in self.call.argv and not run.right) else 0

    def is_unsure(self) -> bool:
        """True if a start of the batch may have got no answer."""
        return any(each.sent or each.meets("start") for each in self.calls)

    def documents_parse(self) -> None:
        """§ 4 to 6: --json is one document, ndjson one event a line and the result last, both with the exit code."""
        call = self.call
        if call.killed or "close" in call.step:
            return
        check_stdout(call.out)
        if call.verb in READING and self.form in {"json", "ndjson"}:
            lines = [json.loads(line) for line in call.out.splitlines()]
            assert [each["exit_code"] for each in self.results] == [call.code], (
                f"{call.code}: {call.out[-300:]!r}"
            )
            numbers = [*range(1, len(lines) + 1)] if self.form == "ndjson" else [None]
            assert [line.get("seq") for line in lines] == numbers, (
                f"{len(lines)} lines: {call.out[-300:]!r}"
            )
            is_known = self.form == "ndjson" and self.results[0]["run"] is not None
            assert (lines[0].get("type") == "noxcli.started") is is_known, (
                f"it begins with {lines[0]}"
            )

    def codes_have_causes(self) -> None:
        """§ 7: never 70, nor a code that is nobody's; what a signal, a limit or a reader ends with has had one."""
        call, sent = self.call, {name for _, name in self.call.sent}
        causes = {
            70: False,
            -9: "KILL" in sent,
            141: "close" in call.step,
            124: "--timeout" in call.argv,
        }
        causes |= {
            128 + getattr(signal, f"SIG{name}"): name in sent for name in ("HUP", "INT", "TERM")
        }
        assert causes.get(call.code, call.code in ORDER), (
            f"exit code {call.code} without a cause: {call.err[-500:]}"
        )
        assert "Traceback" not in call.err, call.err[-1500:]

    def time_is_bounded(self) -> None:
        """§ 9: --timeout is exceeded by 1 s at most, a signal by an answer (5 s), a stop (5 s) and 1 s."""
        call = self.call
        began, most = (call.sent[0][0], 11.0) if call.sent else (call.began, call.limit + 1)
        assert call.ended - began <= most + SLACK, (
            f"took {call.ended - began:.1f} s instead of {most} s {call.sent}"
        )

    def nothing_is_elsewhere(self) -> None:
        """§ 15, 16: the key is nowhere; nothing is written but what was named, nor left half unless it was killed."""
        place, printed = self.story.place, self.call.out.decode(errors="replace") + self.call.err
        named = [
            *SAYS["files"],
            *self.story.tables,
            *(each.option("-o") for each in self.everything),
        ]
        named += [each.directory for each in self.everything]
        known = ("state/", "cache/", *(f"cwd/{name}" for name in named if name))
        for path in filter(Path.is_file, place.rglob("*")):
            printed += path.read_text(errors="replace")
            is_named = str(path.relative_to(place)).startswith(known) and path.suffix != ".part"
            assert is_named or any(each.killed for each in self.everything), f"{path} was written"
        assert self.call.key not in printed, "the key is in a file or was printed"

    def one_start_for_one_intent(self) -> None:
        """§ 5, 7, 8, 12: a start is sent once; what may be repeated (75), or is a mistake (2), has started nothing."""
        call, is_gate = self.call, self.call.verb == "gate"
        most = 2 * OF_A_SIDE if is_gate else call.repeat * (call.verb in {*STARTING, "batch"})
        assert max(call.starts.values(), default=0) <= most, f"starts sent: {call.starts}"
        safe = (
            call.code == 75
            or (call.code == 2 and not is_gate)
            or any(each["retry_safe"] for each in self.results)
        )
        whole = (
            call.verb in {*STARTING, "gate"} and "twins" not in call.step
        )  # one of two waits for the other
        runs = self.started(*(self.calls if is_gate else [call]))
        assert not (safe and whole and runs), (
            f"a run exists, and the code is {call.code}: {call.err[-300:]}"
        )

    def runs_are_named(self) -> None:
        """§ 8, 10: once its start is answered, a run is in the history or the batch's journal, even after kill -9."""
        call, known = self.call, str([*(self.story.place / "state").iterdir()])
        if self.is_table:
            known = self.journal + call.err * call.directory.startswith(
                "small/"
            )  # a disk without room
        delayed = max(
            [
                0.0,
                *(fault.get("seconds", 0.0) for fault in call.faults if fault["at"][0] == "start"),
            ]
        )
        end = (
            call.sent[0][0] if call.killed else call.began + call.limit
        )  # later answers may not have been read
        for run in self.own:
            is_read = run.answered and run.born < end - delayed - SOON
            assert run.id in known or not is_read, (
                f"{run.id} of {run.input} is nowhere: {call.code} {call.err[-500:]}"
            )

    def rows_start_once(self) -> None:
        """§ 10: --resume repeats nothing that finished or may have been started; --again what it names, once."""
        runs = self.started(*self.calls) if self.call.verb == "batch" else []
        for place, run in enumerate(runs):
            same = [each for each in runs[:place] if each.question == run.question][
                -self.call.repeat :
            ]
            is_more = run.key == self.call.key and len(same) == self.call.repeat
            told = [(each.id, each.truth) for each in [*same, run]]
            assert not is_more or any(map(self.is_excused, same)), (
                f"{run.input} was started again: {told}"
            )

    def is_excused(self, run: Run) -> bool:
        """True if a run is a reason to start its row again in this call."""
        first = next(place for place, each in enumerate(self.calls) if each.key == run.key)
        begun, later = self.calls[first], self.calls[first : self.calls.index(self.call)]
        is_over = any(each.code in {0, 1, 9, 11} for each in later)
        why = {run.truth} | ({"doubtful"} if begun.sent or not run.answered else set())
        why |= (
            {"red"}
            if self.code_of(run) and (is_over or begun.option("--again") != "red")
            else set()
        )
        asked = {each.option("--again") for each in [*later[1:], self.call] if each is not begun}
        return bool(why & asked) or (run.truth == "stopped" and bool(run.stoppers & self.own_keys))

    def only_what_fits_is_adopted(self) -> None:
        """§ 10, 12: a row in doubt adopts the one run that fits; of several, none. A gate adopts nothing."""
        adopted = self.story.adopted
        theirs = [
            run for run in self.runs.values() if not (run.key in self.own_keys and run.answered)
        ]
        sees = not self.story.world.climate["lag"] and not self.call.meets("list")
        for run in [run for run in theirs if run.id in self.journal and run.id not in adopted]:
            adopted.add(run.id)
            like = [each for each in theirs if (each.input, each.named) == (run.input, run.named)]
            fits = [each for each in like if each.born < self.call.began]
            is_right = self.call.verb != "gate" and not (sees and len(fits) > self.call.repeat)
            assert is_right, f"run {run.id} of {run.input} was adopted, one of {len(fits)}"

    def inputs_are_sent_as_meant(self) -> None:
        """§ 3, 10: a text that parses as the declared type is sent as that, and by --resume as before."""
        earlier = [
            run.input["Count"] for run in self.started(*self.calls) if run.key != self.call.key
        ]
        is_known = 7 in earlier or not self.call.meets("workflow", "versions")
        for run in self.own:
            assert run.input["Count"] == 7 or not is_known, f"sent {run.input}"

    def verdicts_are_true(self) -> None:
        """§ 1, 5, 10: a result is of a run of this intent, with the status of its record and its whole output."""
        results = (
            [] if "--detach" in self.call.argv else self.results
        )  # there, 0 only says that it was started
        for result in [*results, *(line["result"] for line, _ in self.stored)]:
            code, run = result["exit_code"], self.run_of(result)
            if code in {0, 1, 3, 10, 11} or (run is None and result["run"] is not None):
                assert run, f"of a run that nobody has: {result}"
                told = {(run.truth, ENDED[run.truth]), (run.truth, 11)}
                assert (result["run"]["status"], code) in told, (
                    f"of a run that has {run.truth}: {result}"
                )
                if code in {0, 11} and self.call.verb != "wait":
                    self.require_whole(run, result["output"])

    def require_whole(self, run: Run, output: Any) -> None:
        """Compare an output with the run's."""
        for name, whole in run.output.items():
            there = value = output.get(name)
            if isinstance(value, dict):
                content = (
                    (self.story.cwd / value["$file"]).read_bytes() if "$file" in value else b""
                )
                there = (
                    content if isinstance(whole, bytes) else content.decode() or value.get("text")
                )
                there = whole if "uri" in value else there
            assert there == whole, (
                f"{name} of run {run.id} is {value!r:.200} instead of {whole!r:.200}"
            )

    def text_is_whole(self) -> None:
        """§ 4, 9: text is on stdout as a whole if the code is 0, or not at all; content is all of it, or 9."""
        call, run, text = self.call, self.run, self.call.out.decode(errors="replace")
        if (
            call.verb not in READING
            or {"--json", "ndjson", "--detach"} & {*call.argv}
            or "close" in call.step
        ):
            return
        may_be_part = self.form == "content" or call.killed or (call.code == 9 and call.directory)
        assert not call.code or may_be_part or not text, (
            f"exit code {call.code}, and stdout has {text[:100]!r}"
        )
        if call.code or run is None:
            return
        whole = next(iter(run.output.values()))
        if "--output-dir" in call.argv:
            assert all((self.story.cwd / path).is_file() for path in text.splitlines()), text
        elif self.form == "text" and len(run.output) > 1:
            self.require_whole(run, json.loads(text))
        else:
            is_warned = len(run.output) > 1 and "warning" in call.err
            assert is_warned or text.removesuffix("\n") == whole, (
                f"{text!r:.200} instead of {whole!r:.200}"
            )

    def files_are_whole(self) -> None:
        """§ 16: what a manifest lists is there, and is that output of that run."""
        for path in self.story.cwd.rglob("manifest.json"):
            document = json.loads(path.read_text())
            for entry in document["files"]:
                whole = self.runs[document["run"]["id"]].output[entry["pointer"].split("/")[1]]
                content, there = (
                    whole if isinstance(whole, bytes) else whole.encode(),
                    path.parent / entry["name"],
                )
                assert (there.read_bytes(), entry["sha256"]) == (
                    content,
                    sha256(content).hexdigest(),
                ), there

    def calm_calls_are_right(self) -> None:
        """§ 7, 10: undisturbed, the exit code is that of the truth."""
        call, runs = self.call, list[Run | None]()
        if call.calm and "--detach" not in call.argv and call.verb in READING:
            runs = [self.run] if self.run and (call.code, self.form) != (9, "content") else []
        elif (
            call.calm
            and call.verb == "batch"
            and not {"--repeat", "--again"} & {*call.argv}
            and not self.is_unsure()
        ):
            own = {run.question: run for run in self.started(*self.calls)}
            runs = [own.get(question) for question in self.table(call)]
        code = min(map(self.code_of, runs), key=ORDER.index, default=call.code)
        assert call.code == code, f"exit code {call.code} instead of {code}: {call.err[-600:]}"

    def results_are_stored_once(self) -> None:
        """§ 10, 12: each result is stored once, of its row and side; what noxcli has stopped is none, nor in doubt."""
        call, counted = self.call, Counter((line["row"], line["id"]) for line, _ in self.stored)
        is_over = call.verb == "batch" and call.calm and call.code in {0, 1, 3}
        assert call.sent or call.code == 75 or counted.total() == len(counted), (
            f"a row has several results: {counted}"
        )
        for line, run in self.stored:
            if run is not None:
                told = f"row {line['row']} with {line['input']} has run {run.id} of {run.named} for {run.input}"
                assert run.question == line["input"]["Question"], told
                assert not (is_over and run.truth == "stopped" and run.stoppers & self.own_keys), (
                    f"{told}, stopped"
                )
                if call.verb == "gate":
                    row, side = divmod((line["row"] - 1) // OF_A_SIDE, 2)
                    asked = [*self.table(call)][row], call.option(["--base", "--new"][side])
                    assert (run.question, run.named) == asked, told
        is_doubtful = call.verb == "batch" and call.code == 7 and not self.is_unsure()
        assert not is_doubtful, f"in doubt without a lost start: {call.err[-500:]}"

    def results_agree(self) -> None:
        """§ 10: results has one line for each row of all shards, and the worst row's code."""
        call, batches = self.call, [each for each in self.everything if each.verb == "batch"]
        last = {each.directory: each for each in batches if each.directory in call.argv}.values()
        if call.verb == "results" and call.code != 2 and last:
            lines, repeat = (
                [json.loads(line) for line in call.out.splitlines()],
                max(each.repeat for each in last),
            )
            rows, codes = (
                sum(len(self.table(each)) for each in last),
                [line["result"]["exit_code"] for line in lines],
            )
            told = len(lines), len({line["row"] for line in lines})
            assert told == (rows * repeat, rows), f"{told} lines and rows of {rows}"
            assert repeat > 1 or call.code == min(codes, key=ORDER.index), (
                f"exit code {call.code} of rows with {codes}"
            )

    def comparisons_agree(self) -> None:
        """§ 12: a row that is good in BASE and bad in NEW is broken, and 11."""
        call = self.call
        if call.verb == "compare" and "--assert" in call.argv and call.code != 2:
            base, new = (
                {line["id"]: run for line, run in self.read(place) if run}
                for place in call.argv[1:3]
            )
            both = [each for each in {*base} & {*new} if base[each].input == new[each].input]
            broken = {
                each
                for each in both
                if not self.code_of(base[each]) and self.code_of(new[each]) in {1, 11}
            }
            told = {
                line.split("\t")[1]
                for line in call.out.decode().splitlines()
                if line.startswith("broken\t")
            }
            assert told == broken, f"{told} instead of {broken} are broken: {call.err[-400:]}"
            assert (call.code == 11) is bool(broken), (
                f"exit code {call.code}, and {broken} are broken"
            )

    def the_same_line_changes_nothing(self) -> None:
        """§ 2, 10, 12: the same line again, undisturbed, starts nothing and says the same."""
        call, before = self.call, self.everything[max(0, self.everything.index(self.call) - 1)]
        asks = "--again" in call.argv or (
            call.verb == "gate" and self.story.world.climate["pauses"]
        )  # once more
        if asks or not (
            call.calm and before.calm and before is not call and before.argv == call.argv
        ):
            return
        if self.is_table and before.code in {0, 1, 11}:
            assert not self.own, f"it has started {len(self.own)} runs"
            assert call.verb == "gate" or not call.out, f"it has printed {call.out[:200]!r}"
        if call.verb != "batch":
            told = [
                [each["output"] or None for each in one.results]
                for one in (Oracle(self.story, before), self)
            ]
            said, says = (before.code, told[0]), (call.code, told[1])
            assert said == says, f"exit code and outputs were {said}, and are {says}"


# ---- Many plans.

COUNTED: Counter[str] = Counter()  # what was played


def found_by(plan: Plan) -> list[str]:
    """Play a plan, up to the first call that breaks something, and return what it breaks."""
    with playing(plan) as story:
        found = next(
            filter(None, ([*Oracle(story, call).problems()] for call in story.play_all())), []
        )
        calls = story.world.calls.values()
        sent = Counter(name for call in calls for _, name in call.sent)
        COUNTED.update(
            commands=len(calls), runs=len(story.world.runs), faults=sum(call.met for call in calls)
        )
        COUNTED.update(kills=sent["KILL"], signals=sent.total() - sent["KILL"])
    return found


def smaller(plan: Plan) -> Iterator[Plan]:
    """Yield the plan without one of its steps, the last first, or without one thing that goes wrong there."""
    steps = plan["steps"]
    for place, step in reversed([*enumerate(steps)]):
        faults = step.get("faults", [])
        less = [
            {**step, "faults": faults[:each] + faults[each + 1 :]} for each in range(len(faults))
        ]
        for way in [[], *([each] for each in less)]:
            yield {**plan, "steps": [*steps[:place], *way, *steps[place + 1 :]]}


def shrunk(plan: Plan, found: list[str], seconds: float = 300) -> Plan:
    """Return the smallest plan that breaks the same, as far as it is found in that time."""
    broken, end = found[0].split()[1], time.monotonic() + seconds
    for less in smaller(plan):
        if time.monotonic() < end and any(said.split()[1] == broken for said in found_by(less)):
            return shrunk(less, found, end - time.monotonic())
    return plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--keep", type=Path, help="shrink what fails, and keep it in this directory"
    )
    options = parser.parse_args()
    began, failed = time.monotonic(), 0
    plans = [invent(seed) for seed in range(options.first, options.first + options.count)]
    with ThreadPoolExecutor(2) as pool:
        for plan, found in zip(plans, pool.map(found_by, plans), strict=True):
            if found:
                failed += 1
                print(f"seed {plan['seed']}: {'; '.join(found)}", flush=True)
            if found and options.keep:
                small = json.dumps(
                    {**shrunk(plan, found), "found": found}, indent=1, ensure_ascii=False
                )
                (options.keep / f"{plan['seed']}.json").write_text(f"{small}\n")
    told = ", ".join(f"{count} {what}" for what, count in sorted(COUNTED.items()))
    print(
        f"{len(plans)} scenarios in {time.monotonic() - began:.0f} s, {failed} of them broken: {told}"
    )
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
