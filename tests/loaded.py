"""Which modules a command loads, its own and others'."""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from tests.process import NOXCLI, environment

QUICK = Scenario("quick", nodes=[input_node("Q")], output={"A": "x"})
# Each runs next to a file with one row of inputs.
COMMANDS = {
    "--version": ["--version"],
    "__complete": ["__complete", "run", "wait", ""],
    "--help": ["--help"],
    "run --help": ["run", "--help"],
    "batch --help": ["batch", "--help"],
    "wait --nope": ["wait", "--nope"],
    "completion": ["completion", "bash"],
    "doctor": ["doctor"],
    "workflows": ["workflows"],
    "run --json": ["run", "quick", "Q=hi", "--json"],
    "run --output-dir": ["run", "quick", "Q=hi", "--output-dir", "out"],
    "batch": ["batch", "quick", "rows.jsonl", "--quiet"],
}
# For other packages and slow parts of Python itself, the name is enough.
WATCHED = frozenset(
    (
        *("certifi", "charset_normalizer.api", "click", "idna", "jmespath", "pathvalidate", "platformdirs", "pydantic"),
        *("requests", "rich", "sseclient", "starlette", "typer", "urllib3", "uvicorn"),
        *("asyncio", "email", "hashlib", "http", "importlib.metadata", "logging", "multiprocessing", "ssl", "xml"),
    )
)
# The loading of a module, as reported by -X importtime.
LINE = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)


def loaded(argv: list[str], env: Mapping[str, str], directory: Path) -> set[str]:
    """Return the modules that a command line loads: noxcli's, and the watched ones."""
    command = [NOXCLI[0], "-X", "importtime", *NOXCLI[1:], *argv]
    done = subprocess.run(command, env=dict(env), cwd=directory, capture_output=True, text=True, check=False)
    names = set(LINE.findall(done.stderr))
    return {name for name in names if name in WATCHED or name.partition(".")[0] == "noxcli"}


def loaded_by_command() -> dict[str, set[str]]:
    """Return the modules that each of COMMANDS loads."""
    with Sandbox([QUICK]) as sandbox, tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        (directory / "rows.jsonl").write_text('{"Q": "hi"}\n')
        env = {**environment(sandbox.url, sandbox.key), "HOME": place, "PYTHONPATH": str(Path(__file__).parents[1])}
        return {name: loaded(argv, env, directory) for name, argv in COMMANDS.items()}
