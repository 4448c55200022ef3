"""The beginning of every verb: decide what to show and report, connect, and know how long to retry."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from noxcli.cli import options
from noxcli.cli.context import Context
from noxcli.cli.groups import Common, Delivering, Reporting, Waiting
from noxcli.config.settings import load_settings, overruling
from noxcli.errors import NoxError, UsageProblem
from noxcli.files import check_target
from noxcli.models import Run, Workflow
from noxcli.query import Query
from noxcli.render import Format
from noxcli.reports.ci import ci_system
from noxcli.reports.writer import Reports
from noxcli.retry import Patience
from noxcli.runs.resolve import resolve_run, resolve_workflow
from noxcli.state.logfile import LOG_VARIABLE
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

COLORS = ("auto", "always", "never")
AS_TEXT = Delivering()


@dataclass(slots=True, eq=False, repr=False)
class Invocation:
    """One call of a verb that talks to the server: its surroundings, its limits and, once connected, the API."""

    context: Context
    common: Common
    waiting: Waiting
    deadline: Deadline
    api: "NoxusApi" = field(init=False)

    def connect(self) -> "NoxusApi":
        """Return the API for the current settings, which the caller closes. Raises ConfigProblem, Unauthorized."""
        self.api = connected(self.context, self.common)
        return self.api

    def patience(self, **kwargs: type[NoxError]) -> Patience:
        """Return how long to keep retrying while a person waits for a first answer."""
        return self.context.patience(self.deadline, options.before(self.waiting.retry_for), **kwargs)

    def workflow(self, text: str, patience: Patience) -> Workflow:
        """Return the workflow by id, alias or exact name. Raises as `resolve_workflow`."""
        return resolve_workflow(self.api, text, patience, self.context.configured.aliases, self.context.cache.workflows)

    def run(self, text: str, patience: Patience) -> Run:
        """Return the run by its name on the command line. Raises as `resolve_run`."""
        return resolve_run(self.api, text, patience, self.context.noted_run)


def begin(
    ctx: typer.Context,
    common: Common,
    waiting: Waiting,
    delivering: Delivering = AS_TEXT,
    reporting: Reporting | None = None,
    subject: str | None = None,
) -> Invocation:
    """Begin a call, whose time counts from here. `subject` is what the command line named, for reports.

    Raises UsageProblem and ConfigProblem for invalid options.
    """
    context: Context = ctx.obj
    deadline = Deadline(context.clock, waiting.timeout)
    context.sources.deadline = context.terminal.deadline = deadline
    if subject is not None:
        context.outcome.subject = subject
    if reporting is not None:
        settle_reports(context, reporting, directory_of(ctx, delivering))
    present(context, common, delivering)
    source = ctx.get_parameter_source("form")
    context.for_reading = context.writes_text and (source is None or source.name == "DEFAULT")
    return Invocation(context, common, waiting, deadline)


def directory_of(ctx: typer.Context, delivering: Delivering) -> str | None:
    """Return the directory for outputs; --raw overrides one that is only the user's default."""
    source = ctx.get_parameter_source("output_dir")
    by_default = source is not None and source.name == "DEFAULT_MAP"
    return None if by_default and delivering.raw else delivering.output_dir


def present(context: Context, common: Common, delivering: Delivering = AS_TEXT) -> None:
    """Decide how to show things, before an error must be shown that way.

    Raises UsageProblem if the options contradict each other, or the log can't be written.
    """
    form, terminal = delivering.form, context.terminal
    context.format = _format_of(delivering)
    terminal.quiet, terminal.verbose = common.quiet, common.verbose
    if common.color not in COLORS:
        raise UsageProblem(f"--color {common.color} is not known", f"write one of {', '.join(COLORS)}")
    terminal.color = common.color
    if delivering.as_json and form not in {Format.TEXT, Format.JSON}:
        raise UsageProblem(f"--json and --format {form} contradict each other", "remove one of them")
    if delivering.raw and context.format is not Format.TEXT:
        raise UsageProblem("--raw prints outputs and nothing else", f"drop --raw or --format {context.format}")
    if delivering.query is not None:
        if context.writes_text:
            raise UsageProblem("--query prints part of a document", "drop --query, or --raw and --format content")
        context.query = Query.read(delivering.query, "--query")
    if log := common.log_file or terminal.environ.get(LOG_VARIABLE):
        context.log.open(log)


def _format_of(delivering: Delivering) -> Format:
    """Return the format to print: a document also for a --query that nothing contradicts."""
    queried = delivering.query is not None and delivering.form is Format.TEXT and not delivering.raw
    return Format.JSON if delivering.as_json or queried else delivering.form


def settle_reports(context: Context, reporting: Reporting, output_dir: str | None) -> None:
    """Decide what to write for other programs, before an error must be in it.

    Raises UsageProblem if an assertion is not valid or a report can't be written, ConfigProblem for an unknown
    NOXCLI_CI.
    """
    reports = context.reports = Reports(output_dir=output_dir)
    reports.asserts = [Query.read(text, "--assert") for text in reporting.asserts or []]
    reports.ci = ci_system(reporting.ci, context.terminal, context.clock)
    if reporting.report is not None:
        check_target(Path(reporting.report), "--report")
        reports.page = Path(reporting.report)
    if reporting.junit is not None:
        check_target(Path(reporting.junit), "--junit")
        reports.junit = Path(reporting.junit)
    if reporting.dotenv is not None:
        check_target(Path(reporting.dotenv), "--dotenv")
        reports.dotenv = Path(reporting.dotenv)


def connected(context: Context, common: Common) -> "NoxusApi":
    """Return the API for the current settings."""
    environ, profile = context.terminal.environ, context.configured.profile
    base_url, api_key_file = common.base_url, common.api_key_file
    named = profile.name.value if profile and profile.name.source.startswith("flag") else None
    flags = (("--profile", named), ("--base-url", base_url), ("--api-key-file", api_key_file))
    context.route = "".join(f" {flag} {shlex.quote(value)}" for flag, value in flags if value)
    settings = load_settings(
        base_url,
        api_key_file,
        environ,
        profile,
        lambda line: context.terminal.complain(f"warning: {line}"),
        lambda read: context.sources.in_time(read, "the API key was not read"),
    )
    if variables := overruling(base_url, api_key_file, environ, profile):
        context.terminal.note(f"{' and '.join(variables)} in the environment override --profile")
    return context.open(settings)
