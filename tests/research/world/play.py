"""One plan played: real processes of noxcli in a directory of their own, against the server."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests import forks
from tests.rawserver import raw_server
from tests.research.world.server import Asked, World, uuid_of
from tests.research.world.user import Plan, Step

LONGEST = 60.0  # seconds of one call, after which it hangs
TIGHT, WIDE = "32k", "8m"  # of the disk below small/, until it grows


@dataclass
class Call:
    """One process of noxcli, from its command line to its end; times are seconds since 1970."""

    name: str
    key: str
    argv: list[str]
    step: Step
    began: float = field(default_factory=time.time)
    ended: float = 0.0
    code: int = 0
    out: bytes = b""  # or what -o has written
    err: str = ""
    sent: list[tuple[float, str]] = field(default_factory=list)  # signals, while it ran
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def verb(self) -> str:
        return self.argv[0]

    @property
    def killed(self) -> bool:
        """True if it was left no time to clean up."""
        return any(name == "KILL" for _, name in self.sent) or len(self.sent) > 1

    @property
    def calm(self) -> bool:
        """True if nothing disturbed it."""
        disturbed = self.step.keys() & {"faults", "signals", "close", "twins"}
        return not disturbed and "--timeout" not in self.argv and "small/" not in f"{self.directory}"

    @property
    def delayed(self) -> float:
        """How many seconds later an answer may have come."""
        return max((fault.get("seconds", 0.0) for fault in self.step.get("faults", ())), default=0.0)

    @property
    def directory(self) -> str | None:
        """The directory that it writes to."""
        return self.option("--output-dir") or (f"{self.argv[2]}.batch" if self.verb == "batch" else None)

    def option(self, name: str) -> str | None:
        return self.argv[self.argv.index(name) + 1] if name in self.argv else None

    def meets(self, kind: str) -> bool:
        """True if something may go wrong with a request of this kind."""
        return any(fault["at"][0] == kind for fault in self.step.get("faults", ()))


@dataclass
class Story:
    """A plan as it is played."""

    plan: Plan
    world: World
    place: Path
    url: str
    calls: list[Call] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)  # the texts of files, by name

    @property
    def cwd(self) -> Path:
        return self.place / "cwd"

    def play_all(self) -> Iterator[Call]:
        """Play each step, and yield each call once it has ended."""
        for step in self.plan["steps"]:
            if "file" in step:
                self.tables[step["file"]] = step["text"]
                (self.cwd / step["file"]).write_text(step["text"])
            elif "grow" in step:
                _mount(f"remount,size={WIDE}", self.cwd / "small")
            else:
                yield from self._play(step)

    def _play(self, step: Step) -> list[Call]:
        names = [step["name"], f"{step['name']}+"] if "twins" in step else [step["name"]]
        argv = [self._meant(word) for word in step["argv"]]
        calls = [Call(name, f"sk-{uuid_of(self.plan['seed'], name)}", argv, step) for name in names]
        for fault in step.get("faults", ()):
            kind, first = fault["at"]
            self.world.faults |= {(calls[0].key, kind, first + more): fault for more in range(fault["times"])}
        self.world.watch = lambda asked: self._signal(calls[0], asked)
        threads = [threading.Thread(target=self._run, args=(call,)) for call in calls]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.calls += calls
        return calls

    def _meant(self, word: str) -> str:
        """Return a word of a command line: for the name of an earlier call, its run."""
        keys = [call.key for call in self.calls if f"{{{call.name}}}" == word]
        ids = [run.id for run in self.world.runs.values() if run.key in keys]
        return [*ids, uuid_of("no run")][0] if word.startswith("{") else word

    def _run(self, call: Call) -> None:
        own = {"HOME": "home", "TMPDIR": "tmp", "NOXCLI_STATE_DIR": "state", "NOXCLI_CACHE_DIR": "cache"}
        env = {"NOXUS_BACKEND_URL": self.url, "NOXUS_API_KEY": call.key, "NOXCLI_IDLE_TIMEOUT": "2s", "LANG": "C.UTF-8"}
        env |= {name: str(self.place / each) for name, each in own.items()} | {"PATH": os.environ["PATH"]}
        command = [str(forks.directory() / "noxcli"), *call.argv]
        with tempfile.TemporaryFile() as err:
            process = call.process = subprocess.Popen(
                command, cwd=self.cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err
            )
            timer = threading.Timer(LONGEST, process.kill)
            timer.start()
            with process.stdout as out:  # type: ignore[union-attr]  # a pipe
                call.out = out.read(call.step.get("close", -1))
            call.code, call.ended = process.wait(), time.time()
            timer.cancel()
            err.seek(0)
            call.err = err.read().decode()
        if (kept := call.option("-o")) and (self.cwd / kept).exists():
            call.out = (self.cwd / kept).read_bytes()

    def _signal(self, call: Call, asked: Asked) -> None:
        """Send a call its signals once it asks for what they wait for."""
        for each in call.step.get("signals", ()):
            if asked == (call.key, *each["at"]):
                threading.Timer(each["delay"], self._send, (call, each["send"])).start()

    def _send(self, call: Call, name: str) -> None:
        if call.process is not None and call.process.poll() is None:
            call.sent.append((time.time(), name))
            with suppress(ProcessLookupError):
                call.process.send_signal(getattr(signal, f"SIG{name}"))


@contextmanager
def playing(plan: Plan) -> Iterator[Story]:
    """Yield a plan that is ready to be played; afterwards, nothing of it is left."""
    place, world = Path(tempfile.mkdtemp(prefix="world-")), World(plan["seed"], plan["climate"])
    small = place / "cwd/small"
    for each in (small, place / "state", place / "tmp"):
        each.mkdir(parents=True)
    mounted = any("grow" in step for step in plan["steps"]) and _mount(f"size={TIGHT}", small)
    try:
        with raw_server(by_request=world.turn) as server:
            yield Story(plan, world, place, server.url)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", small], check=False)
        shutil.rmtree(place)


def _mount(options: str, place: Path) -> bool:
    """Return whether this user may do that."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
