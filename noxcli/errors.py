"""Every failure that noxcli expects, each with its exit code, and what an unknown name means."""

import errno
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple, overload


class ExitCode(IntEnum):
    """What a script reads in `$?`; the server never chooses the number.

    They are in the order in which several runs' codes count, the worst first.
    """

    words: str
    meaning: str
    again: str

    def __new__(cls, value: int, words: str = "", meaning: str = "", again: str = "") -> "ExitCode":
        code = int.__new__(cls, value)
        code._value_ = value
        code.words = words
        code.meaning = meaning
        code.again = again
        return code

    HANGUP = 129, "interrupted", "SIGHUP", "-"
    INTERRUPTED = 130, "interrupted", "SIGINT (Ctrl-C)", "-"
    TERMINATED = 143, "interrupted", "SIGTERM", "-"
    READER_GONE = 141, "stdout closed", "the reader of stdout closed the pipe", "-"
    BUG = (
        70,
        "a bug in noxcli",
        "a bug in noxcli (traceback only with `--verbose`)",
        "report the bug",
    )
    USAGE = (
        2,
        "rejected, nothing started",
        "bad usage, input or config, or the server rejected the request (400, 409, 422); "
        "nothing started",
        "fix first",
    )
    AUTH = 4, "no access", "no key, key rejected (401), permission missing (403)", "fix first"
    START_UNKNOWN = (
        7,
        "in doubt",
        "start outcome unknown: sent, no usable answer",
        "check `runs` first",
    )
    LOST_CONTACT = (
        6,
        "lost contact",
        "lost contact, result unknown; the run may still be running",
        "`wait` again, do not restart",
    )
    TEMPORARY = 75, "not started: server unavailable", "temporary failure, nothing started", "safe"
    NOT_FOUND = 5, "not found", "workflow, run or file not found", "-"
    TIMED_OUT = (
        124,
        "still running at the timeout",
        "`--timeout` or `--stall-timeout` reached",
        "`wait` again",
    )
    PAUSED = (
        10,
        "paused for human input",
        "paused for human input (`awaiting_human_feedback`)",
        "after the input",
    )
    RUN_FAILED = 1, "failed", "the run failed", "up to you"
    RUN_STOPPED = 3, "stopped", "the run was stopped", "-"
    NOT_AS_ASSERTED = (
        11,
        "completed, assertion failed",
        "completed, but an `--assert` or `--expect` did not hold; of `compare`: a row broke",
        "up to you",
    )
    UNDELIVERED = (
        9,
        "completed, output not fully delivered",
        "completed, but the output could not be completed or written",
        "`fetch-output` again",
    )
    NOT_FINISHED = (
        8,
        "not finished",
        "not finished yet (`fetch-output` without `--wait`, `wait --timeout 0`); "
        "of `results` and `compare`: rows without an answer",
        "later",
    )
    OK = 0, "completed", "completed, and the output was delivered in full", "not needed"


class Phase(StrEnum):
    """How far a command had got when it failed."""

    USAGE = "usage"
    CONFIG = "config"
    AUTH = "auth"
    PREFLIGHT = "preflight"
    UPLOAD = "upload"
    START = "start"
    FOLLOW = "follow"
    RUN = "run"
    DELIVER = "deliver"
    ASSERT = "assert"
    INTERNAL = "internal"


# The errors of a system without resources for one more process or open file.
NO_ROOM = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class StatusFacts(NamedTuple):
    """What an HTTP status says about its request, and about those after it."""

    is_repeated: bool = False  # the same request may work later
    had_no_effect: bool = False
    is_overloaded: bool = False  # the server, or a gateway before it, takes no more for now
    is_unavailable: bool = False  # every other request would fare the same
    refuses_access: bool = False  # it does not exist, or not for this key
    is_too_large: bool = False

    @property
    def is_sent_again(self) -> bool:
        """True if a request with an effect is sent again: it was only too early."""
        return self.is_repeated and self.had_no_effect

    @property
    def slows_the_pace(self) -> bool:
        """True if requests must pause: what is sent again without a pause would be a flood."""
        return self.is_overloaded or self.is_sent_again


REFUSED_ACCESS = StatusFacts(had_no_effect=True, refuses_access=True)
REFUSED_SIZE = StatusFacts(had_no_effect=True, is_too_large=True)
NOTHING_DONE = StatusFacts(had_no_effect=True)
# What is known of a status; others have the facts of their hundred.
STATUSES = {
    307: NOTHING_DONE,
    308: NOTHING_DONE,
    401: REFUSED_ACCESS,
    403: REFUSED_ACCESS,
    404: REFUSED_ACCESS,
    # It may be from a gateway that stopped waiting for the server.
    408: StatusFacts(is_repeated=True),
    410: REFUSED_ACCESS,
    413: REFUSED_SIZE,
    414: REFUSED_SIZE,
    429: StatusFacts(is_repeated=True, had_no_effect=True, is_overloaded=True, is_unavailable=True),
    431: REFUSED_SIZE,
    502: StatusFacts(is_repeated=True, is_unavailable=True),
    503: StatusFacts(is_repeated=True, is_overloaded=True, is_unavailable=True),
    504: StatusFacts(is_repeated=True, is_unavailable=True),
}
BY_HUNDRED = {4: NOTHING_DONE, 5: StatusFacts(is_repeated=True)}


def facts_about(status: int | None) -> StatusFacts:
    """Return what a status says; nothing where there was no answer."""
    if status is None:
        return StatusFacts()
    if status in STATUSES:
        return STATUSES[status]
    hundred = min(status // 100, 5)  # there are servers that invent higher ones
    return BY_HUNDRED.get(hundred, StatusFacts())


class Refusal(Enum):
    """How far a refusal can be believed; `error_mapping` knows where it came from."""

    OWN = "own"  # noxcli itself refused: the server was not asked
    OF_THE_API = "of the API"  # believed immediately, unless this command has read the thing before
    DOUBTFUL = "doubtful"  # from something before the API, or about what it has just shown


# The sets of codes, each for one question: what ran to its end, so that --resume skips it;
HAD_RUN = frozenset({ExitCode.OK, ExitCode.RUN_FAILED, ExitCode.RUN_STOPPED})
# what ended in an answer to judge, or in none that another call would find;
ANSWERED = HAD_RUN | {ExitCode.NOT_AS_ASSERTED}
# what the server completed, under any assertions of the user;
COMPLETED = frozenset({ExitCode.OK, ExitCode.NOT_AS_ASSERTED})
# what the server did not complete;
ENDED_BADLY = frozenset({ExitCode.RUN_FAILED, ExitCode.RUN_STOPPED})
# what --min-pass and --pass-each judge by its share, while trouble on the way to a verdict stays
# what it is;
BY_SHARE = frozenset({*ENDED_BADLY, ExitCode.UNDELIVERED, ExitCode.NOT_AS_ASSERTED})
# how the first rows of a batch may all end, which shows that no other would do better;
HOPELESS = frozenset({*ENDED_BADLY, ExitCode.USAGE, ExitCode.START_UNKNOWN, ExitCode.TEMPORARY})
# what a signal ended;
SIGNALLED = frozenset({ExitCode.HANGUP, ExitCode.INTERRUPTED, ExitCode.TERMINATED})
# what is neither good nor bad.
UNDECIDED = frozenset(
    {
        *SIGNALLED,
        ExitCode.READER_GONE,
        ExitCode.RUN_STOPPED,
        ExitCode.NOT_FINISHED,
        ExitCode.PAUSED,
        ExitCode.TIMED_OUT,
    }
)
# What an engine that repeats a batch with --resume should do: retry, also after a kill -9, or give
# up.
KILLED = 137
ENGINES_RETRY = (
    ExitCode.LOST_CONTACT,
    ExitCode.TEMPORARY,
    ExitCode.TIMED_OUT,
    KILLED,
    ExitCode.TERMINATED,
)
ENGINES_FAIL = (ExitCode.USAGE, ExitCode.AUTH, ExitCode.NOT_FOUND)


def worst(codes: Iterable[int]) -> ExitCode:
    """Return the one code for several runs."""
    return min(map(ExitCode, codes), key=[*ExitCode].index, default=ExitCode.OK)


# Verbs that ask no server with any of their options.
WITHOUT_SERVER = frozenset({"compare", "completion", "help", "results", "sandbox", "schema"})


class CommandLine:
    """A command line to paste: a verb with its words, as a shell passes them.

    `typed` if they are those of a call, which name its server themselves.
    """

    def __init__(self, verb: str, *words: str, typed: bool = False) -> None:
        self.verb = verb
        self.words = words
        self.is_typed = typed

    def hidden(self, mask: Callable[[str], str]) -> "CommandLine":
        """Return the line without what `mask` removes."""
        return CommandLine(self.verb, *map(mask, self.words), typed=self.is_typed)

    def shown(self, route: str = "") -> str:
        """Return the line; `route` are the options that select the server."""
        words = shlex.join(self.words)
        start = f"noxcli {self.verb}"
        if not self.is_typed and self.verb not in WITHOUT_SERVER:
            start += route
        return f"{start} {words}" if words else start


class Hint:
    """How to fix or continue something: prose, with command lines to paste among it."""

    def __init__(self, *parts: "str | CommandLine | Hint") -> None:
        self.parts: list[str | CommandLine] = []
        for part in parts:
            if isinstance(part, Hint):
                self.parts += part.parts
            else:
                self.parts.append(part)

    @classmethod
    def joined(cls, separator: str, parts: Sequence["str | CommandLine | Hint"]) -> "Hint":
        """Return the parts as one, with a separator between them."""
        hint = cls(*parts[:1])
        for part in parts[1:]:
            hint = cls(hint, separator, part)
        return hint

    def __str__(self) -> str:
        return self.shown()

    def hidden(self, mask: Callable[[str], str]) -> "Hint":
        """Return the hint without what `mask` removes."""
        parts: list[str | CommandLine] = []
        for part in self.parts:
            parts.append(part.hidden(mask) if isinstance(part, CommandLine) else mask(part))
        return Hint(*parts)

    def shown(self, route: str = "") -> str:
        """Return the text; the `route` of a call leads each line to the server of that call."""
        text = ""
        for part in self.parts:
            text += part.shown(route) if isinstance(part, CommandLine) else part
        return text


class NoxError(Exception):
    """An expected failure: one line for the reader, one code for the script."""

    exit_code: ExitCode
    phase: Phase | None = None
    reported = False  # already written to stderr

    def __init_subclass__(cls, *, code: ExitCode | None = None, phase: Phase | None = None) -> None:
        """Give this kind of failure its code, and the phase if it is always the same."""
        if code is not None:
            cls.exit_code = code
        if phase is not None:
            cls.phase = phase

    def __init__(
        self,
        message: str,
        hint: Hint | str | None = None,
        *,
        http_status: int | None = None,
        request_id: str | None = None,
        candidates: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint: Hint | None = None
        if hint:
            self.hint = Hint(hint)
        self.http_status = http_status
        self.request_id = request_id
        self.candidates = candidates

    def facts(self) -> dict[str, Any]:
        """Return what support needs of the server's answer, for another error about the problem."""
        return {"http_status": self.http_status, "request_id": self.request_id}

    def document(self, phase: Phase | None = None) -> dict[str, Any]:
        """Return its part of the result document.

        `phase` is the command's, for one that may come in several.
        """
        hint = None if self.hint is None else self.hint.shown()
        said = {"phase": str(self.phase or phase), "message": self.message, "hint": hint}
        return {**said, **self.facts(), "candidates": list(self.candidates)}

    def lead_to(self, route: str) -> None:
        """Let each line in the hint name the server that these options select."""
        if self.hint is not None:
            self.hint = Hint(self.hint.shown(route))

    def hide(self, mask: Callable[[str], str]) -> None:
        """Remove what `mask` removes."""
        self.message = mask(self.message)
        if self.hint is not None:
            self.hint = self.hint.hidden(mask)
        if self.request_id:
            self.request_id = mask(self.request_id)
        candidates = []
        for candidate in self.candidates:
            masked = dict(candidate)
            for name, value in candidate.items():
                if isinstance(value, str):
                    masked[name] = mask(value)
            candidates.append(masked)
        self.candidates = candidates
        self.args = (self.message,)

    def line(self, *, with_hint: bool = True) -> str:
        """Return what happened, how to fix it and the request id, in one line."""
        line = self.message
        if self.hint and with_hint:
            line += f"; {self.hint.shown()}"
        if self.request_id:
            line += f" (request id {self.request_id})"
        return line


class UsageProblem(NoxError, code=ExitCode.USAGE, phase=Phase.USAGE):
    """The command line or an input is wrong."""


class WrongInputs(UsageProblem, phase=Phase.PREFLIGHT):
    """The inputs do not fit the workflow; nothing was sent.

    `found` says what cells have in place of their values.
    """

    found = ""


class ConfigProblem(NoxError, code=ExitCode.USAGE, phase=Phase.CONFIG):
    """A setting is wrong."""


class Refused(NoxError):
    """A refusal: an answer of the server, or with no status, our own."""

    def __init__(
        self,
        message: str,
        hint: Hint | str | None = None,
        *,
        refusal: Refusal | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, hint, **facts)
        if refusal is None:
            refusal = Refusal.OWN if self.http_status is None else Refusal.OF_THE_API
        self.refusal = refusal


class RequestRejected(Refused, code=ExitCode.USAGE):
    """The server rejected the request (400, 409, 422 and similar)."""


class NotAccessible(Refused):
    """The requested thing does not exist, or not for this key."""


class Unauthorized(NotAccessible, code=ExitCode.AUTH, phase=Phase.AUTH):
    """No usable key, the server rejected the key (401), or it lacks a permission (403)."""


class NotFound(NotAccessible, code=ExitCode.NOT_FOUND):
    """The server has no such workflow, run or file (404)."""


class Unavailable(NoxError, code=ExitCode.TEMPORARY):
    """Unreachable, overloaded or disconnected: the same request may work later.

    `sent` is false only if no byte of the request can have been sent; `retry_after` is in seconds.
    It `lasts` if it will not pass, as a wrong setting when nothing has answered yet.
    """

    def __init__(
        self,
        message: str,
        hint: Hint | str | None = None,
        *,
        sent: bool = True,
        retry_after: float | None = None,
        lasts: bool = False,
        **facts: Any,
    ) -> None:
        super().__init__(message, hint, **facts)
        self.sent = sent
        self.retry_after = retry_after
        self.lasts = lasts

    @property
    def concerns_all(self) -> bool:
        """True if every other request would fare the same at the moment.

        Says nothing about the effect of a POST.
        """
        return not self.sent or facts_about(self.http_status).is_unavailable


class RequestAborted(NoxError, code=ExitCode.TEMPORARY):
    """The command no longer sends this request; it was not sent."""


class ReadFirst(NoxError, code=ExitCode.TEMPORARY):
    """A start was not answered: this one was not sent, since a read must be answered before."""


class NoReadAnswered(Unavailable):
    """After a start that was not answered, no read was: no more rows are started."""


class NoSlotInTime(Unavailable):
    """The pace of all requests left no time for this one: that says nothing about its object."""


class ConnectionRejected(Unavailable, code=ExitCode.USAGE):
    """No connection: a certificate was refused, the server has no TLS, or a proxy refuses it."""


class ProxyUnreachable(ConnectionRejected, code=ExitCode.TEMPORARY):
    """The proxy that the settings name refuses connections, or its name is unknown."""


class Unreadable(Unavailable):
    """The answer is more than noxcli reads: nested too deeply, for example."""


class StreamClosed(Unavailable):
    """The stream closed cleanly without announcing an end, which proves nothing."""


class StreamUnsupported(NoxError, code=ExitCode.LOST_CONTACT):
    """The server has no usable event stream for this run: poll instead."""


class CursorRefused(StreamUnsupported):
    """The server does not know the position from which to resume the stream."""


class LostContact(NoxError, code=ExitCode.LOST_CONTACT, phase=Phase.FOLLOW):
    """The verdict could not be read from the server."""


class StartUnknown(NoxError, code=ExitCode.START_UNKNOWN, phase=Phase.START):
    """The start was sent, but no usable answer arrived: a run may exist."""


class NotFinished(NoxError, code=ExitCode.NOT_FINISHED, phase=Phase.RUN):
    """The run is still running, and the user did not ask to wait."""


class TimedOut(NoxError, code=ExitCode.TIMED_OUT, phase=Phase.FOLLOW):
    """A limit that the user set was reached; the run continues."""


class TimedOutBeforeStart(NoxError, code=ExitCode.TEMPORARY, phase=Phase.START):
    """The limit was reached before anything was started."""


class OutputNotDelivered(NoxError, code=ExitCode.UNDELIVERED, phase=Phase.DELIVER):
    """The run completed, but not all of its output could be delivered."""


class StdoutFailed(OutputNotDelivered):
    """Writing to stdout failed: its disk is full, or it was closed before the command began."""


class NotAsAsserted(NoxError, code=ExitCode.NOT_AS_ASSERTED, phase=Phase.ASSERT):
    """The run completed, but its result does not meet the user's assertions."""


class Unfitting(OutputNotDelivered):
    """An expression (--query, --assert) does not fit its document: the length of a number."""


class Incomplete(NoxError, phase=Phase.RUN):
    """A run that did not complete, a row, or several; the code says how the worst one ended."""

    def __init__(self, message: str, hint: Hint | str | None, code: ExitCode) -> None:
        super().__init__(message, hint)
        self.exit_code = code


class ReaderGone(NoxError, code=ExitCode.READER_GONE):
    """The reader of stdout has closed it."""


class Interruption(NoxError):
    """A signal ended the command; the code is the shell's own for it."""

    def __init__(
        self, message: str, hint: Hint | str | None = None, *, number: int, **facts: Any
    ) -> None:
        super().__init__(message, hint, **facts)
        self.number = number
        self.exit_code = ExitCode(128 + number)


class Bug(NoxError, code=ExitCode.BUG, phase=Phase.INTERNAL):
    """An unexpected error: a bug in noxcli."""


# How alike a word must be to name a verb, an option or a function, which may have another meaning.
ALIKE = 0.8


def nearest(word: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """Return the known name that is most similar to the word; None if none is that much `alike`."""
    import difflib  # needed only after a mistake

    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=alike)
    if not near:
        return None
    return folded[near[0]]


@overload
def suggestion(near: str | None, otherwise: str = "", *, quoted: bool = False) -> str: ...


@overload
def suggestion(near: str | None, otherwise: Hint, *, quoted: bool = False) -> Hint | str: ...


def suggestion(near: str | None, otherwise: Hint | str = "", *, quoted: bool = False) -> Hint | str:
    """Return the hint whether the user meant this name, or else the hint `otherwise`."""
    if not near:
        return otherwise
    name = repr(near) if quoted else near
    return f"did you mean {name}?"
