"""What people do every day with a shell, and what noxcli says when it goes wrong."""

import socket
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep
from noxcli.timing import Clock
from tests import forks
from tests.conftest import Noxcli
from tests.process import captured, environment, forked, in_bash, on_terminal, watched

FOREVER = [Sleep(60_000)]


def test_a_rejected_key_is_told_with_where_it_is_from(noxcli: Noxcli, sandbox: Sandbox) -> None:
    Path("c.toml").write_text(
        f'[profile.p]\nbase_url = "{sandbox.url}"\napi_key_command = ["echo", "wrong-key-123"]\n'
    )
    without = {
        key: value
        for key, value in noxcli.environ.items()
        if key not in {"NOXUS_API_KEY", "NOXUS_BACKEND_URL"}
    }
    result = Noxcli({**without, "NOXCLI_CONFIG": "c.toml"})("runs", "--profile", "p")
    assert (result.code, "c.toml:profile.p.api_key_command for this host?" in result.err) == (
        4,
        True,
    ), result.err
    assert "NOXUS_API_KEY" not in result.err


def test_a_port_in_use_is_told_with_the_way_round_it(noxcli: Noxcli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = noxcli("sandbox", "--port", str(port))
    assert result.code == 2
    assert (
        result.err == f"noxcli: port {port} is in use; give another --port, or 0 for any free one\n"
    )


def test_inputs_from_a_process_are_told_how(sandbox: Sandbox) -> None:
    line = 'noxcli run qa --inputs {}<(echo \'{{"Question": "x"}}\') --raw Answer'
    env = {**environment(sandbox.url), "PATH": f"{forks.directory()}:/usr/bin:/bin"}
    said = "--inputs takes a JSON object; for the output of a command, write --inputs @<(COMMAND)"
    assert said in in_bash(line.format(""), env).stderr
    assert in_bash(line.format("@"), env).returncode == 0


@pytest.mark.parametrize("shown", [("--raw", "A"), ("--format", "content")])
def test_the_prompt_has_its_own_line_after_any_text(
    sandbox: Sandbox, plays: Any, shown: tuple[str, str]
) -> None:
    argv = [
        *forked(),
        "run",
        plays(script=[Emit("Work", "no newline")], output={"A": "no newline"}),
        *shown,
    ]
    seen = watched(argv, environment(sandbox.url))
    assert b"no newline\r\n" in seen.raw
    with (
        Path("out").open("wb") as file,
        on_terminal(argv, environment(sandbox.url), stdout=file.fileno()) as seen,
    ):
        pass
    assert Path("out").read_bytes() == b"no newline"
    assert not bytes(seen.raw).endswith(b"\n\r\n")


# --on-timeout.


@pytest.mark.parametrize("verb", ["run", "stream", "wait"])
def test_at_its_limit_a_run_is_stopped_where_that_is_asked_for(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, verb: str
) -> None:
    workflow = plays(script=FOREVER)
    named = workflow if verb == "run" else noxcli.start(workflow)
    result = noxcli(verb, named, "--timeout", "1500ms", "--on-timeout", "stop", "--json")
    assert result.code == 124, result.err
    assert (result.json["run"]["status"], result.json["run"]["confirmed"]) == ("stopped", True)
    assert "; stopped run " in result.err
    assert [run.status for run in sandbox.runs(workflow)] == ["stopped"]


def test_a_stop_that_no_read_shows_is_not_confirmed(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(script=FOREVER, faults={"record": [Answer(503, repeat=True)]})
    limit = ["--timeout", "500ms", "--on-timeout", "stop"]
    result = noxcli("run", workflow, *limit, "--json")
    (run,) = sandbox.runs(workflow)
    assert (result.code, run.status) == (124, "stopped")
    assert result.json["run"]["confirmed"] is False
    assert f"run {run.id} was asked to stop, but could not be read: " in result.err
    assert f"noxcli stop {run.id}" in result.err


def test_several_are_stopped_at_their_limit(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(script=FOREVER)
    runs = [noxcli.start(workflow) for _ in range(2)]
    result = noxcli("wait", *runs, "--timeout", "1s", "--on-timeout", "stop")
    assert (result.code, result.text) == (124, "".join(f"{run}\tstopped\n" for run in runs))
    assert [run.status for run in sandbox.runs(workflow)] == ["stopped"] * 2


# A directory of the user's own for outputs.


def test_outputs_go_to_the_users_own_directory(noxcli: Noxcli, plays: Any) -> None:
    workflow, there = plays(output={"A": "x", "Essay": "y" * 20_000}), {"NOXCLI_OUTPUT_DIR": "out"}
    result = noxcli("run", workflow, environ=there)
    assert result.text == "out/A.txt\nout/Essay.txt\n"
    assert Path("out/Essay.txt").read_text() == "y" * 20_000
    assert noxcli("run", workflow, "--raw", "A", environ=there).text == "x"
    assert noxcli(
        "run", workflow, "--output-dir", "other", "--raw", "A", environ=there
    ).text.startswith("other/")
    Path("c.toml").write_text('default_profile = "p"\n[profile.p.defaults]\noutput_dir = "mine"\n')
    assert noxcli("run", workflow, environ={"NOXCLI_CONFIG": "c.toml"}).text.startswith("mine/")


@pytest.mark.parametrize(
    "line",
    [
        "run qa --output-dir new/out --junit new/r.xml --dotenv new/d.env --state-file new/s",
        "run fails --output-dir new/out",
        "batch qa rows.jsonl --junit new/r.xml --report new/r.html",
        "run qa Question=a --output-dir new/out --dry-run",
    ],
)
def test_what_writes_nothing_makes_no_directory(noxcli: Noxcli, line: str) -> None:
    Path("rows.jsonl").write_text('{"Qustion": "a"}\n')
    noxcli(*line.split())
    left = {str(path) for path in Path("new").rglob("*")}
    assert left <= {"new/r.xml", "new/r.html", "new/d.env"}, (
        "the reports of a run that was not started"
    )


def test_a_repository_does_not_say_where_files_are_written(
    noxcli: Noxcli, sandbox: Sandbox
) -> None:
    Path(".noxcli.toml").write_text('[defaults]\noutput_dir = "/tmp/elsewhere"\n')
    result = noxcli("run", "qa", "Question=a")
    assert (result.code, "a project file cannot say where files are written" in result.err) == (
        2,
        True,
    )
    assert sandbox.requests == []


def test_a_batch_keeps_to_its_own_directory(noxcli: Noxcli) -> None:
    Path("r.jsonl").write_text('{"Question": "a"}\n')
    assert noxcli("batch", "qa", "r.jsonl", environ={"NOXCLI_OUTPUT_DIR": "out"}).code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["r.jsonl", "r.jsonl.batch"]


# What noxcli says about a run.


def test_the_line_that_help_offers_works(sandbox: Sandbox) -> None:
    env = environment(sandbox.url)
    page = captured([*forked(), "--help"], env).stdout
    line = page.splitlines()[-1].strip()
    assert line.startswith("noxcli sandbox -- noxcli run ")
    quick = line.replace("sandbox --", "sandbox --speed 100 --")
    done = in_bash(quick, {**env, "PATH": f"{forks.directory()}:{env['PATH']}"})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("runs --limit x", 2, "'x' is not a number from 1 to 1000000"),
        ("runs --profile prod", 2, "there is no config file"),
        (
            "results rows.jsonl",
            2,
            "rows.jsonl is not a batch's directory; did you mean rows.jsonl.batch?",
        ),
        (
            "results nothing.txt",
            2,
            "nothing.txt is not a batch's directory; give the --output-dir of a batch",
        ),
        ("batch qa nameless.csv", 2, "row 1 (line 2): it has a cell in a column without a name"),
        (
            "run pauses",
            10,
            "is paused for human input; give it in Noxus, then continue with: noxcli wait",
        ),
        ("fetch-output @last --timeout 0.01ms", 124, "; increase --timeout"),
        (
            "run qa Question=x --detach --raw Answer",
            2,
            "give --raw to noxcli fetch-output RUN --wait",
        ),
        (
            "run qa Question=- --dry-run",
            0,
            "'Question' is sent as the text -; from stdin, write Question=@-\n",
        ),
        ("workflows --base-url URL/api", 5, "check /api in the base URL: no API answers there"),
        ("runs --base-url URL/v1", 5, "drop /v1 from the base URL, noxcli adds it"),
        (
            "runs --base-url URL/api",
            5,
            "check /api in the base URL: no API answers there",
        ),
        (
            "runs --json\r",
            2,
            "no such option: --json\\r; did you mean --json?",
        ),  # a line end of Windows
        ("workflows x\r", 2, "unexpected argument: x\\x0d; see"),
    ],
)
def test_a_mistake_is_told_in_plain_words(
    noxcli: Noxcli, sandbox: Sandbox, line: str, code: int, told: str
) -> None:
    Path("rows.jsonl").write_text('{"Question": "a"}\n')
    Path("nothing.txt").touch()
    Path("nameless.csv").write_text("Question,\na,b\n")
    assert noxcli("batch", "qa", "rows.jsonl").code == 0
    noxcli.start("qa", "Question=x")
    if "0.01ms" in line:
        noxcli.clock = Clock()  # on which the time passes before the first request
    done = noxcli(*line.replace("URL", sandbox.url).split(" "))
    assert (done.code, told in done.err) == (code, True), done.err


def test_a_log_begins_with_the_run_and_repeats_no_state(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.start(plays(script=[Sleep(300), Emit("Work", "x")], output={"A": "x"}))
    lines = [line[9:] for line in noxcli("stream", run).err.splitlines()]
    assert lines[0].startswith(f"run {run} ")
    assert len(lines) == len({*lines}), lines


def test_a_message_breaks_between_words(sandbox: Sandbox) -> None:
    seen = watched(
        [*forked(), "run", "no such workflow at all", "Question=x"], environment(sandbox.url), 40
    )
    lines = bytes(seen.raw).decode().split("\r\n")
    assert max(map(len, lines)) <= 40
    assert (
        " ".join(lines[:-2]) == "noxcli: no workflow has the id or name 'no such workflow at all'"
    )


def test_why_rows_failed_ends_no_line_within_a_word(noxcli: Noxcli, sandbox: Sandbox) -> None:
    Path("rows.jsonl").write_text("{}\n")
    noxcli("batch", "fails", "rows.jsonl")
    seen = watched([*forked(), "results", "rows.jsonl.batch"], environment(sandbox.url), 60)
    lines = [line.rstrip() for line in bytes(seen.raw).decode().split("noxcli: ")[1].splitlines()]
    assert lines[0].endswith(" The model refused")
    assert lines[1].startswith("the text:")


def test_a_note_breaks_between_words(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    noxcli("run", "fails")
    shown = noxcli("inspect", "@last", tty=True).err.splitlines()
    assert "failed at 'Summarise'" in " ".join(shown)
    assert all(len(line) <= 40 for line in shown)
