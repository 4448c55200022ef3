"""Keys from commands and files: real processes, real permissions, and no key where others could read it."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from noxcli.config import settings as keys
from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result
from tests.process import NOXCLI, call, captured, ended_by, forked, in_bash, running

SECRET = "noxus_K3Y-nobody-may-see"


def asks(noxcli: Noxcli, sandbox: Sandbox, command: str, *more: str) -> Result:
    """Ask the sandbox with the key that a command prints."""
    path = Path.home() / "config.toml"
    path.write_text(f'[profile.p]\nbase_url = "{sandbox.url}"\napi_key_command = {command}\n')
    environ = {
        "NOXCLI_STATE_DIR": str(Path.home() / "state"),
        "NOXCLI_CONFIG": str(path),
        "NOXCLI_PROFILE": "p",
    }
    return Noxcli(environ, noxcli.clock)("inputs", "demo", "--retry-for", "0", *more)


def sh(script: str) -> str:
    return f"['sh', '-c', '''{script}''']"


@pytest.mark.parametrize(
    "command",
    [
        "'echo sandbox-key'",
        '["printf", "sandbox-key"]',
        sh("echo sandbox-key; echo user: somebody; echo url: somewhere"),
        sh("printf " + r'"  sandbox-key\\r\\n"'),
        "\"printf '%s' 'sandbox-key'\"",
    ],
    ids=["text", "list", "more-lines", "white-space", "quotes"],
)
def test_the_first_line_that_a_command_prints_is_the_key(
    noxcli: Noxcli, sandbox: Sandbox, command: str
) -> None:
    result = asks(noxcli, sandbox, command)
    assert (result.code, result.err.count("\n")) == (0, 1), result.err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("'false'", "(PLACE) ended with 1; run it by hand"),
        (sh(f"echo {SECRET}; exit 3"), "(PLACE) ended with 3; run it by hand"),
        (sh(f"echo {SECRET}; kill -9 $$"), "(PLACE) was killed by signal 9; run it by hand"),
        ("'true'", "the command true (PLACE) is empty"),
        (sh(f"echo; echo {SECRET}"), "the command sh (PLACE) is empty"),
        (
            sh(r"printf '\\001\\377'".replace("'", '"')),
            "(PLACE) contains a line break or another invalid character",
        ),
        (
            f"['no-such-command', '{SECRET}']",
            "can't run the command no-such-command (PLACE): no such file",
        ),
        ("['/']", "can't run the command / (PLACE): permission denied; check api_key_command"),
        ("'yes'", "the command yes (PLACE) prints more than a key"),
        (
            "'''echo $(echo sandbox-key)'''",
            "answered 401",
        ),  # no shell: the text is printed unchanged
        ("['echo', '*']", "answered 401"),
    ],
)
def test_a_command_that_gives_no_key_is_told(
    noxcli: Noxcli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, command: str, told: str
) -> None:
    monkeypatch.setenv(
        "PATH", "/usr/bin:/bin"
    )  # a directory that may not be read would be another reason
    result = asks(noxcli, sandbox, command)
    place = f"{Path.home()}/config.toml:profile.p.api_key_command"
    assert (result.code, result.out) == (4, b"")
    assert told.replace("PLACE", place) in result.err
    assert SECRET not in result.err


def test_a_command_that_takes_too_long_is_ended(
    noxcli: Noxcli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "COMMAND_LIMIT", 0.2)
    began = time.monotonic()
    for script in ("exec sleep 5", "sleep 5", "exec >&-; sleep 5"):
        result = asks(noxcli, sandbox, sh(script))
        assert result.code == 4
        assert "took longer than 0.2 s; run it by hand" in result.err
    assert time.monotonic() - began < 4


def test_a_command_reads_nothing_and_runs_beside_the_file(
    noxcli: Noxcli, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    (tmp_path / "tell").write_text("#!/bin/sh\ncat - > /dev/null\necho sandbox-key\n")
    (tmp_path / "tell").chmod(0o700)
    assert asks(noxcli, sandbox, "'./tell'").code == 0


def test_a_command_may_speak_to_the_user(
    noxcli: Noxcli, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    assert asks(noxcli, sandbox, sh("echo touch the token >&2; echo sandbox-key")).code == 0
    assert capfd.readouterr().err == "touch the token\n"


@pytest.fixture
def only_here() -> Iterator[Sandbox]:
    """A server whose key no other process of this machine has."""
    with Sandbox(BUILT_IN, key=f"key-{uuid4()}", speed=1000) as sandbox:
        yield sandbox
        sandbox.break_connections()


def test_a_key_is_nowhere_to_be_seen(only_here: Sandbox, tmp_path: Path) -> None:
    """Not in any output, in any file, or among the arguments of any process while a run is running."""
    sandbox, key = only_here, tmp_path / "secret" / "key"
    key.parent.mkdir()
    key.write_text(sandbox.key)
    key.chmod(0o600)
    (tmp_path / "c.toml").write_text(
        f"[profile.p]\nbase_url = '{sandbox.url}'\napi_key_command = ['cat', '{key}']\n"
    )
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NOXCLI_CONFIG": str(tmp_path / "c.toml"),
        "NOXCLI_PROFILE": "p",
        "NOXCLI_STATE_DIR": str(tmp_path / "state"),
    }
    line, listed = ("run", "pauses", "--on-pause", "wait", "--verbose", "--json"), ""
    with running(*line, env=env, program=NOXCLI) as process:
        while process.poll() is None and not list((tmp_path / "state").glob("*.json")):
            listed += captured(["ps", "axww", "-o", "args"], env).stdout
            time.sleep(0.02)
        out, err = ended_by(process, signal.SIGINT)
    others = [
        call(*argv, env=env) for argv in (["doctor"], ["doctor", "--json"], ["wait", "no-such-run"])
    ]
    said = [out, err, *(stream for done in others for stream in (done.stdout, done.stderr))]
    written = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert process.returncode == 130, err
    assert "noxcli run pauses" in listed
    assert written
    for text in (listed.encode(), *said, *written):
        assert sandbox.key.encode() not in text


# Files.


def test_a_key_from_a_pipe_is_taken_without_a_word(sandbox: Sandbox, tmp_path: Path) -> None:
    line = f"exec {forked()[0]} inputs demo --api-key-file <(echo {sandbox.key})"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NOXUS_BACKEND_URL": sandbox.url}
    done = in_bash(line, env)
    assert done.returncode == 0
    assert re.fullmatch(r"try: .*\n", done.stderr)
