"""Many plans: played, shrunk to the fewest steps and faults that still fail, and counted."""

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests import forks
from tests.research.world import counted
from tests.research.world.oracle import Oracle
from tests.research.world.plan import Plan, Step
from tests.research.world.play import playing
from tests.research.world.user import invent

AT_ONCE = 8  # plans, which mostly wait
LONGEST_SHRINKING = 240.0  # seconds
TRIES = 2  # to see a failure again
PLAYER = "python -m tests.research.world"


@dataclass
class Played:
    """What came of one plan."""

    seed: int
    found: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)
    took: float = 0.0
    slowest: float = 1.0  # call, by how much slower the machine was than usual


def play(plan: Plan) -> Played:
    """Play a plan, up to the first call that breaks something."""
    began = time.monotonic()
    played = Played(plan["seed"])
    with playing(plan) as story:
        for call in story.play_all():
            if not played.found:
                played.found = list(Oracle(story, call).problems())
            if played.found:
                break
        calls = story.world.calls.values()
        sent = Counter(name for call in calls for _, name in call.sent)
        kills = sent["KILL"]
        faults = sum(call.met for call in calls)
        played.slowest = max((call.slowness for call in calls), default=1.0)
        counts = {"commands": len(calls), "runs": len(story.world.runs), "faults": faults}
        played.counted.update(counts, kills=kills, signals=sent.total() - kills, seeds=1)
        played.details = counted.played(story)
    played.took = time.monotonic() - began
    return played


def found_by(plan: Plan) -> list[str]:
    """Return what a plan breaks."""
    return play(plan).found


def play_seed(seed: int) -> Played:
    return play(invent(seed))


def play_seeds(seeds: Iterable[int], *, at_once: int = AT_ONCE) -> Iterator[Played]:
    """Play seeds in several processes, and yield each once it is over."""
    forks.share()
    context = get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=context) as pool:
        waiting = [pool.submit(play_seed, seed) for seed in seeds]
        try:
            for each in as_completed(waiting):
                yield each.result()
        finally:
            for each in waiting:
                each.cancel()


# ---- A plan that fails, made smaller.


def names_of(found: list[str]) -> set[str]:
    """Return the checks that failed."""
    return {said.split()[1] for said in found}


def smaller(plan: Plan) -> Iterator[Plan]:
    """Yield the plan with less: without halves, then single steps, faults, strangers and switches."""
    steps = plan["steps"]
    half = len(steps) // 2
    if half > 1:
        yield {**plan, "steps": steps[half:]}
        yield {**plan, "steps": steps[:half]}
    for place in reversed(range(len(steps))):
        yield {**plan, "steps": steps[:place] + steps[place + 1 :]}
    for place, step in enumerate(steps):
        if "beside" in step:
            less = {key: value for key, value in step.items() if key != "beside"}
            yield {**plan, "steps": [*steps[:place], less, *steps[place + 1 :]]}
        faults = step.get("faults", [])
        for each in range(len(faults)):
            less = {**step, "faults": faults[:each] + faults[each + 1 :]}
            yield {**plan, "steps": [*steps[:place], less, *steps[place + 1 :]]}
    if plan.get("strangers"):
        yield {**plan, "strangers": []}
    for name in plan["switches"]:
        if not name.startswith("preview"):
            less = {key: value for key, value in plan["switches"].items() if key != name}
            yield {**plan, "switches": less}


def shrunk(plan: Plan, found: list[str], seconds: float = LONGEST_SHRINKING) -> Plan:
    """Return the smallest plan that fails in the same check, as far as it is found in that time.

    What needs a busy machine, and fails no more, stays as it is.
    """
    end = time.monotonic() + seconds
    broken = names_of(found[:1])
    is_smaller = any(still_fails(plan, broken) for _ in range(TRIES))
    while is_smaller:
        is_smaller = False
        for less in smaller(plan):
            if time.monotonic() > end:
                return plan
            if still_fails(less, broken):
                plan = less
                is_smaller = True
                break
    return plan


def still_fails(plan: Plan, broken: set[str]) -> bool:
    try:
        return bool(broken & names_of(found_by(plan)))
    except (KeyError, IndexError):  # a step lacks what an earlier one has made
        return False


def script(plan: Plan) -> str:
    """Return a shell script that plays the plan, and says before what a person would type."""
    document = json.dumps(plan, ensure_ascii=False)
    lines = []
    for line in told(plan):
        is_comment = line.startswith("#")
        lines.append(line if is_comment else f"#     {line}")
    return "\n".join([*lines, f"{PLAYER} --plan - <<'PLAN'", document, "PLAN"])


def told(plan: Plan) -> list[str]:
    """Return what a person would type, and as comments what goes wrong."""
    lines = [f"# seed {plan['seed']}: {json.dumps(plan['climate'])}"]
    lines.append(f"# switches: {json.dumps(plan['switches'])}")
    for question, fates in plan.get("fates", {}).items():
        lines.append(f"# {question!r} is answered: {json.dumps(fates)}")
    for stranger in plan.get("strangers", []):
        lines.append(f"# started before by somebody else: {json.dumps(stranger)}")
    for step in plan["steps"]:
        lines += script_of(step)
    return lines


def script_of(step: Step) -> list[str]:
    """Return the lines of one step."""
    if "grow" in step:
        return ["# the disk below small/ grows"]
    if "tear" in step:
        return [f'printf %s \'{{"row":1,"st\' >> {step["tear"]}.jsonl']
    if "alter" in step:
        kept = "" if step["listed"] else ", and its manifest is gone"
        return [f"# each file of {step['alter']} has another first byte{kept}"]
    if "redefine" in step:
        return [f"# somebody edits version {step['redefine'] or 'no more'}"]
    if "hide" in step:
        return [f"mv {step['hide']} {step['hide']}.hidden"]
    if "show" in step:
        return [f"mv {step['show']}.hidden {step['show']}"]
    if "text" in step:
        return [f"printf %s {shlex.quote(step['text'])} > {step['file']}"]
    if "rows" in step:
        rows = "; ".join(" ".join(row) for row in step["rows"])
        return [f"# {step['file']} has the rows: {rows}"]
    lines = [f"# meanwhile: {json.dumps(fault)}" for fault in step.get("faults", [])]
    if "close" in step:
        lines.append(f"# the reader of stdout closes it after {step['close']} bytes")
    command = shlex.join(["noxcli", *step["argv"]])
    if "twins" in step:
        command = f"{command} & {command}"
    if "beside" in step:
        command = f"{command} & {shlex.join(['noxcli', *step['beside']])}"
    return [*lines, f"{command}  # {step['name']}"]
