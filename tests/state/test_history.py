"""The history: what was started, how far it was read, and that it never makes a command fail."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noxcli.models import RunEvent
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, Step
from noxcli.state.history import KEPT_RUNS, Entry, History
from tests.conftest import Noxcli
from tests.process import HUNG, environment, printed_by, running


def test_last_is_the_run_that_was_started_last_at_this_address(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(output=lambda values: {"A": values.get("n", "-")})
    assert noxcli("fetch-output", "@last").code == 5
    for n in "123":
        assert noxcli("run", workflow, f"n={n}", "--no-check").code == 0
    assert noxcli("fetch-output", "@last").out == b"3\n"
    assert noxcli("wait", "@last").text == f"{sandbox.runs(workflow)[-1].id}\tcompleted\n"
    elsewhere = noxcli("wait", "@last", "--base-url", sandbox.other_url)
    assert (elsewhere.code, "no run has been started" in elsewhere.err) == (5, True)


def test_a_refused_start_is_not_the_last_run(noxcli: Noxcli, plays: Any) -> None:
    last = noxcli.start(plays(output={"A": "x"}))
    refuses = plays(faults={"start": [Answer(422, {"detail": "no"}), Answer(401, {})]})
    before = {path: path.read_bytes() for path in noxcli.state.iterdir()}
    assert [noxcli("run", refuses).code for _ in range(2)] == [2, 4]
    assert {path: path.read_bytes() for path in noxcli.state.iterdir()} == before
    assert noxcli("wait", "@last").text == f"{last}\tcompleted\n"


def test_no_value_and_no_key_is_written_and_nobody_else_can_read(
    noxcli: Noxcli, plays: Any
) -> None:
    noxcli(
        "run",
        plays(output={"A": "hush-output"}),
        "k=hush-input",
        "--no-check",
        "--format",
        "ndjson",
    )
    files = list(noxcli.state.iterdir())
    assert sorted(path.suffix for path in files) == [".cursor", ".json"]
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text()
        assert "hush" not in text
        assert noxcli.environ["NOXUS_API_KEY"] not in text


def test_resume_goes_on_where_stdout_was_left(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=[Emit("Write", f"{n} ") for n in range(20)], output={"A": "x"})
    first = noxcli("run", workflow, "--format", "ndjson")
    again = noxcli("stream", "@last", "--resume", "--format", "ndjson")
    assert again.own == ["started", "result"]
    assert again.events == []
    assert first.events == sandbox.runs(workflow)[0].events
    assert len(noxcli("stream", "@last", "--format", "ndjson").events) == len(first.events)


def test_what_only_a_picture_showed_is_not_counted_as_read(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(script=[Emit("Write", f"{n} ") for n in range(20)], output={"A": "x"})
    noxcli("run", workflow)
    assert (
        noxcli("stream", "@last", "--resume", "--format", "ndjson").events
        == sandbox.runs(workflow)[0].events
    )


@pytest.mark.parametrize(
    "seed", [0, 2, 4, *(pytest.param(seed, marks=pytest.mark.wide) for seed in (1, 3, 5))]
)
def test_after_kill_9_another_process_goes_on(plays: Any, sandbox: Sandbox, seed: int) -> None:
    """Nothing is lost. Only what was written at the moment of the kill, before its position was, comes again."""
    lines, killed = list[bytes](), threading.Event()

    def script(_: dict[str, Any]) -> Iterator[Step]:
        for n in range(150):
            yield Emit("Write", f"piece {n} ")
            while len(lines) < n + 2 and not killed.is_set():  # so that no burst has more than four
                yield Sleep(1)

    workflow = plays(script=script, output={"A": "x"})
    env = environment(sandbox.url)
    with running("run", workflow, "--format", "ndjson", "--quiet", env=env) as process:
        assert process.stdout is not None
        while len(lines) < 10 + 20 * seed:
            lines.append(process.stdout.readline())
        process.kill()
        out = b"".join(lines) + process.stdout.read()
    killed.set()
    with running(
        "stream", "@last", "--resume", "--format", "ndjson", "--quiet", env=env
    ) as process:
        rest, err = process.communicate(timeout=HUNG)
    assert process.returncode == 0, err
    first, second = (
        positions(out[: out.rindex(b"\n")]),
        positions(rest),
    )  # without a line that it cut off
    again = next(
        count
        for count in range(len(second), -1, -1)
        if first[len(first) - count :] == second[:count]
    )
    assert first + second[again:] == [
        event["redisId"] for event in sandbox.runs(workflow)[0].events
    ]
    assert again <= 4, "a burst"


def positions(out: bytes) -> list[str]:
    """The positions of the server's events, in the order of the lines."""
    events = map(json.loads, out.splitlines())
    return [event["redis_id"] for event in events if not event["type"].startswith("noxcli.")]


@pytest.mark.parametrize(
    ("damage", "code"), [("missing", 0), ("file", 2), ("garbage", 5), ("read-only", 5)]
)
def test_a_journal_that_is_no_use_fails_nothing(
    noxcli: Noxcli, plays: Any, damage: str, code: int
) -> None:
    state = noxcli.state
    workflow = plays(script=[Emit("Write", "hi")], output={"A": "x"})
    if damage == "file":
        state.write_text("no directory")
    elif damage == "read-only":
        state.mkdir(mode=0o500)
    for _ in range(2):
        result = noxcli("run", workflow, "--format", "ndjson")
        assert (result.code, result.own[-1]) == (0, "result")
        for path in state.glob("*") if damage in {"garbage", "read-only"} else ():
            path.write_bytes(b"\x00\xff{[")
    resumed = noxcli("stream", result.lines[0]["run_id"], "--resume", "--format", "ndjson")
    assert resumed.events == ([] if damage == "missing" else result.events)
    last = noxcli("wait", "@last")
    assert (last.code, "can't read the history of runs in" in last.err) == (code, damage == "file")


WITHOUT_HANDLES = """
from noxcli.state.history import History
starve({free})
try:
    print(History(os.environ).find_last("http://h"))
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("free", [0, 1], ids=["no handle", "one for the directory"])
def test_no_handle_for_the_history_is_not_no_run(tmp_path: Path, free: int) -> None:
    environ = {"NOXCLI_STATE_DIR": str(tmp_path)}
    History(environ).begin(Entry("one", "w", "http://h", frozenset()))
    assert printed_by(WITHOUT_HANDLES.format(free=free), **environ) == "Too many open files\n"


def test_a_damaged_entry_hides_no_other(tmp_path: Path) -> None:
    history = History({"NOXCLI_STATE_DIR": str(tmp_path)})
    history.begin(Entry("one", "w", "http://h", frozenset()))
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"base_url": "http://h"}'), ("d", "")):
        (tmp_path / f"{name}.json").write_text(text)
    last = history.find_last("http://h")
    assert last is not None
    assert last.run_id == "one"


def test_old_entries_go(tmp_path: Path) -> None:
    history = History({"NOXCLI_STATE_DIR": str(tmp_path)})
    history.begin(Entry("run-0", "w", "http://h", frozenset()))
    entry = (tmp_path / "run-0.json").read_text()
    for number in range(KEPT_RUNS):
        path = tmp_path / f"run-{number}.json"
        path.write_text(entry.replace("run-0", f"run-{number}"))
        os.utime(path, (number + 1, number + 1))
    history.begin(Entry("newest", "w", "http://h", frozenset()))
    assert len(list(tmp_path.glob("*.json"))) == KEPT_RUNS
    assert not (tmp_path / "run-0.json").exists()
    last = history.find_last("http://h")
    assert last is not None
    assert last.run_id == "newest"


@pytest.mark.parametrize("run_id", ["../outside", "a/b", "", ".hidden", "x" * 300, "a\x00b"])
def test_an_id_that_is_no_file_name_is_not_journalled(tmp_path: Path, run_id: str) -> None:
    state = tmp_path / "state"
    history = History({"NOXCLI_STATE_DIR": str(state)})
    history.begin(Entry(run_id, "w", "http://h", frozenset()))
    with history.keep_cursor(run_id) as keeper:
        keeper.show([(RunEvent("state", {}, "1-0"), ())])
    assert not history.read_positions(run_id)
    assert [path for path in tmp_path.rglob("*") if path != state] == []


def test_the_last_two_positions_are_kept_whatever_their_length(tmp_path: Path) -> None:
    history, before = History({"NOXCLI_STATE_DIR": str(tmp_path)}), "0-0"
    with history.keep_cursor("run", [before]) as keeper:
        for position in ("1234567890123-15", "x", 'with "quotes" and ünïcode'):
            keeper.show([(RunEvent("state", {}, position), ()), (RunEvent("state", {}, None), ())])
            assert history.read_positions("run") == [before, position]
            before = position
        keeper.show([(RunEvent("state", {}, f"{n}-0"), ()) for n in range(5)])
    assert history.read_positions("run") == ["3-0", "4-0"]


@pytest.mark.parametrize(
    ("content", "positions"),
    [
        ('"7-0"', []),
        ('["7-0"]', ["7-0"]),
        ('["", 7, "7-0"]', ["7-0"]),
        ("7", []),
        ("{", []),
        ("", []),
    ],
)
def test_a_damaged_cursor_counts_as_none(
    tmp_path: Path, content: str, positions: list[str]
) -> None:
    (tmp_path / "run.cursor").write_text(content.ljust(512))
    assert list(History({"NOXCLI_STATE_DIR": str(tmp_path)}).read_positions("run")) == positions
