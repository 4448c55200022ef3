"""`python -m tests.research.fuzz [--seconds N] [TARGET...]`: search for bytes that break a promise, led by coverage."""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
NETWORK = "answer"
ONE = """
import atheris, sys
with atheris.instrument_imports(include=["noxcli"]):
    from tests.research.fuzz.{module} import {import_}
atheris.Setup(sys.argv, {function})
atheris.Fuzz()
"""


def program(target: str) -> str:
    """Return the Python program that fuzzes one target."""
    if target == NETWORK:
        return ONE.format(module="network", import_="answer", function="answer")
    return ONE.format(module="targets", import_="TARGETS", function=f"TARGETS[{target!r}]")


def fuzz(target: str, seconds: int) -> tuple[int, str]:
    """Return the exit code and the last lines of a fuzzer's report."""
    seeds = CORPUS / target
    # A fuzzer ends without removing its temporary files.
    with tempfile.TemporaryDirectory() as found, tempfile.TemporaryDirectory() as scratch:
        options = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
        command = [sys.executable, "-c", program(target), *options, f"-artifact_prefix={found}/", found, str(seeds)]
        env = {**os.environ, "TMPDIR": scratch}
        done = subprocess.run(command, env=env, capture_output=True, text=True, errors="replace", check=False)
        bad = [path.read_bytes() for path in Path(found).glob("[colst]*-*")]
        tail = done.stderr.splitlines()
        tried = next((line.split()[-1] for line in tail if "number_of_executed_units" in line), "?")
        told = [f"{target}: {tried} inputs in {seconds} s, exit {done.returncode}"]
        if done.returncode:
            told += [*tail[-25:], *(f"input: {one!r}" for one in bad)]
        return done.returncode, "\n".join(told)


def main() -> int:
    from tests.research.fuzz.targets import TARGETS

    names = [*TARGETS, NETWORK]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target [default: 60]")
    parser.add_argument("targets", nargs="*", choices=[*names, []], metavar="TARGET", help=", ".join(names))
    asked = parser.parse_args()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: fuzz(name, asked.seconds), asked.targets or names))
    for _, told in results:
        print(told)
    return max(code != 0 for code, _ in results)


if __name__ == "__main__":
    sys.exit(main())
