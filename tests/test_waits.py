"""The main thread waits where a signal or a limit ends it: it opens and asks nothing by itself."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.process import HUNG, environment

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
