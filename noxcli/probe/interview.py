"""All questions to one server, asked in order."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from noxcli.errors import NoxError
from noxcli.probe.asking import Spent
from noxcli.probe.evidence import Evidence
from noxcli.probe.learned import Learned, Question, not_seen
from noxcli.probe.record_questions import RECORD_QUESTIONS
from noxcli.probe.stream_questions import STREAM_QUESTIONS
from noxcli.probe.trial import Trier

QUESTIONS: tuple[Question, ...] = (*STREAM_QUESTIONS, *RECORD_QUESTIONS)


def try_runs(trier: Trier, inputs: Mapping[str, Any], starts: int) -> None:
    """Start that many runs: the first to see it end, the second to stop it.

    Raises Unavailable or StartUnknown if there is no answer; all runs that were started have been stopped by then.
    """
    purposes = ("one to watch to its end", "one to stop")[:starts]
    trier.note(f"starting {starts} run{'s' if starts > 1 else ''} of this workflow: {', '.join(purposes)}")
    try:
        for number in range(starts):
            trier.run(inputs, stops=number > 0)
            if trier.trials[-1].run_id is None:
                break
    except Spent as spent:
        trier.warn(f"not all was tried: it {spent}")


def interview(evidence: Evidence, note: Callable[[str], None]) -> Iterator[Learned]:
    """Yield the answer to each question; one without an answer says why, and the others are asked anyway."""
    for question in QUESTIONS:
        try:
            seen = question.ask(evidence) or not_seen(question.needs)
        except Spent as spent:
            seen = not_seen(str(spent))
        except NoxError as error:
            note(f"{question.what}: {error.message}")
            seen = not_seen("there was no usable answer")
        yield question, seen
