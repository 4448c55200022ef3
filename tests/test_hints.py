"""Each command line that noxcli prints for people to paste works as it stands, in a real shell."""

import ast
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import noxcli as package
from noxcli.app import VERBS
from noxcli.sandbox.faults import Answer, LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.steps import Emit, Sleep, node_fails
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, piped
from tests.process import HUNG, NOXCLI, needs, running
from tests.sample import one_in

SOURCE = Path(package.__file__).parent
# Up to the punctuation after it, or to the words of its sentence.
PASTED = re.compile(r"noxcli (?:[a-z-]+\b[^;()\n]*|--help)")
SENTENCE = re.compile(r" (?:has them all|lists them|again|to )\b.*")
STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
FOREVER = [Emit("Work", "hello"), Sleep(60_000)]
UNREACHABLE = Answer(502, "<html>bad gateway</html>", repeat=True)
STUBBORN = {"stop_seconds": 60_000.0}
# Exit codes of a command that could not be run as printed.
MISUNDERSTOOD = {2, 4, 5, 70, 75, 126, 127}
# What a command that may run forever gets.
LIMITS = {
    **{verb: ["--timeout", "0.2s"] for verb in ("wait", "stream", "stop", "batch")},
    "sandbox": ["--", "true"],
}
# How noxcli learns of the server, and the shell that the lines are then for.
SHELLS = {"environment": "dash", "options": "bash"}

Situation = Callable[[Any, Any, pytest.MonkeyPatch], Result]


@dataclass
class Routed(Noxcli):
    """noxcli with options that name the server, which the environment names wrongly."""

    options: Sequence[str] = ()

    def __call__(self, *argv: str, **more: Any) -> Result:
        return super().__call__(*self.of(argv), **more)

    def of(self, argv: Sequence[str]) -> list[str]:
        return [*argv, *([] if argv[0] in {"help", "schema"} else self.options)]

    def cut_off(self, *argv: str, when: Callable[[], bool]) -> Result:
        """Press Ctrl-C on a process of its own at that moment."""
        with running(*self.of(argv), env={**os.environ, **self.environ}) as process:
            end = time.monotonic() + HUNG
            while not when():
                assert time.monotonic() < end
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=HUNG)
        return Result(process.returncode, out, err.decode())


def started(noxcli: Routed) -> Callable[[], bool]:
    """Whether a run is in the history, which is written before anything is shown."""
    return lambda: any(Path(noxcli.environ["NOXCLI_STATE_DIR"]).rglob("*.json"))


def detached(noxcli: Noxcli, workflow: str) -> str:
    return noxcli("run", workflow, "--detach").text.strip()


def failing_batch(noxcli: Noxcli, plays: Any, _: pytest.MonkeyPatch) -> Result:
    Path("my rows.jsonl").write_text('{"Q": "a"}\n')
    return noxcli(
        "batch", plays(nodes=[input_node("Q")], script=node_fails("Work", "no ink"), status="failed"), "my rows.jsonl"
    )


def late_batch(noxcli: Noxcli, plays: Any, _: pytest.MonkeyPatch) -> Result:
    Path("rows.jsonl").write_text('{"Q": "a"}\n')
    return noxcli("batch", plays(nodes=[input_node("Q")], script=FOREVER), "rows.jsonl", "--timeout", "1s")


def wrong_batch(noxcli: Noxcli, *_: Any) -> Result:
    Path("rows.jsonl").write_text('{"Qestion": "a"}\n')
    return noxcli("batch", "qa", "rows.jsonl")


def lost_batch(noxcli: Noxcli, plays: Any, _: pytest.MonkeyPatch) -> Result:
    Path("rows.jsonl").write_text('{"Q": "a"}\n')
    faults = {kind: [UNREACHABLE] for kind in ("record", "lookup", "events")}
    workflow = plays(nodes=[input_node("Q")], script=FOREVER, faults=faults)
    return noxcli("batch", workflow, "rows.jsonl", "--retry-for", "1s", "--timeout", "20s")


def unstopped(noxcli: Noxcli, plays: Any, _: pytest.MonkeyPatch) -> Result:
    return noxcli("stop", detached(noxcli, plays(script=FOREVER, switches=STUBBORN)))


def unanswered_stop(noxcli: Noxcli, plays: Any, _: pytest.MonkeyPatch) -> Result:
    noxcli.clock = Clock()
    run = detached(noxcli, plays(script=FOREVER, faults={"stop": [LostAnswer("hold")]}))
    return noxcli("stop", run, "--timeout", "0.3s")


def too_many(noxcli: Noxcli, _: Any, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(
        "sys.stdin", piped("0b6e2d0e-6f36-4b2f-9a39-000000000001\n0b6e2d0e-6f36-4b2f-9a39-000000000002\n")
    )
    return noxcli("stream", "-")


def interrupted_batch(noxcli: Routed, plays: Any, _: pytest.MonkeyPatch) -> Result:
    Path("rows.jsonl").write_text('{"Q": "a"}\n')
    journal = Path("rows.jsonl.batch/batch.jsonl")
    return noxcli.cut_off(
        *("batch", plays(nodes=[input_node("Q")], script=FOREVER), "rows.jsonl", "--on-interrupt", "detach"),
        when=lambda: journal.exists() and '"started"' in journal.read_text(),
    )


def interrupted_waiting(noxcli: Routed, plays: Any, _: pytest.MonkeyPatch) -> Result:
    workflow, log = plays(script=FOREVER), Path("log.jsonl")
    runs = [detached(noxcli, workflow) for _ in range(2)]
    return noxcli.cut_off(
        "wait", *runs, "--log-file", str(log), when=lambda: log.exists() and '"request"' in log.read_text()
    )


def full_disk(noxcli: Routed, *_: Any) -> Result:
    with Path("/dev/full").open("wb") as full:
        line = [*NOXCLI, *noxcli.of(["run", "qa", "Question=x"])]
        done = subprocess.run(
            line, env={**os.environ, **noxcli.environ}, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    return Result(done.returncode, b"", done.stderr)


def installed(noxcli: Noxcli, *_: Any) -> Result:
    checked = noxcli("doctor", environ={"SHELL": "/bin/bash"})
    return Result(checked.code, b"", checked.text)


class Texts(HTMLParser):
    """The text of a page, with each element on a line of its own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.lines.append(data)


def page(result: Result) -> Result:
    return Result(result.code, b"", "\n".join(Texts(Path("p.html").read_text()).lines))


def unended(noxcli: Noxcli, *_: Any) -> Result:
    events = noxcli("run", "qa", "Question=x", "--format", "ndjson").out.splitlines(keepends=True)[:-1]
    Path("e.ndjson").write_bytes(b"".join(events))
    return page(noxcli("report", "e.ndjson", "-o", "p.html"))


def summary(noxcli: Noxcli, *argv: str) -> Result:
    file = Path("summary.md")
    told = noxcli(*argv, "--ci", "github", environ={"GITHUB_STEP_SUMMARY": str(file)})
    return Result(told.code, b"", "\n".join(Texts(file.read_text()).lines))


SITUATIONS: dict[str, tuple[Situation, set[str]]] = {
    "a run fails": (lambda noxcli, *_: noxcli("run", "fails"), {"reports/result.py inspect"}),
    "a run fails before eyes": (lambda noxcli, *_: noxcli("run", "fails", tty=True), {"cli/context.py inspect"}),
    "a run completes before eyes": (
        lambda noxcli, *_: noxcli("run", "qa", "Question=x", tty=True),
        {"cli/context.py fetch-output"},
    ),
    "a run is started only": (
        lambda noxcli, *_: noxcli("run", "qa", "Question=x", "--detach"),
        {"cli/launch.py stream"},
    ),
    "a run pauses": (lambda noxcli, *_: noxcli("run", "pauses"), {"reports/result.py wait"}),
    "a limit is reached": (
        lambda noxcli, plays, _: noxcli("run", plays(script=FOREVER), "--timeout", "1s"),
        {"runs/limits.py wait"},
    ),
    "a run will not stop at its limit": (
        lambda noxcli, plays, _: noxcli(
            *("run", plays(script=FOREVER, switches=STUBBORN), "--timeout", "1s", "--on-timeout", "stop")
        ),
        {"runs/stop.py stop"},
    ),
    "a run cannot be stopped at its limit": (
        lambda noxcli, plays, _: noxcli(
            *("run", plays(script=FOREVER, faults={"stop": [Answer(400)]}), "--timeout", "1s", "--on-timeout", "stop")
        ),
        {"cli/follow.py stop"},
    ),
    "a run will not stop": (unstopped, {"runs/stop.py stop"}),
    "a stop has no answer": (unanswered_stop, {"commands/stop.py stop"}),
    "a run is interrupted": (
        lambda noxcli, plays, _: noxcli.cut_off(
            *("run", plays(script=FOREVER), "--on-interrupt", "detach", "--format", "ndjson"), when=started(noxcli)
        ),
        {"cli/context.py stream", "main.py stop"},
    ),
    "an interrupted run cannot be stopped": (
        lambda noxcli, plays, _: noxcli.cut_off(
            *("run", plays(script=FOREVER, faults={"stop": [Answer(400)]}), "--on-interrupt", "stop"),
            when=started(noxcli),
        ),
        {"cli/launch.py stop"},
    ),
    "a run is not finished": (
        lambda noxcli, plays, _: noxcli("stream", detached(noxcli, plays(script=FOREVER)), "--timeout", "0"),
        {"cli/follow.py wait"},
    ),
    "a record cannot be read": (
        lambda noxcli, plays, _: noxcli(
            *("run", plays(script=FOREVER, faults={"record": [UNREACHABLE], "lookup": [UNREACHABLE]})),
            *("--no-stream", "--retry-for", "1s"),
        ),
        {"runs/record.py wait"},
    ),
    "the record of an ended run cannot be read": (
        lambda noxcli, plays, _: noxcli(
            *("fetch-output", detached(noxcli, plays(output={"A": "x"}, faults={"record": [UNREACHABLE]}))),
            *("--retry-for", "1s"),
            environ={"NOXCLI_STATE_DIR": "elsewhere"},
        ),
        {"outputs/await_output.py wait"},
    ),
    "an output is not there yet": (
        lambda noxcli, plays, _: noxcli("run", plays(output={"A": "x"}, switches={"late_output_reads": 100})),
        {"outputs/await_output.py fetch-output"},
    ),
    "a text cannot be downloaded": (
        lambda noxcli, plays, _: noxcli(
            *("run", plays(output={"A": "x" * 20_000}, faults={"file": [Answer(404, repeat=True)]})),
        ),
        {"outputs/delivered.py fetch-output"},
    ),
    "an output key is wrong": (
        lambda noxcli, *_: noxcli("run", "qa", "Question=x", "--raw", "answer", "--no-check"),
        {"outputs/choose.py fetch-output"},
    ),
    "a disk is full": (full_disk, {"main.py fetch-output"}),
    "an input is missing": (lambda noxcli, *_: noxcli("run", "qa"), {"inputs/preflight.py inputs"}),
    "a workflow is not there": (
        lambda noxcli, *_: noxcli("run", "no such workflow"),
        {"runs/resolve.py workflows"},
    ),
    "an answer to the start is lost": (
        lambda noxcli, plays, _: noxcli("run", plays(script=FOREVER, faults={"start": [LostAnswer()]})),
        {"runs/start.py runs"},
    ),
    "an answer to the start of a probe is lost": (
        lambda noxcli, plays, _: noxcli(
            "probe", plays(script=FOREVER, faults={"start": [LostAnswer()]}), "--start", "1"
        ),
        {"probe/trial.py runs"},
    ),
    "a probe is written": (
        lambda noxcli, *_: noxcli("probe", "qa", "Question=x", "--start", "1", "--write", "my switches.toml"),
        {"commands/probe.py sandbox"},
    ),
    "a batch fails": (failing_batch, {"batch/resuming.py {}", "reports/result.py inspect"}),
    "a batch is late": (late_batch, {"batch/resuming.py {}"}),
    "a batch is wrong": (wrong_batch, {"batch/resuming.py inputs"}),
    "a batch loses a run": (lost_batch, {"batch/shift.py wait"}),
    "a batch is interrupted": (interrupted_batch, {"commands/batch.py {}"}),
    "a wait for several is interrupted": (interrupted_waiting, {"commands/wait.py wait"}),
    "stdin names many": (too_many, {"runs/resolve.py wait"}),
    "something is not installed": (installed, {"commands/doctor.py completion"}),
    "an option is unknown": (lambda noxcli, *_: noxcli("run", "--foo"), {"main.py {}"}),
    "an argument is missing": (lambda noxcli, *_: noxcli("wait"), {"main.py {}"}),
    "a verb is unknown": (lambda noxcli, *_: noxcli("frobnicate"), {"app.py --help"}),
    "a topic is unknown": (lambda noxcli, *_: noxcli("help", "zzz"), {"commands/help.py --help"}),
    "a schema is unknown": (lambda noxcli, *_: noxcli("schema", "zzz"), {"commands/schema.py schema"}),
}

# The lines of pages that others read, whose server is theirs.
PAGES: dict[str, tuple[Situation, set[str]]] = {
    "a page about a run that failed": (
        lambda noxcli, *_: page(noxcli("run", "fails", "--report", "p.html")),
        {"reports/html/run.py inspect"},
    ),
    "a page about a run that goes on": (
        lambda noxcli, plays, _: page(noxcli("run", plays(script=FOREVER), "--timeout", "1s", "--report", "p.html")),
        {"reports/html/run.py wait"},
    ),
    "a page about an output that is not whole": (
        lambda noxcli, plays, _: page(
            noxcli("run", plays(output={"A": "x"}, switches={"late_output_reads": 100}), "--report", "p.html")
        ),
        {"reports/html/run.py fetch-output"},
    ),
    "a page about events without an end": (unended, {"reports/html/saved.py wait"}),
    "a summary on GitHub": (
        lambda noxcli, *_: summary(noxcli, "run", "qa", "Question=x"),
        {"reports/ci/summary.py {}"},
    ),
}
# Lines that a user completes, that no program prints as a command, or that another test runs.
NO_LINES = {
    "__main__.py {}": "the version",
    "app.py {}": "the version",
    "app.py help": "test_everyday runs what --help offers",
    "app.py run": "test_everyday runs what --help offers",
    "app.py sandbox": "test_everyday runs what --help offers",
    "commands/sandbox.py help": "a sentence of the help: noxcli help switches",
    "api/checkup.py doctor": "RUN",
    "commands/doctor.py doctor": "RUN",
    "commands/results.py fetch-output": "RUN",
    "batch/engine.py wait": "the same line as in batch/shift.py",
    "cli/again.py run": "INPUT...",
    "inputs/recorded.py run": "WORKFLOW",
    "inputs/uploads.py run": "DIR",
    "cli/options.py stop": "FILE, in the help",
    "commands/stop.py run": "FILE, in the help",
    "state/statefile.py run": "FILE",
    "commands/help.py batch": "a sentence about engines",
    "reports/ci/github.py batch": "the title of an annotation",
    "reports/html/rows.py results": "a sentence of the page: without DIR",
}


def pasted(text: str) -> Iterator[str]:
    """Yield the lines in a text, except those with a word that the user replaces."""
    for line in PASTED.findall(STYLE.sub("", text)):
        if line.split()[1] in {*VERBS, "--help"} and "RUN" not in line:
            yield SENTENCE.sub("", line).rstrip(". :")


def words(shell: str, line: str) -> list[str]:
    """Return the command's arguments as a real shell splits the line; what the line itself writes fails."""
    printing = f"noxcli() {{ printf '%s\\0' \"$@\"; }}; {line}"
    done = subprocess.run([shell, "-euc", printing], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert not done.stderr, (line, done.stderr)
    return done.stdout.decode().split("\0")[:-1]


def try_all(told: str, places: set[str], shell: str, noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = list(dict.fromkeys(pasted(told)))
    verbs = {place.split()[1] for place in places}
    assert {line.split()[1] for line in lines} >= verbs - {"{}"}, told
    assert lines, told
    for line in lines:
        argv = words(shell, line)
        limit = [] if "--help" in argv else LIMITS.get(argv[0], [])
        monkeypatch.setattr("sys.stdin", piped(""))
        done = Noxcli(noxcli.environ, noxcli.clock)(*argv, *limit)  # without the options of a `Routed`
        assert done.code not in MISUNDERSTOOD, (line, done.code, done.err)


@pytest.mark.parametrize(("name", "route"), one_in(2, SITUATIONS, SHELLS))
@pytest.mark.long(5)
def test_a_line_to_paste_works(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, name: str, route: str
) -> None:
    shell = SHELLS[route]
    needs(shell)
    situation, places = SITUATIONS[name]
    call = Routed(noxcli.environ, noxcli.clock)
    if route == "options":
        elsewhere = {**noxcli.environ, "NOXUS_BACKEND_URL": "http://127.0.0.1:9"}  # where nothing answers
        call = Routed(elsewhere, noxcli.clock, ["--base-url", noxcli.environ["NOXUS_BACKEND_URL"]])
    told = situation(call, plays, monkeypatch)
    try_all(told.err, places, shell, call, monkeypatch)


@pytest.mark.parametrize("name", PAGES)
def test_a_line_on_a_page_works(noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    situation, places = PAGES[name]
    try_all(situation(noxcli, plays, monkeypatch).err, places, "sh", noxcli, monkeypatch)


def test_each_line_in_the_source_is_pasted_here() -> None:
    pasted_here = set[str]().union(*(places for _, places in [*SITUATIONS.values(), *PAGES.values()]))
    assert set(in_source()) == pasted_here | NO_LINES.keys()


def in_source() -> Iterator[str]:
    """Yield module and verb of each line in a text that is not a docstring."""
    line = re.compile(rf"\bnoxcli ({'|'.join(VERBS)}|--help|{{}})(?![\w-])")
    perhaps = re.compile(rf"""noxcli (?:{"|".join(VERBS)}|--help|[{{"'])""")  # a quote: the text goes on in another
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] in {"sandbox"}:
            continue
        text = path.read_text()
        if not perhaps.search(text):
            continue
        tree = ast.parse(text)
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) not in inner and (shown := text_of(node)) is not None:
                yield from (f"{path.relative_to(SOURCE)} {verb}" for verb in line.findall(shown))


def text_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
