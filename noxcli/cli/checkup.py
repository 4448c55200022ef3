"""Verdicts on the connection: each finding, with its fix."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from noxcli.errors import NoxError, Refused
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.timing import show_seconds

if TYPE_CHECKING:
    from noxcli.api.connection import ConnectionLook, StreamLook

MOST_SKEW = 30.0  # seconds
SLOW = 2.0  # seconds for an answer on an open connection
SOON = 14  # days until a certificate ends
LEAST_SPREAD = 0.3  # seconds between first bytes and end: less is indistinguishable from none
HELD = 1.0  # seconds of silence that a replay would not have unless something buffers it
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
        return Check("events", CheckVerdict.WARNING, told, MEND_BUFFERING)
    if look.torn:
        told = f"run {run.id} went silent in the middle of an event: something in between is holding the rest back"
        return Check("events", CheckVerdict.WARNING, told, MEND_BUFFERING)
    if look.first is not None and (look.ended is None or look.ended - look.first >= LEAST_SPREAD):
        return Check("events", CheckVerdict.OK, f"come as they are sent: the first after {_milliseconds(look.first)}")
    if going and look.first is None and look.ended is None:
        told = f"nothing came from run {run.id}, which is running: something in between is holding events back"
        return Check("events", CheckVerdict.WARNING, told, MEND_BUFFERING)
    if going and look.first is not None and look.first >= HELD:
        told = f"all events of run {run.id} arrived together at its end: something in between is holding them back"
        return Check("events", CheckVerdict.WARNING, told, MEND_BUFFERING)
    told = f"cannot test buffering on run {run.id}, which is {run.status}"
    return Check("events", CheckVerdict.UNCHECKED, told, "try noxcli doctor --run RUN on a live run")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
