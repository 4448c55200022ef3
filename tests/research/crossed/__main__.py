"""Play combinations of switches, and print each failure with the settings that cause it.

By default it plays every pair of settings; --random N plays N random combinations, --switch the given one.
"""

import argparse
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from noxcli.sandbox.switches import Switches, with_overrides
from tests.research.crossed import plan
from tests.research.crossed.cells import CELLS
from tests.research.crossed.play import all_played, cut_down

MOST_CUT_DOWN = 3  # failures of one cell: further ones are usually the same


def main() -> int:
    """Play, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cell", action="append", choices=sorted(CELLS), metavar="CELL")
    parser.add_argument("--switch", action="append", metavar="NAME=VALUE")
    asked = parser.parse_args()
    if asked.switch is not None:
        given = dict(setting.partition("=")[::2] for setting in asked.switch)
        chosen = with_overrides(Switches(), given)
        combinations: list[plan.Combination] = [{name: getattr(chosen, name) for name in given}]
    else:
        combinations = list(plan.at_random(asked.random, asked.seed)) if asked.random else plan.pairs(asked.seed)
    cells = asked.cell or list(CELLS)
    failed: Counter[str] = Counter()
    # Threads of one process share one core. A fork has the shorter waits that are in place when it begins.
    pool = ProcessPoolExecutor(6, mp_context=get_context("fork"))
    for failures in all_played([(each, cells) for each in combinations], pool):
        for failure in failures:
            failed[failure.cell] += 1
            if failed[failure.cell] <= MOST_CUT_DOWN:
                print(cut_down(failure), flush=True)
    print(f"{len(combinations)} combinations, {len(combinations) * len(cells)} cells, failed: {dict(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    for variable in [each for each in os.environ if each.startswith(("NOXUS_", "NOXCLI_"))]:
        del os.environ[variable]
    raise SystemExit(main())
