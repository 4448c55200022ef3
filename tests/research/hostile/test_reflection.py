"""The key and a secret, repeated by the server wherever it can: none of it is in anything that noxcli writes."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from noxcli.masking import Mask
from tests.conftest import Noxcli, Result
from tests.process import captured, environment
from tests.research.hostile.mirror import (
    ANSWERS,
    KEY,
    ONE_LINE,
    REFLECTED,
    RUN,
    SECRET,
    STREAMS,
    WORKFLOW,
    Bend,
    Mirror,
    body,
    detail,
    found_in,
    mirror,
    spelled,
)

REPORTS = ("--verbose", "--retry-for", "0.2")
FILES = ("--report", "page.html", "--junit", "junit.xml", "--dotenv", "vars.env")
POLLS = ("--poll-interval", "0.1")
START = (
    "run",
    WORKFLOW,
    "--secret",
    "Token=TOKEN",
    "--state-file",
    "state.json",
    *POLLS,
    *FILES,
    *REPORTS,
)
ROWS = ("rows.jsonl", "--output-dir", "rows")
BATCH = (
    "batch",
    WORKFLOW,
    *ROWS,
    "--secret",
    "Token=TOKEN",
    "--timeout",
    "4",
    *POLLS,
    *REPORTS,
    *FILES[:4],
)
# A command line, and the kinds of its requests that may be answered in that way.
COMMANDS: dict[tuple[str, ...], Sequence[str]] = {
    START: ("definition", "start", "events", "record"),
    (*START, "--json"): ("start", "record", "file"),
    (*START, "--format", "ndjson"): ("events", "record"),
    ("run", "mirror", *REPORTS): ("workflows",),
    ("run", WORKFLOW, "Token@upload.txt", "--no-check", *REPORTS): ("upload",),
    ("stream", f"{WORKFLOW}/{RUN}", "--format", "ndjson", *POLLS, *REPORTS): ("events", "record"),
    ("rerun", f"{WORKFLOW}/{RUN}", "--secret", "Token=TOKEN", *FILES, *POLLS, *REPORTS): (
        "definition",
        "start",
        "record",
    ),
    ("wait", RUN, "--json", *REPORTS): ("record",),
    ("wait", RUN, f"{WORKFLOW}/{RUN}", *REPORTS): ("record",),
    ("fetch-output", f"{WORKFLOW}/{RUN}", "--output-dir", "out", *REPORTS): ("record", "file"),
    ("inspect", f"{WORKFLOW}/{RUN}", *REPORTS): ("definition", "record"),
    ("wait", RUN, "--assert", "output.A == run", "--junit", "junit.xml", *REPORTS): ("record",),
    ("stop", RUN, *REPORTS[:-2], "--timeout", "1"): ("stop", "record"),
    ("runs", *REPORTS): ("runs",),
    ("workflows", *REPORTS): ("workflows",),
    ("inputs", WORKFLOW, *REPORTS): ("definition",),
    BATCH: ("definition", "start", "record", "events"),
    ("doctor", "--verbose", "--run", RUN): ("me", "record", "events"),
    ("doctor", "--json"): ("me",),
}
Case = tuple[tuple[str, ...], str]
CASES = [(argv, kind) for argv, kinds in COMMANDS.items() for kind in kinds]
OF_STREAMS = [case for case in CASES if case[1] == "events"]
FEW = 36  # the plain run tries each answer on one case in so many,
SHARE = 12  # the wide one on all requests of START, and on one in so many of the others
NOWHERE = "http://127.0.0.1:9"  # stands for the network: a host's name is asked of nobody
Caller = Callable[..., Result]
DATA = re.compile(
    r"^output<<(.*)$.*?^\1$", re.MULTILINE | re.DOTALL
)  # of the step's outputs, the run's output


@pytest.fixture(scope="module")
def shared_mirror() -> Iterator[Mirror]:
    with mirror() as server:
        yield server


@pytest.fixture
def caller(
    noxcli: Noxcli, shared_mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Caller:
    """Noxcli, each call in a new directory, below which is everything that it can write to."""
    shared_mirror.status = "completed"
    monkeypatch.setenv("http_proxy", NOWHERE)
    noxcli.environ |= {"NOXUS_API_KEY": KEY, "TOKEN": SECRET} | surroundings(shared_mirror)
    numbers = count()

    def call(*argv: str, tty: bool = False) -> Result:
        work_in(tmp_path / str(next(numbers)), monkeypatch)
        on_github = {"NOXCLI_CI": "github"} if "--json" in argv else {}
        return noxcli(*argv, tty=tty, environ=on_github)

    return call


def work_in(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.mkdir()
    monkeypatch.chdir(directory)
    Path("rows.jsonl").write_text("{}\n")
    Path("upload.txt").write_text("x")


def surroundings(server: Mirror) -> dict[str, str]:
    return {
        "NOXUS_BACKEND_URL": server.url,
        "NOXCLI_STATE_DIR": "state",
        "NOXCLI_CACHE_DIR": "cache",
        "GITHUB_OUTPUT": "outputs",
        "GITHUB_STEP_SUMMARY": "summary",
    }


def own_words(out: bytes) -> Iterator[Any]:
    """Yield what noxcli itself writes to stdout, without the server's values, which pass unchanged."""
    for line in out.decode("utf-8", "surrogateescape").splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if not isinstance(document, dict):
            continue
        event, result = document.get("type", ""), document.get("result", document)
        if event in {"noxcli.reconnecting", "noxcli.gap"}:
            yield document["data"]
        result = document["data"] if event == "noxcli.result" else result
        yield [
            result.get("error"),
            result.get("checks"),
            [node.get("error") for node in result.get("nodes", ())],
        ]


def written(result: Result) -> Iterator[tuple[str, str]]:
    """Yield everything that the command wrote, by name, except for the server's data."""
    yield "stderr", result.err
    yield (
        "stdout",
        "\n".join(json.dumps(said, ensure_ascii=False) for said in own_words(result.out)),
    )
    yield from on_disk()


def on_disk() -> Iterator[tuple[str, str]]:
    data = {"rows.jsonl", "upload.txt", "A.txt", "results.jsonl"}
    for path in Path().rglob("*"):
        yield "a name", str(path)
        if path.is_file() and path.name not in data:
            text = path.read_text(errors="replace")
            yield str(path), DATA.sub("", text) if path.name == "outputs" else text


def assert_clean(result: Result, argv: Sequence[str] = START) -> None:
    for name, text in written(result):
        # A command can't know a secret that it was not given.
        assert not found_in(text, secret="--secret" in argv), f"{name}: {text}"


WIDE = pytest.mark.parametrize(
    "all_commands", [False, pytest.param(True, marks=pytest.mark.wide)], ids=["few", "all"]
)


@WIDE
@pytest.mark.parametrize(("turn", "place"), list(enumerate(ANSWERS)), ids=list(ANSWERS))
def test_no_answer_gets_them_written_down(
    caller: Caller, shared_mirror: Mirror, turn: int, place: str, *, all_commands: bool
) -> None:
    others = [case for case in CASES if case[0] != START]
    more = [*((START, kind) for kind in COMMANDS[START]), *others[turn % SHARE :: SHARE]]
    assert_nothing_leaks(
        caller, shared_mirror, ANSWERS[place], more if all_commands else CASES[turn % FEW :: FEW]
    )


@WIDE
@pytest.mark.parametrize(("turn", "place"), list(enumerate(STREAMS)), ids=list(STREAMS))
def test_no_stream_gets_them_written_down(
    caller: Caller, shared_mirror: Mirror, turn: int, place: str, *, all_commands: bool
) -> None:
    few = OF_STREAMS[turn % len(OF_STREAMS) :][:1]
    assert_nothing_leaks(caller, shared_mirror, STREAMS[place], OF_STREAMS if all_commands else few)


def assert_nothing_leaks(
    caller: Caller, shared_mirror: Mirror, bend: Bend, cases: Sequence[Case]
) -> None:
    shared_mirror.bend = bend
    for argv, kind in cases:
        shared_mirror.kind, shared_mirror.bent, shared_mirror.reads = kind, 0, 0
        shared_mirror.status = "failed" if argv == BATCH else "completed"
        result = caller(*argv)
        assert shared_mirror.bent, (argv, kind, result.err)
        assert_clean(result, argv)


@pytest.mark.parametrize("place", STREAMS)
def test_no_stream_gets_them_on_a_terminal(
    caller: Caller, shared_mirror: Mirror, place: str
) -> None:
    shared_mirror.kind, shared_mirror.bent, shared_mirror.reads = "events", 0, 0
    shared_mirror.bend = STREAMS[place]
    assert_clean(caller(*START, tty=True))


@pytest.mark.parametrize("argv", [START, BATCH], ids=["run", "batch"])
@pytest.mark.parametrize("value", [KEY, SECRET], ids=["key", "secret"])
def test_no_cut_leaves_a_part_of_them(
    caller: Caller, shared_mirror: Mirror, argv: tuple[str, ...], value: str
) -> None:
    shared_mirror.kind = "start"
    for before in range(300 - len(value) - 1, 302, 3):
        shared_mirror.bend = detail(422, f"{'.' * before}{value} is bad")
        assert_clean(caller(*argv))


def as_is(value: Any) -> Bend:
    return body(200, json.dumps(value))


def test_a_record_that_repeats_them_stays_on_stdout(caller: Caller, shared_mirror: Mirror) -> None:
    record = {"id": KEY, "workflow_id": WORKFLOW, "status": "completed", "output": {"A": REFLECTED}}
    shared_mirror.kind = "start"
    shared_mirror.bend = as_is({**record, "status": "failed"})
    result = caller(*START[:6], "--json", "--detach")
    assert result.json["run"]["id"] == KEY
    assert_clean(result)
    shared_mirror.kind = "record"
    shared_mirror.bend = as_is({**record, "id": RUN})
    assert caller(*START).text == REFLECTED
    flow = {"id": WORKFLOW, "name": KEY, "definition": {"nodes": [{"id": KEY, "type": SECRET}]}}
    shared_mirror.kind, shared_mirror.bend = "definition", as_is(flow)
    assert_clean(caller(*START))
    shared_mirror.kind, shared_mirror.bend = "workflows", as_is([flow])
    argv = ("run", KEY, "--dry-run", "--verbose")
    assert_clean(caller(*argv), argv)


def test_a_traceback_has_none_of_them(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(REFLECTED) from ValueError(SECRET)

    monkeypatch.setattr("noxcli.cli.start.start_once", broken)
    result = caller(*START)
    assert result.code == 70
    assert "Traceback" in result.err
    assert_clean(result)


STRAY = """
import threading
from noxcli.__main__ import main
from noxcli.commands import runs
def broken(*_, **__):
    thread = threading.Thread(target=int, args=(KEY,))
    thread.start()
    thread.join()
    raise SystemExit(0)
KEY = __import__("os").environ["NOXUS_API_KEY"]
__import__("sys").argv[1:] = ["runs", "--verbose"]
__import__("noxcli.api").api.NoxusApi.list_runs = broken
main()
"""


def test_a_thread_that_dies_tells_none_of_them(shared_mirror: Mirror) -> None:
    done = captured([sys.executable, "-c", STRAY], environment(shared_mirror.url, KEY))
    assert "noxcli: ValueError: invalid literal for int()" in done.stderr
    assert "Traceback" in done.stderr
    assert not found_in(done.stderr)


# The gate itself.


@pytest.mark.parametrize("value", [KEY, SECRET], ids=["key", "secret"])
def test_every_spelling_is_found_and_nothing_around_it_is_lost(value: str) -> None:
    mask = Mask([SECRET], key=KEY)
    shown = "[key]" if value == KEY else "***"
    for form in spelled(value):
        masked = mask(f"before {form} after")
        assert shown in masked
        assert (masked.startswith("before "), masked.endswith(" after")) == (True, True), masked
        assert not found_in(masked), form
    assert found_in(ONE_LINE)
