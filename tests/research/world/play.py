"""A plan as it is played: real processes of noxcli in a directory of their own."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from tests import forks
from tests.rawserver import raw_server
from tests.research.world.plan import SAYS, SECRET, Fault, Plan, Step
from tests.research.world.pulse import Pulse
from tests.research.world.server import Asked, World

LONGEST = 100.0  # seconds of one call, after which it hangs, on a machine that is busy as usual
SLACK = 2.5  # seconds, for a machine that is busy as usual
SOON = 0.5  # seconds, after which an answer has arrived
TIGHT, WIDE = "size=32k", "remount,size=8m"  # of the disk below small/, until it grows
PLACES = {"HOME": "home", "TMPDIR": "tmp", "NOXCLI_STATE_DIR": "state", "NOXCLI_CACHE_DIR": "cache"}
# Trouble with reads that is over after one request has to be survived.
PASSING = {"record": {"status", "reset", "silent", "cut", "drop", "late", "slow"}}
PASSING["events"] = PASSING["record"] | {"torn", "clean"}
PASSING["file"] = {"reset", "cut", "drop", "late", "slow"}
READ_AGAIN = dict.fromkeys(("record", "lookup", "list", "stop", "workflow"), PASSING["record"])
READ_AGAIN |= {"events": PASSING["events"], "file": PASSING["file"]}
READ_AGAIN["list"] = READ_AGAIN["list"] | {"shift"}
TEMPORARY = {401, 403, 404, 410, 429, 500, 502, 503, 504}  # once: a read is repeated
STARTING = {"run", "rerun", "batch", "gate"}


@dataclass(eq=False)
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
    requests: list[Asked] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)  # its requests, by kind
    starts: Counter[str] = field(default_factory=Counter)  # those that got no 4xx, by question
    met: int = 0  # faults
    told: tuple[int, list[Any]] = (0, [])  # its code, and the outputs that it printed
    lacks_answers: bool = False  # a gate that asks again if it is called again
    kept: bytes | None = None  # what the file of -o had before
    texts: dict[str, str] = field(default_factory=dict)  # the files as they were
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # in a kept column, by question
    slowness: float = 1.0  # of the machine, meanwhile
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.verb = self.argv[0]
        self.faults = self.step.get("faults", [])
        self.directory = self.option("--output-dir")
        if self.verb == "batch" and not self.directory:
            self.directory = f"{self.argv[2]}.batch"
        if self.verb == "gate" and not self.directory:
            self.directory = f"{self.argv[2]}.gate"
        self.repeat = int(self.option("--repeat") or 1)
        self.shard = (self.option("--shard") or "1/1").split("/")

    @property
    def limit(self) -> float:
        """The seconds that it may take."""
        given = self.option("--timeout")
        if given:
            return float(given.rstrip("s"))
        return (LONGEST - SLACK) * self.slowness - 1

    @property
    def calm(self) -> bool:
        """True if nothing went wrong that could change how it ends."""
        if self.sent or {"close", "twins"} & self.step.keys() or "--timeout" in self.argv:
            return False
        if self.directory.startswith("small/"):
            return False
        return all(self.survives(asked) for asked in self.requests if asked.fault)

    def survives(self, asked: Asked) -> bool:
        """True if a call is not changed by a fault that a request has met."""
        fault = asked.fault
        if fault.get("every"):
            return True
        if fault.get("times", 1) > 1:
            return False
        if self.verb not in STARTING:
            is_over = fault.get("status") == 429 or fault.get("status", 0) >= 500
            does = fault["do"] if fault["do"] != "status" or is_over else ""
            return does in READ_AGAIN.get(asked.kind, set())
        if fault["do"] == "status" and asked.kind == "record":
            return fault["status"] in TEMPORARY
        if fault["do"] == "status" and asked.kind == "file":
            return bool(fault["status"] >= 500)
        return fault["do"] in PASSING.get(asked.kind, set())

    @property
    def killed(self) -> bool:
        """True if it was left no time to clean up."""
        return any(name == "KILL" for _, name in self.sent) or len(self.sent) > 1

    def starts_late(self) -> bool:
        """True if --timeout may have come before the answer to a start, on a busy machine."""
        if self.verb not in STARTING or "--timeout" not in self.argv:
            return False
        answers = [asked.answered for asked in self.requests if asked.kind == "start"]
        last = self.began + self.limit - SLACK * self.slowness
        return not answers or min(answers) == 0 or max(answers) > last

    def option(self, name: str) -> str:
        return self.argv[self.argv.index(name) + 1] if name in self.argv else ""

    def meeting(self, kind: str) -> list[Fault]:
        """Return what goes wrong with its latest request of a kind."""
        met = []
        for each in self.faults:
            of_kind, first = each["at"]
            later = self.asked[kind] - first
            if of_kind == kind and later in range(0, each.get("times", 1), each.get("every", 1)):
                met.append(each)
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

    def __init__(self, world: World, place: Path, url: str, pulse: Pulse) -> None:
        self.world = world
        self.pulse = pulse
        self.url = url
        self.place = place
        self.cwd = place / "cwd"
        self.tables: dict[str, list[list[str]]] = {}  # ids and questions, by file
        self.notes: dict[str, str] = {}  # in a kept column of the table, by question
        self.adopted: set[str] = set()
        self.steps: list[Step] = []  # that have begun
        self.texts: dict[str, str] = dict(SAYS["files"])
        self.altered: dict[Path, bytes] = {}  # files that are the user's now

    def play_all(self) -> Iterator[Call]:
        """Play each step, and yield each call once it has ended."""
        self.world.welcome_strangers()
        for step in self.world.plan["steps"]:
            if "begun" in step and not self.has_begun(step["begun"]):
                continue
            if "hidden" in step and not self.has_results(step["argv"]):
                continue
            self.steps.append(step)
            if "argv" in step:
                yield from self._play(step)
            elif "grow" in step:
                mount(WIDE, self.cwd / "small")
            elif "tear" in step:
                self._tear(self.cwd / f"{step['tear']}.jsonl")
            elif "alter" in step:
                self._alter(self.cwd / step["alter"], is_listed=step["listed"])
            elif "redefine" in step:
                self.world.redefined = step["redefine"]
            elif "hide" in step:
                self._move(step["hide"], f"{step['hide']}.hidden")
            elif "show" in step:
                self._move(f"{step['show']}.hidden", step["show"])
            elif "text" in step:
                self.texts[step["file"]] = step["text"]
                path = self.cwd / step["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step["text"])
            else:
                self._write_table(step)

    def _write_table(self, step: Step) -> None:
        self.tables[step["file"]] = step["rows"]
        self.notes = step.get("notes", {})
        header = step.get("header", "id,Question,Count")
        lines = [header]
        for row in step["rows"]:
            lines.append(row_line(header, row, self.notes))
        (self.cwd / step["file"]).write_text("\n".join(lines))

    def has_results(self, argv: list[str]) -> bool:
        """True if a batch has stored a result."""
        path = self.cwd / Call("", argv, {}).directory / "results.jsonl"
        return path.exists() and b"\n" in path.read_bytes()

    def _tear(self, path: Path) -> None:
        """Add half a line to a file, as a process leaves it that is killed while it writes."""
        if path.exists():
            with path.open("a") as file:
                file.write('{"row":1,"st')

    def _alter(self, directory: Path, *, is_listed: bool) -> None:
        """Change files to others of the same length, which a manifest lists, or which are the user's."""
        for path in directory.glob("*"):
            if path.name != "manifest.json":
                path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
                if not is_listed:
                    self.altered[path] = path.read_bytes()
            elif not is_listed:
                path.unlink()

    def _move(self, before: str, after: str) -> None:
        if (self.cwd / before).exists():
            (self.cwd / before).rename(self.cwd / after)

    def has_begun(self, question: str) -> bool:
        """True if a batch has run a question, or anything if that is empty."""
        for run in self.runs_of_calls():
            is_of_batch = self.world.calls[run.key].verb == "batch"
            is_interrupted = run.truth == "stopped" and bool(run.stoppers)
            if is_of_batch and question in {"", run.question} and not is_interrupted:
                return True
        return False

    def _play(self, step: Step) -> list[Call]:
        known = self.world.calls
        ids = {f"{{{known[run.key].name}}}": run.id for run in self.runs_of_calls()}
        argv = []
        for word in step["argv"]:
            argv.append(ids.get(word, str(UUID(int=7))) if word.startswith("{") else word)
        calls = [Call(step["name"], argv, step)]
        if "twins" in step:
            calls.append(Call(f"{step['name']}+", argv, {"twins": True}))
        if "beside" in step:
            calls.append(Call(f"{step['name']}+", step["beside"], {}))
        for call in calls:
            call.texts = {**self.texts}
            call.tables = {**self.tables}
            call.notes = {**self.notes}
            known[call.key] = call
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._run, calls))
        return calls

    def runs_of_calls(self) -> list:  # type: ignore[type-arg]
        """Return the runs that calls have started, the oldest first."""
        return [run for run in self.world.runs.values() if run.key in self.world.calls]

    def _run(self, call: Call) -> None:
        env = {name: str(self.place / each) for name, each in PLACES.items()}
        env |= {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "NOXCLI_IDLE_TIMEOUT": "2s"}
        env |= {"NOXUS_BACKEND_URL": self.url, "NOXUS_API_KEY": call.key, "ASKED": SECRET}
        kept = self.cwd / call.option("-o") if "-o" in call.argv else None
        if kept is not None and kept.exists():
            call.kept = kept.read_bytes()
        with tempfile.TemporaryFile() as err:
            call.began = time.time()
            call.process = subprocess.Popen(
                [str(forks.directory() / "noxcli"), *call.argv],
                cwd=self.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
            )
            is_over = threading.Event()
            threading.Thread(target=self._end_if_it_hangs, args=(call, is_over)).start()
            with call.process.stdout as out:  # type: ignore[union-attr]  # a pipe
                call.out = out.read(call.step.get("close", -1))
            call.code = call.process.wait()
            call.ended = time.time()
            call.slowness = self.pulse.slowness(call.began, call.ended)
            is_over.set()
            err.seek(0)
            call.err = err.read().decode()
        if kept is not None and kept.exists():
            call.out = kept.read_bytes()

    def _end_if_it_hangs(self, call: Call, is_over: threading.Event) -> None:
        while not is_over.wait(1):
            now = time.time()
            if now - call.began > LONGEST * self.pulse.slowness(call.began, now):
                call.process.kill()  # type: ignore[union-attr]  # it has begun
                return


def row_line(header: str, row: list[str], notes: dict[str, str]) -> str:
    """Return a line of a table: its id, if the table has ids, its question, a count, and a note."""
    words = row if header.startswith("id") else row[1:]
    note = [notes[row[1]]] if row[1] in notes else []
    return ",".join([*words, "7", *note])


@contextmanager
def playing(plan: Plan) -> Iterator[Story]:
    """Yield a plan that is ready to be played; afterwards, nothing of it is left."""
    world = World(plan)
    noxcli = [str(forks.directory() / "noxcli"), "--version"]
    subprocess.run(noxcli, stdout=subprocess.DEVNULL, check=True)  # loads it
    with (
        tempfile.TemporaryDirectory() as directory,
        world.sandbox,
        raw_server(by_request=world.turn) as gateway,
        Pulse() as pulse,
    ):
        story = Story(world, Path(directory), gateway.url, pulse)
        for name in ("cwd/small", "state", "tmp"):
            (story.place / name).mkdir(parents=True)
        for name, text in SAYS["files"].items():
            (story.cwd / name).write_text(text)
        mount(TIGHT, story.cwd / "small")
        try:
            yield story
        finally:
            unmount = ["umount", "--lazy", str(story.cwd / "small")]
            subprocess.run(unmount, capture_output=True, check=False)


def mount(options: str, place: Path) -> None:
    """Mount a disk, if this user may do that."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    subprocess.run(command, capture_output=True, check=False)
