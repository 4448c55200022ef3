"""`noxcli doctor`: checks of everything between here and the server; one line each, with its fix."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from noxcli.cli.options import Common, Documented, declared
from noxcli.errors import ExitCode, NoxError, Refused, StreamUnsupported, worst
from noxcli.render.table import Layout, show_table
from noxcli.render.text import visible
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.api import NoxusApi
    from noxcli.api.feed import EventFeed
    from noxcli.cli.session import Session
    from noxcli.models import Run
    from noxcli.urls import Url

DOCTOR_SCHEMA = "noxcli.doctor/1"
CHECK_COLUMNS = Layout(("VERDICT", "NAME", "MESSAGE"), cut=("MESSAGE",), marked=("VERDICT",), wraps=True)
# Seconds to watch a stream, until it is looked at again, and that it must stay open after its first bytes.
LOOK, LOOK_EVERY, STAYS_OPEN = 5.0, 0.05, 0.5
STREAM_QUIET = 0.2  # seconds after which the missing part of an event is no longer just in transit
LATEST_RUNS = 100  # runs to search for a running one
MOST_SKEW = 30.0  # seconds
SOON = 14  # days until a certificate ends
LEAST_SPREAD = 0.3  # seconds between first bytes and end: less is indistinguishable from none
HELD = 1.0  # seconds of silence that a replay would not have unless something buffers it
LIVE_RUN = "try noxcli doctor --run RUN on a live run"
FIX_BUFFERING = (
    "turn off response buffering and compression for /v1/runs/*/events (nginx: proxy_buffering off), or use --no-stream"
)


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found; `error` is the cause of a failed one, and gives the exit code."""

    verdict: Literal["ok", "warning", "failed", "unchecked"]
    message: str
    hint: str | None = None
    error: NoxError | None = None


@declared
class Options(Documented, Common):
    """Check host, TLS, clock, key and event stream; starts nothing.

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


def execute(ctx: typer.Context, options: Options) -> None:
    """Print the checks. Raises typer.Exit with the code of the worst one."""
    from noxcli.cli.session import begin  # the help loads none of what checks need

    noxus = begin(ctx, options)
    printing, terminal = noxus.context.printing, noxus.context.terminal
    checks = list(run_checks(noxus, options.run))
    code = worst(check.error.exit_code for _, check in checks if check.error)
    findings = terminal.mask.whole(
        [
            {"name": name, "verdict": check.verdict, "message": check.message, "hint": check.hint}
            for name, check in checks
        ]
    )
    if printing.writes_text:
        messages = ["; ".join(filter(None, (each["message"], each["hint"]))) for each in findings]
        rows = [
            (each["verdict"], each["name"], visible(line, None)) for each, line in zip(findings, messages, strict=True)
        ]
        show_table(terminal, CHECK_COLUMNS, rows)
    else:
        head = {"schema": DOCTOR_SCHEMA, "ok": code == ExitCode.OK, "exit_code": int(code)}
        printing.print_document({**head, "checks": findings})
    raise typer.Exit(code)


def run_checks(noxus: "Session", run: str | None) -> Iterator[tuple[str, Check]]:
    """Yield the checks of all that is between here and the server, by their names; a failed one is the last."""
    from noxcli.api.body import AnswerLimit  # the help loads nothing of this
    from noxcli.urls import read_url

    name = "settings"
    try:
        with noxus.connect() as api:
            name, url = "host", read_url(noxus.context.base_url)
            http, limit = api.http, AnswerLimit.of_json()
            with limit.run(lambda: http.exchange("GET", http.url_of("/v1/admin/me"), limit)) as answer:
                yield name, _check_host(answer, url)
                yield "tls", _check_tls(answer, url)
            yield "clock", _check_clock(api)
            name = "key"
            yield name, _check_key(api, url)
            name = "events"
            yield name, _check_events(noxus, api, run)
    except NoxError as error:
        if "certificate" in error.message.lower():
            error.hint = "for a private CA, name its file in REQUESTS_CA_BUNDLE"
        yield name, Check("failed", error.message, error.hint, error)


def _check_host(answer: Any, url: "Url") -> Check:
    """Tell how fast the server answers, and through which proxy. Raises Refused if it redirects."""
    from noxcli.api.transport import proxy_for  # as above
    from noxcli.urls import shown_url

    if answer.is_redirect:
        there = shown_url(answer.headers["Location"])
        raise Refused(f"it redirects to {there}", "set the base URL to where the API really is")
    proxy = proxy_for(url)
    through = f" through the proxy {shown_url(proxy)}" if proxy else ""
    return Check("ok", f"{url.netloc} answers in {_milliseconds(answer.elapsed.total_seconds())}{through}")


def _check_tls(answer: Any, url: "Url") -> Check:
    """Say what encrypts the connection, and how long the certificate is valid."""
    import ssl  # as above

    from noxcli.urls import is_loopback

    if url.scheme == "http":
        if is_loopback(url.host):
            return Check("ok", "not needed: it is this machine")
        return Check("warning", "the key travels in plain text", "use https, except in a closed network")
    sock = getattr(answer.raw.connection, "sock", None)
    if not isinstance(sock, ssl.SSLSocket):
        return Check("ok", "encrypted by the proxy")
    certificate = sock.getpeercert() or {}
    if "notAfter" not in certificate:
        return Check("ok", str(sock.version()))
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (ends - datetime.now(UTC)).days
    text = f"{sock.version()}, certificate until {ends:%Y-%m-%d}"
    if days < SOON:
        return Check("warning", f"{text}: {days} days", "ask the server's operator to renew it")
    return Check("ok", text)


def _check_clock(api: "NoxusApi") -> Check:
    """Compare this machine's clock with the server's."""
    servers = api.http.server_now()
    if servers is None:
        return Check("unchecked", "the server does not report its time")
    ahead = (servers - datetime.now(UTC)).total_seconds()
    if abs(ahead) <= MOST_SKEW:
        return Check("ok", "agrees with the server's")
    side = "behind" if ahead > 0 else "ahead of"
    return Check("warning", f"{show_seconds(abs(ahead))} {side} the server's", "set this machine's clock (NTP)")


def _check_key(api: "NoxusApi", url: "Url") -> Check:
    """Tell what the server says about the key, if anything. Raises the error with which it rejects the key."""
    me: dict[str, Any] = {}
    try:
        me = dict(api.get_me())
    except NoxError as error:
        # Not every key may read its own record, and not every server has that call.
        if error.http_status not in {403, 404, 405}:
            raise
        next(iter(api.list_workflows()), None)
    text = f"{url.netloc} accepts the key"
    if isinstance(me.get("name"), str):
        text = f"{text} ({me['name']})"
    permissions = me.get("permissions")
    if isinstance(permissions, list) and permissions and "flows_run" not in permissions:
        hint = "give the key the permission flows_run"
        return Check("warning", f"{text}, but may not run workflows", hint)
    return Check("ok", text)


def _check_events(noxus: "Session", api: "NoxusApi", named: str | None) -> Check:
    """Watch the stream of the named run, or else of the newest running one. Raises what reading them raises."""
    if named is not None:
        run = noxus.resolve_run(named, noxus.patience(0.0))
    else:
        recent = list(islice(api.list_runs(), LATEST_RUNS))
        if not recent:
            return Check("unchecked", "no run to test with", LIVE_RUN)
        run = next((run for run in recent if run.status == "running"), recent[0])
    try:
        return _check_buffering(api.open_events(run.id), run)
    except StreamUnsupported as error:
        return Check("warning", f"no event stream: {error.message}", "noxcli polls instead")


def _check_buffering(feed: "EventFeed", run: "Run") -> Check:
    """Say whether events arrive without delay. `run` is the record from before the stream was opened."""
    going = run.status == "running"
    first, ended, is_torn = _watch_feed(feed)
    headers = {} if feed.response is None else feed.response.headers
    if "Content-Length" in headers or headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        text = "something in between buffers or compresses the stream"
    elif is_torn:  # as after a buffer of fixed size
        text = f"run {run.id} went silent in the middle of an event: something in between is holding the rest back"
    elif first is not None and (ended is None or ended - first >= LEAST_SPREAD):
        return Check("ok", f"come as they are sent: the first after {_milliseconds(first)}")
    elif going and first is None and ended is None:
        text = f"nothing came from run {run.id}, which is running: something in between is holding events back"
    elif going and first is not None and first >= HELD:
        text = f"all events of run {run.id} arrived together at its end: something in between is holding them back"
    else:
        text = f"cannot test buffering on run {run.id}, because it has ended"
        return Check("unchecked", text, LIVE_RUN)
    return Check("warning", text, FIX_BUFFERING)


def _watch_feed(feed: "EventFeed") -> tuple[float | None, float | None, bool]:
    """Watch a stream until it ends, or stays open after its first bytes, or time is up.

    Return when the first bytes came and when it ended, in seconds from its opening, and whether it fell silent in the
    middle of an event. Raises what opening it raises.
    """
    began = time.monotonic()
    until, ended, is_torn = began + LOOK, None, False
    try:
        while time.monotonic() < until:
            feed.take(LOOK_EVERY)
            in_transit = feed.framer.is_within_a_frame and feed.silent_for() < STREAM_QUIET
            is_torn = feed.framer.is_within_a_frame and not in_transit
            until = began + LOOK if feed.first_heard is None or in_transit else feed.first_heard + STAYS_OPEN
    except NoxError:
        if not feed.opened:
            raise
        ended, is_torn = time.monotonic() - began, False
    finally:
        feed.close()
    return None if feed.first_heard is None else feed.first_heard - began, ended, is_torn


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
