"""Why a run failed: which sources to read, in which order, and for how long."""

from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from noxcli.errors import OVERLOADED, NoxError, Unavailable
from noxcli.models import Finished, Polled, Run, Workflow
from noxcli.runs.node_data import FAILED, data_by_node, error_of, last_words
from noxcli.runs.progress import Progress, listed_status
from noxcli.timing import Backoff, Clock, Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

EACH_WITHIN = 3.0  # seconds for one source
EXPLAIN_WITHIN = 8.0  # seconds for all of them, and for several runs at once
FIRST_EVENT, QUIET = 1.5, 1.0  # seconds without an event after which a replay counts as complete

T = TypeVar("T")
# Why nodes failed, by their ids; empty where only the failure is known. None is the run as a whole.
Reasons = Mapping[str | None, str]


class Explainer:
    """Finds the node at which a run failed, and the reason.

    The API has no field for it, so the sources are those that may have it: the events so far, a replay of the stream,
    the record's `progress_details`, the run's data. Each is read only if the sources before it left something open,
    and for a short time; one that fails is skipped, since the verdict stands without it.
    """

    def __init__(self, source: "NoxusApi", clock: Clock, shown: Callable[[str], str]) -> None:
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
        progress.blame(*self._find(progress, limit))
        return progress

    def _find(self, progress: Progress, limit: Deadline) -> tuple[str | None, str]:
        """Read one source after the other until node and reason are known."""
        # A node known only by its id is not in the definition, but may be a part of one that is.
        known: dict[str | None, str] = {}
        for read in (self._seen, self._replayed, self._recorded, self._in_data):
            told = read(progress, limit.left(EACH_WITHIN))
            names = {node_id for node_id, name in progress.names.items() if name != node_id} or set(progress.names)
            found = any(node in names for node in known)  # then what another node says is not the reason
            for node, reason in told.items():
                if not found or node in known or node not in names:
                    known[node] = known.get(node) or reason
            best = _best(known, names)
            if all(best):
                break
        return best

    def _seen(self, progress: Progress, _: float) -> Reasons:
        return progress.failures

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

    def _replayed(self, progress: Progress, seconds: float) -> Reasons:
        """Read the run's events from the start, and record their status of each node."""
        if progress.heard_all or seconds <= 0:
            return {}
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
        return told.failures

    def _recorded(self, progress: Progress, seconds: float) -> Reasons:
        """Read the nodes' progress and logs in the record."""
        run = progress.run
        if not progress.details and seconds > 0:
            with suppress(NoxError):
                # A run that was read by its id alone has no progress.
                record = self._asked(lambda left: self._source.get_run(run.workflow_id, run.id, within=left), seconds)
                if record.id == run.id:
                    progress.fold(Polled(replace(run, progress_details=record.progress_details)))
        details, reasons = progress.details, dict[str | None, str]()
        listed, logs = details.get("per_node_progress"), details.get("run_logs")
        for node, entry in listed.items() if isinstance(listed, dict) else ():
            if listed_status(details, node) in FAILED:
                reasons[node] = error_of(entry) if isinstance(entry, dict) else ""
        for node, log in logs.items() if isinstance(logs, dict) else ():
            if (node in reasons or not reasons) and (words := last_words(log)):
                reasons[node] = reasons.get(node) or words
        return reasons

    def _in_data(self, progress: Progress, seconds: float) -> Reasons:
        """Search the run's data for nodes with an error; skip data of another run, for example from a cache."""
        run = progress.run
        with suppress(NoxError):
            data = self._asked(lambda left: self._source.run_data(run.id, within=left), seconds)
            if not isinstance(data, dict) or data.get("run_id", run.id) == run.id:
                nodes = data_by_node(data, progress.names)
                failed = {node: entry for node, entry in nodes.items() if entry.failed} or nodes
                return {node: entry.error for node, entry in failed.items() if entry.failed or entry.error}
        return {}

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


def _best(known: Reasons, names: Set[str]) -> tuple[str | None, str]:
    """Return the node to blame, one of the definition if there is one, and its reason or that of a part of it."""
    node = next((node for node in known if node in names), None) or next(filter(None, known), None)
    parts = (reason for other, reason in known.items() if reason and other not in names)
    return node, known.get(node) or next(parts, "")
