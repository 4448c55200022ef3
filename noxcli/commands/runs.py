"""`noxcli runs`: past and current runs, newest first."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from noxcli.cli.options import (
    LISTED,
    MAX_LISTED,
    STATUS,
    DocumentOptions,
    LimitOptions,
    argument,
    declared,
    flag,
    option,
    read_statuses,
)
from noxcli.cli.verbs import Codes
from noxcli.errors import CommandLine, Hint, Phase, UsageProblem
from noxcli.models import Run, Workflow
from noxcli.render.table import Layout, Listing, age, duration
from noxcli.reports.result import Outcome

if TYPE_CHECKING:
    from noxcli.api import NoxusApi
    from noxcli.cli.session import Session
    from noxcli.retry import ReadPages
    from noxcli.runs.past import Selection

RUN_FIELDS = (
    "id",
    "workflow_id",
    "workflow_name",
    "version_id",
    "status",
    "progress",
    "created_at",
    "finished_at",
    "duration_s",
)
RUN_LISTING = Listing(
    "runs",
    Layout(
        ("ID", "STATUS", "WORKFLOW", "CREATED", "DURATION"),
        cut=("WORKFLOW",),
        dropped=("DURATION", "CREATED", "WORKFLOW"),
        marked=("STATUS",),
        shown={"CREATED": age, "DURATION": duration},
    ),
    ("id", "status", "workflow_name workflow_id", "created_at", "duration_s"),
)


@declared
class Options(DocumentOptions, LimitOptions):
    """List runs, newest first.

    With --rows, print a table for batch and gate: each run's inputs, its id as $id and its output
    as $output.

    Examples:
        noxcli run demo 'User Input=hello' --detach
        noxcli runs --limit 5
        noxcli runs demo --status failed --since 7d --json | jq -r '.runs[].id'
        noxcli runs demo --limit 1 | noxcli fetch-output - --wait --raw Answer
        # The questions of last week, each once.
        noxcli runs demo --rows --unique --since 7d > questions.jsonl
    """

    codes = {2: "bad usage or config"} | Codes.NO_KEY | Codes.TEMPORARY

    workflow: str | None = argument("[WORKFLOW]", "List only runs of this workflow.", None)
    status: list[str] | None = STATUS
    since: str | None = option(
        "--since", "TIME", "List only runs created since then: 7d, 12h, or a time in UTC.", None
    )
    until: str | None = option("--until", "TIME", "List only runs created before then.", None)
    version_id: str | None = option(
        "--version-id",
        "VERSION",
        "List only runs of this saved version, by id or exact name.",
        None,
    )
    not_from: list[str] | None = option(
        "--not-from", "DIR", "Leave out the runs of this batch or gate; repeatable.", None
    )
    limit: int | None = option(
        "--limit",
        "N",
        f"List at most the newest N. [default: {LISTED}; with --rows, all]",
        None,
        min=1,
        max=MAX_LISTED,
    )
    rows: bool = flag("--rows", "Print inputs and outputs as rows for batch and gate.")
    unique: bool = flag("--unique", "Of runs with equal inputs, print only the oldest as a row.")


def execute(ctx: typer.Context, options: Options) -> None:
    """List the runs. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of what a list needs
    from noxcli.runs.past import newest_first

    noxus = begin(ctx, options)
    _require_fitting(options)
    wanted = _select(noxus, options)
    limit = options.limit
    if limit is None:
        limit = MAX_LISTED if options.rows else LISTED
    of = None
    with noxus.connect(Phase.DELIVER) as api:
        if options.rows:
            api.pace_requests()
        if options.workflow is not None:
            of = noxus.resolve_workflow(options.workflow)
            if options.version_id is not None:
                wanted = replace(wanted, version_id=_find_version(noxus, of, options.version_id))
        listed_of = None if of is None else of.id

        def read(api: "NoxusApi", pages: "ReadPages") -> list[Run]:
            runs = newest_first(api.list_runs(listed_of, pages=pages), wanted.since)
            return list(islice(filter(wanted.includes, runs), limit))

        found = noxus.keep_listing(read)
        if of is not None and options.rows:
            from noxcli.commands.runs_rows import print_rows  # loads what only rows need

            print_rows(noxus, found[::-1], of.id, unique=options.unique)
            return
    # A workflow given by its id has no name, unless the list says it.
    entries = [_entry(run if run.workflow else replace(run, workflow=of)) for run in found]
    noxus.print_list(RUN_LISTING, entries, limit)


def _require_fitting(options: Options) -> None:
    """Raise UsageProblem for options that need others, or contradict them."""
    if options.workflow is None and (options.rows or options.version_id is not None):
        given = "--rows" if options.rows else "--version-id"
        raise UsageProblem(
            f"{given} needs a WORKFLOW", Hint("list them with: ", CommandLine("workflows"))
        )
    if options.unique and not options.rows:
        raise UsageProblem("--unique is about rows", "add --rows")
    if options.rows and (options.as_json or options.query is not None):
        raise UsageProblem("--rows prints JSON lines", "remove --json and --query")


def _select(noxus: "Session", options: Options) -> "Selection":
    """Return which runs the options select, apart from the version."""
    from noxcli.batchdir.run_ids import read_run_ids  # as above
    from noxcli.runs.past import Selection
    from noxcli.timing import parse_moment

    now = noxus.context.clock.now()
    excluded: set[str] = set()
    for directory in options.not_from or ():
        excluded |= read_run_ids(Path(directory))
    return Selection(
        read_statuses(options.status or []),
        since=None if options.since is None else parse_moment(options.since, now),
        until=None if options.until is None else parse_moment(options.until, now),
        excluded=excluded,
    )


def _find_version(noxus: "Session", workflow: Workflow, text: str) -> str:
    """Return the id of a saved version. Raises as `resolve_version`."""
    from noxcli.runs.resolve import resolve_version  # as above

    return resolve_version(noxus.list_versions(workflow.id), text).id


def _entry(run: Run) -> dict[str, Any]:
    fields = Outcome(run=run).document_of_run() or {}
    return {name: fields[name] for name in RUN_FIELDS}
