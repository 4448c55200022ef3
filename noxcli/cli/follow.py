"""Following and judging a run, for `run` and `stream`, in part for `wait` and `fetch-output`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from noxcli.cli.context import Context
from noxcli.cli.options import RETRY_FOLLOWING, CommonOptions, FollowOptions
from noxcli.cli.session import NAMES_WITHIN, Session
from noxcli.errors import NoxError, Phase, TimedOut
from noxcli.models import Run, Started, Workflow
from noxcli.render import Renderer
from noxcli.render.renderers import play, run_progress
from noxcli.reports.result import Outcome, verdict_of
from noxcli.retry import Pause
from noxcli.runs.follow import Burst, Follower, Policy
from noxcli.runs.progress import Progress


def policy_of(context: Context, options: CommonOptions) -> Policy:
    """Return how to follow: by the options, or by the context where they do not say it."""
    policy = Policy(
        every_event=context.printing.format.is_live,
        leave_when_paused=not context.terminal.interactive,
        idle_timeout=context.configured.limit("idle_timeout"),
        retry_for=RETRY_FOLLOWING if options.retry_for is None else options.retry_for,
    )
    if not isinstance(options, FollowOptions):
        return policy
    if options.on_pause is not None:
        policy = replace(policy, leave_when_paused=options.on_pause == "exit")
    return replace(
        policy,
        stream=not options.no_stream,
        poll_interval=options.poll_interval,
        stall_timeout=options.stall_timeout,
        stop_when_late=options.on_timeout == "stop",
    )


def to_end(
    noxus: Session,
    run: Run,
    options: CommonOptions,
    *,
    positions: Sequence[str] = (),
    workflow: Workflow | None = None,
) -> Run:
    """Follow the run, shown as the format and the terminal require, until it has its verdict.

    `workflow` is what was already read of it; None reads it here. Raises UsageProblem for an output
    in --raw, --query or --assert that a running run is known not to have, by its own definition or,
    without a saved version, the current one.
    """
    context = noxus.context
    outcome = context.outcome
    outcome.entered(Phase.FOLLOW)
    if noxus.deadline.seconds == 0 and not (run.settled or run.paused):
        return run
    if workflow is None:
        workflow = _read_and_check(noxus, run, options)
    progress = progress_of(noxus, run, workflow)
    outcome.watched(progress)
    context.followed = progress
    writer = context.printing.event_writer(outcome)
    renderers: list[Renderer] = []
    if writer is not None:
        renderers.append(writer)
    shown = run_progress(context.terminal, progress, writes_events=writer is not None)
    if shown is not None:
        renderers.append(shown)
    if writer is not None:
        # It comes last: the cursor may only name events that are on stdout.
        renderers.append(context.history.keep_cursor(run.id, positions))
    policy = policy_of(context, options)
    return follow_updates(noxus, progress, policy, renderers, positions=positions)


def _read_and_check(noxus: Session, run: Run, options: CommonOptions) -> Workflow | None:
    """Return what is needed of the run's workflow, and check the outputs that the options name."""
    context = noxus.context
    raw = options.raw or ()
    shows_names = not (context.terminal.quiet and context.printing.format.is_text)
    workflow = run.workflow
    if shows_names or raw or context.reports.asserts:
        workflow = read_workflow_of(noxus, run)
    if workflow is None or run.settled:  # a run that has ended is its own check
        return workflow
    if workflow is run.workflow or run.version_id is None:
        from noxcli.cli.start import check_outputs

        check_outputs(noxus, raw, workflow)
    return workflow


def progress_of(noxus: Session, run: Run, workflow: Workflow | None) -> Progress:
    """Return what is shown of a run.

    Only one that this command has started is watched from its start.
    """
    started_here = noxus.context.outcome.attempt is not None
    shown = noxus.context.terminal.mask.torn
    return Progress(run, noxus.context.clock, workflow, from_start=started_here, shown=shown)


def follow_updates(
    noxus: Session,
    progress: Progress,
    policy: Policy,
    renderers: Sequence[Renderer],
    *,
    positions: Sequence[str] = (),
    waiting: Callable[[Pause | None], None] | None = None,
) -> Run:
    """Follow a run to its end, and note in the outcome how far that came.

    `waiting` gets what the reads wait for. Raises TimedOut, which says whether the run was stopped
    or still runs, and what the follower raises.
    """
    outcome = noxus.context.outcome
    follower = Follower(
        noxus.api,
        progress.run,
        policy=policy,
        deadline=noxus.deadline,
        positions=positions,
        just_started=progress.from_start,
        stuck=progress.stuck,
    )
    outcome.begins_to_follow(follower.dedup)
    record = follower.record
    try:
        try:
            updates = follower.updates()
            if waiting is not None:
                updates = _noting(waiting, follower)
            play(chain([[Started(progress.run)]], updates), progress, renderers)
        finally:
            connects = follower.stream.connects
            outcome.followed(record.now, confirmed=record.confirmed, connects=connects)
    except TimedOut as late:
        return stop_or_raise(noxus, outcome, policy, late)
    return record.now


def _noting(waiting: Callable[[Pause | None], None], follower: Follower) -> Iterator[Burst]:
    """Yield the follower's updates, and pass on after each what its reads wait for."""
    for burst in follower.updates():
        waiting(follower.pause)
        yield burst


def stop_or_raise(noxus: Session, outcome: Outcome, policy: Policy, late: TimedOut) -> Run:
    """Stop following a run that has outlasted a limit, or stop it if that is the policy.

    Return it if it has ended. Raises TimedOut, which says whether it was stopped or still runs.
    """
    run = outcome.run
    if run is None or not policy.stop_when_late:
        raise late
    what, hint = noxus.stop(outcome, run)
    if outcome.run is not None and outcome.run.settled and outcome.run.status != "stopped":
        return outcome.run
    raise TimedOut(f"{late.message}; {what}", hint)


def read_workflow_of(noxus: Session, run: Run) -> Workflow | None:
    """Return the workflow with the names of its nodes; without it, their ids are enough."""
    if run.workflow is not None and run.workflow.nodes:
        return run.workflow
    within = noxus.retries().limit().remaining(NAMES_WITHIN)
    try:
        return noxus.api.within(within).get_workflow(run.workflow_id)
    except NoxError:
        return None


def require_completed(noxus: Session, run: Run, seen: Progress | None = None) -> None:
    """Do nothing for a completed run; `seen` is what its events showed, unless the outcome has it.

    Raises Incomplete, with the reason of a failure if it can be found, and NotFinished for a run
    that has not ended.
    """
    outcome = noxus.context.outcome
    outcome.entered(Phase.RUN)
    why = ""
    if run.status == "failed":
        explained = explain_failure(noxus, run, seen or outcome.progress)
        outcome.watched(explained)
        why = explained.why
    verdict = verdict_of(run, why)
    if verdict is not None:
        raise verdict


def explain_failure(noxus: Session, run: Run, seen: Progress | None = None) -> Progress:
    """Return what is known about a failed run's nodes, and why it failed.

    `seen` is what its events showed.
    """
    from noxcli.runs.failure import explain  # loaded only for a failed run

    return explain(noxus.api, run, noxus.deadline, noxus.context.terminal.mask.torn, seen=seen)
