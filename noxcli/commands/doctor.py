"""`noxcli doctor`: checks of everything between here and the server; one line each, with its fix."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated

import typer

from noxcli.cli.checkup import (
    Check,
    CheckVerdict,
    judge_access,
    judge_clock,
    judge_server,
    judge_stream,
    judge_tls,
)
from noxcli.cli.context import Context
from noxcli.cli.options import Common, Documented, UncheckedProfile, check_defaults, declared, fixed_at
from noxcli.cli.session import opened, present
from noxcli.commands.completion import finds_script, user_shell
from noxcli.config.settings import (
    Settings,
    allows_http,
    check_server,
    find_key,
    find_url,
)
from noxcli.errors import ExitCode, NoxError, StreamUnsupported, worst
from noxcli.masking import Mask
from noxcli.models import Run
from noxcli.render.table import Layout, for_eyes
from noxcli.render.terminal import Terminal
from noxcli.runs.resolve import resolve_run
from noxcli.state.history import STATE_VARIABLE
from noxcli.timing import Deadline
from noxcli.urls import check_url, is_loopback, read_url, shown_url

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

DOCTOR_SCHEMA = "noxcli.doctor/1"
CHECK_COLUMNS = Layout(("VERDICT", "NAME", "MESSAGE"), cut=("MESSAGE",), marked=("VERDICT",), wraps=True, headed=False)
LOOK = 5.0  # seconds to watch a stream
LATEST_RUNS = 100  # runs to search for a running one


@declared
class Options(Documented, Common):
    """Check settings, key, connection, clock and event stream; starts nothing.

    Examples:
        noxcli doctor
        # Buffering of events can be detected only during a run.
        noxcli run slow --detach
        noxcli doctor --run @last
    """

    run: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN", help="Check the event stream of this run, best while it is running."),
    ] = None
    quiet: bool = fixed_at(False)
    color: str = fixed_at("auto")
    profile: UncheckedProfile = None  # a wrong config file is one of the results


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the checks. Raises typer.Exit with the code of the worst one."""
    context: Context = ctx.obj
    present(context, options)
    checks: list[Check] = []
    for check in chain(_checks(ctx, context, options), [_shell(context)]):
        checks.append(check)
        if context.printing.writes_text:
            _say(context.terminal, check)
    code = worst(check.error.exit_code for check in checks if check.error)
    if not context.printing.writes_text:
        context.printing.document(_document(checks, code, context.terminal.mask))
    raise typer.Exit(code)


def _say(terminal: Terminal, check: Check) -> None:
    hint = f"; {check.hint}" if check.hint else ""
    if terminal.read_by_eyes:
        row = (f"{check.verdict:<9}", f"{check.name:<7}", f"{check.message}{hint}")
        terminal.show(for_eyes(terminal, CHECK_COLUMNS, [row]))
    else:
        terminal.say(f"{check.verdict:<9}  {check.name:<7}  {check.message}{hint}")


def _document(checks: list[Check], code: ExitCode, mask: Mask) -> dict[str, object]:
    listed = [
        {"name": check.name, "verdict": str(check.verdict), "message": check.message, "hint": check.hint}
        for check in checks
    ]
    told = mask.whole(listed)
    return {"schema": DOCTOR_SCHEMA, "ok": code == ExitCode.OK, "exit_code": int(code), "checks": told}


def _checks(ctx: typer.Context, context: Context, options: Options) -> Iterator[Check]:
    """Yield the checks in order; skip those that depend on a failed one."""
    try:
        name = "config"
        yield _files(ctx, context, options.profile)
        if trouble := context.history.trouble():
            yield Check("state", CheckVerdict.WARNING, trouble, f"set {STATE_VARIABLE} to a directory of your own")
        name = "address"
        chosen, environ = context.configured.profile, context.terminal.environ
        url = find_url(options.base_url, environ, chosen)
        address = check_url(url.value, allow_http=allows_http(environ))
        yield Check(name, CheckVerdict.OK, f"{address} ({url.source})")
        name = "key"
        source = find_key(options.api_key_file, environ, chosen)
        check_server(source, address)
        warnings: list[str] = []
        settings = Settings(address, source.read(warnings.append), source.source)
        yield Check(name, CheckVerdict.WARNING if warnings else CheckVerdict.OK, "; ".join([source.source, *warnings]))
    except NoxError as error:
        yield Check.failed(name, error)
        return
    with opened(context, settings) as api:
        yield from _connection(context, api, address, options.run)


def _files(ctx: typer.Context, context: Context, profile: str | None) -> Check:
    configured = context.configure(profile)
    check_defaults(ctx, configured.preferences)
    read = [str(configured.project)] if configured.project else []
    if configured.profile is not None:
        read.insert(0, f"profile {configured.profile.name.value} ({configured.profile.name.source})")
    return Check("config", CheckVerdict.OK, ", ".join(read) or "no profile and no project file")


def _shell(context: Context) -> Check:
    """Check whether the user's shell finds the completion script, which some installations do not ensure."""
    environ = context.terminal.environ
    shell = user_shell(environ)
    if shell is None:
        return Check("shell", CheckVerdict.UNCHECKED, "no completion script for the shell in $SHELL")
    if finds_script(shell, environ):
        return Check("shell", CheckVerdict.OK, f"completion for {shell} is installed")
    hint = f"run noxcli completion {shell} --install"
    return Check("shell", CheckVerdict.NOTE, f"completion for {shell} is not installed", hint)


def _connection(context: Context, api: "NoxusApi", address: str, run: str | None) -> Iterator[Check]:
    from noxcli.api.transport import proxy_for

    parts = read_url(address)
    try:
        proxy = proxy_for(parts)
    except NoxError as error:
        yield Check.failed("proxy", error)
        return
    yield Check("proxy", CheckVerdict.OK, shown_url(proxy) if proxy else "none")
    try:
        first, second = api.look_at_connection(), api.look_at_connection()
    except NoxError as error:
        if "certificate" in error.message.lower():
            error.hint = "for a private CA, name its file in REQUESTS_CA_BUNDLE"
        yield Check.failed("server", error)
        return
    server = judge_server(first, second)
    yield server
    if server.error is not None:
        return
    yield judge_tls(first, address, to_this_machine=is_loopback(parts.host))
    yield judge_clock(second)
    access = _access(api, parts.netloc)
    yield access
    if access.error is None:
        yield _events(context, api, run)


def _access(api: "NoxusApi", host: str) -> Check:
    try:
        return judge_access(api.me(), host)
    except NoxError as error:
        # Not every key may read its own record, and not every server has that call.
        if error.http_status not in {403, 404, 405}:
            return Check.failed("access", error)
    try:
        next(iter(api.list_workflows()), None)
    except NoxError as error:
        return Check.failed("access", error)
    return judge_access({}, host)


def _events(context: Context, api: "NoxusApi", named: str | None) -> Check:
    try:
        run = _run_to_look_at(context, api, named)
        if run is None:
            hint = "try noxcli doctor --run RUN on a live run"
            return Check("events", CheckVerdict.UNCHECKED, "no run to test with", hint)
        return judge_stream(api.look_at_events(run.id, LOOK), run)
    except StreamUnsupported as error:
        return Check("events", CheckVerdict.WARNING, f"no event stream: {error.message}", "noxcli polls instead")
    except NoxError as error:
        return Check.failed("events", error)


def _run_to_look_at(context: Context, api: "NoxusApi", named: str | None) -> Run | None:
    if named is not None:
        return resolve_run(api, named, context.patience(Deadline(context.clock, None), 0.0), context.noted_run)
    recent = list(islice(api.list_runs(), LATEST_RUNS))
    return next((run for run in recent if run.status == "running"), recent[0] if recent else None)
