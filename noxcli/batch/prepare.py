"""What `batch` and `gate` do before they begin.

Name what they are of, and validate their checks.
"""

from collections.abc import Sequence

from noxcli.batch.resume import RowCounts
from noxcli.batch.spec import BatchSpec
from noxcli.batchdir.header import BatchHeader, constants_of, digests_of
from noxcli.checks.row_checker import RowChecker
from noxcli.errors import UsageProblem
from noxcli.inputs.definition import keys_of, outputs_of
from noxcli.models import Workflow
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount
from noxcli.rows.columns import EXPECT
from noxcli.rows.reader import RowReader


def header_of(
    terminal: Terminal, workflow: Workflow, spec: BatchSpec, host: str, argv: Sequence[str]
) -> BatchHeader:
    """Return what makes the batch this one, on this host.

    Raises UsageProblem for a mistake in the table.
    """
    rows = spec.rows
    sent = rows.sent()
    if rows.separated_oddly:
        terminal.warn(f"{rows.name} uses {rows.separated_oddly}")
    definition = None
    nodes = None
    if spec.checked:
        definition, nodes = digests_of(workflow.definition)
    return BatchHeader(
        workflow.id,
        workflow.version_id,
        host,
        rows.name,
        str(spec.shard),
        constants_of(spec.common),
        sorted(spec.common.secret),
        sent,
        repeat=spec.shard.repeat,
        limit=rows.limit,
        only=None if rows.only is None else [],
        separator=rows.separator,
        outputs=list(keys_of(outputs_of(workflow.definition) or ())) or None,
        command=list(argv),
        definition=definition,
        nodes=nodes,
        workflow_name=workflow.name or "",
        version_name=workflow.version_name,
    )


def validate_checks(
    terminal: Terminal,
    checker: RowChecker,
    rows: RowReader,
    header: BatchHeader,
    seen: RowCounts,
) -> None:
    """Warn of rows without a check.

    Raises UsageProblem for a check that could not fail, or not hold.
    """
    if rows.empty:
        skipped = amount(rows.empty, "empty row")
        terminal.warn(
            f"{rows.name} has {skipped}, skipped: the first is in line {rows.first_empty}"
        )
    expects = EXPECT in rows.names
    if not (checker.has_checks or expects):
        if not seen.rows:
            terminal.warn(f"{rows.name} has no rows")
        return
    if not seen.rows:
        raise UsageProblem(
            f"{rows.name} has no rows, so nothing is checked", "add rows, or drop the checks"
        )
    outputs = header.outputs or ()
    checker.require_columns(rows.known, rows.renamed)
    checker.require_answers(outputs, "the workflow")
    if checker.expected is not None or checker.columns or expects:
        coverage = checker.coverage()
        for row in rows.rows():
            coverage.add(row.number, row.id, {**row.inputs.values, **row.columns})
        coverage.require(terminal.warn, outputs, "the workflow", own=expects, is_whole=True)
