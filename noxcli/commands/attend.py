"""What `run` and `stream` share, and `wait` and `fetch-output` in part: follow, judge, deliver."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from noxcli.commands import options
from noxcli.commands.context import Context
from noxcli.deliver import Delivered, Delivery, is_complete
from noxcli.encode import to_json
from noxcli.errors import NotFinished, NoxError, Phase, RunFailed, RunPaused, RunStopped, Undelivered, UsageProblem
from noxcli.files import prepare_directory
from noxcli.follow import Burst, Follower, Policy
from noxcli.models import Run, Started, Workflow
from noxcli.output import Format, play, progress_renderer
from noxcli.patience import Patience
from noxcli.progress import Progress
from noxcli.timing import Deadline
from noxcli.values import as_text, text_of

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

NAMES_WITHIN = 5.0


def check_directory(output_dir: str | None) -> None:
    """Find out before anything is started, and paid for, that the outputs could not be written.

    Raises UsageProblem.
    """
    if output_dir is not None:
        try:
            prepare_directory(Path(output_dir))
        except Undelivered as error:
            raise UsageProblem(error.message, error.hint) from None


def following(
    context: Context,
    *,
    stream: bool = True,
    poll_interval: float = 2.0,
    idle_timeout: float = 30.0,
    stall_timeout: float | None = None,
    retry_for: float | None = None,
    on_pause: str | None = None,
) -> Policy:
    """Return how to follow, from what the options say and what they leave to the surroundings."""
    return Policy(
        stream=stream,
        every_event=context.format in {Format.CONTENT, Format.NDJSON},
        leave_when_paused=not context.terminal.interactive if on_pause is None else on_pause == "exit",
        poll_interval=poll_interval,
        idle_timeout=idle_timeout,
        stall_timeout=stall_timeout,
        retry_for=options.during(retry_for),
    )


def attend(
    context: Context,
    api: "NoxusApi",
    run: Run,
    deadline: Deadline,
    policy: Policy,
    *,
    cursor: str | None = None,
    just_started: bool = False,
    workflow: Workflow | None = None,
) -> Run:
    """Follow the run, showing it as the format and the terminal ask, until its record has the verdict.

    `workflow` is what was read of it before; None leaves that to us.
    """
    outcome = context.outcome
    context.enter(Phase.FOLLOW)
    if deadline.seconds == 0 and not (run.settled or run.paused):
        raise NotFinished(f"run {run.id} is still {run.status}", f"wait for it: noxcli wait {run.id}")
    progress = outcome.progress = Progress(run, context.clock, workflow or _workflow(context, api, run, deadline))
    follower = Follower(
        api,
        run,
        policy=policy,
        clock=context.clock,
        deadline=deadline,
        cursor=cursor,
        just_started=just_started,
        stuck=progress.stuck,
    )
    outcome.ledger, outcome.measured = follower.ledger, just_started
    writer = context.event_writer()
    # The cursor comes last: it may only name what stdout has.
    keeper = context.journal.keep_cursor(run.id) if writer is not None else None
    shown = [writer, progress_renderer(context.terminal, progress), keeper]
    renderers = [renderer for renderer in shown if renderer is not None]
    try:
        play(_from_start(follower), progress, renderers, context.signals.held)
    finally:
        outcome.run, outcome.confirmed, outcome.connects = follower.run, follower.confirmed, follower.connects
    return follower.run


def _from_start(follower: Follower) -> Iterator[Burst]:
    yield [Started(follower.run)]
    yield from follower.updates()


def _workflow(context: Context, api: "NoxusApi", run: Run, deadline: Deadline) -> Workflow | None:
    """Fetch the workflow for its nodes' names where somebody will see them; without it, their ids do."""
    if run.workflow is not None and run.workflow.nodes:
        return run.workflow
    if context.terminal.quiet and context.writes_text:
        return None
    try:
        return api.get_workflow(run.workflow_id, within=deadline.left(NAMES_WITHIN))
    except NoxError:
        return None


def judge(context: Context, run: Run) -> None:
    """Do nothing for a completed run.

    Raises RunFailed, RunStopped or RunPaused for the others.
    """
    context.enter(Phase.RUN)
    match run.status:
        case "completed":
            return
        case "stopped":
            raise RunStopped(f"run {run.id} was stopped")
        case "failed":
            raise RunFailed(f"run {run.id} failed{_failed_at(context)}")
        case _:
            raise RunPaused(f"run {run.id} waits for a person", f"afterwards: noxcli wait {run.id}")


def _failed_at(context: Context) -> str:
    nodes = context.outcome.progress.nodes.values() if context.outcome.progress else ()
    for node in nodes:
        if node.failed:
            said = context.terminal.mask.torn(node.tail)
            return f" at {node.name!r}" + (f": {said}" if said else "")
    return ""


def deliver(
    context: Context,
    api: "NoxusApi",
    run: Run,
    patience: Patience,
    *,
    raw: str | None = None,
    output_dir: str | None = None,
    expand: bool = True,
) -> None:
    """Hand over the output of a completed run, in the form that was asked for.

    Raises Undelivered where not all of it could be had or written, after delivering the rest.
    """
    context.enter(Phase.DELIVER)
    output = _chosen(run.output, raw)
    if output_dir is not None:
        prepare_directory(Path(output_dir))
        delivered = Delivery(api, patience).to_directory(run, Path(output_dir))
    elif expand:
        delivered = Delivery(api, patience).inline(output)
    else:
        delivered = Delivered(output, complete=is_complete(output))
    context.outcome.delivered = delivered
    if output_dir is not None:
        context.terminal.note(f"saved {len(delivered.files)} files in {output_dir}")
    if delivered.problems and raw is not None:
        raise Undelivered(f"the output of run {run.id} is not whole: {'; '.join(delivered.problems)}", _again(run))
    if context.format is Format.TEXT:
        context.terminal.write(_as_stdout(delivered, raw, to_files=output_dir is not None))
    if delivered.problems:
        raise Undelivered(f"the output of run {run.id} is not whole: {'; '.join(delivered.problems)}", _again(run))


def _chosen(output: object, raw: str | None) -> object:
    if raw is None:
        return output
    if not isinstance(output, dict) or raw not in output:
        keys = ", ".join(map(repr, output)) if isinstance(output, dict) and output else "none"
        raise UsageProblem(f"the output has no key {raw!r}", f"its keys: {keys}")
    return {raw: output[raw]}


def _again(run: Run) -> str:
    return f"try again: noxcli fetch-output {run.id}"


def _as_stdout(delivered: Delivered, raw: str | None, *, to_files: bool) -> bytes:
    output = delivered.output
    if raw is not None and isinstance(output, dict) and not to_files:
        return as_text(output[raw]).encode("utf-8", "surrogatepass")
    if to_files:
        return "".join(f"{file['path']}\n" for file in delivered.files).encode("utf-8", "surrogateescape")
    values = list(output.values()) if isinstance(output, dict) else [output]
    text = text_of(values[0]) if len(values) == 1 else None
    if text is None:
        return f"{to_json(output, indent=2)}\n".encode()
    return (text if text.endswith("\n") else f"{text}\n").encode("utf-8", "surrogatepass")
