"""Where a call writes: the form of stdout, the reports, and files of which no two may be one."""

from pathlib import Path

from noxcli.cli.context import Context
from noxcli.cli.options import AssertOptions, CheckOptions, Printed, option_of
from noxcli.errors import UsageProblem
from noxcli.files import JOURNAL_NAME, RESULTS_NAME, check_target, expanded
from noxcli.render import Format
from noxcli.reports.writer import HEADS, Reports, ci_system

STDOUT = "-"
# The files that verbs read, and those that they write: the fields of their options.
READ_ARGUMENTS, READ_OPTIONS = ("file",), ("expect", "api_key_file")
WRITTEN = ("report", "junit", "csv", "dotenv", "markdown", "state_file", "output", "write")
# What other tools take after -o.
FORMATS = frozenset({"json", "yaml", "jsonl", "csv", "table", "text", "wide"})


def present(context: Context, options: Printed) -> None:
    """Decide how results and errors are shown, before there is an error to show.

    Raises UsageProblem if the options contradict each other.
    """
    form = options.form
    terminal, printing = context.terminal, context.printing
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
    context.reports = reports
    if isinstance(options, AssertOptions):
        reports.ci = ci_system(context.terminal)
    require_apart(options, directory)
    # Until there are rows to report, a file says why: an earlier verdict must not stay in it.
    for name in HEADS:
        file = getattr(options, name, None)
        if file:
            reports.targets[name] = Path(file)
    if isinstance(options, AssertOptions) and options.asserts:
        from noxcli.reports.assertions import parse_assertion  # loaded only with --assert

        of_row = isinstance(options, CheckOptions)
        reports.asserts = [parse_assertion(text, of_row=of_row) for text in options.asserts]


def require_apart(options: Printed, directory: Path | None) -> None:
    """Raise UsageProblem for a file that can't be written, or that has another use.

    It may be the file of another option, of the batch itself, or among those in `directory`.
    """
    taken = _files_read(options)
    for name in WRITTEN:
        file = getattr(options, name, None)
        if file is None or (file == STDOUT and name == "output"):
            continue
        option = option_of(name)
        if file == STDOUT:
            raise UsageProblem(
                f"{option} needs a file, and - is stdout", f"write {option} ./-, or another name"
            )
        if name == "output" and file in FORMATS:
            raise UsageProblem(
                f"{option} writes to a file, and {file} is a format",
                f"{options.formats}; for a file of this name: {option} ./{file}",
            )
        check_target(Path(file), option)
        path = Path(file).resolve()
        if path.name in {JOURNAL_NAME, RESULTS_NAME} and _is_of_batch(path.parent, options):
            raise UsageProblem(
                f"{option} {file} belongs to the batch itself", "choose another file"
            )
        if path in taken:
            raise UsageProblem(
                f"{taken[path]} and {option} name the same file: {file}", "name two files"
            )
        if directory is not None and path.parent == directory.resolve():
            raise UsageProblem(
                f"{option} {file} is in --output-dir, among the outputs", "write it elsewhere"
            )
        taken[path] = option


def _files_read(options: Printed) -> dict[Path, str]:
    """Return the files that the verb reads, each with the argument or option that names it."""
    taken = {}
    for name in (*READ_ARGUMENTS, *READ_OPTIONS):
        file = getattr(options, name, None)
        if file:
            shown = name.upper() if name in READ_ARGUMENTS else option_of(name)
            taken[expanded(file).resolve()] = shown
    return taken


def _is_of_batch(directory: Path, options: Printed) -> bool:
    """True for the directory of a batch, and for one that this call may create."""
    if not directory.is_dir() or (directory / JOURNAL_NAME).exists():
        return True
    made = getattr(options, "output_dir", None)
    return made is not None and expanded(made).resolve() == directory
