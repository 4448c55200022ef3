"""The main thread waits in `waiting.py` alone: then no wait outlasts a signal or a limit."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.process import HUNG, environment

PACKAGE = Path(__file__).parent.parent / "noxcli"
# What may open, read or wait besides `waiting.py`, and why it keeps no signal waiting.
ALLOWED = {
    "api/feed.py": {".wait"},  # in the thread that reads the stream
    "api/gate.py": {".wait"},  # in the thread that sends the request
    "batch/poll.py": {".get"},  # in a thread that reads runs
    "batch/rows.py": {".open"},  # a regular file; a pipe is read by a thread
    "batch/workers.py": {".get"},  # in a thread without work
    "commands/import_.py": {".open"},  # the terminal, within `Sources.in_time`
    "commands/report.py": {".open"},  # within `Sources.in_time`, like the next three
    "cli/complete.py": {"open"},  # for Tab, which a signal ends at once
    "config/credentials.py": {".open", ".wait"},  # a killed command ends at once
    "inputs/sources.py": {".open"},
    "inputs/uploads.py": {".open"},
    "outputs/directory.py": {".open"},  # a directory, which opens at once
    "place.py": {".open"},  # regular files, without waiting for a FIFO; a device is read apart
    "render/region.py": {".wait"},  # in the thread that draws
    "render/terminal.py": {".open", "open"},  # the standard streams
    "reports/ci/github.py": {".open"},  # for reading and writing: also a FIFO opens at once
    "state/known_names.py": {"open"},  # for Tab, without noxcli
}


def test_only_one_module_waits() -> None:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("sandbox/") and name != "waiting.py":
            found[name] = set(waits_in(ast.parse(path.read_text())))
    wrong = {name: waits - ALLOWED.get(name, set()) for name, waits in found.items()}
    assert {name: waits for name, waits in wrong.items() if waits} == {}


def waits_in(tree: ast.AST) -> Iterator[str]:
    """Yield each construct that may block; `open` and `wait` of noxcli's own classes do not."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name("time"), attr="sleep"):
                yield "time.sleep"
            case ast.Name("SimpleQueue"):  # its `get(timeout)` may hang after a signal's handler (Python 3.11, 3.12)
                yield "SimpleQueue"
            case ast.Call(func=ast.Name("open")):
                yield "open"
            case ast.Call(func=ast.Attribute(value=value, attr="open" | "wait" as name)) if not is_own(value):
                yield f".{name}"
            case ast.Call(func=ast.Attribute(value=value, attr="read_bytes" | "read_text" as name)):
                if not is_packaged(value):
                    yield f".{name}"
            case ast.Call(func=ast.Attribute(attr="communicate" | "acquire" as name)):
                yield f".{name}"
            case ast.Call(func=ast.Attribute(attr="join" | "get" as name), args=[], keywords=[]):
                yield f".{name}"


def is_own(value: ast.expr) -> bool:
    """True for the API, the results and a lane of the gate."""
    return ast.unparse(value) in {"context", "kept", "lane"}


def is_packaged(value: ast.expr) -> bool:
    """True for a file of noxcli's own."""
    return any(name in ast.unparse(value) for name in ("HERE", "SCHEMA_FILES", "package"))


GIVEN = {"open key", "open text.txt", "open inputs.json", "open rows.jsonl"}
WATCHED = """
import os, sys, threading
here = os.getcwd()
def look(event, args):
    if threading.current_thread() is not threading.main_thread():
        return
    if event == "open" and isinstance(args[0], str) and not args[2] & os.O_NONBLOCK:
        path = os.path.abspath(args[0])
        if path.startswith(here):
            told.append(f"open {os.path.relpath(path)}")
    elif event in {"socket.connect", "socket.getaddrinfo"} or event == "time.sleep" and args[0] > 0.1:
        told.append(event)
told = []
sys.addaudithook(look)
from noxcli.app import run_argv
from noxcli.cli.context import Context
from noxcli.render.terminal import Terminal
code = run_argv(sys.argv[1:], Context(Terminal.of_process()))
sys.stderr.write("\\n" + repr((int(code), sorted(set(told)))))
sys.stderr.flush()
os._exit(0)
"""


def blocking(argv: list[str], env: dict[str, str]) -> tuple[int, list[str]]:
    """Return the code, and what the main thread opens of the user's files, or does on the network, without a wait."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *argv], env=env, capture_output=True, timeout=HUNG, check=True
    )
    code, told = ast.literal_eval(done.stderr.decode().splitlines()[-1])
    return code, told


def test_the_main_thread_opens_and_asks_nothing_without_a_wait(sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q"), input_node("F", type="file")], output={"A": "x"})
    key, text = Path("key"), Path("text.txt")
    key.write_text(sandbox.key)
    key.chmod(0o600)
    text.write_text("hello")
    Path("inputs.json").write_text(json.dumps({"Q": "x"}))
    Path("rows.jsonl").write_text('{"Q": "x"}\n')
    own = Path.cwd().parent / f"{Path.cwd().name}-state"
    env = {**environment(sandbox.url), "NOXCLI_STATE_DIR": str(own), "XDG_CACHE_HOME": str(own)}
    with_key = ["--api-key-file", str(key)]
    started = ["--state-file", "run.state", "--output-dir", "out", "--junit", "run.xml", "--report", "run.html"]
    calls = {
        "run": ["run", workflow, "Q=@text.txt", "F@text.txt", *started],
        "--inputs": ["run", workflow, "--inputs", "@inputs.json", "F@text.txt", "--json"],
        "stop": ["stop", "--state-file", "run.state"],
        "wait": ["wait", "@last"],
        "fetch-output": ["fetch-output", "@last", "--output-dir", "again"],
        "batch": ["batch", workflow, "rows.jsonl", "F@text.txt", "--output-dir", "batch"],
        "doctor": ["doctor"],
    }
    for name, argv in calls.items():
        code, told = blocking([*argv, *with_key], env)
        assert (name, code) == (name, 0)
        given = {one for one in told if one in GIVEN or not one.startswith("open ")}  # the others are noxcli's
        assert (name, given) == (name, {"open rows.jsonl"} if name == "batch" else set())  # of a regular file
