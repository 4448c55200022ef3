"""Waits that may end before the run does: at a condition of --for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from noxcli.cli.follow import explainer, follower_of, not_finished, noted, stop_or_raise
from noxcli.cli.session import Session
from noxcli.errors import LostContact, NoxError, Phase, TimedOut, Unmet, UsageProblem
from noxcli.inputs.definition import outputs_of
from noxcli.models import Finished, Run, Started, Workflow
from noxcli.outputs.choose import check_keys, keys_in
from noxcli.outputs.values import pointer_to
from noxcli.render.events import EventDocuments
from noxcli.render.renderers import play, wait_progress
from noxcli.reports.result import verdict_of
from noxcli.runs.conditions import Condition, ConditionWatch, Kind, doubtful_words, read_condition, resolved_condition
from noxcli.runs.follow import Burst, Follower, Policy
from noxcli.runs.progress import Progress
from noxcli.state.logkeeper import LogKeeper
from noxcli.timing import Deadline

READ_BESIDE = 10.0  # seconds for one read of the record or the workflow during the stream


def read_conditions(texts: Sequence[str], *, streams: bool) -> list[Condition]:
    """Return the conditions of --for; `streams` is false if no event will be read.

    Raises UsageProblem for one that is not valid, or that can't be met.
    """
    conditions = [read_condition(text) for text in texts]
    blind = next((one for one in conditions if one.kind is Kind.EVENT and not streams), None)
    if blind is not None:
        raise UsageProblem(
            f"--for {blind.text!r} needs the event stream", "drop --no-stream or --timeout 0, or wait for a node"
        )
    return conditions


def _how_far(progress: Progress) -> tuple[float | None, str]:
    """Return the share of the work that is done, if known, and the run's state in words."""
    at_work = [node.name for node in list(progress.nodes.values()) if node.running]
    share = progress.percent / 100 if progress.percent else None
    return share, f"{progress.status}{f' at {at_work[0]!r}' if at_work else ''}"


def wait_until(noxus: Session, text: str, conditions: Sequence[Condition], policy: Policy) -> None:
    """Wait for the first condition that the run meets, and print it.

    Raises Unmet if the run ends without meeting one; RunPaused, NotFinished and TimedOut if it has not ended;
    UsageProblem for a node or an output that the workflow lacks.
    """
    outcome = noxus.context.outcome
    outcome.conditional = True
    patience = noxus.patience(gave_up=LostContact)
    found = outcome.run = noxus.run(text, patience)
    outcome.confirmed = True
    workflow = _known_workflow(noxus, found)
    conditions = _checked_conditions(noxus, conditions, workflow)
    # A run that was read by its id alone lacks its output and its nodes.
    run = found if found.with_output else patience.keep_trying(lambda: noxus.api.get_run(found.workflow_id, found.id))
    thorough = any(one.kind in {Kind.NODE, Kind.EVENT} for one in conditions)
    progress, follower = follower_of(noxus, run, replace(policy, every_event=thorough), workflow)
    outcome.progress = progress
    watch = _watch(noxus, conditions, progress, run, workflow, policy)
    bursts = _looked_at(follower, once=noxus.deadline.seconds == 0)
    ended = follow_without_picture(noxus, follower, progress, watch.until(bursts), policy)
    if ended is not follower.run:
        play(watch.until([[Finished(ended)]]), progress, [])
    _conclude_wait(noxus, ended, watch)


def follow_without_picture(
    noxus: Session, follower: Follower, progress: Progress, bursts: Iterable[Burst], policy: Policy
) -> Run:
    """Follow a run with a line of progress, and return it; another record of it if it was to be stopped, but had ended.

    Raises TimedOut after printing its line.
    """
    context, outcome, run = noxus.context, noxus.context.outcome, follower.run
    try:
        with noted(outcome, follower), wait_progress(context.terminal, partial(_how_far, progress)):
            play(bursts, progress, [LogKeeper(context.log, run)])
    except TimedOut as late:
        try:
            return stop_or_raise(noxus, outcome, policy, late)
        except TimedOut:
            noxus.print_status(outcome.run or run)
            raise
    return follower.run


def _looked_at(follower: Follower, *, once: bool) -> Iterator[Burst]:
    yield [Started(follower.run)]
    if not once:
        yield from follower.updates()


def _known_workflow(noxus: Session, run: Run) -> Workflow | None:
    """Return the workflow with its nodes, None after a warning if it can't be read."""
    if run.workflow is not None and run.workflow.nodes:
        return run.workflow
    try:
        return noxus.api.get_workflow(run.workflow_id, within=noxus.deadline.left(READ_BESIDE) or READ_BESIDE)
    except NoxError as error:
        noxus.context.terminal.note(
            f"warning: the names in --for are not checked, since the workflow can't be read: {error.message}"
        )
        return None


def _checked_conditions(noxus: Session, conditions: Sequence[Condition], workflow: Workflow | None) -> list[Condition]:
    """Return the conditions with the ids of their nodes. Raises UsageProblem for an unknown node or output."""
    warnings = list(doubtful_words(conditions))
    if workflow is not None:
        keys = [one.name for one in conditions if one.kind is Kind.OUTPUT]
        warnings += check_keys(keys, workflow.definition, "--for output:")
        conditions = [resolved_condition(one, workflow.nodes) for one in conditions]
    for line in warnings:
        noxus.context.terminal.note(f"warning: {line}")
    return list(conditions)


def _watch(
    noxus: Session,
    conditions: Sequence[Condition],
    progress: Progress,
    run: Run,
    workflow: Workflow | None,
    policy: Policy,
) -> ConditionWatch:
    nodes = (outputs_of(workflow.definition) if workflow is not None else None) or ()

    def find(output: Any, name: str) -> str | None:
        keys = keys_in(output, [name], nodes)[0]
        return pointer_to((keys[0],)) if keys else None

    return ConditionWatch(
        conditions,
        progress,
        EventDocuments(noxus.context.terminal.mask).of,
        lambda: noxus.api.get_run(run.workflow_id, run.id, within=noxus.deadline.left(READ_BESIDE)),
        find,
        Deadline(noxus.context.clock, policy.poll_interval),
    )


def _conclude_wait(noxus: Session, run: Run, watch: ConditionWatch) -> None:
    context, outcome = noxus.context, noxus.context.outcome
    context.enter(Phase.RUN)
    if watch.met is None and run.status == "failed":
        outcome.progress = explainer(context, noxus.api).explain(run, noxus.deadline, seen=watch.progress)
        watch.look()
    if watch.met is not None:
        outcome.matched = watch.met.document()
        noxus.print_status(run, watch.met.condition.text)
        return
    noxus.print_status(run)
    if run.paused:
        raise verdict_of(run) or not_finished(run)
    if not run.settled:
        raise not_finished(run)
    asked = " or ".join(f"--for {one.text!r}" for one in watch.conditions)
    verdict = verdict_of(run, watch.progress.why)
    ended, hint = (f"run {run.id} completed", None) if verdict is None else (verdict.message, verdict.hint)
    raise Unmet(f"{ended}; it never met {asked}", hint)
