"""Why a run failed: which sources to read, in which order, and for how long."""

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Any, Protocol, TypeVar

from noxcli.errors import OVERLOADED, NoxError, Unavailable
from noxcli.models import Finished, Polled, Run, Workflow
from noxcli.runs.failures import Fault, Rank, find_faults, worst_of
from noxcli.runs.follow import EventSource
from noxcli.runs.progress import Progress
from noxcli.timing import Backoff, Clock, Deadline

EACH_WITHIN = 3.0  # seconds for one source
EXPLAIN_WITHIN = 8.0  # seconds for all of them, and for several runs at once
FIRST_EVENT, QUIET = 1.5, 1.0  # seconds without an event after which a replay counts as complete

T = TypeVar("T")


class ReasonSource(EventSource, Protocol):
    """The part of the API that explaining needs."""

    def get_run(self, workflow_id: str, run_id: str, *, within: float | None = None) -> Run: ...
    def get_workflow(self, workflow_id: str, *, within: float | None = None) -> Workflow: ...
    def run_data(self, run_id: str, *, within: float | None = None) -> Any: ...


class Explainer:
    """Finds the node at which a run failed, and the reason.

    The API has no field for it, so the sources are those that may have it: the events so far, a replay of the stream,
    the record's `progress_details`, the run's data. Each is read only if the sources before it left something open,
    and for a short time; one that fails is skipped, since the verdict stands without it.
    """

    def __init__(self, source: ReasonSource, clock: Clock, shown: Callable[[str], str]) -> None:
        """`shown` hides secrets."""
        self._source = source
        self._clock = clock
        self._shown = shown
        self._workflows: dict[str, Workflow | None] = {}
        self._reading = Lock()  # of workflows: several runs of one are explained at once

    def explain(
        self, run: Run, deadline: Deadline, *, seen: Progress | None = None, workflow: Workflow | None = None
    ) -> Progress:
        """Return what is known about a failed run's nodes, including `why`; `seen` is what its events showed so far."""
        limit = Deadline(self._clock, EXPLAIN_WITHIN if deadline.seconds == 0 else deadline.left(EXPLAIN_WITHIN))
        progress = seen or Progress(run, self._clock, from_start=False, shown=self._shown)
        progress.fold(Finished(run))
        if not progress.title:
            named = self._named(run, limit, workflow)
            if named is not None:
                progress.meet(named)
        progress.blame(self._find(progress, self._sources(progress, limit)))
        return progress

    def _find(self, progress: Progress, sources: Generator[list[Fault], None, None]) -> Fault:
        """Read one source after the other until node and reason are known; the first finding counts."""
        # A node known only by its id is not in the definition, but may be a part of one that is.
        names = {node_id: name for node_id, name in progress.names.items() if name != node_id} or progress.names
        known = Fault(None, "")
        for faults in sources:
            known = _completed(known, faults, names)
            if known.node and known.text:
                break
        sources.close()
        return known

    def _sources(self, progress: Progress, limit: Deadline) -> Generator[list[Fault], None, None]:
        yield progress.failures()
        if not progress.heard_all:
            yield self._replayed(progress, limit.left(EACH_WITHIN))
        yield self._logged(progress, limit.left(EACH_WITHIN))
        yield self._in_data(progress, limit.left(EACH_WITHIN))

    def _named(self, run: Run, limit: Deadline, workflow: Workflow | None) -> Workflow | None:
        """Return the workflow with its nodes' names, read once for all of its runs."""
        for known in (workflow, run.workflow):
            if known is not None and known.nodes:
                return known
        with self._reading:
            if run.workflow_id not in self._workflows:
                self._workflows[run.workflow_id] = None
                with suppress(NoxError):
                    self._workflows[run.workflow_id] = self._asked(
                        lambda seconds: self._source.get_workflow(run.workflow_id, within=seconds),
                        limit.left(EACH_WITHIN),
                    )
            return self._workflows[run.workflow_id]

    def _replayed(self, progress: Progress, seconds: float) -> list[Fault]:
        """Read the run's events from the start, and record their status of each node."""
        if seconds <= 0:
            return []
        told = Progress(progress.run, self._clock, from_start=False)
        limit, quiet = Deadline(self._clock, seconds), Deadline(self._clock, FIRST_EVENT)
        feed = self._source.open_events(progress.run.id)
        try:
            with suppress(NoxError):
                while not limit.passed and not quiet.passed:
                    events = feed.take(min(quiet.left(), limit.left()))
                    if events:
                        quiet.restart(QUIET)
                    told.take(events)
                    if any(event.is_terminal for event in events):
                        break
        finally:
            feed.close()
        progress.learn(told)
        return told.failures()

    def _logged(self, progress: Progress, seconds: float) -> list[Fault]:
        """Read the logs in the record, and other signs of a failure in its progress."""
        run = progress.run
        if not progress.details and seconds > 0:
            with suppress(NoxError):
                # A run that was read by its id alone has no progress.
                record = self._asked(lambda left: self._source.get_run(run.workflow_id, run.id, within=left), seconds)
                if record.id == run.id:
                    progress.fold(Polled(replace(run, progress_details=record.progress_details)))
        logs = progress.details.get("run_logs")
        rest = {name: value for name, value in progress.details.items() if name != "run_logs"}
        skip, names = _ids_of(run), progress.names
        return find_faults(logs, names, logs=True, skip=skip) + find_faults(rest, names, skip=skip)

    def _in_data(self, progress: Progress, seconds: float) -> list[Fault]:
        """Search the run's data, which has no documented shape; skip data of another run, for example from a cache."""
        run = progress.run
        with suppress(NoxError):
            data = self._asked(lambda left: self._source.run_data(run.id, within=left), seconds)
            if not isinstance(data, dict) or data.get("run_id", run.id) == run.id:
                return find_faults(data, progress.names, skip=_ids_of(run))
        return []

    def _asked(self, ask: Callable[[float], T], seconds: float) -> T:
        """Return the answer; retry within the time if the server only asks us to slow down.

        Raises what `ask` raises.
        """
        limit, backoff = Deadline(self._clock, seconds), Backoff()
        while True:
            try:
                return ask(limit.left())
            except Unavailable as busy:
                delay = backoff.next_delay(busy.retry_after)
                if busy.http_status not in OVERLOADED or delay >= limit.left():
                    raise
                self._clock.sleep(delay)


def _ids_of(run: Run) -> frozenset[str]:
    return frozenset({run.id, run.workflow_id})


def _completed(known: Fault, faults: list[Fault], names: Mapping[str, str]) -> Fault:
    """Return the node and the reason that are known, completed from another source's faults."""
    marks = [fault.node for fault in faults if fault.node and fault.rank is Rank.MARK]
    marked = max(marks, key=lambda mark: mark in names, default=None)  # the first one of the best
    failed = frozenset(marks if known.node is None else [known.node])
    found = worst_of([fault for fault in faults if _may_explain(fault, failed, names)], failed) or Fault(marked, "")
    # A node that is not in the definition may be a part of the one that is marked as failed.
    blamed = (found.node, marked) if found.node in names else (marked, found.node)
    return Fault(known.node or next(filter(None, blamed), None), known.text or found.text)


def _may_explain(fault: Fault, failed: frozenset[str], names: Mapping[str, str]) -> bool:
    """False for another node's text, which is not the reason of a failed one, unless it may be a part of it."""
    return not failed or fault.node in failed or fault.node not in names
