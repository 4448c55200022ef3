"""`--once KEY`: the run of an earlier call with the same key, instead of another one."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from noxcli.cli.invocation import Invocation
from noxcli.errors import NotFound, NoxError, StartUnknown, TimedOutBeforeStart, UsageProblem
from noxcli.files import new_digest, reason_of
from noxcli.inputs.parse import Inputs
from noxcli.inputs.uploads import Upload
from noxcli.models import Run
from noxcli.retry import Patience
from noxcli.runs.doubt import Doubt, KnownStarts, Search
from noxcli.runs.likeness import Comparison, Likeness
from noxcli.runs.start import Moment, Wanted, brief
from noxcli.state.once import Memory, OnceFile
from noxcli.timing import parse_time

BY_INPUTS = "auto"
LOCK_LOOKS = 0.2  # seconds between two attempts to get a lock that another process holds
STILL_STARTING = timedelta(seconds=60)  # until an interrupted start must appear in the run list
PIECE = 1 << 20


@dataclass(slots=True)
class Once:
    """One locked key: no other process can start a run for it in the meantime."""

    call: Invocation
    key: str
    workflow_id: str
    fingerprint: str
    file: OnceFile

    def __enter__(self) -> Self:
        self.file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.__exit__(kind, error, trace)

    def wait_for_turn(self) -> None:
        """Wait until no other process starts a run for this key. Raises TimedOutBeforeStart."""
        told = False
        while not self.file.take():
            if self.call.deadline.passed:
                raise TimedOutBeforeStart(
                    f"another noxcli is still starting the run of --once {self.key!r}", "increase --timeout"
                )
            if not told:
                self.call.context.terminal.note(f"another noxcli is starting the run of --once {self.key!r}")
                told = True
            self.call.context.clock.sleep(self.call.deadline.left(LOCK_LOOKS))

    def earlier(
        self, comparison: Comparison, recall: Callable[[Collection[str]], KnownStarts], patience: Patience
    ) -> Run | None:
        """Return the run of an earlier call, None if there certainly is none.

        Raises StartUnknown with the candidates if an earlier call was killed during its start and the run list does
        not show the outcome; NotFound if the run is gone; what reading raises.
        """
        memory = self.file.read()
        if memory is None:
            return None
        run_id = memory.run_id or self._adopted(memory, comparison, recall, patience)
        if run_id is None:
            return None
        try:
            run = patience.keep_trying(lambda: self.call.api.get_run(self.workflow_id, run_id))
        except NotFound as error:
            error.hint = f"remove {self.file.path} to start another run for --once {self.key!r}"
            raise
        note = self.call.context.terminal.note
        note(f"run {run.id} was started by an earlier call with --once {self.key!r}")
        if memory.fingerprint != self.fingerprint:
            note("warning: that call had other inputs, or another version; give another KEY to start a run with these")
        return run

    def intend(self, wanted: Wanted) -> None:
        """Record that a run is about to be started. Raises ConfigProblem."""
        clock = self.call.context.clock
        by_server = Moment(self.call.api, clock).by_server()
        self.file.write(
            {
                "step": "intent",
                "fingerprint": self.fingerprint,
                "input_digest": wanted.input.digest,
                "input_shape": wanted.input.shape,
                "at": clock.now().isoformat(),
                "server_at": by_server.isoformat() if by_server is not None else None,
            }
        )

    def started(self, run: Run) -> None:
        """Record the run's id; if that fails, the next call must search for the run."""
        context = self.call.context
        try:
            self.file.write({"step": "started", "run_id": context.terminal.mask(run.id)})
        except NoxError as error:
            context.terminal.complain(f"noxcli: {error.line()}")  # the run is running, and its id is on stderr

    def withdraw(self) -> None:
        """Record that nothing was started after all."""
        self.file.write({"step": "withdrawn"})

    def _adopted(
        self,
        memory: Memory,
        comparison: Comparison,
        recall: Callable[[Collection[str]], KnownStarts],
        patience: Patience,
    ) -> str | None:
        """Return the id of the run that a killed call started; None if the list proves that there is none."""
        by_server = parse_time(memory.server_at)
        sent = by_server or datetime.fromisoformat(memory.at)
        doubt = Doubt(0, Likeness(memory.input_digest, memory.input_shape), sent, by_server is not None)
        search = Search([doubt], comparison, recall)
        patience.keep_trying(lambda: search.read(self.call.api.list_runs(self.workflow_id)))
        finding = search.finding()
        if (own := finding.own.get(0)) is not None:
            self.started(own)
            return own.id
        young = self.call.context.clock.now() - datetime.fromisoformat(memory.at) < STILL_STARTING
        if 0 in finding.absent and not young:
            self.withdraw()
            return None
        found = finding.candidates.get(0, [])
        same = (
            ", ".join(f"{run.id} ({run.status}) has the same input" for run in found) or "found no run with this input"
        )
        raise StartUnknown(
            f"an earlier call with --once {self.key!r} was interrupted during its start, whose outcome is unknown",
            f"check the runs (noxcli runs {self.workflow_id}): {same}; remove {self.file.path} to start another",
            candidates=brief(found),
        )


def open_once(
    call: Invocation, key: str, inputs: Inputs, comparison: Comparison, target: tuple[str, str | None]
) -> Once:
    """Return the record of the key at this server for the `target`: a workflow's id, and that of its version.

    Raises ConfigProblem if it can't be stored, UsageProblem for --once auto with an input that can't be read twice.
    """
    workflow_id, version_id = target
    plain = {name: _content(value, name, call, whole=key == BY_INPUTS) for name, value in inputs.values.items()}
    fingerprint = f"{comparison.of(plain).digest}/{version_id or ''}"
    named = f"{BY_INPUTS} {fingerprint}" if key == BY_INPUTS else f"key {key}"
    context = call.context
    return Once(
        call,
        key,
        workflow_id,
        fingerprint,
        OnceFile(context.history.directory, (context.base_url, workflow_id, named)),
    )


def _content(value: Any, key: str, call: Invocation, *, whole: bool) -> Any:
    """Return what represents an input in the key: for a file that can be read more than once, its content."""
    if not isinstance(value, Upload):
        return value
    if value.size is None:
        if whole:
            raise UsageProblem(f"--once auto can't compare the pipe for {key!r}", "upload a file, or name a --once KEY")
        return value.described()
    digest = new_digest()
    try:
        with call.context.sources.open(value.path) as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    except OSError as error:
        raise UsageProblem(f"can't read the file {value.path} for {key!r}: {reason_of(error)}") from None
    return {"sha256": digest.hexdigest(), "name": value.name, "content_type": value.content_type}
