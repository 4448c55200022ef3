"""What the engines' recipes share: a server whose runs take a while, a task that is killed midway, a count."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step
from tests.process import HUNG

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/engines.md").read_text()
# Where .ci/engines has installed what is not a system package.
ENGINES = Path(os.environ.get("ENGINES_DIR", ROOT / ".engines"))
BINARIES = [
    *(ENGINES / name / "bin" for name in ("act", "snakemake", "airflow", "schemas")),
    ENGINES / "npm/node_modules/.bin",
]
PATHS = [Path(sys.executable).parent, *BINARIES, *map(Path, ("/usr/local/sbin", "/usr/local/bin"))]
SEARCHED = ":".join([*map(str, PATHS), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
COMMAND = Path(sys.executable).with_name("noxcli")
ROWS = 24
QUICK, SLOW = 100, 2000  # milliseconds of a run; each shard has rows of both kinds


def recipes(heading: str) -> list[str]:
    """Return the blocks under that heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)


def recipe(heading: str) -> str:
    return recipes(heading)[0]


def needs_engine(*programs: str) -> None:
    """Skip if an engine is not installed; on CI it must be."""
    for program in programs:
        if shutil.which(program, path=SEARCHED) is None:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{program} is not installed; .ci/engines does it")
            pytest.skip(f"{program} is not installed; .ci/engines does it")


@dataclass
class Farm:
    """A directory with rows, and the server that runs them."""

    sandbox: Sandbox
    workflow: str
    where: Path
    failing: set[int] = field(default_factory=set)  # rows whose runs fail
    kills: int = 0
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Put a noxcli on PATH that notes its calls."""
        self.noted = self.where.parent / "noted"
        self.noted.mkdir()
        noxcli = self.noted / "noxcli"
        noxcli.write_text(
            f"""#!/bin/sh\necho "$*" >> '{self.noted}/calls'\nexec '{COMMAND}' "$@"\n"""
        )
        noxcli.chmod(0o755)

    def attempts(self, shard: int) -> int:
        """Return how often the engine has called a shard's batch."""
        calls = (self.noted / "calls").read_text().splitlines()
        return sum(call.startswith("batch ") and f"shard-{shard}-of-4" in call for call in calls)

    @property
    def env(self) -> dict[str, str]:
        """What a job sees: noxcli and the engines on PATH, and nothing of pytest's."""
        return {
            "PATH": f"{self.noted}:{SEARCHED}",
            "HOME": str(self.where),
            "USER": pwd.getpwuid(os.getuid()).pw_name,
            "LANG": "C.UTF-8",
            "NOXUS_BACKEND_URL": self.sandbox.url,
            "NOXUS_API_KEY": self.sandbox.key,
        }

    @contextmanager
    def started(self, argv: Sequence[str], **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start an engine in the directory; it and its children are gone after the block."""
        with (self.where / "engine.log").open("wb") as log:
            process = subprocess.Popen(
                argv, cwd=self.where, env={**self.env, **more}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def run(self, *argv: str, limit: float = HUNG, **more: str) -> str:
        """Run a command in the directory until it exits, and return its stdout."""
        done = subprocess.run(
            argv, cwd=self.where, env={**self.env, **more}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=limit, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{argv}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def log(self) -> str:
        return (self.where / "engine.log").read_text(errors="replace")

    def task(self, shard: int, within: float = HUNG) -> int:
        """Return the process of a shard's batch once some rows have finished and others are running."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            for pid, directory in self.processes():
                if directory.name == f"shard-{shard}-of-4" and is_in_the_middle(directory):
                    return pid
            time.sleep(0.02)
        raise AssertionError(f"shard {shard} did not get to its middle: {self.log()}")

    def kill(self, shard: int, number: int = signal.SIGKILL) -> None:
        """Kill a shard's batch midway."""
        os.kill(self.task(shard), number)
        self.kills += 1

    def processes(self, verb: str = "batch") -> Iterator[tuple[int, Path]]:
        """Yield the processes of a verb with their directories: no other process can have this server's address."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if (
                    verb.encode() not in words
                    or b"--output-dir" not in words
                    or b"python" not in words[0]
                ):
                    continue
                if f"NOXUS_BACKEND_URL={self.sandbox.url}".encode() in (
                    process / "environ"
                ).read_bytes().split(b"\0"):
                    directory = words[words.index(b"--output-dir") + 1].decode()
                    yield int(process.name), (process / "cwd").readlink() / directory

    def check(self, results: Path) -> None:
        """Check that each row had one run on the server, and has one result, also if its run failed."""
        lines = [json.loads(line) for line in results.read_text().splitlines()]
        assert [line["row"] for line in lines] == list(range(1, ROWS + 1))
        codes = {line["row"]: line["result"]["exit_code"] for line in lines}
        assert codes == {row: int(row in self.failing) for row in range(1, ROWS + 1)}
        good = [line for line in lines if line["row"] not in self.failing]
        assert all(line["result"]["output"] == {"A": str(line["row"])} for line in good)
        runs = Counter(run.input["Q"] for run in self.sandbox.runs(self.workflow))
        assert runs == Counter(map(str, range(1, ROWS + 1)))
        print(
            f"{ROWS} rows, {self.kills} kills, {runs.total()} runs, {len(lines)} results, "
            f"{time.monotonic() - self.began:.1f} s"
        )


def is_in_the_middle(directory: Path) -> bool:
    steps: Counter[str] = Counter()
    with suppress(OSError, ValueError):
        for line in (directory / "batch.jsonl").read_text().splitlines():
            steps[json.loads(line).get("step", "")] += 1
    return steps["finished"] > 0 and steps["started"] > steps["finished"]


def scenario(failing: Collection[int]) -> Scenario:
    """The second half of the rows takes longer."""

    def script(inputs: Mapping[str, Any]) -> list[Step]:
        row = int(inputs["Q"])
        wait = Sleep(QUICK if row <= ROWS // 2 else SLOW)
        return [wait, State("failed")] if row in failing else [wait]

    return Scenario(
        "qa", nodes=[input_node("Q")], script=script, output=lambda inputs: {"A": inputs["Q"]}
    )
