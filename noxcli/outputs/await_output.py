"""The wait for the output of a run that has ended: the output may appear later than the status."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from noxcli.errors import (
    CommandLine,
    Hint,
    LostContact,
    NotAccessible,
    NoxError,
    OutputNotDelivered,
)
from noxcli.inputs.definition import OutputNode, outputs_of
from noxcli.models import Run, Workflow
from noxcli.retry import RetryPolicy, requested_pause
from noxcli.runs.record import access_lost

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

LAG_STEPS = (0.2, 0.4, 0.8, 1.6, 3.2)  # seconds between reads of a record that has no output yet


def read_own_record(
    api: "NoxusApi", run: Run, retries: RetryPolicy, *, running: bool = False
) -> Run:
    """Return an ended or paused run from its own record, or also one that is `running`: one found
    by id alone may lack parts of it, or be older.

    Raises LostContact if the server does not show it for as long as `retries` has, and what
    `retries` raises.
    """
    if run.with_output or not (run.settled or run.paused or running):
        return run
    try:
        own = retries.keep_trying(
            lambda within: api.within(within).get_run(run.workflow_id, run.id), known=True
        )
    except LostContact as error:
        what = f"the record of run {run.id} can't be read: {error.message}"
        raise LostContact(
            what, Hint("try again: ", CommandLine("wait", run.id)), **error.facts()
        ) from error
    except NotAccessible as error:
        raise access_lost(error, run.id, ended=run.settled) from error
    return replace(
        own,
        workflow=own.workflow or run.workflow,
        input=run.input if own.input is None else own.input,
    )


def await_output(
    api: "NoxusApi", run: Run, retries: RetryPolicy, workflow: Workflow | None = None
) -> Run:
    """Return the completed run with its output.

    Wait for it unless the workflow is known to have none. `workflow` is its definition, if it was
    read before. Raises OutputNotDelivered if the output stays empty.
    """
    run = read_own_record(api, run, retries)
    if not is_empty(run.output):
        return run
    nodes = find_output_nodes(api, run, retries, workflow)
    skipped = run.progress_details.get("skipped_nodes")
    if nodes is not None and all(
        isinstance(skipped, list) and node.id in skipped for node in nodes
    ):
        return run  # a branch that it did not take has no output
    limit = retries.limit()
    trouble: NoxError | None = None
    for step in LAG_STEPS:
        pause = max(step, requested_pause(trouble))
        if pause >= limit.remaining():
            break
        limit.clock.sleep(pause)
        trouble = None
        try:
            latest = api.within(limit.remaining()).get_run(run.workflow_id, run.id)
        except NoxError as error:
            trouble = error
            continue
        if latest.status == run.status and not is_empty(latest.output):
            return latest
    raise OutputNotDelivered(
        f"run {run.id} completed, but its record has no output yet",
        Hint("try again: ", CommandLine("fetch-output", run.id)),
    )


def find_output_nodes(
    api: "NoxusApi", run: Run, retries: RetryPolicy, workflow: Workflow | None = None
) -> Sequence[OutputNode] | None:
    """Return the output nodes of the run's workflow, None if its definition can't be read."""
    for known in (workflow, run.workflow):
        if known is not None and (nodes := outputs_of(known.definition)) is not None:
            return nodes
    with suppress(NoxError):
        read = retries.keep_trying(lambda within: api.within(within).get_workflow(run.workflow_id))
        return outputs_of(read.definition)
    return None


def is_empty(output: Any) -> bool:
    """True if the record has no output, or an output without values."""
    return output is None or output == {} or output == []
