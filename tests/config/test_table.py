"""Config and project files that are too large, too deep, too slow to parse, or not files at all."""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.config.config_files import PROJECT_FILE, read_project_file, read_table
from noxcli.errors import ConfigProblem
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result
from tests.process import environment, forked, in_bash
from tests.texts import any_text


def asks(noxcli: Noxcli, **environ: str) -> Result:
    return noxcli("inputs", "demo", environ=environ)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (".".join("a" * 4_000) + " = 1", "there is no such setting"),
        ("x = " + "[" * 8_000, "is nested too deeply"),
        ("x = " + "{a=" * 2_000, "is nested too deeply"),
        ("[defaults]\ntimeout = " + "9" * 6_000, "timeout is too large a number"),
        ("[defaults]\ntimeout = 0x" + "f" * 6_000, "timeout is too large a number"),
        ("x" * 6_000 + " = 1", "xxx...: there is no such setting"),
        ("a = 1\n" * 20_000, "it is larger than 8 KiB"),
    ],
    ids=["dots", "arrays", "tables", "digits", "hexadecimal", "name", "size"],
)
def test_a_project_file_that_asks_too_much_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, text: str, told: str
) -> None:
    Path(PROJECT_FILE).write_text(text)
    result = asks(noxcli)
    assert (result.code, result.out, result.err.count("\n"), sandbox.requests) == (2, b"", 1, [])
    assert PROJECT_FILE in result.err
    assert told in result.err
    assert len(result.err) < 1000


@pytest.mark.parametrize("device", ["/dev/zero", "pipe", "socket"])
def test_a_config_file_that_is_no_file_is_refused(noxcli: Noxcli, device: str) -> None:
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    result = asks(noxcli, NOXCLI_CONFIG=device)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert (
        "larger than 256 KiB" if device == "/dev/zero" else "it is not a regular file"
    ) in result.err


def test_no_handle_for_a_config_file_is_temporary(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("noxcli.config.config_files.read_named", full)
    result = asks(noxcli)
    assert (result.code, "out of system resources: too many open files" in result.err) == (75, True)


def test_a_config_file_may_come_from_a_shells_pipe(sandbox: Sandbox) -> None:
    text = f'[profile.p]\\nbase_url = "{sandbox.url}"\\n'
    command = f"{forked()[0]} workflows --profile p"
    line = f"f() {{ NOXCLI_CONFIG=$1 {command}; }}; f <(printf '{text}')"
    done = in_bash(line, environment(sandbox.url, sandbox.key))
    assert (done.returncode, "demo" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("size", [70_000, 1 << 34])
def test_a_key_file_is_as_large_as_a_key(noxcli: Noxcli, size: int) -> None:
    Path("k").touch(0o600)
    os.truncate("k", size)
    result = noxcli("inputs", "demo", "--api-key-file", "k")
    assert (result.code, "contains more than a key; check --api-key-file" in result.err) == (
        4,
        True,
    )
    assert "contains more than a key" in noxcli("inputs", "demo", "--api-key-file", "/dev/zero").err


@given(
    any_text(max_size=200)
    | st.text("[]{}.=\"'a1 \n\\,#-_:", max_size=200)
    | st.binary(max_size=200)
)
def test_whatever_is_in_it_a_file_is_a_table_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    )
    for read in (read_table, lambda path: read_project_file(path, Path("config.toml"))):
        with suppress(ConfigProblem):
            read(path)
