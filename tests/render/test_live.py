"""The live view on terminals: real processes on pseudo-terminals, read through a terminal emulator."""

import io
import os
import re
import select
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from noxcli.models import Finished, Run, RunEvent, Started, Update, Workflow
from noxcli.render.line import Capabilities
from noxcli.render.live import Live, draw_verdict, worth_keeping
from noxcli.render.live_region import Bar
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Node as ProgressNode
from noxcli.runs.progress import Progress
from noxcli.sandbox.faults import Cut
from noxcli.sandbox.scenario import Node
from noxcli.sandbox.steps import Emit, Sleep, Step, alongside, node_runs, node_skipped, words
from noxcli.timing import Clock
from tests.conftest import Noxcli, Turning
from tests.forks import ROOT
from tests.process import HUNG, NOXCLI, Seen, forked, on_terminal, until, watched
from tests.texts import any_text

RUNNING = Run("run-1", "wf-1", "running")
FOREVER = Sleep(600_000)
# Listed against the order of their work.
NODES = [Node("Publish"), Node("Check"), Node("Draft"), Node("Ask"), Node("Plan")]
EDGES = [
    ("Plan", "Draft"),
    ("Plan", "Ask"),
    ("Plan", "Check"),
    ("Draft", "Publish"),
    ("Check", "Publish"),
]
SCRIPT = [
    *node_runs("Plan", seconds=400),
    *node_skipped("Ask"),
    *alongside(
        [*node_runs("Check", seconds=60)],
        [Emit("Draft"), Emit("Draft", "first words of the draft")],
    ),
]
WRAP = b"\x1b[?7h"  # at the end of each drawing
CUTTING = {
    "XTERM_VERSION": "XTerm(390)"
}  # a terminal that cuts lines off when it gets narrower, as pyte does


def lines_of(screen: pyte.Screen) -> list[str]:
    return [line.rstrip() for line in screen.display if line.strip()]


def screen_of(raw: bytes, columns: int = 80, rows: int = 24) -> pyte.Screen:
    screen = pyte.Screen(columns, rows)
    pyte.ByteStream(screen).feed(raw)
    return screen


def shown(seen: Seen, columns: int = 80, rows: int = 24) -> list[str]:
    return lines_of(screen_of(bytes(seen.raw), columns, rows))


def drawn_with(seen: Seen, text: bytes, columns: int = 80) -> list[str]:
    """Return what the first drawing with that text shows, once all of it has arrived."""
    seen.wait_for(text)
    seen.wait_for(WRAP, after=(place := seen.raw.index(text)))
    return lines_of(screen_of(bytes(seen.raw[: seen.raw.index(WRAP, place)]), columns))


def leave(seen: Seen) -> None:
    """Press Ctrl-C."""
    os.kill(seen.process.pid, signal.SIGINT)


def paused(may_go_on: threading.Semaphore) -> Iterator[Step]:
    """Play it with pauses that a test ends."""
    for step in SCRIPT:
        while isinstance(step, Sleep) and not may_go_on.acquire(blocking=False):
            yield Sleep(2)
        if not isinstance(step, Sleep):
            yield step
    yield FOREVER


def test_nodes_stand_in_the_order_of_their_work(env: dict[str, str], plays: Any) -> None:
    drawn = threading.Semaphore(0)
    workflow = plays(nodes=NODES, edges=EDGES, script=lambda _: paused(drawn))
    with on_terminal([*forked(), "run", workflow], env) as seen:
        until(
            lambda: seen.raw.partition("━".encode())[2].count(WRAP) >= 4
        )  # so that the first bar is not too short
        drawn.release()
        seen.wait_for(b"of the draft")
        drawn.release()
        started, headline, *nodes = drawn_with(seen, b"60%")
        run_id = started.removeprefix("started run ")
        leave(seen)
        seen.wait_for(f"noxcli stop {run_id}\r\n".encode())
        text = bytes(seen.raw).decode()
    assert re.fullmatch(r"test_nodes\S+  running +\d+\.\ds  ━+─+  60%", headline) is not None, (
        headline
    )
    marks = ["".join(line.split()[:2]) if line[0] != " " else line.split()[0] for line in nodes]
    assert [marks[0], *(mark[0] for mark in marks[1:4]), marks[4]] == ["✓", "┌", "│", "└", "·"]
    assert [re.sub(r"\W+", " ", line).split()[0] for line in nodes] == [
        "Plan",
        "Check",
        "Draft",
        "Ask",
        "Publish",
    ]
    plan, check, draft = (re.search("[╺━╸]+", line) for line in nodes[:3])
    assert plan
    assert check
    assert draft
    assert plan.start() < check.start() >= plan.end() - 1, "the one works after the other"
    assert abs(check.start() - draft.start()) <= 1, "side by side: a cell is a few milliseconds"
    assert draft.end() >= check.end(), "it is still at work"
    assert nodes[2].endswith(" first words of the draft")
    assert nodes[3] == "└ - Ask" + " " * 32 + "skipped"
    assert text.count(run_id) == 3, "it is told once, and how to go on"
    ways_on = [f"continue with: noxcli stream {run_id}", f"stop it with: noxcli stop {run_id}"]
    assert shown(seen)[-3:] == ["the run keeps running", *ways_on], "each in a line"


def test_what_a_terminal_shows_of_ctrl_c_moves_nothing(env: dict[str, str], plays: Any) -> None:
    with on_terminal(
        [*forked(), "run", plays(script=[Emit("Write", "hello"), FOREVER])], env
    ) as seen:
        seen.wait_for(b"hello")
        os.write(seen.end, b"\x03")
        seen.wait_for(b"^C")
        leave(seen)
    lines = shown(seen)
    assert lines[1][:6] in {"  • Wr", "test_w"}, "the node, if it ran long enough to be kept"
    assert "^C" not in "".join(lines)


@pytest.mark.parametrize("columns", [40, 80])
def test_a_summary_stays_on_the_screen(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    err = io.TextIOWrapper(raw := io.BytesIO(), encoding="utf-8", newline="\r\n")
    terminal = Terminal(io.BytesIO(), err, interactive=True, environ={"TERM": "xterm"})
    edges = [{"source": "Plan", "target": target} for target in ("Check", "Draft", "Ask")]
    names = dict.fromkeys(["Draft", "Ask", "Check", "Plan"])
    definition = {"nodes": [{"id": name} for name in names], "edges": edges}
    progress = Progress(
        RUNNING,
        clock := Turning(),
        Workflow("wf-1", "W", {name: name for name in names}, definition),
    )
    with Live(terminal, progress) as live:
        for seconds, name, status, text in [
            (1, "Plan", "running", "once upon a time"),
            (2.5, "Plan", "completed", ""),
            (0, "Draft", "running", "first words"),
            (0, "Check", "running", "still at it"),
            (0, "Ask", "skipped", ""),
            (72, "Draft", "failed", "no ink left, and no paper either"),
        ]:
            clock.now_is += seconds
            event = RunEvent("content", {"id": name, "status": status, "content": text})
            live.show([(event, progress.apply_one(event))])
        progress.apply_one(Finished(replace(RUNNING, status="completed")))
    clock.now_is += 100  # its output takes long to arrive
    draw_verdict(terminal, progress, "noxcli fetch-output run-1")
    last = [
        "W completed in 1m16s; 1 node completed, 1 failed, 1 running, 1 skipped",
        "output: noxcli fetch-output run-1",
    ]
    if columns == 80:
        bar = f" {'━' * 18}"
        kept = [
            "  ✓ Plan    2.5s ╺",
            f"┌ ✗ Draft  1m12s {bar} no ink left, and no paper either",
            f"└ • Check  1m12s {bar}",
            *last,
        ]
    else:
        kept = [
            "  ✓ Plan    2.5s",
            "┌ ✗ Draft  1m12s no ink left, and no p…",
            "└ • Check  1m12s",
            *last,
        ]
    wrapped = [
        line[at : at + columns].rstrip() for line in kept for at in range(0, len(line), columns)
    ]
    assert lines_of(screen_of(raw.getvalue(), columns)) == wrapped


def test_a_verdict_breaks_at_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal(
        io.BytesIO(), err := io.StringIO(), interactive=True, environ={"TERM": "xterm"}
    )
    nodes = dict.fromkeys("abcdefghi", "")
    progress = Progress(
        RUNNING, Turning(), Workflow("wf-1", "Quarterly report", nodes, {"nodes": []})
    )
    details = {"executed_nodes": list(nodes)}
    progress.apply_one(Finished(replace(RUNNING, status="completed", progress_details=details)))
    draw_verdict(terminal, progress, "noxcli fetch-output run-1")
    lines = lines_of(screen_of(err.getvalue().replace("\n", "\r\n").encode(), 30))
    assert lines == [
        "Quarterly report completed in",
        "0.0s; 9 nodes completed",
        "output:",
        "noxcli fetch-output run-1",
    ]


def test_a_summary_keeps_what_failed_or_took_longest_in_order() -> None:
    nodes = [
        ProgressNode(str(n), f"Step {n}", "completed", began=0.0, ended=float(n % 20))
        for n in range(60)
    ]
    nodes[0].status = "failed"
    assert [node.id for node in worth_keeping(nodes, 60.0, measured=True)] == sorted(
        ["0", *(str(n) for n in range(60) if n % 20 >= 16 and n != 56)], key=int
    )
    assert [node.id for node in worth_keeping(nodes, 60.0, measured=False)] == ["0"]


def test_a_run_that_was_begun_before_took_what_its_record_says(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.ended(plays(script=node_runs("Write", seconds=300), output={"A": "x"}))
    err = noxcli("stream", run, tty=True).err
    took = re.search(r"completed\S* in (\d+\.\d)s", err)
    assert took is not None
    assert float(took[1]) >= 0.3
    assert "+ Write" not in err.partition("output: noxcli")[0].splitlines()[-1], (
        "nobody saw how long it took"
    )


@pytest.mark.parametrize("reflows", [True, False])
def test_a_resize_leaves_no_remains(env: dict[str, str], plays: Any, reflows: bool) -> None:
    workflow = plays(nodes=NODES, edges=EDGES, script=[*SCRIPT, FOREVER])
    with on_terminal([*NOXCLI, "run", workflow], env if reflows else env | CUTTING) as seen:
        seen.wait_for(b"of the draft")
        seen.process.send_signal(
            signal.SIGSTOP
        )  # so that all of `before` was drawn for the size before
        os.waitpid(seen.process.pid, os.WUNTRACED)
        until(
            lambda: (
                re.search(rb"\x1b\[\d+A$", seen.raw) and not select.select([seen.end], [], [], 0)[0]
            )
        )
        seen.resize(45, 24)
        before = bytes(seen.raw)
        seen.process.send_signal(signal.SIGCONT)
        seen.wait_for(b"\x1b[K\x1b[J" + WRAP, after=len(before))
        after = bytes(seen.raw[len(before) :])
        leave(seen)
    screen = screen_of(before)
    if reflows:
        screen = reflowed(screen, 45)
    else:
        screen.resize(24, 45)
    pyte.ByteStream(screen).feed(after[: after.rindex(WRAP)])
    text = "\n".join(lines_of(screen))
    assert [
        text.count(name)
        for name in ("Plan", "Check", "Draft", "Ask", "Publish", "%", "test_a_resize")
    ] == [1] * 7
    assert "started run" in lines_of(screen)[0]
    assert len(lines_of(screen)) == 7 + reflows, "a wrapped line above, and the whole picture"


def reflowed(screen: pyte.Screen, columns: int) -> pyte.Screen:
    """Wrap lines that have become too long, as most terminals do; the cursor stays with its text."""
    rows = [line.rstrip() for line in screen.display]
    pieces = [
        [row[at : at + columns] for at in range(0, max(1, len(row)), columns)] for row in rows
    ]
    above = sum(map(len, pieces[: screen.cursor.y]))
    text = "\r\n".join(piece for row in pieces for piece in row).rstrip()
    return screen_of(f"{text}\x1b[{above + 1};1H".encode(), columns, screen.lines)


def test_ctrl_z_gives_the_screen_to_the_shell(env: dict[str, str], plays: Any) -> None:
    with on_terminal(
        [*NOXCLI, "run", plays(script=[Emit("Write", "hello"), FOREVER])], env
    ) as seen:
        seen.wait_for(b"hello")
        seen.process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(seen.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        seen.wait_for(b"\x1b[?25h")
        screen, stopped_at = screen_of(bytes(seen.raw)), len(seen.raw)
        seen.process.send_signal(signal.SIGCONT)
        seen.wait_for(b"hello", after=stopped_at)
        leave(seen)
    assert [line[:11] for line in lines_of(screen)] == ["started run"]
    assert not screen.cursor.hidden
    assert b"\x1b[?25l" in seen.raw[stopped_at:]


BEHIND = """
import fcntl, os, sys, termios
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.setpgid(0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_job_behind_an_ampersand_draws_nothing_over_the_prompt(
    env: dict[str, str], plays: Any
) -> None:
    workflow = plays(script=node_runs("Write", ["hello"], seconds=500), output={"A": "the output"})
    seen = watched([sys.executable, "-c", BEHIND, *NOXCLI, "run", workflow], env)
    assert seen.process.returncode == 0
    lines = shown(seen)
    assert (lines[0][:11], "the output" in lines) == ("started run", True)
    assert b"\x1b[?7l" not in seen.raw


def test_lines_above_are_whole_and_the_picture_is_below_them(
    env: dict[str, str], plays: Any
) -> None:
    text = "Every piece comes once. " * 5
    workflow = plays(
        script=[*node_runs("Write", words(text), seconds=2500)],
        output={"A": "the end"},
        faults={"events": [Cut(3), Cut(3, "torn"), Cut(2, "abort")]},
    )
    seen = watched([*forked(), "run", workflow, "--verbose"], env, columns=300, rows=60)
    lines = shown(seen, 300, 60)
    requests = [line for line in lines if "GET " in line or "POST " in line]
    assert sum("/events" in line for line in requests) >= 2
    for line in requests:
        assert re.fullmatch(r"(GET|POST) /v1/\S+ 20\d \d+ ms \(request id \w+\)", line), line
    assert re.search(r"; [1-3] reconnects?$", lines[lines.index("the end") + 1])
    assert not any("%" in line for line in lines), "nothing of the picture is left"


def test_threads_that_speak_at_once_tear_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "30")
    terminal = Terminal(io.BytesIO(), io.StringIO(), interactive=True, environ={"TERM": "xterm"})
    progress = Progress(RUNNING, Clock(), Workflow("wf-1", "Report", {"n1": "Read", "n2": "Write"}))
    with Live(terminal, progress) as live:
        speakers = [
            threading.Thread(
                target=lambda who=who: list(
                    map(terminal.note, (f"{who} says {n}" for n in range(100)))
                )
            )
            for who in ("one", "two")
        ]
        for speaker in speakers:
            speaker.start()
        for number in range(200):
            event = RunEvent(
                "content", {"id": "n2", "status": "running", "content": f"word {number} "}
            )
            live.show([(event, progress.apply_one(event))])
            live.refresh()
        for speaker in speakers:
            speaker.join()
    assert isinstance(terminal.err, io.StringIO)
    screen = pyte.HistoryScreen(60, 30, history=1000)
    pyte.Stream(screen).feed(terminal.err.getvalue().replace("\n", "\r\n"))
    past = [
        "".join(row[column].data for column in range(60)).rstrip() for row in screen.history.top
    ]
    lines = [line for line in [*past, *lines_of(screen)] if line]
    lines = [line for line in lines if not line.startswith("  * Write")]
    assert sorted(lines) == sorted(f"{who} says {n}" for who in ("one", "two") for n in range(100))


def test_an_older_drawing_does_not_come_last() -> None:
    terminal = Terminal(
        io.BytesIO(), err := io.StringIO(), interactive=True, environ={"TERM": "xterm"}
    )
    began, go_on, states = threading.Event(), threading.Event(), ["older", "newer"]

    def how_far(_: float) -> tuple[None, str, str]:
        if (state := states.pop(0)) == "older":
            began.set()
            go_on.wait(HUNG)
        return None, state, ""

    bar = Bar(terminal)
    bar.update(how_far)
    first, second = (threading.Thread(target=bar.refresh) for _ in range(2))
    first.start()
    assert began.wait(HUNG)
    second.start()
    second.join(0.2)  # it waits for the first one
    go_on.set()
    for thread in (first, second):
        thread.join()
    assert err.getvalue().rindex("newer") > err.getvalue().rindex("older")


@given(st.lists(any_text(max_size=30), max_size=4), st.integers(1, 40), st.booleans())
@example(["世界", "\N{FAMILY}\u200d\N{ROCKET}", "大", "e\u0301"], 5, True)
def test_a_line_is_never_wider_than_it_may_be(texts: list[str], width: int, unicode: bool) -> None:
    line = Capabilities(color=False, unicode=unicode).line(width)
    for place, text in enumerate(texts):
        _ = (
            line.add_end(text)
            if place % 3 == 2
            else line.add(text, cells=4 if place % 3 == 1 else None)
        )
    assert cell_len(str(line)) <= line.cells <= width
    assert not re.search("[\x00-\x1f\x7f-\x9f]", str(line))
    assert unicode or str(line).isascii()


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(60, 80, 24), (60, 40, 10), (500, 80, 24), (500, 40, 10)]
)
def test_many_nodes_leave_header_and_footer_and_keep_their_order(
    monkeypatch: pytest.MonkeyPatch, count: int, columns: int, rows: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(rows))
    names = [f"Step {number}" for number in range(count)]
    definition = {
        "nodes": [{"id": name} for name in reversed(names)],
        "edges": [{"source": source, "target": target} for source, target in pairwise(names)],
    }
    workflow = Workflow("wf-1", "Report", {name: name for name in reversed(names)}, definition)
    terminal = Terminal(io.BytesIO(), io.StringIO(), interactive=True, environ={"TERM": "xterm"})
    progress = Progress(RUNNING, Clock(), workflow)
    details = {
        "executed_nodes": names[:30],
        "running_nodes": names[30:33],
        "remaining_nodes": names[33:],
    }
    updates: list[Update] = [
        Started(RUNNING),
        RunEvent("state", {"status": "running", "progress_details": details}),
        RunEvent("content", {"id": names[5], "status": "failed", "content": "no good"}),
    ]
    live = Live(terminal, progress)
    with live:
        live.show([(update, progress.apply_one(update)) for update in updates])
        live.refresh()
        assert isinstance(terminal.err, io.StringIO)
        lines = lines_of(
            screen_of(terminal.err.getvalue().replace("\n", "\r\n").encode(), columns, rows)
        )
    assert len(lines) == rows - 2
    assert re.match(r"Report  running   \d\.\ds", lines[0]), lines
    assert re.fullmatch(rf"  not shown: \d+ executed, {count - 33} waiting", lines[-1]), lines
    chosen = [int(line.split()[2]) for line in lines[1:-1]]
    assert chosen == sorted(chosen)
    assert {5, 30, 31, 32} <= set(chosen)
    assert "no good" in next(line for line in lines if "Step 5 " in line)


def test_an_encoding_without_them_gets_plain_characters(env: dict[str, str], plays: Any) -> None:
    workflow = plays(nodes=NODES, edges=EDGES, script=[*SCRIPT, Emit("Draft", "Größe 大"), FOREVER])
    with on_terminal([*NOXCLI, "run", workflow], env | {"PYTHONIOENCODING": "latin-1"}) as seen:
        lines = drawn_with(seen, b"Gr")
        leave(seen)
    assert bytes(seen.raw).isascii()
    assert [line[0] for line in lines[2:]] == [" ", "/", "|", "\\", " "]
    assert "Gr\\xf6\\xdfe \\u5927" in lines[4]
    assert re.search(r"  =+-+  [46]0%$", lines[1])
    assert "=" in lines[3]


def test_a_plain_locale_says_nothing_against_unicode(env: dict[str, str], plays: Any) -> None:
    # Under LC_ALL=C, Python 3.11 cannot start where its path is not ASCII and the package is installed editable.
    env |= {"LC_ALL": "C", "LANG": "en_US.UTF-8"} if str(ROOT).isascii() else {"LANG": "C"}
    with on_terminal([*NOXCLI, "run", plays(script=[Emit("Write"), FOREVER])], env) as seen:
        seen.wait_for("━".encode())
        leave(seen)


@pytest.mark.parametrize(
    ("more", "argv", "logged"),
    [
        ({"TERM": "dumb"}, [], True),
        ({"TERM": ""}, [], True),
        ({}, ["--progress", "plain"], True),
        ({"NOXCLI_PROGRESS": "plain"}, [], True),
        ({"NOXCLI_PROGRESS": "plain"}, ["--progress", "none"], False),
        ({"NOXCLI_PROGRESS": "none"}, [], False),
        ({"NOXCLI_PROGRESS": "plain"}, ["-q"], False),
    ],
)
def test_a_terminal_gets_the_log_or_nothing(
    noxcli: Noxcli, plays: Any, more: dict[str, str], argv: list[str], logged: bool
) -> None:
    result = noxcli("run", plays(script=SCRIPT, output={"A": "x"}), *argv, tty=True, environ=more)
    assert (result.out, "\x1b[?" in result.err) == (b"x\n", False)
    assert bool(re.search(r"\d\d:\d\d:\d\d   Plan +completed", result.err)) is logged
    assert logged or result.err == ""


@pytest.mark.parametrize(
    ("more", "argv", "colored"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, [], False),
        ({"FORCE_COLOR": "1"}, ["--color", "never"], False),
    ],
)
def test_colours_are_the_users(
    noxcli: Noxcli, plays: Any, more: dict[str, str], argv: list[str], colored: bool
) -> None:
    shown = noxcli(
        "run", plays(script=SCRIPT, output={"A": "x"}), *argv, tty=True, environ=more
    ).err
    assert bool(re.search(r"\x1b\[[0-9;]*m", shown)) is colored
    assert "\x1b[?7l" in shown, "it is drawn all the same"


def test_a_pause_is_told_though_the_stream_breaks_off(env: dict[str, str], plays: Any) -> None:
    workflow = plays(
        script=[*node_runs("Draft"), Emit("Approve")], status="awaiting_human_feedback"
    )
    with on_terminal([*forked(), "run", workflow, "--on-pause", "wait"], env, columns=120) as seen:
        # A pause that begins while a drawing is made is in the headline of the next one.
        _, headline, *_, last = drawn_with(seen, b"\x1b[35mpaused", 120)
        leave(seen)
    assert headline.split()[1] == "paused", "as in the lists and at the end"
    assert last == "! paused for human input: give it in Noxus, and the run continues here"
    assert re.search(
        r" paused after \d+\.\ds; 1 node completed, 1 running", "\n".join(shown(seen, 120))
    )


def test_a_narrow_terminal_breaks_no_command(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    result = noxcli("run", plays(output={"A": "x"}), "--detach", tty=True)
    run_id = result.text.strip()
    assert result.err.splitlines() == [
        f"started run {run_id}",
        "follow it with:",
        f"noxcli stream {run_id}",
    ]


def test_a_missing_server_is_waited_for_in_one_line(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = noxcli(
        "runs", "--retry-for", "1s", tty=True, environ={"NOXUS_BACKEND_URL": "http://127.0.0.1:9"}
    )
    what = "no answer from 127.0.0.1:9: connection refused"
    hint = "start a server there, or the sandbox with: noxcli sandbox --port 9"
    lines = [f"{what}; {hint}; retrying for up to 1s", f"noxcli: {what}", hint]
    assert (result.code, lines_of(screen_of(result.err.replace("\n", "\r\n").encode(), 200))) == (
        75,
        lines,
    )


def test_streamed_text_begins_at_a_word() -> None:
    line = Capabilities(color=False, unicode=True).line(16)
    assert str(line.add_end("The quick brown fox jumps over the lazy dog")) == "the lazy dog"
    address = Capabilities(color=False, unicode=True).line(8).add_end("https://example.org/x y")
    assert str(address) == ".org/x y", "a word that fills the line is cut"
