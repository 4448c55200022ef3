"""Starting a run, or an import: sent once; whether it may have been sent decides all else."""

import hashlib
import json
import re
import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from noxcli.codec import to_sorted_json
from noxcli.errors import CommandLine, Hint, Interruption, StartUnknown, Unavailable, facts_about
from noxcli.inputs.definition import InputNode, keys_of
from noxcli.models import Attempt, Run, is_uuid, same_id
from noxcli.retry import FailureTracker, RetryPolicy
from noxcli.runs.resolve import LAST_SEARCH, find_candidates
from noxcli.signals import SIGNALS, Interrupted
from noxcli.timing import Deadline, parse_time
from noxcli.value_class import value_class

if TYPE_CHECKING:
    from noxcli.api import NoxusApi


T = TypeVar("T")
# Seconds for the list of runs, and between two reads of it.
MAX_SEARCH = 10.0
SEARCH_AGAIN = 1.0
A_DAY = timedelta(days=1)
HAS_FRACTION = re.compile(r"\d[.eE]")  # a number in JSON, or a text that looks like one
# Servers also write 1970 or the year 1 for a time that they do not know.
PLAUSIBLE = datetime(2020, 1, 1, tzinfo=UTC)
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
# What an import creates by its mode, and under which names an answer may have its id: no field is
# documented.
CREATED = {
    "clone": ("workflow", ("id", "workflow_id")),
    "version": ("version", ("id", "version_id")),
}


class InputDigests:
    """Digests of inputs of one workflow, without secrets: the same for inputs that are equal."""

    def __init__(
        self, nodes: Sequence[InputNode] | None = None, secret: Collection[str] = ()
    ) -> None:
        """`nodes` is None for an unknown definition of the workflow: keys equal only themselves."""
        self._names: dict[str, str] = {}
        for key, node in keys_of(nodes or ()).items():
            for address in (key, *node.addresses):
                self._names[address] = key
        self._secret = {self._names.get(key, key) for key in secret}

    def of(self, input: Any) -> str:
        """Return what equal inputs have in common."""
        if isinstance(input, dict):
            named = {self._names.get(key, key): value for key, value in input.items()}
            input = {key: value for key, value in named.items() if key not in self._secret}
        text = to_sorted_json(input)
        if HAS_FRACTION.search(text):  # few have one, and reading takes most of the time
            text = to_sorted_json(json.loads(text, parse_float=_number))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _number(text: str) -> int | float:
    """Return a number, a whole one in the same form however a server writes it."""
    number = float(text)
    return int(number) if number.is_integer() else number


@value_class(frozen=True, slots=True)
class StartRequest:
    """One run to start; `digests` tells which other inputs are the same."""

    workflow_id: str
    input: Mapping[str, Any]
    digests: InputDigests
    version_id: str | None = None
    callback_url: str | None = None


class NonIdempotentRequest(Attempt, Generic[T]):
    """A request with an effect, from before its first byte until its answer is judged.

    `may_be_sent` is true until an answer says that it had no effect: `retry_safe` is its opposite,
    however the command ends.
    """

    def __init__(
        self, name: str, check_first: Hint, before_sending: Callable[[], None] = lambda: None
    ) -> None:
        """`name` is what messages call it, `check_first` what to do before repeating it by hand."""
        super().__init__(before_sending)
        self.name = name
        self.check_first = check_first

    @abstractmethod
    def send(self, within: float = float("inf")) -> T:
        """Send the request once, and return its answer.

        From any thread, again only if `may_be_repeated` says so. Raises what the API raises,
        Unavailable after `within` seconds.
        """

    def search(
        self,
        within: float,  # noqa: ARG002 - there is nothing to find
    ) -> tuple[str, list[dict[str, Any]]]:
        """Return what may be its effect, as text and as candidates."""
        return "", []

    def may_be_repeated(self, error: Unavailable) -> bool:
        """True if the error says that nothing was sent, or that the server takes no more (429)."""
        if self.may_be_sent or self.aborted:
            return False
        return not error.sent or facts_about(error.http_status).is_sent_again


def send_once(
    attempt: NonIdempotentRequest[T],
    policy: RetryPolicy,
    deadline: Deadline,
    note: Callable[[T], None],
) -> T:
    """Return the answer, for a command that waits for it in the main thread.

    `note` gets it immediately.

    The request is sent again only if it never left, or was answered 429, and not if that requests a
    longer wait than there is time for. A batch calls `attempt.send` from its threads instead, at
    its own pace.

    Raises StartUnknown, or Interruption for a signal, with the candidates if it may have had an
    effect; Unavailable or TimedOutBeforeStart if the server was unreachable or answered 429 for too
    long; RequestRejected, Unauthorized and NotFound as answered.
    """
    failures = FailureTracker(policy.deadline.clock, policy.retry_for)
    try:
        while True:
            try:
                answer = attempt.send(deadline.remaining())
                break
            except Unavailable as error:
                if attempt.may_be_repeated(error):
                    policy.pause(error, failures)
                elif not attempt.may_be_sent:
                    raise
                else:
                    limit = Deadline(policy.deadline.clock, deadline.remaining(MAX_SEARCH))
                    words, found = _search(attempt, limit)
                    why = f"{error.message}{words}"
                    raise StartUnknown(
                        f"{attempt.name} was sent, but its outcome is unknown: {why}",
                        attempt.check_first,
                        **error.facts(),
                        candidates=found,
                    ) from error
    except Interrupted as signal:
        if not attempt.may_be_sent:
            raise
        words, found = attempt.search(0.0)
        what = f"interrupted by {signal} during {attempt.name}, whose outcome is unknown{words}"
        raise Interruption(
            what, attempt.check_first, number=signal.number, candidates=found
        ) from None
    note(answer)  # without a wait in between, at which a signal could lose it
    SIGNALS.check()
    return answer


def _search(attempt: NonIdempotentRequest[T], limit: Deadline) -> tuple[str, list[dict[str, Any]]]:
    """Look for what may be its effect until there is some: a run may be listed late."""
    while True:
        words, found = attempt.search(limit.remaining())
        if found or not words or limit.passed:
            return words, found
        limit.clock.sleep(min(SEARCH_AGAIN, limit.remaining()))


class StartAttempt(NonIdempotentRequest[Run]):
    """One start."""

    def __init__(
        self,
        api: "NoxusApi",
        request: StartRequest,
        is_known: Callable[[str], bool] = lambda _: False,
        before_sending: Callable[[], None] = lambda: None,
    ) -> None:
        """`is_known` tells whether a run id belongs to another start."""
        check_first = Hint(
            "check before you start again: ", CommandLine("runs", request.workflow_id)
        )
        super().__init__("the start", check_first, before_sending)
        self.api = api
        self.request = request
        self._is_known = is_known
        self._began = time.monotonic()

    def send(self, within: float = float("inf")) -> Run:
        """Start the run.

        Raises what the API raises, and Unavailable for an answer that is about another start.
        """
        request = self.request
        run = self.api.within(within).create_run(
            request.workflow_id,
            request.input,
            version_id=request.version_id,
            callback_url=request.callback_url,
            attempt=self,
        )
        # Servers rewrite inputs, so those prove nothing.
        created = parse_time(run.created_at)
        now = self.api.http.server_now()
        contradiction = ""
        if not same_id(run.workflow_id, request.workflow_id):
            contradiction = f"a run of workflow {run.workflow_id}"
        elif self._is_known(run.id):
            contradiction = f"run {run.id}, which another start has begun"
        elif created is not None and now is not None and PLAUSIBLE < created < now - A_DAY:
            contradiction = f"run {run.id}, which began {run.created_at}"
        if contradiction:
            raise Unavailable(f"the server answered with {contradiction}")
        return run

    def search(self, within: float) -> tuple[str, list[dict[str, Any]]]:
        """Return the runs in the list that may be this start's."""

        def since() -> float:
            now = self.api.http.server_now() or datetime.now(UTC)
            elapsed = time.monotonic() - self._began
            return now.timestamp() - elapsed

        digest_of = self.request.digests.of
        own = digest_of(self.request.input)

        def fits(run: Run) -> bool:
            return digest_of(run.input) == own and not self._is_known(run.id)

        found = find_candidates(
            self.api, self.request.workflow_id, fits, since, max(LAST_SEARCH, within)
        )
        return f"; {found.words()}", found.brief()


@value_class(frozen=True, slots=True)
class ImportRequest:
    """One bundle to import.

    Which workflows it changes is not documented: those that exist and that it names.
    """

    bundle: str
    mode: str  # clone, version or replace
    activate: bool

    def try_at(self, api: "NoxusApi") -> list[Any]:
        """Return what the server says that the import would do. Raises what the API raises."""
        return api.import_workflow(self.bundle, self.mode, activate=self.activate)

    def targets(self, workflows: Mapping[str, str]) -> dict[str, str]:
        """Return the workflows that may change, by id with their names."""
        if self.mode == "clone":
            return {}
        named = {found.lower() for found in UUID.findall(self.bundle)}
        return {id: name for id, name in workflows.items() if id.lower() in named}

    def created_in(self, answer: list[Any], workflows: Collection[str]) -> list[dict[str, str]]:
        """Return what each part of an answer created, if it has one id that no workflow had yet."""
        kind, names = CREATED.get(self.mode, ("", ()))
        created = []
        for part in answer:
            ids = {id for name, id in _ids(part) if name in names}
            new = ids.difference(workflows)
            if len(new) == 1:
                created.append({"kind": kind, "id": new.pop()})
        return created


def _ids(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each id in a part of an answer with the name of its field."""
    if isinstance(part, str) and is_uuid(part):
        yield name, part
    elif isinstance(part, dict):
        for inner_name, inner in part.items():
            yield from _ids(inner, str(inner_name))
    elif isinstance(part, list):
        for place, inner in enumerate(part):
            yield from _ids(inner, str(place))


class ImportAttempt(NonIdempotentRequest[list[Any]]):
    """One import; `way_to_check` has the commands that show what it has changed."""

    def __init__(self, api: "NoxusApi", request: ImportRequest, way_to_check: Hint) -> None:
        check_first = Hint("check before you import it again: ", way_to_check)
        super().__init__("the import", check_first)
        self._api = api
        self._request = request

    def send(self, within: float = float("inf")) -> list[Any]:
        """Import the bundle, and return the server's answer. Raises what the API raises."""
        request = self._request
        return self._api.within(within).import_workflow(
            request.bundle,
            request.mode,
            activate=request.activate,
            attempt=self,
        )
