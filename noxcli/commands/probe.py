"""`noxcli probe`: how this server behaves where the API's documentation is silent, as a table and as switches."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import Common, Documented, InputOptions, Waiting, WorkflowArgument, declared, some_time
from noxcli.errors import ExitCode, Phase, UsageProblem

if TYPE_CHECKING:
    from noxcli.cli.session import Session
    from noxcli.models import Workflow
    from noxcli.probe.learned import Learned

PROBE_SCHEMA = "noxcli.probe/1"


@declared
class Options(Documented, InputOptions, Waiting, Common):
    """Learn how a server behaves where the API's documentation is silent.

    It reads a run that has ended. With --start it also starts runs, and stops those that are still running at its
    end; it exits with 1 if one could not be stopped. What it prints and writes has no id and no text from the server.

    Examples:
        noxcli run demo 'User Input=hello' --quiet
        noxcli probe demo --watch 1s
        noxcli probe demo 'User Input=hello' --start 2 --write switches.toml
    """

    workflow: WorkflowArgument
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Learn from this run. [default: the newest completed one]", show_default=False
        ),
    ] = None
    start: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=2, help="Start up to N runs: one to watch, a second one to stop."),
    ] = 0
    max_requests: Annotated[int, typer.Option(metavar="N", min=1, help="Send at most N requests.")] = 80
    watch: Annotated[
        float,
        typer.Option(parser=some_time, metavar="DUR", help="Watch a silent event stream for this long."),
    ] = 20.0
    write: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write what was learned for sandbox --switches.")
    ] = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Ask, and print what was learned. Raises typer.Exit with the code, and the NoxError that the command ends with."""
    from noxcli.cli.prepare import checked, given_inputs, note_keys, stored  # the help loads none of these
    from noxcli.cli.session import begin
    from noxcli.files import save
    from noxcli.inputs.uploads import Upload
    from noxcli.models import Attempt
    from noxcli.probe.asking import LEAST_FOR_A_RUN
    from noxcli.probe.interview import interview, try_runs
    from noxcli.probe.learned import switches_text
    from noxcli.probe.trial import Trier

    noxus = begin(ctx, options)
    context = noxus.context
    if not options.start and (options.inputs or options.whole or options.secrets):
        raise UsageProblem("inputs were given, but no run is to be started", "add --start 1, or remove the inputs")
    inputs = given_inputs(context, options)
    with noxus.connect() as api:
        found = noxus.workflow(options.workflow)
        known = found if found.nodes else noxus.keep_trying(lambda: api.get_workflow(found.id))
        evidence = _evidence(noxus, known, options)
        if options.start:
            note_keys(context, known)
            usable = checked(noxus, known, inputs, named=options.workflow)
            uploads = sum(isinstance(value, Upload) for value in usable.values.values())
            if context.requests + uploads + LEAST_FOR_A_RUN > options.max_requests:
                raise UsageProblem(f"--max-requests {options.max_requests} allows no run", "raise it, or drop --start")
            context.outcome.attempt = attempt = Attempt()
            payload = stored(noxus, usable)
            trier = Trier(
                evidence.asker, found.id, options.watch, context.terminal.note, context.terminal.warn, attempt
            )
            evidence.trials = trier.trials
            try_runs(trier, payload, options.start)
        learned = list(interview(evidence, context.terminal.note))
    code = ExitCode.RUN_FAILED if any(trial.left_running for trial in evidence.trials) else ExitCode.OK
    _show(context, learned, sum(trial.run_id is not None for trial in evidence.trials), code)
    if options.write is not None:
        save(Path(options.write), (line.encode() for line in switches_text(learned)))
        context.terminal.note(f"serve this behavior with: noxcli sandbox --switches {shlex.quote(options.write)}")
    raise typer.Exit(code)


def _evidence(noxus: "Session", workflow: "Workflow", options: Options) -> Any:
    from noxcli.probe.asking import Asker
    from noxcli.probe.evidence import Evidence

    run_id = None
    if options.run is not None:
        run = noxus.run(options.run, noxus.patience())
        if run.workflow_id != workflow.id:
            raise UsageProblem("the run in --run does not belong to this workflow", "name a run of the workflow")
        run_id = run.id
    noxus.context.outcome.phase = Phase.FOLLOW
    asker = Asker(noxus.api.http, noxus.deadline, options.max_requests, lambda: noxus.context.requests)
    return Evidence(asker, workflow.id, workflow.definition, options.watch, run_id)


def _show(context: Context, learned: "Sequence[Learned]", started: int, code: ExitCode) -> None:
    from noxcli.probe.facts import fact_about
    from noxcli.probe.learned import Sureness
    from noxcli.render.table import Layout, show_table

    terminal = context.terminal
    if not context.printing.writes_text:
        context.printing.document(
            {
                "schema": PROBE_SCHEMA,
                "ok": code is ExitCode.OK,
                "exit_code": int(code),
                "requests": context.requests,
                "runs_started": started,
                "findings": [
                    {
                        "name": question.name,
                        "what": question.what,
                        "seen": None if seen.sure is Sureness.NOT_SEEN else seen.text,
                        "sure": str(seen.sure),
                        "how": seen.how,
                        "switch": question.name,
                        "value": seen.value,
                        "fact": fact.name if (fact := fact_about(question.name)) else None,
                    }
                    for question, seen in learned
                ],
            }
        )
    else:
        rows = [(question.what, seen.text, seen.sure.replace("_", " "), seen.how) for question, seen in learned]
        columns = Layout(("WHAT", "SEEN", "CERTAINTY", "METHOD"), cut=("WHAT", "SEEN", "METHOD"), wraps=True)
        show_table(terminal, columns, rows)
    count = sum(seen.sure is not Sureness.NOT_SEEN for _, seen in learned)
    terminal.note(f"{count} of {len(learned)} seen; requests: {context.requests}, runs started: {started}")
