"""`noxcli rerun`: start another run with the inputs of an earlier one, and follow it like `run`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from noxcli.cli.options import RunOptions, argument, declared, option
from noxcli.cli.verbs import Codes
from noxcli.errors import CommandLine, Hint, Phase, UsageProblem
from noxcli.models import Run, Workflow

if TYPE_CHECKING:
    from noxcli.cli.session import Session
    from noxcli.inputs.definition import InputNode
    from noxcli.inputs.parse import Inputs


@declared
class Options(RunOptions):
    """Start a run again with the same inputs, or others, and follow it like run.

    Workflow, version, inputs and uploaded files come from the record of RUN, which may have been
    started elsewhere. Secret inputs are also sent again, and not shown.

    Examples:
        noxcli run demo 'User Input=hello'
        noxcli rerun @last
        # Change one of the inputs, and preview the request.
        noxcli rerun @last 'Analysis Type=long' --dry-run
    """

    codes = Codes.FAILED | Codes.IN_DOUBT | Codes.TIMED_OUT

    run: str = argument("RUN", "Run id, WORKFLOW_ID/RUN_ID, @last or -.")
    version_id: str | None = option(
        "--version-id",
        "VERSION",
        "Use this saved version, by id or exact name. [default: that of RUN, else the current one]",
        None,
    )


def execute(ctx: typer.Context, options: Options) -> None:
    """Start the run again, follow it and deliver its output.

    Raises the NoxError that the command ends with.
    """
    # The help loads none of what a run needs.
    from noxcli.cli import deliver, follow, session, start

    noxus = session.begin(ctx, options, subject=options.run)
    start.require_startable(ctx, options)
    deliver.check_directory(noxus)
    given = start.parse_given_inputs(noxus, options, options.whole)
    with noxus.connect(Phase.PREFLIGHT):
        earlier = noxus.read_run(options.run, noxus.retries(), listed=False)
        if earlier.runs_only_part:
            raise UsageProblem(
                f"run {earlier.id} ran a part of its workflow, and noxcli starts whole workflows",
                Hint("start it with: ", CommandLine("run", earlier.workflow_id, "INPUT...")),
            )
        version_id = options.version_id
        if version_id is None:
            version_id = earlier.version_id
            uses = f"uses version {version_id}, as run {earlier.id} did"
            if version_id is None:
                uses = f"uses the current version: the record of run {earlier.id} names none"
            noxus.context.terminal.note(uses)
        # The workflow is read again: the run's record may have an older version of it.
        found = Workflow(earlier.workflow_id, earlier.workflow.name if earlier.workflow else "")
        workflow = start.read_workflow_to_run(noxus, found, version_id, checks=not options.no_check)
        inputs = _merge_inputs(noxus, earlier, given, workflow)
        inputs = start.check_inputs(noxus, workflow, inputs, options, found.name or found.id)
        run = start.start_once(noxus, workflow, inputs, options)
        if run is not None:
            ended = follow.to_end(noxus, run, options, workflow=workflow)
            deliver.deliver(noxus, ended, options, workflow=workflow)


def _merge_inputs(noxus: "Session", earlier: Run, given: "Inputs", workflow: Workflow) -> "Inputs":
    """Return the run's inputs, changed by those on the command line.

    Raises UsageProblem if more are needed.
    """
    from noxcli.inputs.definition import inputs_of
    from noxcli.outputs.expand import complete_inline  # as above

    context = noxus.context
    run_id = earlier.id
    if not isinstance(earlier.input, dict):
        raise UsageProblem(
            f"the record of run {run_id} has no inputs",
            Hint("give them all: ", CommandLine("run", earlier.workflow_id, "INPUT...")),
        )
    entry = context.history.find_entry(run_id, context.base_url)
    secret = None  # which were secret is not known
    if entry is not None:
        secret = entry.secret_inputs
    merged = with_recorded(earlier.input, given, secret, inputs_of(workflow.definition) or ())
    # A record has only the beginning of a long text.
    recorded = {key: value for key, value in merged.values.items() if key not in given.values}
    completed = complete_inline(noxus.api, recorded, noxus.retries())
    if completed.problems:
        raise UsageProblem(
            f"the record has only the beginning of an input: {'; '.join(completed.problems)}",
            "give it again",
        )
    inputs = replace(merged, values={**completed.output, **given.values})
    context.hide(replace(inputs, secret=inputs.secret - given.secret))
    if inputs.veiled:
        context.terminal.note(
            f"sends the inputs of run {run_id} as recorded, and does not show them: "
            "which were secret is not known"
        )
    return inputs


def with_recorded(
    recorded: Mapping[str, Any],
    given: "Inputs",
    secret: Collection[str] | None,
    nodes: "Sequence[InputNode]",
) -> "Inputs":
    """Return the recorded inputs of a run, replaced by those that are `given`.

    `secret` has the keys of its secrets, None if they are not known. They stay secret; unless all
    are among the recorded ones, each of these may be one. By the known `nodes`, a label and an id
    may mean the same input.
    """
    from noxcli.inputs.definition import meant_by

    def meaning(key: str) -> str:
        meant = meant_by(key, nodes)
        return meant[0].id if len(meant) == 1 else key

    overridden = {meaning(key) for key in given.values}
    kept = {key: value for key, value in recorded.items() if meaning(key) not in overridden}
    values = {**kept, **given.values}
    hidden = {meaning(key) for key in secret or ()}
    secrets = {key for key in values if meaning(key) in hidden}
    veiled = frozenset(kept)
    if secret is not None and hidden <= {meaning(key) for key in recorded}:
        veiled = frozenset()
    return replace(given, values=values, secret=given.secret | secrets, veiled=veiled)
