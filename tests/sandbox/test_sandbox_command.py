"""The sandbox around a command and as a separate server: environment, exit codes, signals."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

import noxcli
from noxcli.sandbox import INSTALL_HINT, missing_packages
from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.command import environment
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.process import HUNG, captured, forked, on_terminal
from tests.process import environment as own_environment

ROOT = Path(noxcli.__file__).parents[1]
MAIN = [sys.executable, "-m", "noxcli", "sandbox"]
ASK = """
import os, urllib.request
url = os.environ["NOXUS_BACKEND_URL"] + "/v1/workflows/{}"
request = urllib.request.Request(url, headers={{"X-API-Key": os.environ["NOXUS_API_KEY"]}})
print(urllib.request.urlopen(request).status)
"""
FRESH_KEY = r"sandbox-[\w-]{32}"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def _sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    return captured([*MAIN, *arguments], ENVIRONMENT)


@contextmanager
def _started(*arguments: str, program: Sequence[str] = MAIN) -> Iterator[subprocess.Popen[str]]:
    """A sandbox that keeps running; a test that fails ends it and its children."""
    with subprocess.Popen(
        [*program, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    ) as child:
        try:
            yield child
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise


def test_a_command_runs_with_address_key_and_path() -> None:
    show = 'printf "%s\\n" "$NOXUS_BACKEND_URL" "$NOXUS_API_KEY" "$PATH" "$NO_PROXY"'
    done = _sandbox("--", "sh", "-c", show)
    url, key, path, no_proxy = done.stdout.splitlines()

    assert done.returncode == 0
    assert url.startswith("http://127.0.0.1:")
    assert re.fullmatch(FRESH_KEY, key)
    assert path.startswith(f"{Path(sys.executable).parent}:")
    assert no_proxy.endswith("127.0.0.1,localhost")


def test_each_start_has_a_key_of_its_own_unless_one_is_given(
    noxcli: Noxcli, capfd: pytest.CaptureFixture[str]
) -> None:
    def shown(*arguments: str) -> str:
        assert noxcli("sandbox", *arguments).code == 0
        return capfd.readouterr().out

    show = ["--", "sh", "-c", 'echo "$NOXUS_API_KEY"']
    assert len({shown(*show) for _ in range(2)}) == 2
    assert shown("--key", "my-own", *show) == "my-own\n"
    assert shown("--key", "my-own", "--", sys.executable, "-c", ASK.format("demo")) == "200\n"


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused(key: str, noxcli: Noxcli) -> None:
    done = noxcli("sandbox", "--key", key, "--", "true")
    assert (done.code, "a key consists of printable ASCII" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill -2 $$"], 130),
        (["no-such-command-anywhere"], 127),
        (["/etc"], 126),
    ],
)
def test_exit_codes(
    command: list[str],
    code: int,
    noxcli: Noxcli,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "PATH", "/usr/bin:/bin"
    )  # a directory that may not be read would be another reason
    assert noxcli("sandbox", "--", *command).code == code
    assert len(capfd.readouterr().err.splitlines()) == (1 if code in (126, 127) else 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_are_passed_on(number: signal.Signals) -> None:
    script = "trap 'echo passed; exit 9' TERM HUP INT; echo ready; while :; do sleep 0.05; done"
    with _started("--", "sh", "-c", script) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        if number == signal.SIGINT:
            os.killpg(child.pid, number)  # a terminal sends it to the command, too
        else:
            child.send_signal(number)
        assert child.stdout.read() == "passed\n"

    assert child.returncode == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_tells_what_to_export_and_ends_cleanly(number: signal.Signals) -> None:
    with _started("sandbox", "--port", "0", program=forked()) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(4 + len(BUILT_IN))]
        server.send_signal(number)
        assert server.wait(HUNG) == 0

    *listed, _, what, url, key = lines
    assert [line.split()[1] for line in listed] == [scenario.name for scenario in BUILT_IN]
    assert what == "# Paste these two lines elsewhere; Ctrl-C stops the sandbox.\n"
    assert url.startswith("export NOXUS_BACKEND_URL=http://127.0.0.1:")
    assert re.fullmatch(f"export NOXUS_API_KEY={FRESH_KEY}\n", key)


@pytest.mark.parametrize("columns", [80, 64])
def test_on_a_terminal_what_to_paste_is_on_the_screen(columns: int) -> None:
    with on_terminal(
        [*forked(), "sandbox", "--port", "0"], own_environment(""), columns=columns
    ) as seen:
        seen.wait_for(b"API_KEY=sandbox-")
        seen.wait_for(b"\r\n", after=seen.raw.index(b"API_KEY"))
        screen = pyte.Screen(columns, 24)
        pyte.ByteStream(screen).feed(bytes(seen.raw))
        os.kill(seen.process.pid, signal.SIGINT)
    lines = [line.rstrip() for line in screen.display if line.strip()]
    assert [line.split()[0] for line in lines[-3:]] == ["#", "export", "export"]
    told = " ".join(
        " ".join(line.removeprefix("#").split())
        for line in bytes(seen.raw).decode().splitlines()[:-4]
    )
    assert all(f"{scenario.name} {scenario.description}" in told for scenario in BUILT_IN), (
        "wrapped at words alone"
    )
    assert all(line.startswith("#") for line in lines[:-2])


def test_options(noxcli: Noxcli, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scenario = tmp_path / "mine.toml"
    scenario.write_text("[[scenario]]\nname = 'mine'\n")
    options = [
        "--scenario",
        str(scenario),
        "--speed",
        "9",
        "--switch",
        "keepalive=ping",
        "--switch",
        "rate_limit=5",
    ]

    assert noxcli("sandbox", *options, "--", sys.executable, "-c", ASK.format("mine")).code == 0
    assert capfd.readouterr().out == "200\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--switch", "shape=x"], "no switch is called 'shape'"),
        (["--switch", "keepalive=x"], "cannot be 'x'"),
        (["--switch", "id_lines=x"], "cannot be 'x'"),
        (["--switch", "page_size=x"], "cannot be 'x'"),
        (["--speed", "0"], "--speed"),
        (["--port", "99999"], "'99999' is not a number from 0 to 65535"),
        (
            ["--scenario", "no.toml"],
            "the sandbox can't start: no.toml: no such file or directory\n",
        ),
        (
            ["--replay", "no.ndjson"],
            "the sandbox can't start: no.ndjson: no such file or directory\n",
        ),
        (["--switches", "."], "the sandbox can't start: .: is a directory\n"),
    ],
)
def test_wrong_options_are_one_line(arguments: list[str], complaint: str, noxcli: Noxcli) -> None:
    done = noxcli("sandbox", *arguments, "--", "true")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert complaint in done.err


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch, noxcli: Noxcli) -> None:
    monkeypatch.setattr("noxcli.sandbox.missing_packages", lambda: ["starlette"])

    done = noxcli("sandbox")
    assert (done.code, done.err) == (2, f"noxcli: the sandbox needs starlette; {INSTALL_HINT}\n")
    assert missing_packages() == []


def test_the_package_imports_without_the_extra() -> None:
    code = "import sys, noxcli.sandbox, noxcli.sandbox.switches; print({'starlette', 'uvicorn'} & set(sys.modules))"
    done = captured([sys.executable, "-c", code], ENVIRONMENT)

    assert (done.returncode, done.stdout) == (0, "set()\n")


def test_the_clients_settings_lead_no_command_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXCLI_BASE_URL", "https://backend.noxus.ai")
    monkeypatch.setenv("NOXCLI_API_KEY", "real")
    monkeypatch.setenv("NOXCLI_COLOR", "never")
    with Sandbox() as sandbox:
        env = environment(sandbox)

    assert not {"NOXCLI_BASE_URL", "NOXCLI_API_KEY"} & set(env)
    assert env["NOXCLI_COLOR"] == "never"
