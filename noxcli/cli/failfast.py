"""The exit at the first failed node (--fail-fast): when a failure counts, and what happens to the run."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from noxcli.cli.invocation import Invocation
from noxcli.errors import NodeFailed, NoxError, Phase
from noxcli.models import Run
from noxcli.runs.conditions import SETTLED
from noxcli.runs.events import Burst
from noxcli.runs.failures import one_line
from noxcli.runs.progress import LONGEST_NAME, LONGEST_WHY, Node, Progress
from noxcli.runs.record import LAST_READ
from noxcli.runs.stop import LONGEST_STOP, not_stopped, stop_run
from noxcli.timing import Clock, Deadline


def until_failed(bursts: Iterable[Burst], progress: Progress, clock: Clock) -> Iterator[Burst]:
    """Yield bursts, each to be applied, until a node has failed and its run neither ends nor retries it."""
    settles: Deadline | None = None
    for burst in bursts:
        yield burst
        if failed_node(progress) is None:
            settles = None
        elif settles is None:
            settles = Deadline(clock, SETTLED)
        elif settles.passed:
            return


def failed_node(progress: Progress) -> Node | None:
    """Return the first node that has failed, None if there is none."""
    return next((node for node in progress.nodes.values() if node.failed), None)


def leave_failed(call: Invocation, run: Run, progress: Progress, *, stop: bool) -> Run:
    """Stop following the run at its failed node, or `stop` it; return it if its record has its own verdict.

    Raises NodeFailed, which says whether the run was stopped or still runs.
    """
    context, outcome = call.context, call.context.outcome
    context.enter(Phase.RUN)
    if not progress.title:  # nothing was shown, so the names of the nodes were not needed until now
        with suppress(NoxError):
            progress.meet(call.api.get_workflow(run.workflow_id, within=call.deadline.left(LAST_READ)))
    node = failed_node(progress)
    assert node is not None
    why = f": {one_line(node.error, LONGEST_WHY)}" if node.error else ""
    failed = f"node {one_line(node.name, LONGEST_NAME)!r} failed{why}"
    continued = f"continue with: noxcli wait {run.id}"
    try:
        if stop:
            run = stop_run(call.api, run, Deadline(context.clock, LONGEST_STOP))
        else:
            run = call.api.get_run(run.workflow_id, run.id, within=call.deadline.left(LAST_READ))
    except NoxError as error:
        what = f"could not be {'stopped' if stop else 'read'}: {error.message}"
        raise NodeFailed(f"{failed}; run {run.id} {what}", continued) from None
    outcome.run, outcome.confirmed = run, True
    if run.status == "stopped" and stop:
        context.way_back = None
        raise NodeFailed(f"{failed}; the run was stopped", f"details: noxcli inspect {run.id}")
    if run.settled:
        return run
    if stop:
        raise NodeFailed(f"{failed}; {not_stopped(run).message}", not_stopped(run).hint)
    raise NodeFailed(f"{failed}; run {run.id} is still {run.status}", continued)
