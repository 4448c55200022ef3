"""Nothing remote acts on a terminal, a log or a CI system; its effect is visible as text."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noxcli.codec import to_utf8
from noxcli.models import Run, RunEvent, Started, Workflow
from noxcli.render.live import Live
from noxcli.runs.progress import Progress
from noxcli.sandbox.server import Sandbox
from tests.conftest import Turning
from tests.process import environment, forked
from tests.process import on_terminal as on_real_terminal
from tests.rawserver import json_answer, raw_server
from tests.research.hostile.corpus import LONG, NAMES, OPENED, PAYLOADS, all_marked, marked
from tests.research.hostile.judge import ROWS, emulated, leaks, shown
from tests.research.hostile.views import SHOWS, Theatre, View, on_terminal, said_by, says, size

# Each show has one in so many of the payloads, the next show the next ones: in the plain run, and in the wide one.
SHARE, WIDE_SHARE = 13, 3
Show = Callable[[Theatre], Iterator[View]]


@pytest.fixture
def theatre(sandbox: Sandbox, tmp_path: Path) -> Theatre:
    return Theatre(sandbox, tmp_path)


@pytest.mark.parametrize(
    ("turn", "show"), list(enumerate(SHOWS)), ids=[show.__name__ for show in SHOWS]
)
@pytest.mark.parametrize("share", [SHARE, pytest.param(WIDE_SHARE, marks=pytest.mark.wide)])
@pytest.mark.long(7)
def test_nothing_of_the_corpus_takes_effect(
    theatre: Theatre, turn: int, show: Show, share: int
) -> None:
    theatre.names = NAMES[turn % share :: share]
    assert_harmless(theatre, show)


def assert_harmless(theatre: Theatre, show: Show) -> None:
    for view in show(theatre):
        assert not leaks(view.data, view.columns, view.form), view.renderer
        seen = shown(view.data)
        unseen = [
            (field, name)
            for field in view.fields
            for name in theatre.names
            if (field, name) not in seen
        ]
        assert not unseen, f"{view.renderer} was to show them"


@pytest.mark.parametrize(
    "name", ["sgr", "c1-csi", "title-bel", "bidi-override", "fillers", "cr", "azure", "zalgo"]
)
def test_the_judge_sees_what_is_let_through(name: str) -> None:
    assert leaks(f"{marked('b', name)}\n".encode("utf-8", "surrogatepass"))


def test_all_of_the_corpus_at_once_on_a_real_terminal(sandbox: Sandbox, theatre: Theatre) -> None:
    script = [says(marked("c", name), "failed", marked("f", name)) for name in NAMES]
    workflow = theatre.add("real", script=script, output=[("A", "\n".join(all_marked("h")))])
    argv = [*forked(), "run", workflow, "--verbose"]
    with on_real_terminal(argv, environment(sandbox.url)) as seen:
        pass
    assert seen.process.returncode == 0
    assert not leaks(bytes(seen.raw), form="\n\t")
    assert {name for field, name in shown(bytes(seen.raw)) if field == "h"} == set(NAMES)


def test_on_a_pipe_values_are_the_very_bytes(theatre: Theatre) -> None:
    whole = "\n".join(all_marked("h"))
    workflow = theatre.add("piped", output=[("A", whole)])
    _, out, _ = theatre.call("run", workflow, out_tty=False)
    assert out == to_utf8(f"{whole}\n")
    keys = theatre.add("piped keys", output=zip(all_marked("g"), all_marked("h"), strict=True))
    for argv in ((), ("--json",)):
        _, out, _ = theatre.call("run", keys, *argv, out_tty=False)
        document = json.loads(out)
        assert (document["output"] if argv else document) == dict(
            zip(all_marked("g"), all_marked("h"), strict=True)
        )


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_name_tears_the_picture(columns: int) -> None:
    names = {f"n{number}": text for number, text in enumerate(all_marked("b"))}
    run = Run("run-1", "w", "running", 50)
    terminal = on_terminal()
    progress = Progress(run, Turning(), Workflow("w", marked("a", "emoji-joined"), names))
    with size(columns, ROWS), Live(terminal, progress) as live:
        live.show([(Started(run), progress.apply_one(Started(run)))])
        live.refresh()
        for number, text in enumerate(all_marked("f")):
            event = RunEvent("content", {"id": f"n{number}", "status": "running", "content": text})
            live.show([(event, progress.apply_one(event))])
        live.refresh()
        picture = [line.rstrip() for line in emulated(said_by(terminal), columns, ROWS).display]
    drawn = [line for line in picture if line]
    assert OPENED.findall(drawn[0]) or drawn[0].startswith("Qa"), (
        "the header is still the first line"
    )
    assert [found[0] for line in drawn[1:] if (found := OPENED.findall(line))] == [
        ("b", f"{number:03}") for number in range(len(NAMES))
    ], "each node has a line of its own"
    assert len(drawn) == len(NAMES) + 1


def test_a_megabyte_floods_nothing(theatre: Theatre) -> None:
    workflow = theatre.add(
        "long", script=[says(f"n{LONG}", f"s{LONG}"), says("n2", "failed", LONG)], status="failed"
    )
    for tty in (False, True):
        began = time.process_time()
        _, out, err = theatre.call("run", workflow, err_tty=tty)
        assert time.process_time() - began < 5
        assert not out
        assert not leaks(err)
        assert max(map(len, err.split(b"\n"))) < 6000
    with raw_server(json_answer({"detail": LONG, "message": LONG}, 422)) as server:
        _, _, err = theatre.call("wait", "w/some-run", url=server.url)
    assert len(err) < 1000


def test_no_id_is_one_that_a_shell_would_obey(theatre: Theatre) -> None:
    records = [
        {"id": text, "workflow_id": "w", "status": "completed"} for text in PAYLOADS.values()
    ]
    with raw_server(*map(json_answer, records)) as server:
        for name in NAMES:
            code, out, err = theatre.call("wait", "w/some-run", "--retry-for", "0", url=server.url)
            assert (code, out, err) == (
                6,
                b"",
                b"noxcli: the answer is not a run: its id is not a valid one\n",
            ), name


def test_a_traceback_is_as_harmless_as_all_else(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("\n".join(all_marked("i")))

    monkeypatch.setattr("noxcli.cli.session.resolve_run", broken)
    code, _, err = theatre.call("wait", "w/some-run", "--verbose")
    assert code == 70
    assert b"Traceback" in err
    assert {name for _, name in shown(err)} == set(NAMES)
    assert not [leak for leak in leaks(err) if "line of its own" not in leak.what]
