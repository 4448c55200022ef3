"""`noxcli wait`: wait for runs without a live view.

Print one line each as they end, and exit with the worst code.
"""

import typer

from noxcli.cli.options import (
    RUNS,
    DocumentOptions,
    FollowOptions,
    ReportOptions,
    declared,
    flag,
    source_of,
)
from noxcli.cli.verbs import Codes
from noxcli.errors import CommandLine, Phase, UsageProblem
from noxcli.reports.result import Outcome


@declared
class Options(DocumentOptions, ReportOptions, FollowOptions):
    """Wait for runs to end, and print RUN_ID<TAB>STATUS for each.

    Examples:
        noxcli run qa Question=one --detach > runs.txt
        noxcli run qa Question=two --detach >> runs.txt
        noxcli wait - --timeout 10m < runs.txt
        # Exit at the first run that does not complete.
        noxcli wait $(cat runs.txt) --fail-fast
    """

    codes = Codes.FAILED | Codes.LOST | Codes.TIMED_OUT

    runs: list[str] | None = RUNS
    any_one: bool = flag("--any", "Exit when the first run has ended.")
    fail_fast: bool = flag("--fail-fast", "Exit at the first run that did not complete.")


def execute(ctx: typer.Context, options: Options) -> None:
    """Wait for each run. Raises the worst error, after all of them."""
    from noxcli.cli.follow import policy_of  # the help loads none of what waiting needs
    from noxcli.cli.session import begin, choose_run
    from noxcli.commands.wait_runs import ManyRuns, wait_for_one
    from noxcli.runs.resolve import parse_runs

    noxus = begin(ctx, options)
    context = noxus.context
    named = options.runs or [choose_run(context, None)]
    context.listed = "-" in named
    runs = parse_runs(named, context.sources)
    if not runs:
        context.outcomes = []
        context.terminal.note("nothing to wait for: stdin names no run")
        return
    context.resume_command = CommandLine("wait", *runs)
    context.outcomes = [Outcome(text, may_exist=True, phase=Phase.FOLLOW) for text in runs]
    # A default is for the verbs that follow one run.
    if len(runs) > 1 and source_of(ctx, "stall_timeout") == "COMMANDLINE":
        raise UsageProblem(
            "--stall-timeout is for one run", f"wait for each of the {len(runs)} runs separately"
        )
    policy = policy_of(context, options)
    with noxus.connect():
        for outcome in context.outcomes:
            outcome.concerns(noxus.complete_id(outcome.subject, noxus.retries()))
        if len(runs) == 1:
            wait_for_one(noxus, context.outcome.subject, policy)
        else:
            ManyRuns(
                noxus, policy, any_one=options.any_one, fail_fast=options.fail_fast
            ).wait_to_end()
