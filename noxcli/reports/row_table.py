"""The table of a batch on a terminal."""

from collections.abc import Mapping
from typing import Any

from noxcli.errors import ExitCode
from noxcli.outputs.values import as_text, by_name
from noxcli.render.table import Layout, duration, show_table
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, shorten
from noxcli.reports.failure_groups import brief_reason_in, run_in

MAX_SHOWN = 100  # rows
MAX_ID = 30  # characters
MAX_CELL = 200
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
        self._shown: list[tuple[int, int, list[str]]] = []  # row, repetition, cells

    def add(self, line: Mapping[str, Any]) -> None:
        self._count += 1
        if len(self._shown) == MAX_SHOWN:
            return
        result = line["result"]
        name = str(line["row"] if line["id"] is None else line["id"])
        repetition = line.get("repetition") or 0
        if repetition:
            name += f" #{repetition}"
        time = ""
        run = run_in(result)
        if run.get("duration_s") is not None:
            time = str(run["duration_s"])
        text = brief_reason_in(result)
        if not text:
            text = _first_output(result)
        status = ExitCode(result["exit_code"]).words
        cells = [shorten(name, MAX_ID), status, time, shorten(text, MAX_CELL)]
        self._shown.append((line["row"], repetition, cells))

    def show(self, terminal: Terminal) -> None:
        """Print the table in the order of the rows, if there are any. Raises as Terminal.write."""
        if not self._shown:
            return
        show_table(terminal, LAYOUT, [cells for _, _, cells in sorted(self._shown)])
        if self._count > MAX_SHOWN:
            others = amount(self._count - MAX_SHOWN, "row")
            terminal.note(f"and {others} more; noxcli results with a pipe or --csv has all of them")


def _first_output(result: Mapping[str, Any]) -> str:
    values = list(by_name(result["output"]).values())
    if not values or values[0] is None:
        return ""
    return as_text(values[0])
