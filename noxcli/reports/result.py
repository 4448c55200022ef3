"""The result document, `noxcli.result/1`: the result of a command, for programs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from noxcli.errors import (
    CommandLine,
    ExitCode,
    Hint,
    Incomplete,
    NotFinished,
    NoxError,
    Phase,
    worst,
)
from noxcli.masking import Mask
from noxcli.timing import seconds_between
from noxcli.value_class import value_class

if TYPE_CHECKING:
    # Every command has an outcome, but only commands about runs fill it.
    from noxcli.models import Attempt, Run
    from noxcli.outputs.values import Delivered
    from noxcli.runs.event_dedup import EventDeduplicator
    from noxcli.runs.progress import Progress

RESULT_SCHEMA = "noxcli.result/1"
RESULTS_SCHEMA = "noxcli.results/1"  # of several runs


@dataclass(slots=True, eq=False, repr=False)  # without unused methods: each costs start-up time
class Outcome:
    """What is known so far, so that every ending can be reported.

    Each step of a command says what it learned with one of the methods below; nothing else writes
    the fields.
    """

    subject: str = ""  # the run's name on the command line: its workflow, or its id
    run: "Run | None" = None
    confirmed: bool = False
    may_exist: bool = False
    attempt: "Attempt | None" = None  # of the run that this command starts
    phase: Phase = Phase.USAGE
    delivered: "Delivered | None" = None
    progress: "Progress | None" = None
    dedup: "EventDeduplicator | None" = None
    connects: int = 0
    error: NoxError | None = None
    request: dict[str, Any] | None = None  # the request that --dry-run printed
    inputs: dict[str, Any] | None = None  # the inputs that this command sent, secrets masked
    # What --assert and --expect found.
    assertions: list[dict[str, Any]] = field(default_factory=list)

    def concerns(self, subject: str) -> None:
        """The command line names this."""
        self.subject = subject

    def entered(self, phase: Phase) -> None:
        """The command has come this far, for the document of an error."""
        self.phase = phase

    def looked_for(self) -> None:
        """The command is about a run that may exist, whether or not it is found."""
        self.may_exist = True
        self.phase = Phase.FOLLOW

    def has_started_runs(self, have_started: bool) -> None:
        """Runs were started for this command, now or by an earlier call, or none were."""
        self.may_exist = have_started

    def attempted(self, attempt: "Attempt") -> None:
        """A request with an effect is about to be sent."""
        self.phase = Phase.START
        self.attempt = attempt

    def started(self, run: "Run", inputs: dict[str, Any]) -> None:
        """The start was answered with this run; `inputs` are shown, so without secrets."""
        self.run = run
        self.inputs = inputs

    def found(self, run: "Run") -> None:
        """The run is known, or more of it than before.

        Whether its status is confirmed stays as it was.
        """
        self.run = run

    def read(self, run: "Run") -> None:
        """The run's record was read."""
        self.run = run
        self.confirmed = True

    def begins_to_follow(self, dedup: "EventDeduplicator") -> None:
        """The run's events are read from here on."""
        self.dedup = dedup

    def followed(self, run: "Run", *, confirmed: bool, connects: int) -> None:
        """This is where following has ended."""
        self.run = run
        self.confirmed = confirmed
        self.connects = connects

    def watched(self, progress: "Progress") -> None:
        """This is what is known about the run's nodes, and why it failed."""
        self.progress = progress

    def obtained(self, delivered: "Delivered") -> None:
        """The output was delivered in this form."""
        self.delivered = delivered

    def would_send(self, request: dict[str, Any]) -> None:
        """This is the request that --dry-run shows."""
        self.request = request

    def asserted(self, found: list[dict[str, Any]]) -> None:
        """This is what --assert and --expect have found."""
        self.assertions = found

    def ended(self, error: NoxError) -> None:
        """The run, or the command, has ended with this error."""
        self.error = error

    @property
    def completed(self) -> bool:
        return self.run is not None and self.run.status == "completed"

    @property
    def name(self) -> str:
        """Its readable name, the same however it ends: the workflow's, to compare runs by."""
        if self.workflow_name is not None:
            return self.workflow_name
        run = self.run
        if run is None:
            return self.subject
        # `-`, @last and an id on the command line name the run, not its workflow.
        if self.subject[:1] in {"", "-", "@"} or run.id in self.subject:
            return run.workflow_id
        return self.subject

    @property
    def workflow_name(self) -> str | None:
        """The workflow's name, None if nothing that was read says it."""
        run = self.run
        name = ""
        if self.progress is not None:
            name = self.progress.title
        if not name and run is not None and run.workflow is not None:
            name = run.workflow.name
        if not name or (run is not None and name == run.workflow_id):
            return None
        return name

    @property
    def retry_safe(self) -> bool:
        """True if the same command again cannot start a second run."""
        may_be_sent = self.attempt is not None and self.attempt.may_be_sent
        return self.run is None and not self.may_exist and not may_be_sent

    def brief(self) -> "Outcome":
        """Return the same without parts that may be impossible to print: output, nodes, inputs."""
        from noxcli.outputs.values import Delivered

        run = self.run and replace(
            self.run, input=None, output=None, progress=None, progress_details={}
        )
        nothing = Delivered(None, complete=False)
        rest: dict[str, Any] = dict.fromkeys(("progress", "dedup", "request", "inputs"))
        return replace(self, run=run, delivered=nothing, **rest)

    def document(self, exit_code: ExitCode, mask: Mask | None = None) -> dict[str, Any]:
        """Return the document, with the same shape for every ending.

        The server's values are unchanged.
        """
        mask = mask or Mask()
        output = None
        files: list[dict[str, Any]] = []
        if self.delivered is not None:
            output = self.delivered.output
            files = self.delivered.files
        elif self.run is not None:
            output = self.run.output
        document = {
            "schema": RESULT_SCHEMA,
            "ok": exit_code == ExitCode.OK,
            "exit_code": int(exit_code),
            "retry_safe": self.retry_safe,
            "run": self.document_of_run(),
            "output": output,
            "complete": self._complete(),
            "files": files,
            "nodes": self._nodes(mask),
            "stream": self._stream(),
            "error": None if self.error is None else mask.whole(self.error.document(self.phase)),
        }
        if self.request is not None:
            document["request"] = self.request
        if self.assertions:
            document["assertions"] = mask.whole(self.assertions)
        return document

    def _stream(self) -> dict[str, Any]:
        cursor = None
        continuity = "none"
        if self.dedup is not None:
            cursor = self.dedup.cursor
            continuity = str(self.dedup.label)
        return {
            "connects": self.connects,
            "reconnects": max(0, self.connects - 1),
            "cursor": cursor,
            "continuity": continuity,
        }

    def _complete(self) -> bool:
        if self.delivered is not None:
            return self.delivered.complete
        run = self.run
        if run is None or not run.with_output or not self.completed:
            return False
        from noxcli.outputs.await_output import is_empty
        from noxcli.outputs.values import is_complete

        return not is_empty(run.output) and is_complete(run.output)

    def document_of_run(self) -> dict[str, Any] | None:
        """Return the part about the run."""
        if self.run is None:
            return None
        return {
            "id": self.run.id,
            "workflow_id": self.run.workflow_id,
            "workflow_name": self.workflow_name,
            "version_id": self.run.version_id,
            "status": self.run.status,
            "progress": self.run.progress,
            "created_at": self.run.created_at,
            "finished_at": self.run.finished_at,
            "duration_s": seconds_between(self.run.created_at, self.run.finished_at),
            "confirmed": self.confirmed,
        }

    def _nodes(self, mask: Mask) -> list[dict[str, Any]]:
        if self.progress is None:
            return []
        now = self.progress.began + self.progress.elapsed()
        nodes = []
        for node in self.progress.nodes.values():
            took = node.duration(now) if self.progress.from_start else None
            started_s = None
            if took is not None and node.began is not None:
                started_s = round(max(0.0, node.began - self.progress.began), 3)
            nodes.append(
                {
                    "id": node.id,
                    "name": node.name,
                    "status": node.status,
                    "started_s": started_s,
                    "duration_s": None if took is None else round(took, 3),
                    "error": mask.whole(node.error),
                }
            )
        return nodes


@value_class(frozen=True, slots=True)
class EndedRun:
    """One run at the end: its readable name, its result document, its inputs, secrets masked."""

    name: str
    document: Mapping[str, Any]
    inputs: Mapping[str, Any] | None = None

    @property
    def run(self) -> Mapping[str, Any]:
        """The run in the document; empty if there is none."""
        return self.document["run"] or {}

    @property
    def code(self) -> ExitCode:
        return ExitCode(self.document["exit_code"])

    @property
    def words(self) -> str:
        """The verdict in a few words."""
        status = self.run.get("status")
        if self.code == ExitCode.OK and status != "completed":
            return "started" if status else "checked, not started"
        return self.code.words

    @property
    def reason(self) -> str:
        """The error, and how to fix it; empty for none."""
        error = self.document["error"]
        if error is None:
            return ""
        parts = [error.get("message"), error.get("hint")]
        return "; ".join(part for part in parts if part)


def verdict_of(run: "Run", why: str = "", if_stopped: Hint | None = None) -> NoxError | None:
    """Return None for a completed run, and the error for any other.

    Others ended otherwise, wait for human input, or run. `why` is the reason of a failure,
    `if_stopped` the hint for a stopped run.
    """
    match run.status:
        case "completed":
            return None
        case "stopped":
            return Incomplete(f"run {run.id} was stopped", if_stopped, ExitCode.RUN_STOPPED)
        case "failed":
            return Incomplete(
                f"run failed{why}",
                Hint("details: ", CommandLine("inspect", run.id)),
                ExitCode.RUN_FAILED,
            )
        case _ if not (run.settled or run.paused):
            return NotFinished(
                f"run {run.id} is still {run.word}",
                Hint("wait for it: ", CommandLine("wait", run.id)),
            )
        case _ if not run.paused:
            what = f"run ended as {run.status!r}, which is not a known status"
            return Incomplete(
                what, Hint("details: ", CommandLine("inspect", run.id)), ExitCode.RUN_FAILED
            )
        case _:
            hint = Hint("give it in Noxus, then continue with: ", CommandLine("wait", run.id))
            return Incomplete(f"run {run.id} is paused for human input", hint, ExitCode.PAUSED)


def raise_worst(outcomes: Iterable[Outcome]) -> None:
    """Raise the error of the run with the worst code; do nothing if all completed."""
    errors: dict[int, NoxError] = {}
    for outcome in outcomes:
        if outcome.error is not None:
            errors[int(outcome.error.exit_code)] = outcome.error
    if errors:
        raise errors[worst(errors)]


def document_of(
    outcomes: Sequence[Outcome], exit_code: ExitCode, mask: Mask, *, listed: bool = False
) -> dict[str, Any]:
    """Return one run's document, or one around the documents of several.

    One run that was `listed`, as several may be, has one around it as well.
    """
    if len(outcomes) == 1 and not listed:
        return outcomes[0].document(exit_code, mask)
    results = []
    for outcome in outcomes:
        results.append(outcome.document(own_code(outcome, outcomes, exit_code), mask))
    return {
        "schema": RESULTS_SCHEMA,
        "ok": exit_code == ExitCode.OK,
        "exit_code": int(exit_code),
        "results": results,
    }


def own_code(outcome: Outcome, outcomes: Sequence[Outcome], exit_code: ExitCode) -> ExitCode:
    """Return the code of one of the outcomes; `exit_code` is the whole command's."""
    if len(outcomes) == 1:
        return exit_code
    if outcome.error is None:
        return ExitCode.OK
    return outcome.error.exit_code
