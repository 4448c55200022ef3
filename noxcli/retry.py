"""Retries of what may work later, with growing, jittered delays, for a limited time."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from copy import copy
from typing import Any, Self, TypeVar

from noxcli.errors import Denied, NotFinished, NotSecured, NoxError, Refused, TimedOut, Unavailable
from noxcli.timing import Clock, Deadline, Outage
from noxcli.waiting import run_apart

ONE_LOOK = 30.0  # seconds
BELIEVED_AFTER, LEAST_ASKS = 10.0, 3  # seconds and answers of nothing but one refusal
ASK_AGAIN = 1.0  # seconds between two of these asks
ASK_LATER = "this may pass: ask again in a few seconds"
DOUBT_AFTER = 10.0  # seconds without an answer, after which the user may have made a mistake
T = TypeVar("T")
# Says why a call failed; how long nothing has answered, and how much longer that is borne, in seconds.
Tell = Callable[[NoxError, float, float], None]
Telling = Callable[[], AbstractContextManager[Tell]]  # from the first failure to the end of the call


def hint_after(seconds: float, error: NoxError) -> str:
    """Return what to do about it after so long: a command to start the server at once, a doubt only then."""
    hint = error.hint or ""
    return hint if seconds >= DOUBT_AFTER or "noxcli " in hint else ""


def in_lines(say: Callable[[str], None]) -> Telling:
    """Return what says each new reason in a line."""
    said = set[str]()

    def tell(error: NoxError, seconds: float, left: float) -> None:
        line = "; ".join(filter(None, (error.message, hint_after(seconds, error))))
        if line not in said:
            said.add(line)
            say(f"{line}; retrying for up to {left:.0f}s")

    return lambda: nullcontext(tell)


class Refusal:
    """What the server refuses to one request: a gateway, or a replica that lags, may do so although it is there."""

    def __init__(self, clock: Clock, *, known: bool = False) -> None:
        """`known`: this command has started or read what it asks for, or another one started it just now."""
        self._known = known
        self._status: int | None = None
        self._lasts = Outage(clock, BELIEVED_AFTER, least=LEAST_ASKS)

    def met_answer(self) -> None:
        """It was there."""
        self._known = True
        self._lasts.answered()

    def is_believed(self, error: Denied) -> bool:
        """Count a refusal, and return whether there is no reason to ask again."""
        if error.http_status is None or (error.in_json and not (self._known or error.was_read)):
            return True
        if error.http_status != self._status:
            self._lasts.answered()
        self._status = error.http_status
        self._lasts.failed()
        return self._lasts.is_too_long

    @property
    def left(self) -> float:
        """For how many seconds it is not believed yet."""
        return max(0.0, self._lasts.left)


class Contact:
    """The reads of one run: failures are borne for a while, and a refusal until it lasts. Seconds throughout."""

    def __init__(self, clock: Clock, retry_for: float, *, known: bool = True) -> None:
        """`known` as for a Refusal."""
        self.outage = Outage(clock, retry_for)
        self._refusal = Refusal(clock, known=known)

    def met_answer(self) -> None:
        """It was read."""
        self.outage.answered()
        self._refusal.met_answer()

    def is_lost(self, error: NoxError) -> bool:
        """Count a read that failed, and return whether there is no reason to read again."""
        if isinstance(error, Denied):
            return self._refusal.is_believed(error)
        self.outage.failed()
        return self.outage.is_too_long or not isinstance(error, Unavailable | Refused)


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
        call: Callable[[], T],
        worth: Callable[[Unavailable, float], bool] = lambda *_: True,
        *,
        bounded: bool = True,
        long: bool = False,
        known: bool = False,
        moved: Callable[[], bool] = lambda: False,
    ) -> T:
        """Return the result of `call`, once it does not raise Unavailable.

        With `bounded`, a call ends at the command's own limit, and is repeated until a refusal of what is `known` is
        believed (see Refusal); otherwise the call must do that itself. A `long` one, such as an upload, may take longer
        than an outage. If a failed call `moved` forward, patience starts again.

        Raises the last Unavailable when patience ends, or can't help (as `gave_up`, if given), or it is not `worth` a
        retry in the seconds that are left; `out_of_time` at the command's own limit.
        """
        outage, refusal = Outage(self.clock, self._retry_for), Refusal(self.clock, known=known)
        with ExitStack() as shown:
            tell: Tell | None = None
            while True:
                try:
                    if not bounded:
                        return call()
                    within = self.limit().left(float("inf") if long else outage.for_an_attempt)
                    return run_apart(call, within)
                except Unavailable as error:
                    if not worth(error, min(outage.left, self._deadline.left())):
                        raise
                    if moved():
                        outage.answered()
                    outage.failed()
                    delay = self._delay(error, outage)
                    tell = tell or shown.enter_context(self._telling())
                    tell(error, outage.seconds, outage.left)
                    self.clock.sleep(delay)
                except Denied as error:
                    if not bounded or refusal.is_believed(error):
                        raise
                    tell = tell or shown.enter_context(self._telling())
                    tell(error, 0.0, refusal.left)
                    self._await_belief(error)

    def _await_belief(self, error: Denied) -> None:
        """Wait until the next ask. Raises NotFinished for a wait that checks once, `out_of_time` at another limit."""
        if self._deadline.left() > ASK_AGAIN:
            self.clock.sleep(ASK_AGAIN)
        elif self._deadline.seconds == 0 and self._out_of_time is TimedOut:
            raise NotFinished(error.message, ASK_LATER, **error.facts()) from error
        else:
            self.clock.sleep(self._deadline.left())
            raise self.out_of_time(error.message) from error

    def _delay(self, error: Unavailable, outage: Outage) -> float:
        """Return how long to wait before the next attempt. Raises as `keep_trying` if there is to be none."""
        if self._deadline.passed:
            raise self.out_of_time(error.message) from error
        delay = outage.delay(error.retry_after)
        if outage.is_too_long or isinstance(error, NotSecured):
            if self._gave_up is not None:
                raise self._gave_up(error.message, error.hint, **error.facts()) from error
            raise error
        delay = min(delay, outage.left)  # the last attempt is at the end of patience
        if delay >= self._deadline.left():
            self.clock.sleep(self._deadline.left())
            raise self.out_of_time(error.message) from error
        return delay


class OneTry(Patience):
    """None: for a caller that asks again itself."""

    def keep_trying(self, call: Callable[[], T], *_: Any, **__: Any) -> T:
        """Return the result of the only call."""
        return call()
