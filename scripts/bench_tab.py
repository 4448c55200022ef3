"""Measure Tab in bash, zsh and fish with many cached names, and show what a user sees."""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

import pyte

from noxcli.config.settings import DEFAULT_URL
from noxcli.inputs.definition import InputNode
from noxcli.models import Run, Workflow
from noxcli.state.completion_cache import CompletionCache

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.completions.tab import Typed, start

WORKFLOWS, RUNS, TIMES = 1000, 250, 15
LINES = {
    "a verb": "noxcli fetch-o",
    "an option": "noxcli run demo --output-d",
    f"a workflow of {WORKFLOWS:,}": "noxcli run daily\\ report\\ 0099",
    "a key of it": "noxcli run daily\\ report\\ 0999 User\\ I",
    f"a run of {RUNS}": f"noxcli wait run-{RUNS - 1:04}",
    "@last": "noxcli wait @",
}
SHOWN = ["noxcli run daily\\ report\\ 000\t\t", "noxcli run daily\\ report\\ 0999 \t\t", "noxcli wait run-000\t\t"]


def furnish(home: Path) -> None:
    """Write the cache that many commands would have written."""
    known = CompletionCache({"NOXCLI_CACHE_DIR": str(home / ".cache" / "noxcli")}, DEFAULT_URL)
    known.workflows([Workflow(f"w-{number:04}", f"daily report {number:04}") for number in range(WORKFLOWS)])
    known.inputs("w-0999", [InputNode("n-1", "User Input", "str"), InputNode("n-2", "Document", "file")])
    for number in range(RUNS):
        run = Run(f"run-{number:04}", f"w-{number:04}", "completed", created_at="2026-01-01T00:00:00Z")
        known.run(run, f"daily report {number:04}")


def seconds(call: Callable[[], object]) -> float:
    """Return the median of the seconds that the call takes."""
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return median(taken)


def screen_of(shell: Typed, line: str) -> list[str]:
    """Return the screen after the line was typed, with its Tabs."""
    settle(shell)
    shell.type("\x0c")  # Ctrl-L: clear the screen
    settle(shell)
    shell.type(line)
    settle(shell)
    terminal = pyte.Screen(200, 50)
    pyte.ByteStream(terminal).feed(shell.screen.read_bytes())
    shell.type("\x03")
    return [row.rstrip() for row in terminal.display if row.strip()]


def settle(shell: Typed) -> None:
    """Wait until the screen has not changed for a while."""
    size = -1
    while size != (size := shell.screen.stat().st_size):
        time.sleep(0.7)


def main() -> int:
    """Print a table and a transcript for each shell."""
    for name in ["bash", "zsh", "fish"]:
        with tempfile.TemporaryDirectory(
            ignore_cleanup_errors=True
        ) as directory:  # a shell may still be writing its history
            home = Path(directory)
            furnish(home)
            with closing(start(name, home)) as shell:
                print(f"== {name}")
                for what, line in LINES.items():
                    with_tab = seconds(partial(shell.becomes, f"{line}\t"))
                    without = seconds(partial(shell.becomes, line))
                    print(f"{what:<24}{(with_tab - without) * 1000:6.1f} ms")
                for line in SHOWN:
                    print("\n".join(["--", *screen_of(shell, line)]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
