"""The checks of `noxcli doctor`: what is looked at, and the verdict on each finding."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import check_defaults
from noxcli.cli.session import opened
from noxcli.commands.completion import finds_script, user_shell
from noxcli.config.settings import (
    Settings,
    allows_http,
    check_server,
    find_key,
    find_url,
)
from noxcli.errors import NoxError, Refused, StreamUnsupported
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.runs.resolve import resolve_run
from noxcli.state.history import STATE_VARIABLE
from noxcli.timing import Deadline, show_seconds
from noxcli.urls import check_url, is_loopback, read_url, shown_url

if TYPE_CHECKING:
    from noxcli.api import NoxusApi
    from noxcli.api.connection import ConnectionLook, StreamLook

LOOK = 5.0  # seconds to watch a stream
LATEST_RUNS = 100  # runs to search for a running one
MOST_SKEW = 30.0  # seconds
SLOW = 2.0  # seconds for an answer on an open connection
SOON = 14  # days until a certificate ends
LEAST_SPREAD = 0.3  # seconds between first bytes and end: less is indistinguishable from none
HELD = 1.0  # seconds of silence that a replay would not have unless something buffers it
LIVE_RUN = "try noxcli doctor --run RUN on a live run"
MEND_BUFFERING = (
    "turn off response buffering and compression for /v1/runs/*/events (nginx: proxy_buffering off), or use --no-stream"
)


class CheckVerdict(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNCHECKED = "unchecked"
    NOTE = "note"  # nothing is wrong


@fixed
class Check:
    """One line of the report; `error` is the cause of a failed check, and gives the exit code."""

    name: str
    verdict: CheckVerdict
    message: str
    hint: str | None = None
    error: NoxError | None = None

    @classmethod
    def failed(cls, name: str, error: NoxError) -> "Check":
        """Return the failed check for this error."""
        return cls(name, CheckVerdict.FAILED, error.message, error.hint, error)


def checks_of(
    ctx: typer.Context, base_url: str | None, api_key_file: str | None, profile: str | None, run: str | None
) -> Iterator[Check]:
    """Yield the checks of all that is between here and the server, in order; skip those that depend on a failed one."""
    context: Context = ctx.obj
    try:
        name = "config"
        yield _files(ctx, context, profile)
        if trouble := context.history.trouble():
            yield Check("state", CheckVerdict.WARNING, trouble, f"set {STATE_VARIABLE} to a directory of your own")
        name = "address"
        chosen, environ = context.configured.profile, context.terminal.environ
        url = find_url(base_url, environ, chosen)
        address = check_url(url.value, allow_http=allows_http(environ))
        yield Check(name, CheckVerdict.OK, f"{address} ({url.source})")
        name = "key"
        source = find_key(api_key_file, environ, chosen)
        check_server(source, address)
        warnings: list[str] = []
        settings = Settings(address, source.read(warnings.append), source.source)
        yield Check(name, CheckVerdict.WARNING if warnings else CheckVerdict.OK, "; ".join([source.source, *warnings]))
    except NoxError as error:
        yield Check.failed(name, error)
        return
    with opened(context, settings) as api:
        yield from _connection(context, api, address, run)


def _files(ctx: typer.Context, context: Context, profile: str | None) -> Check:
    configured = context.configure(profile)
    check_defaults(ctx, configured.preferences)
    read = [str(configured.project)] if configured.project else []
    if configured.profile is not None:
        read.insert(0, f"profile {configured.profile.name.value} ({configured.profile.name.source})")
    return Check("config", CheckVerdict.OK, ", ".join(read) or "no profile and no project file")


def shell_check(context: Context) -> Check:
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
            return Check("events", CheckVerdict.UNCHECKED, "no run to test with", LIVE_RUN)
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


def judge_server(first: "ConnectionLook", second: "ConnectionLook") -> Check:
    """Judge whether the server answers, and how fast."""
    if first.redirect is not None:
        error = Refused(f"it redirects to {first.redirect}", "set the base URL to where the API really is")
        return Check.failed("server", error)
    told = f"answers in {_milliseconds(second.took)}"
    if first.took > second.took:  # on a busy machine, the second request may take longer
        told += f"; {_milliseconds(first.took)} including the connection"
    if second.took > SLOW:
        return Check("server", CheckVerdict.WARNING, told, "is the network or the server overloaded?")
    return Check("server", CheckVerdict.OK, told)


def judge_tls(look: "ConnectionLook", url: str, *, to_this_machine: bool) -> Check:
    """Judge the encryption and how long the certificate is valid."""
    if url.startswith("http:"):
        if to_this_machine:
            return Check("tls", CheckVerdict.OK, "not needed: it is this machine")
        return Check(
            "tls", CheckVerdict.WARNING, "the key travels in plain text", "use https, except in a closed network"
        )
    told = look.tls or "encrypted by the proxy"
    if look.certificate_ends is None:
        return Check("tls", CheckVerdict.OK, told)
    days = (look.certificate_ends - datetime.now(UTC)).days
    told = f"{told}, certificate until {look.certificate_ends:%Y-%m-%d}"
    if days < SOON:
        return Check("tls", CheckVerdict.WARNING, f"{told}: {days} days", "ask the server's operator to renew it")
    return Check("tls", CheckVerdict.OK, told)


def judge_clock(look: "ConnectionLook") -> Check:
    """Compare this machine's clock with the server's."""
    if look.clock_ahead is None:
        return Check("clock", CheckVerdict.UNCHECKED, "the server does not report its time")
    skew = abs(look.clock_ahead)
    if skew <= MOST_SKEW:
        return Check("clock", CheckVerdict.OK, "agrees with the server's")
    side = "behind" if look.clock_ahead > 0 else "ahead of"
    return Check(
        "clock", CheckVerdict.WARNING, f"{show_seconds(skew)} {side} the server's", "set this machine's clock (NTP)"
    )


def judge_access(me: Mapping[str, Any], host: str) -> Check:
    """Judge what the server says about the key, if anything."""
    told = f"{host} accepts the key"
    if isinstance(me.get("name"), str):
        told = f"{told} ({me['name']})"
    permissions = me.get("permissions")
    if isinstance(permissions, list) and permissions and "flows_run" not in permissions:
        hint = "give the key the permission flows_run"
        return Check("access", CheckVerdict.WARNING, f"{told}, but may not run workflows", hint)
    return Check("access", CheckVerdict.OK, told)


def judge_stream(look: "StreamLook", run: Run) -> Check:
    """Judge whether events arrive without delay. `run` is the record from before the stream was opened."""
    going = run.status == "running"
    if look.collected:
        told = "something in between buffers or compresses the stream"
    elif look.torn:
        told = f"run {run.id} went silent in the middle of an event: something in between is holding the rest back"
    elif look.first is not None and (look.ended is None or look.ended - look.first >= LEAST_SPREAD):
        return Check("events", CheckVerdict.OK, f"come as they are sent: the first after {_milliseconds(look.first)}")
    elif going and look.first is None and look.ended is None:
        told = f"nothing came from run {run.id}, which is running: something in between is holding events back"
    elif going and look.first is not None and look.first >= HELD:
        told = f"all events of run {run.id} arrived together at its end: something in between is holding them back"
    else:
        told = f"cannot test buffering on run {run.id}, which is {run.status}"
        return Check("events", CheckVerdict.UNCHECKED, told, LIVE_RUN)
    return Check("events", CheckVerdict.WARNING, told, MEND_BUFFERING)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
