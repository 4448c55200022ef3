"""Inputs from pipes, in a real shell: stdin in each form, `<(...)`, `/dev/stdin`, named pipes; each read once."""

import json
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import Node
from noxcli.sandbox.server import Sandbox
from tests.process import IN_SHELL, environment, in_bash, measured

TEXT = Node("t", "InputNode", {"label": "T", "type": "str"})
DOC = Node("d", "FileInputNode", {"label": "Doc"})
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(sandbox: Sandbox) -> Shell:
    """Runs a line of bash in which `noxcli` is the real command."""

    return lambda line, **environ: in_bash(line, {**environment(sandbox.url), **environ})


def sent(shell: Shell, line: str) -> Any:
    """Return the input object that a line would send."""
    done = shell(f"{line} --no-check --dry-run")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["input"]


@pytest.mark.parametrize(
    "line",
    [
        "printf 'Grüße\\n' | noxcli run qa k=@-",
        "printf 'Grüße\\n' | noxcli run qa k=@/dev/stdin",
        "printf 'Grüße\\n' > f; noxcli run qa k=@- < f",
        "noxcli run qa k=@<(printf 'Grüße\\n')",
        "printf 'Grüße\\n' > f; noxcli run qa k=@/dev/fd/5 5< f",
        "mkfifo p; printf 'Grüße\\n' > p & noxcli run qa k=@p",
        "printf '\"Grüße\\\\n\"' | noxcli run qa k:=@-",
        'printf \'{"k": "Grüße\\\\n"}\' | noxcli run qa --inputs -',
        'noxcli run qa --inputs @<(printf \'{"k": "Grüße\\\\n"}\')',
    ],
)
def test_a_text_comes_from_any_pipe(shell: Shell, line: str) -> None:
    assert sent(shell, line) == {"k": "Grüße\n"}


@pytest.mark.parametrize(
    ("line", "name", "kind"),
    [
        ("printf abc | noxcli run WF 'Doc@-'", "stdin", "application/octet-stream"),
        ("printf abc | noxcli run WF 'Doc@-;name=a.csv'", "a.csv", "text/csv"),
        ("printf abc > f; noxcli run WF 'Doc@-;name=a.csv' < f", "a.csv", "text/csv"),
        ("noxcli run WF Doc@<(printf abc)", "pipe", "application/octet-stream"),
        ("mkfifo p.csv; printf abc > p.csv & noxcli run WF Doc@p.csv", "p.csv", "text/csv"),
    ],
)
def test_an_upload_comes_from_any_pipe(
    shell: Shell, plays: Any, sandbox: Sandbox, line: str, name: str, kind: str
) -> None:
    done = shell(line.replace("WF", plays(nodes=[DOC], output={"A": "x"})))
    assert done.returncode == 0, done.stderr
    (file,) = sandbox._workspace.files.values()
    assert (file.content.content, file.content.name, file.content.content_type) == (
        b"abc",
        name,
        kind,
    )


@pytest.mark.parametrize(
    ("line", "both"),
    [
        ("noxcli run qa a=@- b=@-", "both a=@- and b=@- read it"),
        ("noxcli run qa a=@- --inputs -", "both a=@- and --inputs - read it"),
        ("noxcli run qa a=@- doc@/dev/stdin", "both a=@- and doc@/dev/stdin read it"),
        ("noxcli batch qa - doc@- --output-dir out", "both FILE - and doc@- read it"),
        ("noxcli wait - -", "both RUN - and RUN - read it"),
        (
            "mkfifo p; noxcli run qa a@p b=@p",
            "the pipe p can be read only once, but both a@p and b=@p read it",
        ),
    ],
)
def test_a_pipe_has_one_reader(shell: Shell, sandbox: Sandbox, line: str, both: str) -> None:
    done = shell(f"echo 3c90c3cc-0d44-4b50-8888-8dd25736052a | {{ {line}; }}")
    assert (done.returncode, both in done.stderr, sandbox.requests) == (2, True, []), done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        "run qa k=@-",
        "run qa k@-",
        "run qa --inputs -",
        "wait -",
        "stop -",
        "batch qa - --output-dir out",
    ],
)
def test_a_closed_stdin_is_told(shell: Shell, sandbox: Sandbox, line: str) -> None:
    done = shell(f"noxcli {line} <&-")
    assert (done.returncode, "stdin is closed" in done.stderr, sandbox.requests) == (2, True, []), (
        done.stderr
    )


def test_what_is_not_text_points_to_an_upload(shell: Shell) -> None:
    done = shell("printf '\\377' | noxcli run qa k=@-")
    assert done.returncode == 2
    assert done.stderr == "noxcli: stdin for 'k' is not UTF-8 text; upload it with k@-\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (r"k=$'a\377'", "the value of 'k' is not UTF-8 text"),
        (r"k:=$'\"a\377\"'", "the value of 'k' is not UTF-8 text"),
        (r"$'k\377=a'", "the key of an input is not UTF-8 text"),
        (r"--inputs $'{\"k\": \"\377\"}'", "--inputs is not UTF-8 text"),
        ("--secret k=BYTES", "is not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_bytes_that_are_no_text_are_refused_and_never_replaced(
    shell: Shell, sandbox: Sandbox, line: str, told: str, locale: str
) -> None:
    done = shell(f"export BYTES=$'pass\\377word'; noxcli run qa {line}", LC_ALL=locale)
    assert (done.returncode, told in done.stderr, sandbox.requests) == (2, True, []), done.stderr
    assert "pass" not in done.stderr


@pytest.mark.parametrize("line", ["run qa k=@-", "run WF Doc@-"])
def test_a_pipe_without_an_end_is_read_up_to_the_limit(
    shell: Shell, plays: Any, sandbox: Sandbox, line: str
) -> None:
    workflow = plays(nodes=[DOC])
    began = time.monotonic()
    done = shell(f"mkfifo p; noxcli {line.replace('WF', workflow)} --timeout 1s <> p")
    assert (done.returncode, sandbox.runs(workflow)) == (75, []), done.stderr
    assert "out of time before the start" in done.stderr
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("line", "reader"),
    [("Question=@/dev/zero", "Question=@/dev/zero"), ("--inputs - < /dev/zero", "--inputs -")],
)
def test_a_text_without_end_is_refused(
    shell: Shell, sandbox: Sandbox, line: str, reader: str
) -> None:
    before = len(sandbox.requests)
    done = shell(f"noxcli run qa {line}")
    expected = f"noxcli: {reader} has more than 256 MiB; upload a large file with KEY@FILE\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
    assert len(sandbox.requests) == before


def test_a_large_pipe_is_uploaded_in_constant_memory(
    sandbox: Sandbox, plays: Any, tmp_path: Path
) -> None:
    megabytes = 150  # the sandbox accepts at most 256
    place = tmp_path / "tmp"
    place.mkdir()
    env = {**environment(sandbox.url), "TMPDIR": str(place)}
    line = ("run", plays(nodes=[DOC], output={"A": "x"}), "Doc@-;name=big.bin", "--quiet")
    with subprocess.Popen(
        ["head", "-c", f"{megabytes}M", "/dev/urandom"], stdout=subprocess.PIPE
    ) as source:
        memory, code, _ = measured(*line, env=env, stdin=source.stdout)
    assert (code, memory < 110) == (0, True)
    (file,) = sandbox._workspace.files.values()
    assert len(file.content.content) == megabytes << 20
    assert [*place.iterdir()] == []


@pytest.mark.parametrize(
    "size", [102_500, 1_000_000]
)  # of the smaller one, the rest is still in Python's buffer
def test_a_full_disk_under_the_copy_is_told(
    shell: Shell, plays: Any, sandbox: Sandbox, size: int
) -> None:
    workflow = plays(nodes=[DOC])
    # bash counts in blocks of 1024 bytes; Python ignores the signal for exceeding the limit.
    done = shell(f"ulimit -f 100; head -c {size} /dev/zero | {IN_SHELL} run {workflow} Doc@-")
    assert (done.returncode, sandbox.runs(workflow)) == (2, []), done.stderr
    assert (
        "stdin, for 'Doc', was not uploaded, and nothing was started: it can't be copied to"
        in done.stderr
    )


def test_rows_of_a_batch_read_files_alone(shell: Shell) -> None:
    line = 'mkfifo p; printf \'{"Question": "%s"}\\n\' - p > r.jsonl; noxcli batch qa r.jsonl --column Question=@'
    done = shell(line)
    assert done.returncode == 2, done.stderr
    assert "rows cannot read stdin" in done.stderr
    assert "p is not a regular file" in done.stderr


def test_an_upload_of_all_rows_comes_from_stdin(shell: Shell, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(nodes=[DOC, TEXT], output={"A": "x"})
    done = shell(
        f'printf \'{{"T": "%s"}}\\n\' a b > r.jsonl; printf abc | noxcli batch {workflow} r.jsonl Doc@-'
    )
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2), done.stderr
    (file,) = sandbox._workspace.files.values()
    assert file.content.content == b"abc"
    assert stat.S_ISDIR(Path("r.jsonl.batch").stat().st_mode)
