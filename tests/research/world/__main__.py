"""Play scenarios, by the seeds of their plans; shrink the plan of each that breaks something, and keep it."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import forks
from tests.research.world.oracle import problems
from tests.research.world.play import playing
from tests.research.world.user import Plan, invent

KEPT = forks.ROOT / "tests/data/world"


def found_by(plan: Plan, counted: Counter[str] | None = None) -> list[str]:
    """Play a plan, up to the first call that breaks something, and return what it breaks."""
    with playing(plan) as story:
        found: list[str] = []
        for call in story.play_all():
            found = problems(story, call)
            if found:
                break
        if counted is not None:
            counted["commands"] += len(story.calls)
            counted["runs"] += len(story.world.runs)
            counted["faults"] += story.world.met.total()
            counted["signals"] += sum(name != "KILL" for call in story.calls for _, name in call.sent)
            counted["kills"] += sum(name == "KILL" for call in story.calls for _, name in call.sent)
        return found


def smaller(plan: Plan) -> Iterator[Plan]:
    """Yield the plan without some of its steps, many at first, and then without each thing that goes wrong."""
    steps = plan["steps"]
    size = len(steps) // 2
    while size:
        for place in range(len(steps) - size, -1, -size):
            yield {**plan, "steps": steps[:place] + steps[place + size :]}
        size //= 2
    for place, step in enumerate(steps):
        for name in ("faults", "signals", "close", "twins"):
            left = step.get(name) if name in {"faults", "signals"} else None
            for without in range(len(left or [0] * (name in step))):
                rest = {**step, name: [each for turn, each in enumerate(left or ()) if turn != without]}
                rest = {key: value for key, value in rest.items() if value != []}
                yield {**plan, "steps": [*steps[:place], rest, *steps[place + 1 :]]}


def shrunk(plan: Plan, found: list[str], seconds: float = 180) -> Plan:
    """Return the smallest plan that breaks the same, as far as it is found in that time."""
    (last, broken), end = found[0].split()[:2], time.monotonic() + seconds
    names = [step.get("name") for step in plan["steps"]]
    plan = {**plan, "steps": plan["steps"][: names.index(last.rstrip("+")) + 1]}
    while time.monotonic() < end:
        tries = (each for each in smaller(plan) if time.monotonic() < end)
        found_in = (each for each in tries if any(said.split()[1] == broken for said in found_by(each)))
        if (less := next(found_in, None)) is None:
            break
        plan = less
    return plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="how many are played at once")
    parser.add_argument("--plan", type=Path, help="play this plan instead")
    parser.add_argument("--keep", type=Path, help="shrink what fails, and keep it in this directory")
    options = parser.parse_args()
    began, counted, failed = time.monotonic(), Counter[str](), list[tuple[Plan, list[str]]]()
    plans = (
        [json.loads(options.plan.read_text())]
        if options.plan
        else [invent(seed) for seed in range(options.first, options.first + options.count)]
    )

    def play(plan: Plan) -> None:
        if found := found_by(plan, counted):
            failed.append((plan, found))
            print(f"seed {plan['seed']}: {'; '.join(found)}", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(play, plans))
    told = ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))
    print(f"{len(plans)} scenarios in {time.monotonic() - began:.0f} s, {len(failed)} of them broken: {told}")
    for plan, found in failed if options.keep else ():
        small = shrunk(plan, found)
        path = options.keep / f"{plan['seed']}.json"
        path.write_text(json.dumps({**small, "found": found}, indent=1, ensure_ascii=False) + "\n")
        print(f"kept {path}: {len(small['steps'])} of {len(plan['steps'])} steps")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
