"""Where a call writes: the form of stdout, and the reports."""

from pathlib import Path

from noxcli.cli.apart import STDOUT, files_read, require_apart
from noxcli.cli.context import Context
from noxcli.cli.options import AssertOptions, CheckOptions, Printed
from noxcli.errors import UsageProblem
from noxcli.render import Format
from noxcli.reports.writer import HEADS, Reports, ci_system


def present(context: Context, options: Printed) -> None:
    """Decide how results and errors are shown, before there is an error to show.

    Raises UsageProblem if the options contradict each other.
    """
    form = options.form
    terminal = context.terminal
    printing = context.printing
    # A --query that nothing contradicts also wants a document.
    queried = options.query is not None and form.is_final_text and not options.raw
    printing.format = Format.JSON if options.as_json or queried else form
    terminal.quiet = options.quiet or options.progress == "none"
    terminal.verbose = options.verbose
    # The log of a CI system is read later, and line by line.
    if options.progress == "plain" or context.reports.ci is not None:
        terminal.redraws = False
    terminal.color = options.color
    if options.output is not None and options.output != STDOUT:
        printing.write_to(Path(options.output))
    if options.as_json and not form.fits_json:
        raise UsageProblem(
            f"--json and --format {form} contradict each other", "remove one of them"
        )
    if options.raw and not printing.format.is_final_text:
        raise UsageProblem(
            "--raw prints outputs and nothing else", f"drop --raw or --format {printing.format}"
        )
    if options.query is not None:
        if printing.format.is_text:
            raise UsageProblem(
                "--query prints part of a document", "drop --query, or --raw and --format content"
            )
        from noxcli.expressions.query import Query  # loaded only with --query

        printing.query = Query(options.query, "--query")


def plan_reports(context: Context, options: Printed, directory: Path | None = None) -> None:
    """Decide which reports to write, before there is an error to report.

    Outputs are saved in `directory`. Raises ConfigProblem for an unknown NOXCLI_CI, UsageProblem as
    `require_apart` and for an invalid assertion.
    """
    command = context.argv[0] if context.argv else ""
    reports = Reports(command)
    if directory is not None:
        reports.output_dir = str(directory)
    if hasattr(options, "markdown"):
        from noxcli.reports.ci.links import links_of  # loaded only for what reviewers read

        reports.links = links_of(context.terminal.environ)
    context.reports = reports
    context.sources.spare = reports.spare
    uses = files_read(options)
    # Until there are rows to report, a file says why: an earlier verdict must not stay in it.
    for name in HEADS:
        file = getattr(options, name, None)
        if file and uses.find(Path(file)) is None:
            reports.targets[name] = Path(file)
    try:
        require_apart(options, uses, directory)
    except UsageProblem:
        reports.keep_earlier_reports()
        raise
    if isinstance(options, AssertOptions):
        reports.ci = ci_system(context.terminal)
    if isinstance(options, AssertOptions) and options.asserts:
        from noxcli.reports.assertions import parse_assertion  # loaded only with --assert

        of_row = isinstance(options, CheckOptions)
        of_judge = getattr(options, "judge", None) is not None
        reports.asserts = [
            parse_assertion(text, of_row=of_row, of_judge=of_judge) for text in options.asserts
        ]
