"""The live view: a picture of the run on stderr, redrawn in place; the only module that loads rich's live display."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self, assert_never

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live as RichLive
from rich.spinner import Spinner
from rich.text import Text

from noxcli.models import Finished, Gap, Paused, Polled, Reconnecting, RunEvent, Started, Update
from noxcli.output.console import Unwrapped, console_for
from noxcli.output.terminal import Terminal
from noxcli.output.text import shorten, visible
from noxcli.progress import SKIPPED, WAITING, Node, Progress, Step
from noxcli.timing import show_seconds

REDRAWS_PER_SECOND = 10
MARKS = {"done": "✓", "failed": "✗", "skipped": "-", "waiting": "·", "other": "•"}
ASCII_MARKS = {"done": "+", "failed": "x", "skipped": "-", "waiting": ".", "other": "*"}
STYLES = {"done": "green", "failed": "bold red", "skipped": "dim", "waiting": "dim", "other": "cyan"}
RUN_STYLES = {"completed": "bold green", "failed": "bold red", "stopped": "bold yellow"}
# Who gets a line when there are more nodes than lines; order of the definition within each group.
IMPORTANCE = {"failed": 0, "other": 1, "done": 2, "skipped": 3, "waiting": 4}


class Live:
    """Header, one line a node, overall progress. Whatever the event rate, it is drawn ten times a second at most."""

    def __init__(self, terminal: Terminal, progress: Progress) -> None:
        self._terminal = terminal
        self._console = console_for(terminal)
        encoding = (getattr(terminal.err, "encoding", None) or "ascii").lower()
        self._unicode = encoding.replace("-", "") in {"utf8", "utf16", "utf32"}
        self._marks = MARKS if self._unicode else ASCII_MARKS
        self._spinner = Spinner("dots" if self._unicode else "line")
        self._progress = progress
        self._note = ""
        self._live = RichLive(
            Unwrapped(self),
            console=self._console,
            refresh_per_second=REDRAWS_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._terminal.hold():
            self._live.stop()
            self._console.print(self._summary(), soft_wrap=True)

    def refresh(self) -> None:
        """Draw now."""
        self._live.refresh()

    def show(self, burst: Sequence[Step]) -> None:
        for update, _ in burst:
            self._take_note(update)

    def _take_note(self, update: Update) -> None:
        match update:
            case RunEvent():
                self._note = ""
            case Reconnecting(delay=delay, reason=reason):
                self._note = f"{reason}; next try in {show_seconds(delay)}" if delay else reason
            case Gap(reason):
                self._live.console.print(Text(f"gap: {visible(reason)}", style="yellow"), soft_wrap=True)
            case Paused():
                self._note = "waiting for a person"
            case Started() | Polled() | Finished():
                pass
            case _:
                assert_never(update)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(20, options.max_width - 1)
        rows = max(3, console.size.height - 4)
        nodes = list(self._progress.nodes.values())  # at once: rich draws from a thread of its own
        now = self._progress.began + self._progress.elapsed()
        yield self._header(width)
        chosen = choose(nodes, rows)
        name_width = min(max((len(visible(node.name)) for node in chosen), default=0), max(10, width // 3))
        for node in chosen:
            yield self._node_line(node, now, name_width, width)
        if len(chosen) < len(nodes):
            yield Text(f"  {counts([node for node in nodes if node not in chosen])}", style="dim", no_wrap=True)
        yield self._footer(width)

    def _header(self, width: int) -> Text:
        progress = self._progress
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{shorten(visible(progress.title), width // 2)} " if progress.title else "", style="bold")
        line.append(f"run {visible(progress.run.id)}", style="dim")
        line.append(f" {visible(progress.status)}", style=RUN_STYLES.get(progress.status, "cyan"))
        line.truncate(width)
        return line

    def _node_line(self, node: Node, now: float, name_width: int, width: int) -> Text:
        group = group_of(node)
        line = Text("  ", no_wrap=True, overflow="ellipsis")
        if node.running and self._unicode:
            line.append(str(self._spinner.render(now)), style="cyan")
        else:
            line.append(self._marks[group], style=STYLES[group])
        line.append(f" {shorten(visible(node.name), name_width):<{name_width}}", style="dim" if group == "done" else "")
        took = node.duration(now)
        line.append(f" {show_seconds(took) if took and took >= 0.05 else '':>6}", style="dim")
        if group in {"failed", "other", "skipped"} and node.status != "running":
            line.append(f" {visible(node.status)}", style=STYLES[group])
        left = width - line.cell_len - 1
        if node.tail and (node.running or node.failed) and left > 8:
            tail = visible(self._terminal.mask.torn(node.tail)[-2 * left :]).strip()
            line.append(" ").append(tail[-left:] if node.running else shorten(tail, left), style="dim")
        line.truncate(width)
        return line

    def _footer(self, width: int) -> Text:
        percent = self._progress.percent
        line = Text(no_wrap=True, overflow="ellipsis")
        if percent is not None:
            cells = 20
            filled = round(cells * min(100.0, percent) / 100)
            full, empty = ("━", "─") if self._unicode else ("#", ".")
            line.append(full * filled, style="green").append(empty * (cells - filled), style="dim")
            line.append(f" {percent:3.0f}%")
        line.append(f" {show_seconds(self._progress.elapsed())}", style="dim")
        if self._note:
            line.append(f"  {visible(self._note)}", style="yellow")
        line.truncate(width)
        return line

    def _summary(self) -> Text:
        run = self._progress.run
        nodes = list(self._progress.nodes.values())
        text = Text()
        text.append(f"run {visible(run.id)} ").append(visible(run.status), style=RUN_STYLES.get(run.status, "cyan"))
        text.append(f" in {show_seconds(self._progress.elapsed())}")
        if nodes:
            text.append(f"; {counts(nodes)}", style="dim")
        return text


def group_of(node: Node) -> str:
    """Return which kind of line a node gets."""
    if node.failed:
        return "failed"
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


def counts(nodes: Sequence[Node]) -> str:
    """Return how many nodes are in which state."""
    words = {"done": "done", "failed": "failed", "other": "running", "skipped": "skipped", "waiting": "waiting"}
    groups = [group_of(node) for node in nodes]
    return ", ".join(f"{groups.count(group)} {word}" for group, word in words.items() if group in groups)
