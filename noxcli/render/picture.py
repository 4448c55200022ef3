"""What a run looks like in so many columns and lines: its nodes in the order of their work, and what is left of it."""

import os
from collections.abc import Sequence

from rich.cells import cell_len
from rich.spinner import Spinner

from noxcli.render.base import BAR_WIDTH
from noxcli.render.line import Line, Look
from noxcli.render.text import visible
from noxcli.runs.progress import EXECUTED, SKIPPED, WAITING, Node, Progress
from noxcli.timing import show_seconds

MARKS = {"done": "✓", "failed": "✗", "skipped": "-", "waiting": "·", "other": "•", "executed": "•"}
ASCII_MARKS = {"done": "+", "failed": "x", "skipped": "-", "waiting": ".", "other": "*", "executed": "*"}
SPINNER, ASCII_SPINNER = Spinner("dots").frames, Spinner("line").frames
# First, inner and last line of nodes that can work side by side.
BRACKETS, ASCII_BRACKETS = "┌│└", "/|\\"
STYLES = {
    "done": "green",
    "failed": "bold red",
    "skipped": "dim",
    "waiting": "dim",
    "other": "cyan",
    "executed": "dim",  # completed or failed, which is not known
}
RUN_STYLES = {"completed": "bold green", "failed": "bold red", "stopped": "bold yellow"}
# Who gets a line when there are more nodes than lines; order of the work within each group.
IMPORTANCE = {"failed": 0, "other": 1, "done": 2, "skipped": 3, "waiting": 4}
NOTICEABLE = 0.05  # seconds
SUMMED_UP = 12  # nodes that keep a line when all is over
ENDLESS = 10_000  # cells: what stays may wrap, so that it can be copied whole
FRAMES_PER_SECOND = 10
LEAST_COLUMNS = 20
LEAST_BAR = 4  # cells


class Picture:
    """Header, a line for each node that there is room for, overall progress; in the end, a summary."""

    def __init__(self, progress: Progress, look: Look) -> None:
        self._progress = progress
        self._look = look
        self._over = False

    def lines(self, size: os.terminal_size, note: str = "") -> list[Line]:
        """Return the run as it is now; `note` is about the connection."""
        width = max(LEAST_COLUMNS, size.columns - 1)
        nodes = list(self._progress.nodes.values())  # at once: updates come from another thread
        now = self._progress.began + self._progress.elapsed()
        chosen = choose(nodes, max(1, size.lines - 4))
        lines = [self._header(width), *self._node_lines(chosen, now, width)]
        if len(chosen) < len(nodes):
            shown = {node.id for node in chosen}
            hidden = [node for node in nodes if node.id not in shown]
            lines.append(self._look.line(width).add(f"  {counts(hidden)}", "dim"))
        return [*lines, self._footer(width, now, note)]

    def summary(self, columns: int) -> list[Line]:
        """Return what is to stay on the screen: the nodes that took time, and one line about the run."""
        self._over = True
        progress, run = self._progress, self._progress.run
        nodes = list(progress.nodes.values())
        now = progress.began + progress.elapsed()
        lines = self._node_lines(worth_keeping(nodes, now, progress.from_start), now, max(LEAST_COLUMNS, columns - 1))
        if run.status == "completed":
            way_back = f"output: noxcli fetch-output {run.id}"
            lines.append(self._look.line(ENDLESS).add(way_back, "dim"))
        last = self._look.line(ENDLESS).add(f"run {run.id} ")
        last.add(run.status, RUN_STYLES.get(run.status, "cyan"))
        last.add(f" in {show_seconds(progress.took())}")
        facts = [counts(nodes, run_failed=run.status == "failed")] if nodes else []
        if progress.reconnects:
            facts.append(f"{progress.reconnects} reconnect{'s' if progress.reconnects > 1 else ''}")
        return [*lines, last.add("".join(f"; {fact}" for fact in facts), "dim")]

    def _header(self, width: int) -> Line:
        progress = self._progress
        status = f" {visible(progress.status)}"
        line = self._look.line(width)
        if progress.title:
            title = visible(progress.title)
            line.add(title, "bold", cells=min(cell_len(title), width // 3)).add(" ")
        run_id = f"run {visible(progress.run.id)}"
        line.add(run_id, "dim", cells=min(cell_len(run_id), max(8, line.left - cell_len(status))))
        return line.add(status, RUN_STYLES.get(progress.status, "cyan"))

    def _node_lines(self, nodes: Sequence[Node], now: float, width: int) -> list[Line]:
        longest = max((cell_len(visible(node.name)) for node in nodes), default=0)
        name_cells = min(longest, max(10, width // 3))
        layers = [None, *(node.layer for node in nodes), None]
        return [
            self._node_line(node, now, name_cells, width, self._bracket(*layers[place : place + 3]))
            for place, node in enumerate(nodes)
        ]

    def _bracket(self, before: int | None, layer: int | None, after: int | None) -> str:
        if layer is None or layer not in {before, after}:
            return " "
        place = 0 if before != layer else 2 if after != layer else 1
        return (BRACKETS if self._look.unicode else ASCII_BRACKETS)[place]

    def _node_line(self, node: Node, now: float, name_cells: int, width: int, bracket: str) -> Line:
        group = group_of(node, run_failed=self._progress.status == "failed")
        line = self._look.line(width).add(f"{bracket} ", "dim")
        line.add(self._mark(node, group, now), STYLES[group]).add(" ")
        line.add(node.name, "" if group in {"failed", "other"} else "dim", cells=name_cells)
        at_work = node.running and not self._over
        took = node.seen_for(now) if at_work else node.duration(now)
        line.add(f" {show_seconds(took) if took and took >= NOTICEABLE else '':>6}", "dim")
        said = (node.error or "") if node.failed else self._look.mask.torn(node.tail) if at_work else ""
        if group in {"failed", "other", "skipped"} and node.status != "running" and not (node.failed and said):
            line.add(f" {node.status}", STYLES[group])
        if node.failed and said:
            line.add(" ").add(said.strip(), "red")
        elif said and line.left > 8:
            line.add(" ").add_end(said[-2 * line.left :].strip(), "dim")
        return line

    def _mark(self, node: Node, group: str, now: float) -> str:
        if node.running and not self._over:
            frames = SPINNER if self._look.unicode else ASCII_SPINNER
            return frames[int(now * FRAMES_PER_SECOND) % len(frames)]
        return (MARKS if self._look.unicode else ASCII_MARKS)[group]

    def _footer(self, width: int, now: float, note: str) -> Line:
        percent, took = self._progress.percent, show_seconds(now - self._progress.began)
        told = f" {took}" if percent is None else f" {min(100.0, percent):3.0f}% {took}"
        note = f"  {visible(note)}" if note else ""
        bar = min(BAR_WIDTH, width // 4, width - cell_len(told) - cell_len(note))  # a note has the right of way
        line = self._look.line(width)
        if percent is not None and bar >= LEAST_BAR:
            line.add_bar(percent / 100, bar)
        return line.add(told, "dim").add(note, "yellow")


def group_of(node: Node, *, run_failed: bool = False) -> str:
    """Return which kind of line a node gets; in a failed run, a node that was worked through may have failed."""
    if node.failed:
        return "failed"
    if node.status == EXECUTED and run_failed:
        return EXECUTED
    if node.done:
        return "done"
    if node.status == WAITING:
        return "waiting"
    return "skipped" if node.status in SKIPPED else "other"


def choose(nodes: Sequence[Node], rows: int) -> list[Node]:
    """Return the nodes that get a line, in order: all where there is room, else failed and running ones first."""
    if len(nodes) <= rows:
        return list(nodes)
    latest = sorted(nodes, key=lambda node: (IMPORTANCE[group_of(node)], -(node.ended or 0.0)))
    kept = {node.id for node in latest[: rows - 1]}
    return [node for node in nodes if node.id in kept]


def counts(nodes: Sequence[Node], *, run_failed: bool = False) -> str:
    """Return how many nodes are in which state."""
    words = {group: group for group in ("done", "executed", "failed", "other", "skipped", "waiting")}
    words["other"] = "running"
    groups = [group_of(node, run_failed=run_failed) for node in nodes]
    return ", ".join(f"{groups.count(group)} {word}" for group, word in words.items() if group in groups)


def worth_keeping(nodes: Sequence[Node], now: float, measured: bool) -> list[Node]:
    """Return the nodes that failed and, where durations mean something, those that took longest; in order."""
    took = {node.id: (node.duration(now) or 0.0) if measured else 0.0 for node in nodes}
    told = [node for node in nodes if node.failed or took[node.id] >= NOTICEABLE]
    ranked = sorted(told, key=lambda node: (not node.failed, -took[node.id]))
    kept = {node.id for node in ranked[:SUMMED_UP]}
    return [node for node in nodes if node.id in kept]
