"""Every verb and format, played against one combination of switches and judged by the oracle."""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from noxcli.sandbox.faults import Cut
from noxcli.sandbox.run import Run
from noxcli.sandbox.switches import Switches
from tests.research.crossed import oracle
from tests.research.crossed.oracle import Events
from tests.research.crossed.stage import ESSAY, REASON, TABLE, Seen, Stage

CODES = {"completed": 0, "failed": 1, "stopped": 3, "awaiting_human_feedback": 10}
PAUSED = "awaiting_human_feedback"
SLOWEST = 40.0  # seconds, including slept ones, that an honest verdict may take
LIMITS = ("--timeout", "120s", "--retry-for", "60s")
PATIENT = "1s"  # without events, until the record is read
WHY = "Question=why"
ROWS = 5
NEVER_KNOWN = "99999999999-0"


@dataclass
class Judge:
    """Collects the errors of a call."""

    stage: Stage
    seen: Seen
    wrong: list[str] = field(default_factory=list)

    def expect(self, condition: object, *evidence: object) -> None:
        """Record a value if it is not the expected one."""
        if not condition:
            self.wrong.append(" ".join(str(each) for each in evidence)[:600])

    def ends(self, code: int, runs: int = 1) -> bool:
        """Check exit code, number of runs, requests and time; true if the code is right."""
        seen = self.seen
        self.expect(seen.result.code == code, f"exit {seen.result.code} instead of {code}: {seen.result.err.strip()}")
        self.expect("Traceback" not in seen.result.err, seen.result.err)
        asked = f"{self.stage.sandbox.url} was asked {seen.requests}"
        self.expect(len(seen.runs) == runs, f"{len(seen.runs)} runs instead of {runs}; {asked}")
        most = oracle.requests_at_most(self.stage.switches, max(1, runs))
        self.expect(len(seen.requests) <= most, f"{len(seen.requests)} requests, at most {most}: {seen.requests}")
        self.expect(seen.seconds < SLOWEST, f"{seen.seconds:.1f} s until the verdict")
        return seen.result.code == code

    def document(self, document: Mapping[str, Any], run: Run, status: str, *, delivers: bool = True) -> None:
        """Check a result document against the run."""
        told = document["run"]
        self.expect(told["status"] == status, "status", told["status"])
        self.expect(told["confirmed"] is True, "not confirmed")
        self.expect(told["id"] == run.id, "the run of somebody else")
        for name in ("created_at", "finished_at"):
            self.expect(_moment(told[name]) == getattr(run, name), name, told[name], getattr(run, name))
        self.expect(told["duration_s"] is None or 0 <= told["duration_s"] < SLOWEST, "duration", told["duration_s"])
        if status == "completed" and delivers:
            self.expect(document["complete"] is True, "not complete")
            self.output(document["output"], run)
        if status == "failed":
            self.expect(document["output"] in (None, {}), "output of a failed run", document["output"])

    def output(self, given: Any, run: Run) -> None:
        """Check an output against the oracle's."""
        expected = oracle.output(run, self.stage.switches)
        plain = {key: _plain(value, self.seen.directory) for key, value in (given or {}).items()}
        self.expect(plain == expected, "output", json.dumps(plain)[:250], "instead of", str(expected)[:250])

    def events(self, promise: Events, ending: str) -> None:
        """Check the events against the server's own, and what is said about missing ones."""
        got, own, truth = self.seen.result.events, self.seen.result.own, self.seen.truth
        self.expect(own.count("result") == 1, own.count("result"), "results")
        self.expect(oracle.is_subsequence(got, truth), "out of order or twice", _short(got), "of", _short(truth))
        due = self.seen.truth[promise.first or 0 :]
        missing = len(due) - len(self.seen.result.events)
        gap = "gap" in own
        self.expect(missing <= 0 or not promise.whole, missing, "events missing of", len(due))
        self.expect(missing <= 0 or gap or promise.silent, missing, "events missing without a word")
        self.expect(gap or not promise.gap, "no gap said")
        announced = oracle.is_announced(self.stage.switches, ending)
        # Without positions, a record that lags behind the last event looks like a stream that broke off.
        excused = promise.gap or missing > 0 or not announced or promise.first is None
        excused = excused or (self.stage.switches.redis_ids != "all" and self.stage.switches.stale_reads > 0)
        self.expect(not gap or excused, "a gap said, and nothing is missing")

    def reason(self, text: str, *, live: bool) -> None:
        """Check that the reason of the failure is given if it can be known, and its node always by name."""
        if oracle.reason_is_known(self.stage.switches, live=live):
            self.expect(REASON in text, "the reason is not told:", text)
        else:
            self.expect(REASON not in text, "a reason from nowhere:", text)


Play = Callable[[Stage, str], Judge]
CELLS: dict[str, Callable[[Stage], list[str]]] = {}


def register(name: str, play: Play) -> None:
    """Register a cell; it gets its own workflow name."""
    CELLS[name] = lambda stage: play(stage, name).wrong


def cell(play: Play) -> Play:
    register(play.__name__.replace("_", "-"), play)
    return play


def _refused(judge: Judge) -> bool:
    """True if a gateway lost the answer to the start: the outcome is unknowable, and nothing is started again."""
    if not judge.stage.switches.gateway_refusals:
        return False
    if judge.ends(7):
        told = judge.seen.result.err + judge.seen.result.text
        unread = judge.stage.switches.rate_limit and "can't be read" in told
        judge.expect(judge.seen.run.id in told or unread, "no candidate")
    return True


def _run(stage: Stage, name: str, *argv: str, ending: str = "completed", cuts: tuple[Cut, ...] = ()) -> Judge:
    workflow = stage.add(name, ending, watched="--no-stream" not in argv, cuts=cuts)
    # What is not replayed must not be missed on a busy machine.
    idle = None if stage.switches.on_ended == "replay" else PATIENT
    return Judge(stage, stage.call(workflow, "run", workflow, WHY, *argv, *LIMITS, idle=idle))


@cell
def run_text(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name, watched=True)
    judge = Judge(stage, stage.call(workflow, "run", name, WHY, "--raw", "Answer", *LIMITS))
    if not _refused(judge) and judge.ends(0):
        judge.expect(judge.seen.result.text == "Answer to: why", judge.seen.result.text)
    return judge


@cell
def run_json(stage: Stage, name: str) -> Judge:
    judge = _run(stage, name, "--json")
    if not _refused(judge) and judge.ends(0):
        judge.document(judge.seen.result.json, judge.seen.run, "completed")
    return judge


@cell
def run_content(stage: Stage, name: str) -> Judge:
    judge = _run(stage, name, "--format", "content")
    # A stream that never reports the end, or lacks the last event of a broken one, may have lost events.
    doubtful = not oracle.is_announced(stage.switches, "completed") or oracle.forgets(stage.switches)
    unknown = judge.seen.result.code == 9 and doubtful
    if not _refused(judge) and judge.ends(9 if unknown else 0):
        judge.expect(judge.seen.result.text == oracle.TEXT, judge.seen.result.text)
    return judge


def _run_to(stage: Stage, name: str, ending: str) -> Judge:
    """Follow a run that ends in that way, event by event."""
    judge = _run(stage, name, "--format", "ndjson", ending=ending)
    if not _refused(judge) and judge.ends(CODES[ending]):
        judge.document(judge.seen.result.lines[-1]["data"], judge.seen.run, ending)
        judge.events(oracle.live_events(stage.switches), ending)
    return judge


@cell
def run_failed(stage: Stage, name: str) -> Judge:
    judge = _run_to(stage, name, "failed")
    if not stage.switches.gateway_refusals and judge.seen.result.code == CODES["failed"]:
        told = judge.seen.result.lines[-1]["data"]["error"]["message"]
        judge.reason(told, live=True)
        known = oracle.failed_node_is_known(stage.switches)
        judge.expect(("Write" in told) is known, "the node is not named, or by chance:", told)
    return judge


@cell
def run_cut(stage: Stage, name: str) -> Judge:
    rng = random.Random(repr(stage.switches))
    cuts = tuple(Cut(rng.randint(2, 6), rng.choice(["clean", "torn", "abort"])) for _ in range(rng.randint(1, 4)))
    judge = _run(stage, name, "--format", "ndjson", cuts=cuts)
    if not _refused(judge) and judge.ends(0):
        judge.events(oracle.live_events(stage.switches, cut=True), "completed")
    return judge


@cell
def run_polls(stage: Stage, name: str) -> Judge:
    judge = _run(stage, name, "--json", "--no-stream")
    if not _refused(judge) and judge.ends(0):
        judge.document(judge.seen.result.json, judge.seen.run, "completed")
        judge.expect(not any("/events" in request for request in judge.seen.requests), "a stream was opened")
    return judge


@cell
def run_failed_polls(stage: Stage, name: str) -> Judge:
    judge = _run(stage, name, "--json", "--no-stream", ending="failed")
    if not _refused(judge) and judge.ends(1):
        judge.document(judge.seen.result.json, judge.seen.run, "failed")
        judge.reason(judge.seen.result.json["error"]["message"], live=False)
    return judge


def _named(stage: Stage, workflow: str, run: Run, *argv: str) -> Judge:
    return Judge(stage, stage.call(workflow, argv[0], f"{workflow}/{run.id}", *argv[1:], target=run))


@cell
def stream_live(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name, watched=True)
    judge = _named(stage, workflow, stage.start(workflow), "stream", "--format", "ndjson", *LIMITS)
    if judge.ends(0):
        judge.document(judge.seen.result.lines[-1]["data"], judge.seen.run, "completed")
        judge.events(oracle.live_events(stage.switches), "completed")
    return judge


def _streamed(stage: Stage, name: str, promise: Callable[[Switches, int], Events], *argv: str) -> Judge:
    """Follow a run that has ended, event by event."""
    workflow = stage.add(name)
    run = stage.ended(workflow)
    judge = _named(stage, workflow, run, "stream", "--format", "ndjson", *argv, *LIMITS)
    if judge.ends(0):
        judge.document(judge.seen.result.lines[-1]["data"], judge.seen.run, "completed")
        judge.events(promise(stage.switches, len(judge.seen.truth)), "completed")
    return judge


@cell
def stream_from_a_position(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name)
    run = stage.ended(workflow)
    # If events have no cursor, the user has it from elsewhere.
    cursor = run.log.cursors[4]
    judge = _named(stage, workflow, run, "stream", "--format", "ndjson", "--etag", cursor, *LIMITS)
    if judge.ends(0):
        promise = oracle.ended_events(stage.switches, len(judge.seen.truth), after=5)
        if stage.switches.cursor_inclusive and stage.switches.redis_ids == "none" and promise.first == 5:
            promise = Events(first=4)  # nothing shows that the first event is the one that the cursor names
        judge.events(promise, "completed")
    return judge


def _of_ended(stage: Stage, name: str, ending: str, *argv: str, delivers: bool = True) -> Judge:
    """Call a verb on a run that has ended, and check its document."""
    workflow = stage.add(name, ending)
    judge = _named(stage, workflow, stage.ended(workflow), *argv, "--json")
    if judge.ends(0 if argv[0] == "stop" else CODES[ending]):
        judge.document(judge.seen.result.json, judge.seen.run, ending, delivers=delivers)
        if ending == "failed":
            judge.reason(judge.seen.result.json["error"]["message"], live=False)
    return judge


def _named_as(stage: Stage, workflow: str, run: Run) -> str:
    """Name a run by its id alone, if the server can look that up."""
    return run.id if stage.switches.look_up == "served" else f"{workflow}/{run.id}"


@cell
def wait(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name, watched=True)
    run = stage.start(workflow)
    judge = Judge(stage, stage.call(workflow, "wait", _named_as(stage, workflow, run), "--json", *LIMITS))
    if judge.ends(0):
        judge.document(judge.seen.result.json, run, "completed", delivers=False)
    return judge


@cell
def fetch_output(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name)
    run = stage.ended(workflow)
    argv = ("fetch-output", _named_as(stage, workflow, run), "--wait", "--json")
    judge = Judge(stage, stage.call(workflow, *argv, *LIMITS))
    if judge.ends(0):
        judge.document(judge.seen.result.json, run, "completed")
    return judge


@cell
def fetch_files(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name)
    out = stage.directory / "out"
    argv = ("fetch-output", "--wait", "--json", "--output-dir", str(out), *LIMITS)
    judge = _named(stage, workflow, stage.ended(workflow), *argv)
    if judge.ends(0):
        judge.output(judge.seen.result.json["output"], judge.seen.run)
        files = [path.read_bytes() for path in out.iterdir() if path.name != "manifest.json"]
        judge.expect(TABLE in files, "the file is not there", sorted(out.iterdir()))
        judge.expect(ESSAY.encode() in files, "the text is not there", sorted(out.iterdir()))
    return judge


@cell
def stop(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name, "going")
    run = stage.start(workflow)
    judge = Judge(stage, stage.call(workflow, "stop", _named_as(stage, workflow, run), "--json"))
    if judge.ends(0):
        judge.document(judge.seen.result.json, run, "stopped")
    return judge


@cell
def inspect(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name)
    run = stage.ended(workflow)
    judge = _named(stage, workflow, run, "inspect", "--json", *LIMITS)
    if judge.ends(0):
        told = judge.seen.result.json
        statuses = {node["name"]: node["status"] for node in told["nodes"]}
        if not stage.switches.stale_reads:
            judge.expect(told["run"]["status"] == "completed", told["run"])
        done = "executed" if stage.switches.stale_reads else "completed"
        judge.expect(statuses.get("Write") == done, statuses)
    return judge


@cell
def inspect_failed(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name, "failed")
    judge = _named(stage, workflow, stage.ended(workflow), "inspect", "--json", *LIMITS)
    if judge.ends(0) and not stage.switches.stale_reads:
        told = judge.seen.result.json
        judge.expect(told["run"]["status"] == "failed", told["run"])
        judge.reason(str(told["error"]), live=False)
        statuses = {node["name"]: node["status"] for node in told["nodes"]}
        judge.expect(statuses.get("Write") != "completed", statuses)
    return judge


@cell
def batch(stage: Stage, name: str) -> Judge:
    workflow = stage.add(name)
    rows = stage.directory / "rows.jsonl"
    rows.write_text("".join(f'{{"Question": "q{number}"}}\n' for number in range(1, ROWS + 1)))
    argv = ("batch", workflow, str(rows), "--poll-interval", "50ms", *LIMITS)
    judge = Judge(stage, stage.call(workflow, *argv))
    refused = bool(stage.switches.gateway_refusals)
    if judge.ends(7 if refused else 0, ROWS):
        inputs = sorted(next(iter(run.input.values())) for run in judge.seen.runs)
        judge.expect(inputs == [f"q{number}" for number in range(1, ROWS + 1)], inputs)
        lines = [line for line in judge.seen.result.lines if line["result"]["ok"]]
        judge.expect(len(lines) == ROWS - refused, len(lines), "rows are ok")
        for line in lines:
            answer = next(iter(line["result"]["output"].values()))
            text = answer["text"] if isinstance(answer, dict) else answer
            judge.expect(text == f"Answer to: q{line['row']}", line["row"], text)
    return judge


FROM_NOWHERE = partial(oracle.ended_events, known=False)
SHARED: dict[str, Play] = {
    "run-ndjson": lambda stage, name: _run_to(stage, name, "completed"),
    "run-stopped": lambda stage, name: _run_to(stage, name, "stopped"),
    "run-paused": lambda stage, name: _run_to(stage, name, PAUSED),
    "stream-ended": lambda stage, name: _streamed(stage, name, oracle.ended_events),
    "stream-from-nowhere": lambda stage, name: _streamed(stage, name, FROM_NOWHERE, "--etag", NEVER_KNOWN),
    "stream-failed": lambda stage, name: _of_ended(stage, name, "failed", "stream", *LIMITS),
    "wait-failed": lambda stage, name: _of_ended(stage, name, "failed", "wait", *LIMITS),
    "fetch-failed": lambda stage, name: _of_ended(stage, name, "failed", "fetch-output", "--wait", *LIMITS),
    "stop-ended": lambda stage, name: _of_ended(stage, name, "completed", "stop", delivers=False),
}
for shared, play in SHARED.items():
    register(shared, play)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _plain(value: Any, directory: Path) -> Any:
    """A file value as its name, and a written file as its content."""
    if isinstance(value, dict) and "$file" in value:
        path = directory / value["$file"]
        return "a b.csv" if path.read_bytes() == TABLE else path.read_text()
    if isinstance(value, dict) and "content_type" in value:
        return value["name"]
    if isinstance(value, dict):
        return {key: _plain(inner, directory) for key, inner in value.items()}
    return [_plain(inner, directory) for inner in value] if isinstance(value, list) else value


def _short(events: list[dict[str, Any]]) -> str:
    return re.sub(r"\s+", " ", ", ".join(f"{each['redisId']} {each['type']}" for each in events))[-300:]
