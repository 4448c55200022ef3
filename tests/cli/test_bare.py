"""Each verb where nothing can be written, without a home, or with closed descriptors: one line, and never a bug."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows
from tests.process import HUNG

pytestmark = pytest.mark.wide
FILES = "--output-dir out --state-file s.json --junit j.xml --report r.html"
LINES = {
    "run": "run demo 'User Input=x'",
    "run from stdin": "run demo 'User Input=@-'",
    "run with an upload": "run big-file Document@-",
    "run to files": f"run demo 'User Input=x' {FILES}",
    "run to a file": "run demo 'User Input=x' -o out.txt",
    "stream": "stream @last",
    "wait": "wait RUN RUN",
    "fetch-output": "fetch-output RUN --output-dir out",
    "stop": "stop RUN",
    "inputs": "inputs demo",
    "runs": "runs",
    "workflows": "workflows --json",
    "versions": "versions demo",
    "inspect": "inspect RUN",
    "report": "report RUN -o r.html",
    "rerun": "rerun RUN",
    "batch": "batch demo rows.jsonl --report r.html --junit j.xml",
    "batch of a pipe": "batch demo - --output-dir out",
    "results": "results out",
    "compare": "compare out out --report r.html",
    "gate": "gate demo rows.jsonl --base a --new b --assert output",
    "export": "export demo -o e.yaml",
    "import": "import rows.jsonl --mode clone",
    "sandbox": "sandbox -- true",
    "doctor": "doctor",
    "schema": "schema",
    "help": "help agents",
    "completion": "completion bash",
}
# What is closed, and what makes the root read-only where that is allowed.
BARE = ["", "<&-", "2>&-", "<&- >&- 2>&-"]
READ_ONLY = "unshare --map-root-user --mount sh -c 'mount -o remount,ro,bind / && exec \"$@\"' sh"


def no_file_grows() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize("verb", LINES)
def test_bare_surroundings_are_no_bug(
    noxcli: Noxcli, sandbox: Sandbox, tmp_path: Path, verb: str
) -> None:
    rows = write_rows({"User Input": "x"})
    line = LINES[verb].replace("RUN", noxcli.start("demo", "User Input=x"))
    env = {
        "NOXUS_BACKEND_URL": sandbox.url,
        "NOXUS_API_KEY": sandbox.key,
        "PATH": "/usr/bin:/bin:/usr/sbin",
    }
    env |= {"HOME": "/none", "TMPDIR": "/none"}
    can_mount = not subprocess.run(
        f"{READ_ONLY} true", shell=True, capture_output=True, check=False
    ).returncode
    for closed in [*BARE, *([READ_ONLY] if can_mount else [])]:
        where, limit = ("", no_file_grows) if closed in BARE else (READ_ONLY, None)
        done = subprocess.run(
            f"{where} {sys.executable} -m noxcli {line} <{rows} {'' if where else closed}",
            shell=True,
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=HUNG,
            preexec_fn=limit,
            check=False,
        )
        told = [said for said in done.stderr.splitlines() if said.startswith("noxcli: ")]
        assert 0 <= done.returncode < 128, (closed, done)
        assert done.returncode not in {70, 120}, (closed, done)
        assert "Traceback" not in done.stderr, closed
        assert done.returncode == 0 or "2>&-" in closed or told, (closed, done)
