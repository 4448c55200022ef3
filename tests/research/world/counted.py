"""What a plan has played, counted by name: so that nobody has to believe that a world plays it."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.research.world.plan import PREVIEW

if TYPE_CHECKING:
    from tests.research.world.play import Call, Story

OPTIONS = (
    "-o",
    "--again",
    "--repeat",
    "--shard",
    "--expect",
    "--score",
    "--min-pass",
    "--junit",
    "--raw",
    "--secret",
    "--never",
    "--on-timeout",
    "--max-runs",
    "--no-stream",
)


def played(story: "Story") -> Counter[str]:
    """Return how often each thing was played."""
    counted: Counter[str] = Counter()
    for step in story.steps:
        if "edit" in step:
            counted[f"edit: {step['edit']}"] += 1
    for call in story.world.calls.values():
        counted.update(of_command(call))
        counted.update(of_streams(story, call))
        counted.update(of_lists(story, call))
    for run in story.world.runs.values():
        if any(len(text) > PREVIEW for text in texts_inside(run.output)):
            counted["output: preview deep inside"] += 1
    return counted


def of_command(call: "Call") -> Iterator[str]:
    """Yield what a command line is an example of."""
    yield f"verb: {call.verb}"
    for option in OPTIONS:
        if option in call.argv:
            yield f"option: {option}"
    if {"twins", "beside"} & call.step.keys():
        yield "process: beside another"
    if "close" in call.step:
        yield "process: its reader closes stdout"
    if call.directory.startswith("small/"):
        yield "process: with a small disk"
    for _, name in call.sent:
        yield f"signal: {name}"
    for asked in call.requests:
        if asked.fault:
            yield f"fault: {asked.fault['do']}"


def of_streams(story: "Story", call: "Call") -> Iterator[str]:
    """Yield how each stream was opened."""
    seen: dict[str, set[str]] = {}
    for asked in call.requests:
        if asked.kind != "events" or not asked.positions:
            continue
        known = seen.setdefault(asked.id, set())
        first = asked.positions[0]
        if known and "etag" in asked.query:
            yield (
                "stream: resumed with overlap" if first in known else "stream: resumed after a gap"
            )
        elif "etag" in asked.query:
            yield "stream: resumed by another command"
        elif first != story.world.runs[asked.id].sandbox.events[0].get("redisId"):
            yield "stream: trimmed before it was opened"
        known.update(asked.positions)


def of_lists(story: "Story", call: "Call") -> Iterator[str]:
    """Yield what the lists were like that a command has read."""
    for asked in call.requests:
        if asked.kind != "list":
            continue
        yield "list: read"
        if story.world.climate["lag"]:
            yield "list: lags"
        if asked.query.get("page", "1") != "1" or "cursor" in asked.query:
            yield "list: a further page"


def texts_inside(output: Any, depth: int = 0) -> Iterator[str]:
    """Yield the texts that are not outputs of their own, but stand inside one."""
    if isinstance(output, str) and depth > 1:
        yield output
    elements: list[Any] = []
    if isinstance(output, dict):
        elements = [*output.values()]
    if isinstance(output, list):
        elements = output
    for element in elements:
        yield from texts_inside(element, depth + 1)
