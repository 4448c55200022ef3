"""One call of a verb that talks to the server: its limits, its API, and how it names workflows and
runs.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from noxcli.cli.context import TOO_SHORT, Context
from noxcli.cli.destinations import plan_reports, present
from noxcli.cli.ending import way_to_output
from noxcli.cli.options import (
    LAST,
    LISTED,
    RETRY_AT_FIRST,
    CommonOptions,
    DeliverOptions,
    RunOptions,
    source_of,
)
from noxcli.config.settings import load_settings
from noxcli.errors import (
    CommandLine,
    ExitCode,
    Hint,
    Interruption,
    LostContact,
    NotAccessible,
    NoxError,
    Phase,
    RequestRejected,
    TimedOut,
    TimedOutBeforeStart,
    Unavailable,
    UsageProblem,
)
from noxcli.files import require_local
from noxcli.masking import HIDDEN_KEY, can_hide
from noxcli.models import Run, Version, Workflow
from noxcli.reports.result import Outcome
from noxcli.retry import ReadPages, RetryPolicy
from noxcli.runs.record import MAX_STOP, MaybeStopped, access_lost, not_stopped, stop_run
from noxcli.runs.resolve import (
    MAX_PAGES,
    is_beginning,
    parse_one_run,
    require_one,
    resolve_run,
    resolve_workflow,
)
from noxcli.signals import Interrupted
from noxcli.state.history import Entry
from noxcli.state.known_names import server_key
from noxcli.timing import Deadline
from noxcli.urls import to_url

if TYPE_CHECKING:
    from noxcli.api import NoxusApi
    from noxcli.config.settings import Configured
    from noxcli.render.table import Listing

T = TypeVar("T")
# Endings after which no name is read for a report: the server does not answer, or not to this key.
OUT_OF_REACH = frozenset(
    {
        ExitCode.AUTH,
        ExitCode.LOST_CONTACT,
        ExitCode.START_UNKNOWN,
        ExitCode.TEMPORARY,
        ExitCode.TIMED_OUT,
    }
)
MAX_NAMED = 20  # workflows of one command whose names are read
NAMES_WITHIN = 5.0  # seconds for the name of one


@dataclass(slots=True, eq=False, repr=False)
class Session:
    """The surroundings of a call, its limits and, once connected, the API."""

    context: Context
    common: CommonOptions
    deadline: Deadline
    directory: Path | None = None  # where to save the outputs of a run
    api: "NoxusApi" = field(init=False)

    @contextmanager
    def connect(self, phase: Phase | None = None) -> Iterator["NoxusApi"]:
        """Connect to the API for the current settings; enter the phase, if it is known already.

        A signal stops the run that was started, if the options want it. Raises ConfigProblem,
        Unauthorized; Interruption with the outcome of the stop.
        """
        with _connect(self.context, self.common) as self.api:
            if phase is not None:
                self.context.outcome.entered(phase)
            try:
                yield self.api
                self._name_workflows()
            except NoxError as error:
                if error.exit_code not in OUT_OF_REACH:
                    self._name_workflows()
                raise
            except Interrupted as signal:
                run = self.context.outcome.run
                if run is None or not self._stops_on_interrupt():
                    raise
                what, hint = self.stop(self.context.outcome, run)
                raise Interruption(
                    f"interrupted by {signal}; {what}", hint, number=signal.number
                ) from None

    def _stops_on_interrupt(self) -> bool:
        """True if a signal stops the run that this command has started."""
        options = self.common
        if not isinstance(options, RunOptions) or options.detach:
            return False
        return self.context.stops_runs(options.on_interrupt)

    def _name_workflows(self) -> None:
        """Read the names of workflows that reports show and nothing has said yet.

        Without one, its id is shown.
        """
        reports = self.context.reports
        if reports.ci is None and {"report", "junit"}.isdisjoint(reports.targets):
            return
        names: dict[str, Workflow] = {}
        for outcome in self.context.outcomes:
            run = outcome.run
            if run is None or outcome.workflow_name is not None or len(names) == MAX_NAMED:
                continue
            workflow_id = run.workflow_id
            with suppress(NoxError):
                if workflow_id not in names:
                    names[workflow_id] = self.api.within(NAMES_WITHIN).get_workflow(workflow_id)
                outcome.found(replace(run, workflow=names[workflow_id]))

    def stop(self, outcome: Outcome, run: Run) -> tuple[str, Hint | None]:
        """Stop the run whose outcome this is; return its outcome, and what remains to do."""
        self.context.resume_command = None
        try:
            run = stop_run(self.api, run, Deadline(self.context.clock, MAX_STOP))
        except MaybeStopped as error:
            return error.message, error.hint
        except NoxError as error:
            failed = f"run {run.id} could not be stopped: {error.message}"
            return failed, Hint("stop it with: ", CommandLine("stop", run.id))
        outcome.read(run)
        if not run.settled:
            still = not_stopped(run)
            return still.message, still.hint
        ended = f"run {run.id} is {run.word}"
        if run.status == "stopped":
            ended = f"stopped run {run.id}"
        return ended, way_to_output(run)

    def retries(
        self,
        retry_for: float | None = None,
        deadline: Deadline | None = None,
        *,
        gave_up: type[NoxError] | None = None,
        out_of_time: type[NoxError] | None = None,
    ) -> RetryPolicy:
        """Return how long to keep retrying while the user waits for a first answer.

        By default, the options say so. As long as nothing was started and no run is read, reaching
        the command's limit is a temporary failure.
        """
        if retry_for is None:
            retry_for = self.common.retry_for
        if retry_for is None:
            retry_for = RETRY_AT_FIRST
        if out_of_time is None:
            before_start = self.context.outcome.retry_safe
            out_of_time = TimedOutBeforeStart if before_start else TimedOut
        write = self.context.terminal.note
        if self.context.terminal.verbose:
            write = self.context.terminal.complain

        def say(reason: Hint) -> None:
            write(reason.shown(self.context.route))

        return RetryPolicy(
            deadline or self.deadline,
            retry_for,
            say,
            gave_up=gave_up,
            out_of_time=out_of_time,
        )

    def keep_trying(
        self,
        call: Callable[["NoxusApi"], T],
        worth: Callable[[Unavailable, float], bool] = lambda *_: True,
    ) -> T:
        """Return the result of a call of the API. Raises as `RetryPolicy.keep_trying`."""
        return self.retries().keep_trying(lambda within: call(self.api.within(within)), worth)

    def list_versions(self, workflow_id: str) -> list[Version]:
        """Return the saved versions of a workflow. Raises as `RetryPolicy.keep_trying`."""
        return self.keep_listing(lambda api, pages: list(api.list_versions(workflow_id, pages)))

    def keep_listing(self, call: Callable[["NoxusApi", ReadPages], T]) -> T:
        """Return the result of a call that reads one list. Raises as `RetryPolicy.keep_trying`."""
        return self.retries().keep_listing(
            lambda within, pages: call(self.api.within(within), pages)
        )

    def resolve_workflow(self, text: str) -> Workflow:
        """Return the workflow by id, alias or exact name. Raises as `resolve_workflow`."""
        context = self.context
        return resolve_workflow(
            self.api, text, self.retries(), context.configured.aliases, context.cache.save_workflows
        )

    def complete_id(self, text: str, retries: RetryPolicy, *, listed: bool = True) -> str:
        """Return the run's name with its whole id, if it is the beginning of one of this user's
        runs.

        If none of them begins so, the server's list is read, if it may be `listed` and is not long.
        Raises UsageProblem with the candidates, if there are several or none; what reading the list
        raises, if it is long.
        """
        if not is_beginning(text):
            return text
        own = self.context.history.find_beginning(text, self.context.base_url)
        if own or not listed:
            return require_one(text, own, "your history")
        try:
            runs = retries.keep_listing(
                lambda within, pages: list(
                    self.api.within(within).list_runs(pages=pages, most_pages=MAX_PAGES)
                )
            )
        except RequestRejected as error:
            raise RequestRejected(error.message, "give the whole id", **error.facts()) from None
        beginning = text.lower()
        found = [run.id for run in runs if run.id.startswith(beginning)]
        return require_one(text, found, "the list of runs")

    def resolve_run(self, text: str, retries: RetryPolicy, *, listed: bool = True) -> Run:
        """Return the run by its name on the command line.

        Raises as `resolve_run` and `complete_id`.
        """
        text = self.complete_id(text, retries, listed=listed)
        noted = self._find_noted(text)
        if noted is None:
            return resolve_run(self.api, text, retries)
        known = text if "/" in text else f"{noted.workflow_id}/{noted.run_id}"
        try:
            return resolve_run(self.api, known, retries, young=noted.young)
        except NotAccessible as error:
            raise access_lost(error, noted.run_id) from error

    def is_young(self, text: str) -> bool:
        """True if a run of this name was started here moments ago."""
        noted = self._find_noted(text)
        return noted is not None and noted.young

    def _find_noted(self, text: str) -> Entry | None:
        history = self.context.history
        host = self.context.base_url
        if text == LAST:
            return history.find_last(host)
        return history.find_entry(text.rpartition("/")[2], host)

    def remember_last(self, run: Run | None, secret: frozenset[str]) -> None:
        """Let `@last` be the run that was started last, if one was.

        `secret` are keys of its inputs.
        """
        if run is not None:
            entry = Entry(run.id, run.workflow_id, self.context.base_url, secret)
            self.context.history.begin(entry)

    def find_run(self, text: str) -> Run:
        """Return the run that the command is about, an ended one in its own record.

        Raises as `read_own_record`.
        """
        from noxcli.outputs.await_output import read_own_record

        outcome = self.context.outcome
        outcome.looked_for()
        retries = self.retries(gave_up=LostContact)
        run = self.resolve_run(text, retries)
        outcome.found(run)
        run = read_own_record(self.api, run, retries)
        outcome.found(run)
        return run

    def print_list(
        self, listing: "Listing", entries: Sequence[Mapping[str, Any]], limit: int
    ) -> None:
        """Print a list as a document, or as a table, and say on stderr what it does not show."""
        from noxcli.render.table import show_table

        terminal = self.context.terminal
        name = listing.name
        if self.context.printing.format.is_text:
            show_table(terminal, listing.layout, listing.rows(entries))
        else:
            self.context.printing.print_named(name, {"limit": limit, name: entries})
        if not entries:
            terminal.note(f"no {name}")
        elif len(entries) == limit == LISTED:
            terminal.note(f"showing the newest {limit}; list more with --limit N")

    def read_run(self, text: str, retries: RetryPolicy, *, listed: bool = True) -> Run:
        """Return the run in its own record, by its name or from stdin.

        Raises as `read_own_record`.
        """
        from noxcli.outputs.await_output import read_own_record

        run = self.resolve_run(parse_one_run(text, self.context.sources), retries, listed=listed)
        return read_own_record(self.api, run, retries, running=True)


def choose_run(context: Context, run: str | None) -> str:
    """Return the run of the command line or stdin; without one, a user means the last run.

    Raises UsageProblem without a user at a terminal: a script that lost its variable must not get
    another run. Raises as `parse_one_run`.
    """
    if run is not None:
        return parse_one_run(run, context.sources)
    if not context.terminal.interactive or not context.sources.is_typed():
        raise UsageProblem(
            "no RUN was given",
            f"give a run id, {LAST} for the run that you started last, or - to read it from stdin",
        )
    context.terminal.note(f"no RUN was given: {LAST}")
    return LAST


def begin(ctx: typer.Context, options: CommonOptions, *, subject: str | None = None) -> Session:
    """Begin a call, whose time counts from here; reports name what the command line did: `subject`.

    Raises UsageProblem and ConfigProblem for invalid options, and Unavailable if another noxcli
    writes to --output-dir.
    """
    context: Context = ctx.obj
    deadline = Deadline(context.clock, options.timeout)
    context.sources.deadline = deadline
    context.terminal.deadline = deadline
    if subject is not None:
        context.outcome.concerns(subject)
    context.route = _route(context.configured, options)
    directory = _directory_of(ctx, options)
    plan_reports(context, options, directory)
    present(context, options)
    printing = context.printing
    printing.for_reading = printing.format.is_text and source_of(ctx, "form") == "DEFAULT"
    if directory is not None:
        from noxcli.outputs.directory import lock_directory  # loaded only to write files

        ctx.with_resource(lock_directory(directory))
    return Session(context, options, deadline, directory)


def _directory_of(ctx: typer.Context, options: CommonOptions) -> Path | None:
    """Return where to save the outputs of a run; --raw overrides a mere default."""
    if not isinstance(options, DeliverOptions) or not options.output_dir:
        return None
    if options.raw and source_of(ctx, "output_dir") == "DEFAULT_MAP":
        return None
    require_local(Path(options.output_dir), "--output-dir")
    return Path(options.output_dir)


def _route(configured: "Configured", options: CommonOptions) -> str:
    """Return the options that select the server, for commands to paste."""
    flags = {
        "--profile": configured.selecting,
        "--base-url": options.base_url,
        "--api-key-file": options.api_key_file,
    }
    return "".join(f" {flag} {shlex.quote(value)}" for flag, value in flags.items() if value)


def _connect(context: Context, options: CommonOptions) -> "NoxusApi":
    """Return the API for the current settings."""
    configured = context.configured
    terminal = context.terminal
    settings = load_settings(
        configured,
        options.base_url,
        options.api_key_file,
        lambda read: context.sources.in_time(read, "the API key was not read"),
        may_prompt=terminal.interactive,
    )
    terminal.mask.learn([settings.key], HIDDEN_KEY)
    if not can_hide(settings.key):
        terminal.warn(f"the API key {TOO_SHORT}")
    context.base_url = settings.url
    context.server = server_key(options.base_url or "", configured.named or "", terminal.environ)
    context.cache.save_settings(configured.profiles, configured.aliases)
    # They load the HTTP libraries, which `--help` does not need.
    from noxcli.api import Http, NoxusApi
    from noxcli.api.transport import bundle_variable, trust
    from noxcli.render.log import PauseNotes

    if to_url(settings.url).scheme == "https":
        named = bundle_variable() or "the default file"
        context.sources.in_time(trust, f"the certificates of {named} were not read")
    http = Http(
        settings,
        connect_timeout=configured.limit("connect_timeout"),
        answer_timeout=configured.limit("answer_timeout"),
        log=terminal.complain if terminal.verbose else _say_nothing,
        warn=terminal.warn,
        waiting=PauseNotes(terminal).check,
        mask=terminal.mask,
    )
    return NoxusApi(http)


def _say_nothing(_line: str) -> None:
    """Drop a line about a request, without --verbose."""
