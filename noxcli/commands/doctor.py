"""`noxcli doctor`: checks of everything between here and the server.

One line each, with its fix.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import typer

from noxcli.cli.options import CommonOptions, DocumentOptions, declared, option
from noxcli.cli.verbs import Codes
from noxcli.errors import (
    CommandLine,
    Hint,
    NoxError,
    OutputNotDelivered,
    StreamUnsupported,
    Unauthorized,
    Unavailable,
    worst,
)
from noxcli.models import Run
from noxcli.render.table import Layout, show_table
from noxcli.render.text import visible
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.api import NoxusApi
    from noxcli.api.event_stream import EventFeed
    from noxcli.cli.session import Session
    from noxcli.config.settings import Configured
    from noxcli.urls import Url

CHECK_COLUMNS = Layout(
    ("VERDICT", "NAME", "MESSAGE"), cut=("MESSAGE",), marked=("VERDICT",), wraps=True
)
EACH_ADDRESS = 5.0  # seconds for the answer of one address
# Seconds to watch a stream, until it is looked at again, and that it must stay open after its first
# bytes, where it is not the stream of a run that the user named.
WATCHED = 5.0
CHECK_EVERY = 0.05
STAYS_OPEN = 0.5
IDLE_CUT = 0.5  # seconds of silence before an end from which on the silence is its cause
STREAM_QUIET = 0.2  # seconds after which the missing part of an event is no longer just in transit
LATEST_RUNS = 100  # runs to search for a running one
MAX_SKEW = 30.0  # seconds
MIN_REFUSAL = 400  # of the statuses of HTTP
OF_A_PROXY = 407  # it wants a password, and has asked no host
OF_A_GATEWAY = frozenset({502, 503, 504})  # it may have reached no host
# Answers from which nothing follows: not every key may read its own record, and not every server
# has that call.
SAYS_NOTHING = frozenset({403, 404, 405})
LIVE_RUN = Hint("try ", CommandLine("doctor", "--run", "RUN"), " on a live run")
FIX_BUFFERING = (
    "turn off response buffering and compression for /v1/runs/*/events "
    "(nginx: proxy_buffering off), or use --no-stream"
)
FIX_IDLE_LIMIT = (
    "raise it for /v1/runs/*/events (nginx: proxy_read_timeout); noxcli connects again after each"
)


@dataclass(frozen=True, slots=True)
class Probe:
    """What one check found; `error` is the cause of a failed one, and gives the exit code."""

    verdict: Literal["ok", "warning", "failed", "unchecked"]
    message: str
    hint: Hint | str | None = None
    error: NoxError | None = None


@declared
class Options(DocumentOptions, CommonOptions):
    """Check host, TLS, clock, key and event stream; starts nothing.

    Examples:
        noxcli doctor
        # Buffering of events can be detected only during a run.
        noxcli run slow --detach
        noxcli doctor --run @last
    """

    codes = {2: "bad usage or config"} | Codes.NO_KEY | Codes.TEMPORARY

    run: str | None = option("--run", "RUN", "Check the event stream of a running run.", None)


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the checks. Raises typer.Exit with the code of the worst one."""
    from noxcli.cli.session import begin  # the help loads none of what checks need

    noxus = begin(ctx, options)
    printing = noxus.context.printing
    terminal = noxus.context.terminal
    found = []
    errors = []
    for name, check in run_checks(noxus, options.run):
        hint = None
        if check.hint is not None:
            hint = Hint(check.hint).shown(noxus.context.route)
        found.append(
            {"name": name, "verdict": check.verdict, "message": check.message, "hint": hint}
        )
        if check.error is not None:
            errors.append(check.error.exit_code)
    code = worst(errors)
    found = terminal.mask.whole(found)
    if printing.format.is_text:
        show_table(terminal, CHECK_COLUMNS, [_row(each) for each in found])
    else:
        printing.print_named("doctor", {"checks": found}, code)
    raise typer.Exit(code)


def _row(check: Mapping[str, Any]) -> tuple[str, str, str]:
    line = check["message"]
    if check["hint"]:
        line = f"{line}; {check['hint']}"
    return check["verdict"], check["name"], visible(line, None)


def run_checks(noxus: "Session", run: str | None) -> Iterator[tuple[str, Probe]]:
    """Yield the checks of all that is between here and the server, by their names.

    A failed one is the last.
    """
    from noxcli.urls import to_url  # the help loads none of these

    name = "settings"
    used = _settings_used(noxus.context.configured)
    if used:
        yield name, Probe("ok", ", ".join(used))
    try:
        with noxus.connect() as api:
            name = "host"
            url = to_url(noxus.context.base_url)
            addresses = api.http.addresses()
            if len(addresses) > 1:
                yield "addresses", _check_addresses(api, addresses)
            began = time.monotonic()
            me: Mapping[str, Any] | NoxError
            try:
                me = api.get_me()
            except NoxError as refused:
                if not _is_of_host(refused, url):
                    raise
                me = refused
            yield name, _host_answered(url, time.monotonic() - began)
            yield "tls", _check_tls(url)
            yield "clock", _check_clock(api)
            name = "key"
            yield name, _check_key(api, url, me)
            name = "events"
            yield name, _check_events(noxus, api, run)
    except (OutputNotDelivered, Unauthorized, Unavailable) as error:
        # The host answers, but says nothing about these; or the key, which it accepts, may not ask;
        # or the run's record is too large.
        # What a proxy answers, it may have from the host.
        is_answered = name == "key" or (name == "host" and error.http_status is not None)
        is_unknown = name == "events" or (is_answered and isinstance(error, Unavailable))
        if is_unknown:
            yield name, Probe("unchecked", f"not known: {error.message}", error.hint, error)
        else:
            yield name, Probe("failed", error.message, error.hint, error)
    except NoxError as error:
        yield name, Probe("failed", error.message, error.hint, error)


def _is_of_host(refused: NoxError, url: "Url") -> bool:
    """True for an answer that the host itself gave, and not perhaps something before it."""
    from noxcli.api.proxies import proxy_for  # as above

    status = refused.http_status
    if status is None or status < MIN_REFUSAL or status == OF_A_PROXY:
        return False
    return status not in OF_A_GATEWAY or not proxy_for(url)


def _settings_used(configured: "Configured") -> list[str]:
    """Return the profile and the project file that say how to connect."""
    used = []
    if configured.profile:
        used.append(f"profile {configured.profile.value!r} ({configured.profile.source})")
    if configured.project:
        used.append(f"project file {configured.project}")
    return used


def _check_addresses(api: "NoxusApi", addresses: list[str]) -> Probe:
    """Ask each address of the host."""
    silent = []
    for address in addresses:
        try:
            api.require_answer(address, EACH_ADDRESS)
        except Unavailable as error:
            silent.append(f"{address} ({error.message})")
    if not silent:
        return Probe("ok", f"all {len(addresses)} answer: {', '.join(addresses)}")
    return Probe(
        "warning",
        f"{len(silent)} of {len(addresses)} give no answer: {', '.join(silent)}",
        "correct the name's records, or start what listens there",
    )


def _host_answered(url: "Url", seconds: float) -> Probe:
    from noxcli.api.proxies import proxy_for  # as above
    from noxcli.urls import shown_url

    what = f"{url.netloc} answers in {seconds * 1000:.0f} ms"
    proxy = proxy_for(url)
    if proxy:
        what = f"{what} through the proxy {shown_url(proxy)}"
    return Probe("ok", what)


def _check_tls(url: "Url") -> Probe:
    """Say whether the connection, which has answered, is encrypted."""
    from noxcli.urls import is_loopback  # as above

    if url.scheme == "https":
        return Probe("ok", "encrypted, and the certificate is trusted")
    if is_loopback(url.host):
        return Probe("ok", "not needed: it is this machine")
    return Probe(
        "warning", "the key travels in plain text", "use https, except in a closed network"
    )


def _check_clock(api: "NoxusApi") -> Probe:
    """Compare this machine's clock with the server's."""
    servers = api.http.server_now()
    if servers is None:
        return Probe("unchecked", "the server does not report its time")
    ahead = (servers - datetime.now(UTC)).total_seconds()
    if abs(ahead) <= MAX_SKEW:
        return Probe("ok", "agrees with the server's")
    side = "behind" if ahead > 0 else "ahead of"
    return Probe(
        "warning",
        f"{show_seconds(abs(ahead))} {side} the server's",
        "set this machine's clock (NTP)",
    )


def _check_key(api: "NoxusApi", url: "Url", me: Mapping[str, Any] | NoxError) -> Probe:
    """Report what the server says about the key, if anything.

    Raises the error with which it rejects the key.
    """
    if isinstance(me, NoxError):
        if me.http_status not in SAYS_NOTHING:
            raise me
        next(iter(api.list_workflows()), None)
        me = {}
    text = f"{url.netloc} accepts the key"
    if isinstance(me.get("name"), str):
        text = f"{text} ({me['name']})"
    permissions = me.get("permissions")
    if isinstance(permissions, list) and permissions and "flows_run" not in permissions:
        return Probe(
            "warning", f"{text}, but may not run workflows", "give the key the permission flows_run"
        )
    return Probe("ok", text)


def _check_events(noxus: "Session", api: "NoxusApi", named: str | None) -> Probe:
    """Watch the stream of the named run, or else of the newest running one.

    Raises what reading them raises.
    """
    if named is not None:
        recent = [noxus.read_run(named, noxus.retries(0.0))]
    else:
        recent = list(islice(api.list_runs(), LATEST_RUNS))
    if not recent:
        return Probe("unchecked", "no run to test with", LIVE_RUN)
    run = next((run for run in recent if run.status == "running"), recent[0])
    stays_open = STAYS_OPEN
    if named is not None:
        stays_open = WATCHED
    try:
        return _check_stream(api, run, stays_open)
    except StreamUnsupported as error:
        return Probe("warning", f"no event stream: {error.message}", "noxcli polls instead")


def _check_stream(api: "NoxusApi", run: Run, stays_open: float) -> Probe:
    """Say whether the events of a run come as they are sent, and whether silence ends them.

    `run` is its record from before the stream was opened. Raises what reading them raises.
    """
    feed = api.open_events(run.id)
    ended = _watch_feed(feed, stays_open)
    silence = feed.silent_for()
    is_cut = ended and run.status == "running" and silence >= IDLE_CUT
    # Read again: a run that ends meanwhile closes its stream as well.
    if is_cut and api.get_run(run.workflow_id, run.id).status == "running":
        return Probe(
            "warning",
            f"the stream of run {run.id} was closed after {show_seconds(silence)} of silence, "
            "while the run continues: an idle limit",
            FIX_IDLE_LIMIT,
        )
    return _check_buffering(feed, run, ended)


def _check_buffering(feed: "EventFeed", run: Run, ended: bool) -> Probe:
    """Say whether something between here and the server holds the watched events back."""
    headers = {} if feed.response is None else feed.response.headers
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if "Content-Length" in headers or encoding != "identity":
        text = "something in between buffers or compresses the stream"
    elif run.status != "running" or ended:  # its replay comes in one piece, buffered or not
        why = _why_unchecked(run)
        return Probe("unchecked", f"cannot test buffering on run {run.id}, because {why}", LIVE_RUN)
    elif feed.first_byte_at is None:
        text = (
            f"nothing came from run {run.id}, which is running: "
            "something in between is holding events back"
        )
    elif feed.framer.is_within_a_frame and feed.silent_for() >= STREAM_QUIET:
        # As after a buffer of fixed size.
        text = (
            f"run {run.id} went silent in the middle of an event: "
            "something in between is holding the rest back"
        )
    else:
        return Probe("ok", "come as they are sent")
    return Probe("warning", text, FIX_BUFFERING)


def _why_unchecked(run: Run) -> str:
    """Return why the stream of a run shows nothing about buffering."""
    if run.settled:
        return "it has ended"
    if run.status == "running":
        return "its stream has ended"
    return f"it is {run.word}"


def _watch_feed(feed: "EventFeed", stays_open: float) -> bool:
    """Watch a stream until it ends, or stays open after its first bytes, or time is up.

    Return whether it has ended. Raises what opening it raises.
    """
    began = time.monotonic()
    until = began + WATCHED
    try:
        while time.monotonic() < until:
            feed.next_events(CHECK_EVERY)
            in_transit = feed.framer.is_within_a_frame and feed.silent_for() < STREAM_QUIET
            until = began + WATCHED
            if feed.first_byte_at is not None and not in_transit:
                until = feed.first_byte_at + stays_open
    except NoxError:
        if not feed.opened:
            raise
        return True
    finally:
        feed.close()
    return False
