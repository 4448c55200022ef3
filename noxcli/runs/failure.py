"""Why a run failed: which sources to read, in which order, and for how long."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from noxcli.errors import NoxError, facts_about
from noxcli.models import Finished, Polled, Run, Workflow
from noxcli.retry import RetryPolicy
from noxcli.runs.node_data import FAILED, data_by_node, error_of, last_words
from noxcli.runs.progress import Progress, listed_status
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

EACH_WITHIN = 3.0  # seconds for one source
EXPLAIN_WITHIN = 8.0  # seconds for all of them
FIRST_EVENT, QUIET = 1.5, 1.0  # seconds without an event after which a replay counts as complete

T = TypeVar("T")
# Why nodes failed, by their ids; empty where only the failure is known. None is the run as a whole.
Reasons = Mapping[str | None, str]


def explain(
    source: "NoxusApi",
    run: Run,
    deadline: Deadline,
    shown: Callable[[str], str],
    *,
    seen: Progress | None = None,
    workflow: Workflow | None = None,
) -> Progress:
    """Return what is known about a failed run's nodes, including `why`: the node at which it failed, and the reason.

    `seen` is what its events showed so far, `shown` hides secrets.
    """
    clock = deadline.clock
    limit = Deadline(
        clock, EXPLAIN_WITHIN if deadline.seconds == 0 else deadline.remaining(EXPLAIN_WITHIN)
    )
    progress = seen or Progress(run, clock, from_start=False, shown=shown)
    progress.apply_one(Finished(run))
    search = _Search(source, progress, limit)
    if not progress.title:
        known = next(
            (each for each in (workflow, run.workflow) if each is not None and each.nodes), None
        )
        with suppress(NoxError):
            progress.set_workflow(
                known or search.ask(lambda api: api.get_workflow(run.workflow_id))
            )
    progress.set_reason(*search.find())
    return progress


class _Search:
    """The sources of the reason for which a run failed.

    The API has no field for it, so the sources are those that may have it: the events so far, a replay of the stream,
    the record's `progress_details`, the run's data. Each is read only if the sources before it left something open,
    and for a short time; one that fails is skipped, since the verdict does not need it.
    """

    def __init__(self, source: "NoxusApi", progress: Progress, limit: Deadline) -> None:
        self._source, self._progress, self._limit = source, progress, limit
        self._run = progress.run

    def find(self) -> tuple[str | None, str]:
        """Read one source after the other until node and reason are known."""
        # A node known only by its id is not in the definition, but may be a part of one that is.
        known: dict[str | None, str] = {}
        for read in (
            lambda: self._progress.failures,
            self._replay_events,
            self._read_logs,
            self._read_data,
        ):
            reasons = read()
            names = {node_id for node_id, name in self._progress.names.items() if name != node_id}
            names = names or set(self._progress.names)
            found = any(
                node in names for node in known
            )  # then what another node says is not the reason
            for node, reason in reasons.items():
                if not found or node in known or node not in names:
                    known[node] = known.get(node) or reason
            node = next((node for node in known if node in names), None) or next(
                filter(None, known), None
            )
            parts = (reason for other, reason in known.items() if reason and other not in names)
            best = node, known.get(node) or next(parts, "")
            if all(best):
                break
        return best

    def _replay_events(self) -> Reasons:
        """Read the run's events from the start, and record their status of each node."""
        if self._progress.has_all or self._limit.passed:
            return {}
        clock = self._limit.clock
        replayed = Progress(self._run, clock, from_start=False)
        limit, quiet = (
            Deadline(clock, self._limit.remaining(EACH_WITHIN)),
            Deadline(clock, FIRST_EVENT),
        )
        feed = self._source.open_events(self._run.id)
        try:
            with suppress(NoxError):
                while not limit.passed and not quiet.passed:
                    events = feed.next_events(min(quiet.remaining(), limit.remaining()))
                    if events:
                        quiet.restart(QUIET)
                    replayed.apply(events)
                    if any(event.is_terminal for event in events):
                        break
        finally:
            feed.close()
        self._progress.learn(replayed)
        return replayed.failures

    def _read_logs(self) -> Reasons:
        """Read the nodes' progress and logs in the record."""
        run = self._run
        if not self._progress.details:
            with suppress(NoxError):
                # A run that was read by its id alone has no progress.
                record = self.ask(lambda api: api.get_run(run.workflow_id, run.id))
                if record.id == run.id:
                    self._progress.apply_one(
                        Polled(replace(run, progress_details=record.progress_details))
                    )
        details, reasons = self._progress.details, dict[str | None, str]()
        listed, logs = details.get("per_node_progress"), details.get("run_logs")
        for node, entry in listed.items() if isinstance(listed, dict) else ():
            if listed_status(details, node) in FAILED:
                reasons[node] = error_of(entry) if isinstance(entry, dict) else ""
        for node, log in logs.items() if isinstance(logs, dict) else ():
            if (node in reasons or not reasons) and (words := last_words(log)):
                reasons[node] = reasons.get(node) or words
        return reasons

    def _read_data(self) -> Reasons:
        """Search the run's data for nodes with an error; skip data of another run, for example from a cache."""
        with suppress(NoxError):
            data = self.ask(lambda api: api.get_run_data(self._run.id))
            if not isinstance(data, dict) or data.get("run_id", self._run.id) == self._run.id:
                nodes = data_by_node(data, self._progress.names)
                failed = {node: entry for node, entry in nodes.items() if entry.failed} or nodes
                return {
                    node: entry.error
                    for node, entry in failed.items()
                    if entry.failed or entry.error
                }
        return {}

    def ask(self, ask: Callable[["NoxusApi"], T]) -> T:
        """Return the answer; retry within the time if the server only asks us to slow down, or a connection broke.

        Raises what `ask` raises, and TimedOut.
        """
        limit = Deadline(self._limit.clock, self._limit.remaining(EACH_WITHIN))
        retries = RetryPolicy(limit, EACH_WITHIN, lambda _: None)
        return retries.keep_trying(
            lambda _: ask(self._source.within(limit.remaining())),
            lambda error, _: (
                error.http_status is None or facts_about(error.http_status).is_overloaded
            ),
            believing=True,
        )
