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
FORMATS = frozenset(
    {"json", "yaml", "jsonl", "csv", "table", "text", "wide"}
)  # as other tools take after -o


def present(context: Context, options: Printed) -> None:
    """Decide how results and errors are shown, before there is an error to show.

    Raises UsageProblem if the options contradict each other.
    """
    form, terminal = options.form, context.terminal
    # A --query that nothing contradicts also wants a document.
    queried = options.query is not None and form.is_final_text and not options.raw
    context.printing.format = Format.JSON if options.as_json or queried else form
    terminal.quiet, terminal.verbose = options.quiet or options.progress == "none", options.verbose
    # The log of a CI system is read later, and line by line.
    terminal.redraws = (
        terminal.redraws and options.progress != "plain" and context.reports.ci is None
    )
    terminal.color = options.color
    if options.output is not None and options.output != STDOUT:
        context.printing.write_to(Path(options.output))
    if options.as_json and not form.fits_json:
        raise UsageProblem(
            f"--json and --format {form} contradict each other", "remove one of them"
        )
    if options.raw and not context.printing.format.is_final_text:
        raise UsageProblem(
            "--raw prints outputs and nothing else",
            f"drop --raw or --format {context.printing.format}",
        )
    if options.query is not None:
        if context.printing.format.is_text:
            raise UsageProblem(
                "--query prints part of a document", "drop --query, or --raw and --format content"
            )
        from noxcli.expressions.query import Query  # loaded only with --query

        context.printing.query = Query(options.query, "--query")


def plan_reports(context: Context, options: Printed, directory: Path | None = None) -> None:
    """Decide which reports to write, before there is an error to report; outputs are saved in `directory`.

    Raises ConfigProblem for an unknown NOXCLI_CI, UsageProblem as `require_apart` and for an invalid assertion.
    """
    command = context.argv[0] if context.argv else ""
    reports = context.reports = Reports(
        command, output_dir=None if directory is None else str(directory)
    )
    if isinstance(options, AssertOptions):
        reports.ci = ci_system(context.terminal)
    require_apart(options, directory)
    # Until there are rows to report, a file says why: the verdict of an earlier call must not stay in it.
    reports.targets = {name: Path(file) for name in HEADS if (file := getattr(options, name, None))}
    if isinstance(options, AssertOptions) and options.asserts:
        from noxcli.reports.assertions import parse_assertion  # loaded only with --assert

        reports.asserts = [
            parse_assertion(text, of_row=isinstance(options, CheckOptions))
            for text in options.asserts
        ]


def require_apart(options: Printed, directory: Path | None) -> None:
    """Raise UsageProblem if a file can't be written, is also another option's file, or among those in `directory`."""
    files = [(getattr(options, name, None), name) for name in (*READ_ARGUMENTS, *READ_OPTIONS)]
    shown = {
        name: name.upper() if name in READ_ARGUMENTS else option_of(name)
        for file, name in files
        if file
    }
    taken = {expanded(file).resolve(): shown[name] for file, name in files if file}
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
        if path.name in (JOURNAL_NAME, RESULTS_NAME) and _is_of_batch(path.parent, options):
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


def _is_of_batch(directory: Path, options: Printed) -> bool:
    """True for the directory of a batch, and for one that this call may create."""
    made = getattr(options, "output_dir", None)
    own = made is not None and expanded(made).resolve() == directory
    return own or not directory.is_dir() or (directory / JOURNAL_NAME).exists()
