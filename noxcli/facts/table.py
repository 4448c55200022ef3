"""All facts, by topic, in the order of a run's life."""

from collections.abc import Mapping

from noxcli.facts.access import ACCESS_FACTS
from noxcli.facts.fact import ApiFact
from noxcli.facts.records import RECORD_FACTS
from noxcli.facts.starts import START_FACTS
from noxcli.facts.streams import STREAM_FACTS
from noxcli.facts.values import VALUE_FACTS

TOPICS: Mapping[str, tuple[ApiFact, ...]] = {
    "Access, errors and limits": ACCESS_FACTS,
    "Workflows, inputs and starts": START_FACTS,
    "The event stream": STREAM_FACTS,
    "Records, lists and stops": RECORD_FACTS,
    "Outputs and files": VALUE_FACTS,
}
FACTS: Mapping[str, ApiFact] = {fact.name: fact for facts in TOPICS.values() for fact in facts}


def fact_about(switch: str) -> ApiFact | None:
    """Return the fact that a switch of the sandbox is about."""
    return next((fact for fact in FACTS.values() if switch in fact.switches), None)
