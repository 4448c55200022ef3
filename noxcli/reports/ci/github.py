"""GitHub Actions: commands on stderr, the files of GITHUB_OUTPUT and GITHUB_STEP_SUMMARY.

GitHub docs, actions/reference/workflow-commands. The runner reads both streams of a step
(actions/runner, ScriptHandler), so commands go to stderr: stdout is the user's data. A line is a
command if `::` comes first in it, after any white space (ActionCommand.TryParseV2).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from noxcli.codec import to_json
from noxcli.errors import ExitCode
from noxcli.files import reason_of
from noxcli.models import Run
from noxcli.outputs.values import find_remote
from noxcli.render.terminal import Terminal
from noxcli.render.text import visible
from noxcli.reports.ci import BatchReport
from noxcli.reports.ci.step_summary import batch_page, summary_page
from noxcli.reports.result import EndedRun

MAX_ANNOTATIONS = 10  # of a kind per step; GitHub silently drops the rest
MAX_STEP_OUTPUT = 64 * 1024  # bytes, of the 1 MB that all outputs of a job have together


class GitHub:
    """A step of a job."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def report_start(self, run: Run) -> None:
        """Report the run's id as soon as it is known."""
        self._set_outputs({"run_id": run.id, "workflow_id": run.workflow_id})

    def report_end(
        self, ended: Sequence[EndedRun], exit_code: ExitCode, output_dir: str | None
    ) -> None:
        """Report every ending."""
        results = {"exit_code": str(int(exit_code))}
        if len(ended) == 1:
            document = ended[0].document
            run = document["run"]
            if run:
                results = {
                    "run_id": run["id"],
                    "workflow_id": run["workflow_id"],
                    "status": run["status"],
                    **results,
                }
            if output_dir is not None and document["files"]:
                results["outputs_path"] = output_dir
            output = _whole_output(document)
            if output and len(output.encode()) <= MAX_STEP_OUTPUT:
                results["output"] = output
        self._set_outputs(results)
        self._append("GITHUB_STEP_SUMMARY", summary_page(ended, self._terminal.mask))
        errors = []
        for one in ended:
            if not one.document["ok"]:
                errors.append((f"{one.name}: {one.words}", one.reason))
        self._annotate(errors)

    def report_batch(self, ended: BatchReport) -> None:
        """Report how a batch ended, instead of its single runs."""
        outputs = {"rows": str(ended.rows), "completed": str(ended.completed)}
        if ended.compares:
            for count, words in ended.became:
                outputs[words] = str(count)
        outputs["exit_code"] = str(int(ended.exit_code))
        self._set_outputs(outputs)
        self._append("GITHUB_STEP_SUMMARY", batch_page(ended, self._terminal.mask))
        if ended.exit_code == ExitCode.OK:
            return
        lines = [ended.reason_for_reviewers]
        lines += [f"{row.name}: {row.what()}" for row in ended.broken]
        if not ended.compares:
            lines += ended.trouble
        self._annotate([(f"noxcli {ended.command}", line) for line in lines])

    def _annotate(self, notes: Sequence[tuple[str, str]]) -> None:
        """Write title and message of each error to the run's page, within GitHub's limit."""
        if len(notes) > MAX_ANNOTATIONS:
            shown = notes[: MAX_ANNOTATIONS - 1]
            notes = [*shown, ("noxcli", f"and {len(notes) - len(shown)} more: see the log")]
        for title, message in notes:
            about = self._safe(title).replace(":", "%3A").replace(",", "%2C")
            self._terminal.draw(f"::error title={about}::{self._safe(message)}\n")

    def _set_outputs(self, values: Mapping[str, str]) -> None:
        """Set the step's outputs; no value can end one, since the delimiter can't be guessed."""
        delimiter = f"noxcli_{os.urandom(16).hex()}"
        text = ""
        for name, value in values.items():
            if name != "output":
                value = self._terminal.mask(value)
            text += f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
        self._append("GITHUB_OUTPUT", text)

    def _append(self, variable: str, text: str) -> None:
        """Append to the file that the variable names.

        In a container, it may be out of reach, which is no error.
        """
        if not self._terminal.environ.get(variable):
            return
        try:
            with Path(self._terminal.environ[variable]).open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read() != b"\n":
                        text = f"\n{text}"
                file.write(text.encode("utf-8", "replace"))
        except (OSError, ValueError) as error:
            self._terminal.complain(f"noxcli: can't write {variable}: {reason_of(error)}")

    def _safe(self, text: str) -> str:
        """Return the text as a command has it, in one line."""
        return visible(self._terminal.mask(text)).replace("%", "%25")


def _whole_output(document: Mapping[str, Any]) -> str:
    """Return the output as JSON; empty if it is not all there."""
    if not document["complete"]:
        return ""
    # Text that was streamed to stdout is not kept: a truncated one may be in a complete output.
    for value in find_remote(document["output"]):
        if value.is_text:
            return ""
    return to_json(document["output"])
