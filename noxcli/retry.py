"""Retries of what may work later, with growing, jittered delays, for a limited time."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from copy import copy
from typing import Any, Self, TypeVar

from noxcli.errors import Denied, NotFinished, NotSecured, NoxError, Refused, TimedOut, Unavailable
from noxcli.timing import Clock, Deadline, Outage

ONE_LOOK = 30.0  # seconds
BELIEVED_AFTER, LEAST_ASKS = 10.0, 3  # seconds and answers of nothing but one refusal
ASK_AGAIN = 1.0  # seconds between two of these asks
ASK_LATER = "this may pass: ask again in a few seconds"
T = TypeVar("T")
Tell = Callable[[NoxError, float], None]  # says why a call failed, and for how many more seconds that is borne
Telling = Callable[[], AbstractContextManager[Tell]]  # from the first failure to the end of the call


def in_lines(say: Callable[[str], None]) -> Telling:
    """Return what says each new reason in a line."""
    said = set[str]()

    def tell(error: NoxError, left: float) -> None:
        line = "; ".join(filter(None, (error.message, error.hint)))
        if line not in said:
            said.add(line)
            say(f"{line}; retrying for up to {left:.0f}s")

    return lambda: nullcontext(tell)


class Contact:
    """What the requests for one thing have met: failures are borne for a while, and a refusal until it lasts.

    A gateway, or a replica that lags, may refuse what is there. Seconds throughout.
    """

    def __init__(self, clock: Clock, retry_for: float = float("inf"), *, known: bool = True) -> None:
        """`known`: this command has started or read it, or another one started it just now."""
        self.outage = Outage(clock, retry_for)
        self._known = known
        self._refused = Outage(clock, BELIEVED_AFTER, least=LEAST_ASKS)
        self._status: int | None = None  # of the refusal

    def met_answer(self) -> None:
        """It was read."""
        self._known = True
        self.outage.answered()
        self._refused.answered()

    def is_lost(self, error: NoxError) -> bool:
        """Count a request that failed, and return whether there is no reason to ask again."""
        if isinstance(error, Denied):
            return self._is_believed(error)
        self.outage.failed()
        return self.outage.is_too_long or not isinstance(error, Unavailable | Refused)

    def left(self, error: NoxError) -> float:
        """Return how much longer such an error is borne."""
        return (self._refused if isinstance(error, Denied) else self.outage).left

    def _is_believed(self, error: Denied) -> bool:
        if error.http_status is None or (error.in_json and not (self._known or error.was_read)):
            return True
        if error.http_status != self._status:
            self._refused.answered()
        self._status = error.http_status
        self._refused.failed()
        return self._refused.is_too_long


class Patience:
    """How long a command keeps retrying. `retry_for` is in seconds, from the first failure of each call."""

    def __init__(
        self,
        clock: Clock,
        deadline: Deadline,
        retry_for: float,
        telling: Telling,
        *,
        out_of_time: type[NoxError] = TimedOut,
        gave_up: type[NoxError] | None = None,
    ) -> None:
        self.clock = clock
        self._deadline = deadline
        self._retry_for = retry_for
        self._telling = telling
        self._out_of_time = out_of_time
        self._gave_up = gave_up

    def limit(self) -> Deadline:
        """Return when a call must end; with a limit of 0, a single attempt takes as long as it needs."""
        return Deadline(self.clock, ONE_LOOK) if self._deadline.seconds == 0 else self._deadline

    def out_of_time(self, what: str) -> NoxError:
        """Return the error for a call that reached this limit."""
        return self._out_of_time(f"out of time: {what}", "increase --timeout")

    def saying(self, say: Callable[[str], None]) -> Self:
        """Return the same patience, which says in lines why it retries."""
        other = copy(self)
        other._telling = in_lines(say)
        return other

    def keep_trying(
        self,
        call: Callable[[float], T],
        worth: Callable[[Unavailable, float], bool] = lambda *_: True,
        *,
        known: bool = False,
        believing: bool = False,
        moved: Callable[[], bool] = lambda: False,
    ) -> T:
        """Return the result of `call`, once it does not raise Unavailable; it gets the seconds that it may take.

        It is repeated until a refusal of what is `known` is believed (see Contact), `believing` at once. If a failed
        call `moved` forward, patience starts again.

        Raises the last Unavailable when patience ends, or can't help (as `gave_up`, if given), or it is not `worth` a
        retry in the seconds that are left; `out_of_time` at the command's own limit, or NotFinished for a refusal of
        what a wait checks once.
        """
        contact = Contact(self.clock, self._retry_for, known=known)
        with ExitStack() as shown:
            tell: Tell | None = None
            while True:
                try:
                    return call(self.limit().left(contact.outage.for_an_attempt))
                except (Unavailable, Denied) as error:
                    if isinstance(error, Unavailable):
                        if not worth(error, min(contact.outage.left, self._deadline.left())):
                            raise
                        if moved():
                            contact.met_answer()
                        delay = self._delay_after(error, contact)
                    elif believing or contact.is_lost(error):
                        raise
                    else:
                        delay = ASK_AGAIN
                    tell = tell or shown.enter_context(self._telling())
                    tell(error, contact.left(error))
                    self._pause(delay, error)

    def _delay_after(self, error: Unavailable, contact: Contact) -> float:
        """Return how long to wait before the next attempt. Raises as `keep_trying` if there is to be none."""
        is_lost = contact.is_lost(error)
        if self._deadline.passed:
            raise self.out_of_time(error.message) from error
        if not (is_lost or isinstance(error, NotSecured)):
            # The last attempt is at the end of patience.
            return min(contact.outage.delay(error.retry_after), contact.outage.left)
        if self._gave_up is not None:
            raise self._gave_up(error.message, error.hint, **error.facts()) from error
        raise error

    def _pause(self, seconds: float, error: NoxError) -> None:
        """Wait until the next attempt. Raises as `keep_trying` if the command's limit comes before."""
        if seconds < self._deadline.left():
            self.clock.sleep(seconds)
            return
        if isinstance(error, Denied) and self._deadline.seconds == 0 and self._out_of_time is TimedOut:
            raise NotFinished(error.message, ASK_LATER, **error.facts()) from error
        self.clock.sleep(self._deadline.left())
        raise self.out_of_time(error.message) from error


class OneTry(Patience):
    """None: for a caller that asks again itself."""

    def keep_trying(self, call: Callable[[float], T], *_: Any, **__: Any) -> T:
        """Return the result of the only call, which takes no longer than any other attempt."""
        return call(Outage(self.clock, self._retry_for).for_an_attempt)
