"""What a power cut would find: each step of a row is on the disk before the next one begins, as the kernel saw it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from tests.conftest import Noxcli, write_rows
from tests.process import HUNG, NOXCLI

ROWS = 4
CALLS = {
    "s": r'write\(\d+<[^>]*/batch\.jsonl>, ".*\\"step\\":\\"sent\\"',
    "J": r"fsync\(\d+<[^>]*/batch\.jsonl>",
    "P": r'\w+\(\d+<[^>]*>, "POST [^ ]*/runs ',
    "r": r"write\(\d+<[^>]*/results\.jsonl>",
    "R": r"fsync\(\d+<[^>]*/results\.jsonl>",
    "f": r'write\(\d+<[^>]*/batch\.jsonl>, ".*\\"step\\":\\"finished\\"',
}


def calls_in(trace: str) -> Iterator[str]:
    """Yield the letter of each call of interest: of a flush when it has ended, of any other when it begins."""
    flushing: dict[str, str] = {}  # by thread
    for line in trace.splitlines():
        thread, _, call = line.partition(" ")
        letter = next(
            (letter for letter, form in CALLS.items() if re.match(form, call.lstrip())), ""
        )
        if letter in {"J", "R"} and "unfinished" in call:
            flushing[thread], letter = letter, ""
        yield flushing.pop(thread, "") if "fsync resumed" in call else letter


@pytest.mark.engine("strace")
def test_each_step_of_a_row_is_on_disk_before_the_next(
    noxcli: Noxcli, plays: Any, tmp_path: Path
) -> None:
    workflow, trace = plays(nodes=[input_node("Q")]), tmp_path / "trace"
    write_rows(*map(str, range(ROWS)))
    traced = [
        "strace",
        "-f",
        "-y",
        "-s",
        "300",
        "-e",
        "trace=write,fsync,sendto,sendmsg",
        "-o",
        str(trace),
    ]
    command = [*traced, *NOXCLI, "batch", workflow, "rows.jsonl", "--max-parallel", "1"]
    subprocess.run(command, env={**noxcli.environ}, check=True, capture_output=True, timeout=HUNG)
    seen = "".join(calls_in(trace.read_text()))
    assert re.fullmatch(f"J*(sJ+P){{{ROWS}}}J*", re.sub("[rRf]", "", seen)), seen
    assert re.fullmatch("(r+Rf+)+", re.sub("[sJP]", "", seen)), seen
