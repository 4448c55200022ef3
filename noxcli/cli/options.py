"""Arguments and options that several verbs share, with name, type and help."""

from enum import StrEnum
from typing import Annotated

import typer

from noxcli.cli.defaults import apply_profile
from noxcli.errors import UsageProblem
from noxcli.render import Format
from noxcli.reports.ci import WhichCi
from noxcli.timing import parse_duration


class WhenPaused(StrEnum):
    """What to do while a run waits for human input."""

    EXIT = "exit"
    WAIT = "wait"


class WhenInterrupted(StrEnum):
    """What happens to the run when its command is interrupted, or times out."""

    DETACH = "detach"
    STOP = "stop"


def _duration(text: str | float) -> float:
    if isinstance(text, float):
        return text  # a default
    try:
        return parse_duration(text)
    except UsageProblem as problem:
        raise typer.BadParameter(problem.line()) from None


def some_time(text: str | float) -> float:
    seconds = _duration(text)
    if seconds <= 0:
        raise typer.BadParameter("must be more than zero; write 10s")
    return seconds


WorkflowArgument = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Workflow id, alias or exact name.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run id, WORKFLOW_ID/RUN_ID, @last or -.")]
InputArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[INPUT]...",
        help="KEY=TEXT, KEY:=JSON, KEY=@FILE, KEY:=@FILE.json or KEY@UPLOAD.",
        show_default=False,
    ),
]
WholeInputs = Annotated[
    str | None, typer.Option("--inputs", metavar="JSON|@FILE|-", help="All inputs as one JSON object.")
]
Secrets = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="KEY=ENVNAME", help="Send this environment variable's value, and never show it."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the inputs and print the request without sending it.")]
NoCheck = Annotated[bool, typer.Option("--no-check", help="Skip local input validation.")]
VersionId = Annotated[
    str | None, typer.Option("--version-id", metavar="VERSION", help="Use this saved version: its id or exact name.")
]
OtherVersionId = Annotated[
    str | None,
    typer.Option(
        "--version-id",
        metavar="VERSION",
        help="Use this saved version, by its id or exact name. [default: the one of RUN, or else the current one]",
    ),
]
CallbackUrl = Annotated[
    str | None, typer.Option("--callback-url", metavar="URL", help="Have the platform POST the result to this URL.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Start the run, print its id and exit.")]
Etag = Annotated[str | None, typer.Option("--etag", metavar="CURSOR", help="Resume after this event (its redis_id).")]
FormatOption = Annotated[Format, typer.Option("--format", help="Choose what stdout carries.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Same as --format json.")]
SchemaOption = Annotated[bool, typer.Option("--json", help="Print a JSON Schema of the input object.")]
QueryOption = Annotated[
    str | None,
    typer.Option("--query", metavar="EXPR", help="Print only what this JMESPath expression finds; implies --json."),
]
LineQueryOption = Annotated[
    str | None,
    typer.Option("--query", metavar="EXPR", help="Print only what this JMESPath expression finds in each line."),
]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="List at most N.")]
DocumentOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
RawOption = Annotated[
    list[str] | None,
    typer.Option("--raw", metavar="KEY", help="Print one output exactly, by label or node id; repeatable."),
]
OutputDirectory = Annotated[
    str | None,
    typer.Option("--output-dir", metavar="DIR", help="Write every output to a file in DIR. [env: NOXCLI_OUTPUT_DIR]"),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace files in DIR even if noxcli did not write them; without this, exit with 9."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", parser=_duration, metavar="DUR", help="Give up after this long (90, 30s, 10m, 2h)."),
]
RunTimeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        parser=_duration,
        metavar="DUR",
        help="Give up after this long (90, 30s, 10m, 2h); the run continues.",
    ),
]
PollInterval = Annotated[
    float, typer.Option("--poll-interval", parser=some_time, metavar="DUR", help="Wait this long between polls.")
]
RetryFor = Annotated[
    float | None,
    typer.Option(
        "--retry-for",
        parser=_duration,
        metavar="DUR",
        help="Keep retrying this long while the server is unreachable. [default: 60s]",
    ),
]
RunRetryFor = Annotated[
    float | None,
    typer.Option(
        "--retry-for",
        parser=_duration,
        metavar="DUR",
        help="Keep retrying this long while the server is unreachable. [default: 60s; while following a run: 5m]",
    ),
]
StallTimeout = Annotated[
    float | None,
    typer.Option("--stall-timeout", parser=some_time, metavar="DUR", help="Give up after this long without progress."),
]
OnPause = Annotated[
    WhenPaused | None,
    typer.Option(
        "--on-pause",
        help="When the run pauses for human input, exit or wait. [default: exit; on a terminal: wait]",
        show_default=False,
    ),
]
OnInterrupt = Annotated[
    WhenInterrupted | None,
    typer.Option(
        "--on-interrupt",
        help="On Ctrl-C, stop the run or leave it running. [default: stop; on a terminal: detach]",
        show_default=False,
    ),
]
OnTimeout = Annotated[
    WhenInterrupted, typer.Option("--on-timeout", help="At --timeout or --stall-timeout, stop the run or leave it.")
]
StateFile = Annotated[
    str | None, typer.Option("--state-file", metavar="FILE", help="Save the run's ids for `noxcli stop --state-file`.")
]
Junit = Annotated[str | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML.")]
Report = Annotated[
    str | None,
    typer.Option(
        "--report", metavar="FILE", help="Write an HTML page: verdict, nodes on a time axis, errors, outputs."
    ),
]
Asserts = Annotated[
    list[str] | None,
    typer.Option(
        "--assert",
        metavar="EXPR",
        help="Exit with 11 unless this JMESPath expression is true of the result; repeatable.",
    ),
]
Dotenv = Annotated[
    str | None,
    typer.Option("--dotenv", metavar="FILE", help="Write ids, status and exit code as variables for later jobs."),
]
Ci = Annotated[
    WhichCi | None,
    typer.Option("--ci", help="Format output for a CI system. [default: auto] [env: NOXCLI_CI]", show_default=False),
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume after the last event read on this machine.")]
NoStream = Annotated[bool, typer.Option("--no-stream", help="Poll instead of streaming events.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Hide progress; errors still show.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also show requests, retries and timings; never keys or values.")
]
LogFile = Annotated[
    str | None,
    typer.Option(
        "--log-file", metavar="FILE", help="Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]"
    ),
]
Color = Annotated[str, typer.Option("--color", metavar="auto|always|never", help="Color stderr.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url", metavar="URL", help="Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]"
    ),
]
ApiKeyFile = Annotated[
    str | None,
    typer.Option("--api-key-file", metavar="FILE", help="Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]"),
]
PROFILE_HELP = "Use this profile from the config file. [env: NOXCLI_PROFILE]"
UncheckedProfile = Annotated[str | None, typer.Option("--profile", metavar="PROFILE", help=PROFILE_HELP)]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help=PROFILE_HELP,
        # Parsed before all others, since it decides their defaults. The verbs get it as `_profile`, and do not use it.
        callback=apply_profile,
        is_eager=True,
    ),
]


def before(retry_for: float | None) -> float:
    """Return how long to keep retrying while a person waits for a first answer, in seconds."""
    return 60.0 if retry_for is None else retry_for


def during(retry_for: float | None) -> float:
    """Return how long a run that is being followed may be unreachable, in seconds."""
    return 300.0 if retry_for is None else retry_for
