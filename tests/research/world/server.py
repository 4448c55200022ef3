"""The server of a random world: the sandbox, whose answers are fixed, behind a gateway with troubles."""

import json
import re
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPConnection, HTTPResponse
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from noxcli.sandbox import run as sandbox
from noxcli.sandbox.scenario import File, Node, Scenario, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, node_runs
from noxcli.sandbox.switches import Switches, with_overrides
from tests.rawserver import Request, Turn, answer, reset
from tests.research.world.plan import JUDGE, PREVIEW, SAYS, VERSIONS, WORKFLOW, Fault, Plan

if TYPE_CHECKING:
    from tests.research.world.play import Call

# The share of questions that a version answers wrong, for good; some answers also differ by chance.
WRONG = {"v1": 0.15, "v2": 0.4, "v3": 0.15}
FAILING = 0.12
STOPPING = 0.04  # by somebody else
PAUSING = 0.06
NOISE = 0.05
# Of judgements: those that say the opposite, and those that are none.
ERRING = 0.08
SILENT = 0.05
STRANGER = "stranger"  # the key of somebody else
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
OF_ONE_HOP = {"content-length", "transfer-encoding", "connection", "date", "server", "host"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")
REFUSING = {"status", "reset", "drop", "silent"}  # what happens instead of the request, if it does
# How a run ends, by the letter of its fate; the rest of the letter is its answer.
STATUSES = {"f": "failed", "-": "stopped", "p": sandbox.PAUSED}


@dataclass(eq=False)
class Asked:
    """One request of a call, and what it got; times are seconds since 1970."""

    kind: str
    id: str
    at: float
    query: Mapping[str, str]
    headers: Mapping[str, str]
    fault: Fault = field(default_factory=dict)
    status: int = 0  # 0: no whole answer
    is_json: bool = False
    answered: float = 0.0  # when the answer was on its way
    positions: list[str] = field(default_factory=list)  # that this connection has sent


class Run:
    """A run, and what it has ended as, or will."""

    def __init__(self, run: sandbox.Run, answered: bool, stoppers: set[str]) -> None:
        self.id = run.id
        self.key = run.body["key"]
        self.born = run.created_at.timestamp()
        self.input = run.input
        self.question = str(run.input["Question"])
        self.named = run.body.get("workflow_version_id")  # the version in its record
        is_known = run.ended or run.status == sandbox.PAUSED
        self.truth = run.status if is_known else run.course.status
        self.output: dict[str, Any] = plain(run.course.output)
        self.right = str(self.output["Answer"]).startswith("right")
        self.score = self.output.get("Score")
        self.is_judgement = "Answer" in self.input
        self.answered = answered  # its start, but for a cut
        self.stoppers = stoppers  # keys
        self.ended = run.ended
        self.sandbox = run

    def is_over(self, when: float) -> bool:
        """True if it had ended by then."""
        finished = self.sandbox.finished_at
        return finished is not None and finished.timestamp() <= when

    @property
    def events(self) -> list[tuple[str, Any]]:
        """All of them so far."""
        return [(each["type"], each["data"]) for each in self.sandbox.events]


def plain(value: Any) -> Any:
    """Return an output with the bytes of its files."""
    if isinstance(value, File):
        return value.content
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


class World:
    """The sandbox, and what happens on the way to it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.climate = plan["climate"]
        self.calls: dict[str, Call] = {}  # by key
        self.redefined = ""  # the name of a version that somebody has edited
        self.uploads: dict[str, bytes] = {}  # whole requests, by the file's id
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
        versions = []
        for name, id in VERSIONS.items():
            own = [*nodes, Node("Write", config={"prompt": name})]
            versions.append(Version(name, nodes=own, id=id))
        scenario = Scenario(
            "world", nodes=versions[0].nodes, versions=versions, course=self._course
        )
        judge = Scenario(
            "judge",
            nodes=[input_node("Question"), input_node("Answer"), output_node("Answer")],
            course=self._judgement,
        )
        self.sandbox = Sandbox(
            [scenario, judge], switches=with_overrides(Switches(), plan["switches"])
        )

    @property
    def runs(self) -> dict[str, Run]:
        """All runs by id, the oldest of a workflow first, those of the judge last."""
        found = {}
        for run in [*self.sandbox.runs(WORKFLOW), *self.sandbox.runs(JUDGE)]:
            found[run.id] = Run(run, run.id in self._answered, self._stoppers[run.id])
        return found

    def welcome_strangers(self) -> None:
        """Start what somebody else has started before the user comes."""
        for each in self.plan.get("strangers", []):
            self._begin(each["question"], each["version"], each["age"])

    def _begin(self, question: str, version: str | None, age: float) -> None:
        """Start a run of somebody else."""
        body = {
            "input": {"Question": question, "Count": 7},
            "key": STRANGER,
            "workflow_version_id": version,
        }
        upstream = self._connection()
        headers = {"x-api-key": self.sandbox.key, "content-type": "application/json"}
        upstream.request("POST", f"/v1/workflows/{WORKFLOW}/runs", json.dumps(body), headers)
        with closing(upstream.getresponse()) as response:
            id = json.loads(response.read())["id"]
        run = next(run for run in self.sandbox.runs(WORKFLOW) if run.id == id)
        run.created_at -= timedelta(seconds=age)

    def _course(self, version_id: str | None, input: Mapping[str, Any]) -> Scenario:
        """Return what becomes of a run: fixed by seed, version, question, and how often it was asked."""
        version = next((name for name, id in VERSIONS.items() if id == version_id), "v1")
        question = str(input["Question"])
        asked = f"{self.plan['seed']} {version} {question}"
        fate = self.plan.get("fates", {}).get(question, {}).get(version)
        turn, luck = self._turn_of(asked)
        if fate is None:
            letter = self._letter(version, Random(asked), luck)
        else:
            letter = fate[min(turn, len(fate)) - 1]
        outputs = self.climate["outputs"]
        return self._played(version, letter, luck, outputs, is_quick=fate is not None)

    def _turn_of(self, asked: str) -> tuple[int, Random]:
        """Return how often this was asked, now included, and the chance of this time."""
        with self._lock:
            self._turns[asked] += 1
            turn = self._turns[asked]
        return turn, Random(f"{asked} {turn}")

    def _judgement(self, _version_id: str | None, input: Mapping[str, Any]) -> Scenario:
        """Return what becomes of a judgement: mostly what the answer is, fixed like a run."""
        asked = f"{self.plan['seed']} judge {input['Answer']}"
        _, luck = self._turn_of(asked)
        is_right = str(input["Answer"]).startswith("right")
        if luck.random() < ERRING:
            is_right = not is_right
        letter = "g" if is_right else "b"
        if luck.random() < SILENT:
            letter = luck.choice("f-")
        return self._played("judge", letter, luck, ["Answer"], is_quick=True)

    def _letter(self, version: str, known: Random, luck: Random) -> str:
        """Return a fate by chance: g right, b wrong, f failed, - stopped, p paused."""
        is_right = known.random() >= WRONG[version]
        end = known.random()
        if luck.random() < NOISE:
            is_right = not is_right
        if end < FAILING:
            return "f"
        if end < FAILING + STOPPING:
            return "-"
        if self.climate["pauses"] and end > 1 - PAUSING:
            return "p"
        return "g" if is_right else "b"

    def _played(
        self, version: str, letter: str, luck: Random, outputs: list[str], *, is_quick: bool
    ) -> Scenario:
        """Return how a run with this fate is played."""
        ended = STATUSES.get(letter, "completed")
        noise = luck.randbytes(luck.choice([4, 40, 2000])).hex()
        text = f"{'wrong' if letter == 'b' else 'right'} {version} äß {noise}"
        longest = {"body": f"{noise} end", "kind": "page"}
        every = {
            "Answer": text,
            "Text": f"{text}.",
            "Doc": File("doc.bin", luck.randbytes(luck.choice([10, 9000]))),
            "Deep": {"pages": [longest, {"notes": ["short", f"{noise * 2}!"]}], "count": 7},
        }
        pieces = re.findall(f".{{1,{max(7, len(text) // 40)}}}", text)
        seconds = 0.02 if is_quick else 0.03 + luck.random() * self.climate["slowest"]
        seconds = LONG.get(letter, seconds)
        script = node_runs("Write", pieces[:3] if is_quick else pieces, seconds)
        if is_quick and len(pieces) > 3:
            script = [*script[:-1], Emit("Write", "".join(pieces[3:])), script[-1]]
        if ended != "completed":
            script = [*script[:-1], Emit("Write", "no", "failed")]
        every["Score"] = SCORES[letter] + luck.choice([0, 0, 0, 0.5])
        output = {name: every[name] for name in outputs}
        return Scenario("world", script=script, status=ended, output=output)

    def turn(self, request: Request) -> Turn:
        """Return what the request gets: an answer, or what happens to its connection."""
        kind, id = kind_of(request)
        call = self.calls[request.headers["x-api-key"]]
        query = {name: each[-1] for name, each in parse_qs(urlsplit(request.target).query).items()}
        asked = Asked(kind, id, time.time(), query, request.headers)
        with self._lock:
            call.asked[kind] += 1
            call.requests.append(asked)
            met = call.meeting(kind)
        fault = next((each for each in reversed(met) if "do" in each), {})
        asked.fault = fault
        if fault.get("do") == "shift":  # a run begins, so that each page begins one run later
            self._begin(f"meanwhile {call.asked[kind]}", None, 0)
        takes_effect = fault.get("effect") or fault.get("do") not in REFUSING
        real: Turn = b""
        if takes_effect or "after" in fault:
            real = self._real(call.key, asked, request, fault)
        given = _spoiled(real, fault, call.key)
        self._note_answer(asked, given, fault)
        if kind == "start" and not 400 <= asked.status < 500:
            start = json.loads(request.body)
            asked.query = {"version": start.get("workflow_version_id") or ""}
            call.starts[asked_of(start["input"])] += 1
        for each in met:
            if "signal" in each:
                threading.Timer(each["delay"], call.send, (each["signal"],)).start()
        return given

    def _note_answer(self, asked: Asked, given: Turn, fault: Fault) -> None:
        """Note what the request got, as far as that is a whole answer."""
        asked.answered = time.time()
        if isinstance(given, bytes):
            asked.status = int(given[9:12])
            asked.is_json = b"application/json" in given.partition(b"\r\n\r\n")[0]
        elif fault.get("do") in {"late", "slow"}:
            asked.status = 200
            asked.answered += fault.get("seconds", 6)

    def _connection(self) -> HTTPConnection:
        port = urlsplit(self.sandbox.url).port
        return HTTPConnection("127.0.0.1", port, timeout=60)

    def _ask(self, request: Request) -> HTTPResponse:
        """Return the sandbox's answer, not read yet."""
        headers = {name: value for name, value in request.headers.items() if name not in OF_ONE_HOP}
        body = request.body or None
        if body and request.target.endswith("/runs"):
            body = json.dumps({**json.loads(body), "key": headers["x-api-key"]}).encode()
        headers["x-api-key"] = self.sandbox.key
        headers["connection"] = "close"  # its socket is then the answer's
        target = request.target
        if self.climate["cursors"]:
            target = re.sub(r"\bpage=\d+", "page=1", target)
        upstream = self._connection()
        upstream.request(request.method, target, body, headers)
        return upstream.getresponse()

    def _real(self, key: str, asked: Asked, request: Request, fault: Fault) -> Turn:
        kind = asked.kind
        if kind == "events":
            return lambda peer: self._stream(peer, asked, request, fault)
        if kind == "stop":
            self._stoppers[asked.id].add(key)
        with closing(self._ask(request)) as response:
            status = response.status
            body = response.read()
        does = fault.get("do", "")
        if status < 300 and response.headers.get_content_type() == "application/json":
            document = self._changed(kind, json.loads(body), does)
            if kind == "upload":
                self.uploads[document["id"]] = request.body
            body = MOMENT.sub(self._moved, json.dumps(document)).encode()
            if self.redefined:
                old, new = (f'"prompt": "{self.redefined}{edit}"' for edit in ("", ", edited"))
                body = body.replace(old.encode(), new.encode())
        elif does == "preview" and response.headers.get_content_maintype() == "text":
            body = body.decode()[:PREVIEW].encode()
        headers = {}
        for name, value in response.getheaders():
            if name.lower() not in OF_ONE_HOP:
                headers[name] = value
        skew = timedelta(seconds=self.climate["skew"])
        date = format_datetime(datetime.now(UTC) + skew, usegmt=True)
        return answer(status, body, **headers, Date=date)

    def _moved(self, found: re.Match[str]) -> str:
        """Return a moment by the server's clock, as exact as that server writes it."""
        skew = timedelta(seconds=self.climate["skew"])
        moment = datetime.fromisoformat(found[0]) + skew
        return moment.isoformat()[: self.climate["digits"]]

    def _changed(self, kind: str, document: Any, does: str) -> Any:
        """Return an answer as a server gives it that is hasty, or whose lists are behind."""
        if kind == "start":
            if does in {"", "late", "slow"}:
                self._answered.add(document["id"])
            if self.climate["hasty"]:
                return document | {"status": "completed", "output": {"Answer": "not yet"}}
        if kind == "list":
            return self._list(document, does)
        return document

    def _list(self, document: Any, does: str) -> Any:
        """Return a page of a list that lags, repeats an item, or pages by cursors."""
        known = set()
        for id, run in self.runs.items():
            if run.born <= time.time() - self.climate["lag"]:
                known.add(id)
        items = [each for each in document["items"] if each["id"] in known]
        if does == "without":
            items = items[1:]
        if self.climate["twice"]:
            items += items[-1:]
        if not self.climate["cursors"]:
            return {**document, "items": items}
        has_more = document["page"] < document["pages"]
        return {"items": items, "next_cursor": "more" if has_more else None}

    def _stream(self, peer: socket.socket, asked: Asked, request: Request, fault: Fault) -> None:
        """Pass on the run's events, until their end or the fault."""
        with closing(self._ask(request)) as response:
            asked.status = response.status
            if response.status != 200:
                return peer.sendall(answer(response.status, response.read(), Connection="close"))
            peer.sendall(STREAM)
            frame = b""
            passed = 0
            for line in response:
                frame += line
                if line.strip():
                    continue
                chunk = b"%x\r\n%s\r\n" % (len(frame), frame)
                is_event = b"data:" in frame
                if is_event and passed == fault.get("after"):
                    parts = {"torn": chunk[: len(chunk) // 2], "clean": b"0\r\n\r\n"}
                    return _broken(peer, fault, parts.get(fault["do"], b""))
                if is_event:
                    passed += 1
                    asked.positions += re.findall(r'"redisId": ?"([^"]+)"', frame.decode())
                frame = b""
                peer.sendall(chunk * (1 + self.climate["twice"]))
            return peer.sendall(b"0\r\n\r\n")


SCORES = {"g": 4, "l": 4, "m": 4, "G": 2, "b": 1, "f": 0, "-": 0, "p": 0}
LONG = {"l": 20.0, "m": 13.0}  # seconds that a run with such a fate takes


def asked_of(input: Mapping[str, Any]) -> str:
    """Return the question that a start asks, or the answer that it has judged."""
    return str(input["Question"] if "Count" in input else input["Answer"])


def kind_of(request: Request) -> tuple[str, str]:
    """Return what a request asks for, and the id in it."""
    line = f"{request.method} {urlsplit(request.target).path.removeprefix('/v1/')}"
    for kind, form in SAYS["requests"].items():
        match = re.fullmatch(form, line)
        if match:
            return kind, match[1]
    raise ValueError(line)


def _broken(peer: socket.socket, fault: Fault, part: bytes, rest: bytes = b"") -> None:
    """Send a part; then break the connection, or say nothing, and send the rest if it is only late."""
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
        return _refusal(fault, key)
    if does in {"", "without", "shift", "preview"} or not isinstance(real, bytes):
        return real
    place = 0
    if does in {"slow", "cut"}:
        place = real.index(b"\r\n\r\n") + 4 + len(real) // 3
    return lambda peer: _broken(peer, fault, real[:place], real[place:])


def _refusal(fault: Fault, key: str) -> bytes:
    headers = {}
    if "retry" in fault:
        headers["Retry_After"] = str(fault["retry"])
        if fault.get("dated"):
            moment = datetime.now(UTC) + timedelta(seconds=fault["retry"] + 0.99)
            headers["Retry_After"] = format_datetime(moment, usegmt=True)
    if fault.get("body") == "html":
        return answer(fault["status"], HTML, Content_Type="text/html", **headers)
    body = json.dumps({"detail": f"refused for {key}"}).encode()
    return answer(fault["status"], body, Content_Type="application/json", **headers)
