"""Measure the performance goals: `python scripts/bench [--quick] [--json FILE] [KIND]...`, in 45 minutes."""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import batch
import events
import files
import gate
import startup
import stored
import waits
from measure import Goal

KINDS: Mapping[str, Callable[[bool], Iterator[Goal]]] = {
    "startup": startup.goals,
    "events": events.goals,
    "files": files.goals,
    "batch": batch.goals,
    "gate": gate.goals,
    "stored": stored.goals,
    "waits": waits.goals,
}


def machine() -> dict[str, object]:
    """Return what the figures are measured on; `load` is the load of the last minute before."""
    return {
        "system": f"{platform.system()}, {platform.machine()}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def verdict(one: Goal) -> str:
    """Return the goal, and whether it is met."""
    if one.goal is None:
        return ""
    return f"{'at least' if one.at_least else 'at most'} {one.goal:<6g}{'met' if one.met else 'MISSED'}"


def main() -> None:
    """Print each goal as soon as it is measured, and write all figures to FILE."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)} [default: all]"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes")
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="write the figures of these kinds into this file"
    )
    wanted = parser.parse_args()
    if unknown := set(wanted.kinds) - set(KINDS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if wanted.json and find_spec("chardet"):
        parser.error(
            "requests loads chardet here, which users don't have: install noxcli alone (docs/performance.md)"
        )
    figures = json.loads(wanted.json.read_text()) if wanted.json and wanted.json.exists() else {}
    print(*(f"{name} {value}" for name, value in machine().items()), sep=", ", flush=True)
    for kind in wanted.kinds or KINDS:
        about, began, found = machine(), time.monotonic(), []
        for one in KINDS[kind](wanted.quick):
            found.append(one)
            spread = f"{one.spread[0]:.2f} to {one.spread[1]:.2f}" if one.spread else ""
            print(
                f"{one.what:76}{one.figure:8.2f} {one.unit:5}{spread:14}{verdict(one)}".rstrip(),
                flush=True,
            )
        about["seconds"] = round(time.monotonic() - began)
        print(f"{kind} took {about['seconds']} s", flush=True)
        figures[kind] = {
            "machine": about,
            "goals": [{**one._asdict(), "met": one.met} for one in found],
        }
    if wanted.json:
        kept = {kind: figures[kind] for kind in KINDS if kind in figures}
        wanted.json.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
