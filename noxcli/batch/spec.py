"""What a command line says about the batch itself, and whether its directory allows that."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from noxcli.batchdir.header import NAMES, BatchHeader, differences
from noxcli.batchdir.journal_state import JournalState
from noxcli.errors import CommandLine, ConfigProblem, Unavailable, UsageProblem
from noxcli.inputs.parse import Inputs
from noxcli.render.terminal import Terminal
from noxcli.render.text import part_of
from noxcli.rows.reader import RowReader
from noxcli.rows.selection import Shard

DOUBTFUL, RED, EDITED = "doubtful", "red", "edited"  # classes of --again
FRESH = "start over with --fresh, or choose another --output-dir"
ATTEMPT_VARIABLE, FIRST_VARIABLE = "GITHUB_RUN_ATTEMPT", "NOXCLI_FIRST"
JOB_OF_GITLAB = "CI_JOB_URL"


def later_attempt(terminal: Terminal) -> int | None:
    """Return which attempt of a job on GitHub this is; None for the first one, or elsewhere."""
    attempt = terminal.environ.get(ATTEMPT_VARIABLE, "")
    if not attempt.isdecimal() or int(attempt) < 2:
        return None
    return int(attempt)


def began_anew(terminal: Terminal, directory: Path) -> str | None:
    """Return that a job which may be a retry found no earlier answers; None if it is none.

    GitHub numbers the attempts of a job. GitLab does not, so each of its jobs says it.
    """
    attempt = later_attempt(terminal)
    if attempt is not None:
        return f"attempt {attempt} of the job found no gate in {directory}, and started over"
    if terminal.environ.get(JOB_OF_GITLAB):
        return f"no earlier answers were in {directory}: the gate started over"
    return None


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """The rows, the directory, and how they are run; times in seconds."""

    workflow: str  # as the user named it
    rows: RowReader
    common: Inputs  # of all rows
    shard: Shard
    directory: Path
    named: bool  # the user named the directory: it may be a link, and gets the rows' files
    stops: bool  # a signal stops the runs
    max_parallel: int
    poll_interval: float
    resume_command: CommandLine  # the command that continues the batch
    resume: bool = False
    fresh: bool = False
    again: Collection[str] = ()  # which rows are started again
    checked: bool = False  # against the workflow's definition
    max_failures: int | None = None
    row_timeout: float | None = None
    of_gate: bool = False

    @property
    def continues(self) -> bool:
        """True if an earlier batch in the directory is continued."""
        return self.resume or bool(self.again)

    def require_first(self, terminal: Terminal) -> None:
        """Raise UsageProblem if --resume finds no journal in a repeated job on GitHub, unless the
        user knows better.

        Without --resume, a warning says that every row starts.
        """
        attempt = later_attempt(terminal)
        if self.fresh or attempt is None or self.of_gate:
            return  # a gate starts over, and says so in its reports
        if not self.continues:
            terminal.warn(
                f"this is attempt {attempt} of the job, and it starts every row; "
                "--resume continues a batch"
            )
        elif terminal.environ.get(FIRST_VARIABLE) != "1":
            raise UsageProblem(
                f"there is no batch in {self.directory}, and this is attempt {attempt} of the job: "
                "rows that an earlier attempt started would start again",
                f"fetch that attempt's artifact into {self.directory}, or start a new run of the "
                f"GitHub workflow, or set {FIRST_VARIABLE}=1 if this job has started nothing "
                "before",
            )

    def require_resumed(self, journaled: JournalState) -> None:
        """Raise UsageProblem if there is a batch, which the user did not want to continue.

        Raises ConfigProblem for one of another kind.
        """
        if journaled.header is None:
            return
        self.require_kind(journaled.header)
        if not self.continues:
            what = "row" if journaled.header.repeat == 1 else "run"
            done = part_of(journaled.count_finished(), journaled.header.rows, what)
            raise UsageProblem(
                f"{self.directory} already has a batch, of which {done} finished",
                "continue it with --resume, start over with --fresh, or choose another "
                "--output-dir",
            )

    def require_kind(self, header: BatchHeader) -> None:
        """Raise ConfigProblem if the directory has a gate, and this is a batch, or the other way
        round.
        """
        is_gate = header.gate is not None
        if is_gate is self.of_gate:
            return
        kind, verb = ("a gate", "gate") if is_gate else ("a batch", "batch")
        raise ConfigProblem(
            f"{self.directory} has {kind}, not of this command",
            f"continue it with noxcli {verb}, or choose another --output-dir",
        )

    def require_same_batch(self, then: BatchHeader, now: BatchHeader) -> None:
        """Raise ConfigProblem for another batch.

        Raises Unavailable if it is unknown, since the definition that rows are checked against was
        not read.
        """
        here = f"the batch in {self.directory}"
        self.require_kind(then)
        if self.of_gate:
            return  # the verb compares gates
        if then.shard != now.shard:
            raise ConfigProblem(
                f"{here} is for shard {then.shard}, and this is {now.shard}", "see --output-dir"
            )
        for each in differences(then, now):
            if each.what == "definition":
                raise ConfigProblem(
                    f"the workflow has changed since {here} began: {each.now}",
                    "add --version-id VERSION (a saved version that matches), or start over with "
                    "--fresh",
                )
            if each.what == "columns":
                continue  # they show in what rows ask
            was = f"{each.what} {each.was}, and this is {each.now}"
            if each.what in NAMES.values():
                raise ConfigProblem(f"{here} is for {was}", "see --output-dir")
            raise ConfigProblem(f"{here} began with {was}", FRESH)
        if self.checked and then.definition is not None and now.definition is None:
            raise Unavailable(
                f"the workflow's definition can't be read now, and {here} began with one",
                "retry in a moment; --no-check continues without it",
                sent=False,
            )
