"""All questions to one server, asked in order."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from noxcli.errors import NoxError
from noxcli.inputs.definition import keys_of
from noxcli.probe.answer_questions import ANSWER_QUESTIONS
from noxcli.probe.asking import RequestsSpent
from noxcli.probe.evidence import Evidence
from noxcli.probe.learned import Learned, Question, not_seen
from noxcli.probe.output_questions import OUTPUT_QUESTIONS
from noxcli.probe.record_questions import RECORD_QUESTIONS
from noxcli.probe.stream_questions import STREAM_QUESTIONS
from noxcli.probe.trial import Trial, Trier
from noxcli.probe.wording_questions import WORDING_QUESTIONS

QUESTIONS: tuple[Question[Evidence], ...] = (
    *STREAM_QUESTIONS,
    *RECORD_QUESTIONS,
    *OUTPUT_QUESTIONS,
    *ANSWER_QUESTIONS,
    *WORDING_QUESTIONS,
)


def try_runs(evidence: Evidence, trier: Trier, inputs: Mapping[str, Any], starts: int) -> None:
    """Start that many runs: the first to see it end, the second, with inputs by node id, to stop it.

    Raises Unavailable or StartUnknown if there is no answer; all runs that were started have been stopped by then.
    """
    trials: list[Trial] = []
    evidence.trials = trials
    try:
        for number in range(starts):
            given = inputs if number == 0 else _by_id(evidence, inputs)
            trials.append(trier.run(given, stops=number > 0))
            if trials[-1].run_id is None:
                break
    except RequestsSpent:
        pass  # the questions say so


def _by_id(evidence: Evidence, inputs: Mapping[str, Any]) -> dict[str, Any]:
    ids = {key: node.id for key, node in keys_of(evidence.inputs).items()}
    return {ids.get(key, key): value for key, value in inputs.items()}


def interview(evidence: Evidence, note: Callable[[str], None]) -> Iterator[Learned]:
    """Yield the answer to each question; one without an answer says why, and the others are asked anyway."""
    for question in QUESTIONS:
        try:
            seen = question.ask(evidence) or not_seen(question.needs)
        except RequestsSpent:
            seen = not_seen("needs more requests: raise --max-requests")
        except NoxError as error:
            note(f"{question.what}: {error.message}")
            seen = not_seen("there was no usable answer")
        yield Learned(question.name, question.what, seen, question.switch)
