"""The vocabulary: runs, workflows, events and the updates of a follower.

Knows no HTTP and no terminal.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from noxcli.errors import RequestAborted
from noxcli.value_class import value_class

# Noxus docs, api-reference/v1/runs (status enum); anything else is an unknown status, which counts
# as running.
FINAL_STATUSES = frozenset({"completed", "failed", "stopped"})
PAUSED_STATUS = "awaiting_human_feedback"
PAUSED_WORD = "paused"  # what users read and may write for it
PAUSE = "paused for human input: give it in Noxus"
KNOWN_STATUSES = FINAL_STATUSES | {"queued", "running", PAUSED_STATUS}
# What the docs call otherwise: a run with an end and one of these has ended so.
ENDED_AS = {
    **dict.fromkeys(("cancelled", "canceled"), "stopped"),
    **dict.fromkeys(("success", "succeeded"), "completed"),
    **dict.fromkeys(("error", "timeout", "timed_out", "expired"), "failed"),
}
OF_A_RUN = frozenset({"content", "state"})  # the documented types of events
# Runs have UUIDs. Other ids must still be safe as names of history files and in commands to copy.
PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
TEXT_FIELDS = frozenset({"text", "has_preview", "file"})


def documented(status: str) -> str:
    """Return the documented word for a run's status in any case; an unknown one as it is."""
    word = status.lower()
    if word in KNOWN_STATUSES:
        return word
    return status


def word_for(status: str) -> str:
    """Return the human-readable word for a run's status."""
    if status == PAUSED_STATUS:
        return PAUSED_WORD
    return status


@value_class(frozen=True, slots=True)
class Run:
    """A read of a run's record (Noxus docs: SimplifiedRun, RunNoIO).

    Times are ISO 8601, as the server wrote them.
    """

    id: str
    workflow_id: str
    status: str
    progress: int | float | None = None
    created_at: str | None = None
    finished_at: str | None = None
    input: Any = None
    output: Any = None
    progress_details: Mapping[str, Any] = field(default_factory=dict)
    workflow: "Workflow | None" = None
    version_id: str | None = None  # the saved version that it runs; None for the current one
    runs_only_part: bool = False  # it runs some nodes of its workflow alone
    # It was read by workflow and run id: any other request returns the run without its output.
    with_output: bool = False
    unknown_end: bool = False  # it has an end and an unknown status, which may be its last one
    unknown_since: float | None = None  # for how long, by the reader's monotonic clock
    ended: bool = False  # that status has not changed for so long that it is its last one

    @property
    def settled(self) -> bool:
        """True if the status can no longer change."""
        return self.status in FINAL_STATUSES or self.ended

    @property
    def paused(self) -> bool:
        """True if the run waits for human input."""
        return self.status == PAUSED_STATUS

    @property
    def word(self) -> str:
        """The human-readable word for the status."""
        return word_for(self.status)


@value_class(frozen=True, slots=True)
class Workflow:
    """A workflow's record; `nodes` maps node ids to names in the order of the definition."""

    id: str
    name: str
    nodes: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None
    created_at: str | None = None
    last_updated_at: str | None = None
    last_run_at: str | None = None
    runs_count: int | None = None
    version_id: str | None = None  # the saved version that is to run; None for the current one
    version_name: str = ""  # or when it was saved; empty if neither is known


@value_class(frozen=True, slots=True)
class Version:
    """A saved version of a workflow."""

    id: str
    name: str | None
    workflow: Workflow  # in this version
    created_at: str | None = None
    description: str | None = None


class Attempt:
    """One sending of a start.

    Its sender keeps it, and so knows how far it got, even if an exception ends the call.
    """

    def __init__(self, before_sending: Callable[[], None] = lambda: None) -> None:
        """`before_sending` is called before the first byte.

        An error that it raises prevents the sending.
        """
        # A byte of the request may have been sent, and no answer says that it had no effect.
        self.may_be_sent = False
        self.aborted = False
        self._before_sending = before_sending

    def mark_sending(self) -> None:
        """Note that sending begins now.

        Raises RequestAborted, and what `before_sending` raises: then it must not.
        """
        if self.aborted:
            raise RequestAborted("the request was aborted")
        self.may_be_sent = True
        try:
            self._before_sending()
        except BaseException:
            self.may_be_sent = False
            raise

    def abort(self) -> bool:
        """Withdraw the request; return False if it may have been sent."""
        self.aborted = True
        return not self.may_be_sent


@dataclass(slots=True)  # not frozen: building a frozen one takes three times as long
class RunEvent:
    """One server event, `data` untouched (Noxus docs: running-workflows, RunEvent).

    `raw` is the JSON of `data` as the server wrote it, on one line; it is set only if `type` and
    `redis_id` need no escapes in JSON.
    """

    type: str
    data: Any
    redis_id: str | None = None
    raw: str | None = field(default=None, compare=False, repr=False)

    @property
    def workflow_status(self) -> str | None:
        """The status that ends the run, on the event that announces it."""
        return self._status_under("workflow_status")

    @property
    def state(self) -> str | None:
        """The run's status in an event about its state."""
        if self.type != "state":
            return None
        return self._status_under("status")

    def _status_under(self, key: str) -> str | None:
        if not isinstance(self.data, dict):
            return None
        status = self.data.get(key)
        if not isinstance(status, str):
            return None
        return documented(status)

    @property
    def is_terminal(self) -> bool:
        """True if the event announces the end.

        `stopped` counts, although the docs name only the other two.
        """
        return self.workflow_status in FINAL_STATUSES


@value_class(frozen=True, slots=True)
class RunUpdate:
    """What is known of the run at a moment that matters."""

    run: Run


class Started(RunUpdate):
    """The id of the run to follow is known."""


class Polled(RunUpdate):
    """A read of the record while the run is running."""


@value_class(frozen=True, slots=True)
class Reconnecting:
    """The stream broke; noxcli reconnects after `delay` seconds.

    `lost` is false if there was none yet.
    """

    attempt: int
    delay: float
    reason: str
    lost: bool = True


@value_class(frozen=True, slots=True)
class Gap:
    """Events may be missing here."""

    reason: str


class Paused(RunUpdate):
    """The run waits for human input."""


class Finished(RunUpdate):
    """The last read of the record: final, or paused if the follower should end at a pause."""


Update = Started | RunEvent | Polled | Reconnecting | Gap | Paused | Finished


def is_wrapped(value: Any) -> bool:
    """True for the API's other form of a text, `{"text": …}`; a truncated one has more fields."""
    if not isinstance(value, dict) or "text" not in value or not value.keys() <= TEXT_FIELDS:
        return False
    return value.get("file") is None and not value.get("has_preview")


def is_uuid(text: str) -> bool:
    """True for an id in the API's form."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def same_id(one: str, other: str) -> bool:
    """True if both are the same id, in any form of a UUID."""
    try:
        return UUID(one) == UUID(other)
    except ValueError:
        return one.lower() == other.lower()
