"""Measure downloads: a large file and twenty files against curl, and a large output that is part of the run's record.

Usage: python scripts/bench_download.py [MEGABYTES] [DIRECTORY]. The sandbox, in its own process, generates files while
it sends them, from a few bytes that stay in the processor's cache. nginx sends a file from the disk's cache, plain and
over TLS. Downloads are removed. Prints seconds, rate and peak memory.
"""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench_nginx import nginx
from bench_process import NOXCLI, Taken, environment, measure, take_turns

from noxcli.sandbox.faults import CutBody
from noxcli.sandbox.scenario import File, Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.switches import Switches

SERVER = "--serve"
LARGE, MANY, SIDE_BY_SIDE, INLINE = 2_000_000_000, 20, 100_000_000, 200_000_000  # bytes, but for MANY
NOTHING, CURL, TO_FILES = "noxcli run, no output", "curl -o", "noxcli --output-dir"
CUT, RAW = "noxcli --output-dir, cut 3 times", "noxcli --raw A"
MANY_CURL, MANY_FILES = "curl --parallel, 20 files", "noxcli --output-dir, 20 files"
RECORD = "noxcli run, text in the record"
CURL_HASH = "curl -o, sha256sum, sync"
SENT_CURL, SENT_FILES = "curl -o, from nginx", "noxcli --output-dir, from nginx"
SENT_MANY_CURL = "curl --parallel, 20 files, from nginx"
SENT_MANY_FILES = "noxcli --output-dir, 20 files, from nginx"
TLS_CURL, TLS_FILES = "curl -o, from nginx, https", "noxcli --output-dir, from nginx, https"


def file(name: str, size: int) -> File:
    """Return an output of that many bytes."""
    return File(name, bytes(range(251)), size=size)


def serve(size: int, each: int, inline: int) -> None:
    """Serve until stdin closes."""
    scenarios = [
        Scenario("whole", output={"A": file("a.bin", size)}),
        Scenario("cut", output={"A": file("a.bin", size)}, faults={"file": [CutBody(size // 4)] * 3}),
        Scenario("many", output={f"A{number}": file(f"a{number}.bin", each) for number in range(MANY)}),
        Scenario("inline", output={"A": "x" * inline}, switches={"preview_limit": inline}),
    ]
    with Sandbox(scenarios, switches=Switches(ranges="honoured")) as sandbox:
        print(sandbox.url, sandbox.key, flush=True)
        sys.stdin.read()


@contextmanager
def serving(size: int, each: int, inline: int) -> Iterator[dict[str, str]]:
    """Run the server in its own process; yield the environment that leads to it."""
    argv = [sys.executable, __file__, SERVER, *map(str, (size, each, inline))]
    with subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) as server:
        assert server.stdout is not None
        yield environment(*server.stdout.readline().split())
        server.communicate("")


@contextmanager
def sending(env: Mapping[str, str], size: int, parent: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Run nginx with one file in front of the sandbox; yield the environments that lead to it, plain and by TLS."""
    parent.mkdir()
    with nginx(env["NOXUS_BACKEND_URL"], size, parent) as at:
        trusted = {"REQUESTS_CA_BUNDLE": str(at.certificate), "CURL_CA_BUNDLE": str(at.certificate)}
        yield {**env, "NOXUS_BACKEND_URL": at.plain}, {**env, "NOXUS_BACKEND_URL": at.tls, **trusted}


def run(workflow: str, *options: str) -> list[str]:
    """Return the command line of a run."""
    return [NOXCLI, "run", workflow, "--quiet", *options]


def curl(env: Mapping[str, str], workflow: str, place: Path) -> list[str]:
    """Return the command line that downloads all files of a workflow's output at once."""
    done = subprocess.run([NOXCLI, "run", workflow, "--json", "--quiet"], env=env, capture_output=True, check=True)
    ids = [value["uri"].removeprefix("spot://") for value in json.loads(done.stdout)["output"].values()]
    files = [word for each in ids for word in ("-o", f"{place}/{each}", f"{env['NOXUS_BACKEND_URL']}/v1/file/{each}")]
    return ["curl", "-sfZ", "-H", f"X-API-Key: {env['NOXUS_API_KEY']}", *files]


def hashed(argv: Sequence[str]) -> list[str]:
    """Return the command line that also computes the SHA-256 of the one file that curl downloads, and flushes it."""
    file = shlex.quote(argv[argv.index("-o") + 1])
    return ["sh", "-c", f"{shlex.join(argv)} && sha256sum {file} && sync {file}"]


def to_place(argv: Sequence[str], env: Mapping[str, str], place: Path, expected: int) -> Taken:
    """Measure a download into the directory; check that all bytes are there, and remove them."""
    taken = measure(argv, env)
    found = sum(path.stat().st_size for path in place.rglob("*") if path.name != "manifest.json")
    assert found == expected, f"{argv}: {found} bytes instead of {expected}"
    shutil.rmtree(place)
    place.mkdir()
    return taken


def downloads(
    size: int = LARGE, each: int = SIDE_BY_SIDE, inline: int = INLINE, *, parent: str | None = None, rounds: int = 3
) -> dict[str, Taken]:
    """Return the results of each contender."""
    with (
        tempfile.TemporaryDirectory(dir=parent) as above,
        serving(size, each, inline) as env,
        sending(env, size, Path(above) / "large") as (sent, tls),
        sending(env, each, Path(above) / "many") as (sent_many, _),
    ):
        place = Path(above) / "downloads"
        place.mkdir()
        name = str(place)
        fetch = ["--output-dir", name]
        contenders: dict[str, Callable[[], Taken]] = {
            NOTHING: lambda: measure(run("whole"), env),
            CURL: partial(to_place, curl(env, "whole", place), env, place, size),
            TO_FILES: partial(to_place, run("whole", *fetch), env, place, size),
            CURL_HASH: partial(to_place, hashed(curl(env, "whole", place)), env, place, size),
            SENT_CURL: partial(to_place, curl(sent, "whole", place), sent, place, size),
            SENT_FILES: partial(to_place, run("whole", *fetch), sent, place, size),
            TLS_CURL: partial(to_place, curl(tls, "whole", place), tls, place, size),
            TLS_FILES: partial(to_place, run("whole", *fetch), tls, place, size),
            CUT: partial(to_place, run("cut", *fetch), env, place, size),
            RAW: lambda: measure(run("whole", "--raw", "A"), env),
            MANY_CURL: partial(to_place, curl(env, "many", place), env, place, MANY * each),
            MANY_FILES: partial(to_place, run("many", *fetch), env, place, MANY * each),
            SENT_MANY_CURL: partial(to_place, curl(sent_many, "many", place), sent_many, place, MANY * each),
            SENT_MANY_FILES: partial(to_place, run("many", *fetch), sent_many, place, MANY * each),
            RECORD: lambda: measure(run("inline"), env),
        }
        return take_turns(contenders, rounds)


def main() -> None:
    """Run each contender in turn, and print the results."""
    if sys.argv[1:2] == [SERVER]:
        serve(*map(int, sys.argv[2:]))
        return
    size = int(sys.argv[1]) * 1_000_000 if len(sys.argv) > 1 else LARGE
    print(f"{'':46}{'seconds':>9}{'MB/s':>8}{'CPU s':>8}{'MiB':>7}")
    taken = downloads(size, parent=sys.argv[2] if len(sys.argv) > 2 else None, rounds=1)
    for name, one in taken.items():
        many = (MANY_CURL, MANY_FILES, SENT_MANY_CURL, SENT_MANY_FILES)
        moved = {NOTHING: 0, **dict.fromkeys(many, MANY * SIDE_BY_SIDE), RECORD: INLINE}
        rate = f"{moved.get(name, size) / one.seconds / 1e6:8.0f}"
        print(f"{name:46}{one.seconds:9.2f}{rate}{one.cpu:8.2f}{one.mib:7.1f}")


if __name__ == "__main__":
    main()
