"""Results of rows as a table for people, with the beginning of each output, or why there is none."""

from collections.abc import Mapping
from typing import Any

from noxcli.errors import ExitCode
from noxcli.outputs.values import as_text, by_name
from noxcli.render.table import Layout, duration, show_table
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, shorten
from noxcli.reports.reasons import brief_reason_in

MOST_SHOWN = 100  # rows
LONGEST_ID, LONGEST_CELL = 30, 200  # characters
LAYOUT = Layout(
    ("ROW", "STATUS", "TIME", "OUTPUT"),
    cut=("OUTPUT",),
    dropped=("TIME",),
    marked=("STATUS",),
    shown={"TIME": duration},
)


class RowTable:
    """The first rows that are added, and how many others there are."""

    def __init__(self) -> None:
        self._count = 0
        self._shown: list[tuple[int, list[str]]] = []

    def add(self, line: Mapping[str, Any]) -> None:
        self._count += 1
        if len(self._shown) < MOST_SHOWN:
            self._shown.append((line["row"], _cells(line)))

    def show(self, terminal: Terminal) -> None:
        """Print the table in the order of the rows, nothing if there are none. Raises as Terminal.write."""
        if not self._shown:
            return
        ordered = sorted(self._shown, key=lambda row: row[0])
        show_table(terminal, LAYOUT, [cells for _, cells in ordered])
        if self._count > MOST_SHOWN:
            others = amount(self._count - MOST_SHOWN, "row")
            terminal.note(f"and {others} more; noxcli results with a pipe or --csv has all of them")


def _cells(line: Mapping[str, Any]) -> list[str]:
    result, seconds = line["result"], (line["result"]["run"] or {}).get("duration_s")
    first = next(iter(by_name(result["output"]).values()), None)
    told = brief_reason_in(result) or ("" if first is None else as_text(first))
    times = [] if line.get("repetition") is None else [f"#{line['repetition']}"]
    name = " ".join([str(line["row"] if line["id"] is None else line["id"]), *times])
    words = ExitCode.words_of(result["exit_code"])
    return [shorten(name, LONGEST_ID), words, "" if seconds is None else str(seconds), shorten(told, LONGEST_CELL)]
