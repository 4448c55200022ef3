"""Retries of what may work later, with growing, jittered delays, for a limited time."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from noxcli.errors import (
    Hint,
    NotAccessible,
    NotFinished,
    NoxError,
    Refusal,
    RequestRejected,
    TimedOut,
    Unavailable,
)
from noxcli.timing import Clock, Deadline, show_seconds
from noxcli.value_class import value_class

ONE_ATTEMPT = 30.0  # seconds
MIN_ATTEMPT = 5.0  # seconds for an answer, however short --retry-for is
# Seconds: the first and the last ceiling of a back-off.
FIRST_DELAY = 0.5
MAX_DELAY = 15.0
# Seconds and answers of nothing but one refusal.
BELIEVED_AFTER = 10.0
MIN_ASKS = 3
MAX_DOUBLINGS = 30  # of a ceiling, long after it is the last one
ASK_AGAIN = 1.0  # seconds between two of these reads
SAY_EVERY = 60.0  # seconds between two lines about one wait
ASK_LATER = "this may pass: retry in a few seconds"
T = TypeVar("T")


def requested_pause(error: NoxError | None) -> float:
    """Return for how many seconds the server asks to wait."""
    if isinstance(error, Unavailable) and error.retry_after is not None:
        return error.retry_after
    return 0.0


class Pause(NamedTuple):
    """Requests that wait for the server; moments are by `time.monotonic`."""

    status: int | None  # of the answer that began it, None without one
    since: float
    until: float | None  # None if the server did not say


class FailureTracker:
    """Counts failures in a row of requests for one thing, and says when they last too long.

    They last from the first one on, while this process was awake. A refusal is believed once
    nothing else came for a while, since a gateway, or a replica that lags, may refuse what exists.
    Fewer than `least` failures are no outage, unless `longest` is 0: a poll interval, or a pause of
    this process, may be longer. Seconds throughout.
    """

    def __init__(
        self, clock: Clock, longest: float = float("inf"), *, least: int = 2, known: bool = True
    ) -> None:
        """`known`: this command has started or read it, or another one started it moments ago."""
        self.longest = longest
        self.in_a_row = 0
        self._clock = clock
        self._least = least
        self._known = known
        self._since = 0.0
        self._refusals: FailureTracker | None = None
        self._status: int | None = None  # of these refusals
        self.said = set[str]()  # the reasons that the user knows
        self.said_at = 0.0

    def answered(self) -> None:
        """The server answers."""
        self.in_a_row = 0

    def got_answer(self) -> None:
        """It was read."""
        self._known = True
        self._status = None
        self.answered()

    def failed(self) -> None:
        """There was no answer."""
        if self.in_a_row == 0:
            self._since = self._clock.awake()
        self.in_a_row += 1

    def is_lost(self, error: NoxError) -> bool:
        """Count a request that failed, and return whether there is no reason to retry."""
        if isinstance(error, NotAccessible):
            return self._is_believed(error)
        if isinstance(error, Unavailable) and error.lasts:
            return True
        self.failed()
        may_pass = isinstance(error, Unavailable | RequestRejected)
        return self.is_too_long or not may_pass

    def _is_believed(self, error: NotAccessible) -> bool:
        """Count a refusal, and return whether it is believed."""
        if error.refusal is Refusal.OWN:
            return True
        if error.refusal is Refusal.OF_THE_API and not self._known:
            return True
        if self._refusals is None or error.http_status != self._status:
            self._status = error.http_status
            self._refusals = FailureTracker(self._clock, BELIEVED_AFTER, least=MIN_ASKS)
        self._refusals.failed()
        return self._refusals.is_too_long

    @property
    def seconds(self) -> float:
        """How long they have lasted."""
        if self.in_a_row == 0:
            return 0.0
        return self._clock.awake() - self._since

    @property
    def remaining(self) -> float:
        """How much longer they may last."""
        return self.longest - self.seconds

    def remaining_for(self, error: NoxError) -> float:
        """Return how much longer such an error may last."""
        if isinstance(error, NotAccessible) and self._refusals is not None:
            return self._refusals.remaining
        return self.remaining

    @property
    def is_too_long(self) -> bool:
        """True if there is no more reason to wait for an answer."""
        least = self._least if self.longest else 1
        return self.remaining <= 0 and self.in_a_row >= least

    @property
    def for_an_attempt(self) -> float:
        """How long one attempt may take, also for an answer that trickles in."""
        if self.longest == 0:
            return float("inf")
        return max(self.remaining, MIN_ATTEMPT)

    def delay(self, at_least: float | None = None) -> float:
        """Return how long to wait before the next attempt; `at_least` is the server's Retry-After.

        Full jitter: a random share of a ceiling that doubles with each failure.
        """
        import random  # needed only after a failure

        doublings = min(self.in_a_row - 1, MAX_DOUBLINGS)
        ceiling = min(MAX_DELAY, FIRST_DELAY * 2.0**doublings)
        drawn = random.uniform(0, ceiling)  # noqa: S311 - it spreads retries, and keeps no secret
        return max(drawn, at_least or 0.0)


class ReadPages:
    """The pages of one list that were read: after a failure, only the next one is requested."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self._known = 0

    def have_grown(self) -> bool:
        """True if there are more than at the last call."""
        grown = len(self.answers) > self._known
        self._known = len(self.answers)
        return grown


@value_class(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a command repeats a call that fails, and what it says and raises then.

    `retry_for` is in seconds, from the first failure of each call; `say` gets a line for each new
    reason. With `once`, the caller retries itself.
    """

    deadline: Deadline
    retry_for: float
    say: Callable[[Hint], None]
    out_of_time: type[NoxError] = TimedOut
    gave_up: type[NoxError] | None = None
    once: bool = False

    def limit(self) -> Deadline:
        """Return when a call must end; with a limit of 0, one attempt takes as long as it needs."""
        if self.deadline.seconds == 0:
            return Deadline(self.deadline.clock, ONE_ATTEMPT)
        return self.deadline

    def too_late(self, what: str) -> NoxError:
        """Return the error for a call that reached this limit."""
        return self.out_of_time(f"out of time: {what}", "increase --timeout")

    def keep_trying(
        self,
        call: Callable[[float], T],
        worth: Callable[[Unavailable, float], bool] = lambda *_: True,
        *,
        known: bool = False,
        believing: bool = False,
        moved: Callable[[], bool] = lambda: False,
    ) -> T:
        """Return the result of `call`, once it raises no Unavailable; it gets its seconds.

        It is repeated until a refusal of what is `known` is believed (see FailureTracker),
        `believing` now. If a failed call `moved` forward, the time for retries starts again.

        Raises the last Unavailable when that time is over, or can't help (as `gave_up`, if given),
        or it is not `worth` a retry in the remaining seconds; `out_of_time` at the command's own
        limit, or NotFinished for a refusal of what a wait checks once.
        """
        failures = FailureTracker(self.deadline.clock, self.retry_for, known=known)
        while True:
            try:
                return call(self.limit().remaining(failures.for_an_attempt))
            except NotAccessible as error:
                if self.once or believing or failures.is_lost(error):
                    raise
                self.pause(error, failures)
            except Unavailable as error:
                remaining = min(failures.remaining, self.deadline.remaining())
                if self.once or not worth(error, remaining):
                    raise
                if moved():
                    failures.got_answer()
                self.pause(error, failures)

    def keep_listing(self, call: Callable[[float, ReadPages], T]) -> T:
        """Return the result of `call`, which reads one list, as `keep_trying` does.

        It gets the pages that an earlier attempt has read. Raises as `keep_trying`.
        """
        pages = ReadPages()
        return self.keep_trying(lambda within: call(within, pages), moved=pages.have_grown)

    def pause(self, error: NoxError, failures: FailureTracker) -> None:
        """Wait for the next attempt, and say why. Raises as `keep_trying` if there is none."""
        delay = ASK_AGAIN
        if isinstance(error, Unavailable):
            delay = self._delay_after(error, failures)
        self._say(error, failures, delay)
        if delay < self.deadline.remaining():
            while delay > SAY_EVERY:
                self.deadline.clock.sleep(SAY_EVERY)
                delay -= SAY_EVERY
                self._say(error, failures, delay)
            self.deadline.clock.sleep(delay)
            return
        checks_once = self.deadline.seconds == 0 and self.out_of_time is TimedOut
        if checks_once and isinstance(error, NotAccessible):
            raise NotFinished(error.message, ASK_LATER, **error.facts()) from error
        self.deadline.clock.sleep(self.deadline.remaining())
        raise self.too_late(error.message) from error

    def _say(self, error: NoxError, failures: FailureTracker, delay: float) -> None:
        """Say why it waits: each reason once, and the latest every minute."""
        reason = Hint(error.message)
        if error.hint is not None:
            reason = Hint(reason, "; ", error.hint)
        now = self.deadline.clock.monotonic()
        is_new = str(reason) not in failures.said
        if not is_new and now < failures.said_at + SAY_EVERY:
            return
        failures.said.add(str(reason))
        failures.said_at = now
        longest = max(failures.remaining_for(error), delay)
        if is_new:
            self.say(Hint(reason, f"; retrying for up to {longest:.0f}s"))
            return
        waited = show_seconds(failures.seconds)
        self.say(Hint(reason, f"; waiting for {waited}, retrying for up to {longest:.0f}s more"))

    def _delay_after(self, error: Unavailable, failures: FailureTracker) -> float:
        """Return the wait before the next attempt. Raises as `keep_trying` if there is none."""
        is_lost = failures.is_lost(error)
        if error.lasts:
            raise error
        if self.deadline.passed:
            raise self.too_late(error.message) from error
        asked = requested_pause(error)
        if asked > self.deadline.remaining():
            raise self.too_late(error.line()) from error
        if not is_lost and asked <= failures.remaining:
            # The last attempt is at the end of the time for retries.
            return min(failures.delay(asked), failures.remaining)
        if self.gave_up is None:
            raise error
        if not is_lost:
            return asked  # it waits for a run
        raise self.gave_up(error.message, error.hint, **error.facts()) from error
