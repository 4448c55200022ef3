"""The picture of a run at the bottom of a terminal, while the run is running and at its end."""

from collections import Counter
from collections.abc import Callable, Sequence

from rich.cells import cell_len

from noxcli.models import (
    FINAL_STATUSES,
    PAUSE,
    PAUSED_STATUS,
    Gap,
    Reconnecting,
    RunEvent,
    word_for,
)
from noxcli.render.line import LOOKS, OTHER_LOOK, Capabilities, Line
from noxcli.render.live_region import BottomRenderer
from noxcli.render.log import stream_line
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, hint_lines, visible
from noxcli.runs.progress import EXECUTED, SKIPPED, WAITING, Node, Progress, Step
from noxcli.timing import show_seconds

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
# Nodes that can run at the same time, by whether the line before is one of them, and the line
# after.
BRACKETS = {(False, True): "┌", (True, True): "│", (True, False): "└"}
# Which nodes get a line if there are more nodes than lines; in workflow order within each group.
IMPORTANCE = {"failed": 0, "other": 1, "executed": 2, "completed": 2, "skipped": 3, "waiting": 4}
NOTICEABLE = 0.05  # seconds
SUMMED_UP = 12  # nodes that keep a line at the end
FRAMES_PER_SECOND = 10
MIN_COLUMNS = 20
MIN_BAR = 4  # cells
MAX_BAR = 40  # cells
MIN_TEXT = 8  # cells
BARS_FROM = 60  # columns from which there is room for the nodes' bars


class Live(BottomRenderer):
    """The picture of a run: a headline, a line for each node that fits, a note.

    At the end, the nodes' times stay.
    """

    def __init__(self, terminal: Terminal, progress: Progress) -> None:
        super().__init__(terminal)
        self._progress = progress
        self._look = Capabilities.of(terminal)
        self._note = ""  # about the connection
        self._ended = False

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._ended = True
        progress = self._progress
        now = progress.began + progress.took()
        width = self._terminal.size().columns - 1
        kept = worth_keeping(list(progress.nodes.values()), now, progress.from_start)
        lines = self._node_lines(kept, now, max(MIN_COLUMNS, width))
        self._terminal.draw("".join(f"{line}\n" for line in lines))

    def show(self, burst: Sequence[Step]) -> None:
        for update, _ in burst:
            if isinstance(update, RunEvent):
                self._note = ""
            elif isinstance(update, Reconnecting):
                self._note = stream_line(update)
            elif isinstance(update, Gap):
                self._terminal.note(stream_line(update))

    def lines(self) -> Sequence[Line]:
        size = self._terminal.size()
        width = max(MIN_COLUMNS, size.columns - 1)
        # Copied in one step: updates come from another thread.
        nodes = list(self._progress.nodes.values())
        now = self._progress.began + self._progress.took()
        chosen = choose(nodes, max(1, size.lines - 3))
        lines = [self._headline(width), *self._node_lines(chosen, now, width)]
        if len(chosen) < len(nodes):
            shown = {node.id for node in chosen}
            hidden = counts([node for node in nodes if node.id not in shown])
            words = ", ".join(f"{count} {word}" for count, word in hidden)
            lines.append(self._look.line(width).add(f"  not shown: {words}", "dim"))
        note = self._note
        if self._progress.status == PAUSED_STATUS:
            note = f"{PAUSE}, and the run continues here"
        if note:
            lines.append(self._look.line(width).add("! ", "bold magenta").add(note))
        return lines

    def _headline(self, width: int) -> Line:
        progress = self._progress
        title = title_of(progress)
        line = self._look.line(width).add(title, "bold", cells=min(cell_len(title), width // 3))
        line.add("  ").add(*_status_in_style(progress.status))
        line.add(f" {show_seconds(progress.elapsed()):>6}", "dim")
        if progress.percent:
            text = f" {min(100.0, progress.percent):3.0f}%"
            bar = min(MAX_BAR, line.free_cells - cell_len(text) - 2)
            if bar >= MIN_BAR:
                line.add("  ").add_bar(progress.percent / 100, bar)
            line.add(text, "dim")
        return line

    def _node_lines(self, nodes: Sequence[Node], now: float, width: int) -> list[Line]:
        bar_cells = 0
        most_for_name = width // 3
        if width >= BARS_FROM - 1 and self._progress.from_start:
            bar_cells = min(MAX_BAR, width // 4)
            most_for_name = width // 4
        longest = max((cell_len(visible(node.name)) for node in nodes), default=0)
        name_cells = min(longest, max(10, most_for_name))
        brackets = _brackets(nodes)
        lines = []
        for node, bracket in zip(nodes, brackets, strict=True):
            line = self._look.line(width).add(f"{bracket} ", "dim")
            group = group_of(node)
            mark, style = LOOKS.get(group, OTHER_LOOK)
            if self._at_work(node):
                mark = SPINNER[int(now * FRAMES_PER_SECOND) % len(SPINNER)]
            line.add(mark, style).add(" ")
            name_style = "" if group in {"failed", "other"} else "dim"
            line.add(node.name, name_style, cells=name_cells)
            line.add(f" {self._time_of(node, now):>6}", "dim")
            if bar_cells > 0:
                line.add(" ")
                self._add_bar(line, node, now, min(bar_cells, line.free_cells), style)
            self._add_words(line, node, group, style)
            lines.append(line)
        return lines

    def _time_of(self, node: Node, now: float) -> str:
        """Return how long the node has taken, empty if that is not worth a word."""
        took = node.seen_for(now) if self._at_work(node) else node.duration(now)
        if took is None or took < NOTICEABLE:
            return ""
        return show_seconds(took)

    def _add_bar(self, line: Line, node: Node, now: float, cells: int, style: str) -> None:
        """Add the node's bar on the time axis of the run, if it was measured."""
        began = self._progress.began
        total = now - began
        if node.unmeasured or node.began is None or node.status in SKIPPED or total <= 0:
            line.add("", cells=cells)
            return
        ended = now if node.ended is None else node.ended
        line.add_span((node.began - began) / total, (ended - began) / total, cells, style)

    def _add_words(self, line: Line, node: Node, group: str, style: str) -> None:
        """Add why the node failed, the text that it is writing, or its status.

        A status that the mark shows is not added.
        """
        if self._at_work(node) and node.tail:
            if line.free_cells > MIN_TEXT:
                tail = self._look.mask.torn(node.tail)[-2 * line.free_cells :]
                line.add(" ").add_end(tail.strip(), "dim")
            return
        if self._is_in_error(node):
            return
        if node.failed and node.error:
            line.add(" ").add(node.error.strip(), "red")
        elif group in {"failed", "other", "skipped"} and node.status != "running":
            line.add(f" {node.status}", style)

    def _at_work(self, node: Node) -> bool:
        return node.running and not self._ended

    def _is_in_error(self, node: Node) -> bool:
        """Return whether the command's last line is about it: a failed run's only failed node."""
        if not self._ended or self._progress.run.status != "failed":
            return False
        return [other for other in self._progress.nodes.values() if other.failed] == [node]


def _brackets(nodes: Sequence[Node]) -> list[str]:
    """Return the character before each node that joins it to its neighbors of the same layer."""
    layers = [None, *(node.layer for node in nodes), None]
    brackets = []
    for before, layer, after in zip(layers, layers[1:], layers[2:], strict=False):
        if layer is None:
            brackets.append(" ")
        else:
            brackets.append(BRACKETS.get((before == layer, after == layer), " "))
    return brackets


def title_of(progress: Progress) -> str:
    """Return the name of the workflow, the run's id if it is not known."""
    return visible(progress.title or f"run {progress.run.id}")


def _status_in_style(status: str) -> tuple[str, str]:
    word = word_for(status)
    return word, LOOKS.get(word, OTHER_LOOK)[1]


def draw_verdict(terminal: Terminal, progress: Progress, line_to_fetch: str) -> None:
    """Write how a run has ended, below its output.

    If it has completed, the command that prints the output again follows.
    """
    run = progress.run
    look = Capabilities.of(terminal)
    columns = terminal.size().columns
    status = progress.status  # by the events, which are newer than the record of a running run
    if status in FINAL_STATUSES:
        status = run.status  # by the record: it alone says how a run has ended
    since = "in" if run.settled else "after"
    pieces = [
        (title_of(progress), "bold"),
        (" ", ""),
        _status_in_style(status),
        (f" {since} {show_seconds(progress.took())}", ""),
        (_facts(progress), "dim"),
    ]
    lines = look.wrapped(pieces, columns)
    if run.status != "completed":
        terminal.draw("".join(f"{line}\n" for line in lines))
        return
    for hint in hint_lines(f"output: {line_to_fetch}", columns):
        lines.append(look.line().add(hint, "dim"))
    above = "\n" if terminal.stdout_is_tty else ""
    terminal.draw(above + "".join(f"{line}\n" for line in lines))


def _facts(progress: Progress) -> str:
    """Return the counts of nodes and of reconnects, as they follow on the verdict."""
    run = progress.run
    interrupted = run.settled and run.status != "completed"
    words: list[str] = []
    for count, word in counts(list(progress.nodes.values()), cut_off=interrupted):
        if words:
            words.append(f"{count} {word}")
        else:
            words.append(f"{amount(count, 'node')} {word}")
    facts = ""
    if words:
        facts += f"; {', '.join(words)}"
    if progress.reconnects:
        facts += f"; {amount(progress.reconnects, 'reconnect')}"
    return facts


def group_of(node: Node) -> str:
    """Return a node's kind of line."""
    if node.status in {EXECUTED, WAITING}:
        return node.status
    if node.failed:
        return "failed"
    if node.done:
        return "completed"
    if node.status in SKIPPED:
        return "skipped"
    return "other"


def choose(nodes: Sequence[Node], rows: int) -> list[Node]:
    """Return the nodes that get a line, in order: if not all fit, failed and running ones first."""
    if len(nodes) <= rows:
        return list(nodes)
    return _first(rows - 1, nodes, lambda node: (IMPORTANCE[group_of(node)], -(node.ended or 0.0)))


def counts(nodes: Sequence[Node], *, cut_off: bool = False) -> list[tuple[int, str]]:
    """Return the number of nodes in each state, and its word.

    Running ones of a run `cut_off` are interrupted.
    """
    amounts = Counter(map(group_of, nodes))
    counted = []
    for group in ("completed", "executed", "failed", "other", "skipped", "waiting"):
        word = group
        if group == "other":
            word = "interrupted" if cut_off else "running"
        if amounts[group] > 0:
            counted.append((amounts[group], word))
    return counted


def worth_keeping(nodes: Sequence[Node], now: float, measured: bool) -> list[Node]:
    """Return the failed nodes and, if durations are meaningful, the slowest ones; in order."""
    took: dict[str, float] = {}
    noticeable = []
    for node in nodes:
        duration = node.duration(now) if measured else None
        took[node.id] = duration or 0.0
        if node.failed or took[node.id] >= NOTICEABLE:
            noticeable.append(node)
    return _first(SUMMED_UP, noticeable, lambda node: (not node.failed, -took[node.id]))


def _first(
    most: int, nodes: Sequence[Node], rank: Callable[[Node], tuple[float, float]]
) -> list[Node]:
    """Return the nodes of the lowest ranks, in their order."""
    kept = {node.id for node in sorted(nodes, key=rank)[:most]}
    return [node for node in nodes if node.id in kept]
