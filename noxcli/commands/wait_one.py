"""The wait for one run: followed to its end, or to the first condition of --for that it meets."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain

from noxcli.cli.follow import (
    explainer,
    follower_of,
    not_finished,
    noted,
    stop_or_raise,
    workflow_of,
)
from noxcli.cli.session import Session
from noxcli.errors import LostContact, NoxError, Phase, TimedOut, Unmet
from noxcli.models import Finished, Run, Started, Workflow, word_for
from noxcli.outputs.await_output import own_record
from noxcli.render.renderers import bar_fits, play, wait_progress
from noxcli.reports.assertions import require_queries
from noxcli.reports.result import verdict_of
from noxcli.retry import Patience
from noxcli.runs.conditions import Condition, ConditionWatch, doubtful_words, resolved_condition
from noxcli.runs.follow import Burst, Follower, Policy
from noxcli.runs.progress import Progress
from noxcli.timing import Deadline

READ_BESIDE = 10.0  # seconds for one read of the record or the workflow during the stream


def wait_for_one(noxus: Session, text: str, conditions: Sequence[Condition], policy: Policy) -> None:
    """Follow the run to its end, or to the first condition that it meets, and print it.

    Raises Unmet if it ends without meeting one; RunPaused, NotFinished and TimedOut if it has not ended; UsageProblem
    for a node that the workflow lacks.
    """
    outcome = noxus.context.outcome
    outcome.conditional = bool(conditions)
    patience = noxus.patience(gave_up=LostContact)
    # Conditions may be about its output and its nodes, which a read by its id alone does not return.
    run = outcome.run = noxus.recorded(text, patience) if conditions else resolved(noxus, text, patience)
    outcome.confirmed = True
    names_matter = bool(conditions) or bar_fits(noxus.context.terminal)
    workflow = workflow_of(noxus, run) if names_matter else run.workflow
    if conditions:
        conditions = _checked_conditions(noxus, conditions, workflow)
        policy = replace(policy, every_event=any(one.node is not None for one in conditions))
    progress, follower = follower_of(noxus, run, policy, workflow)
    outcome.progress = progress if conditions else None
    watch = _watch(noxus, conditions, progress, policy)
    bursts = chain([[Started(run)]], () if noxus.deadline.seconds == 0 else follower.updates())
    ended = _followed(noxus, follower, progress, watch.until(bursts) if conditions else bursts, policy)
    if conditions and ended is not follower.run:
        play(watch.until([[Finished(ended)]]), progress, [])
    _conclude(noxus, ended, watch)


def _followed(noxus: Session, follower: Follower, progress: Progress, bursts: Iterator[Burst], policy: Policy) -> Run:
    """Follow a run with a line of progress, and return it; another record of it if it was to be stopped, but had ended.

    Raises TimedOut after printing its line.
    """
    context, outcome, run = noxus.context, noxus.context.outcome, follower.run

    def how_far() -> tuple[float | None, str]:
        at_work = [node.name for node in list(progress.nodes.values()) if node.running]
        share = progress.percent / 100 if progress.percent else None
        return share, f"{word_for(progress.status)}{f' at {at_work[0]!r}' if at_work else ''}"

    try:
        with noted(outcome, follower), wait_progress(context.terminal, how_far):
            play(bursts, progress, [])
    except TimedOut as late:
        try:
            return stop_or_raise(noxus, outcome, policy, late)
        except TimedOut:
            noxus.context.printing.run_line(outcome.run or run)
            raise
    return follower.run


def _conclude(noxus: Session, run: Run, watch: ConditionWatch) -> None:
    """Print the run's line. Raises as `wait_for_one`."""
    context, outcome = noxus.context, noxus.context.outcome
    context.enter(Phase.RUN)
    if run.status == "failed" and watch.met is None:
        outcome.progress = explainer(context, noxus.api).explain(run, noxus.deadline, seen=watch.progress)
        watch.look()
    if watch.met is not None:
        outcome.matched = watch.met.document()
        noxus.context.printing.run_line(run, watch.met.condition.text)
        return
    noxus.context.printing.run_line(run)
    if not (run.settled or run.paused):
        raise not_finished(run)
    verdict = verdict_of(run, watch.progress.why if run.status == "failed" else "")
    if watch.conditions and not run.paused:
        asked = " or ".join(f"--for {one.text!r}" for one in watch.conditions)
        ended, hint = (f"run {run.id} completed", None) if verdict is None else (verdict.message, verdict.hint)
        raise Unmet(f"{ended}; it never met {asked}", hint)
    if verdict is not None:
        raise verdict
    require_queries(context.reports.asserts, outcome, context.terminal.mask)


def _checked_conditions(noxus: Session, conditions: Sequence[Condition], workflow: Workflow | None) -> list[Condition]:
    """Return the conditions with the ids of their nodes. Raises UsageProblem for an unknown node."""
    warnings = list(doubtful_words(conditions))
    if workflow is None:
        warnings.append("the names in --for are not checked, since the workflow can't be read")
    else:
        conditions = [resolved_condition(one, workflow.nodes) for one in conditions]
    for line in warnings:
        noxus.context.terminal.warn(line)
    return list(conditions)


def _watch(noxus: Session, conditions: Sequence[Condition], progress: Progress, policy: Policy) -> ConditionWatch:
    run = progress.run
    return ConditionWatch(
        conditions,
        progress,
        lambda: noxus.api.get_run(run.workflow_id, run.id, within=noxus.deadline.left(READ_BESIDE)),
        Deadline(noxus.context.clock, policy.poll_interval),
    )


def resolved(noxus: Session, text: str, patience: Patience) -> Run:
    """Return the run; an ended one with its output if the server sends it."""
    run = noxus.run(text, patience)
    if noxus.context.printing.writes_text and not noxus.context.reports.asserts:
        return run
    with suppress(NoxError):  # its status is known without it
        return own_record(noxus.api, run, patience)
    return run
