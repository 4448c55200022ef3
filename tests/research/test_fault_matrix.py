"""Every phase of a run's life x every fault x every verb, and each ending in every format."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any

import pytest
import requests

from noxcli.sandbox.faults import Answer, Cut, CutBody, Fault, FaultPlan, Hold, LostAnswer
from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step
from tests.conftest import Noxcli, QuickClock, Result
from tests.faults.gate import Gate, OpeningClock, Rudeness

PHASES = ("start", "open", "middle", "end", "record", "download")
STREAM_PHASES = ("open", "middle", "end")
BREAKS = ("refused", "reset", "torn", "clean close")
ANSWERS: dict[str, Answer] = {
    "401": Answer(401, {"detail": "Invalid API key"}),
    "404": Answer(404, {"detail": "Not found"}),
    "410": Answer(410, {"detail": "Expired"}),
    "429": Answer(429, {"detail": "Slow down"}),
    "429 Retry-After": Answer(429, {"detail": "Slow down"}, {"Retry-After": "1"}),
    "500": Answer(500, {"detail": "Oops"}),
    "502 HTML": Answer(502, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"),
    "503": Answer(503, {"detail": "Busy"}),
}
FAULTS = (*BREAKS, "silence", *ANSWERS, "wrong JSON", "wrong type", "slow")
# The last format of each shows most: NDJSON has the events, and its last line is the document of --json.
VERBS = {
    "run": ("text", "json", "ndjson"),
    "stream": ("text", "json", "ndjson"),
    "wait": ("text", "json"),
    "fetch-output": ("text", "json", "ndjson"),
}

BAD_FRAME = "event: message\ndata: {oops\n\n"
FIRST_EVENTS = 4
TWO = 2
ESSAY = "Grüße, 世界 🌱. " * 1500


@dataclass(frozen=True)
class Cell:
    """One square of the matrix; `always` if the trouble never passes."""

    phase: str
    fault: str
    always: bool
    verb: str
    format: str

    def __str__(self) -> str:
        return "-".join([self.phase, self.fault, "always" if self.always else "once", self.verb, self.format])

    @property
    def ends_by_timeout(self) -> bool:
        """If only a limit of the command's own ends the wait."""
        return self.fault == "silence" and self.phase in {"start", "record", "download"}


@dataclass(frozen=True)
class Expected:
    """What the contract promises. `events` is about NDJSON: all, a prefix with a reported gap, or a prefix."""

    code: int
    runs: int = 1
    events: str = "all"
    known: bool = True  # the run's id arrived


def makes_sense(cell: Cell) -> bool:
    """Leave out, each for its reason, what can't happen or can't be distinguished from another cell."""
    if cell.phase == "start" and cell.verb != "run":
        return False  # the others start nothing
    if cell.phase == "download":
        if cell.verb == "wait":
            return False  # it downloads nothing
        if cell.fault in {"wrong JSON", "wrong type"}:
            return False  # any bytes are the file: neither JSON nor a type is promised
    if cell.fault == "silence" and cell.phase == "record" and not cell.always:
        return False  # one silent read takes its 30 seconds, or all that --timeout allows
    return cell.fault != "slow" or not cell.always  # slow once and slow always do not differ


def expected(cell: Cell) -> Expected:
    match cell.phase:
        case "start":
            return expected_start(cell)
        case "record":
            return expected_record(cell)
        case "download":
            return expected_download(cell)
    # The stream is for showing: no trouble with it changes a verdict ...
    if cell.phase in {"middle", "end"} and cell.fault in {"404", "410"}:
        return Expected(0, events="gap")  # it may be about the cursor: nothing is resumed from it
    if not cell.always or cell.fault == "slow":
        return Expected(0)
    # ... but if nothing can be requested at all, there is none.
    if cell.fault == "refused":
        return Expected(6, events="some")
    # Two more events with each connection: in the end all have arrived.
    if cell.phase == "middle" and cell.fault in {"reset", "torn", "clean close", "silence", "wrong JSON"}:
        return Expected(0)
    return Expected(0, events="gap")


def expected_start(cell: Cell) -> Expected:
    match cell.fault:
        case "slow":
            return Expected(0)
        case "refused" | "429" | "429 Retry-After":
            # Nothing can have been started: the only faults after which the POST is sent again.
            return Expected(75, runs=0, known=False) if cell.always else Expected(0)
        case "401":
            return Expected(4, runs=0, known=False)
        case "404" | "410":
            return Expected(5, runs=0, known=False)
        case "torn" | "clean close" | "silence":
            # The server started it and its answer was lost.
            return Expected(7, runs=1, known=False)
        case _:
            # It did not start anything, but the client can't know that.
            return Expected(7, runs=0, known=False)


def expected_record(cell: Cell) -> Expected:
    match cell.fault:
        case "slow":
            return Expected(0)
        case "401" | "404" | "410" if not cell.always:
            return Expected(0)  # it is believed once it lasts
        case "401":
            return Expected(4, events="some")
        case "404" | "410":
            return Expected(5, events="some")
        case "silence":
            return Expected(124)
    return Expected(6) if cell.always else Expected(0)


def expected_download(cell: Cell) -> Expected:
    match cell.fault:
        case "silence":
            return Expected(124)
        case "401" | "404" | "410":
            return Expected(9)  # rejected for good, as far as the server says; the run did complete
    return Expected(9) if cell.always and cell.fault != "slow" else Expected(0)


CELLS = [
    cell
    for phase, fault, always, verb in product(PHASES, FAULTS, (False, True), VERBS)
    if makes_sense(cell := Cell(phase, fault, always, verb, VERBS[verb][-1]))
]
# Formats depend on how a command ends, not on what caused it: one cell of each ending is also played in the other
# formats.
ENDINGS = {(cell.phase, cell.verb, expected(cell)): cell for cell in reversed(CELLS)}
FORMATS = [replace(cell, format=form) for cell in ENDINGS.values() for form in VERBS[cell.verb][:-1]]


def sampled() -> set[Cell]:
    """Return the cells of the plain run: each trouble, once or always, and each ending of a verb in each format."""
    troubles = [list(cells) for _, cells in groupby(CELLS, lambda cell: (cell.phase, cell.fault))]
    chosen = [cells[turn % len(cells)] for turn, cells in enumerate(troubles)]
    # An ending of a trouble that is there already needs no other one.
    endings = {(cell.verb, expected(cell)): cell for cell in [*CELLS, *chosen]}
    codes = {(cell.verb, cell.format, expected(cell).code): cell for cell in FORMATS}
    return {*chosen, *endings.values(), *codes.values()}


SAMPLED = sampled()
PLAYED: list[Any] = [
    cell if cell in SAMPLED else pytest.param(cell, marks=pytest.mark.wide) for cell in CELLS + FORMATS
]


# How a cell is staged.


@dataclass
class Stage:
    """The server's side of one cell."""

    faults: FaultPlan
    rude: dict[str, Rudeness]
    spare: int = 0  # requests that pass before the gate is rude
    shut: bool = False
    shut_after: str = ""


def staged(cell: Cell, events: int) -> Stage:
    """Return what fails where; `events` is the number of a run's events."""
    if cell.fault == "refused":
        return refusing(cell, events)
    if cell.phase in STREAM_PHASES:
        return streaming(cell, events)
    kind = {"start": "start", "record": "record", "download": "file"}[cell.phase]
    if cell.fault == "reset" or (cell.fault == "torn" and kind != "file"):
        return Stage({}, {kind: "reset" if cell.fault == "reset" else "torn"})
    fault: Fault
    match cell.fault:
        case "torn":
            fault = CutBody(5000, repeat=cell.always)
        case "clean close":
            fault = LostAnswer("drop", repeat=cell.always)
        case "silence":
            fault = LostAnswer("hold", repeat=cell.always)
        case "wrong JSON":
            fault = Answer(200, {"unexpected": [1]}, repeat=cell.always)
        case "wrong type":
            fault = Answer(200, "<html>Please sign in</html>", repeat=cell.always)
        case "slow":
            fault = Hold(150)
        case _:
            fault = answer(cell)
    return Stage({kind: [fault]}, {})


def refusing(cell: Cell, events: int) -> Stage:
    """Only a closed listener refuses: it closes with the request before the one to refuse."""
    match cell.phase:
        case "start":
            return Stage({}, {}, shut=True)
        case "open":
            return Stage({}, {}, shut_after="start" if cell.verb == "run" else "lookup")
        case "middle" | "end":
            after = FIRST_EVENTS if cell.phase == "middle" else events - 1
            return Stage({"events": [Cut(after, "abort")]}, {}, shut_after="events")
        case "record":
            return Stage({}, {}, shut_after="events")
    return Stage({}, {}, shut_after="verdict")


def streaming(cell: Cell, events: int) -> Stage:
    """The connection is cut in its phase; a fault other than a cut hits the attempt to continue from there."""
    start = {"open": 0, "middle": FIRST_EVENTS, "end": events - 1}[cell.phase]
    # In the middle, each new connection brings two more events; elsewhere none.
    again = TWO if cell.phase == "middle" else 0
    cut = cut_of(cell.fault, start)
    if cut is not None:
        more = cut_of(cell.fault, again, repeat=True) if cell.always else None
        if more is not None or not cell.always:
            return Stage({"events": [cut, more] if more is not None else [cut]}, {})
    before = [Cut(start, "abort")] if start else []
    if cell.fault == "reset":
        return Stage({"events": before}, {"events": "reset"}, spare=len(before))
    then: Fault
    match cell.fault:
        case "wrong type":
            then = Answer(200, "<html><body>Please sign in</body></html>", repeat=cell.always)
        case "slow":
            then = Hold(150)
        case _:
            then = answer(cell)
    return Stage({"events": [*before, then]}, {})


def cut_of(fault: str, after: int, *, repeat: bool = False) -> Cut | None:
    match fault:
        case "torn" | "silence" | "clean close":
            how: Any = {"torn": "torn", "silence": "silent", "clean close": "clean"}[fault]
            return Cut(after, how, repeat=repeat)
        case "reset" if after:
            return Cut(after, "abort", repeat=repeat)
        case "wrong JSON":
            return Cut(after, "clean", BAD_FRAME, repeat=repeat)
    return None


def answer(cell: Cell) -> Answer:
    given = ANSWERS[cell.fault]
    return Answer(given.status, given.body, given.headers, repeat=cell.always)


# Playing the matrix.


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(speed=1000) as sandbox:
        yield sandbox


@dataclass
class Workflow:
    """A workflow whose runs do not end before their events were requested, or the client has given up."""

    sandbox: Sandbox
    output: dict[str, str]
    faults: FaultPlan

    def __post_init__(self) -> None:
        self.asked = threading.Event()
        # One name for all: the sandbox serves the newest form of it.
        self.id = self.sandbox.add(Scenario("cell", script=self._script, output=self.output, faults=self.faults))

    def _script(self, _values: dict[str, Any]) -> Iterator[Step]:
        yield from (Emit("Write", f"piece {n} ") for n in range(6))
        while not self.asked.is_set():
            yield Sleep(2)
        yield Sleep(5)
        yield from (Emit("Write", f"piece {n} ") for n in range(6, 12))

    def start(self) -> str:
        """Start a run as another user would."""
        url = f"{self.sandbox.url}/v1/workflows/{self.id}/runs"
        answer = requests.post(url, json={"input": {}}, headers={"X-API-Key": self.sandbox.key}, timeout=10)
        return str(answer.json()["id"])

    @property
    def ended(self) -> bool:
        return any(run.ended for run in self.sandbox.runs(self.id))


@pytest.fixture(scope="module")
def run_length(server: Sandbox) -> int:
    """The number of events of a run in the matrix."""
    workflow = Workflow(server, {"Answer": "forty-two"}, {})
    workflow.asked.set()
    run = workflow.start()
    url = f"{server.url}/v1/runs/{run}/events"
    text = requests.get(url, headers={"X-API-Key": server.key}, timeout=10).text
    return text.count("event: message")


def played(cell: Cell, workflow: Workflow, stage: Stage, state_directory: str) -> Result:
    """Call noxcli through the gate."""

    def seen(kind: str) -> bool:
        if kind == "events":
            workflow.asked.set()
        if stage.shut_after == "verdict":
            return kind == "record" and workflow.ended
        return kind == stage.shut_after

    target = workflow.id if cell.verb == "run" else workflow.start()
    options = ["--retry-for", "5s"]
    idle = (
        "0.15s" if cell.phase in STREAM_PHASES else "5s"
    )  # elsewhere the stream has no trouble, though it may be slow
    options += ["--wait"] if cell.verb == "fetch-output" else []
    options += ["--json"] if cell.format == "json" else []
    options += ["--format", "ndjson"] if cell.format == "ndjson" else []
    options += ["--timeout", "1s"] if cell.ends_by_timeout else []
    with Gate(
        workflow.sandbox.url,
        shut=stage.shut,
        shut_after=seen,
        rude=stage.rude,
        after=stage.spare,
        always=cell.always,
    ) as gate:
        noxcli = Noxcli(
            {
                "NOXUS_BACKEND_URL": gate.url,
                "NOXUS_API_KEY": workflow.sandbox.key,
                "NOXCLI_STATE_DIR": state_directory,
                "NOXCLI_IDLE_TIMEOUT": idle,
                "TERM": "dumb",
            },
            QuickClock() if cell.always else OpeningClock(gate),
        )
        try:
            return noxcli(cell.verb, target, *options)
        finally:
            workflow.asked.set()


@pytest.mark.parametrize("cell", PLAYED, ids=str)
def test_cell(
    cell: Cell,
    server: Sandbox,
    run_length: int,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if cell.fault == "silence":
        monkeypatch.setattr("noxcli.runs.stream.LAST_EVENTS_GRACE", 0.5)  # a real wait, on each of its connections
    stage = staged(cell, run_length)
    output = {"Essay": ESSAY, "Note": "short"} if cell.phase == "download" else {"Answer": "forty-two"}
    workflow = Workflow(server, output, stage.faults)
    result = played(cell, workflow, stage, str(tmp_path_factory.getbasetemp() / "state"))
    promise = expected(cell)
    runs = server.runs(workflow.id)
    assert (result.code, len(runs)) == (promise.code, promise.runs), result.err
    assert "Traceback" not in result.err
    assert ("noxcli: " in result.err) is (promise.code != 0)
    match cell.format:
        case "text":
            check_text(cell, promise, result, runs, output)
        case "json":
            check_document(cell, promise, result.json, runs, output)
            assert result.out.count(b"\n") == 1
        case _:
            check_lines(cell, promise, result, runs, output)


def check_text(cell: Cell, promise: Expected, result: Result, runs: list[Any], output: dict[str, str]) -> None:
    if promise.code == 124 and cell.verb == "wait":
        assert result.text == f"{runs[0].id}\trunning\n"  # the last known status
    elif promise.code != 0:
        assert result.out == b""
    elif cell.verb == "wait":
        assert result.text == f"{runs[0].id}\tcompleted\n"
    elif cell.phase == "download":
        assert result.json == output
    else:
        assert result.out == b"forty-two\n"


def check_document(
    cell: Cell, promise: Expected, document: dict[str, Any], runs: list[Any], output: dict[str, str]
) -> None:
    assert document["schema"] == "noxcli.result/1"
    assert (document["exit_code"], document["ok"]) == (promise.code, promise.code == 0)
    nothing_started = cell.phase == "start" and promise.code in {4, 5, 75}
    assert document["retry_safe"] is nothing_started
    assert (document["error"] is None) is (promise.code == 0)
    if not promise.known:
        assert document["run"] is None
        if promise.code == 7:
            assert [run["id"] for run in document["error"]["candidates"]] == [run.id for run in runs]
        return
    assert document["run"]["id"] == runs[0].id
    if promise.code in {0, 9}:
        assert (document["run"]["status"], document["run"]["confirmed"]) == ("completed", True)
        assert document["complete"] is (promise.code == 0)
    if promise.code == 0 and cell.verb != "wait":
        assert document["output"] == output
    if promise.code == 9:
        assert document["output"]["Note"] == "short"


def check_lines(cell: Cell, promise: Expected, result: Result, runs: list[Any], output: dict[str, str]) -> None:
    assert result.out.endswith(b"\n")
    lines, own = result.lines, result.own
    # What is not JSON is passed on, and is none of the run's events.
    events = [event for event in result.events if event["type"] != "unknown"]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert own.count("result") == 1
    assert lines[-1]["type"] == "noxcli.result"
    check_document(cell, promise, lines[-1]["data"], runs, output)
    if not promise.known:
        assert own == ["result"]
        return
    assert lines[0]["type"] == "noxcli.started"
    truth = runs[0].events
    assert events == truth[: len(events)]
    if promise.events == "all":
        assert (len(events), "gap" in own) == (len(truth), False)
    elif promise.events == "gap":
        assert (len(events) < len(truth), "gap" in own) == (True, True)
        assert lines[-1]["data"]["stream"]["continuity"] == "broken"
