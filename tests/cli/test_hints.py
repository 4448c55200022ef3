"""Each command line that noxcli prints for people to paste works as it stands, in a real shell."""

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from noxcli.cli.verbs import VERBS
from noxcli.errors import WITHOUT_SERVER
from noxcli.sandbox.faults import Answer, Hold, LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.steps import Emit, Sleep, node_fails
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, piped
from tests.noting import NOTES, PROGRAM, ROOT, Made, made_at_import, noted, noting, sites, texts
from tests.process import HUNG, needs, running
from tests.sample import one_in

# Up to the punctuation after it, or to the words of its sentence.
PASTED = re.compile(r"noxcli (?:[a-z-]+\b[^;()\n]*|--help)")
SENTENCE = re.compile(r" (?:lists them|shows its|again|to |has the|--assert …).*")
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
CODES_OF_ROWS = {4, 5, 75}
# What a command that may run forever gets.
LIMITS = {
    **{verb: ["--timeout", "0.2s"] for verb in ("wait", "stream", "stop", "fetch-output")},
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
    before: tuple[str, ...] = ()  # command lines, then files with what they contain
    files: Mapping[str, str] = field(default_factory=dict)
    mended: bool = False  # the server's faults are over when the line is pasted
    made_by: tuple[str, ...] = ()  # the places of the code whose lines it shows


RESTING = Answer(429, {}, {"Retry-After": "60"}, repeat=True)
READS = ("record", "lookup")
REFUSED = {kind: [Answer(401, repeat=True)] for kind in (*READS, "events")}
ANSWERING: dict[str, Any] = {"nodes": [input_node("Q")], "output": {"B": "x"}}
DEFINITIONS = ("export W --definition -o base.json", "export W --definition -o new.json")
GATE = "gate W rows.jsonl --base-file base.json --new-file new.json --assert ok --allow-same"
UNREAD = {kind: [UNREACHABLE] for kind in ("record", "lookup", "events")}
# The batch gives up before its row may be read again.
REST = Answer(502, "<html>bad gateway</html>", {"Retry-After": "60"}, repeat=True)
SILENT = {kind: [Answer(502), REST] for kind in READS}
CASES = {
    "a run fails": Case("run fails", "inspect", made_by=("reports.result.verdict_of inspect",)),
    "a run fails before eyes": Case("run fails", "inspect", tty=True),
    "a run completes before eyes": Case(
        "run qa Question=x",
        "fetch-output",
        tty=True,
        made_by=("cli.ending.line_to_fetch fetch-output",),
    ),
    "a run is started only": Case(
        "run qa Question=x --detach", "stream", made_by=("cli.start.start_once stream",)
    ),
    "a run pauses": Case("run pauses", "wait", made_by=("reports.result.verdict_of wait 2",)),
    "a limit is reached": Case(
        "run W --timeout 25s",
        "wait",
        FOREVER,
        made_by=("runs.follow.Follower._check_limits wait",),
    ),
    "a run will not stop at its limit": Case(
        "run W --timeout 25s --on-timeout stop", "stop", STUBBORN
    ),
    "a run cannot be stopped at its limit": Case(
        "run W --timeout 25s --on-timeout stop", "stop", UNSTOPPABLE
    ),
    "a run cannot be read after its stop": Case(
        "run W --timeout 25s --on-timeout stop",
        "stop",
        {**FOREVER, "faults": {"record": [UNREACHABLE]}},
        made_by=("runs.record.MaybeStopped.__init__ stop",),
    ),
    "a run will not stop": Case(
        "stop R", "stop", STUBBORN, made_by=("runs.record.not_stopped stop",)
    ),
    "a stop has no answer": Case(
        "stop R --timeout 0.3s",
        "stop",
        {**FOREVER, "faults": {"stop": [LostAnswer("hold")]}},
        made_by=("commands.stop._for_a_stop stop",),
    ),
    "a run is interrupted": Case(
        "run W --on-interrupt detach --format ndjson",
        "stream",
        FOREVER,
        when=("state/**/*.json", ""),
        made_by=(
            "cli.context.Context.line_to_stream stream",
            "cli.ending.resume_hint stop",
        ),
    ),
    "an interrupted run cannot be stopped": Case(
        "run W --on-interrupt stop", "stop", UNSTOPPABLE, when=("state/**/*.json", "")
    ),
    "a run is not finished": Case(
        "stream R --timeout 0", "wait", FOREVER, made_by=("reports.result.verdict_of wait",)
    ),
    "a record cannot be read": Case(
        "run W --no-stream --retry-for 1s",
        "wait",
        {**FOREVER, "faults": UNREAD},
        made_by=("runs.record.lost_contact wait",),
    ),
    "the record of an ended run cannot be read": Case(
        "fetch-output R --retry-for 1s",
        "wait",
        {"output": {"A": "x"}, "faults": {"record": [UNREACHABLE]}},
        {"NOXCLI_STATE_DIR": "elsewhere"},
        made_by=("outputs.await_output.read_own_record wait",),
    ),
    "an output is not there yet": Case(
        "run W", "fetch-output", LATE, made_by=("outputs.await_output.await_output fetch-output",)
    ),
    "a text cannot be downloaded": Case(
        "run W",
        "fetch-output",
        {"output": {"A": "x" * 20_000}, "faults": {"file": [GONE]}},
        made_by=("outputs.values.require_whole fetch-output",),
    ),
    "an output key is wrong": Case(
        "run qa Question=x --raw answer --no-check",
        "fetch-output",
        made_by=("outputs.choose.require_output fetch-output 2",),
    ),
    "a disk is full": Case(
        "run qa Question=x",
        "fetch-output",
        stdout="/dev/full",
        made_by=("cli.ending.way_to_output fetch-output",),
    ),
    "an input is missing": Case(
        "run qa", "inputs", made_by=("inputs.preflight.line_to_inputs inputs",)
    ),
    "inputs of a version": Case(
        "inputs review --version-id new", "run", made_by=("commands.inputs.sample_line run",)
    ),
    "a workflow is not there": Case(
        "run 'no such workflow'", "workflows", made_by=("runs.resolve.resolve_workflow workflows",)
    ),
    "an answer to the start is lost": Case(
        "run W", "runs", LOST_START, made_by=("runs.start.StartAttempt.__init__ runs",)
    ),
    "a batch fails": Case(
        "batch W 'my rows.jsonl'",
        "inspect",
        {"nodes": [input_node("Q")], "script": node_fails("Work", "no ink"), "status": "failed"},
        made_by=("commands.batch_call._report results",),
    ),
    "a batch is late": Case(
        "batch W rows.jsonl --timeout 2s",
        "batch",
        ROWS,
        made_by=("batchdir.header.line_with *words",),
    ),
    "a batch is wrong": Case("batch qa rows.jsonl", "inputs"),
    "a batch loses a run": Case(
        "batch W rows.jsonl --retry-for 1s --timeout 20s",
        "",
        {**ROWS, "faults": SILENT},
        made_by=("batch.scheduler.Scheduler._error_for_running wait",),
    ),
    "a batch is interrupted": Case(
        "batch W rows.jsonl --on-interrupt detach",
        "batch",
        ROWS,
        when=("rows.jsonl.batch/batch.jsonl", '"started"'),
    ),
    "a wait for several is interrupted": Case(
        "wait R R --verbose",
        "wait",
        FOREVER,
        when=("stderr", "GET /v1/"),
        made_by=("commands.wait.execute wait",),
    ),
    "stdin names many": Case(
        "stream -", "wait", stdin=f"{ID}1\n{ID}2\n", made_by=("runs.resolve.parse_one_run wait",)
    ),
    "there is no output": Case(
        "run W --raw answer --no-check",
        "fetch-output",
        {"output": {}},
        made_by=("outputs.choose.require_output fetch-output",),
    ),
    "a run has no such id": Case("wait zzz", "runs", made_by=("runs.resolve runs",)),
    "a result is lost": Case(
        "results rows.jsonl.batch",
        "fetch-output",
        ANSWERING,
        before=("batch W rows.jsonl",),
        files={"rows.jsonl.batch/results.jsonl": ""},
        made_by=("checks.merge.MergedBatch._why_unstored fetch-output",),
    ),
    "a run is left": Case(
        "run W --on-interrupt detach",
        "stream",
        FOREVER,
        when=("state/**/*.json", ""),
        made_by=("cli.context.Context.line_to_stream stream 2",),
    ),
    "only the new batch has an output": Case(
        "compare base new --assert output.B",
        "results",
        ANSWERING,
        before=(
            "batch qa rows.jsonl --column Question=Q --output-dir base",
            "batch W rows.jsonl --output-dir new",
        ),
        made_by=("compare.summary.way_to_judge_alone results",),
    ),
    "two batches have nothing in common": Case(
        "compare base new --assert ok",
        "results",
        ANSWERING,
        before=(
            "batch qa rows.jsonl --column Question=Q --output-dir base",
            "batch W rows.jsonl --output-dir new",
        ),
        made_by=("compare.summary.way_to_judge_alone results",),
    ),
    "a wait for an output is interrupted": Case(
        "fetch-output R --wait --verbose",
        "fetch-output",
        FOREVER,
        when=("stderr", "GET /v1/"),
        made_by=("commands.fetch_output.execute fetch-output",),
    ),
    "a topic has another name": Case(
        "help exit-code", "help", made_by=("commands.help.execute help",)
    ),
    "an import has no answer": Case(
        "import b.nx --mode version --apply",
        "versions",
        {**ANSWERING, "faults": {"import": [Hold(0), LostAnswer()]}},
        before=("export W -o b.nx",),
        made_by=("commands.import_._way_to_check versions",),
    ),
    "a copy has no answer": Case(
        "import b.nx --mode clone --apply",
        "workflows",
        {**ANSWERING, "faults": {"import": [Hold(0), LostAnswer()]}},
        before=("export W -o b.nx",),
        made_by=("commands.import_._way_to_check workflows",),
    ),
    "past runs of which workflow": Case(
        "runs --rows", "workflows", made_by=("commands.runs._require_fitting workflows",)
    ),
    "a wait for several is late": Case(
        "wait R R --timeout 4s",
        "wait",
        FOREVER,
        made_by=("commands.wait_runs.ManyRuns._give_up wait",),
    ),
    "a file is not a definition": Case(
        GATE,
        "export",
        ANSWERING,
        before=DEFINITIONS[:1],
        files={"new.json": "[]"},
        made_by=("gate.versions.DefinitionFile.read export",),
    ),
    "saving a version is interrupted": Case(
        GATE,
        "versions",
        {**ANSWERING, "faults": {"save": [LostAnswer("hold")]}},
        when=("rows.jsonl.gate/batch.jsonl", '"version"'),
        before=DEFINITIONS,
        made_by=("gate.versions.VersionAttempt.__init__ versions",),
    ),
    "a version needs positions": Case(
        GATE,
        "export",
        {**ANSWERING, "switches": {"version_positions": "required"}},
        before=DEFINITIONS,
        made_by=("gate.versions.FileVersions._take_after_refusal export",),
    ),
    "a version is saved otherwise": Case(
        GATE,
        "export",
        {**ANSWERING, "switches": {"version_settings": "completed"}},
        before=DEFINITIONS,
        made_by=("gate.versions._saved_differently export",),
    ),
    "an input of a version is missing": Case(
        "run review --version-id new Typo=x",
        "inputs",
        made_by=("inputs.preflight.line_to_inputs inputs 2",),
    ),
    "a server refuses to stop a run": Case(
        "run W --on-interrupt stop",
        "stop",
        {**FOREVER, "faults": {"stop": [Answer(503, repeat=True)]}},
        when=("state/**/*.json", ""),
        mended=True,
        made_by=("cli.session.Session.stop stop",),
    ),
    "a batch may no longer read": Case(
        "batch W rows.jsonl --timeout 60s",
        "wait",
        {**ROWS, "faults": REFUSED},
        mended=True,
        made_by=("batch.worker.RowWorker._note_failed_read wait",),
    ),
    "a key is rejected later": Case(
        "run W --no-stream",
        "wait",
        {**FOREVER, "faults": REFUSED},
        mended=True,
        made_by=("runs.record.access_lost verb",),
    ),
    "a key is rejected in a stop": Case(
        "stop R",
        "stop",
        {
            **FOREVER,
            "faults": {
                "record": [Hold(0), Answer(404, repeat=True)],
                "stop": [Answer(503, repeat=True)],
            },
        },
        mended=True,
        made_by=("runs.record.stop_run stop",),
    ),
    "a server wants to rest": Case(
        "wait R --timeout 5s",
        "wait",
        {**FOREVER, "faults": {kind: [Hold(0), RESTING] for kind in READS}},
        mended=True,
        made_by=("runs.record.require_time wait",),
    ),
    "a version is a file": Case(
        "run demo --version-id b.nx",
        "import",
        before=("export demo -o b.nx",),
        made_by=("runs.resolve._way_to_save import",),
    ),
    "an option is unknown": Case("run --foo"),
    "an argument is missing": Case("rerun"),
    "a verb is unknown": Case("frobnicate", "--help"),
    "a topic is unknown": Case("help zzz", "--help"),
    "a schema is unknown": Case("schema zzz", "schema", made_by=("commands.schema._find schema",)),
}
TO_FILL_IN = "it has a word that the user replaces"
# The places of the code whose lines no case pastes.
NOT_PASTED = {
    "api.client.NoxusApi._read_run runs": "the record would have to be larger than the memory",
    "api.error_mapping.unavailable sandbox": "test_a_line_to_the_sandbox_starts_one pastes it",
    "commands.doctor doctor": TO_FILL_IN,
    "commands.import_._read_bundle export": TO_FILL_IN,
    "commands.rerun._merge_inputs run": TO_FILL_IN,
    "commands.rerun.execute run": TO_FILL_IN,
    "inputs.parse inputs": TO_FILL_IN,
    "reports.result.verdict_of inspect 2": "as the first one, 30 s after an unknown status",
}
# Pages that others read: the server is the reader's.
PAGES = {
    "a run that failed": Case("run fails --report p.html", "inspect", page="p.html"),
    "a run that goes on": Case(
        "run W --timeout 4s --report p.html", "wait", FOREVER, page="p.html"
    ),
    "an output that is not whole": Case(
        "run W --report p.html", "fetch-output", LATE, page="p.html"
    ),
    "a summary on GitHub": Case(
        "run W --timeout 25s",
        "wait",
        FOREVER,
        environ={"NOXCLI_CI": "github", "GITHUB_STEP_SUMMARY": "summary.md"},
        page="summary.md",
        made_by=("reports.ci.step_summary._run wait",),
    ),
}


@dataclass(frozen=True)
class Told:
    """What noxcli told its user, and the lines to paste that were made meanwhile."""

    text: str
    made: tuple[Made, ...]

    def shown(self, route: str) -> set[str]:
        """Return the places of the code whose lines are in the text; the route names the server."""
        found = set()
        for made in (*self.made, *made_at_import()):
            start = f"noxcli {made.verb}"
            lines = [f"{start}{route} {made.words}", f"{start} {made.words}"]
            if any(
                re.search(f"{re.escape(line.rstrip())}(?! -(?!-assert …))(?!-|\\w)", self.text)
                for line in lines
            ):
                found.add(made.site)
        return found


class Texts(HTMLParser):
    """The text of a page, with each element on a line of its own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.lines.append(data)


def route_of(options: list[str]) -> str:
    return "".join(f" {word}" for word in options)


def told(
    case: Case, noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> Told:
    """Return what noxcli tells its user at the end of this case; the options name the server."""
    for name in ("rows.jsonl", "my rows.jsonl"):
        Path(name).write_text(f'{{"{"Qestion" if "qa" in case.line else "Q"}": "a"}}\n')
    workflow = plays(**case.plays) if case.plays else ""
    for line in case.before:
        assert noxcli(*shlex.split(line.replace(" W", f" {workflow}")), *options).code == 0
    for name, text in case.files.items():
        Path(name).write_text(text)
    argv = [workflow if word == "W" else word for word in shlex.split(case.line)]
    argv = [noxcli.start(workflow, *options) if word == "R" else word for word in argv]
    argv += [] if argv[0] in WITHOUT_SERVER else options
    noxcli.clock = Clock() if "faults" in case.plays and argv[0] == "stop" else noxcli.clock
    if case.when or case.stdout:
        return apart(argv, {**os.environ, **noxcli.environ, **case.environ}, case)
    monkeypatch.setattr("sys.stdin", piped(case.stdin))
    made: list[Made] = []
    with noting(made.append):
        done: Result = noxcli(*argv, tty=case.tty, environ=dict(case.environ))
    text = done.err
    if case.page:
        text = "\n".join(Texts(Path(case.page).read_text()).lines)
    return Told(text, tuple(made))


def apart(argv: list[str], env: Mapping[str, str], case: Case) -> Told:
    """Return what a process of its own tells: one whose stdout can't be written, or at which Ctrl-C is pressed."""
    notes = Path("notes of lines").absolute()
    notes.touch()
    env = {**env, "PYTHONPATH": str(ROOT), NOTES: str(notes)}
    if case.stdout:
        with Path(case.stdout).open("wb") as out:
            done = subprocess.run(
                [*PROGRAM, *argv],
                env=env,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        return Told(done.stderr, noted(notes))
    with running(*argv, env=env, program=PROGRAM) as process:
        end, said = time.monotonic() + HUNG, b""
        while not reached(case, Path(env["NOXCLI_STATE_DIR"]).parent, said.decode()):
            assert time.monotonic() < end
            if case.when and case.when[0] == "stderr":
                assert process.stderr is not None
                said += process.stderr.readline()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=HUNG)[1]
    return Told(said.decode(), noted(notes))


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
        wrong = MISUNDERSTOOD
        if argv[0] == "results":
            wrong = MISUNDERSTOOD - CODES_OF_ROWS
        assert done.code not in wrong, (line, done.code, done.err)


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
    case = CASES[name]
    found = told(case, noxcli, plays, monkeypatch, options)
    assert set(case.made_by) <= found.shown(route_of(options)), found.text
    if case.mended:
        plays(**{**case.plays, "faults": {}})
    try_all(found.text, case.verb, SHELLS[route], noxcli, monkeypatch)


def test_each_line_of_the_code_is_pasted() -> None:
    """What is not has a reason: a new place of the code needs a case above."""
    cases = [*CASES.values(), *PAGES.values()]
    pasted_by = {site for case in cases for site in case.made_by}
    assert pasted_by.isdisjoint(NOT_PASTED)
    assert pasted_by | set(NOT_PASTED) == {site.name for site in sites()}


def test_what_a_user_replaces_is_in_capitals() -> None:
    for site in sites():
        if NOT_PASTED.get(site.name) == TO_FILL_IN:
            assert re.search(r"\b[A-Z]{3,}\b", site.source), site


def test_no_other_text_has_a_line_to_paste() -> None:
    """A line that is plain text names no server; these need none, or are for who has not named any."""
    verbs = "|".join(VERBS)
    line = re.compile(rf"(?:\A|: )noxcli (?:{verbs})\b")
    plain = {text for text in texts() if line.search(text) and "\n" not in text}
    assert plain == {
        "Common options, such as --profile, --timeout, -q and -v: noxcli help options",
        "set NOXUS_API_KEY to your key, and check it with: noxcli doctor",
    }


def test_a_line_to_the_sandbox_starts_one(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    noxcli.environ["NOXUS_BACKEND_URL"] = f"http://127.0.0.1:{port}"
    text = noxcli("workflows", "--retry-for", "1ms").err
    assert f"the sandbox with: noxcli sandbox --port {port}" in text
    try_all(text, "sandbox", "sh", noxcli, monkeypatch)


@pytest.mark.parametrize("name", PAGES)
def test_a_line_on_a_page_works(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = PAGES[name]
    found = told(case, noxcli, plays, monkeypatch, [])
    assert set(case.made_by) <= found.shown(""), found.text
    try_all(found.text, case.verb, "sh", noxcli, monkeypatch)


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
