"""Each command line that noxcli prints for people to paste works as it stands."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noxcli.app import VERBS
from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.steps import Emit, Sleep, node_fails
from tests.conftest import Noxcli, Result, piped

# Up to the punctuation after it, or to the words of its sentence.
PASTED = re.compile(r"noxcli (?:[a-z-]+\b[^;()\n]*|--help)")
SENTENCE = re.compile(r" (?:has them all|again|to )\b.*")
STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
FOREVER = [Emit("Work", "hello"), Sleep(60_000)]
GOES_ON = [*node_fails("Work", "no ink"), Emit("Other", "still here"), Sleep(60_000)]
Situation = Callable[[Any, Any, pytest.MonkeyPatch], Result]


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


def unstopped(noxcli: Noxcli, plays: Any, _: pytest.MonkeyPatch) -> Result:
    run = noxcli("run", plays(script=FOREVER, switches={"stop_seconds": 60_000.0}), "--detach").text.strip()
    return noxcli("stop", run)


def unfinished(noxcli: Noxcli, plays: Any, _: pytest.MonkeyPatch) -> Result:
    return noxcli("fetch-output", noxcli("run", plays(script=FOREVER), "--detach").text.strip())


def too_many(noxcli: Noxcli, _: Any, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(
        "sys.stdin", piped("0b6e2d0e-6f36-4b2f-9a39-000000000001\n0b6e2d0e-6f36-4b2f-9a39-000000000002\n")
    )
    return noxcli("stream", "-")


SITUATIONS: dict[str, tuple[Situation, set[str]]] = {
    "a run fails": (lambda noxcli, *_: noxcli("run", "fails"), {"inspect"}),
    "a run fails before eyes": (lambda noxcli, *_: noxcli("run", "fails", tty=True), {"inspect"}),
    "a run completes before eyes": (lambda noxcli, *_: noxcli("run", "qa", "Question=x", tty=True), {"fetch-output"}),
    "a run is started only": (lambda noxcli, *_: noxcli("run", "qa", "Question=x", "--detach"), {"stream"}),
    "a run pauses": (lambda noxcli, *_: noxcli("run", "pauses"), {"wait"}),
    "a limit is reached": (lambda noxcli, plays, _: noxcli("run", plays(script=FOREVER), "--timeout", "1s"), {"wait"}),
    "a run will not stop at its limit": (
        lambda noxcli, plays, _: noxcli(
            *("run", plays(script=FOREVER, switches={"stop_seconds": 60_000.0}), "--timeout", "1s"),
            *("--on-timeout", "stop"),
        ),
        {"stop"},
    ),
    "a run will not stop": (unstopped, {"stop"}),
    "a node fails and the run goes on": (
        lambda noxcli, plays, _: noxcli("run", plays(script=GOES_ON), "--fail-fast", "--on-interrupt", "detach"),
        {"wait"},
    ),
    "a node fails and the run is stopped": (
        lambda noxcli, plays, _: noxcli("run", plays(script=GOES_ON), "--fail-fast"),
        {"inspect"},
    ),
    "a run is not finished": (unfinished, set()),
    "an output key is wrong": (
        lambda noxcli, *_: noxcli("run", "qa", "Question=x", "--raw", "answer", "--no-check"),
        {"fetch-output"},
    ),
    "an input is missing": (lambda noxcli, *_: noxcli("run", "qa"), {"inputs"}),
    "a workflow is not there": (lambda noxcli, *_: noxcli("run", "no such workflow"), {"workflows"}),
    "an answer to the start is lost": (
        lambda noxcli, plays, _: noxcli("run", plays(script=FOREVER, faults={"start": [LostAnswer()]})),
        {"runs"},
    ),
    "a batch fails": (failing_batch, {"batch", "inspect"}),
    "a batch is late": (late_batch, {"batch"}),
    "a batch is wrong": (wrong_batch, {"inputs"}),
    "stdin names many": (too_many, {"wait"}),
    "an option is unknown": (lambda noxcli, *_: noxcli("run", "--foo"), {"run"}),
    "a verb is unknown": (lambda noxcli, *_: noxcli("frobnicate"), {"--help"}),
    "an argument is missing": (lambda noxcli, *_: noxcli("wait"), {"wait"}),
    "a topic is unknown": (lambda noxcli, *_: noxcli("help", "foo"), {"--help"}),
}


def pasted(text: str) -> Iterator[list[str]]:
    for line in PASTED.findall(STYLE.sub("", text)):
        yield shlex.split(SENTENCE.sub("", line).rstrip(". :"))[1:]


@pytest.mark.parametrize("route", ["environment", "flag"])
@pytest.mark.parametrize("name", SITUATIONS)
def test_a_line_to_paste_works(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch, name: str, route: str
) -> None:
    situation, verbs = SITUATIONS[name]
    call: Any = noxcli
    if route == "flag":
        url = noxcli.environ["NOXUS_BACKEND_URL"]
        noxcli = Noxcli({**noxcli.environ, "NOXUS_BACKEND_URL": "http://127.0.0.1:9"})  # where nothing answers

        def call(*argv: str, **more: Any) -> Result:
            return noxcli(*argv, *([] if argv[0] == "help" else ["--base-url", url]), **more)

    told = situation(call, plays, monkeypatch)
    lines = list(pasted(told.err))
    assert {line[0] for line in lines} >= verbs, told.err
    for line in lines:
        assert line[0] in {*VERBS, "--help"}, line
        monkeypatch.setattr("sys.stdin", piped(""))
        # Only a command that may run forever gets a limit.
        limit = ["--timeout", "1s"] if line[0] in {"wait", "stream"} and "--help" not in line else []
        result = noxcli(*line, *limit)
        assert result.code not in {2, 4, 5, 6, 70, 75}, (line, result.err)
