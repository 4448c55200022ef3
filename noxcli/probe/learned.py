"""The form of a question, and of what was seen."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from noxcli.probe.evidence import Evidence
from noxcli.probe.raw import RawAnswer

SWITCHES_FORMAT = "noxcli.switches/1"
SwitchValue = str | bool | int | float


class Sureness(StrEnum):
    """How reliable an observation is: directly from an answer, concluded from several, or missing."""

    CERTAIN = "certain"
    LIKELY = "likely"
    NOT_SEEN = "not_seen"


@dataclass(frozen=True, slots=True)
class Seen:
    """An observation in noxcli's own words, without any text of the server. `value` is for the switch, if known."""

    text: str
    value: SwitchValue | None = None
    how: str = ""
    sure: Sureness = Sureness.CERTAIN


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to learn. `name` is that of the sandbox's switch; `needs` says what an answer requires."""

    name: str
    what: str
    ask: Callable[[Evidence], Seen | None]
    needs: str


Learned = tuple[Question, Seen]


def refusal(answer: RawAnswer | None, how: str, **values: SwitchValue) -> Seen | None:
    """Return a rejection as an observation; `values` are the statuses that a switch has."""
    return None if answer is None else Seen(str(answer.status), values.get(f"s{answer.status}"), how)


def not_seen(why: str) -> Seen:
    """Return the placeholder for a missing answer."""
    return Seen("not seen", None, why, Sureness.NOT_SEEN)


def switches_text(learned: Iterable[Learned]) -> Iterator[str]:
    """Yield the lines of a switches file: what was learned, and as comments what was not seen."""
    learned = list(learned)
    yield f'format = "{SWITCHES_FORMAT}"\n\n[switches]\n'
    for question, seen in learned:
        if seen.value is not None:
            yield f"{question.name} = {_toml(seen.value)}  # {seen.sure}\n"
    yield "\n# Not seen:\n"
    for question, seen in learned:
        if seen.value is None:
            yield f"# {question.name}\n"


def _toml(value: SwitchValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)
