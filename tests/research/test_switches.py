"""Every setting of the sandbox's switches, in random combinations: what each verb says is true under all of them."""

import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import requests

from noxcli.sandbox.faults import Cut
from noxcli.sandbox.run import Run
from noxcli.sandbox.scenario import File, Node, Scenario, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step
from noxcli.sandbox.switches import Switches, with_overrides
from tests.conftest import Noxcli, QuickClock, Result
from tests.process import until

DEFAULTS = Switches()
# The settings of numeric switches, the default first. 1000 seconds of the sandbox are one.
NUMBERS: Mapping[str, Sequence[float]] = {
    "retained_events": (0, 5), "keepalive_seconds": (15.0, 1.0), "create_status": (200, 201, 202),
    "gateway_refusals": (0, 1), "stale_reads": (0, 1, 3), "late_output_reads": (0, 1, 3), "queue_seconds": (0.0, 20.0),
    "page_size": (50, 3), "page_limit": (100, 5), "preview_limit": (16_000, 100), "preview_characters": (16_000, 40),
    "stop_seconds": (0.0, 100.0), "rate_limit": (0, 100), "retry_after_seconds": (1, 2),
}  # fmt: skip
# These have tests of their own: what they lead to depends on the moment, or on one request alone.
NOT_CROSSED = {
    "fixed_input", "gateway_status", "import_answer", "import_refusal", "key_refusal", "missing_input",
    "rate_limit_counts", "rate_limit_window", "run_words", "sync_limit_seconds", "sync_limit_status", "trailing_slash",
    "unknown_input", "unlabelled_input", "unreadable_bundle", "versions", "web_app", "wrong_type",
    "late_versions", "version_answer", "version_positions", "version_settings",
}  # fmt: skip
SETTINGS: dict[str, Sequence[Any]] = {
    name: get_args(kind)
    if get_origin(kind) is Literal
    else [False, True]
    if kind is bool
    else NUMBERS[name]
    for name, kind in get_type_hints(Switches).items()
    if name not in NOT_CROSSED
}
ROWS = 48  # as many as it takes for every setting
PAUSED = "awaiting_human_feedback"
CODES = {"completed": 0, "failed": 1, "stopped": 3, PAUSED: 10}
REASON, PIECES = "the model is not available", ("one ", "two ", "three ", "four ", "five")
ESSAY, TABLE = "Grüße, 世界 🌱. " * 25, b"city,people\nLisboa,567131\n"
OUTPUT = {
    "Answer": "Answer to: why", "Essay": ESSAY, "List": {"inner": [ESSAY, 1]}, "Score": 0.5,
    "Table": File("a b.csv", TABLE, "text/csv"), "twin 1": "first", "twin 2": "second",
}  # fmt: skip
LIMITS = ("--timeout", "120s", "--retry-for", "60s")
SLOWEST = 40.0  # seconds, including slept ones, that an honest verdict may take


def combinations() -> Iterator[dict[str, Any]]:
    """Yield random settings, half of the time of few switches; defaults are left out."""
    rng = random.Random(20)
    for number in range(ROWS):
        names = list(SETTINGS) if number % 2 else rng.sample(list(SETTINGS), rng.randint(2, 12))
        chosen = {name: rng.choice(SETTINGS[name]) for name in names}
        yield {name: value for name, value in chosen.items() if value != getattr(DEFAULTS, name)}


class HalfQuickClock(QuickClock):
    """Under a rate limit, which is real, sleeps take a twentieth of their time."""

    limited = False

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        threading.Event().wait(seconds / 20 if self.limited else 0)


@dataclass
class Play:
    """One verb against a server with these switches; what it says is held to the server's own state."""

    sandbox: Sandbox
    switches: Switches
    workflow: str = "w"
    result: Result = field(init=False)

    def serve(
        self, ending: str = "completed", *, watched: bool = False, cuts: Sequence[Cut] = ()
    ) -> None:
        """Serve a workflow whose runs end in that way; `watched` runs do not end before their events are read."""
        nodes = [input_node("Question"), Node("Read"), Node("Write")]
        nodes += [output_node(label) for label in OUTPUT if not label.startswith("twin")]
        nodes += [
            Node(f"twin {n}", "OutputNode", {"label": "Twin", "type": "String"}) for n in (1, 2)
        ]

        def is_awaited() -> bool:
            seen = any("/events" in request.path for request in self.sandbox.requests)
            return ending == "going" or (watched and not seen)

        self.workflow = self.sandbox.add(
            Scenario(
                "w",
                nodes=nodes,
                script=lambda _: script(ending, is_awaited),
                status=ending,
                output=lambda values: {**OUTPUT, "Answer": f"Answer to: {values.get('Question')}"},
                faults={"events": list(cuts)},
            )
        )

    def start(self, *, to_the_end: bool = True) -> Run:
        """Start a run as another user would, and wait until nothing more will happen to it."""
        url, headers = (
            f"{self.sandbox.url}/v1/workflows/{self.workflow}/runs",
            {"X-API-Key": self.sandbox.key},
        )
        while (
            requests.post(
                url, json={"input": {"Question": "why"}}, headers=headers, timeout=10
            ).status_code
            == 429
        ):
            threading.Event().wait(0.1)
        run = self.sandbox.runs(self.workflow)[-1]
        until(lambda: run.over.is_set() or not to_the_end)
        return run

    def call(self, *argv: str, idle: str = "0.2s") -> Result:
        """Call noxcli, which may take a number of requests and seconds."""
        before, clock = len(self.sandbox.requests), HalfQuickClock()
        clock.limited, began = bool(self.switches.rate_limit), clock.monotonic()
        environ = {
            "NOXUS_BACKEND_URL": self.sandbox.url,
            "NOXUS_API_KEY": self.sandbox.key,
            "TERM": "dumb",
        }
        places = {
            "NOXCLI_STATE_DIR": "state",
            "NOXCLI_CACHE_DIR": "cache",
            "NOXCLI_IDLE_TIMEOUT": idle,
        }
        self.result = Noxcli(environ | places, clock)(*argv)
        asked = self.sandbox.requests[before:]
        assert "Traceback" not in self.result.err
        assert len(asked) <= self.requests_at_most(), [request.path for request in asked]
        assert clock.monotonic() - began < SLOWEST
        return self.result

    def requests_at_most(self) -> int:
        """Lagging records, silence and rejections each cost some requests, none without end."""
        s = self.switches
        most = 14 + 2 * (s.stale_reads + s.late_output_reads) + 4 * bool(s.retained_events)
        most += 12 * ("silent" in (s.on_stopped, s.on_paused, s.after_end, s.on_ended))
        most += 10 * (s.on_ended != "replay" or s.closing_event != "none") + 8 * (
            s.page_size < 10 or s.page_limit < 10
        )
        most += 100 if s.stop_seconds else 12 * bool(s.queue_seconds)  # which pass in real time
        return most * (8 if s.rate_limit else 1) * len(self.sandbox.runs(self.workflow))

    def run(self, ending: str, *argv: str, cuts: Sequence[Cut] = ()) -> Run | None:
        """Run to that ending; None if a gateway lost the answer to the start: nothing is started again."""
        self.serve(ending, watched="--no-stream" not in argv, cuts=cuts)
        # What is not replayed must not be missed on a busy machine.
        idle = "0.2s" if self.switches.on_ended == "replay" else "1s"
        result = self.call("run", self.workflow, "Question=why", *argv, *LIMITS, idle=idle)
        (run,) = self.sandbox.runs(self.workflow)
        if self.switches.gateway_refusals:
            told = result.err + result.text
            assert (result.code, run.id in told or "can't be read" in told) == (7, True), told
            return None
        if "content" not in argv:
            assert result.code == CODES[ending], result.err
        return run

    def named(self, verb: str, run: Run, *argv: str, code: int = 0) -> Result:
        """Call a verb on a run, which is named by its id alone if the server can look that up."""
        by_id = self.switches.look_up == "served"
        result = self.call(verb, run.id if by_id else f"{self.workflow}/{run.id}", *argv)
        assert (result.code, len(self.sandbox.runs(self.workflow))) == (code, 1), result.err
        return result

    def check(
        self, document: Mapping[str, Any], run: Run, status: str, *, delivers: bool = True
    ) -> None:
        """Hold a result document to the run."""
        told = document["run"]
        assert (told["id"], told["status"], told["confirmed"]) == (run.id, status, True)
        assert [moment(told[name]) for name in ("created_at", "finished_at")] == [
            run.created_at,
            run.finished_at,
        ]
        if status == "failed":
            assert document["output"] in (None, {})
        if status == "completed" and delivers:
            assert document["complete"] is True
            assert {key: plain(value) for key, value in document["output"].items()} == self.output(
                run
            )

    def output(self, run: Run) -> dict[str, Any]:
        """The output as noxcli delivers it: truncated texts are whole, everything else is as the server has it."""
        s, found = self.switches, dict[str, Any]()
        for node in run.workflow.graph.outputs:
            value = OUTPUT[node.name]
            keys = {
                "label": node.config["label"],
                "node_id": node.id,
                "node_id::name": f"{node.id}::output",
            }
            key = keys[s.output_keys]
            if key in found and s.duplicate_labels == "first":
                continue
            key = f"{key} (2)" if key in found and s.duplicate_labels == "number" else key
            boxed = (
                isinstance(value, str)
                and len(value) <= s.preview_limit
                and s.inline_text == "container"
            )
            found[key] = (
                {"text": value} if boxed else "a b.csv" if isinstance(value, File) else value
            )
        return found

    def check_events(
        self, run: Run, *, first: int = 0, lossy: bool = False, sure: bool = True
    ) -> None:
        """Hold events to the server's own: in order, each once, and missing ones with a word, unless it is `lossy`."""
        got, truth = self.result.events, [{"redisId": None, **event} for event in run.events]
        rest, missing, gap = iter(truth), len(truth) - first - len(got), "gap" in self.result.own
        assert all(any(event == one for one in rest) for event in got), "out of order or twice"
        assert missing <= 0 or gap or lossy, f"{missing} events missing without a word"
        assert missing <= 0 or not sure, f"{missing} events missing"
        excused = missing > 0 or not self.is_announced(run.status) or not sure
        # Without positions, a record that lags behind the last event looks like a stream that broke off.
        assert (
            not gap or excused or (self.switches.redis_ids != "all" and self.switches.stale_reads)
        )

    def is_announced(self, ending: str) -> bool:
        """Whether an event ends the run for a client."""
        by, null = self.switches.end_announced_by, self.switches.null_data
        if ending in {"completed", "failed"}:
            return by == "content" or (by == "state" and not null)
        return {"stopped": self.switches.on_stopped}.get(
            ending, self.switches.on_paused
        ) == "end" and not (by == "state" and null)

    def forgets(self) -> bool:
        """Whether a stream may begin later than it was asked to."""
        return bool(self.switches.retained_events) or self.switches.stream_start == "new"

    def check_reason(self, text: str, *, live: bool = False) -> None:
        """The reason of a failure is told if any answer has it, and never another one."""
        s = self.switches
        kept = s.failure_detail in {"everywhere", "run_logs"} or (
            s.failure_detail == "data" and s.run_data != "404"
        )
        replayed = (live or s.on_ended == "replay") and s.node_words != "foreign"
        assert (REASON in text) is (kept or (s.failure_detail == "content" and replayed)), text
        if live:  # it is followed: the node is named if anything says which one it was
            assert ("Write" in text) is (s.node_words != "foreign" or kept), text


def script(ending: str, is_awaited: Callable[[], bool]) -> Iterator[Step]:
    """The steps of a run that ends in that way."""
    for _ in takewhile(lambda _: is_awaited(), range(10_000)):
        yield Sleep(2)
    yield from (Emit("Read"), Emit("Read", status="completed"), Emit("Write"))
    for piece in PIECES:
        yield from (Emit("Write", piece), Sleep(2))
    failed, status = (
        (REASON, "failed")
        if ending == "failed"
        else (None, "completed" if ending == "completed" else "")
    )
    yield Emit("Write", failed, status=status or "running")


def moment(text: str | None) -> datetime | None:
    found = datetime.fromisoformat(text) if text else None
    return found.replace(tzinfo=found.tzinfo or UTC) if found else None


def plain(value: Any) -> Any:
    """A file value as its name, and a written file as its content."""
    if isinstance(value, dict) and "$file" in value:
        content = Path(value["$file"]).read_bytes()
        return "a b.csv" if content == TABLE else content.decode()
    if isinstance(value, dict) and "content_type" in value:
        return value["name"]
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def followed(play: Play, ending: str) -> None:
    if run := play.run(ending, "--format", "ndjson"):
        document = play.result.lines[-1]["data"]
        play.check(document, run, ending)
        # A run is slightly ahead of its stream, and a short memory may have lost its beginning by then.
        play.check_events(run, lossy=True, sure=not play.forgets())
        if ending == "failed":
            play.check_reason(document["error"]["message"], live=True)


def content(play: Play) -> None:
    if play.run("completed", "--format", "content"):
        # A stream that never reports the end, or lacks the last event of a broken one, may have lost events.
        unknown = play.result.code == 9 and (not play.is_announced("completed") or play.forgets())
        assert unknown or (play.result.code, play.result.text) == (0, "".join(PIECES)), play.result


def cut(play: Play) -> None:
    rng = random.Random(repr(play.switches))
    cuts = [
        Cut(rng.randint(2, 6), rng.choice(["clean", "torn", "abort"]))
        for _ in range(rng.randint(1, 4))
    ]
    if run := play.run("completed", "--format", "ndjson", cuts=cuts):
        resumes = play.switches.on_ended == "replay" and play.switches.redis_ids == "all"
        play.check_events(run, lossy=play.forgets(), sure=resumes and not play.forgets())


def polled(play: Play, ending: str) -> None:
    if run := play.run(ending, "--json", "--no-stream"):
        play.check(play.result.json, run, ending)
        assert (
            not any("/events" in request.path for request in play.sandbox.requests)
            or ending == "failed"
        )
        if ending == "failed":
            play.check_reason(play.result.json["error"]["message"])


def streamed(play: Play, after: int | None = None, cursor: str | None = None) -> None:
    """Follow a run that has ended, from its start, after an event, or from a position that it never had."""
    s = play.switches
    play.serve()
    run = play.start()
    cursor = cursor or (
        run.log.cursors[after - 1] if after else None
    )  # which the user may have from elsewhere
    result = play.named(
        "stream", run, "--format", "ndjson", *(["--etag", cursor] if cursor else []), *LIMITS
    )
    play.check(result.lines[-1]["data"], run, "completed")
    oldest = max(0, len(run.events) - s.retained_events) if s.retained_events else 0
    if s.on_ended != "replay":
        # A stream that is closed at once after a position looks like one whose position was the last.
        play.check_events(run, lossy=s.on_ended == "close" and cursor is not None, sure=False)
    elif cursor is None or (after is not None and after >= oldest):
        # Nothing shows that the first event is the one that the cursor names.
        again = bool(cursor and s.cursor_inclusive and s.redis_ids == "none")
        play.check_events(
            run,
            first=(after or 0) - again if after else oldest,
            lossy=cursor is None and oldest > 0,
        )
    elif s.on_unknown_cursor in {"replay", "accepted"}:
        # A server that silently replays what it has looks like one that accepted the position.
        play.check_events(run, first=oldest, lossy=True)
    else:
        play.check_events(run, sure=False)
        assert "gap" in result.own


def of_ended(play: Play, verb: str, ending: str, *argv: str) -> None:
    play.serve(ending)
    run = play.start()
    result = play.named(verb, run, "--json", *argv, code=0 if verb == "stop" else CODES[ending])
    play.check(result.json, run, ending, delivers=verb == "fetch-output")
    if ending == "failed":
        play.check_reason(result.json["error"]["message"])


def fetched(play: Play) -> None:
    of_ended(play, "fetch-output", "completed", "--wait", "--output-dir", "out", *LIMITS)
    files = [path.read_bytes() for path in Path("out").iterdir()]
    assert TABLE in files
    assert ESSAY.encode() in files


def waited(play: Play) -> None:
    play.serve(watched=True)
    run = play.start(to_the_end=False)
    play.check(play.named("wait", run, "--json", *LIMITS).json, run, "completed", delivers=False)


def stopped(play: Play) -> None:
    play.serve("going")
    run = play.start(to_the_end=False)
    play.check(play.named("stop", run, "--json").json, run, "stopped")


def inspected(play: Play, ending: str) -> None:
    play.serve(ending)
    told = play.named("inspect", play.start(), "--json", *LIMITS).json
    if play.switches.stale_reads:
        return
    status = next((node["status"] for node in told["nodes"] if node["name"] == "Write"), None)
    assert (told["run"]["status"], status == "completed") == (ending, ending == "completed")
    if ending == "failed":
        play.check_reason(str(told["error"]))


def batch(play: Play) -> None:
    play.serve()
    asked = [f"q{number}" for number in range(1, 6)]
    Path("rows.jsonl").write_text("".join(json.dumps({"Question": each}) + "\n" for each in asked))
    lost = bool(play.switches.gateway_refusals)
    result = play.call("batch", play.workflow, "rows.jsonl", "--poll-interval", "50ms", *LIMITS)
    assert result.code == (7 if lost else 0), result.err
    assert (
        sorted(next(iter(run.input.values())) for run in play.sandbox.runs(play.workflow)) == asked
    )
    answers = {
        line["row"]: next(iter(line["result"]["output"].values()))
        for line in result.lines
        if line["result"]["ok"]
    }
    texts = {
        row: answer["text"] if isinstance(answer, dict) else answer
        for row, answer in answers.items()
    }
    assert len(texts) == 5 - lost
    assert all(text == f"Answer to: q{row}" for row, text in texts.items())


CELLS: dict[str, Callable[[Play], None]] = {
    **{f"run {ending}": lambda play, ending=ending: followed(play, ending) for ending in CODES},  # type: ignore[misc]
    "content": content,
    "cut": cut,
    "polled": lambda play: polled(play, "completed"),
    "polled failed": lambda play: polled(play, "failed"),
    "stream": streamed,
    "stream from a position": lambda play: streamed(play, after=5),
    "stream from nowhere": lambda play: streamed(play, cursor="99999999999-0"),
    "wait": waited,
    "wait failed": lambda play: of_ended(play, "wait", "failed", *LIMITS),
    "fetch-output": fetched,
    "stop": stopped,
    "stop completed": lambda play: of_ended(play, "stop", "completed"),
    "inspect": lambda play: inspected(play, "completed"),
    "inspect failed": lambda play: inspected(play, "failed"),
    "batch": batch,
}


@pytest.mark.parametrize(("row", "settings"), list(enumerate(combinations())), ids=range(ROWS))
@pytest.mark.parametrize(
    "every", [False, pytest.param(True, marks=pytest.mark.nightly)], ids=["one", "every"]
)
def test_what_is_said_is_true_under_any_settings(
    row: int,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    every: bool,
) -> None:
    """Each combination is played with one of the cells, at night with all."""
    # What a silent stream on this machine may still send; no clock can shorten that.
    for name, seconds in {
        "stream.LAST_EVENTS_GRACE": 1.0,
        "follow.FIRST_READ": 0.1,
        "failure.FIRST_EVENT": 1.0,
    }.items():
        monkeypatch.setattr(f"noxcli.runs.{name}", seconds)
    monkeypatch.setattr("noxcli.runs.failure.QUIET", 1.0)
    for cell in CELLS if every else [list(CELLS)[row % len(CELLS)]]:
        for attempt in (
            1,
            2,
        ):  # a second may be too short for a replay while a busy machine does other things
            (place := tmp_path / f"{cell} {attempt}").mkdir()
            monkeypatch.chdir(place)
            switches = with_overrides(DEFAULTS, settings)
            # Each server has a key of its own: ids of workflows are the same in all, and a port may be used again.
            with Sandbox(speed=1000, switches=switches, key=f"key-{uuid.uuid4()}") as sandbox:
                try:
                    CELLS[cell](Play(sandbox, switches))
                    break
                except AssertionError as error:
                    if attempt == 2:
                        error.add_note(f"{cell} under {settings}")
                        raise


def test_each_setting_is_in_a_combination() -> None:
    played = [{name: getattr(DEFAULTS, name) for name in SETTINGS} | row for row in combinations()]
    assert all({row[name] for row in played} == {*values} for name, values in SETTINGS.items())
    assert all(values[0] == getattr(DEFAULTS, name) for name, values in NUMBERS.items())
