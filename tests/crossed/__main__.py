"""`python -m tests.crossed`: play combinations of switches, and print each failure with the settings that cause it.

--all plays every pair, every three of the event stream and every setting alone; --random N plays N random ones.
Failures are played again: those that then pass, as on a machine that was too busy, are listed separately.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from noxcli.sandbox.switches import parsed
from tests.crossed import plan
from tests.crossed.cells import CELLS
from tests.crossed.plan import Combination
from tests.crossed.play import OF_THE_STREAM, all_played, cut_down, played

MOST_CUT_DOWN = 3  # failures of one cell: further ones are usually the same


def works(asked: argparse.Namespace) -> Iterator[tuple[str, Sequence[Combination], Sequence[str]]]:
    """Yield what to play: a name, combinations and cells."""
    cells = asked.cell or list(CELLS)
    if asked.switch is not None:
        pairs = [setting.partition("=")[::2] for setting in asked.switch]
        yield "given", [{name: parsed(name, text) for name, text in pairs}], cells
        return
    if asked.all or asked.pairs:
        yield "pairs", plan.pairs(asked.seed), cells
    if asked.all or asked.singles:
        yield "singles", plan.singles(), cells
    if asked.all or asked.triples:
        yield "triples", plan.triples(asked.seed), asked.cell or OF_THE_STREAM
    if asked.random:
        yield "random", list(plan.at_random(asked.random, asked.seed)), cells


def main() -> int:
    """Play, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("all", "pairs", "triples", "singles"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--random", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cell", action="append", choices=sorted(CELLS), metavar="CELL")
    parser.add_argument("--switch", action="append", metavar="NAME=VALUE")
    parser.add_argument("--at-once", type=int, default=6, metavar="N")
    asked = parser.parse_args()
    failed: Counter[str] = Counter()
    once = 0
    for name, combinations, cells in works(asked):
        begun, cpu, count, longest = time.monotonic(), time.process_time(), 0, 0.0
        for failures, seconds in all_played([(each, cells) for each in combinations], asked.at_once):
            count += len(cells)
            longest = max(longest, seconds)
            for failure in failures:
                if not played(failure.combination, [failure.cell]):
                    once += 1
                    print(f"failed once, and not again: {failure}", flush=True)
                    continue
                failed[failure.cell] += 1
                if failed[failure.cell] <= MOST_CUT_DOWN:
                    print(cut_down(failure), flush=True)
        took, busy = time.monotonic() - begun, time.process_time() - cpu
        print(
            f"{name}: {len(combinations)} combinations, {count} cells, {failed.total()} failed {dict(failed)}, "
            f"{once} once, {took:.0f} s, {busy:.0f} s of CPU, longest {longest:.1f} s",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    for variable in [each for each in os.environ if each.startswith(("NOXUS_", "NOXCLI_"))]:
        del os.environ[variable]
    raise SystemExit(main())
