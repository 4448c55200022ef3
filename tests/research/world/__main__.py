"""`python -m tests.research.world`: play fresh seeds, or tell how many it takes to see a planted defect."""

import argparse
import json
import signal
import time
from collections import Counter
from pathlib import Path
from random import SystemRandom

from tests.research.world.many import AT_ONCE, Played, found_by, play_seeds, script, shrunk
from tests.research.world.plan import Plan
from tests.research.world.plant import planted, seeds_to_see
from tests.research.world.user import invent

MANY = 10**9  # seeds to choose from


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=20, help="how many [20]")
    parser.add_argument("--first", type=int, help="the first seed [a random one]")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"[{AT_ONCE}]")
    parser.add_argument("--until-found", action="store_true", help="end with the first that fails")
    parser.add_argument("--no-shrink", action="store_true", help="do not shrink what fails")
    parser.add_argument("--details", action="store_true", help="print what was played how often")
    parser.add_argument("--keep", type=Path, help="keep shrunk plans in this directory")
    parser.add_argument("--plant", metavar="NAME", help="plant a defect of defects.toml first")
    parser.add_argument("--times", type=int, default=1, help="with --plant: how often [1]")
    parser.add_argument("--plan", type=argparse.FileType(), help="play this plan, as JSON")
    options = parser.parse_args()
    first = SystemRandom().randrange(MANY) if options.first is None else options.first
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # which a shell's & and nohup ignore for all below
    if options.plan:
        raise SystemExit(play_plan(json.load(options.plan)))
    if options.plant:
        raise SystemExit(tell_planted(options, first))
    raise SystemExit(play_all(options, first))


def play_plan(plan: Plan) -> int:
    """Play one plan and print what it breaks. Return the exit code."""
    found = found_by(plan)
    print(f"seed {plan['seed']}: {'; '.join(found) or 'nothing is broken'}")
    return int(bool(found))


def play_all(options: argparse.Namespace, first: int) -> int:
    """Play seeds and print what they break. Return the exit code."""
    began = time.monotonic()
    counted: Counter[str] = Counter()
    details: Counter[str] = Counter()
    slowest = 1.0
    failed: list[Played] = []
    print(f"seeds {first} to {first + options.seeds - 1}", flush=True)
    for played in play_seeds(range(first, first + options.seeds), at_once=options.at_once):
        counted += played.counted
        details += played.details
        slowest = max(slowest, played.slowest)
        if not played.found:
            continue
        failed.append(played)
        print(f"seed {played.seed}: {'; '.join(played.found)}", flush=True)
        if options.until_found:
            break
    told = ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))
    print(f"{time.monotonic() - began:.0f} s, {len(failed)} failed: {told}", flush=True)
    if slowest > 2:
        print(f"the machine was up to {slowest:.0f} times as slow as usual", flush=True)
    if options.details:
        for what, count in sorted(details.items()):
            print(f"{count:7} {what}", flush=True)
    for played in failed:
        if not options.no_shrink:
            show_smallest(played, options.keep)
    return int(bool(failed))


def show_smallest(played: Played, keep: Path | None) -> None:
    """Shrink what fails, print it as a script, and keep it."""
    plan = shrunk(invent(played.seed), played.found)
    print(f"\n# {played.found[0]}\n{script(plan)}", flush=True)
    if keep is not None:
        kept = json.dumps({**plan, "found": played.found}, indent=1, ensure_ascii=False)
        (keep / f"{played.seed}.json").write_text(f"{kept}\n")


def tell_planted(options: argparse.Namespace, first: int) -> int:
    """Plant a defect, and print after how many seeds it was seen. Return the exit code."""
    missed = 0
    with planted(options.plant) as tree:
        for turn in range(options.times):
            start = first + turn * options.seeds
            seen = seeds_to_see(tree, start, options.seeds, options.at_once)
            if seen is None:
                missed += 1
                print(f"{options.plant}: not seen in {options.seeds} seeds", flush=True)
            else:
                print(f"{options.plant}: seen after {seen[0]} seeds: {seen[1]}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    main()
