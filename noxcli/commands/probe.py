"""`noxcli probe`: how this server behaves where the API's documentation is silent, as a table and as switches."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.cli.grouped import grouped
from noxcli.cli.groups import Common, Delivering, Given, Waiting
from noxcli.cli.invocation import Invocation, begin
from noxcli.cli.prepare import checked, given_inputs, note_keys, stored
from noxcli.errors import ExitCode, Phase, UsageProblem
from noxcli.files import check_target, save
from noxcli.fixed import fixed
from noxcli.models import Workflow
from noxcli.probe.learned import Learned, Sureness, switches_text
from noxcli.render.table import Layout, for_eyes, with_tabs

PROBE_SCHEMA = "noxcli.probe/1"
PROBE_COLUMNS = Layout(("WHAT", "SEEN", "CERTAINTY", "METHOD"), cut=("WHAT", "SEEN", "METHOD"), wraps=True)


@fixed
class Asking:
    """What probe may request from the server."""

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
        typer.Option(parser=options.some_time, metavar="DUR", help="Watch a silent event stream for this long."),
    ] = 20.0
    write: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write what was learned for sandbox --switches.")
    ] = None


@grouped
def probe(
    ctx: typer.Context,
    workflow: options.WorkflowArgument,
    *,
    given: Given,
    asking: Asking,
    as_json: options.DocumentOption = False,
    query: options.QueryOption = None,
    waiting: Waiting,
    common: Common,
) -> None:
    """Learn how a server behaves where the API's documentation is silent.

    It reads a run that has ended. With --start it also starts runs, and stops those that are still running at its
    end; it exits with 1 if one could not be stopped. What it prints and writes has no id and no text from the server.

    Examples:
        noxcli run demo 'User Input=hello' --quiet
        noxcli probe demo --watch 1s
        noxcli probe demo 'User Input=hello' --start 2 --write switches.toml
    """
    call = begin(ctx, common, waiting, Delivering(as_json=as_json, query=query))
    context = call.context
    if asking.write is not None:
        check_target(Path(asking.write), "--write")
    if not asking.start and (given.inputs or given.whole or given.secrets):
        raise UsageProblem("inputs were given, but no run is to be started", "add --start 1, or remove the inputs")
    inputs = given_inputs(context, given)
    from noxcli.probe.interview import interview, try_runs
    from noxcli.probe.trial import Trier

    with call.connect() as api:
        patience = call.patience()
        found = call.workflow(workflow, patience)
        known = found if found.nodes else patience.keep_trying(lambda: api.get_workflow(found.id))
        evidence = _evidence(call, known, asking)
        if asking.start:
            note_keys(context, known)
            payload = stored(call, checked(call, known, inputs, named=workflow), patience)
            trier = Trier(evidence.asker, found.id, asking.watch, context.terminal.note)
            evidence.trials = trier.trials
            try_runs(trier, payload, asking.start)
        learned = list(interview(evidence, context.terminal.note))
    code = ExitCode.RUN_FAILED if any(trial.left_running for trial in evidence.trials) else ExitCode.OK
    _show(context, learned, sum(trial.run_id is not None for trial in evidence.trials), code)
    if asking.write is not None:
        save(Path(asking.write), (line.encode() for line in switches_text(learned)))
        context.terminal.note(f"serve this behavior with: noxcli sandbox --switches {shlex.quote(asking.write)}")
    raise typer.Exit(code)


def _evidence(call: Invocation, workflow: Workflow, asking: Asking) -> Any:
    from noxcli.probe.asking import Asker
    from noxcli.probe.evidence import Evidence

    run_id = None
    if asking.run is not None:
        run = call.run(asking.run, call.patience())
        if run.workflow_id != workflow.id:
            raise UsageProblem("the run in --run does not belong to this workflow", "name a run of the workflow")
        run_id = run.id
    call.context.enter(Phase.FOLLOW)
    log = call.context.log
    asker = Asker(call.api.http, call.deadline, asking.max_requests, lambda: log.requests)
    return Evidence(asker, workflow.id, workflow.definition, asking.watch, run_id)


def _show(context: Context, learned: Sequence[Learned], started: int, code: ExitCode) -> None:
    terminal = context.terminal
    if not context.writes_text:
        context.write_document(
            {
                "schema": PROBE_SCHEMA,
                "ok": code is ExitCode.OK,
                "exit_code": int(code),
                "requests": context.log.requests,
                "runs_started": started,
                "findings": [
                    {
                        "name": each.name,
                        "what": each.what,
                        "seen": None if each.seen.sure is Sureness.NOT_SEEN else each.seen.text,
                        "sure": str(each.seen.sure),
                        "how": each.seen.how,
                        "switch": each.name,
                        "value": each.value,
                        "fact": each.fact,
                    }
                    for each in learned
                ],
            }
        )
    else:
        rows = [(each.what, each.seen.text, each.seen.sure.replace("_", " "), each.seen.how) for each in learned]
        if terminal.read_by_eyes:
            terminal.show(for_eyes(terminal, PROBE_COLUMNS, rows))
        else:
            terminal.write(with_tabs(rows))
    seen = sum(each.seen.sure is not Sureness.NOT_SEEN for each in learned)
    terminal.note(f"{seen} of {len(learned)} seen; requests: {context.log.requests}, runs started: {started}")
