"""Why a run failed: which sources to read, in which order, and for how long."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from noxcli.errors import NoxError, Unavailable, facts_about
from noxcli.models import Finished, Polled, Run, Workflow
from noxcli.retry import RetryPolicy
from noxcli.runs.node_data import FAILED, data_by_node, error_of, last_words
from noxcli.runs.progress import Progress, listed_status
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

EACH_WITHIN = 3.0  # seconds for one source
EXPLAIN_WITHIN = 8.0  # seconds for all of them
# Seconds without an event after which a replay counts as complete.
FIRST_EVENT = 1.5
QUIET = 1.0  # after the first one

T = TypeVar("T")
# Why nodes failed, by their ids; empty where only the failure is known. None is the whole run.
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
    """Return what is known about a failed run's nodes; its `why` names the node and the reason.

    `seen` is what its events showed so far, `shown` hides secrets.
    """
    clock = deadline.clock
    within = deadline.remaining(EXPLAIN_WITHIN)
    if deadline.seconds == 0:
        within = EXPLAIN_WITHIN
    progress = seen
    if progress is None:
        progress = Progress(run, clock, from_start=False, shown=shown)
    progress.apply_one(Finished(run))
    search = _Search(source, progress, Deadline(clock, within))
    if not progress.title:
        with suppress(NoxError):
            progress.set_workflow(search.find_workflow(workflow))
    node, reason = search.find()
    progress.set_reason(node, reason)
    return progress


class _Search:
    """The sources of the reason for which a run failed.

    The API has no field for it, so the sources are those that may have it: the events so far, a
    replay of the stream, the record's `progress_details`, the run's data. Each is read only if the
    sources before it left something open, and for a short time; one that fails is skipped, since
    the verdict does not need it.
    """

    def __init__(self, source: "NoxusApi", progress: Progress, limit: Deadline) -> None:
        self._source = source
        self._progress = progress
        self._limit = limit
        self._run = progress.run
        self._known: dict[str | None, str] = {}  # reasons, as in Reasons

    def find_workflow(self, given: Workflow | None) -> Workflow:
        """Return the run's workflow; read it if neither `given` nor the record has its nodes.

        Raises what the API raises.
        """
        for known in (given, self._run.workflow):
            if known is not None and known.nodes:
                return known
        return self.ask(lambda api: api.get_workflow(self._run.workflow_id))

    def find(self) -> tuple[str | None, str]:
        """Read one source after the other until node and reason are known."""
        node: str | None = None
        reason = ""
        for read in (self._seen, self._replay_events, self._read_logs, self._read_data):
            reasons = read()
            names = self._named_nodes()
            self._merge(reasons, names)
            node = self._failed_node(names)
            reason = self._known.get(node) or self._reason_of_a_part(names)
            if node and reason:
                break
        return node, reason

    def _named_nodes(self) -> set[str]:
        """Return the ids of the definition's nodes: one known only by its id may be a part of one.

        Without a definition, these are all that were seen.
        """
        names = self._progress.names
        named = {node_id for node_id, name in names.items() if name != node_id}
        return named or set(names)

    def _merge(self, reasons: Reasons, names: Collection[str]) -> None:
        """Add what a source says to what is known."""
        # Once a node is known, what a later source says about another one is not the reason.
        is_found = any(node in names for node in self._known)
        for node, reason in reasons.items():
            if is_found and node in names and node not in self._known:
                continue
            self._known[node] = self._known.get(node) or reason

    def _failed_node(self, names: Collection[str]) -> str | None:
        """Return the first failed node of the definition, or else the first failed part of one."""
        for node in self._known:
            if node and node in names:
                return node
        for node in self._known:
            if node:
                return node
        return None

    def _reason_of_a_part(self, names: Collection[str]) -> str:
        for node, reason in self._known.items():
            if reason and node not in names:
                return reason
        return ""

    def _seen(self) -> Reasons:
        return self._progress.failures

    def _replay_events(self) -> Reasons:
        """Read the run's events from the start, and record their status of each node."""
        if self._progress.has_all or self._limit.passed:
            return {}
        clock = self._limit.clock
        replayed = Progress(self._run, clock, from_start=False)
        limit = Deadline(clock, self._limit.remaining(EACH_WITHIN))
        quiet = Deadline(clock, FIRST_EVENT)
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
        if not self._progress.details:
            self._read_details()
        details = self._progress.details
        reasons: dict[str | None, str] = {}
        for node, entry in _object(details.get("per_node_progress")).items():
            if listed_status(details, node) in FAILED:
                reasons[node] = error_of(_object(entry))
        for node, log in _object(details.get("run_logs")).items():
            if reasons and node not in reasons:
                continue
            words = last_words(log)
            if words:
                reasons[node] = reasons.get(node) or words
        return reasons

    def _read_details(self) -> None:
        """Read the progress of a run that was read by its id alone, and so has none."""
        run = self._run
        with suppress(NoxError):
            record = self.ask(lambda api: api.get_run(run.workflow_id, run.id))
            if record.id == run.id:
                with_details = replace(run, progress_details=record.progress_details)
                self._progress.apply_one(Polled(with_details))

    def _read_data(self) -> Reasons:
        """Search the run's data for nodes with an error."""
        own_id = self._run.id
        try:
            data = self.ask(lambda api: api.get_run_data(own_id))
        except NoxError:
            return {}
        if isinstance(data, dict) and data.get("run_id", own_id) != own_id:
            return {}  # data of another run, for example from a cache
        nodes = data_by_node(data, self._progress.names)
        failed: dict[str | None, str] = {
            node: entry.error for node, entry in nodes.items() if entry.failed
        }
        if failed:
            return failed
        return {node: entry.error for node, entry in nodes.items() if entry.error}

    def ask(self, ask: Callable[["NoxusApi"], T]) -> T:
        """Return the answer; retry within the time if the server is overloaded or was not reached.

        Raises what `ask` raises, and TimedOut.
        """
        limit = Deadline(self._limit.clock, self._limit.remaining(EACH_WITHIN))
        retries = RetryPolicy(limit, EACH_WITHIN, lambda _: None)

        def may_recover(error: Unavailable, _: float) -> bool:
            return error.http_status is None or facts_about(error.http_status).is_overloaded

        return retries.keep_trying(
            lambda _: ask(self._source.within(limit.remaining())), may_recover, believing=True
        )


def _object(value: Any) -> Mapping[str, Any]:
    """Return an object of the record, an empty one for anything else."""
    if isinstance(value, dict):
        return value
    return {}
