"""Each command line that noxcli prints for people to paste works as it stands, in a real shell."""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from noxcli.cli.verbs import VERBS
from noxcli.sandbox.faults import Answer, LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.steps import Emit, Sleep, node_fails
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, piped
from tests.process import HUNG, forked, needs, running
from tests.sample import one_in

# Up to the punctuation after it, or to the words of its sentence.
PASTED = re.compile(r"noxcli (?:[a-z-]+\b[^;()\n]*|--help)")
SENTENCE = re.compile(r" (?:lists them|again|to )\b.*")
STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
ID = "0b6e2d0e-6f36-4b2f-9a39-00000000000"
UNREACHABLE = Answer(502, "<html>bad gateway</html>", repeat=True)
GONE = Answer(404, repeat=True)
FOREVER: dict[str, Any] = {"script": [Emit("Work", "hello"), Sleep(60_000)]}
STUBBORN: dict[str, Any] = {**FOREVER, "switches": {"stop_seconds": 60_000.0}}
UNSTOPPABLE: dict[str, Any] = {**FOREVER, "faults": {"stop": [Answer(400)]}}
LOST_START: dict[str, Any] = {**FOREVER, "faults": {"start": [LostAnswer()]}}
LATE: dict[str, Any] = {"output": {"A": "x"}, "switches": {"late_output_reads": 100}}
ROWS: dict[str, Any] = {**FOREVER, "nodes": [input_node("Q")]}
# Exit codes of a command that could not be run as printed.
MISUNDERSTOOD = {2, 4, 5, 70, 75, 126, 127}
# What a command that may run forever gets.
LIMITS = {
    **{verb: ["--timeout", "0.2s"] for verb in ("wait", "stream", "stop")},
    "batch": ["--timeout", "2s"],  # time to start its row, also on a busy machine
    "sandbox": ["--", "true"],
}
# How noxcli learns of the server, and the shell that the lines are then for.
SHELLS = {"environment": "dash", "options": "bash"}


@dataclass(frozen=True)
class Case:
    """A command line that ends in a line to paste, with the verb of that line ("": any).

    In it, W is a workflow that plays `plays`, and R a run of it. `when` is a file or stderr, and a text in it, at which
    Ctrl-C is pressed; `page` is a file that the user reads instead of stderr.
    """

    line: str
    verb: str = ""
    plays: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    tty: bool = False
    stdin: str = ""
    when: tuple[str, str] | None = None
    page: str = ""
    stdout: str = ""


UNREAD = {kind: [UNREACHABLE] for kind in ("record", "lookup", "events")}
CASES = {
    "a run fails": Case("run fails", "inspect"),
    "a run fails before eyes": Case("run fails", "inspect", tty=True),
    "a run completes before eyes": Case("run qa Question=x", "fetch-output", tty=True),
    "a run is started only": Case("run qa Question=x --detach", "stream"),
    "a run pauses": Case("run pauses", "wait"),
    "a limit is reached": Case("run W --timeout 1500ms", "wait", FOREVER),
    "a run will not stop at its limit": Case(
        "run W --timeout 1500ms --on-timeout stop", "stop", STUBBORN
    ),
    "a run cannot be stopped at its limit": Case(
        "run W --timeout 1500ms --on-timeout stop", "stop", UNSTOPPABLE
    ),
    "a run will not stop": Case("stop R", "stop", STUBBORN),
    "a stop has no answer": Case(
        "stop R --timeout 0.3s", "stop", {**FOREVER, "faults": {"stop": [LostAnswer("hold")]}}
    ),
    "a run is interrupted": Case(
        "run W --on-interrupt detach --format ndjson",
        "stream",
        FOREVER,
        when=("state/**/*.json", ""),
    ),
    "an interrupted run cannot be stopped": Case(
        "run W --on-interrupt stop", "stop", UNSTOPPABLE, when=("state/**/*.json", "")
    ),
    "a run is not finished": Case("stream R --timeout 0", "wait", FOREVER),
    "a record cannot be read": Case(
        "run W --no-stream --retry-for 1s", "wait", {**FOREVER, "faults": UNREAD}
    ),
    "the record of an ended run cannot be read": Case(
        "fetch-output R --retry-for 1s",
        "wait",
        {"output": {"A": "x"}, "faults": {"record": [UNREACHABLE]}},
        {"NOXCLI_STATE_DIR": "elsewhere"},
    ),
    "an output is not there yet": Case("run W", "fetch-output", LATE),
    "a text cannot be downloaded": Case(
        "run W", "fetch-output", {"output": {"A": "x" * 20_000}, "faults": {"file": [GONE]}}
    ),
    "an output key is wrong": Case("run qa Question=x --raw answer --no-check", "fetch-output"),
    "a disk is full": Case("run qa Question=x", "fetch-output", stdout="/dev/full"),
    "an input is missing": Case("run qa", "inputs"),
    "inputs of a version": Case("inputs review --version-id new", "run"),
    "a workflow is not there": Case("run 'no such workflow'", "workflows"),
    "an answer to the start is lost": Case("run W", "runs", LOST_START),
    "a batch fails": Case(
        "batch W 'my rows.jsonl'",
        "inspect",
        {"nodes": [input_node("Q")], "script": node_fails("Work", "no ink"), "status": "failed"},
    ),
    "a batch is late": Case("batch W rows.jsonl --timeout 2s", "batch", ROWS),
    "a batch is wrong": Case("batch qa rows.jsonl", "inputs"),
    "a batch loses a run": Case(
        "batch W rows.jsonl --retry-for 1s --timeout 20s", "", {**ROWS, "faults": UNREAD}
    ),
    "a batch is interrupted": Case(
        "batch W rows.jsonl --on-interrupt detach",
        "batch",
        ROWS,
        when=("rows.jsonl.batch/batch.jsonl", '"started"'),
    ),
    "a wait for several is interrupted": Case(
        "wait R R --verbose", "wait", FOREVER, when=("stderr", "GET /v1/")
    ),
    "stdin names many": Case("stream -", "wait", stdin=f"{ID}1\n{ID}2\n"),
    "an option is unknown": Case("run --foo"),
    "an argument is missing": Case("rerun"),
    "a verb is unknown": Case("frobnicate", "--help"),
    "a topic is unknown": Case("help zzz", "--help"),
    "a schema is unknown": Case("schema zzz", "schema"),
}
# Pages that others read: the server is the reader's.
PAGES = {
    "a run that failed": Case("run fails --report p.html", "inspect", page="p.html"),
    "a run that goes on": Case(
        "run W --timeout 1500ms --report p.html", "wait", FOREVER, page="p.html"
    ),
    "an output that is not whole": Case(
        "run W --report p.html", "fetch-output", LATE, page="p.html"
    ),
    "a summary on GitHub": Case(
        "run W --timeout 1500ms",
        "wait",
        FOREVER,
        environ={"NOXCLI_CI": "github", "GITHUB_STEP_SUMMARY": "summary.md"},
        page="summary.md",
    ),
}


class Texts(HTMLParser):
    """The text of a page, with each element on a line of its own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.lines.append(data)


def told(
    case: Case, noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> str:
    """Return what noxcli tells its user at the end of this case; the options name the server."""
    for name in ("rows.jsonl", "my rows.jsonl"):
        Path(name).write_text(f'{{"{"Qestion" if "qa" in case.line else "Q"}": "a"}}\n')
    workflow = plays(**case.plays) if case.plays else ""
    argv = [workflow if word == "W" else word for word in shlex.split(case.line)]
    argv = [noxcli.start(workflow, *options) if word == "R" else word for word in argv]
    argv += [] if argv[0] in {"help", "schema"} else options
    noxcli.clock = Clock() if "faults" in case.plays and argv[0] == "stop" else noxcli.clock
    if case.when or case.stdout:
        return apart(argv, {**os.environ, **noxcli.environ, **case.environ}, case)
    monkeypatch.setattr("sys.stdin", piped(case.stdin))
    done: Result = noxcli(*argv, tty=case.tty, environ=dict(case.environ))
    if case.page:
        return "\n".join(Texts(Path(case.page).read_text()).lines)
    return done.err


def apart(argv: list[str], env: Mapping[str, str], case: Case) -> str:
    """Return what a process of its own tells: one whose stdout can't be written, or at which Ctrl-C is pressed."""
    if case.stdout:
        with Path(case.stdout).open("wb") as out:
            done = subprocess.run(
                [*forked(), *argv],
                env=env,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        return done.stderr
    with running(*argv, env=env) as process:
        end, said = time.monotonic() + HUNG, b""
        while not reached(case, Path(env["NOXCLI_STATE_DIR"]).parent, said.decode()):
            assert time.monotonic() < end
            if case.when and case.when[0] == "stderr":
                assert process.stderr is not None
                said += process.stderr.readline()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        return (said + process.communicate(timeout=HUNG)[1]).decode()


def reached(case: Case, above: Path, said: str) -> bool:
    """True if the text at which to press Ctrl-C is on stderr, or in a file: here, or among noxcli's own."""
    assert case.when is not None
    pattern, text = case.when
    if pattern == "stderr":
        return text in said
    return any(
        text in path.read_text() for place in (Path(), above) for path in place.glob(pattern)
    )


def pasted(text: str) -> Iterator[str]:
    """Yield the lines in a text, except those with a word that the user replaces."""
    for line in PASTED.findall(STYLE.sub("", text)):
        if line.split()[1] in {*VERBS, "--help"} and "RUN" not in line:
            yield SENTENCE.sub("", line).rstrip(". :")


def words(shell: str, line: str) -> list[str]:
    """Return the command's arguments as a real shell splits the line; what the line itself writes fails."""
    printing = f"noxcli() {{ printf '%s\\0' \"$@\"; }}; {line}"
    done = subprocess.run(
        [shell, "-euc", printing], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert not done.stderr, (line, done.stderr)
    return done.stdout.decode().split("\0")[:-1]


def try_all(
    text: str, verb: str, shell: str, noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = list(dict.fromkeys(pasted(text)))
    assert lines, text
    assert not verb or verb in {line.split()[1] for line in lines}, text
    for line in lines:
        argv = words(shell, line)
        limit = [] if "--help" in argv else LIMITS.get(argv[0], [])
        monkeypatch.setattr("sys.stdin", piped(""))
        done = noxcli(*argv, *limit)
        assert done.code not in MISUNDERSTOOD, (line, done.code, done.err)


@pytest.mark.parametrize(("name", "route"), one_in(2, CASES, SHELLS))
@pytest.mark.long(5)
def test_a_line_to_paste_works(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, name: str, route: str
) -> None:
    needs(SHELLS[route])
    options = []
    if route == "options":
        Path("options.key").write_text(noxcli.environ["NOXUS_API_KEY"])
        options = [
            "--base-url",
            noxcli.environ["NOXUS_BACKEND_URL"],
            "--api-key-file",
            "options.key",
        ]
        noxcli.environ["NOXUS_BACKEND_URL"] = "http://127.0.0.1:9"  # where nothing answers
    text = told(CASES[name], noxcli, plays, monkeypatch, options)
    try_all(text, CASES[name].verb, SHELLS[route], noxcli, monkeypatch)


@pytest.mark.parametrize("name", PAGES)
def test_a_line_on_a_page_works(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = told(PAGES[name], noxcli, plays, monkeypatch, [])
    try_all(text, PAGES[name].verb, "sh", noxcli, monkeypatch)


# What a line keeps of the call that it stands for.


def test_a_line_about_a_row_names_the_batches_server(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")], script=node_fails("Work", "no ink"), status="failed")
    Path("rows.jsonl").write_text('{"Q": "a"}\n')
    server = ["--base-url", noxcli.environ["NOXUS_BACKEND_URL"]]
    done = noxcli("batch", workflow, "rows.jsonl", *server)
    row = done.lines[0]["result"]
    line = f"details: noxcli inspect {' '.join(server)} {row['run']['id']}"
    assert row["error"]["hint"] == line
    assert line in done.err
    assert line in noxcli("results", "rows.jsonl.batch").err


@pytest.mark.parametrize(
    ("option", "environ", "shard"),
    [
        ([], {}, ""),
        ([], {"NOXCLI_SHARD": "1/1"}, ""),
        ([], {"NOXCLI_SHARD": "1/2"}, " --shard 1/2"),
        (["--shard", "auto"], {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "2"}, " --shard 1/2"),
        (["--shard=2/2"], {"NOXCLI_SHARD": "1/2"}, " --shard=2/2"),
    ],
)
def test_a_line_names_the_shard_of_its_environment(
    noxcli: Noxcli, plays: Any, option: list[str], environ: dict[str, str], shard: str
) -> None:
    failing = plays(nodes=[input_node("Q")], script=node_fails("Work", "no ink"), status="failed")
    Path("rows.jsonl").write_text("".join(f'{{"Q": "a", "$id": {n}}}\n' for n in range(8)))
    done = noxcli("batch", failing, "rows.jsonl", *option, environ=environ)
    assert f"with: noxcli batch {failing} rows.jsonl{shard} --again failed\n" in done.err


def test_a_line_to_the_inputs_names_the_version(noxcli: Noxcli) -> None:
    done = noxcli("run", "review", "--version-id", "new", "Typo=x")
    version = noxcli("versions", "review", "--json").json["versions"]
    new = next(each["id"] for each in version if each["name"] == "new")
    assert f"see: noxcli inputs review --version-id {new}\n" in done.err
