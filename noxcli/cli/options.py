"""The options that several verbs share, and the classes that the options of a verb are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, dataclass_transform

import typer

from noxcli.cli.context import Context
from noxcli.cli.verbs import VerbFacts
from noxcli.errors import ConfigProblem, UsageProblem, nearest, suggestion
from noxcli.render import Format
from noxcli.timing import parse_duration

T = TypeVar("T")
# What happens to the run when its command is interrupted or times out.
DetachOrStop = Literal["detach", "stop"]
ProgressShown = Literal["auto", "plain", "none"]
WhenColored = Literal["auto", "always", "never"]
# Entries of a list.
LISTED = 30
MAX_LISTED = 1_000_000
LAST = "@last"  # the run that this user started last
# Seconds of retries without --retry-for: before a first answer, and while a run is followed.
RETRY_AT_FIRST = 60.0
RETRY_FOLLOWING = 300.0
*OTHERS, LAST_FORMAT = Format
FORMATS_LISTED = f"{', '.join(OTHERS)} or {LAST_FORMAT}"
REQUIRED: Any = ...  # the default of an option without one


def fixed_at(value: T, *, init: Literal[False] = False) -> T:
    """Return a field with a fixed value, which is not an option of this verb."""
    return field(init=init, default=value)


@dataclass_transform(kw_only_default=True, field_specifiers=(field, fixed_at))
def declared(cls: type[T]) -> type[T]:
    """Make a class of options: Typer calls it, since its signature has a parameter for each field.

    A verb that has another default, or lacks an option of a base class, declares that field again.
    """
    # Without unused methods, since each costs start-up time: only a verb's own class is called.
    return dataclass(init=cls.__name__ == "Options", kw_only=True, eq=False, repr=False)(cls)


def option(names: str, metavar: str, help: str, default: T, **more: Any) -> T:
    """Return an option with a value: what Typer reads in place of the field's default."""
    shown = "[default" not in help
    made: T = typer.Option(
        default, *names.split(), metavar=metavar, help=help, show_default=shown, **more
    )
    return made


def flag(names: str, help: str) -> bool:
    """Return an option without a value."""
    made: bool = typer.Option(False, *names.split(), help=help)
    return made


def argument(metavar: str, help: str, default: T = REQUIRED) -> T:
    """Return an argument."""
    made: T = typer.Argument(default, metavar=metavar, help=help)
    return made


def source_of(ctx: typer.Context, field_name: str) -> str:
    """Return the source of an option's value: COMMANDLINE, DEFAULT, or DEFAULT_MAP for settings."""
    source = ctx.get_parameter_source(field_name)
    return "DEFAULT" if source is None else source.name


def option_of(field_name: str) -> str:
    """Return an option by the name of its field."""
    return f"--{field_name.replace('_', '-').replace('asserts', 'assert')}"  # `assert` is a keyword


def _duration(text: str | float) -> float:
    if isinstance(text, float):
        return text  # a default
    try:
        return parse_duration(text)
    except UsageProblem as problem:
        raise typer.BadParameter(problem.line()) from None


def read_statuses(wanted: Sequence[str]) -> set[str]:
    """Return the API's words for the statuses. Raises UsageProblem for one that a run never has."""
    # The help does not load it.
    from noxcli.models import KNOWN_STATUSES, PAUSED_STATUS, PAUSED_WORD

    known = sorted({*KNOWN_STATUSES, PAUSED_WORD})
    for status in wanted:
        if status not in known:
            hint = suggestion(nearest(status, known), f"write one of {', '.join(known)}")
            raise UsageProblem(f"--status {status} is not known", hint)
    return {PAUSED_STATUS if status == PAUSED_WORD else status for status in wanted}


def some_time(text: str | float) -> float:
    seconds = _duration(text)
    if seconds <= 0:
        raise typer.BadParameter("must be more than zero; write 10s")
    return seconds


def apply_profile(ctx: typer.Context, named: str | None) -> str | None:
    """Read the config files, and set the defaults of the verb's other options.

    Raises ConfigProblem for mistakes in them, for a value that an option would reject, and for a
    limit that is none.
    """
    from noxcli.config.settings import LIMITS, read_configured  # the help loads none of these

    context: Context = ctx.obj
    context.configured = read_configured(context.terminal.environ, named)
    for limit in LIMITS:
        context.configured.limit(limit)
    ctx.default_map = _defaults_of(ctx)
    return named


def _defaults_of(ctx: typer.Context) -> dict[str, Any]:
    """Return the user's defaults for the options of the verb. Raises as `apply_profile`."""
    from noxcli.config.config_files import DEFAULTS  # as above

    context: Context = ctx.obj
    verb: Any = ctx.command
    values: dict[str, Any] = {}
    for param in verb.params:
        if param.name not in DEFAULTS or param.name in verb.facts.without_default:
            continue
        default = context.configured.find(param.name)
        if default is None:
            continue
        try:
            param.type_cast_value(ctx, default.value)
        except typer.BadParameter as error:
            raise ConfigProblem(f"{default.source}, for {param.opts[0]}: {error.message}") from None
        values[param.name] = default.value
    return values


WORKFLOW: str = argument("WORKFLOW", "Workflow id, alias or exact name.")
RUN_OR_NONE: str | None = argument("[RUN]", "Run id, WORKFLOW_ID/RUN_ID, @last or -.", None)
RUN_OR_LAST: str = argument("[RUN]", "Run id, WORKFLOW_ID/RUN_ID, @last or -.", LAST)
RUNS: list[str] | None = argument("[RUN]...", "Run ids, WORKFLOW_ID/RUN_ID, @last or -.", None)
VERSION_ID: str | None = option(
    "--version-id", "VERSION", "Use this saved version, by id or exact name.", None
)
ON_INTERRUPT: DetachOrStop | None = option(
    "--on-interrupt",
    "ACTION",
    "On Ctrl-C: detach or stop. [default: stop; on a terminal: detach]",
    None,
)
OUTPUT: str | None = option(
    "--output -o", "FILE", "Write stdout to FILE if the exit code is 0.", None
)
JUNIT: str | None = option("--junit", "FILE", "Write JUnit XML.", None)
PASS_EACH: int | None = option(
    "--pass-each", "K", "Pass a row if K runs pass. [default: all]", None, min=1
)
STATUS: list[str] | None = option(
    "--status", "STATUS", "Print only runs in this status; repeatable.", None
)


def timeout_after(seconds: float | None) -> float | None:
    """Return the option for the limit of the whole command."""
    return option(
        "--timeout",
        "DUR",
        "Give up after this long: 90, 30s, 10m, 1h30m.",
        seconds,
        parser=_duration,
    )


def poll_every(seconds: float) -> float:
    """Return the option for the time between reads of a run."""
    return option(
        "--poll-interval", "DUR", "Wait this long between polls.", seconds, parser=some_time
    )


@declared
class Printed(VerbFacts):
    """What is printed; a verb with options for it declares these fields again."""

    quiet: bool = fixed_at(False)
    progress: ProgressShown = fixed_at("auto")
    verbose: bool = fixed_at(False)
    color: WhenColored = fixed_at("auto")
    form: Format = fixed_at(Format.TEXT)
    as_json: bool = fixed_at(False)
    query: str | None = fixed_at(None)
    raw: list[str] | None = fixed_at(None)
    output: str | None = fixed_at(None)
    output_dir: str | None = fixed_at(None)


@declared
class ShownOptions(Printed):
    """What stderr shows: options of nearly every verb."""

    quiet: bool = flag("--quiet -q", "Same as --progress none.")
    verbose: bool = flag("--verbose -v", "Show requests and retries, but no keys or values.")
    color: WhenColored = option("--color", "WHEN", "Color stderr: auto, always or never.", "auto")


@declared
class CommonOptions(ShownOptions):
    """Where to connect, and what to show: options of every verb that calls the server."""

    progress: ProgressShown = option(
        "--progress", "MODE", "Show progress: auto, plain or none. [env: NOXCLI_PROGRESS]", "auto"
    )
    base_url: str | None = option(
        "--base-url",
        "URL",
        "Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]",
        None,
    )
    api_key_file: str | None = option(
        "--api-key-file", "FILE", "Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]", None
    )
    profile: str | None = option(
        "--profile",
        "PROFILE",
        "Use this profile from the config file. [env: NOXCLI_PROFILE]",
        None,
        callback=apply_profile,
        is_eager=True,  # parsed before all others, since it decides their defaults
    )
    timeout: float | None = fixed_at(None)
    retry_for: float | None = fixed_at(None)


@declared
class LimitOptions(CommonOptions):
    """The same, and the limits in seconds of the command and of retries for a lost server."""

    timeout: float | None = timeout_after(None)
    retry_for: float | None = option(
        "--retry-for",
        "DUR",
        "Keep retrying this long while the server is unreachable. "
        "[default: 60s; while following a run: 5m]",
        None,
        parser=_duration,
    )


@declared
class InputArguments:
    """The inputs of one run on the command line, or those that all rows of a table have."""

    inputs: list[str] | None = argument(
        "[INPUT]...", "KEY=TEXT, KEY:=JSON, KEY=@FILE or KEY@UPLOAD.", None
    )
    secrets: list[str] | None = option(
        "--secret", "KEY=ENVNAME", "Send a variable's value, and never show it.", None
    )


@declared
class TableOptions(InputArguments, LimitOptions):
    """The rows of a table, and how they are run; times in seconds."""

    workflow: str = WORKFLOW
    file: str = argument("FILE", "JSON lines, CSV or TSV; - is stdin.")
    input_format: Literal["jsonl", "csv", "tsv"] | None = option(
        "--input-format", "FORMAT", "Read FILE as jsonl, csv or tsv. [default: by name]", None
    )
    column: list[str] | None = option(
        "--column",
        "INPUT=COLUMN",
        "Send a column as INPUT, or read INPUT's column as files (INPUT@) or JSON (INPUT:=); "
        "repeatable.",
        None,
    )
    decimal: Literal[".", ","] | None = option(
        "--decimal",
        "MARK",
        "Read numbers of a table with a decimal point or comma. [default: .; with ;, as it shows]",
        None,
    )
    id_column: str | None = option(
        "--id", "COLUMN", "Name rows by this column. [default: $id]", None
    )
    keep: list[str] | None = option(
        "--keep", "COLUMN", "Keep this column in results; repeatable.", None
    )
    max_parallel: int = option(
        "--max-parallel", "N", "Run up to N rows at a time.", 8, min=1, max=1000
    )
    fresh: bool = flag("--fresh", "Move the earlier directory aside, and start over.")
    row_timeout: float | None = option(
        "--row-timeout",
        "DUR",
        "Give up on a row this long after its start.",
        None,
        parser=some_time,
    )
    limit: int | None = option(
        "--limit", "N", "Run only the first N rows of FILE.", None, min=1, rich_help_panel="Rows"
    )
    only: str | None = option(
        "--only", "FILE", "Run only rows whose ids are in FILE, one a line.", None
    )
    on_interrupt: DetachOrStop | None = ON_INTERRUPT
    poll_interval: float = poll_every(5.0)


@declared
class DocumentOptions:
    """A document instead of text, or a part of it."""

    as_json: bool = flag("--json", "Print one JSON document.")
    query: str | None = option(
        "--query", "EXPR", "Print what this JMESPath finds; implies --json.", None
    )


@declared
class ListOptions(DocumentOptions):
    """The same, for a list."""

    limit: int = option("--limit", "N", "List at most N.", LISTED, min=1, max=MAX_LISTED)


@declared
class InputOptions(InputArguments):
    """The same, and how the inputs are checked."""

    whole: str | None = option(
        "--inputs", "JSON|@FILE|-", "Send this JSON object as all inputs.", None
    )
    dry_run: bool = flag("--dry-run", "Check inputs and print the request; start nothing.")
    no_check: bool = flag("--no-check", "Skip local input validation.")
    version_id: str | None = VERSION_ID


@declared
class AssertOptions:
    """What a result must be like.

    Verbs with these options also report to the CI system around them.
    """

    asserts: list[str] | None = option(
        "--assert", "EXPR", "Exit with 11 unless this JMESPath is true.", None
    )


@declared
class ReportOptions(AssertOptions):
    """What to write for other programs, apart from stdout."""

    report: str | None = option("--report", "FILE", "Write an HTML page about the run.", None)
    junit: str | None = JUNIT
    dotenv: str | None = option(
        "--dotenv", "FILE", "Write ids and status as variables for later jobs.", None
    )


@declared
class DeliverOptions(DocumentOptions, ReportOptions):
    """What to print of a run, and where to save its outputs."""

    form: Format = option("--format", "FORMAT", f"Print {FORMATS_LISTED}.", Format.TEXT)
    raw: list[str] | None = option("--raw", "KEY", "Print one output exactly; repeatable.", None)
    output: str | None = OUTPUT
    output_dir: str | None = option(
        "--output-dir", "DIR", "Write every output to a file in DIR. [env: NOXCLI_OUTPUT_DIR]", None
    )


@declared
class CheckOptions(AssertOptions):
    """What the results of many rows must be like."""

    expect: str | None = option(
        "--expect", "FILE", "Exit with 11 unless outputs are as in FILE, by $id.", None
    )


@declared
class RowsOptions(CheckOptions):
    """How many rows must pass, and what to print and write of them."""

    pass_each: int | None = PASS_EACH
    min_pass: str | None = option(
        "--min-pass", "N%", "Exit with 11 unless this share of all rows passes.", None
    )
    line_query: str | None = option(
        "--query", "EXPR", "Print what this JMESPath finds in each line.", None
    )
    report: str | None = option("--report", "FILE", "Write an HTML page with all rows.", None)
    junit: str | None = JUNIT


@declared
class MeasureOptions:
    """What to measure and count of answers, and where to say so in a comment."""

    score: str | None = option(
        "--score", "EXPR", "Give each answer the number that this JMESPath finds.", None
    )
    by: str | None = option("--by", "COLUMN", "Also count rows by the values of this column.", None)
    markdown: str | None = option(
        "--markdown", "FILE", "Write a comment with the rows that fail.", None
    )


@declared
class ComparisonOptions(CheckOptions, MeasureOptions):
    """How the rows of two sides are judged and measured, and what to write of them."""

    allow_missing: bool = flag("--allow-missing", "Do not exit with 8 for rows without an answer.")
    report: str | None = option(
        "--report", "FILE", "Write an HTML page: each row that differs, side by side.", None
    )
    junit: str | None = JUNIT


@declared
class FollowOptions(LimitOptions):
    """How to follow a run; times in seconds."""

    stall_timeout: float | None = option(
        "--stall-timeout",
        "DUR",
        "Give up after this long without progress.",
        None,
        parser=some_time,
    )
    on_pause: Literal["exit", "wait"] | None = option(
        "--on-pause",
        "ACTION",
        "When the run pauses: exit or wait. [default: exit; on a terminal: wait]",
        None,
    )
    on_timeout: DetachOrStop = option(
        "--on-timeout", "ACTION", "At a timeout: detach or stop.", "detach"
    )
    poll_interval: float = poll_every(2.0)
    no_stream: bool = flag("--no-stream", "Poll instead of streaming events.")


@declared
class RunOptions(InputOptions, DeliverOptions, FollowOptions):
    """How to start one run, follow it, and deliver its output."""

    callback_url: str | None = option(
        "--callback-url", "URL", "Have the platform POST the result to this URL.", None
    )
    detach: bool = flag("--detach", "Start the run, print its id and exit.")
    state_file: str | None = option(
        "--state-file", "FILE", "Save the run's ids for noxcli stop --state-file.", None
    )
    on_interrupt: DetachOrStop | None = ON_INTERRUPT
