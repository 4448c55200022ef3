"""What tests share: a sandbox, and noxcli called in this process as the shell calls it."""

import gc
import io
import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

from noxcli.app import run_argv
from noxcli.cli.context import Context
from noxcli.render.terminal import Terminal
from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.timing import Clock
from tests import documents, forks
from tests.process import environment, needs
from tests.rawserver import RawServer, Turn, raw_server

# How many examples a random test plays: `--hypothesis-profile=wide` for many.
settings.register_profile("plain", settings.default, max_examples=30, deadline=None, database=None)
settings.register_profile("wide", settings.get_profile("plain"), max_examples=250)
settings.load_profile("plain")

NUMBERS = count()  # of temporary directories
LONG_SETUP = 0.1  # seconds; a longer setup or teardown appears in --durations


@dataclass(frozen=True)
class Result:
    """The result of a command line."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The NDJSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The server's events among the NDJSON lines, as the server keeps them."""
        return [
            {"type": line["type"], "data": line["data"], "redisId": line["redis_id"]}
            for line in self.lines
            if not line["type"].startswith("noxcli.")
        ]

    @property
    def codes(self) -> dict[int, int]:
        """The exit code of each row of a batch among the lines."""
        return {line["row"]: line["result"]["exit_code"] for line in self.lines}

    @property
    def own(self) -> list[str]:
        """The client's own lines among the NDJSON lines, by name."""
        return [
            line["type"].removeprefix("noxcli.")
            for line in self.lines
            if line["type"].startswith("noxcli.")
        ]


class Screen(io.BytesIO):
    """A stdout that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class QuickClock(Clock):
    """Sleeps are recorded, not slept: time jumps instead."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._ahead += seconds
        super().sleep(0.001)


class WrongClock(QuickClock):
    """Its time of day is off."""

    def __init__(self, off: timedelta = timedelta()) -> None:
        super().__init__()
        self.off = off

    def now(self) -> datetime:
        return super().now() + self.off


class Turning(Clock):
    """Stands still until a test advances it."""

    def __init__(self) -> None:
        self.now_is = 1000.0

    def monotonic(self) -> float:
        return self.now_is


@dataclass
class Noxcli:
    """Calls noxcli in this process, with real HTTP."""

    environ: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=QuickClock)

    @property
    def state(self) -> Path:
        """Where it keeps its history."""
        return Path(self.environ["NOXCLI_STATE_DIR"])

    def __call__(
        self, *argv: str, tty: bool = False, environ: dict[str, str] | None = None
    ) -> Result:
        out, err = io.BytesIO(), io.StringIO()
        variables = {**self.environ, **(environ or {})}
        elsewhere = any(word.startswith("--base-url") for word in argv)
        if elsewhere and "NOXUS_BACKEND_URL" not in (environ or {}):
            # Beside its own address, the environment's key is for no other one.
            variables.pop("NOXUS_BACKEND_URL", None)
        terminal = Terminal(out, err, interactive=tty, environ=variables)
        code = run_argv(argv, Context(terminal, clock=self.clock))
        documents.check_stdout(out.getvalue())
        return Result(int(code), out.getvalue(), err.getvalue())

    def on_screen(self, *argv: str, code: int = 0, **environ: str) -> list[str]:
        """Return the lines that a terminal of 80 columns shows, without colors, if `environ` does not say otherwise."""
        screen, err = Screen(), io.TextIOWrapper(io.BytesIO(), "utf-8")
        environ = {**self.environ, "NO_COLOR": "1", "COLUMNS": "80", **environ}
        with patch.dict(os.environ, environ):
            assert run_argv(argv, Context(Terminal(screen, err, environ=environ))) == code
        return screen.getvalue().decode().splitlines()

    def against(
        self, turns: Sequence[Turn], *argv: str, environ: dict[str, str] | None = None
    ) -> tuple[Result, RawServer]:
        """Call it against a server that gives these answers, the last one forever; return the server, too."""
        with raw_server(*turns) as server:
            return self(*argv, environ={**(environ or {}), "NOXUS_BACKEND_URL": server.url}), server

    def start(self, workflow: str, *argv: str) -> str:
        """Start a run and leave it alone; return its id."""
        return self("run", workflow, *argv, "--detach").text.strip()

    def ended(self, workflow: str, *argv: str) -> str:
        """Start a run, wait for its end, whatever that is, and return its id."""
        run = self.start(workflow, *argv)
        self("wait", run)
        return run


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(BUILT_IN, speed=1000) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, without anything from other tests."""
    shared_sandbox.reset(BUILT_IN)
    yield shared_sandbox
    shared_sandbox.break_connections()


@pytest.fixture
def plays(sandbox: Sandbox, request: pytest.FixtureRequest) -> Any:
    """Adds a scenario under a name unique to this test; returns the workflow's id."""

    def add(**scenario: Any) -> str:
        return sandbox.add(Scenario(request.node.name, **scenario))

    return add


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new directory, named as pytest names it, but without its link to each: that takes longer than the directory."""
    return _new_directory(tmp_path_factory, re.sub(r"\W", "_", request.node.name)[:30])


def _new_directory(factory: pytest.TempPathFactory, name: str) -> Path:
    path = factory.getbasetemp() / f"{name}{next(NUMBERS)}"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def noxcli(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Noxcli:
    own = _new_directory(tmp_path_factory, "own")
    return Noxcli(
        {
            "NOXUS_BACKEND_URL": sandbox.url,
            "NOXUS_API_KEY": sandbox.key,
            "NOXCLI_STATE_DIR": str(own / "state"),
            "NOXCLI_CACHE_DIR": str(own / "cache"),
            "TERM": "xterm-256color",
        }
    )


@pytest.fixture
def env(sandbox: Sandbox) -> dict[str, str]:
    """What a process needs to find the sandbox."""
    return environment(sandbox.url)


@pytest.fixture(scope="module")
def lively() -> Iterator[Sandbox]:
    """A sandbox in which a slow run is still running when another command reads it."""
    with Sandbox(BUILT_IN, speed=30) as sandbox:
        yield sandbox


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, if this user may mount one."""
    directory = tmp_path / "small"
    directory.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", directory],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount")
    yield directory
    subprocess.run(
        ["umount", "--lazy", directory], check=True
    )  # an error may still hold a file open


def self_signed(path: Path, *options: str) -> Path:
    """Write a self-signed certificate for 127.0.0.1, with its private key in the same file."""
    needs("openssl")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    subject = [
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        "-",
        "-out",
        "-",
    ]
    path.write_text(
        subprocess.run(
            [*command, *subject, *options], check=True, capture_output=True, text=True
        ).stdout
    )
    return path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "both.pem", "-days", "2")


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS, trusted through REQUESTS_CA_BUNDLE."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def pytest_configure(config: pytest.Config) -> None:
    """Let each worker begin with another file: one rewrites a test module, and the others use its bytecode."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # so a shell starts what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if (
        signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    ):  # so nohup does; processes that tests start are not to inherit it
        signal.signal(signal.SIGHUP, lambda *_: None)
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    worker = getattr(config, "workerinput", None)
    if worker is None and config.getoption("numprocesses", None):
        forks.share()
    if worker and config.args_source is config.ArgsSource.TESTPATHS:
        files = sorted(map(str, config.rootpath.glob("tests/**/test_*.py")))
        first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        config.args = files[first:] + files[:first]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Require that processes of their own run this tree, not another one that is installed here."""
    if hasattr(session.config, "workerinput"):
        return
    command = [sys.executable, "-c", "import noxcli; print(noxcli.__file__)"]
    done = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, check=False)
    if done.stdout.strip() != str(forks.ROOT / "noxcli" / "__init__.py"):
        raise pytest.UsageError(
            f"install this tree with pip install -e . (processes would run {done.stdout or 'none'})"
        )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Do not search for garbage what is collected: it stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the tests that are marked as long first, the longest of all at the beginning."""
    marked = {item: next((mark.args[0] for mark in item.iter_markers("long")), 0) for item in items}
    items.sort(
        key=lambda item: (-marked[item], str(item.path))
    )  # in one order, wherever a worker began to collect
    long, short = (
        [item for item in items if marked[item]],
        [item for item in items if not marked[item]],
    )
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = [item for left in range(workers, 0, -1) for item in _share(long, short, left)]


def _share(long: list[pytest.Item], short: list[pytest.Item], left: int) -> list[pytest.Item]:
    """Take out a worker's share, long tests first: xdist cuts the list into as many equal parts as it has workers."""
    size = (len(long) + len(short)) // left
    taken = long[::left]
    del long[::left]
    few = max(0, size - len(taken))
    taken += short[:few]
    del short[:few]
    return taken


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Let a worker send one report for a test that passed, instead of five messages: they took as long as its setup."""
    if not hasattr(item.config, "workerinput"):
        return None
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    passed = all(
        report.passed and report.duration < LONG_SETUP
        for report in reports
        if report.when != "call"
    )
    for report in reports:
        if report.when == "call" or not passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that are marked with a missing program; on CI, let them fail."""
    for mark in item.iter_markers("engine"):
        for program in mark.args:
            needs(program)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keep the user's own settings, proxies and files away, and check what noxcli writes against its schema."""
    for name in list(os.environ):
        if name.startswith(("NOXUS_", "NOXCLI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield
    documents.check_files(tmp_path)


def piped(text: str) -> io.TextIOWrapper:
    """stdin as Python has it, with this text."""
    return io.TextIOWrapper(io.BytesIO(text.encode()))


def posts(sandbox: Sandbox) -> list[str]:
    """Return the paths that were posted to: starts, uploads and stops."""
    return [request.path for request in sandbox.requests if request.method == "POST"]


def asked(sandbox: Sandbox, workflow: str) -> Counter[str]:
    """Return how many runs each input `Q` of a workflow has had."""
    return Counter(run.input["Q"] for run in sandbox.runs(workflow))


def write_rows(*rows: str | Mapping[str, Any], name: str = "rows.jsonl") -> str:
    """Write a file of rows, in which a text is the only input, `Q`, and return its name."""
    lines = [{"Q": row} if isinstance(row, str) else row for row in rows]
    Path(name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return name


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass the count of documents to the reporting process."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["documents"] = dict(documents.counted)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    documents.counted.update(Counter(getattr(node, "workeroutput", {}).get("documents", {})))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report how many documents were checked against their schemas."""
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(documents.counted.items()))
    terminalreporter.write_line(f"{documents.counted.total()} documents fit their schemas: {kinds}")
