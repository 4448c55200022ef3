"""How a run is named: by the beginning of its id, with blanks around it, or not at all at a terminal."""

from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep
from tests.conftest import Noxcli, piped, posts
from tests.process import environment, forked, watched
from tests.rawserver import json_answer
from tests.sample import one_in

VERBS = ("wait", "fetch-output", "stream", "inspect", "stop")


@pytest.fixture
def stranger(noxcli: Noxcli, tmp_path: Path) -> Noxcli:
    """noxcli of a user who has started nothing."""
    return Noxcli({**noxcli.environ, "NOXCLI_STATE_DIR": str(tmp_path / "other")})


@pytest.mark.parametrize(("verb", "length"), one_in(4, VERBS, [8, 9, 13, 35]))
def test_the_beginning_of_an_id_names_this_users_run(
    noxcli: Noxcli, sandbox: Sandbox, verb: str, length: int
) -> None:
    run = noxcli.ended("qa", "Question=x")
    sandbox.requests.clear()
    done = noxcli(verb, run[:length].upper())
    assert done.code == 0, done.err
    assert "/v1/runs" not in [request.path for request in sandbox.requests], "no list is read"


@pytest.mark.parametrize("verb", VERBS)
def test_the_beginning_of_another_users_run_is_looked_up(
    noxcli: Noxcli, stranger: Noxcli, verb: str
) -> None:
    run = noxcli.ended("qa", "Question=x")
    done = stranger(verb, run[:8])
    if verb == "stop":
        assert (done.code, "no run in your history begins with" in done.err) == (2, True), done.err
    else:
        assert done.code == 0, done.err


def test_a_rerun_looks_only_in_the_history(
    noxcli: Noxcli, stranger: Noxcli, sandbox: Sandbox
) -> None:
    run = noxcli.ended("qa", "Question=x")
    started = len(posts(sandbox))
    assert (stranger("rerun", run[:8]).code, len(posts(sandbox))) == (2, started)
    assert (noxcli("rerun", run[:8]).code, len(posts(sandbox))) == (0, started + 1)


def test_several_runs_with_one_beginning_are_told(noxcli: Noxcli) -> None:
    run = noxcli.ended("qa", "Question=x")
    other = f"{run[:8]}-0000-4000-8000-000000000000"
    (noxcli.state / f"{other}.json").write_text(
        (noxcli.state / f"{run}.json").read_text().replace(run, other)
    )
    done = noxcli("wait", run[:8])
    assert (done.code, run in done.err, other in done.err) == (2, True, True), done.err
    assert noxcli("wait", run).code == 0, "an exact id comes first"


def test_a_long_list_is_not_read_for_a_beginning(stranger: Noxcli) -> None:
    ids = [f"{n:08}-0000-4000-8000-000000000000" for n in range(1, 9)]
    pages = [
        {"items": [{"id": run, "status": "running"}], "page": n, "pages": 9}
        for n, run in enumerate(ids, 1)
    ]
    done, server = stranger.against([json_answer(page) for page in pages], "wait", "00000001")
    assert (done.code, "the list has more than 5 pages; give the whole id" in done.err) == (
        2,
        True,
    ), done.err
    assert len(server.requests) == 5


@pytest.mark.parametrize("text", ["1234567", "zzzzzzzz", "1234567g", "", " "])
def test_what_is_no_beginning_is_refused(noxcli: Noxcli, sandbox: Sandbox, text: str) -> None:
    for verb in (*VERBS, "rerun"):
        result = noxcli(verb, text)
        assert (result.code, "give a run id or its first 8 characters" in result.err) == (
            2,
            True,
        ), result.err
    assert sandbox.requests == []


@pytest.mark.parametrize("around", [" {} ", "{}\r", "\t{}", "{}\n"])
def test_blanks_around_an_id_are_ignored(
    noxcli: Noxcli, around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = noxcli.ended("qa", "Question=x")
    for verb in VERBS:
        assert noxcli(verb, around.format(run)).code == 0
        monkeypatch.setattr("sys.stdin", piped(around.format(run)))
        assert noxcli(verb, "-").code == 0


@pytest.mark.parametrize("verb", ["wait", "fetch-output", "stream"])
def test_at_a_terminal_the_last_run_is_meant(noxcli: Noxcli, sandbox: Sandbox, verb: str) -> None:
    noxcli.ended("qa", "Question=x")
    environ = {**environment(sandbox.url), **noxcli.environ}
    seen = watched([*forked(), verb], environ)
    assert seen.process.wait() == 0
    assert b"no RUN was given: @last\r\n" in seen.raw
    refused = noxcli(verb, tty=True)
    assert (refused.code, "@last for the run that you started last" in refused.err) == (2, True), (
        "stdin is no terminal"
    )
    assert watched([*forked(), verb], {**environ, "CI": "true"}).process.wait() == 2


@pytest.mark.parametrize("verb", ["rerun", "stop"])
def test_what_starts_or_stops_needs_a_name_everywhere(
    noxcli: Noxcli, sandbox: Sandbox, verb: str
) -> None:
    noxcli.ended("qa", "Question=x")
    assert (
        watched([*forked(), verb], {**environment(sandbox.url), **noxcli.environ}).process.wait()
        == 2
    )


@pytest.mark.parametrize(
    "line",
    [
        "fetch-output R --wait --raw TYPO",
        "stream R --raw TYPO",
        "fetch-output R --wait --query output.TYPO",
    ],
)
def test_an_output_that_there_is_not_is_told_at_once(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, line: str
) -> None:
    workflow = plays(script=[Emit("Work", "x"), Sleep(60_000)], output={"Answer": "x"})
    run = noxcli.start(workflow)
    done = noxcli(*line.replace("R ", f"{run} ").split())
    assert (done.code, "the workflow has no output 'TYPO'; its outputs: 'Answer'" in done.err) == (
        2,
        True,
    ), done.err
    assert [each.status for each in sandbox.runs(workflow)] == ["running"]
